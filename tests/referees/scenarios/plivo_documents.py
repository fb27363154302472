"""Plivo XML written by the SDK's own builder, obeyed by the simulator; each scenario gives back what Plivo asked on the way."""

from collections.abc import Mapping
from typing import Any

from asking import Asking
from plivo import plivoxml
from stage import OTHER, PERSON, Stage, says
from validators import Signed

from carriers.lab.contract import RestRequest
from scenarios.plivo import QUIET, ringing
from scenarios.plivo_webhooks import at


def asked(path: str) -> Any:
    """Whether a request came there."""

    def came(request: RestRequest) -> bool:
        return request.path == path

    return came


async def call_with(stage: Stage, document: Any, **more: Any) -> None:
    """Place a call that gets this document."""
    await ringing(stage, answer_url=stage.customer.answers("/answer", document.to_string()), **more)


async def ended(stage: Stage) -> None:
    """Wait for the end of the call to PERSON."""
    await stage.ledger("hangup", number=PERSON)


async def speak(stage: Stage) -> list[Signed]:
    document = plivoxml.ResponseElement()
    document.add_speak("Good evening.", language="en-GB")
    document.add_hangup()
    await call_with(stage, document)
    await ended(stage)
    assert stage.heard(PERSON).speech_seconds > 0.2
    return []


async def play(stage: Stage) -> list[Signed]:
    document = plivoxml.ResponseElement()
    document.add_play(stage.customer.sound("/music.wav"))
    document.add_dtmf("12")
    document.add_wait(length=1)
    await call_with(stage, document)
    await ended(stage)
    assert stage.heard(PERSON).speech_seconds > 0.5
    call = stage.lab.phones.call(PERSON)
    assert call is not None
    assert call.keys_heard == "12"
    return []


async def redirect(stage: Stage) -> list[Signed]:
    document = plivoxml.ResponseElement()
    document.add_redirect(stage.customer.answers("/elsewhere", QUIET), method="POST")
    await call_with(stage, document)
    await stage.customer.until(asked("/elsewhere"))
    return at(stage, "/elsewhere")


async def get_digits(stage: Stage) -> list[Signed]:
    stage.lab.phones.put(PERSON, answer_after_s=0.1, dtmf="wwww12")
    stage.customer.answers("/keys", QUIET)
    document = plivoxml.ResponseElement()
    gather = plivoxml.GetDigitsElement(action=f"{stage.customer.url}/keys", method="POST", num_digits=2, timeout=5)
    document.add(gather.add_speak("Press two keys."))
    await call_with(stage, document)
    await stage.customer.until(says(Digits="12"))
    return at(stage, "/keys")


async def get_input(stage: Stage) -> list[Signed]:
    stage.lab.phones.put(PERSON, answer_after_s=0.1, dtmf="wwww12")
    stage.customer.answers("/keys", QUIET)
    document = plivoxml.ResponseElement()
    document.add(plivoxml.GetInputElement(action=f"{stage.customer.url}/keys", method="POST", input_type="dtmf", num_digits=2))
    await call_with(stage, document)
    await stage.customer.until(says(Digits="12"))
    return at(stage, "/keys")


async def record(stage: Stage) -> list[Signed]:
    stage.lab.phones.put(PERSON, answer_after_s=0.1, says="tone")
    stage.customer.answers("/recorded", QUIET)
    document = plivoxml.ResponseElement()
    document.add(
        plivoxml.RecordElement(
            action=f"{stage.customer.url}/recorded",
            method="POST",
            max_length=1,
            file_format="wav",
            callback_url=f"{stage.customer.url}/recording",
            callback_method="POST",
        )
    )
    await call_with(stage, document)
    await stage.customer.until(asked("/recorded"))
    await stage.customer.until(asked("/recording"))
    return at(stage, "/recorded")


async def recording_status(stage: Stage) -> list[Signed]:
    await record(stage)
    return at(stage, "/recording")


async def dial(stage: Stage) -> list[Signed]:
    stage.customer.answers("/dialled", QUIET)
    stage.lab.phones.put(OTHER, answer_after_s=0.1, hangup_after_s=0.5)
    document = plivoxml.ResponseElement()
    dialling = plivoxml.DialElement(
        caller_id=stage.ours,
        action=f"{stage.customer.url}/dialled",
        method="POST",
        timeout=10,
        callback_url=f"{stage.customer.url}/leg",
        callback_method="POST",
    )
    document.add(dialling.add_number(OTHER.lstrip("+")))
    await call_with(stage, document)
    await stage.customer.until(says(DialStatus="completed"))
    return at(stage, "/dialled")


async def dialled_leg(stage: Stage) -> list[Signed]:
    await dial(stage)
    await stage.customer.until(asked("/leg"))
    return at(stage, "/leg")


async def stream(stage: Stage) -> list[Signed]:
    document = plivoxml.ResponseElement()
    document.add(
        plivoxml.StreamElement(
            f"{stage.socket.url}/media", bidirectional=True, keepCallAlive=True, contentType="audio/x-mulaw;rate=8000"
        )
    )
    await call_with(stage, document)
    await stage.socket.until(lambda socket: socket.messages("start"))
    return []


async def message(stage: Stage) -> list[Signed]:
    document = plivoxml.ResponseElement()
    document.add_message("Your table is ready.", src=stage.ours.lstrip("+"), dst=PERSON.lstrip("+"))
    await call_with(stage, document)
    await stage.ledger("message", number=PERSON)
    return []


async def inbound(stage: Stage, document: Any) -> None:
    """A phone calls our number, whose application answers with this document."""
    url = stage.customer.answers("/inbound", document.to_string())
    made = await stage.sdk(
        lambda client: client.applications.create("inbound", answer_url=url, hangup_url=f"{stage.customer.url}/ended")
    )
    await stage.sdk(lambda client: client.numbers.update(stage.ours.lstrip("+"), app_id=made.app_id))
    stage.calls(PERSON)
    await stage.customer.until(asked("/inbound"))


async def answer_call(stage: Stage) -> list[Signed]:
    document = plivoxml.ResponseElement()
    document.add_speak("Good evening.")
    await inbound(stage, document)
    await stage.customer.until(asked("/ended"))
    return at(stage, "/inbound", "/ended")


async def reject(stage: Stage) -> list[Signed]:
    document = plivoxml.ResponseElement()
    document.add_hangup(reason="busy")
    await inbound(stage, document)
    hangup = (await stage.ledger("hangup", number=PERSON))[0].flat()
    assert hangup["cause"] == "busy"
    return []


async def machine(stage: Stage) -> list[Signed]:
    stage.lab.phones.put(PERSON, answer_after_s=0.1, behavior="machine")
    await ringing(
        stage,
        machine_detection="true",
        machine_detection_url=f"{stage.customer.url}/amd",
        machine_detection_method="POST",
    )
    await stage.customer.until(asked("/amd"))
    return at(stage, "/amd")


async def message_status(stage: Stage) -> list[Signed]:
    given = {"src": stage.ours, "dst": PERSON, "text": "Hello.", "url": f"{stage.customer.url}/message", "method": "POST"}
    await stage.sdk(lambda client: client.messages.create(**given))
    await stage.customer.until(says(Status="delivered"))
    return at(stage, "/message")


DOCUMENTS: Mapping[str, Asking] = {
    "Speak, Hangup": speak,
    "Play, DTMF, Wait": play,
    "Redirect": redirect,
    "GetDigits": get_digits,
    "GetInput": get_input,
    "Record": record,
    "Dial, Number": dial,
    "Stream": stream,
    "Message": message,
    "Hangup with a reason": reject,
}
MORE_WEBHOOKS: Mapping[str, Asking] = {
    "call from a phone": answer_call,
    "request to GetDigits' action": get_digits,
    "request to GetInput's action": get_input,
    "request to Record's action": record,
    "status of a recording": recording_status,
    "request to Dial's action": dial,
    "events of a dialled leg": dialled_leg,
    "machine detection": machine,
    "status of a message": message_status,
}
