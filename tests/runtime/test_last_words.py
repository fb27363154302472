"""The agent that calls back is told why: what the earlier call's agent knew travels with the promise."""

from typing import Any

import pytest

from agent.contract import CallInfo
from agent.twilio_stream import Settings, parameters
from gateway.domain.breaker import BreakerPolicy
from gateway.domain.errors import StoreUnavailable
from gateway.domain.media import MULAW_8K
from gateway.domain.outcome import CallStatus
from gateway.domain.records import Call
from gateway.runtime.agent_health import AgentHealth
from gateway.runtime.calls import News
from gateway.runtime.casting import Casting, Kept, keep
from gateway.runtime.last_words import LastWords
from gateway.runtime.sessions import Sessions


class Quiet:
    """An agent that keeps what it was told, and says nothing."""

    format = MULAW_8K

    def __init__(self) -> None:
        self.told: list[CallInfo] = []

    def session(self, call: CallInfo) -> Any:
        self.told.append(call)
        return self

    async def start(self, line: Any) -> None:
        pass

    def context(self) -> dict[str, Any]:
        return {}

    async def close(self) -> None:
        pass


class ClosingBridge:
    """A bridge whose session knows something until it is closed."""

    def __init__(self, context: dict[str, Any] | None) -> None:
        self.known = context

    def context(self, _call_id: str) -> dict[str, Any] | None:
        return self.known

    async def close(self, _call_id: str) -> None:
        self.known = None


class Away:
    """A store that does not answer."""

    async def last_context(self, _call_id: str) -> str:
        raise StoreUnavailable("away")

    async def keep_last_context(self, _call_id: str, _context: str) -> bool:
        raise StoreUnavailable("away")


async def ended(rig: Any, context: dict[str, Any] | None) -> Call:
    """The rig's call has ended, and its session knew this."""
    await rig.accept()
    before = await rig.call()
    await rig.calls.cancel("call_1")
    sessions = Sessions(ClosingBridge(context), LastWords(rig.store))  # type: ignore[arg-type]
    after = await rig.call()
    await sessions.heed(News(before=before, after=after, entries=(), words=()))
    await sessions.aclose()
    return after  # type: ignore[no-any-return]


def a_callback(**given: Any) -> Call:
    plain: dict[str, Any] = {"to": "+15550100001", "session_id": "s", "created_at": 0.0, "expires_at": 9.0}
    plain |= {"callback_of": "call_1", "purpose": "callback", "note": "the order is late", "status": CallStatus.RINGING}
    return Call(id="call_2", **(plain | given))


@pytest.mark.parametrize(
    ("context", "known"),
    [
        ({"order": 7, "step": "address"}, {"order": 7, "step": "address"}),
        (keep(Kept(agent="bot", context={"order": 7})), {"order": 7}),
        ({"mood": "leaving", "word": "callback-promised", "lost_context": {"order": 7}}, {"order": 7}),
        ({}, {}),
        (None, {}),
        ({"memory": "x" * 5000}, {}),
    ],
    ids=["an-agents-own", "kept-by-who-stood-in", "kept-by-who-offered-it", "nothing", "no-session", "too-long"],
)
async def test_what_was_known_at_the_end_is_told_to_who_calls_back(
    rig: Any, context: dict[str, Any] | None, known: dict[str, Any]
) -> None:
    """As the session had it before it was closed, if it is short; also what was kept of an agent that was lost."""
    await ended(rig, context)
    assert await LastWords(rig.store).of_earlier(a_callback()) == known
    assert await LastWords(rig.store).of_earlier(a_callback(callback_of="")) == {}


async def test_a_store_that_is_away_keeps_nobody_from_calling() -> None:
    """Then the agent is told less; the end of a call waits for nothing either."""
    words = LastWords(Away())  # type: ignore[arg-type]
    assert await words.of_earlier(a_callback()) == {}
    await words.keep("call_1", {"order": 7})


async def test_the_agent_is_told_why_it_calls(rig: Any) -> None:
    """In its own call info: the earlier call, the purpose, the note, and what its agent knew."""
    await ended(rig, {"order": 7})
    agent = Quiet()
    casting = Casting(
        {"bot": agent},  # type: ignore[dict-item]
        lambda *_given, **_labels: None,
        health=AgentHealth((), BreakerPolicy(), lambda: 0.0),
        earlier=LastWords(rig.store).of_earlier,
    )
    await casting.start(a_callback(retry_of="call_0"), "bot", hooks=None)  # type: ignore[arg-type]
    (told,) = agent.told
    assert (told.callback_of, told.purpose, told.note, told.retry_of) == ("call_1", "callback", "the order is late", "call_0")
    assert told.earlier == {"order": 7}


def test_an_agent_behind_a_socket_is_told_in_custom_parameters() -> None:
    """The same words; what is longer than a parameter may be is cut (the note) or left out (the context)."""
    info = CallInfo(
        call_id="call_2",
        session_id="ses_2",
        direction="outbound",
        from_number="+15550190001",
        to_number="+15550100001",
        agent="bot",
        purpose="callback",
        callback_of="call_1",
        note="n" * 500,
        earlier={"order": 7},
    )
    told = parameters(info, Settings(url="wss://agent.example.com", auth_token="t" * 16))
    assert {name: told[name] for name in ("purpose", "callback_of", "earlier_context")} == {
        "purpose": "callback",
        "callback_of": "call_1",
        "earlier_context": '{"order":7}',
    }
    assert told["note"] == "n" * 480
    long = CallInfo(
        call_id="c", session_id="s", direction="outbound", from_number="", to_number="", agent="", earlier={"x": "y" * 500}
    )
    assert "earlier_context" not in parameters(long, Settings(url="wss://agent.example.com", auth_token="t" * 16))
