"""Plivo's SDK beside the life of calls: sound, keys, recordings, streams, numbers, applications, messages."""

from collections.abc import Mapping
from typing import Any

from played import Scenario
from stage import PERSON, Stage, says

from scenarios.plivo import QUIET, talking


async def transfer(stage: Stage) -> Any:
    uuid = await talking(stage)
    url = stage.customer.answers("/elsewhere", QUIET)
    done = await stage.sdk(lambda client: client.calls.transfer(uuid, legs="aleg", aleg_url=url, aleg_method="POST"))
    await stage.customer.until(lambda request: request.path == "/elsewhere")
    return done


async def keys(stage: Stage) -> Any:
    uuid = await talking(stage)
    done = await stage.sdk(lambda client: client.calls.send_digits(uuid, "12w3", leg="aleg"))
    await stage.ledger("keys", number=PERSON)
    return done


async def speak(stage: Stage) -> Any:
    uuid = await talking(stage)
    return await stage.sdk(lambda client: client.calls.speak(uuid, "One moment, please."))


async def stop_speaking(stage: Stage) -> Any:
    uuid = await talking(stage)
    await stage.sdk(lambda client: client.calls.speak(uuid, "Please hold.", loop=True))
    return await stage.sdk(lambda client: client.calls.speak_stop(uuid))


async def play(stage: Stage) -> Any:
    uuid = await talking(stage)
    url = stage.customer.sound("/music.wav")
    done = await stage.sdk(lambda client: client.calls.play(uuid, url))
    await stage.customer.until(lambda request: request.path == "/music.wav")
    return done


async def stop_playing(stage: Stage) -> Any:
    uuid = await talking(stage)
    url = stage.customer.sound("/music.wav")
    await stage.sdk(lambda client: client.calls.play(uuid, url, loop=True))
    return await stage.sdk(lambda client: client.calls.play_stop(uuid))


async def record(stage: Stage) -> Any:
    uuid = await talking(stage)
    return await stage.sdk(lambda client: client.calls.record(uuid, file_format="wav"))


async def recorded(stage: Stage) -> Any:
    """The answer to the beginning of a recording that has been stopped since."""
    uuid = await talking(stage)
    url = f"{stage.customer.url}/recording"
    made = await stage.sdk(lambda client: client.calls.record(uuid, file_format="wav", callback_url=url))
    await stage.hears(PERSON, 0.5)
    await stage.sdk(lambda client: client.calls.record_stop(uuid))
    await stage.customer.until(lambda request: request.path == "/recording")
    return made


async def stop_recording(stage: Stage) -> Any:
    await recorded(stage)
    return []


async def fetch_recording(stage: Stage) -> Any:
    made = await recorded(stage)
    found = await stage.sdk(lambda client: client.recordings.get(made.recording_id))
    assert found.recording_id == made.recording_id
    return found


async def list_recordings(stage: Stage) -> Any:
    made = await recorded(stage)
    found = await stage.sdk(lambda client: client.recordings.list(limit=5))
    assert [one.recording_id for one in found.objects] == [made.recording_id]
    return found


async def download_recording(stage: Stage) -> Any:
    made = await recorded(stage)
    answer = await stage.sdk(lambda client: client.session.get(made.url))
    assert (answer.status_code, answer.content[:4]) == (200, b"RIFF")
    return []


async def delete_recording(stage: Stage) -> Any:
    made = await recorded(stage)
    await stage.sdk(lambda client: client.recordings.delete(made.recording_id))
    assert (await stage.sdk(lambda client: client.recordings.list(limit=5))).objects == []
    return []


async def streaming(stage: Stage) -> tuple[str, Any]:
    """A call with a stream that a command began."""
    uuid = await talking(stage)
    made = await stage.sdk(
        lambda client: client.calls.start_stream(
            uuid, service_url=stage.socket.url, bidirectional=True, content_type="audio/x-mulaw;rate=8000"
        )
    )
    await stage.socket.until(lambda socket: socket.messages("start"))
    return uuid, made


async def start_stream(stage: Stage) -> Any:
    return (await streaming(stage))[1]


async def fetch_streams(stage: Stage) -> Any:
    uuid, made = await streaming(stage)
    await stage.sdk(lambda client: client.calls.get_all_streams(uuid))
    await stage.sdk(lambda client: client.calls.get_details_of_specific_stream(uuid, made.stream_id))
    return []


async def stop_stream(stage: Stage) -> Any:
    uuid, made = await streaming(stage)
    await stage.sdk(lambda client: client.calls.delete_specific_stream(uuid, made.stream_id))
    return []


async def stop_streams(stage: Stage) -> Any:
    uuid, _made = await streaming(stage)
    await stage.sdk(lambda client: client.calls.delete_all_streams(uuid))
    return []


async def application(stage: Stage) -> Any:
    """One that was made."""
    url = stage.customer.always("/inbound", QUIET)
    return await stage.sdk(lambda client: client.applications.create("lab", answer_url=url))


async def fetch_application(stage: Stage) -> Any:
    made = await application(stage)
    return await stage.sdk(lambda client: client.applications.get(made.app_id))


async def list_applications(stage: Stage) -> Any:
    made = await application(stage)
    found = await stage.sdk(lambda client: client.applications.list())
    assert made.app_id in [one.app_id for one in found.objects]
    return found


async def update_application(stage: Stage) -> Any:
    made = await application(stage)
    url = stage.customer.always("/inbound", QUIET)
    return await stage.sdk(lambda client: client.applications.update(made.app_id, answer_url=url))


async def delete_application(stage: Stage) -> Any:
    made = await application(stage)
    await stage.sdk(lambda client: client.applications.delete(made.app_id))
    return []


async def update_number(stage: Stage) -> Any:
    made = await application(stage)
    return await stage.sdk(lambda client: client.numbers.update(stage.ours.lstrip("+"), app_id=made.app_id))


async def message(stage: Stage) -> Any:
    url = f"{stage.customer.url}/message"
    done = await stage.sdk(
        lambda client: client.messages.create(src=stage.ours, dst=PERSON, text="Your table is ready.", url=url)
    )
    await stage.ledger("message", number=PERSON)
    return done


async def fetch_message(stage: Stage) -> Any:
    made = await message(stage)
    return await stage.sdk(lambda client: client.messages.get(made.message_uuid[0]))


async def list_messages(stage: Stage) -> Any:
    made = await message(stage)
    found = await stage.sdk(lambda client: client.messages.list(limit=5))
    assert [one.message_uuid for one in found.objects] == made.message_uuid
    return found


async def end_all(stage: Stage) -> Any:
    """The SDK asks for the end of every call where it is given no id."""
    uuid = await talking(stage)
    await stage.sdk(lambda client: client.calls.hangup(""))
    await stage.customer.until(says(Event="Hangup", CallUUID=uuid))
    return []


SCENARIOS: Mapping[str, Scenario] = {
    "end every call": end_all,
    "redirect a call": transfer,
    "send digits": keys,
    "speak": speak,
    "stop speaking": stop_speaking,
    "play": play,
    "stop playing": stop_playing,
    "start a recording": record,
    "stop a recording": stop_recording,
    "fetch a recording": fetch_recording,
    "list recordings": list_recordings,
    "download a recording": download_recording,
    "delete a recording": delete_recording,
    "start a stream": start_stream,
    "list and fetch streams": fetch_streams,
    "stop a stream": stop_stream,
    "stop all streams": stop_streams,
    "create an application": application,
    "fetch an application": fetch_application,
    "list applications": list_applications,
    "update an application": update_application,
    "delete an application": delete_application,
    "update a number": update_number,
    "send a message": message,
    "fetch a message": fetch_message,
    "list messages": list_messages,
}
