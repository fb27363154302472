"""Vonage's SDK beside the life of calls: sound and keys by command, recordings, numbers, applications, messages."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from played import Scenario
from stage import PERSON, Stage
from vonage_application import ApplicationConfig
from vonage_messages.models import Sms
from vonage_numbers.requests import UpdateNumberParams
from vonage_voice.models import AudioStreamOptions, TtsStreamOptions

from scenarios.vonage import TO, WAITING, talking


async def keys(stage: Stage) -> Any:
    uuid = await talking(stage)
    done = await stage.sdk(lambda client: client.voice.play_dtmf_into_call(uuid, "12p3#"))
    await stage.ledger("keys", number=PERSON)
    return done


async def talk(stage: Stage) -> Any:
    uuid = await talking(stage)
    return await stage.sdk(lambda client: client.voice.play_tts_into_call(uuid, TtsStreamOptions(text="One moment, please.")))


async def stop_talk(stage: Stage) -> Any:
    uuid = await talking(stage)
    await stage.sdk(lambda client: client.voice.play_tts_into_call(uuid, TtsStreamOptions(text="Please hold.", loop=0)))
    return await stage.sdk(lambda client: client.voice.stop_tts(uuid))


async def play(stage: Stage) -> Any:
    uuid = await talking(stage)
    url = stage.customer.sound("/music.wav")
    done = await stage.sdk(lambda client: client.voice.play_audio_into_call(uuid, AudioStreamOptions(stream_url=[url])))
    await stage.customer.until(lambda request: request.path == "/music.wav")
    return done


async def stop_play(stage: Stage) -> Any:
    uuid = await talking(stage)
    url = stage.customer.sound("/music.wav")
    await stage.sdk(lambda client: client.voice.play_audio_into_call(uuid, AudioStreamOptions(stream_url=[url], loop=0)))
    return await stage.sdk(lambda client: client.voice.stop_audio_stream(uuid))


async def mute(stage: Stage) -> Any:
    uuid = await talking(stage)
    for act in ("mute", "unmute", "earmuff", "unearmuff"):
        await stage.sdk(lambda client, act=act: getattr(client.voice, act)(uuid))


async def download(stage: Stage) -> Any:
    record = {"action": "record", "format": "wav", "eventUrl": [f"{stage.customer.url}/recording"]}
    uuid = await talking(stage, [record, *WAITING])
    await stage.hears(PERSON, 0.5)
    await stage.sdk(lambda client: client.voice.hangup(uuid))
    told = json.loads((await stage.customer.until(lambda request: request.path == "/recording")).body)
    url = f"https://api.nexmo.com{urlsplit(told['recording_url']).path}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "call.wav"
        await stage.sdk(lambda client: client.voice.download_recording(url, str(file)))
        assert file.read_bytes()[:4] == b"RIFF"


async def update_number(stage: Stage) -> Any:
    wish = UpdateNumberParams(country="US", msisdn=stage.ours.lstrip("+"), app_id=stage.credentials["application_id"])
    return await stage.sdk(lambda client: client.numbers.update_number(wish))


def config(stage: Stage) -> ApplicationConfig:
    """An application that answers calls."""
    hooks = {name: {"address": f"{stage.customer.url}/{name}", "http_method": "POST"} for name in ("answer_url", "event_url")}
    return ApplicationConfig(name="Lab", capabilities={"voice": {"webhooks": hooks}})


async def application(stage: Stage) -> Any:
    """One that was made."""
    return await stage.sdk(lambda client: client.application.create_application(config(stage)))


async def fetch_application(stage: Stage) -> Any:
    made = await application(stage)
    return await stage.sdk(lambda client: client.application.get_application(made.id))


async def list_applications(stage: Stage) -> Any:
    made = await application(stage)
    found, _next = await stage.sdk(lambda client: client.application.list_applications())
    assert made.id in [one.id for one in found]
    return found


async def update_application(stage: Stage) -> Any:
    made = await application(stage)
    return await stage.sdk(lambda client: client.application.update_application(made.id, config(stage)))


async def delete_application(stage: Stage) -> Any:
    made = await application(stage)
    await stage.sdk(lambda client: client.application.delete_application(made.id))


async def message(stage: Stage) -> Any:
    sms = Sms(to=TO, from_=stage.ours.lstrip("+"), text="Your table is ready.", webhook_url=f"{stage.customer.url}/message")
    done = await stage.sdk(lambda client: client.messages.send(sms))
    await stage.ledger("message", number=PERSON)
    return done


SCENARIOS: Mapping[str, Scenario] = {
    "send digits": keys,
    "speak": talk,
    "stop speaking": stop_talk,
    "play": play,
    "stop playing": stop_play,
    "mute and earmuff": mute,
    "download a recording": download,
    "update a number": update_number,
    "create an application": application,
    "fetch an application": fetch_application,
    "list applications": list_applications,
    "update an application": update_application,
    "delete an application": delete_application,
    "send a message": message,
}
