"""What Telnyx tells a customer, row by row."""

import json
from collections.abc import Mapping

from asking import Asking
from stage import PERSON, Stage
from validators import Signed

from scenarios.telnyx import talking, told


def events(stage: Stage, *kinds: str) -> list[Signed]:
    """Every webhook of these kinds so far; each kind has to have come."""
    hooks = [(json.loads(request.body)["data"]["event_type"], request) for request in stage.customer.requests]
    assert set(kinds) <= {kind for kind, _request in hooks}
    return [Signed(request=stage.customer.hook(request)) for kind, request in hooks if kind in kinds]


async def call_events(stage: Stage) -> list[Signed]:
    call = await talking(stage, client_state="bGVnXzE=")
    await stage.sdk(lambda client: client.calls.actions.hangup(call))
    await stage.customer.until(told("call.hangup"))
    return events(stage, "call.initiated", "call.answered", "call.hangup")


async def stream_events(stage: Stage) -> list[Signed]:
    await talking(stage, stream_url=stage.socket.url, stream_bidirectional_mode="rtp")
    await stage.socket.until(lambda socket: socket.messages("start"))
    stage.lab.phones.hang_up(PERSON)
    await stage.customer.until(told("streaming.stopped"))
    return events(stage, "streaming.started", "streaming.stopped")


async def stream_failure(stage: Stage) -> list[Signed]:
    await talking(stage, stream_url="ws://127.0.0.1:9", stream_bidirectional_mode="rtp")
    await stage.customer.until(told("streaming.failed"))
    return events(stage, "streaming.failed")


WEBHOOKS: Mapping[str, Asking] = {
    "call events": call_events,
    "stream events": stream_events,
    "failure of a stream": stream_failure,
}
