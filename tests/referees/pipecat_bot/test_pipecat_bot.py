"""An unmodified pipecat bot is the agent of calls over every carrier: judged by the phones' recordings, and by the bot's own log.

The bot is a process of its own (`bot.py`, in the referees' environment); gateway and lab are the whole real ones.
"""

import asyncio
import audioop
import base64
import io
import itertools
import json
import os
import socket
import subprocess
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.testing import Stage, rehearsal
from carriers.lab.says import builtin
from carriers.lab.sound import SILENCE, to_wav
from carriers.registry import kinds

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv-referees" / "bin" / "python"
ACCOUNT, TOKEN = "AC" + "0123456789abcdef" * 2, "token-of-the-pipecat-bot"
CANNED_HZ, GOODBYE_HZ = 600, 900
UP_WITHIN_S = 60.0
FAST = {
    "twilio": {"calls_per_second": 100.0},
    "plivo": {"cps": 100, "cdr_lag_s": 0.2},
    "vonage": {"calls_per_second": 100, "requests_per_second": 100},
}
BARGES_IN = SILENCE * 175 + builtin("person")[:12000] + SILENCE * 500
"""Speaks for 1.5 s, three and a half after the answer (the bot's first call takes it a second or two), then listens for ten."""
SPEAKS_AT_ONCE = SILENCE * 25 + builtin("person")[:16000] + SILENCE * 500


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Bot:
    """The process, its two logs, and the settings of an agent that is this bot."""

    def __init__(self, folder: Path, gateway_port: int) -> None:
        self._own, self._pipecats = folder / "bot.jsonl", folder / "pipecat.log"
        self._gateway_port, self._port = gateway_port, free_port()

    @contextmanager
    def running(self) -> Iterator[None]:
        """From its first word to its last; what it never may say is looked for then."""
        rest = {
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_BASE_URL": f"http://127.0.0.1:{self._gateway_port}/twilio",
        }
        command = [str(PYTHON), str(Path(__file__).with_name("bot.py")), str(self._port)]
        with self._own.open("wb") as own, self._pipecats.open("wb") as pipecats:
            process = subprocess.Popen(command, env=os.environ | rest, stdin=subprocess.DEVNULL, stdout=own, stderr=pipecats)
        try:
            asyncio.run(self.tells("Uvicorn running on", UP_WITHIN_S))
            yield
        finally:
            process.terminate()
            process.wait(15)
        for wrong in ("| ERROR", "Traceback", "Failed to"):
            assert wrong not in self.log(), self.log()

    def agent(self, role: str) -> dict[str, Any]:
        """As config.yaml would have it."""
        settings = {
            "url": f"ws://127.0.0.1:{self._port}/{role}",
            "auth_token": TOKEN,
            "account_sid": ACCOUNT,
            "parameters": {"shop": "bakery"},
        }
        return {"name": "pipecat", "kind": "twilio_stream", "settings": settings}

    def events(self, call_sid: str) -> list[dict[str, Any]]:
        """What the bot said of this call."""
        said = [json.loads(line) for line in self._own.read_text(encoding="utf-8").splitlines()]
        return [event for event in said if event["call"] == call_sid]

    async def ended(self, call_sid: str) -> dict[str, dict[str, Any]]:
        """The bot's events of a call by their names, once it is through with it."""
        for _ in range(100):
            events = {event["event"]: event for event in self.events(call_sid)}
            if "end" in events:
                return events
            await asyncio.sleep(0.1)  # another process' log
        raise AssertionError(f"the bot is not through with {call_sid}: {self.events(call_sid)} {self.log()}")

    async def tells(self, words: str, within_s: float) -> None:
        for _ in range(round(within_s / 0.1)):
            if words in self.log():
                return
            await asyncio.sleep(0.1)  # another process' log
        raise AssertionError(f"pipecat does not say {words!r}: {self.log()}")

    def log(self) -> str:
        """Pipecat's own, loguru's and uvicorn's."""
        return self._pipecats.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def gateway_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory, gateway_port: int) -> Iterator[Bot]:
    """One process for all calls."""
    bot = Bot(tmp_path_factory.mktemp("pipecat"), gateway_port)
    with bot.running():
        yield bot


def sid_of(call_id: str) -> str:
    """Our call's id as the bot sees it."""
    return f"CA{'00000001' if call_id.startswith('call_in') else '00000000'}{call_id[-24:]}"


class Ear:
    """One channel of a phone's recording, in frames of 20 ms; 0 is what the person said, 1 what they heard."""

    def __init__(self, wav: bytes, channel: int) -> None:
        with wave.open(io.BytesIO(wav)) as source:
            sound = audioop.tomono(source.readframes(source.getnframes()), 2, 1 - channel, channel)
        frames = [sound[start : start + 320] for start in range(0, len(sound) - 319, 320)]
        self._loud = [frame for frame in frames if audioop.rms(frame, 2) > 300]

    @property
    def seconds(self) -> float:
        """Of sound, silence left out."""
        return len(self._loud) * 0.02

    def hertz(self, part: slice) -> float:
        """The pitch of these loud frames: half the changes of sign a second."""
        piece = b"".join(self._loud[part])
        return float(audioop.cross(piece, 2) / (len(piece) / 16000) / 2)

    def has(self, hertz: float) -> bool:
        """Whether some 160 ms of it have this pitch; a bot that is slow to start is preceded by our own "one moment"."""
        parts = (slice(start, start + 8) for start in range(0, len(self._loud) - 8, 4))
        return any(self.hertz(part) == pytest.approx(hertz, rel=0.05) for part in parts)


async def talked(stage: Stage, bot: Bot, carrier: str, direction: str, **phone: Any) -> tuple[dict[str, Any], bytes]:
    """One whole call, which the bot must end: the bot's events, and the phone's recording."""
    person = f"+155501071{DIRECTIONS.index(direction)}{kinds_in_order().index(carrier)}"
    stage.lab.phones.put(person, answer_after_s=0.2, hangup_after_s=30, **phone)
    metadata = {"order": "4711"} if direction == "outbound" else {}
    call = await stage.ended(await stage.call(person, carrier, direction, metadata), 40)
    sid = sid_of(call["id"])
    told = await bot.ended(sid)
    assert (call["outcome"], call["direction"]) == ("completed", direction)
    assert stage.lab.ledger.entries("hangup", number=person)[-1].more["by"] == "carrier"
    await bot.tells(f"Successfully terminated Twilio call {sid}", 5)
    check_start(told["start"], call, person, stage.number_of(carrier))
    return told, stage.recording(person)[0]


def check_start(start: dict[str, Any], call: dict[str, Any], person: str, ours: str) -> None:
    """Pipecat takes it for Twilio's, with our parameters, the metadata and the config's."""
    assert start["kind"] == "twilio"
    assert start["stream"].startswith("MZ")
    inbound = call["direction"] == "inbound"
    numbers = (person, ours) if inbound else (ours, person)
    parameters = start["parameters"]
    assert (parameters["from_number"], parameters["to_number"]) == numbers
    assert (parameters["call_id"], parameters["direction"], parameters["shop"]) == (call["id"], call["direction"], "bakery")
    assert parameters.get("order") == (None if inbound else "4711")


def kinds_in_order() -> list[str]:
    return sorted(kinds())


DIRECTIONS = ("outbound", "inbound")


async def everywhere(stage: Stage, bot: Bot, judge: Callable[[dict[str, Any], bytes], None], **phone: Any) -> None:
    """The same call over every carrier and in both directions, all at once."""

    async def one(carrier: str, direction: str) -> None:
        judge(*await talked(stage, bot, carrier, direction, **phone))

    await asyncio.gather(*(one(*way) for way in itertools.product(kinds_in_order(), DIRECTIONS)))


async def test_its_sentence_is_heard_until_the_person_interrupts(bot: Bot, gateway_port: int) -> None:
    """Twelve seconds are cut short by the person's first words: goodbye is heard, and the bot's own REST request hangs up."""

    def judge(told: dict[str, Any], wav: bytes) -> None:
        heard = Ear(wav, 1)
        assert heard.has(CANNED_HZ)
        assert heard.hertz(slice(-12, -2)) == pytest.approx(GOODBYE_HZ, rel=0.05)
        assert heard.seconds < 8, "not twelve"
        assert told["interrupted"]
        assert told["end"]["heard_s"] >= 0.2

    async with rehearsal([bot.agent("canned")], knobs=FAST, port=gateway_port, seed=1) as stage:
        await everywhere(stage, bot, judge, says=as_says(BARGES_IN))


async def test_it_hears_the_person_and_gives_it_back(bot: Bot, gateway_port: int) -> None:
    """The person hears their own words over the bot, and their key 9 makes it hang up."""

    def judge(told: dict[str, Any], wav: bytes) -> None:
        assert told["key"]["key"] == "9"
        said, heard = Ear(wav, 0), Ear(wav, 1)
        assert said.seconds > 1
        assert told["end"]["heard_s"] == pytest.approx(said.seconds, abs=0.4)
        assert heard.seconds == pytest.approx(said.seconds, abs=0.4)

    async with rehearsal([bot.agent("echo")], knobs=FAST, port=gateway_port, seed=2) as stage:
        await everywhere(stage, bot, judge, says=as_says(SPEAKS_AT_ONCE), dtmf="w" * 6 + "9")


def as_says(mulaw: bytes) -> str:
    """As the lab's phones take a WAV."""
    return "data:audio/wav;base64," + base64.b64encode(to_wav(mulaw)).decode()
