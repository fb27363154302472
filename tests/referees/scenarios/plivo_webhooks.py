"""What Plivo asks of a customer, row by row."""

from collections.abc import Mapping

from asking import Asking, upgrade
from stage import OTHER, PERSON, Stage, says
from validators import Signed

from scenarios.plivo import QUIET, ringing, talking


def at(stage: Stage, *paths: str) -> list[Signed]:
    """Every request to these paths so far; each has to have been asked."""
    found = [request for request in stage.customer.requests if request.path in paths]
    assert {request.path for request in found} == set(paths)
    return [Signed(request=stage.customer.hook(request)) for request in found]


async def document(stage: Stage) -> list[Signed]:
    """By POST and by GET, where the fields are in the query."""
    await talking(stage)
    stage.customer.answers("/by-get", QUIET)
    await ringing(stage, answer_url=f"{stage.customer.url}/by-get?leg=leg_1", answer_method="GET", to_=OTHER)
    await stage.customer.until(lambda request: request.path == "/by-get")
    return at(stage, "/answer", "/by-get")


async def fallback(stage: Stage) -> list[Signed]:
    stage.customer.answers("/fallback", QUIET)
    await ringing(stage, answer_url="http://127.0.0.1:9/nobody", fallback_url=f"{stage.customer.url}/fallback")
    await stage.customer.until(lambda request: request.path == "/fallback")
    return at(stage, "/fallback")


async def call_events(stage: Stage) -> list[Signed]:
    uuid = await talking(stage)
    await stage.sdk(lambda client: client.calls.hangup(uuid))
    await stage.customer.until(says(Event="Hangup"))
    return at(stage, "/ring", "/hangup")


async def streaming(stage: Stage) -> str:
    """A call whose stream is open; its id."""
    document = (
        f'<Response><Stream bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000" '
        f'statusCallbackUrl="{stage.customer.url}/stream">{stage.socket.url}/media/leg_1</Stream>'
        f'<Redirect method="POST">{stage.customer.url}/after</Redirect></Response>'
    )
    uuid = await talking(stage, answer_url=stage.customer.answers("/answer", document))
    await stage.socket.until(lambda socket: socket.messages("start"))
    return uuid


async def stream_events(stage: Stage) -> list[Signed]:
    await streaming(stage)
    stage.lab.phones.hang_up(PERSON)
    await stage.customer.until(says(Event="StopStream"))
    await stage.customer.until(says(Event="StartStream"))
    return at(stage, "/stream")


async def redirect(stage: Stage) -> list[Signed]:
    await streaming(stage)
    assert stage.socket.connection is not None
    await stage.socket.connection.close()
    await stage.customer.until(lambda request: request.path == "/after")
    return at(stage, "/after")


async def media_upgrade(stage: Stage) -> list[Signed]:
    """The SDK's validator takes http URLs only; a ws URL is what was signed, and is tried in `media upgrade` of our tests."""
    await streaming(stage)
    return [upgrade(stage)]


WEBHOOKS: Mapping[str, Asking] = {
    "request for a document": document,
    "request to the fallback URL": fallback,
    "call events": call_events,
    "stream events": stream_events,
    "request of a Redirect": redirect,
    "upgrade of the media socket": media_upgrade,
}
