"""The event log: one call's as a list or live, the whole gateway's live."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from gateway.web.auth import needs
from gateway.web.calls import CallId, load
from gateway.web.console.session import still_in
from gateway.web.feed import follow_call, follow_gateway
from gateway.web.paging import event_page, read_seq, refuse_unknown_parameters
from gateway.web.responses import REFUSALS, protected
from gateway.web.services import GivenServices
from gateway.web.shapes import EventPage
from gateway.web.views import event_view

EVENT_STREAM = "text/event-stream"
_STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

_PAGE = ResponseSpec(
    data_container=EventPage, description="A page of events, or, if asked for, the same as a stream.", generate_examples=False
)

LastEventId = Annotated[str | None, HeaderParameter(name="Last-Event-ID", description="`id` of the last event that was seen.")]


@get(
    "/v1/events",
    media_type=EVENT_STREAM,
    tags=["events"],
    **protected("calls:read", "Everything, live", "Each message's `data` is an event, its `id` the event's `seq`."),
)
async def gateway_events(request: Request[Any, Any, Any], services: GivenServices, last_event_id: LastEventId = None) -> Stream:
    """Server-sent events of the whole gateway, from now on or from behind Last-Event-ID."""
    refuse_unknown_parameters(request, ())
    after = read_seq("Last-Event-ID", last_event_id) if last_event_id else await services.store.feed_end()
    going_on = partial(still_in, request, services)
    return Stream(follow_gateway(services, after, going_on), media_type=EVENT_STREAM, headers=_STREAM_HEADERS)


@get(
    "/v1/calls/{call_id:str}/events",
    guards=[needs("calls:read")],
    summary="A call's event log",
    responses={**REFUSALS, 200: _PAGE},
    tags=["events"],
)
async def call_events(
    call_id: CallId,
    request: Request[Any, Any, Any],
    services: GivenServices,
    limit: Annotated[int, QueryParameter(description="At most so many.", ge=1, le=1000)] = 200,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.")] = None,
    last_event_id: LastEventId = None,
) -> Response[EventPage] | Stream:
    """A page, oldest first; with `Accept: text/event-stream` the log from its beginning (or from behind Last-Event-ID) and
    then live, until the call ends.
    """
    refuse_unknown_parameters(request, ("limit", "cursor"))
    await load(call_id, services)
    if EVENT_STREAM in request.headers.get("accept", ""):
        after = read_seq("Last-Event-ID", last_event_id) if last_event_id else 0
        return Stream(follow_call(services, call_id, after), media_type=EVENT_STREAM, headers=_STREAM_HEADERS)
    entries = await services.store.entries(call_id)
    return Response(event_page([event_view(entry) for entry in entries], limit, cursor))
