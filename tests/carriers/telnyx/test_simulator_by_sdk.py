"""The official SDK drives the simulated Telnyx over HTTP: every operation, with real webhooks to a real customer."""

import asyncio
import io
import wave
from typing import Any

import httpx
import pytest
import telnyx
from telnyx.lib import verify_webhook_signature

from carriers.lab.contract import RestReply
from carriers.lab.lab import Lab
from carriers.lab.sound import to_wav, tone

pytestmark = pytest.mark.asyncio(loop_scope="module")
PERSON = "+15550100001"


async def test_applications(lab: Lab, sdk: Any) -> None:
    """Created, found by name, changed, and deleted unless a number hangs on it."""
    made = (
        await sdk(lambda it: it.call_control_applications.create(application_name="one", webhook_event_url="http://x/y"))
    ).data
    found = (await sdk(lambda it: it.call_control_applications.list(filter={"application_name": {"contains": "ONE"}}))).data
    assert [application.id for application in found] == [made.id]
    changed = await sdk(
        lambda it: it.call_control_applications.update(
            made.id, application_name="one", webhook_event_url="http://x/z", first_command_timeout=True
        )
    )
    fetched = (await sdk(lambda it: it.call_control_applications.retrieve(made.id))).data
    assert changed.data == fetched
    assert (fetched.webhook_event_url, fetched.first_command_timeout, fetched.active) == ("http://x/z", True, True)
    number = (await sdk(lambda it: it.phone_numbers.list(page_size=1))).data[0]
    await sdk(lambda it: it.phone_numbers.update(number.id, connection_id=made.id))
    with pytest.raises(telnyx.UnprocessableEntityError, match="10021"):
        await sdk(lambda it: it.call_control_applications.delete(made.id))
    await sdk(lambda it: it.phone_numbers.update(number.id, connection_id=number.connection_id))
    await sdk(lambda it: it.call_control_applications.delete(made.id))
    with pytest.raises(telnyx.NotFoundError):
        await sdk(lambda it: it.call_control_applications.retrieve(made.id))


async def test_numbers(lab: Lab, sdk: Any) -> None:
    """Listed, found, changed; bound to an application that does not exist they cannot be."""
    ours = lab.credentials("telnyx")["numbers"]
    assert [number.phone_number for number in (await sdk(lambda it: it.phone_numbers.list())).data] == list(ours)
    (found,) = (await sdk(lambda it: it.phone_numbers.list(filter={"phone_number": ours[1]}))).data
    changed = (await sdk(lambda it: it.phone_numbers.update(found.id, customer_reference="desk"))).data
    assert (changed.customer_reference, changed.phone_number) == ("desk", ours[1])
    assert (await sdk(lambda it: it.phone_numbers.retrieve(found.id))).data == changed
    with pytest.raises(telnyx.UnprocessableEntityError, match="10017"):
        await sdk(lambda it: it.phone_numbers.update(found.id, connection_id="1"))


async def set_url(lab: Lab, sdk: Any, url: str, **more: Any) -> None:
    connection = lab.credentials("telnyx")["connection_id"]
    await sdk(lambda it: it.call_control_applications.update(connection, application_name="lab", webhook_event_url=url, **more))


async def test_a_call_from_a_phone(lab: Lab, sdk: Any, customer: Any) -> None:
    """Told, answered by command, hung up by the caller; the SDK's validator accepts every webhook."""
    await set_url(lab, sdk, f"{customer.url}/inbound")
    lab.phones.dial(PERSON, lab.credentials("telnyx")["numbers"][0], caller_name="Ada")
    payload = await customer.until("call.initiated")
    assert (payload["from"], payload["direction"], payload["caller_id_name"]) == (PERSON, "incoming", "Ada")
    await sdk(lambda it: it.calls.actions.answer(payload["call_control_id"], client_state="bGVn"))
    assert (await customer.until("call.answered"))["client_state"] == "bGVn"
    lab.phones.hang_up(PERSON)
    ended = await customer.until("call.hangup")
    assert (ended["hangup_cause"], ended["hangup_source"]) == ("normal_clearing", "caller")
    for request in customer.requests:
        verify_webhook_signature(request.body, dict(request.headers), lab.credentials("telnyx")["public_key"])


async def test_a_call_from_a_phone_is_rejected(lab: Lab, sdk: Any, customer: Any) -> None:
    """The caller hears busy."""
    await set_url(lab, sdk, f"{customer.url}/inbound")
    lab.phones.dial(PERSON, lab.credentials("telnyx")["numbers"][0])
    payload = await customer.until("call.initiated")
    await sdk(lambda it: it.calls.actions.reject(payload["call_control_id"], cause="USER_BUSY"))
    await customer.until("call.hangup")
    (ended,) = await lab.until("hangup", number=PERSON)
    assert (ended.more["cause"], ended.more["direction"]) == ("busy", "inbound")


async def dialled(lab: Lab, sdk: Any, customer: Any, to: str = PERSON, **more: Any) -> str:
    """The id of a call that was answered."""
    given = lab.credentials("telnyx")
    if not lab.phones.get(to).calls:
        lab.phones.put(to, **({"answer_after_s": 0.05, "says": "tone"} | more.pop("phone", {})))
    wish = {
        "connection_id": given["connection_id"],
        "from_": given["numbers"][0],
        "to": to,
        "webhook_url": f"{customer.url}/{to}",
    }
    made = await sdk(lambda it: it.calls.dial(**(wish | more)))
    call = str(made.data.call_control_id)
    await lab.until("answer", number=to)
    return call


async def test_menu(lab: Lab, sdk: Any, customer: Any) -> None:
    """A prompt, keys, digits back to the person, and the end."""
    call = await dialled(lab, sdk, customer)
    await sdk(lambda it: it.calls.actions.gather_using_speak(call, payload="Press one or two.", voice="female", maximum_digits=1))
    lab.phones.press(PERSON, "2")
    gathered = await customer.until("call.gather.ended")
    assert (gathered["status"], gathered["digits"]) == ("valid", "2")
    await sdk(lambda it: it.calls.actions.send_dtmf(call, digits="77"))
    (keys,) = await lab.until("keys", number=PERSON)
    assert keys.more["digits"] == "77"
    await sdk(lambda it: it.calls.actions.gather(call, gather_id="more"))
    await sdk(lambda it: it.calls.actions.stop_gather(call))
    assert (await customer.until("call.gather.ended", 2))["status"] == "cancelled"
    await sdk(lambda it: it.calls.actions.update_client_state(call, client_state="bmV3"))
    await sdk(lambda it: it.calls.actions.hangup(call))
    assert (await customer.until("call.hangup"))["client_state"] == "bmV3"


async def test_sounds(lab: Lab, sdk: Any, customer: Any) -> None:
    """Speech and a file are heard by the phone; a loop without end is stopped."""
    customer.files["/music.wav"] = RestReply(status=200, body=to_wav(tone(600, 0.1)), content_type="audio/wav")
    call = await dialled(lab, sdk, customer, phone={"says": "silence"})
    await sdk(lambda it: it.calls.actions.speak(call, payload="Hello you.", voice="female"))
    assert (await customer.until("call.speak.ended"))["status"] == "completed"
    await sdk(lambda it: it.calls.actions.start_playback(call, audio_url=f"{customer.url}/music.wav", loop="infinity"))
    assert (await customer.until("call.playback.started"))["media_url"] == f"{customer.url}/music.wav"
    await sdk(lambda it: it.calls.actions.stop_playback(call, stop="all"))
    assert (await customer.until("call.playback.ended"))["status"] == "cancelled"
    assert lab.phones.get(PERSON).report(lab.now())["heard"]["speech_seconds"] > 0.2
    (fetch,) = await lab.until("fetch", number=PERSON)
    assert (fetch.more["status"], "telnyx-signature-ed25519" in dict(customer.requests[0].headers)) == (200, True)


async def test_recording(lab: Lab, sdk: Any, customer: Any) -> None:
    """Made, told of, fetched by its link without a key, listed, found and deleted."""
    call = await dialled(lab, sdk, customer)
    await sdk(lambda it: it.calls.actions.start_recording(call, channels="dual", format="wav", play_beep=True))
    await sdk(lambda it: it.calls.actions.pause_recording(call))
    await sdk(lambda it: it.calls.actions.resume_recording(call))
    await sdk(lambda it: it.calls.actions.speak(call, payload="Hello you.", voice="female"))
    await customer.until("call.speak.ended")
    await sdk(lambda it: it.calls.actions.stop_recording(call))
    saved = await customer.until("call.recording.saved")
    answer = await asyncio.to_thread(httpx.get, saved["recording_urls"]["wav"])
    with wave.open(io.BytesIO(answer.content)) as file:
        assert (answer.status_code, file.getnchannels(), file.getnframes() > 4000) == (200, 2, True)
    (entry,) = (await sdk(lambda it: it.recordings.list(filter={"call_leg_id": saved["call_leg_id"]}))).data
    assert (await sdk(lambda it: it.recordings.retrieve(entry.id))).data.channels == "dual"
    await sdk(lambda it: it.recordings.delete(entry.id))
    with pytest.raises(telnyx.NotFoundError):
        await sdk(lambda it: it.recordings.retrieve(entry.id))


async def test_transfer_and_bridge(lab: Lab, sdk: Any, customer: Any) -> None:
    """A third person is added by transfer, then another by dial and bridge; they hear each other."""
    ours = lab.credentials("telnyx")["numbers"][0]
    call = await dialled(lab, sdk, customer)
    lab.phones.put("+15550100002", answer_after_s=0.05, says="silence")
    await sdk(lambda it: it.calls.actions.transfer(call, to="+15550100002", from_=ours, park_after_unbridge="self"))
    await customer.until("call.bridged", 2)
    lab.phones.hang_up("+15550100002")
    await customer.until("call.hangup")
    other = await dialled(lab, sdk, customer, "+15550100003", phone={"says": "silence"})
    await sdk(lambda it: it.calls.actions.bridge(call, call_control_id_to_bridge_with=other))
    await customer.until("call.bridged", 4)
    await sdk(lambda it: it.calls.actions.hangup(other))
    await customer.until("call.hangup", 3)
    assert [report.live_calls for report in lab.carriers()] == [0]


async def test_detection(lab: Lab, sdk: Any, customer: Any) -> None:
    """A person says hello, and a moment later that is known."""
    call = await dialled(lab, sdk, customer, answering_machine_detection="premium", phone={"says": "speech"})
    told = await customer.until("call.machine.premium.detection.ended")
    assert (told["result"], told["call_control_id"]) == ("human_residence", call)


async def test_message(lab: Lab, sdk: Any, customer: Any) -> None:
    """Sent, delivered, and told of."""
    ours = lab.credentials("telnyx")["numbers"][0]
    sent = (await sdk(lambda it: it.messages.send(from_=ours, to=PERSON, text="hello", webhook_url=f"{customer.url}/texts"))).data
    final = await customer.until("message.finalized")
    assert (final["id"], final["to"][0]["status"]) == (sent.id, "delivered")
    assert (await sdk(lambda it: it.messages.retrieve(sent.id))).data.to[0].status == "delivered"
    assert [message.body for message in lab.phones.get(PERSON).messages] == ["hello"]


async def test_what_was_said_and_told_can_be_asked(lab: Lab, sdk: Any, customer: Any) -> None:
    """Commands and webhooks in call_events, deliveries with their attempts in webhook_deliveries."""
    call = await dialled(lab, sdk, customer)
    await sdk(lambda it: it.calls.actions.hangup(call))
    await customer.until("call.hangup")
    leg = customer.named("call.hangup")[0]["payload"]["call_leg_id"]
    events = (await sdk(lambda it: it.call_events.list(filter={"leg_id": leg}))).data
    assert [(event.type, event.name) for event in events] == [
        ("webhook", "call.initiated"),
        ("webhook", "call.answered"),
        ("command", "hangup"),
        ("webhook", "call.hangup"),
    ]
    deliveries = (await sdk(lambda it: it.webhook_deliveries.list(filter={"event_type": "call.answered"}))).data
    (attempt,) = deliveries[0].attempts
    assert (attempt.http.request.url, attempt.http.response.status) == (f"{customer.url}/{PERSON}", 200)
    assert (await sdk(lambda it: it.webhook_deliveries.retrieve(deliveries[0].id))).data == deliveries[0]


async def test_a_repeated_command_is_ignored(lab: Lab, sdk: Any, customer: Any) -> None:
    """The same command_id for the same call: the same answer, and nothing is done twice."""
    call = await dialled(lab, sdk, customer)
    for _ in range(3):
        await sdk(lambda it: it.calls.actions.send_dtmf(call, digits="1", command_id="once"))
    await sdk(lambda it: it.calls.actions.send_dtmf(call, digits="2", command_id="again"))
    keys = await lab.until("keys", count=2, number=PERSON)
    assert [entry.more["digits"] for entry in keys] == ["1", "2"]


async def test_what_is_not_simulated_is_refused_by_name(lab: Lab, sdk: Any, customer: Any) -> None:
    """A command, a parameter and a resource: in the SDK's error and in the ledger."""
    call = await dialled(lab, sdk, customer)
    with pytest.raises(telnyx.APIStatusError, match="actions/refer"):
        await sdk(lambda it: it.calls.actions.refer(call, sip_address="sip:x@y"))
    with pytest.raises(telnyx.UnprocessableEntityError, match="media_name"):
        await sdk(lambda it: it.calls.actions.start_playback(call, media_name="hold"))
    with pytest.raises(telnyx.APIStatusError, match="/v2/queues"):
        await sdk(lambda it: it.queues.retrieve("main"))
    assert len(await lab.until("refused", count=3)) == 3
