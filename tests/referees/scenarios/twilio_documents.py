"""TwiML written by the SDK's own builder, obeyed by the simulator; each scenario gives back what Twilio asked on the way."""

from collections.abc import Mapping
from typing import Any

from asking import Asking
from stage import OTHER, PERSON, Stage, says
from twilio.twiml.voice_response import VoiceResponse
from validators import Signed

from scenarios.twilio import QUIET, ringing
from scenarios.twilio_webhooks import at

PLACE = "/answer"


async def call_with(stage: Stage, document: VoiceResponse, **more: Any) -> None:
    """Place a call that gets this document."""
    await ringing(stage, url=stage.customer.answers(PLACE, str(document)), **more)


async def ended(stage: Stage) -> None:
    """Wait for the end of the call to PERSON."""
    await stage.ledger("hangup", number=PERSON)


async def say(stage: Stage) -> list[Signed]:
    document = VoiceResponse()
    document.say("Good evening.", voice="alice", language="en-GB")
    document.hangup()
    await call_with(stage, document)
    await ended(stage)
    assert stage.heard(PERSON).speech_seconds > 0.2
    return []


async def play(stage: Stage) -> list[Signed]:
    document = VoiceResponse()
    document.play(stage.customer.sound("/music.wav"))
    document.play(digits="12")
    document.pause(length=1)
    await call_with(stage, document)
    await ended(stage)
    assert stage.heard(PERSON).speech_seconds > 0.5
    call = stage.lab.phones.call(PERSON)
    assert call is not None
    assert call.keys_heard == "12"
    return []


async def redirect(stage: Stage) -> list[Signed]:
    document = VoiceResponse()
    document.redirect(stage.customer.answers("/elsewhere", QUIET), method="POST")
    await call_with(stage, document)
    await stage.customer.until(lambda request: request.path == "/elsewhere")
    return at(stage, "/elsewhere")


async def gather(stage: Stage) -> list[Signed]:
    stage.lab.phones.put(PERSON, answer_after_s=0.1, dtmf="wwww12")
    stage.customer.answers("/keys", QUIET)
    document = VoiceResponse()
    document.gather(action=f"{stage.customer.url}/keys", num_digits=2, timeout=5).say("Press two keys.")
    await call_with(stage, document)
    await stage.customer.until(says(Digits="12"))
    return at(stage, "/keys")


async def record(stage: Stage) -> list[Signed]:
    stage.lab.phones.put(PERSON, answer_after_s=0.1, says="tone")
    stage.customer.answers("/recorded", QUIET)
    document = VoiceResponse()
    document.record(
        action=f"{stage.customer.url}/recorded",
        max_length=1,
        recording_status_callback=f"{stage.customer.url}/recording",
        recording_status_callback_event="completed",
    )
    await call_with(stage, document)
    await stage.customer.until(lambda request: request.path == "/recorded")
    await stage.customer.until(lambda request: request.path == "/recording")
    return at(stage, "/recorded")


async def recording_status(stage: Stage) -> list[Signed]:
    await record(stage)
    return at(stage, "/recording")


async def dial(stage: Stage) -> list[Signed]:
    stage.customer.answers("/dialled", QUIET)
    stage.lab.phones.put(OTHER, answer_after_s=0.1, hangup_after_s=0.5)
    document = VoiceResponse()
    document.dial(caller_id=stage.ours, action=f"{stage.customer.url}/dialled", timeout=10).number(
        OTHER, status_callback=f"{stage.customer.url}/leg", status_callback_event="answered completed"
    )
    await call_with(stage, document)
    await stage.customer.until(says(DialCallStatus="completed"))
    return at(stage, "/dialled")


async def dialled_leg(stage: Stage) -> list[Signed]:
    await dial(stage)
    await stage.customer.until(lambda request: request.path == "/leg")
    return at(stage, "/leg")


async def connect(stage: Stage) -> list[Signed]:
    document = VoiceResponse()
    document.connect().stream(url=f"{stage.socket.url}/media").parameter(name="leg", value="leg_1")
    await call_with(stage, document)
    (start,) = await stage.socket.until(lambda socket: socket.messages("start"))
    assert start["start"]["customParameters"] == {"leg": "leg_1"}
    return []


async def start_and_stop(stage: Stage) -> list[Signed]:
    document = VoiceResponse()
    document.start().stream(url=f"{stage.socket.url}/media", name="fork", track="both_tracks")
    document.pause(length=1)
    document.stop().stream(name="fork")
    document.pause(length=5)
    await call_with(stage, document)
    await stage.socket.until(lambda socket: socket.messages("stop"))
    assert {message["media"]["track"] for message in stage.socket.messages("media")} == {"inbound", "outbound"}
    return []


async def inbound(stage: Stage, document: VoiceResponse) -> None:
    """A phone calls our number, which answers with this document."""
    url = stage.customer.answers("/inbound", str(document))
    (number,) = await stage.sdk(lambda client: client.incoming_phone_numbers.list(phone_number=stage.ours))
    await stage.sdk(
        lambda client: client.incoming_phone_numbers(number.sid).update(
            voice_url=url, status_callback=f"{stage.customer.url}/ended"
        )
    )
    stage.calls(PERSON)
    await stage.customer.until(lambda request: request.path == "/inbound")


async def answer_call(stage: Stage) -> list[Signed]:
    document = VoiceResponse()
    document.say("Good evening.")
    await inbound(stage, document)
    await stage.customer.until(lambda request: request.path == "/ended")
    return at(stage, "/inbound") + at(stage, "/ended")


async def reject(stage: Stage) -> list[Signed]:
    document = VoiceResponse()
    document.reject(reason="busy")
    await inbound(stage, document)
    hangup = (await stage.ledger("hangup", number=PERSON))[0].flat()
    assert hangup["cause"] == "busy"
    return []


async def machine(stage: Stage) -> list[Signed]:
    stage.lab.phones.put(PERSON, answer_after_s=0.1, behavior="machine")
    await ringing(
        stage,
        machine_detection="Enable",
        async_amd="true",
        async_amd_status_callback=f"{stage.customer.url}/amd",
        async_amd_status_callback_method="POST",
    )
    await stage.customer.until(lambda request: request.path == "/amd")
    return at(stage, "/amd")


async def message_status(stage: Stage) -> list[Signed]:
    url = f"{stage.customer.url}/message"
    await stage.sdk(lambda client: client.messages.create(to=PERSON, from_=stage.ours, body="Hello.", status_callback=url))
    await stage.customer.until(says(MessageStatus="delivered"))
    return at(stage, "/message")


DOCUMENTS: Mapping[str, Asking] = {
    "Say, Hangup": say,
    "Play, Pause": play,
    "Redirect": redirect,
    "Gather": gather,
    "Record": record,
    "Dial, Number": dial,
    "Connect, Stream, Parameter": connect,
    "Start, Stop": start_and_stop,
    "Reject": reject,
}
MORE_WEBHOOKS: Mapping[str, Asking] = {
    "call from a phone": answer_call,
    "request of a Redirect": redirect,
    "request to Gather's action": gather,
    "request to Record's action": record,
    "status of a recording": recording_status,
    "request to Dial's action": dial,
    "events of a dialled leg": dialled_leg,
    "machine detection": machine,
    "status of a message": message_status,
}
