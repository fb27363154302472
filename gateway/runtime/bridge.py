"""The bridge: one agent session per call, coupled to the stream of the leg that the call has now.

A dialer prepares the session while the phone rings; the media socket opens and ends streams; the core closes the session
when the call has ended. When a leg dies the session is parked and goes on with the next leg's stream.

The bridge learns nothing from carriers and decides nothing about calls: it reports, and asks for the end of a call that
its agent ends. Invariant: a session has at most one live stream, and a stream one session.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import structlog

from agent.contract import Agent, CallInfo
from gateway.domain.errors import AgentUnavailable, HoldlineError
from gateway.domain.events import AnyLegEvent, StreamClosed, StreamFailed, StreamOpened
from gateway.domain.media import StreamEvent
from gateway.domain.outcome import Direction
from gateway.domain.records import Call, Leg
from gateway.runtime.counter_reports import CounterReports, StoreMedia
from gateway.runtime.coupling import Coupling
from gateway.runtime.errands import Errands
from gateway.runtime.leases import LeaseLost
from gateway.runtime.session import Session
from gateway.runtime.stream import Port, Stream
from gateway.runtime.ticker import Ticker

log = structlog.get_logger()

CALL_OVER = "call-over"
"""Why an agent that was being started is not there: nobody wants it here any more."""
NORMAL = 1000
"""WebSocket: we have said all we had to say."""
RESTARTING = 1012
"""WebSocket: come back, somebody else will answer."""
_REMEMBERED = 1000

Report = Callable[[str, str, AnyLegEvent], Awaitable[Call]]
"""(call id, leg id, event) -> the call as it stands after it."""
EndCall = Callable[[str, str], Awaitable[object]]
"""(call id, by): `agent` hung up; `agent-failed` raised; `agent-unavailable` could not be started."""


class Unwanted(HoldlineError):
    """The stream is not to be bridged: its leg is over, condemned or being hung up, or no agent is there."""


class Count(Protocol):
    """Adds one to a metric of `telemetry.metrics`."""

    def __call__(self, name: str, amount: float = 1, **labels: str) -> None: ...


class Bridge:
    """`agents` by their name in the config. `clock` in seconds, for gaps and silence; any origin."""

    def __init__(
        self,
        *,
        agents: Mapping[str, Agent],
        ticker: Ticker,
        report: Report,
        end_call: EndCall,
        store_media: StoreMedia,
        clock: Callable[[], float],
        count: Count,
        silent_after_s: float = 10.0,
        start_within_s: float = 5.0,
    ) -> None:
        self._agents, self._ticker, self._clock, self._count = agents, ticker, clock, count
        self._report, self._end_call, self._store_media = report, end_call, store_media
        self._silent_after_s, self._start_within_s = silent_after_s, start_within_s
        self._sessions: dict[str, Session] = {}
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._couplings: dict[str, Coupling] = {}
        self._closed: deque[str] = deque(maxlen=_REMEMBERED)
        self._errands = Errands()

    # --- the life of a session ---

    @property
    def call_ids(self) -> frozenset[str]:
        """Calls that have a session here."""
        return frozenset(self._sessions)

    async def prepare(self, call: Call, context: Mapping[str, Any] | None = None) -> None:
        """Start the call's agent, once; raise AgentUnavailable if it cannot take the call.

        `context`: what the session left behind in another process; the agent then goes on instead of beginning.
        """
        if call.id in self._closed:
            raise AgentUnavailable(call.agent, CALL_OVER)
        if call.id in self._sessions:
            return
        if call.id not in self._starting:
            self._starting[call.id] = task = asyncio.get_running_loop().create_task(self._start(call, context))
            task.add_done_callback(lambda done: self._started(call.id, done))
        task = self._starting[call.id]
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise AgentUnavailable(call.agent, CALL_OVER) from None
            raise

    def context(self, call_id: str) -> dict[str, Any] | None:
        """What another process needs to go on with the session; None if there is none here."""
        session = self._sessions.get(call_id)
        return None if session is None else session.agent.context()

    async def close(self, call_id: str) -> None:
        """The call has ended; harmless when repeated."""
        self._closed.append(call_id)
        starting = self._starting.get(call_id)
        if starting is not None:
            starting.cancel()
        session = self._sessions.pop(call_id, None)
        coupling = self._couplings.pop(call_id, None)
        if coupling is not None:
            coupling.stop()
            coupling.stream.port.close(NORMAL, CALL_OVER)
        if session is not None:
            await session.close()

    async def let_go(self, call_id: str) -> None:
        """Another process has the session from here on, or will: nothing more is said, and nothing reported of its stream."""
        starting = self._starting.get(call_id)
        if starting is not None:
            starting.cancel()
        coupling = self._couplings.pop(call_id, None)
        session = self._sessions.pop(call_id, None)
        if coupling is not None:
            coupling.stream.superseded = True
            coupling.stop()
            coupling.stream.port.close(RESTARTING, "moved")
        if session is not None:
            await session.close()

    async def aclose(self) -> None:
        """The process ends: close every session."""
        for call_id in sorted({*self._sessions, *self._starting}):
            await self.close(call_id)
        await self._errands.aclose()

    # --- the life of a stream ---

    async def open_stream(self, call_id: str, leg_id: str, port: Port) -> Stream:
        """The carrier's socket has started: report it, and couple it if the call still wants it, else raise Unwanted."""
        call = await self._report(call_id, leg_id, StreamOpened(carrier_call_id=port.started.carrier_call_id))
        try:
            leg = _wanted(call, leg_id)
            await self._prepared(call)
            return self.couple(call, leg, port)
        except Unwanted:
            await self._report_end(call_id, leg_id, StreamClosed())
            raise

    def couple(self, call: Call, leg: Leg, port: Port) -> Stream:
        """Let the agent speak through this stream. Another stream of the same leg, or of one that is over, gives way."""
        session = self._sessions.get(call.id)
        if session is None:
            raise Unwanted("no-session")
        current = session.stream
        if current is not None:
            self._give_way(call, current, leg)
        stream = Stream(call.id, leg.id, port, session.agent.format, self._clock())
        reports = CounterReports(call.id, leg.id, self._store_media, self._errands)
        self._couplings[call.id] = Coupling(session, stream, reports, self._ticker, self._clock, self._silent_after_s)
        log.info("stream-coupled", call_id=call.id, leg_id=leg.id)
        return stream

    def hear(self, stream: Stream, event: StreamEvent, now: float) -> None:
        """What the socket's codec has decoded, in order; `now` by the bridge's clock."""
        session = self._sessions.get(stream.call_id)
        if session is not None:
            session.hear(stream, event, now)

    def uncouple(self, stream: Stream) -> None:
        """The stream carries nothing any more: park the session. Harmless when repeated."""
        coupling = self._couplings.get(stream.call_id)
        if coupling is None or coupling.stream is not stream:
            return
        del self._couplings[stream.call_id]
        coupling.stop()
        coupling.session.uncouple()
        log.info("stream-uncoupled", call_id=stream.call_id, leg_id=stream.leg_id, failure=stream.failure)

    def supersede(self, stream: Stream) -> None:
        """Another socket of the leg takes this one's place: its end will say nothing about the leg."""
        stream.superseded = True
        self.uncouple(stream)
        stream.port.close(NORMAL, "superseded")

    async def end_stream(self, stream: Stream) -> None:
        """The socket is gone: uncouple, and report it once, as a failure if we gave it up."""
        self.uncouple(stream)
        if stream.superseded:
            return
        session = self._sessions.get(stream.call_id)
        by_agent = session is not None and session.ended_by == "agent"
        event = StreamFailed(reason=stream.failure) if stream.failure else StreamClosed(by_agent=by_agent)
        await self._report_end(stream.call_id, stream.leg_id, event)

    # --- inside ---

    async def _start(self, call: Call, context: Mapping[str, Any] | None) -> None:
        agent = self._agents.get(call.agent)
        if agent is None:
            raise AgentUnavailable(call.agent, "not-configured")
        try:
            session = self._session(call, agent, resumed=context is not None)
            async with asyncio.timeout(self._start_within_s):
                await session.start(context)
        except Exception as error:
            raise AgentUnavailable(call.agent, "start-too-slow" if isinstance(error, TimeoutError) else "start-failed") from error
        self._sessions[call.id] = session

    def _session(self, call: Call, agent: Agent, *, resumed: bool) -> Session:
        return Session(
            call.id,
            agent.session(_info(call)),
            end=lambda by: self._ended(call, by),
            dropped=lambda frames: self._count("media_audio_dropped_total", frames, direction="out"),
            resumed=resumed,
        )

    def _started(self, call_id: str, task: asyncio.Task[None]) -> None:
        del self._starting[call_id]
        if not task.cancelled() and task.exception() is not None:
            log.warning("agent-unavailable", call_id=call_id, error=str(task.exception()))

    async def _prepared(self, call: Call) -> None:
        try:
            await self.prepare(call)
        except AgentUnavailable as error:
            await self._end_call(call.id, "agent-unavailable")
            raise Unwanted("agent-unavailable") from error

    def _give_way(self, call: Call, current: Stream, leg: Leg) -> None:
        other = call.find(current.leg_id)
        if current.leg_id != leg.id and other is not None and other.live and not other.hangup_wanted:
            raise Unwanted("another-leg-is-live")
        self.supersede(current)

    def _ended(self, call: Call, by: str) -> None:
        log.info("agent-ended-call", call_id=call.id, by=by)
        self._errands.run("end-call", self._end_call(call.id, by))

    async def _report_end(self, call_id: str, leg_id: str, event: AnyLegEvent) -> None:
        try:
            await self._report(call_id, leg_id, event)
        except LeaseLost:
            log.info("stream-end-is-anothers", call_id=call_id, leg_id=leg_id)
        except HoldlineError:
            # The leg's own timer and the carrier's webhook tell the core the same, later.
            log.exception("stream-end-not-reported", call_id=call_id, leg_id=leg_id)


def _wanted(call: Call, leg_id: str) -> Leg:
    leg = call.find(leg_id)
    if leg is None or call.ended or not leg.live or leg.hangup_wanted:
        raise Unwanted("leg-not-wanted")
    return leg


def _info(call: Call) -> CallInfo:
    outbound_leg = call.leg if call.direction is Direction.OUTBOUND else None
    return CallInfo(
        call_id=call.id,
        session_id=call.session_id,
        direction=call.direction.value,
        from_number=outbound_leg.caller_id if outbound_leg else call.from_number or "",
        to_number=call.to,
        agent=call.agent,
        caller_name=call.caller_name,
        attestation=call.attestation,
        language=call.language,
        metadata=call.metadata,
        resumed=call.resumed,
    )
