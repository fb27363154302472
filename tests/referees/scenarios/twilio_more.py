"""Twilio's SDK beside calls: recordings, streams by command, numbers, applications, messages."""

from collections.abc import Mapping
from typing import Any

from played import Scenario
from stage import PERSON, Stage

from scenarios.twilio import talking


async def delete_call(stage: Stage) -> Any:
    call = await talking(stage)
    await stage.sdk(lambda client: client.calls(call.sid).update(status="completed"))
    await stage.ledger("hangup", number=PERSON)
    assert await stage.sdk(lambda client: client.calls(call.sid).delete())
    assert await stage.sdk(lambda client: client.calls.list(to=PERSON)) == []
    return []


async def recorded(stage: Stage) -> tuple[Any, Any]:
    """A call that is being recorded, and the recording."""
    call = await talking(stage)
    url = f"{stage.customer.url}/recording"
    made = await stage.sdk(lambda client: client.calls(call.sid).recordings.create(recording_status_callback=url))
    assert made.status == "in-progress"
    return call, made


async def stopped(stage: Stage) -> tuple[Any, Any]:
    """A call and its finished recording of some sound."""
    call, made = await recorded(stage)
    await stage.hears(PERSON, 0.5)
    await stage.sdk(lambda client: client.calls(call.sid).recordings(made.sid).update(status="stopped"))
    await stage.customer.until(lambda request: request.path == "/recording")
    return call, made


async def start_recording(stage: Stage) -> Any:
    return (await recorded(stage))[1]


async def change_recording(stage: Stage) -> Any:
    call, made = await recorded(stage)
    paused = await stage.sdk(
        lambda client: client.calls(call.sid).recordings(made.sid).update(status="paused", pause_behavior="silence")
    )
    assert paused.status == "paused"
    again = await stage.sdk(lambda client: client.calls(call.sid).recordings("Twilio.CURRENT").update(status="in-progress"))
    stopped = await stage.sdk(lambda client: client.calls(call.sid).recordings(made.sid).update(status="stopped"))
    return [paused, again, stopped]


async def recordings_of_call(stage: Stage) -> Any:
    call, made = await stopped(stage)
    found = await stage.sdk(lambda client: client.calls(call.sid).recordings.list())
    assert [one.sid for one in found] == [made.sid]
    one = await stage.sdk(lambda client: client.calls(call.sid).recordings(made.sid).fetch())
    return [*found, one]


async def recordings(stage: Stage) -> Any:
    _call, made = await stopped(stage)
    found = await stage.sdk(lambda client: client.recordings.list())
    assert [one.sid for one in found] == [made.sid]
    return found


async def fetch_recording(stage: Stage) -> Any:
    _call, made = await stopped(stage)
    found = await stage.sdk(lambda client: client.recordings(made.sid).fetch())
    assert found.status == "completed"
    return found


async def download_recording(stage: Stage) -> Any:
    _call, made = await stopped(stage)
    root = f"https://api.twilio.com/2010-04-01/Accounts/{stage.credentials['account_sid']}"
    answer = await stage.sdk(lambda client: client.http_client.session.get(f"{root}/Recordings/{made.sid}.wav", auth=client.auth))
    assert (answer.status_code, answer.content[:4]) == (200, b"RIFF")
    return []


async def delete_recording(stage: Stage) -> Any:
    _call, made = await stopped(stage)
    assert await stage.sdk(lambda client: client.recordings(made.sid).delete())
    assert await stage.sdk(lambda client: client.recordings.list()) == []
    return []


async def delete_recording_of_call(stage: Stage) -> Any:
    call, made = await stopped(stage)
    assert await stage.sdk(lambda client: client.calls(call.sid).recordings(made.sid).delete())
    return []


async def start_stream(stage: Stage) -> Any:
    call = await talking(stage)
    made = await stage.sdk(lambda client: client.calls(call.sid).streams.create(url=stage.socket.url, name="fork"))
    await stage.socket.until(lambda socket: socket.messages("start"))
    return made


async def stop_stream(stage: Stage) -> Any:
    call = await talking(stage)
    await stage.sdk(lambda client: client.calls(call.sid).streams.create(url=stage.socket.url, name="fork"))
    await stage.socket.until(lambda socket: socket.messages("start"))
    done = await stage.sdk(lambda client: client.calls(call.sid).streams("fork").update(status="stopped"))
    await stage.socket.until(lambda socket: socket.messages("stop"))
    return done


async def number(stage: Stage) -> Any:
    (found,) = await stage.sdk(lambda client: client.incoming_phone_numbers.list(phone_number=stage.ours))
    return await stage.sdk(lambda client: client.incoming_phone_numbers(found.sid).fetch())


async def update_number(stage: Stage) -> Any:
    (found,) = await stage.sdk(lambda client: client.incoming_phone_numbers.list(phone_number=stage.ours))
    url = f"{stage.customer.url}/inbound"
    changed = await stage.sdk(lambda client: client.incoming_phone_numbers(found.sid).update(voice_url=url, voice_method="POST"))
    assert changed.voice_url == url
    return changed


async def application(stage: Stage) -> Any:
    """One that was made."""
    url = f"{stage.customer.url}/inbound"
    return await stage.sdk(lambda client: client.applications.create(friendly_name="Lab", voice_url=url))


async def fetch_application(stage: Stage) -> Any:
    made = await application(stage)
    found = await stage.sdk(lambda client: client.applications(made.sid).fetch())
    assert found.voice_url == made.voice_url
    return found


async def list_applications(stage: Stage) -> Any:
    made = await application(stage)
    found = await stage.sdk(lambda client: client.applications.list())
    assert made.sid in [one.sid for one in found]
    return found


async def update_application(stage: Stage) -> Any:
    made = await application(stage)
    changed = await stage.sdk(lambda client: client.applications(made.sid).update(voice_method="GET"))
    assert changed.voice_method == "GET"
    return changed


async def delete_application(stage: Stage) -> Any:
    made = await application(stage)
    assert await stage.sdk(lambda client: client.applications(made.sid).delete())
    return []


async def message(stage: Stage) -> Any:
    """One that was sent."""
    url = f"{stage.customer.url}/message"
    made = await stage.sdk(
        lambda client: client.messages.create(to=PERSON, from_=stage.ours, body="Your table is ready.", status_callback=url)
    )
    await stage.ledger("message", number=PERSON)
    return made


async def fetch_message(stage: Stage) -> Any:
    made = await message(stage)
    return await stage.sdk(lambda client: client.messages(made.sid).fetch())


async def list_messages(stage: Stage) -> Any:
    made = await message(stage)
    found = await stage.sdk(lambda client: client.messages.list(to=PERSON))
    assert [one.sid for one in found] == [made.sid]
    return found


async def delete_message(stage: Stage) -> Any:
    made = await message(stage)

    async def done() -> Any:
        found = await stage.sdk(lambda client: client.messages(made.sid).fetch())
        return found.status in {"delivered", "undelivered", "sent"}

    await stage.until(done)
    assert await stage.sdk(lambda client: client.messages(made.sid).delete())
    return []


SCENARIOS: Mapping[str, Scenario] = {
    "delete a call": delete_call,
    "start a recording": start_recording,
    "pause, resume and stop a recording": change_recording,
    "list and fetch a call's recordings": recordings_of_call,
    "delete a call's recording": delete_recording_of_call,
    "list recordings": recordings,
    "fetch a recording": fetch_recording,
    "download a recording": download_recording,
    "delete a recording": delete_recording,
    "start a stream": start_stream,
    "stop a stream": stop_stream,
    "fetch a number": number,
    "update a number": update_number,
    "create an application": application,
    "fetch an application": fetch_application,
    "list applications": list_applications,
    "update an application": update_application,
    "delete an application": delete_application,
    "send a message": message,
    "fetch a message": fetch_message,
    "list messages": list_messages,
    "delete a message": delete_message,
}
