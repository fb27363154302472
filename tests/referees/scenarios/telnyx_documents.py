"""More of what Telnyx tells a customer. It obeys commands, not documents: there is none to be written."""

import json
from collections.abc import Mapping

from asking import Asking
from stage import PERSON, Stage
from validators import Signed

from carriers.lab.contract import RestRequest
from scenarios.telnyx import ringing, talking, told
from scenarios.telnyx_more import VOICE, incoming, recorded, transfer
from scenarios.telnyx_webhooks import events


async def call_from_a_phone(stage: Stage) -> list[Signed]:
    call = await incoming(stage)
    await stage.sdk(lambda client: client.calls.actions.answer(call))
    await stage.customer.until(told("call.answered"))
    return events(stage, "call.initiated", "call.answered")


async def speech(stage: Stage) -> list[Signed]:
    call = await talking(stage)
    await stage.sdk(lambda client: client.calls.actions.speak(call, **VOICE))
    await stage.customer.until(told("call.speak.ended"))
    return events(stage, "call.speak.started", "call.speak.ended")


async def playback(stage: Stage) -> list[Signed]:
    call = await talking(stage)
    url = stage.customer.sound("/music.wav")
    await stage.sdk(lambda client: client.calls.actions.start_playback(call, audio_url=url))
    await stage.customer.until(told("call.playback.ended"))
    stage.customer.requests[:] = [request for request in stage.customer.requests if request.method == "POST"]
    return events(stage, "call.playback.started", "call.playback.ended")


async def gathered(stage: Stage) -> list[Signed]:
    call = await talking(stage)
    await stage.sdk(lambda client: client.calls.actions.gather(call, maximum_digits=2))
    for key in "12":
        stage.lab.phones.press(PERSON, key)
    await stage.customer.until(told("call.gather.ended"))
    return events(stage, "call.dtmf.received", "call.gather.ended")


async def recording(stage: Stage) -> list[Signed]:
    await recorded(stage)
    return events(stage, "call.recording.saved")


async def transferred(stage: Stage) -> list[Signed]:
    await transfer(stage)
    await stage.customer.until(told("call.bridged"))
    return events(stage, "call.bridged")


async def machine(stage: Stage) -> list[Signed]:
    stage.lab.phones.put(PERSON, answer_after_s=0.1, behavior="machine")
    await ringing(stage, answering_machine_detection="detect")
    await stage.customer.until(told("call.machine.detection.ended"))
    return events(stage, "call.machine.detection.ended")


def final(request: RestRequest) -> bool:
    """Whether a webhook is the last of a message."""
    return request.path == "/messages" and json.loads(request.body)["data"]["event_type"] == "message.finalized"


async def message(stage: Stage) -> list[Signed]:
    url = f"{stage.customer.url}/messages"
    await stage.sdk(lambda client: client.messages.send(from_=stage.ours, to=PERSON, text="Hello.", webhook_url=url))
    await stage.customer.until(final)
    return events(stage, "message.sent", "message.finalized")


DOCUMENTS: Mapping[str, Asking] = {}
MORE_WEBHOOKS: Mapping[str, Asking] = {
    "call from a phone": call_from_a_phone,
    "events of speech": speech,
    "events of a playback": playback,
    "keys and gather": gathered,
    "event of a recording": recording,
    "event of a bridge": transferred,
    "machine detection": machine,
    "status of a message": message,
}
