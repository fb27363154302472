"""`/v1/calls`: place, look, cancel, hang up."""

from asyncio import gather
from typing import Annotated

from litestar import Request, Response, Router, delete, get, post
from litestar.datastructures import State
from litestar.params import HeaderParameter, JSONBody, PathParameter, QueryParameter

from gateway.domain.outcome import CallStatus, Direction, Outcome
from gateway.domain.records import Call
from gateway.runtime.store.contract import CallFilter, Committed, IdempotencyRecord, Replayed
from gateway.runtime.store.promise_contract import Taken
from gateway.web.auth import caller
from gateway.web.body import CreateCallBody
from gateway.web.idempotency import HEADER, REPLAYED, client_key, record, refuse_another
from gateway.web.paging import read_place, refuse_unknown_parameters
from gateway.web.problems import Refusal, no_such_call, refusal, unavailable
from gateway.web.requests import CreateCall, canonical, new_call
from gateway.web.responses import protected
from gateway.web.services import GivenServices, Services
from gateway.web.shapes import CallPage, CallView
from gateway.web.views import call_view

ApiRequest = Request[object, object, State]

CallId = Annotated[str, PathParameter(description="`call_...`, as the call was accepted.")]

_UNANSWERED = frozenset({CallStatus.SCHEDULED, CallStatus.DIALING, CallStatus.RINGING})


@post(
    "/",
    dto=CreateCallBody,
    return_dto=None,
    status_code=201,
    request_max_body_size=64 * 1024,
    **protected(
        "calls:write",
        "Place a call",
        "Accepted. `Location` is the call's path; `Idempotent-Replayed: true` if the key was known already.",
    ),
)
async def create_call(
    data: JSONBody[CreateCall],
    request: ApiRequest,
    services: GivenServices,
    idempotency_key: Annotated[
        str | None, HeaderParameter(name=HEADER, description="At most 255 characters; one key, one call.")
    ] = None,
) -> Response[CallView]:
    """Accepted in one atomic write, then 201: also when the call waits for a carrier or is scheduled for later. Send an
    Idempotency-Key of your own, so that a repetition after a lost answer finds the same call.
    """
    key, scope, wanted = client_key(idempotency_key, services.new_id), caller(request), canonical(data)
    known = await services.store.idempotency(record(key, scope, "", wanted).key)
    if known is not None:
        return await _replayed(known, key, wanted, services)
    _shed(services)
    call = new_call(data, services.config, services.clock.now(), services.new_id)
    result = await services.calls.accept(call, record(key, scope, call.id, wanted))
    if isinstance(result, Replayed):
        return await _replayed(result.record, key, wanted, services)
    if isinstance(result, Taken):
        raise _promised_already(result)
    if not isinstance(result, Committed):
        raise unavailable("The call could not be stored just now. Nothing was accepted; send the request again.")
    return await _created(result.call, key, services, replayed=False)


@get("/", **protected("calls:read", "List calls", "A page of calls."))
async def list_calls(
    request: ApiRequest,
    services: GivenServices,
    status: Annotated[CallStatus | None, QueryParameter(description="Where it is now.")] = None,
    outcome: Annotated[Outcome | None, QueryParameter(description="How it ended.")] = None,
    carrier: Annotated[str | None, QueryParameter(description="One of whose legs is on this carrier.")] = None,
    to: Annotated[str | None, QueryParameter(description="E.164; the plus as %2B.")] = None,
    direction: Annotated[Direction | None, QueryParameter(description="Who began.")] = None,
    limit: Annotated[int, QueryParameter(description="At most so many.", ge=1, le=200)] = 50,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.", max_length=200)] = None,
) -> CallPage:
    """Newest first. Every given filter must match."""
    refuse_unknown_parameters(request, ("status", "outcome", "carrier", "to", "direction", "limit", "cursor"))
    # A plus that was not escaped arrives as a space.
    number = f"+{to[1:]}" if to and to.startswith(" ") else to
    wanted = CallFilter(status=status, outcome=outcome, carrier=carrier, to=number, direction=direction)
    page = await services.store.list_calls(wanted, limit, read_place(cursor))
    return CallPage(items=tuple(await gather(*(view(call, services) for call in page.items))), next=page.next)


@get("/{call_id:str}", **protected("calls:read", "One call", "The call."))
async def get_call(call_id: CallId, services: GivenServices) -> CallView:
    """The call as it stands; media counters are at most one second old."""
    return await view(await load(call_id, services), services)


@post("/{call_id:str}/hangup", status_code=202, **protected("calls:write", "Hang up", "It will be ended; the call as it stands."))
async def hang_up(call_id: CallId, services: GivenServices) -> CallView:
    """Ends the call in whatever state it is; before the answer this cancels it."""
    _refuse_ended(await load(call_id, services))
    return await view(await services.calls.hang_up(call_id), services)


@delete("/{call_id:str}", status_code=202, **protected("calls:write", "Cancel", "It is taken back; the call as it stands."))
async def cancel_call(call_id: CallId, services: GivenServices) -> CallView:
    """Takes back a call that is not answered yet."""
    call = await load(call_id, services)
    _refuse_ended(call)
    if call.status not in _UNANSWERED:
        raise refusal("conflict", f"The call is {call.status.value}: it was answered. Use POST /v1/calls/{call.id}/hangup.")
    return await view(await services.calls.cancel(call_id), services)


async def load(call_id: str, services: Services) -> Call:
    """The call, or 404."""
    call = await services.store.load(call_id)
    if call is None:
        raise no_such_call()
    return call


async def view(call: Call, services: Services) -> CallView:
    """The call as it is shown, with its legs' media counters."""
    return call_view(call, await services.store.media(call.id) if call.legs else {})


def _shed(services: Services) -> None:
    """What this process may not carry is refused before it is accepted; `max_live_calls` binds calls for later as well."""
    if services.calls.draining:
        services.metrics.count("load_shed_total", reason="draining")
        raise unavailable("This gateway is being stopped; another one, or this one restarted, will take the call.")
    if services.calls.full():
        services.metrics.count("load_shed_total", reason="full")
        raise unavailable("This gateway carries as many calls as it may. Nothing was accepted; send the request again.")


def _promised_already(taken: Taken) -> Refusal:
    path = f"/v1/callbacks/cb_{taken.holder}"
    cure = 'Send "duplicate": true to have another beside it, or take it back first.'
    return refusal("promised-already", f"It is cb_{taken.holder}: GET {path}. {cure}", headers={"Location": path})


def _refuse_ended(call: Call) -> None:
    if call.ended:
        raise refusal("conflict", f"The call has ended: {call.outcome.value if call.outcome else ''}.")


async def _replayed(known: IdempotencyRecord, key: str, wanted: dict[str, object], services: Services) -> Response[CallView]:
    another = refuse_another(known, wanted)
    if another is not None:
        raise another
    return await _created(await load(known.call_id, services), key, services, replayed=True)


async def _created(call: Call, key: str, services: Services, *, replayed: bool) -> Response[CallView]:
    headers = {"Location": f"/v1/calls/{call.id}", HEADER: key} | ({REPLAYED: "true"} if replayed else {})
    return Response(await view(call, services), status_code=201, headers=headers)


ROUTER = Router("/v1/calls", route_handlers=[create_call, list_calls, get_call, hang_up, cancel_call], tags=["calls"])
