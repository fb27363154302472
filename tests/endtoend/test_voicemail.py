"""Callers who get the voicemail: the whole gateway on the real store and a real disk, judged by the phones' own recordings.

Each phone is silent while it is greeted, then says a sentence of its own, and presses # (or hangs up, or just stops).
"""

import asyncio
import base64
import errno
import io
import json
import math
import signal
import socket
import sys
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.speech import sentence
from agent.voicemail import BEEP
from carriers.contract import CarrierSettings, Wanted
from carriers.lab import sound
from carriers.lab.says import builtin
from carriers.registry import kinds
from gateway.config.lab import with_lab
from gateway.config.structs import VoicemailSettings
from gateway.runtime.provisioning import Provisioning

KEY = "end-to-end-key-0123456789"
CONFIG = Path(__file__).parents[2] / "config.yaml"
FRAME_S = 0.02
SPEAKS_AFTER_S = 8.5
"""After the answer: the greeting and the tone are over."""
SPEECH = builtin("person")[: 3 * sound.RATE]
PRESSES_AT_S = SPEAKS_AFTER_S + 4.0
LONGEST_QUIET_S = 2.0
HEARS_OUR_MULAW = frozenset({"twilio", "telnyx", "plivo"})
"""Carriers whose streams carry the phone's own samples; the other resamples."""


def says() -> str:
    """The phone's whole part of the call, once."""
    silence = b"\xff" * round(SPEAKS_AFTER_S * sound.RATE)
    return "data:audio/wav;base64," + base64.b64encode(sound.to_wav(silence + SPEECH)).decode()


def presses(key: str, at_s: float) -> str:
    """A phone's `dtmf`: the first key comes after half a second, and each `w` is half a second more."""
    return "w" * round((at_s - 0.5) / 0.5) + key


def number_of(world: Any, carrier: str) -> str:
    return str(world.lab.credentials(carrier)["numbers"][0])


async def call_of(world: Any, caller: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        return next((call for call in await world.calls() if call["from"] == caller), None)

    found: dict[str, Any] = await world.eventually(look, 15, world.lab_story)
    return found


async def voicemails(world: Any) -> list[dict[str, Any]]:
    answer = await world.client.get(f"{world.url}/v1/voicemails")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def message_of(world: Any, caller: str, status: str = "kept", within_s: float = 15.0) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        return next((one for one in await voicemails(world) if one["from"] == caller and one["status"] == status), None)

    found: dict[str, Any] = await world.eventually(look, within_s, world.lab_story)
    return found


async def audio_of(world: Any, voicemail_id: str) -> bytes:
    """The message as mu-law."""
    answer = await world.client.get(f"{world.url}/v1/voicemails/{voicemail_id}/audio")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    with wave.open(io.BytesIO(answer.content)) as file:
        assert file.getparams()[:3] == (1, 2, 8000)
    return sound.from_wav(answer.content)


# --- what an ear makes of a recording ----------------------------------------------------------------------------------


def loud(track: bytes) -> list[bool]:
    return [sound.is_loud(track[at : at + sound.FRAME]) for at in range(0, len(track), sound.FRAME)]


def seconds_of_sound(flags: Sequence[bool]) -> float:
    return sum(flags) * FRAME_S


def longest_quiet_s(flags: Sequence[bool]) -> float:
    longest = run = 0
    for flag in flags:
        run = 0 if flag else run + 1
        longest = max(longest, run)
    return longest * FRAME_S


@cache  # looks are many, and frames of a tone are alike
def is_tone(frame: bytes, hertz: float = 1000.0) -> bool:
    """Whether nearly all that is in the frame is this tone (Goertzel)."""
    linear = memoryview(sound.to_linear(frame)).cast("h")
    turn = 2 * math.pi * hertz / sound.RATE
    real = sum(value * math.cos(turn * at) for at, value in enumerate(linear))
    imaginary = sum(value * math.sin(turn * at) for at, value in enumerate(linear))
    whole = sum(value * value for value in linear)
    return whole > 1e6 and 2 * (real * real + imaginary * imaginary) / len(linear) > 0.8 * whole


def beeps(track: bytes) -> list[int]:
    """The frames that are the tone."""
    return [at for at in range(len(track) // sound.FRAME) if is_tone(track[at * sound.FRAME : (at + 1) * sound.FRAME])]


def tracks(world: Any, caller: str) -> tuple[bytes, bytes]:
    """What the phone said and heard in its last call."""
    recording = world.lab.phones.call(caller).recording
    return bytes(recording.said.sound), bytes(recording.heard.sound)


def check_what_was_heard(world: Any, caller: str, farewell: str, from_s: float) -> None:
    """Greeting, tone and, after `from_s`, a farewell; and nowhere more than two seconds of nothing, but while one records."""
    _, heard = tracks(world, caller)
    flags, tone = loud(heard), beeps(heard)
    assert len(tone) >= 15, "no tone"
    assert tone[-1] - tone[0] < 25, "more than one tone"
    greeting, after = flags[: tone[0]], flags[round(from_s / FRAME_S) :]
    spoken = seconds_of_sound(loud(sentence("voicemail-greeting")))
    assert seconds_of_sound(greeting) == pytest.approx(spoken, rel=0.15)
    assert longest_quiet_s(greeting) <= LONGEST_QUIET_S
    assert seconds_of_sound(after) == pytest.approx(seconds_of_sound(loud(sentence(farewell))), rel=0.2)
    assert longest_quiet_s(after) <= LONGEST_QUIET_S


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    return {"answering": "voicemail", "voicemails": str(tmp_path / "voicemails"), "stream_start_s": 5.0}


# --- the stories ---------------------------------------------------------------------------------------------------


async def test_a_message_is_taken_through_every_carrier(new_world: Any, settings: dict[str, Any]) -> None:
    """What the phone said is what is kept, the call shows that it is recorded, and the caller hears that it was."""
    world = await new_world(**settings)
    await world.provision()

    async def one(carrier: str) -> None:
        caller = world.phone()
        world.lab.phones.put(caller, says=says(), dtmf=presses("#", PRESSES_AT_S))
        world.lab.phones.dial(caller, number_of(world, carrier))
        recording = await message_of(world, caller, "recording", within_s=30)
        call = await world.call(recording["call_id"])
        assert (call["status"], call["outcome"], call["from"]) == ("voicemail", None, caller)
        kept = await message_of(world, caller, within_s=40)
        await check_message(world, kept, carrier, caller)
        ended = await world.ended(call["id"])
        assert (ended["outcome"], ended["voicemail"]) == ("voicemail", kept["id"])
        check_what_was_heard(world, caller, "voicemail-taken", PRESSES_AT_S)
        told = [event["kind"] for event in await world.events(call["id"])]
        assert [kind for kind in told if kind.startswith("voicemail")] == [
            "voicemail-started",
            "voicemail-taken",
            "voicemail-kept",
        ]

    await asyncio.gather(*(one(carrier) for carrier in world.carriers))


async def check_message(world: Any, kept: dict[str, Any], carrier: str, caller: str) -> None:
    assert (kept["carrier"], kept["to"], kept["reason"]) == (carrier, number_of(world, carrier), "routed")
    assert (kept["ended_by"], kept["silent"]) == ("key", False)
    mulaw = await audio_of(world, kept["id"])
    assert kept["seconds"] == pytest.approx(len(mulaw) / sound.RATE, abs=0.001)
    spoken = seconds_of_sound(loud(SPEECH))
    if carrier in HEARS_OUR_MULAW:
        assert sound.to_linear(SPEECH) in sound.to_linear(mulaw)
    assert seconds_of_sound(loud(mulaw)) == pytest.approx(spoken, rel=0.1)


async def test_who_hangs_up_has_left_a_message(new_world: Any, settings: dict[str, Any]) -> None:
    """The usual end: nothing is said to anybody any more, and the outcome is known at once."""
    world = await new_world(**settings)
    await world.provision()

    async def one(carrier: str) -> None:
        caller = world.phone()
        world.lab.phones.put(caller, says=says(), hangup_after_s=PRESSES_AT_S)
        world.lab.phones.dial(caller, number_of(world, carrier))
        kept = await message_of(world, caller, within_s=40)
        assert (kept["ended_by"], kept["silent"]) == ("hung-up", False)
        assert seconds_of_sound(loud(await audio_of(world, kept["id"]))) > 1.5
        ended = await world.ended(kept["call_id"])
        assert ended["outcome"] == "voicemail"

    await asyncio.gather(*(one(carrier) for carrier in world.carriers))


async def test_silence_and_the_limit_end_a_message_and_an_early_hang_up_leaves_none(
    new_world: Any, settings: dict[str, Any]
) -> None:
    """Each caller hears what became of it; who hung up into the greeting is no message."""
    terms = VoicemailSettings(max_message_s=9, silence_s=1.0, min_message_s=1.0)
    world = await new_world(**settings, voicemail=terms)
    await world.provision()
    stops, talks, leaves = world.phone(), world.phone(), world.phone()
    world.lab.phones.put(stops, says=says())
    world.lab.phones.put(talks, says="tone")
    world.lab.phones.put(leaves, says="speech", hangup_after_s=3.0)
    for caller in (stops, talks, leaves):
        world.lab.phones.dial(caller, number_of(world, "twilio"))
    stopped, talked = await message_of(world, stops, within_s=40), await message_of(world, talks, within_s=40)
    assert (stopped["ended_by"], talked["ended_by"]) == ("silence", "length")
    assert talked["seconds"] == pytest.approx(9.0, abs=0.02)
    for caller in (stops, talks, leaves):
        ended = await world.ended((await call_of(world, caller))["id"])
        assert ended["outcome"] == ("completed" if caller == leaves else "voicemail")
    assert {one["from"] for one in await voicemails(world)} == {stops, talks}
    check_what_was_heard(world, stops, "voicemail-taken", SPEAKS_AFTER_S + 3.0)
    _, heard = tracks(world, talks)
    assert longest_quiet_s(loud(heard)) <= 7.5
    assert seconds_of_sound(loud(heard)) > seconds_of_sound(loud(sentence("voicemail-greeting") + BEEP)) + 2.0


async def test_a_full_directory_is_told_instead_of_a_greeting(new_world: Any, settings: dict[str, Any]) -> None:
    """Nobody speaks a message that cannot be kept, and nobody is left in silence."""
    folder = Path(settings["voicemails"])
    world = await new_world(**settings)
    await world.provision()
    limit = world.config.storage.max_total_mb * 1_000_000
    with (folder / "vm_large.ulaw").open("wb") as large:
        large.truncate(limit - 100_000)
    caller = world.phone(says="speech")
    world.lab.phones.dial(caller, number_of(world, "twilio"))
    ended = await world.ended((await call_of(world, caller))["id"], within_s=30)
    assert ended["outcome"] == "completed"
    assert await voicemails(world) == []
    _, heard = tracks(world, caller)
    flags = loud(heard)
    assert seconds_of_sound(flags) == pytest.approx(seconds_of_sound(loud(sentence("voicemail-full"))), rel=0.1)
    assert longest_quiet_s(flags) <= LONGEST_QUIET_S


class TwoSeconds:
    """A disk that is full after so much of a message."""

    def __init__(self, files: Any) -> None:
        self._files, self._left = files, 2 * sound.RATE

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    async def grow(self, voicemail_id: str, part: int = 1) -> Any:
        self._file = await self._files.grow(voicemail_id, part)
        return self

    async def append(self, piece: bytes) -> None:
        fits, self._left = piece[: self._left], max(0, self._left - len(piece))
        await self._file.append(fits)
        if len(fits) < len(piece):
            raise OSError(errno.ENOSPC, "No space left on device")

    async def close(self) -> None:
        await self._file.close()


async def test_a_disk_that_fills_up_in_the_middle_is_told(new_world: Any, settings: dict[str, Any]) -> None:
    """What was written is kept, with the reason why it is short, and the caller hears an honest word."""
    world = await new_world(**settings)
    await world.provision()
    desk = world.running._works.messages.desk
    desk.files = TwoSeconds(desk.files)
    caller = world.phone(says="tone")
    world.lab.phones.dial(caller, number_of(world, "twilio"))
    kept = await message_of(world, caller, within_s=40)
    assert (kept["seconds"], kept["ended_by"], kept["silent"]) == (2.0, "disk-full", False)
    assert (await world.ended(kept["call_id"]))["outcome"] == "voicemail"
    _, heard = tracks(world, caller)
    after = loud(heard)[beeps(heard)[-1] + round(2.0 / FRAME_S) :]
    assert seconds_of_sound(after) == pytest.approx(seconds_of_sound(loud(sentence("voicemail-cut"))), rel=0.15)
    assert longest_quiet_s(after) <= LONGEST_QUIET_S


async def test_an_outbound_call_may_be_given_to_the_voicemail(new_world: Any, settings: dict[str, Any]) -> None:
    """By name, in the request: the person called leaves the message, and `from` is theirs."""
    world = await new_world(**settings)
    person = world.phone()
    world.lab.phones.put(person, says=says(), dtmf=presses("#", PRESSES_AT_S))
    call_id = await world.place(person, carriers=["twilio"], agent="voicemail")
    ended = await world.ended(call_id, within_s=40)
    kept = await message_of(world, person)
    assert (ended["outcome"], kept["call_id"], kept["to"]) == ("voicemail", call_id, number_of(world, "twilio"))


# --- several processes -----------------------------------------------------------------------------------------------


class Door:
    """The address that carriers know; behind it stands one gateway, then another."""

    def __init__(self) -> None:
        self.behind = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._come_in, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def aclose(self) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _come_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner: asyncio.StreamWriter | None = None
        try:
            answers, inner = await asyncio.open_connection("127.0.0.1", int(self.behind.rsplit(":", 1)[1]))
            both = {asyncio.create_task(_pour(reader, inner)), asyncio.create_task(_pour(answers, writer))}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        except OSError:
            return
        finally:
            writer.close()
            if inner is not None:
                inner.close()


async def _pour(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()


async def test_a_gateway_that_is_stopped_leaves_the_rest_of_a_message_to_another(
    new_world: Any, settings: dict[str, Any]
) -> None:
    """The caller hears that the line was cut, and another tone, and what they then say goes on in the same message."""
    door = Door()
    url = await door.open()
    try:
        world = await new_world(**settings, public_url=url)
        first = await world.twin()
        door.behind = first.url
        await point_numbers(world, url)
        caller = world.phone(says="tone")
        world.lab.phones.dial(caller, number_of(world, "twilio"))
        begun = await message_of(world, caller, "recording", within_s=40)

        async def taken() -> bool:
            return any(event["kind"] == "voicemail-taken" for event in await world.events(begun["call_id"]))

        await world.eventually(taken, 20)
        door.behind = world.url
        await first.stop()
        before = len(await audio_of(world, begun["id"]))
        assert before >= sound.RATE

        async def goes_on() -> bool:
            return len(await audio_of(world, begun["id"])) >= before + sound.RATE

        await world.eventually(goes_on, 30)
        tone = beeps(tracks(world, caller)[1])
        assert tone[-1] - tone[0] > 50
        world.lab.phones.hang_up(caller)
        assert (await world.ended(begun["call_id"]))["outcome"] == "voicemail"
        kept = await message_of(world, caller)
        assert (kept["id"], kept["ended_by"], kept["silent"]) == (begun["id"], "hung-up", False)
        assert kept["seconds"] * sound.RATE >= before + sound.RATE
        assert [one["id"] for one in await voicemails(world) if one["from"] == caller] == [begun["id"]]
    finally:
        await door.aclose()


# --- real processes --------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@asynccontextmanager
async def process(
    world: Any, folder: Path, voicemail_dir: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    """`holdline serve` on the world's store and lab, whose callers get the voicemail; and its first words."""
    credentials = {report.name: world.lab.credentials(report.name) for report in world.lab.carriers()}
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    document = with_lab(yaml.safe_load(CONFIG.read_text(encoding="utf-8")), credentials, url)
    document["store"] |= {"url": world.config.store.url, "tag": world.config.store.tag}
    document["storage"] |= {"dir": voicemail_dir}
    document["carriers"] = document["carriers"][:1]  # Twilio: the others' SDKs take long to import
    document["routes"] = [
        route | ({"agent": "voicemail"} if route["direction"] == "inbound" else {}) for route in document["routes"]
    ]
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(file), "--port", str(port), "--json"]
    with (folder / "log").open("wb") as log:
        started = await asyncio.create_subprocess_exec(
            *command, env={"HOLDLINE_API_KEY": KEY, "PATH": ""}, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    try:
        assert started.stdout is not None
        line = await asyncio.wait_for(started.stdout.readline(), 60)
        yield started, json.loads(line)
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def point_numbers(world: Any, url: str) -> None:
    opened, wanted = {}, {}
    for entry in world.config.carriers:
        settings = CarrierSettings(name=entry.name, credentials=entry.credentials, base_url=entry.base_url)
        opened[entry.name] = kinds()[entry.kind].open(settings, world.clock.now)
        wanted[entry.name] = Wanted(carrier=entry.name, public_url=url, numbers=entry.numbers)
    try:
        await Provisioning(opened, wanted, world.clock).once()
    finally:
        for carrier in opened.values():
            await carrier.aclose()


async def test_kill_9_in_the_middle_of_a_message_keeps_what_was_said(
    new_world: Any, settings: dict[str, Any], tmp_path: Path
) -> None:
    """Up to a second and a half before the end; another process finds it on the disk, keeps it, and plays it."""
    world = await new_world(**settings)
    async with process(world, tmp_path, settings["voicemails"]) as (victim, ready):
        await point_numbers(world, ready["url"])
        caller = world.phone(says="speech")
        world.lab.phones.dial(caller, number_of(world, "twilio"))
        begun = await message_of(world, caller, "recording", within_s=40)
        left_at = (await world.running._works.calls.store.voicemail(begun["id"])).left_at

        async def long_enough() -> bool:
            return world.clock.now() - left_at >= 5.0

        await world.eventually(long_enough, 15)
        victim.send_signal(signal.SIGKILL)
        killed_at = world.clock.now()
        await victim.wait()
    kept = await message_of(world, caller, within_s=40)
    assert (kept["id"], kept["ended_by"], kept["silent"]) == (begun["id"], "gateway-died", False)
    assert kept["seconds"] >= killed_at - left_at - 1.5
    mulaw = await audio_of(world, kept["id"])
    assert len(mulaw) / sound.RATE == pytest.approx(kept["seconds"], abs=0.001)
    said, _ = tracks(world, caller)
    assert mulaw[: 2 * sound.RATE] in said
    world.lab.phones.hang_up(caller)
    assert (await world.ended(kept["call_id"], within_s=40))["outcome"] == "voicemail"


async def test_a_gateway_with_another_directory_does_not_start(new_world: Any, settings: dict[str, Any], tmp_path: Path) -> None:
    """It names the directory, the key and the cure, and takes no call."""
    world = await new_world(**settings)
    elsewhere = str(tmp_path / "elsewhere")
    async with process(world, tmp_path, elsewhere) as (turned_away, told):
        assert await asyncio.wait_for(turned_away.wait(), 30) == 2
    (problem,) = told["problems"]
    assert problem["path"] == "storage.dir"
    assert elsewhere in problem["found"]
    assert "same directory" in problem["allowed"]
