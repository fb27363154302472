"""NCCO actions built by the SDK's own models, obeyed by the simulator; each scenario gives back what Vonage asked on the way."""

import json
from collections.abc import Mapping
from typing import Any

from asking import Asking
from stage import OTHER, PERSON, Stage
from validators import Signed
from vonage_application import ApplicationConfig
from vonage_messages.models import Sms
from vonage_numbers.requests import UpdateNumberParams
from vonage_voice.models import (
    Connect,
    Conversation,
    CreateCallRequest,
    Input,
    Notify,
    PhoneEndpoint,
    Record,
    Talk,
    Wait,
    WebsocketEndpoint,
)
from vonage_voice.models import Stream as PlayStream

from carriers.lab.contract import RestRequest
from scenarios.vonage import TO, WAITING, ringing
from scenarios.vonage_webhooks import at


def asked(path: str, **fields: Any) -> Any:
    """Whether a request with these fields came there."""

    def came(request: RestRequest) -> bool:
        if request.path != path:
            return False
        told = json.loads(request.body) if fields else {}
        return all(told.get(name) == value for name, value in fields.items())

    return came


def ncco(*actions: Any) -> list[dict[str, Any]]:
    """The document, as the SDK writes it."""
    return [action.model_dump(by_alias=True, exclude_none=True) for action in actions]


async def ended(stage: Stage) -> None:
    """Wait for the end of the call to PERSON."""
    await stage.ledger("hangup", number=PERSON)


async def talk(stage: Stage) -> list[Signed]:
    await ringing(stage, ncco(Talk(text="Good evening.", language="en-GB", style=1)))
    await ended(stage)
    assert stage.heard(PERSON).speech_seconds > 0.2
    return []


async def play(stage: Stage) -> list[Signed]:
    await ringing(stage, ncco(PlayStream(streamUrl=[stage.customer.sound("/music.wav")]), Wait(timeout=0.5)))
    await ended(stage)
    assert stage.heard(PERSON).speech_seconds > 0.5
    return []


async def gather(stage: Stage) -> list[Signed]:
    stage.lab.phones.put(PERSON, answer_after_s=0.1, dtmf="wwww12")
    url = stage.customer.answers("/keys", json.dumps(WAITING), "application/json")
    await ringing(stage, ncco(Input(type=["dtmf"], dtmf={"maxDigits": 2, "timeOut": 5}, eventUrl=[url])))
    await stage.customer.until(asked("/keys"))
    (signed,) = at(stage, "/keys")
    assert json.loads(signed.request.body)["dtmf"]["digits"] == "12"
    return [signed]


async def record(stage: Stage) -> list[Signed]:
    stage.lab.phones.put(PERSON, answer_after_s=0.1, says="tone")
    url = f"{stage.customer.url}/recording"
    await ringing(stage, ncco(Record(format="wav", timeOut=3, endOnSilence=3, beepStart=True, eventUrl=[url])))
    await stage.customer.until(asked("/recording"))
    return at(stage, "/recording")


async def connect_phone(stage: Stage) -> list[Signed]:
    stage.lab.phones.put(OTHER, answer_after_s=0.1, hangup_after_s=0.5)
    endpoint = PhoneEndpoint(number=OTHER.lstrip("+"))
    url = f"{stage.customer.url}/leg"
    await ringing(stage, ncco(Connect(endpoint=[endpoint], from_=stage.ours.lstrip("+"), eventUrl=[url], timeout=10)))
    await stage.customer.until(asked("/leg", status="completed"))
    return at(stage, "/leg")


async def connect_socket(stage: Stage) -> list[Signed]:
    endpoint = WebsocketEndpoint(uri=f"{stage.socket.url}/media", contentType="audio/l16;rate=8000", headers={"leg": "leg_1"})
    await ringing(stage, ncco(Connect(endpoint=[endpoint], from_=stage.ours.lstrip("+"))))
    (start,) = await stage.socket.until(lambda socket: socket.messages("websocket:connected"))
    assert start["leg"] == "leg_1"
    return []


async def conversation(stage: Stage) -> list[Signed]:
    document = ncco(Conversation(name="room", endOnExit=True))
    await ringing(stage, document)
    await stage.customer.until(asked("/event", status="answered"))
    url = stage.customer.answers("/answer", json.dumps(document), "application/json")
    await other_call(stage, url)
    await stage.until(joined(stage, 2))
    stage.lab.phones.hang_up(PERSON)
    await stage.ledger("hangup", number=OTHER)
    return []


def joined(stage: Stage, count: int) -> Any:
    """Whether so many legs have moved to a conversation."""

    async def look() -> bool:
        told = [json.loads(request.body) for request in stage.customer.requests if request.path == "/event"]
        return sum(event.get("type") == "transfer" for event in told) == count

    return look


async def other_call(stage: Stage, url: str) -> None:
    """A call to OTHER."""
    wish = CreateCallRequest(
        to=[{"type": "phone", "number": OTHER.lstrip("+")}],
        from_={"type": "phone", "number": stage.ours.lstrip("+")},
        answer_url=[url],
        answer_method="POST",
        event_url=[f"{stage.customer.url}/event"],
    )
    await stage.sdk(lambda client: client.voice.create_call(wish))


async def notify(stage: Stage) -> list[Signed]:
    url = stage.customer.answers("/after", json.dumps(WAITING), "application/json")
    await ringing(stage, ncco(Notify(payload={"leg": "leg_1"}, eventUrl=[url])))
    await stage.customer.until(asked("/after"))
    return []


async def answer_call(stage: Stage) -> list[Signed]:
    """A phone calls our number, whose application answers; by GET, as it is by default, and by POST."""
    wish = UpdateNumberParams(country="US", msisdn=stage.ours.lstrip("+"), app_id=stage.credentials["application_id"])
    await stage.sdk(lambda client: client.numbers.update_number(wish))
    for method in ("GET", "POST"):
        await application_of(stage, method)
        call = stage.lab.phones.dial(PERSON, stage.ours)
        path = f"/inbound-{method.lower()}"
        await stage.customer.until(asked(path))
        stage.lab.phones.hang_up(PERSON)
        await stage.until(gone(call))
    return at(stage, "/inbound-get") + at(stage, "/inbound-post")


def gone(call: Any) -> Any:
    """Whether a phone's call has ended."""

    async def look() -> bool:
        return bool(call.ended_at)

    return look


async def application_of(stage: Stage, method: str) -> None:
    """Let the lab's application answer there."""
    url = stage.customer.answers(f"/inbound-{method.lower()}", json.dumps(WAITING), "application/json")
    hooks = {
        "answer_url": {"address": url, "http_method": method},
        "event_url": {"address": f"{stage.customer.url}/event", "http_method": "POST"},
    }
    config = ApplicationConfig(name="Lab", capabilities={"voice": {"webhooks": hooks}})
    await stage.sdk(lambda client: client.application.update_application(stage.credentials["application_id"], config))


async def machine(stage: Stage) -> list[Signed]:
    stage.lab.phones.put(PERSON, answer_after_s=0.1, behavior="machine")
    url = stage.customer.answers("/answer", json.dumps(WAITING), "application/json")
    wish = CreateCallRequest(
        to=[{"type": "phone", "number": TO}],
        from_={"type": "phone", "number": stage.ours.lstrip("+")},
        answer_url=[url],
        answer_method="POST",
        event_url=[f"{stage.customer.url}/event"],
        advanced_machine_detection={"behavior": "continue", "mode": "detect"},
    )
    await stage.sdk(lambda client: client.voice.create_call(wish))
    await stage.customer.until(asked("/event", status="machine"))
    found = at(stage, "/event")
    return [one for one in found if json.loads(one.request.body).get("status") == "machine"]


async def message_status(stage: Stage) -> list[Signed]:
    sms = Sms(to=TO, from_=stage.ours.lstrip("+"), text="Hello.", webhook_url=f"{stage.customer.url}/message")
    await stage.sdk(lambda client: client.messages.send(sms))
    await stage.customer.until(asked("/message", status="delivered"))
    return at(stage, "/message")


DOCUMENTS: Mapping[str, Asking] = {
    "talk": talk,
    "stream, wait": play,
    "input": gather,
    "record": record,
    "connect to a phone": connect_phone,
    "connect to a WebSocket": connect_socket,
    "conversation": conversation,
    "notify to an address": notify,
}
MORE_WEBHOOKS: Mapping[str, Asking] = {
    "call from a phone": answer_call,
    "event of an input": gather,
    "event of a recording": record,
    "events of a connected leg": connect_phone,
    "machine detection": machine,
    "status of a message": message_status,
}
