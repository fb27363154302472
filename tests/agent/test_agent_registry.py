"""Agents by name, and the echo."""

from typing import Any

import msgspec
import pytest

from agent.contract import CallInfo
from agent.echo import Echo
from agent.registry import AGENTS, agent_of

CALL = CallInfo(
    call_id="call_" + "1" * 24,
    session_id="ses_" + "1" * 24,
    direction="outbound",
    from_number="+15550190001",
    to_number="+15550100001",
    agent="echo",
)


class Listener:
    def __init__(self) -> None:
        self.played: list[bytes] = []
        self.cleared = 0

    def play(self, audio: bytes) -> None:
        self.played.append(audio)

    def mark(self, name: str) -> None:
        raise AssertionError("the echo sets no marks")

    def clear(self) -> None:
        self.cleared += 1

    def hang_up(self) -> None:
        raise AssertionError("the echo never leaves")


SETTINGS: dict[str, dict[str, Any]] = {
    "twilio_stream": {"url": "wss://agent.example.com/bot", "auth_token": "0123456789abcdef"},
    "openai_realtime": {"api_key": "key-of-the-service"},
    "python": {"class": "agent.template:Parrot"},
}


@pytest.mark.parametrize("kind", sorted(AGENTS))
def test_every_kind_makes_sessions_of_its_own(kind: str) -> None:
    """Two calls never share a session, and a fresh session's context is restored by its own kind."""
    made = agent_of(kind, "bot", msgspec.convert(SETTINGS.get(kind, {}), AGENTS[kind].settings))
    one, two = made.session(CALL), made.session(CALL)
    assert one is not two
    two.resume(one.context())
    assert two.context() == one.context()


def test_an_unknown_kind_names_those_that_there_are() -> None:
    """The error says what could have been written."""
    with pytest.raises(LookupError, match="echo, openai_realtime, python, receptionist"):
        agent_of("recepcionist")


async def test_the_echo_returns_the_very_frames_it_hears() -> None:
    """No copy, no change, no delay of its own."""
    session, line = Echo().session(CALL), Listener()
    await session.start(line)
    frames = [bytes([number]) * 160 for number in range(3)]
    for frame in frames:
        session.on_audio(frame)
    assert all(played is frame for played, frame in zip(line.played, frames, strict=True))


async def test_the_echo_forgets_what_it_heard_before_a_lost_line() -> None:
    """Nothing from before the gap is played after it."""
    session, line = Echo().session(CALL), Listener()
    await session.start(line)
    session.on_line_lost()
    assert line.cleared == 1
