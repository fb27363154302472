"""What Vonage asks of a customer, row by row."""

import json
from collections.abc import Mapping
from typing import Any

from asking import Asking, upgrade
from stage import Stage
from validators import Signed

from carriers.lab.contract import RestRequest
from scenarios.vonage import ringing, status, talking


def at(stage: Stage, path: str) -> list[Signed]:
    """Every request to one path so far."""
    found = [request for request in stage.customer.requests if request.path == path]
    return [Signed(request=stage.customer.hook(request)) for request in found]


def connect(stage: Stage) -> list[dict[str, Any]]:
    """A document that connects the media socket and asks afterwards."""
    endpoint = {
        "type": "websocket",
        "uri": f"{stage.socket.url}/media/leg_1",
        "content-type": "audio/l16;rate=8000",
        "authorization": {"type": "vonage"},
    }
    return [
        {"action": "connect", "eventType": "synchronous", "eventUrl": [f"{stage.customer.url}/stream"], "endpoint": [endpoint]},
        {"action": "notify", "payload": {"leg": "leg_1"}, "eventUrl": [f"{stage.customer.url}/after"]},
    ]


async def streaming(stage: Stage) -> str:
    """A call whose media socket is open; its uuid."""
    uuid = await talking(stage, connect(stage))
    await stage.socket.until(lambda socket: socket.messages("websocket:connected"))
    return uuid


def comes(path: str, word: str) -> Any:
    """Whether a webhook came there with this status."""

    def came(request: RestRequest) -> bool:
        return request.path == path and json.loads(request.body).get("status") == word

    return came


async def document(stage: Stage) -> list[Signed]:
    await talking(stage)
    return at(stage, "/answer")


async def call_events(stage: Stage) -> list[Signed]:
    uuid = await talking(stage)
    await stage.sdk(lambda client: client.voice.hangup(uuid))
    await stage.customer.until(status("completed"))
    found = at(stage, "/event")
    assert {"started", "ringing", "answered", "completed"} <= {json.loads(one.request.body).get("status") for one in found}
    return found


async def error_event(stage: Stage) -> list[Signed]:
    await ringing(stage, [{"action": "dance"}])
    await stage.customer.until(lambda request: request.path == "/event" and "reason" in json.loads(request.body))
    return at(stage, "/event")


async def stream_events(stage: Stage) -> list[Signed]:
    await streaming(stage)
    assert stage.socket.connection is not None
    await stage.socket.connection.close()
    await stage.customer.until(comes("/stream", "disconnected"))
    return at(stage, "/stream")


async def notify(stage: Stage) -> list[Signed]:
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
    "call events": call_events,
    "event of an error": error_event,
    "events of the media leg": stream_events,
    "notify": notify,
    "upgrade of the media socket": media_upgrade,
}
