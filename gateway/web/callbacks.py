"""`/v1/callbacks`: promises to call, one queue for all of them: look, keep one now, take one back."""

from typing import Annotated

from litestar import Request, Router, delete, get, post
from litestar.datastructures import State
from litestar.params import PathParameter, QueryParameter

from gateway.domain.outcome import CallbackState
from gateway.domain.records import Call
from gateway.runtime.callback_desk import CallbackRefused
from gateway.runtime.calls import CallNotFound
from gateway.runtime.store.contract import CallFilter
from gateway.web.callback_views import PromisePage, PromiseView, promise_view
from gateway.web.paging import read_place, refuse_unknown_parameters
from gateway.web.problems import Refusal, refusal, unavailable
from gateway.web.responses import protected
from gateway.web.services import GivenServices, Services

ApiRequest = Request[object, object, State]

CallbackId = Annotated[str, PathParameter(description="`cb_call_...`, as the list has it.")]
_PREFIX = "cb_"


@get("/", **protected("calls:read", "List callbacks", "A page of promises."))
async def list_callbacks(
    request: ApiRequest,
    services: GivenServices,
    status: Annotated[CallbackState | None, QueryParameter(description="Where it is now.")] = None,
    to: Annotated[str | None, QueryParameter(description="E.164; the plus as %2B.")] = None,
    purpose: Annotated[str | None, QueryParameter(description="What for.", max_length=64)] = None,
    limit: Annotated[int, QueryParameter(description="At most so many.", ge=1, le=200)] = 50,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.", max_length=200)] = None,
) -> PromisePage:
    """Every call that is or was a promise, newest first: callers' callbacks, calls that no carrier could take, calls for
    later, and retries. Every given filter must match.
    """
    refuse_unknown_parameters(request, ("status", "to", "purpose", "limit", "cursor"))
    # A plus that was not escaped arrives as a space.
    number = f"+{to[1:]}" if to and to.startswith(" ") else to
    wanted = CallFilter(callback=status or "any", to=number, purpose=purpose)
    page = await services.store.list_calls(wanted, limit, read_place(cursor))
    return PromisePage(items=tuple(map(promise_view, page.items)), next=page.next)


@get("/{callback_id:str}", **protected("calls:read", "One callback", "The promise."))
async def get_callback(callback_id: CallbackId, services: GivenServices) -> PromiseView:
    """The promise as it stands."""
    return promise_view(await _load(callback_id, services))


@post(
    "/{callback_id:str}/run",
    status_code=202,
    **protected("calls:write", "Keep a callback now", "It is being dialled; the promise as it stands."),
)
async def run_callback(callback_id: CallbackId, services: GivenServices) -> PromiseView:
    """Due now, whenever it would have been; never outside its window. Whoever takes it back at the same moment is told that it
    is running, or this one that it is over.
    """
    if services.calls.draining:
        raise unavailable("This gateway is being stopped; another one, or this one restarted, will run it.")
    call = await _load(callback_id, services)
    try:
        return promise_view(await services.callbacks.run(call.id))
    except CallbackRefused as error:
        raise refusal("conflict", str(error)) from error
    except CallNotFound as error:
        raise _none_of_this_id() from error


@delete(
    "/{callback_id:str}",
    status_code=200,
    **protected("calls:write", "Cancel a callback", "It is taken back; the promise as it ended."),
)
async def cancel_callback(callback_id: CallbackId, services: GivenServices) -> PromiseView:
    """Takes back a promise that waits: its call ends as canceled, and nothing is dialled."""
    call = await _load(callback_id, services)
    try:
        return promise_view(await services.callbacks.cancel(call.id))
    except CallbackRefused as error:
        raise refusal("conflict", str(error)) from error
    except CallNotFound as error:
        raise _none_of_this_id() from error


async def _load(callback_id: str, services: Services) -> Call:
    """404 for what is none, and for a call that never was a promise."""
    call = await services.store.load(callback_id.removeprefix(_PREFIX)) if callback_id.startswith(_PREFIX) else None
    if call is None or call.promised_at is None:
        raise _none_of_this_id()
    return call


def _none_of_this_id() -> Refusal:
    return refusal("not-found", "There is no callback of this id, or it ended so long ago that it was purged.")


ROUTER = Router("/v1/callbacks", route_handlers=[list_callbacks, get_callback, run_callback, cancel_callback], tags=["callbacks"])
