"""What Twilio asks of a customer, row by row."""

from collections.abc import Mapping

from asking import Asking, upgrade
from stage import OTHER, Stage, says
from validators import Signed

from scenarios.twilio import QUIET, ringing, talking


def at(stage: Stage, path: str) -> list[Signed]:
    """Every request to one path so far."""
    found = [request for request in stage.customer.requests if request.path == path]
    return [Signed(request=stage.customer.hook(request)) for request in found]


async def document(stage: Stage) -> list[Signed]:
    """By POST and by GET, where the fields are in the query."""
    await talking(stage)
    stage.customer.answers("/by-get", QUIET)
    await ringing(stage, url=f"{stage.customer.url}/by-get", method="GET", to=OTHER)
    await stage.customer.until(lambda request: request.path == "/by-get")
    return at(stage, "/answer") + at(stage, "/by-get")


async def call_events(stage: Stage) -> list[Signed]:
    """All four, of one call."""
    call = await talking(stage)
    await stage.sdk(lambda client: client.calls(call.sid).update(status="completed"))
    await stage.customer.until(says(CallStatus="completed"))
    found = at(stage, "/status")
    assert len(found) == 4
    return found


async def streaming(stage: Stage) -> str:
    """A call whose stream is open; its sid."""
    connect = (
        f'<Response><Connect action="{stage.customer.url}/after"><Stream url="{stage.socket.url}/media/leg_1" '
        f'statusCallback="{stage.customer.url}/stream"/></Connect></Response>'
    )
    call = await talking(stage, url=stage.customer.answers("/answer", connect))
    await stage.socket.until(lambda socket: socket.messages("start"))
    return str(call.sid)


async def fallback(stage: Stage) -> list[Signed]:
    stage.customer.answers("/broken", "no document")
    stage.customer.answers("/fallback", QUIET)
    await ringing(stage, url=f"{stage.customer.url}/broken", fallback_url=f"{stage.customer.url}/fallback")
    await stage.customer.until(lambda request: request.path == "/fallback")
    return at(stage, "/fallback")


async def stream_events(stage: Stage) -> list[Signed]:
    await streaming(stage)
    assert stage.socket.connection is not None
    await stage.socket.connection.close()
    await stage.customer.until(says(StreamEvent="stream-stopped"))
    found = at(stage, "/stream")
    assert len(found) == 2
    return found


async def after_connect(stage: Stage) -> list[Signed]:
    await streaming(stage)
    assert stage.socket.connection is not None
    await stage.socket.connection.close()
    await stage.customer.until(lambda request: request.path == "/after")
    return at(stage, "/after")


async def media_upgrade(stage: Stage) -> list[Signed]:
    await streaming(stage)
    return [upgrade(stage)]


WEBHOOKS: Mapping[str, Asking] = {
    "request for a document": document,
    "request to the fallback URL": fallback,
    "call events": call_events,
    "stream events": stream_events,
    "request to Connect's action": after_connect,
    "upgrade of the media socket": media_upgrade,
}
