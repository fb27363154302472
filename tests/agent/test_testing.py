"""The test kit, on the template that the guide begins with, and on agents that go wrong."""

import io
import wave
from collections.abc import Mapping
from typing import Any

import pytest

from agent.contract import CallInfo
from agent.template import Parrot
from agent.testing import converse
from carriers.lab.fields import BadField
from carriers.lab.says import builtin
from carriers.lab.sound import SILENCE, to_wav

SAID = builtin("person")[:12000] + SILENCE * 150
"""One and a half seconds of speech, then three of silence, in which the parrot repeats it."""


def frames(wav: bytes) -> tuple[int, int]:
    """(channels, frames) of a WAV."""
    with wave.open(io.BytesIO(wav)) as source:
        return source.getnchannels(), source.getnframes()


@pytest.mark.parametrize(("carrier", "direction"), [("plivo", "outbound"), ("telnyx", "inbound")])
async def test_the_parrot_repeats_what_the_person_says(carrier: str, direction: str) -> None:
    """The person hears their sentence, its mark comes back, and key 9 makes the parrot hang up."""
    talk = await converse(
        Parrot, says=to_wav(SAID), seconds=12, digits="w" * 9 + "9", carrier=carrier, direction=direction, metadata={}
    )
    assert talk.outcome == "completed", talk
    assert talk.heard_s > 0.5
    assert talk.marks[0] == "said-1"
    assert [event.what for event in talk.events][:2] == ["started", "answered"]
    assert (talk.did("digit"), talk.did("hang-up")) == (("9",), ("",))
    assert float(talk.did("play")[0]) > 0.5
    assert talk.events[-1].what == "closed"
    channels, count = frames(talk.wav)
    assert channels == 2
    assert count > 4 * 8000


class Shy(Parrot):
    """Cannot take any call."""

    async def start(self, line: Any) -> None:
        raise RuntimeError("not today")


class Clumsy(Parrot):
    """Breaks at the first sound."""

    def on_audio(self, frame: bytes) -> None:
        raise RuntimeError("oh")


class Proud:
    """An `Agent`, as the config makes them."""

    def __init__(self) -> None:
        self.calls: list[CallInfo] = []

    def session(self, call: CallInfo) -> Parrot:
        self.calls.append(call)
        return Parrot(call)


@pytest.mark.parametrize(
    ("agent", "ends"), [(Shy, ("failed", "agent-unavailable")), (Clumsy, ("failed", "agent-failed"))], ids=["shy", "clumsy"]
)
async def test_an_agent_that_goes_wrong_is_told(agent: type[Parrot], ends: tuple[str, str]) -> None:
    """The outcome names it, as it would in a real call."""
    talk = await converse(agent, seconds=3)
    assert (talk.outcome, talk.reason) == ends


async def test_an_agent_is_told_of_its_call() -> None:
    """Both numbers, the direction and the metadata; and a person who says nothing is heard as silence."""
    agent = Proud()
    metadata: Mapping[str, str] = {"order": "4711"}
    talk = await converse(agent, says="silence", seconds=1.5, carrier="vonage", metadata=metadata)
    (call,) = agent.calls
    assert (call.direction, call.to_number, call.metadata) == ("outbound", "+15550107001", metadata)
    assert (talk.outcome, talk.heard_s, talk.marks) == ("completed", 0.0, ())


async def test_a_word_that_the_lab_does_not_know_is_refused() -> None:
    """With what is allowed."""
    with pytest.raises(BadField, match="says"):
        await converse(Parrot, says="nonsense")
