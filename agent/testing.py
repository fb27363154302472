"""The test kit for agents: a conversation over a simulated carrier, in this process, without a key, a port to choose or a file.

    talk = await converse(Parrot, says="speech", seconds=6)
    assert talk.heard_s > 1 and talk.outcome == "completed"

Carrier and person are the lab's, the gateway in between is the whole real one. It takes as long as a telephone call does.
"""

import base64
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from agent.contract import Agent, AgentSession, CallInfo, Line
from agent.registry import agent_of

if TYPE_CHECKING:
    import httpx

    from carriers.lab.lab import Lab
    from gateway.config.structs import Config

PERSON = "+15550107001"
YOURS = "yours"
_KEY = "rehearsal-0123456789"
"""Opens a gateway that lives for one block, on loopback."""
_PATIENCE_S = 30.0
_LOOK_EVERY_S = 0.1


class Event(Struct, frozen=True, kw_only=True):
    """Something that the agent was told, or did. `at`: seconds from the agent's start.

    Told: started, answered, digit, mark, line-lost, line-back, closed. Did: play (`detail` is the seconds of sound), ask-mark,
    clear, send-digits, hang-up, fail.
    """

    at: float
    what: str
    detail: str = ""


class Conversation(Struct, frozen=True, kw_only=True):
    """What became of the call, and what the person's phone recorded."""

    outcome: str
    """As `GET /v1/calls/{id}` has it: completed, failed ..."""
    reason: str
    heard_s: float
    """Seconds of speech (or any sound) that reached the person's ear."""
    wav: bytes
    """Stereo, from the answer on: left what the person said, right what they heard. Empty if nobody answered."""
    marks: tuple[str, ...]
    """Marks that came back to the agent, in order."""
    events: tuple[Event, ...]

    def did(self, what: str) -> tuple[str, ...]:
        """The details of these events, in order."""
        return tuple(event.detail for event in self.events if event.what == what)


async def converse(
    agent: Agent | Callable[[CallInfo], AgentSession],
    *,
    says: str | bytes = "speech",
    seconds: float = 6.0,
    digits: str = "",
    carrier: str | None = None,
    direction: str = "outbound",
    metadata: Mapping[str, str] | None = None,
) -> Conversation:
    """Have the agent talk with one person, until either hangs up; the person does `seconds` after the answer.

    `agent`: an `Agent`, or what makes a session of a `CallInfo`, such as its class. `says`: speech, silence, tone, echo, the path
    of a WAV, or its bytes. `carrier`: by its kind; None: any. `digits`: keys from half a second after the answer on, 0.3 s apart;
    `w` waits 0.5 s more. Raise ValueError for a word of these that the lab does not know, and TimeoutError for a call that does
    not end.
    """
    notes = _Notes()
    cast = _casting(agent, notes)
    carrier = carrier or _all_carriers()[0]
    async with rehearsal([{"name": YOURS, "kind": "echo"}], carriers=[carrier], cast=cast) as stage:
        stage.lab.phones.put(PERSON, answer_after_s=0.2, says=_sound(says), dtmf=digits, hangup_after_s=seconds)
        call_id = await stage.call(PERSON, carrier, direction, metadata or {})
        call = await stage.ended(call_id, seconds + _PATIENCE_S)
        wav, heard_s = stage.recording(PERSON)
    return Conversation(
        outcome=str(call["outcome"]),
        reason=call.get("reason") or "",
        heard_s=heard_s,
        wav=wav,
        marks=tuple(event.detail for event in notes.events if event.what == "mark"),
        events=tuple(notes.events),
    )


class Stage:
    """A gateway and the lab that simulates its carriers; `url` and `client` reach its REST surface."""

    def __init__(self, lab: "Lab", url: str, client: "httpx.AsyncClient", sleep: Callable[[float], Any]) -> None:
        self.lab, self.url, self.client, self._sleep = lab, url, client, sleep

    async def call(
        self, person: str, carrier: str, direction: str = "outbound", metadata: Mapping[str, str] | None = None
    ) -> str:
        """Let the gateway call the person, or the person one of our numbers at this carrier; the call's id."""
        if direction == "inbound":
            self.lab.phones.dial(person, self.number_of(carrier))
            return str((await self._until(lambda: self._call_from(person), _PATIENCE_S))["id"])
        wish = {"to": person, "carriers": [carrier], "metadata": dict(metadata or {}), "on_exhausted": "fail"}
        answer = await self.client.post("/v1/calls", json=wish)
        return str(answer.raise_for_status().json()["id"])

    async def ended(self, call_id: str, within_s: float = _PATIENCE_S) -> dict[str, Any]:
        """The call, once it has ended; TimeoutError if it does not."""
        return await self._until(lambda: self._ended(call_id), within_s)

    def number_of(self, carrier: str) -> str:
        """Our first number there."""
        return str(self.lab.credentials(carrier)["numbers"][0])

    def recording(self, person: str) -> tuple[bytes, float]:
        """(stereo WAV, seconds of sound that they heard) of their last answered call; empty and 0 if there is none."""
        from carriers.lab.sound import to_wav

        call = self.lab.phones.call(person)
        if call is None or call.recording is None:
            return b"", 0.0
        heard_s = call.measure(self.lab.now()).speech_seconds
        return to_wav(bytes(call.recording.said.sound), bytes(call.recording.heard.sound)), heard_s

    async def _ended(self, call_id: str) -> dict[str, Any] | None:
        call: dict[str, Any] = (await self.client.get(f"/v1/calls/{call_id}")).raise_for_status().json()
        return call if call["status"] == "ended" else None

    async def _call_from(self, person: str) -> dict[str, Any] | None:
        calls = (await self.client.get("/v1/calls")).raise_for_status().json()["items"]
        return next((call for call in calls if call["from"] == person), None)

    async def _until(self, look: Callable[[], Any], within_s: float) -> dict[str, Any]:
        for _ in range(round(within_s / _LOOK_EVERY_S)):
            found: dict[str, Any] | None = await look()
            if found is not None:
                return found
            await self._sleep(_LOOK_EVERY_S)
        raise TimeoutError(f"not within {within_s:g} s; {[entry.flat() for entry in self.lab.ledger.entries()[-20:]]}")


@asynccontextmanager
async def rehearsal(
    agents: Sequence[Mapping[str, Any]],
    *,
    carriers: Sequence[str] = (),
    knobs: Mapping[str, Mapping[str, Any]] | None = None,
    port: int = 0,
    seed: int = 0,
    cast: Callable[[str, str, Any], Agent] = agent_of,
) -> AsyncIterator[Stage]:
    """A whole gateway with these agents (as config.yaml has them; the first answers and calls) on a lab of these carriers (none
    named: all that there are), whose `knobs` are by kind; `port` is the gateway's, and another `seed` makes
    other ids.

    Our numbers point at it already. Everything is on loopback and in a temporary directory, and is gone with the block.
    """
    import httpx

    from carriers.lab.lab import Lab
    from gateway.runtime.clock import SystemClock
    from gateway.serving import bind, served

    carriers = carriers or _all_carriers()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        lab = await stack.enter_async_context(Lab(seed=seed, kinds=list(carriers), knobs=knobs))
        listener = stack.enter_context(bind("127.0.0.1", port))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = _config(lab, agents, carriers, url, folder)
        await stack.enter_async_context(served(config, listener, cast=cast))
        await _point_numbers_here(config, url)
        headers = {"authorization": f"Bearer {_KEY}"}
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30))
        yield Stage(lab, url, client, SystemClock().sleep)


def _config(lab: "Lab", agents: Sequence[Mapping[str, Any]], carriers: Sequence[str], url: str, folder: str) -> "Config":
    from gateway.config import read_config, with_lab
    from gateway.config.document import Source

    limits = {"calls_per_second": 100, "concurrent_calls": 100}
    routes = [{"name": way, "direction": way, "prefix": "+", "agent": agents[0]["name"]} for way in ("outbound", "inbound")]
    document = {
        "carriers": [{"name": carrier, "kind": carrier, "limits": limits} for carrier in carriers],
        "routes": routes,
        "agents": [dict(agent) for agent in agents],
        "ladder": [],  # an agent that is lost here is told so at once
        "store": {"dir": folder},
    }
    credentials = {carrier: lab.credentials(carrier) for carrier in carriers}
    source = Source(document=with_lab(document, credentials, url), lines={}, name="the rehearsal")
    return read_config(source, {"HOLDLINE_API_KEY": _KEY})


async def _point_numbers_here(config: "Config", url: str) -> None:
    from carriers.contract import CarrierSettings, Wanted
    from carriers.registry import kinds
    from gateway.runtime.clock import SystemClock
    from gateway.runtime.provisioning import Provisioning

    clock = SystemClock()
    opened = {
        entry.name: kinds()[entry.kind].open(
            CarrierSettings(name=entry.name, credentials=entry.credentials, base_url=entry.base_url), clock.now
        )
        for entry in config.carriers
    }
    wanted = {entry.name: Wanted(carrier=entry.name, public_url=url, numbers=entry.numbers) for entry in config.carriers}
    try:
        await Provisioning(opened, wanted, clock).once()
    finally:
        for carrier in opened.values():
            await carrier.aclose()


def _all_carriers() -> Sequence[str]:
    from carriers.registry import kinds

    return sorted(kinds())


def _sound(says: str | bytes) -> str:
    return says if isinstance(says, str) else "data:audio/wav;base64," + base64.b64encode(says).decode()


# --- watching ---------------------------------------------------------------------------------------------------------


class _Notes:
    """What happened, with its time."""

    def __init__(self) -> None:
        from gateway.runtime.clock import SystemClock

        self.events: list[Event] = []
        self._now = SystemClock().now
        self._began: float | None = None

    def add(self, what: str, detail: str = "") -> None:
        now = self._now()
        self._began = now if self._began is None else self._began
        self.events.append(Event(at=round(now - self._began, 3), what=what, detail=detail))


def _casting(agent: Agent | Callable[[CallInfo], AgentSession], notes: _Notes) -> Callable[[str, str, Any], Agent]:
    """The one agent of the rehearsal, watched, under whatever name."""
    whole: Any = agent
    make: Callable[[CallInfo], AgentSession] = whole if isinstance(agent, type) else getattr(whole, "session", whole)
    return lambda _kind, _name, _settings: _WatchedAgent(make, notes)


class _WatchedAgent:
    """`agent.contract.Agent`."""

    def __init__(self, make: Callable[[CallInfo], AgentSession], notes: _Notes) -> None:
        self._make, self._notes = make, notes

    def session(self, call: CallInfo) -> AgentSession:
        return _WatchedSession(self._make(call), self._notes)


class _WatchedSession:
    """`agent.contract.AgentSession`: notes, and hands on."""

    def __init__(self, inner: AgentSession, notes: _Notes) -> None:
        self._inner, self._notes = inner, notes
        self.format = inner.format
        self.on_audio, self.context, self.resume = inner.on_audio, inner.context, inner.resume

    async def start(self, line: Line) -> None:
        self._notes.add("started")
        await self._inner.start(_WatchedLine(line, self._notes, self._inner))

    def on_answer(self) -> None:
        self._notes.add("answered")
        self._inner.on_answer()

    def on_digit(self, digit: str) -> None:
        self._notes.add("digit", digit)
        self._inner.on_digit(digit)

    def on_mark(self, name: str) -> None:
        self._notes.add("mark", name)
        self._inner.on_mark(name)

    def on_line_lost(self) -> None:
        self._notes.add("line-lost")
        self._inner.on_line_lost()

    def on_line_back(self) -> None:
        self._notes.add("line-back")
        self._inner.on_line_back()

    async def close(self) -> None:
        self._notes.add("closed")
        await self._inner.close()


class _WatchedLine:
    """`agent.contract.Line`: notes, and hands on."""

    def __init__(self, line: Line, notes: _Notes, session: AgentSession) -> None:
        self._line, self._notes, self._format = line, notes, session.format

    def play(self, audio: bytes) -> None:
        self._notes.add("play", f"{len(audio) / self._format.frame_bytes * 0.02:.2f}")
        self._line.play(audio)

    def mark(self, name: str) -> None:
        self._notes.add("ask-mark", name)
        self._line.mark(name)

    def clear(self) -> None:
        self._notes.add("clear")
        self._line.clear()

    def hang_up(self) -> None:
        self._notes.add("hang-up")
        self._line.hang_up()

    def send_digits(self, digits: str) -> None:
        self._notes.add("send-digits", digits)
        self._line.send_digits(digits)

    def fail(self, reason: str) -> None:
        self._notes.add("fail", reason)
        self._line.fail(reason)
