"""What waits for an agent that does not read, and what gives way."""

import json
from typing import Any

import pytest

from agent.socket import MAX_WAITING, MAX_WORDS, AgentSocket


class Nobody:
    """`agent.socket.Reports`."""

    def on_message(self, message: str | bytes) -> None:
        raise AssertionError(message)

    def on_closed(self, code: int) -> None:
        raise AssertionError(code)


@pytest.fixture
def unread() -> AgentSocket:
    """Nothing is written: it stays as if the far end did not read."""
    return AgentSocket(Nobody())


def waiting(socket: AgentSocket) -> list[str]:
    return [message for message, _sound in socket._waiting]


def test_the_oldest_sound_gives_way_and_nothing_else(unread: AgentSocket) -> None:
    """A start before it and marks between it stay, in their order."""
    unread.send("start")
    for number in range(MAX_WAITING + 50):
        unread.send(f"sound {number}", sound=True)
        if number == 100:
            unread.send("mark")
    kept = waiting(unread)
    assert len(kept) == MAX_WAITING
    assert kept[0] == "start"
    assert kept.index("mark") == kept.index("sound 101") - 1
    assert kept[-1] == f"sound {MAX_WAITING + 49}"
    assert unread.dropped == 52


def test_a_thousand_marks_at_once_are_all_kept(unread: AgentSocket) -> None:
    """As a clear gives them back; sound behind them waits, one piece of it."""
    marks = [f"mark {number}" for number in range(1000)]
    for mark in marks:
        unread.send(mark)
    for number in range(3):
        unread.send(f"sound {number}", sound=True)
    assert waiting(unread) == [*marks, "sound 2"]


def test_even_marks_have_a_limit(unread: AgentSocket) -> None:
    """Somebody who never reads costs a bounded amount: sound goes first, then the oldest words."""
    unread.send("sound", sound=True)
    for number in range(MAX_WORDS + 1):
        unread.send(f"mark {number}")
    assert len(waiting(unread)) == MAX_WORDS
    assert waiting(unread)[0] == "mark 1"
    assert unread.dropped == 2


async def test_what_waits_is_said_in_order(far: Any) -> None:
    """A burst of words and sound goes out as it came, whole."""
    said = [json.dumps({"number": number}) for number in range(600)]
    socket = AgentSocket(Nobody())
    await socket.open(far.url, {}, 5.0)
    for number, message in enumerate(said):
        socket.send(message, sound=number >= 550)
    assert [await far.next() for _ in range(550)] == said[:550]
    await socket.close()
