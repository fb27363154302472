"""Telnyx' SDK beside the beginning and end of calls: commands, recordings, incoming calls, numbers, applications, messages."""

from collections.abc import Mapping
from typing import Any

import httpx
from played import Scenario
from stage import OTHER, PERSON, Stage

from scenarios.telnyx import talking, told


def command(verb: str, **fields: Any) -> Scenario:
    """A command to an answered call."""

    async def scenario(stage: Stage) -> Any:
        call = await talking(stage)
        done = await stage.sdk(lambda client: getattr(client.calls.actions, verb)(call, **fields))
        assert done.data.result == "ok"
        return done

    return scenario


def commands(first: Mapping[str, Any], second: str, done: str = "", **fields: Any) -> Scenario:
    """A command that needs another before it (`first`: its verb and fields), and the event that it leads to."""
    verb, *_ = first

    async def scenario(stage: Stage) -> Any:
        call = await talking(stage)
        await stage.sdk(lambda client: getattr(client.calls.actions, verb)(call, **first[verb]))
        answer = await stage.sdk(lambda client: getattr(client.calls.actions, second)(call, **fields))
        if done:
            await stage.customer.until(told(done))
        return answer

    return scenario


async def keys(stage: Stage) -> Any:
    done = await command("send_dtmf", digits="12w3")(stage)
    await stage.ledger("keys", number=PERSON)
    return done


async def play(stage: Stage) -> Any:
    done = await command("start_playback", audio_url=stage.customer.sound("/music.wav"))(stage)
    await stage.customer.until(told("call.playback.ended"))
    return done


async def stop_playing(stage: Stage) -> Any:
    url = stage.customer.sound("/music.wav")
    call = await talking(stage)
    await stage.sdk(lambda client: client.calls.actions.start_playback(call, audio_url=url, loop="infinity"))
    await stage.customer.until(told("call.playback.started"))
    done = await stage.sdk(lambda client: client.calls.actions.stop_playback(call, stop="all"))
    await stage.customer.until(told("call.playback.ended"))
    return done


async def gather_using_audio(stage: Stage) -> Any:
    return await command("gather_using_audio", audio_url=stage.customer.sound("/music.wav"))(stage)


async def transfer(stage: Stage) -> Any:
    done = await command("transfer", to=OTHER, from_=stage.ours)(stage)
    await stage.ledger("answer", number=OTHER)
    return done


async def bridge(stage: Stage) -> Any:
    call = await talking(stage)
    given = {"connection_id": stage.credentials["connection_id"], "from_": stage.ours, "to": OTHER}
    made = await stage.sdk(lambda client: client.calls.dial(**given, webhook_url=f"{stage.customer.url}/events"))
    other = str(made.data.call_control_id)
    await stage.ledger("answer", number=OTHER)
    return await stage.sdk(
        lambda client: client.calls.actions.bridge(call_control_id_to_bridge=call, call_control_id_to_bridge_with=other)
    )


async def recorded(stage: Stage) -> Any:
    """The event of a recording that was saved."""
    call = await talking(stage)
    await stage.sdk(lambda client: client.calls.actions.start_recording(call, channels="single", format="wav"))
    await stage.hears(PERSON, 0.5)
    await stage.sdk(lambda client: client.calls.actions.stop_recording(call))
    return (await stage.customer.until(told("call.recording.saved"))).body


async def list_recordings(stage: Stage) -> Any:
    await recorded(stage)
    found = await stage.sdk(lambda client: client.recordings.list())
    assert len(found.data) == 1
    return found


async def fetch_recording(stage: Stage) -> Any:
    listed = await list_recordings(stage)
    return await stage.sdk(lambda client: client.recordings.retrieve(listed.data[0].id))


async def delete_recording(stage: Stage) -> Any:
    listed = await list_recordings(stage)
    return await stage.sdk(lambda client: client.recordings.delete(listed.data[0].id))


async def download_recording(stage: Stage) -> Any:
    """The link needs no key and no SDK: it is signed."""
    found = await fetch_recording(stage)
    answer = await stage.sdk(lambda _client: httpx.get(found.data.download_urls.wav))
    assert (answer.status_code, answer.content[:4]) == (200, b"RIFF")
    return []


async def incoming(stage: Stage) -> str:
    """A call from a phone to our number; its id."""
    await stage.sdk(
        lambda client: client.call_control_applications.update(
            stage.credentials["connection_id"], application_name="Lab", webhook_event_url=f"{stage.customer.url}/events"
        )
    )
    stage.calls(PERSON)
    asked = await stage.customer.until(told("call.initiated"))
    return str(stage.payload(asked)["call_control_id"])


async def answer(stage: Stage) -> Any:
    call = await incoming(stage)
    done = await stage.sdk(lambda client: client.calls.actions.answer(call))
    await stage.customer.until(told("call.answered"))
    return done


async def reject(stage: Stage) -> Any:
    call = await incoming(stage)
    done = await stage.sdk(lambda client: client.calls.actions.reject(call, cause="USER_BUSY"))
    await stage.customer.until(told("call.hangup"))
    return done


async def fetch_number(stage: Stage) -> Any:
    listed = await stage.sdk(lambda client: client.phone_numbers.list())
    return await stage.sdk(lambda client: client.phone_numbers.retrieve(listed.data[0].id))


async def update_number(stage: Stage) -> Any:
    listed = await stage.sdk(lambda client: client.phone_numbers.list())
    connection = stage.credentials["connection_id"]
    return await stage.sdk(lambda client: client.phone_numbers.update(listed.data[0].id, connection_id=connection))


async def application(stage: Stage) -> Any:
    """One that was made."""
    url = f"{stage.customer.url}/events"
    return await stage.sdk(
        lambda client: client.call_control_applications.create(application_name="Second", webhook_event_url=url)
    )


async def list_applications(stage: Stage) -> Any:
    made = await application(stage)
    found = await stage.sdk(lambda client: client.call_control_applications.list())
    assert made.data.id in [one.id for one in found.data]
    return found


async def update_application(stage: Stage) -> Any:
    made = await application(stage)
    url = f"{stage.customer.url}/elsewhere"
    return await stage.sdk(
        lambda client: client.call_control_applications.update(made.data.id, application_name="Second", webhook_event_url=url)
    )


async def delete_application(stage: Stage) -> Any:
    made = await application(stage)
    return await stage.sdk(lambda client: client.call_control_applications.delete(made.data.id))


async def message(stage: Stage) -> Any:
    """One that was sent."""
    url = f"{stage.customer.url}/messages"
    done = await stage.sdk(
        lambda client: client.messages.send(from_=stage.ours, to=PERSON, text="Your table is ready.", webhook_url=url)
    )
    await stage.ledger("message", number=PERSON)
    return done


async def fetch_message(stage: Stage) -> Any:
    made = await message(stage)
    return await stage.sdk(lambda client: client.messages.retrieve(made.data.id))


async def deliveries(stage: Stage) -> Any:
    await talking(stage)
    return await stage.sdk(lambda client: client.webhook_deliveries.list())


async def delivery(stage: Stage) -> Any:
    listed = await deliveries(stage)
    return await stage.sdk(lambda client: client.webhook_deliveries.retrieve(listed.data[0].id))


RECORD: Mapping[str, Any] = {"start_recording": {"channels": "single", "format": "wav"}}
VOICE: Mapping[str, Any] = {"payload": "One moment, please.", "voice": "female", "language": "en-US"}

SCENARIOS: Mapping[str, Scenario] = {
    "answer": answer,
    "reject": reject,
    "update the client state": command("update_client_state", client_state="bGVn"),
    "speak": commands({"send_dtmf": {"digits": "1"}}, "speak", "call.speak.ended", **VOICE),
    "play": play,
    "stop playing": stop_playing,
    "gather": command("gather", maximum_digits=2),
    "gather using speech": command("gather_using_speak", **VOICE),
    "gather using a sound": gather_using_audio,
    "stop gathering": commands({"gather": {}}, "stop_gather", "call.gather.ended"),
    "send digits": keys,
    "start a recording": command("start_recording", channels="single", format="wav"),
    "stop a recording": commands(RECORD, "stop_recording", "call.recording.saved"),
    "pause a recording": commands(RECORD, "pause_recording"),
    "resume a recording": commands(RECORD, "resume_recording"),
    "list recordings": list_recordings,
    "fetch a recording": fetch_recording,
    "download a recording": download_recording,
    "delete a recording": delete_recording,
    "transfer": transfer,
    "bridge": bridge,
    "fetch a number": fetch_number,
    "update a number": update_number,
    "create an application": application,
    "list applications": list_applications,
    "update an application": update_application,
    "delete an application": delete_application,
    "send a message": message,
    "fetch a message": fetch_message,
    "list webhook deliveries": deliveries,
    "fetch a webhook delivery": delivery,
}
