"""The official SDK drives the running lab, operation by operation, and its models and its validator judge what comes back."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from vonage_application import (
    ApplicationConfig,
    ApplicationUrl,
    Capabilities,
    Messages,
    MessagesWebhooks,
    VoiceUrl,
    VoiceWebhooks,
)
from vonage_application import Voice as VoiceCapability
from vonage_http_client.errors import HttpRequestError
from vonage_jwt import verify_signature
from vonage_messages import Sms
from vonage_numbers import ListOwnedNumbersFilter, UpdateNumberParams
from vonage_numbers.errors import NumbersError
from vonage_voice.models import (
    AdvancedMachineDetection,
    AudioStreamOptions,
    Connect,
    Conversation,
    CreateCallRequest,
    Input,
    ListCallsFilter,
    Notify,
    PhoneEndpoint,
    Record,
    Stream,
    Talk,
    TtsStreamOptions,
    Wait,
    WebsocketEndpoint,
)

from carriers.lab.sound import from_wav, is_loud, to_wav, tone

NUMBER = "15550190031"
PHONE, OTHER = "+15550100001", "+15550100002"
DIGITS = "1234"


def order(town: Any, ncco: list[Any] | None = None, **more: Any) -> CreateCallRequest:
    plan: dict[str, Any] = {"to": [{"type": "phone", "number": PHONE[1:]}], "from_": {"type": "phone", "number": NUMBER}}
    plan["event_url"] = [f"{town.customer.url}/event"]
    flow = {"answer_url": [f"{town.customer.url}/answer"]} if ncco is None else {"ncco": ncco}
    return CreateCallRequest(**plan, **flow, **more)


async def placed(town: Any, ncco: list[Any] | None = None, keys: str = "", **more: Any) -> str:
    """A call that a phone has answered; `keys` are pressed half a second later."""
    town.lab.phones.put(PHONE, answer_after_s=0.05, says="tone", dtmf=keys)
    answer = await town.call(town.client.voice.create_call, order(town, ncco, **more))
    await town.customer.event(path="event", status="answered", uuid=answer.uuid)
    return str(answer.uuid)


def configured(town: Any, **hooks: str) -> ApplicationConfig:
    urls = {name: VoiceUrl(address=f"{town.customer.url}/{path}", http_method="POST") for name, path in hooks.items()}
    status = MessagesWebhooks(status_url=ApplicationUrl(address=f"{town.customer.url}/texts"))
    capabilities = Capabilities(voice=VoiceCapability(webhooks=VoiceWebhooks(**urls)), messages=Messages(webhooks=status))
    return ApplicationConfig(name="the lab's", capabilities=capabilities)


async def open_for_calls(town: Any) -> None:
    """Link the number, and give the application its URLs, with nothing but the SDK."""
    own = town.credentials["application_id"]
    config = configured(town, answer_url="inbound", event_url="news", fallback_answer_url="fallback")
    await town.call(town.client.application.update_application, own, config)
    params = UpdateNumberParams(country="US", msisdn=NUMBER, app_id=own)
    await town.call(town.client.numbers.update_number, params)


# --- calls -------------------------------------------------------------------------------------------------------


async def test_create_fetch_list_and_hang_up(town: Any) -> None:
    """A call made by the SDK is answered, found alone and in the list, and ended; every webhook passes the SDK's validator."""
    uuid = await placed(town, [{"action": "talk", "text": "Hello", "loop": 0}])
    record = await town.call(town.client.voice.get_call, uuid)
    assert (record.status, record.direction, record.to.number, record.from_.number) == ("answered", "outbound", PHONE[1:], NUMBER)
    calls, following = await town.call(town.client.voice.list_calls, ListCallsFilter(status="answered", order="desc"))
    assert ([call.uuid for call in calls], following) == ([uuid], None)
    await town.call(town.client.voice.hangup, uuid)
    told = await town.customer.event(path="event", status="completed")
    assert told["disconnected_by"] == "platform"
    ended = await town.call(town.client.voice.get_call, uuid)
    assert (ended.status, ended.duration) == ("completed", told["duration"])
    assert all(verify_signature(token, town.credentials["signature_secret"]) for token in town.customer.tokens)


async def test_the_list_has_pages(town: Any) -> None:
    """The SDK is told that there is more, and asks for it."""
    for _ in range(3):
        await placed(town, [{"action": "talk", "text": "Hello"}])
        town.lab.phones.hang_up(PHONE)
        town.customer.requests.clear()
    calls, following = await town.call(town.client.voice.list_calls, ListCallsFilter(page_size=2))
    assert (len(calls), following) == (2, 1)
    rest, following = await town.call(town.client.voice.list_calls, ListCallsFilter(page_size=2, record_index=2))
    assert (len(rest), following) == (1, None)


async def test_talk_and_stream_are_played_and_stopped(town: Any) -> None:
    """What the API plays is heard by the phone, and stops when it is told to."""
    uuid = await placed(town, [{"action": "conversation", "name": "quiet"}])
    voice = town.client.voice
    started = await town.call(voice.play_tts_into_call, uuid, TtsStreamOptions(text="One moment please", loop=0, level=0.5))
    assert (started.message, started.uuid) == ("Talk started", uuid)
    assert (await town.call(voice.stop_tts, uuid)).message == "Talk stopped"
    town.customer.answers["hold.wav"] = to_wav(tone(500, 1.0))
    wish = AudioStreamOptions(stream_url=[f"{town.customer.url}/hold.wav"])
    assert (await town.call(voice.play_audio_into_call, uuid, wish)).message == "Stream started"
    (fetched,) = await town.lab.until("fetch")
    assert (fetched.more["status"], fetched.carrier_call_id) == (200, uuid)
    assert (await town.call(voice.stop_audio_stream, uuid)).message == "Stream stopped"


async def test_keys_reach_the_phone(town: Any) -> None:
    """DTMF of the API is heard, with a pause for each p."""
    uuid = await placed(town, [{"action": "conversation", "name": "quiet"}])
    sent = await town.call(town.client.voice.play_dtmf_into_call, uuid, "12p3")
    keys = await town.lab.until("keys", count=2)
    assert (sent.message, [entry.more["digits"] for entry in keys]) == ("DTMF sent", ["12", "3"])


async def test_a_call_is_transferred_by_flow_and_by_url(town: Any) -> None:
    """Both of the SDK's transfers give the call another flow, in another conversation."""
    uuid = await placed(town, [{"action": "conversation", "name": "first"}])
    await town.call(town.client.voice.transfer_call_ncco, uuid, [Talk(text="One moment", loop=0)])
    moved = await town.customer.event(path="event", type="transfer")
    record = await town.call(town.client.voice.get_call, uuid)
    assert moved["conversation_uuid_to"] != moved["conversation_uuid_from"]
    town.customer.answers["next"] = []
    await town.call(town.client.voice.transfer_call_answer_url, uuid, f"{town.customer.url}/next")
    asked = await town.customer.event(path="next")
    assert f"uuid={uuid}" in asked["query"]
    await town.customer.event(path="event", status="completed")
    assert record.status == "answered"


async def test_mute_and_earmuff_are_taken(town: Any) -> None:
    """The four switches answer without a body."""
    uuid = await placed(town, [{"action": "conversation", "name": "quiet"}])
    voice = town.client.voice
    for switch in (voice.mute, voice.unmute, voice.earmuff, voice.unearmuff):
        assert await town.call(switch, uuid) is None


async def test_a_recording_is_made_told_and_downloaded(town: Any, tmp_path: Path) -> None:
    """A voicemail by key: the webhook has its link, and the SDK downloads it with the application's token."""
    flow = [Record(format="wav", endOnKey="#", beepStart=True, split="conversation", eventUrl=[f"{town.customer.url}/recorded"])]
    uuid = await placed(town, [flow[0].model_dump(exclude_none=True)])
    await town.lab.until("answer")
    town.lab.phones.press(PHONE, "#")
    told = await town.customer.event(path="recorded")
    link = told["recording_url"].replace("http://", "https://")
    file = tmp_path / "recording.wav"
    await town.call(town.client.http_client.download_file_stream, link, str(file))
    assert file.stat().st_size == told["size"]
    (entry,) = town.lab.ledger.entries("recording")
    assert (entry.carrier_call_id, entry.more["channels"]) == (uuid, 2)


async def test_machine_detection_speaks_of_people_and_machines(town: Any) -> None:
    """Both ways to ask for it are taken from the SDK; a person is a person."""
    answered = AdvancedMachineDetection(behavior="continue", mode="detect", beep_timeout=45)
    town.customer.answers["answer"] = [{"action": "talk", "text": "Hello"}]
    await placed(town, advanced_machine_detection=answered)
    told = await town.customer.event(path="event", status="human")
    assert "call_uuid" in told
    assert "uuid" not in told


async def test_every_action_that_the_sdk_can_write_is_understood(town: Any) -> None:
    """A flow of the SDK's own models is fetched and obeyed: nothing of it is refused."""
    town.lab.phones.put(OTHER, answer_after_s=0.05, hangup_after_s=0.1)
    town.customer.answers["ding.wav"] = to_wav(tone(500, 0.1))
    flow = [
        Record(format="wav"),
        Stream(streamUrl=[f"{town.customer.url}/ding.wav"], level=-0.5),
        Talk(text="Hi", bargeIn=True, language="en-GB", style=1, premium=True),
        Input(type=["dtmf"], dtmf={"maxDigits": 4, "timeOut": 5}, eventUrl=[f"{town.customer.url}/keys"]),
        Notify(payload={"step": "after"}, eventUrl=[f"{town.customer.url}/told"]),
        Wait(timeout=0.1),
        Connect(endpoint=[PhoneEndpoint(number=OTHER[1:], dtmfAnswer="1")], from_=NUMBER, timeout=20, limit=60),
        Connect(
            endpoint=[WebsocketEndpoint(uri=town.socket_url, contentType="audio/l16;rate=16000", headers={"a": "b"})],
            from_=NUMBER,
            eventType="synchronous",
            eventUrl=[f"{town.customer.url}/stream"],
        ),
        Conversation(name="room", startOnEnter=True, endOnExit=True),
    ]
    town.customer.answers["answer"] = [json.loads(action.model_dump_json(by_alias=True, exclude_none=True)) for action in flow]
    await placed(town, keys=f"ww{DIGITS}")
    typed = await town.customer.event(path="keys")
    assert typed["dtmf"] == {"digits": DIGITS, "timed_out": False}
    await town.customer.event(path="told")
    await town.customer.until(lambda: town.customer.words())
    assert town.customer.words()[0] == {"event": "websocket:connected", "content-type": "audio/l16;rate=16000", "a": "b"}
    town.lab.phones.hang_up(PHONE)
    recorded = await town.customer.until(lambda: [told for told in town.customer.requests if "recording_url" in told])
    assert recorded[0]["size"] > 44
    assert town.lab.ledger.entries("refused") == []


# --- calls from phones -------------------------------------------------------------------------------------------


async def test_a_phone_calls_and_talks_to_a_stream(town: Any) -> None:
    """Number and application are set by the SDK; the caller is asked about, answered and heard, and keys reach the stream."""
    await open_for_calls(town)
    endpoint = {"type": "websocket", "uri": town.socket_url, "content-type": "audio/l16;rate=8000"}
    connect = {"action": "connect", "from": NUMBER, "endpoint": [endpoint | {"authorization": {"type": "vonage"}}]}
    town.customer.answers["inbound"] = [connect]
    call = town.lab.phones.dial(PHONE, f"+{NUMBER}", says="tone", dtmf="7")
    asked = await town.customer.event(path="inbound")
    assert (asked["from"], asked["to"], asked["uuid"], asked["endpoint_type"]) == (PHONE[1:], NUMBER, call.ref, "phone")
    sound = await town.customer.until(lambda: [part for part in town.customer.heard if isinstance(part, bytes)])
    assert len(sound[0]) == 320
    await town.customer.until(lambda: {"event": "websocket:dtmf", "digit": "7", "duration": 260} in town.customer.words())
    (upgrade,) = town.customer.upgrades
    assert verify_signature(upgrade["authorization"].removeprefix("Bearer "), town.credentials["signature_secret"])
    town.lab.phones.hang_up(PHONE)
    over = await town.customer.event(path="news", status="completed", uuid=call.ref)
    assert (over["direction"], over["disconnected_by"]) == ("inbound", "user")


async def test_a_number_without_an_application_turns_callers_away(town: Any) -> None:
    """Initially nobody answers: the caller hears that, and the ledger says why."""
    town.lab.phones.dial(PHONE, f"+{NUMBER}")
    (hangup,) = await town.lab.until("hangup")
    assert (hangup.more["by"], hangup.more["cause"], hangup.more["answered"]) == ("carrier", "declined", False)
    assert "answer_url" in town.lab.ledger.entries("refused")[0].more["reason"]


# --- the account -------------------------------------------------------------------------------------------------


async def test_applications_live_and_die(town: Any) -> None:
    """Create, fetch, list, update and delete; a new application's key opens the voice API."""
    applications = town.client.application
    made = await town.call(applications.create_application, configured(town, answer_url="other"))
    assert "PRIVATE KEY" in made.keys.private_key
    fetched = await town.call(applications.get_application, made.id)
    assert fetched.capabilities.voice.webhooks.answer_url.address.endswith("/other")
    listed, following = await town.call(applications.list_applications)
    assert ({entry.id for entry in listed}, following) == ({made.id, town.credentials["application_id"]}, None)
    renamed = await town.call(applications.update_application, made.id, ApplicationConfig(name="renamed"))
    assert (renamed.name, renamed.capabilities.voice) == ("renamed", None)
    await town.call(applications.delete_application, made.id)
    with pytest.raises(HttpRequestError) as caught:
        await town.call(applications.get_application, made.id)
    assert caught.value.response.status_code == 404


async def test_the_sdks_own_name_for_the_connection_time_limit_is_refused(town: Any) -> None:
    """The SDK says connect_timeout where the API's documents say connection_timeout: loud here, lest it be silent there."""
    hooks = VoiceWebhooks(answer_url=VoiceUrl(address="https://gw.example.com/a", connect_timeout=500))
    config = ApplicationConfig(name="x", capabilities=Capabilities(voice=VoiceCapability(webhooks=hooks)))
    with pytest.raises(HttpRequestError) as caught:
        await town.call(town.client.application.create_application, config)
    assert "connection_timeout" in caught.value.response.text


async def test_numbers_are_listed_and_linked(town: Any) -> None:
    """A number starts without an application; a link is seen in the list and by its filters."""
    numbers, own = town.client.numbers, town.credentials["application_id"]
    found, count, following = await town.call(numbers.list_owned_numbers)
    assert ([number.msisdn for number in found], count, following) == ([NUMBER, "15550190032"], 2, None)
    assert {number.app_id for number in found} == {None}
    done = await town.call(numbers.update_number, UpdateNumberParams(country="US", msisdn=NUMBER, app_id=own))
    assert (done.error_code, done.error_code_label) == ("200", "success")
    linked, _, _ = await town.call(numbers.list_owned_numbers, ListOwnedNumbersFilter(application_id=own))
    free, _, _ = await town.call(numbers.list_owned_numbers, ListOwnedNumbersFilter(has_application=False))
    assert ([number.msisdn for number in linked], [number.msisdn for number in free]) == ([NUMBER], ["15550190032"])
    ending, _, _ = await town.call(numbers.list_owned_numbers, ListOwnedNumbersFilter(pattern="32", search_pattern=2))
    assert [number.msisdn for number in ending] == ["15550190032"]


@pytest.mark.parametrize("change", [{"msisdn": "15550109999"}, {"app_id": "nobody"}, {"voice_callback_type": "tel"}])
async def test_a_wrong_number_update_fails(town: Any, change: dict[str, str]) -> None:
    """A number of others, an unknown application, and a forward that is not simulated."""
    more = {"voice_callback_value": "15550100002"} if "voice_callback_type" in change else {}
    params = UpdateNumberParams(**{"country": "US", "msisdn": NUMBER, **change, **more})
    with pytest.raises((NumbersError, HttpRequestError)):
        await town.call(town.client.numbers.update_number, params)


async def test_the_balance_is_read(town: Any) -> None:
    """In the words of the SDK's model."""
    balance = await town.call(town.client.account.get_balance)
    assert (balance.value, balance.auto_reload) == (25.5, False)


# --- messages ----------------------------------------------------------------------------------------------------


async def test_a_text_is_sent_and_its_fate_is_told(town: Any) -> None:
    """Submitted, delivered, signed; the phone has it."""
    await open_for_calls(town)
    sms = Sms(to=PHONE[1:], from_=NUMBER, text="Call you at five", client_ref="c-1")
    sent = await town.call(town.client.messages.send, sms)
    for status in ("submitted", "delivered"):
        told = await town.customer.event(path="texts", status=status)
        assert (told["message_uuid"], told["client_ref"], told["channel"]) == (sent.message_uuid, "c-1", "sms")
    assert [text.body for text in town.lab.phones.get(PHONE).messages] == ["Call you at five"]
    assert all(verify_signature(token, town.credentials["signature_secret"]) for token in town.customer.tokens)


async def test_the_text_of_a_recording_is_sound(town: Any, tmp_path: Path) -> None:
    """What was recorded of a speaking phone is no silence."""
    record = {"action": "record", "format": "wav", "timeOut": 3, "eventUrl": [f"{town.customer.url}/recorded"]}
    began = time.monotonic()
    await placed(town, [record])
    told = await town.customer.event(path="recorded")
    file = tmp_path / "recording.wav"
    link = told["recording_url"].replace("http://", "https://")
    await town.call(town.client.http_client.download_file_stream, link, str(file))
    sound = from_wav(file.read_bytes())
    assert 2.9 <= len(sound) / 8000 <= 3.1
    assert is_loud(sound[8000:8160])
    assert time.monotonic() - began < 8
