"""The bridge: one agent session per call, coupled to the stream of the leg that the call has now.

A dialer prepares the session while the phone rings; the media socket opens and ends streams; the core closes the session
when the call has ended. When a leg dies the session is parked and goes on with the next leg's stream; when its agent dies,
another session takes its place under the same stream.

The bridge learns nothing from carriers and decides nothing about calls: it reports, asks for the end of a call that its
agent ends, and tells whose agent is gone. Invariant: a call has at most one session here, a session at most one live
stream, and a stream one session.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from gateway.domain.errors import AgentUnavailable, HoldlineError, StoreUnavailable
from gateway.domain.events import AnyLegEvent, StreamClosed, StreamFailed, StreamOpened
from gateway.domain.ladder import MOMENT, RungKind
from gateway.domain.media import StreamEvent
from gateway.domain.records import Call, Leg
from gateway.runtime.casting import Casting, Gone, Wish, resumption, told_cause
from gateway.runtime.counter_reports import CounterReports, StoreMedia
from gateway.runtime.coupling import Coupling
from gateway.runtime.errands import Errands
from gateway.runtime.leases import LeaseLost
from gateway.runtime.moments import Moments
from gateway.runtime.session import HUNG_UP, Session
from gateway.runtime.stream import Port, Stream
from gateway.runtime.ticker import Ticker
from gateway.runtime.wanted import Unwanted, wanted

log = structlog.get_logger()

CALL_OVER = "call-over"
"""Why an agent that was being started is not there: nobody wants it here any more."""
LOST_AT_ONCE = "lost-at-once"
NORMAL = 1000
"""WebSocket: we have said all we had to say."""
RESTARTING = 1012
"""WebSocket: come back, somebody else will answer."""
READY_WITHIN_S = 0.75
"""Who is on the line before the agent is ready waits so long in silence, and is then asked for a moment."""
ASKING_FOR_PATIENCE = frozenset({MOMENT, RungKind.HOLD.value})
_REMEMBERED = 1000

Report = Callable[[str, str, AnyLegEvent], Awaitable[Call]]
"""(call id, leg id, event) -> the call as it stands after it."""
EndCall = Callable[[str, str], Awaitable[object]]
"""(call id, by): `agent` hung up."""
OnGone = Callable[[Gone], Awaitable[object]]


class Bridge:
    """`clock` in seconds, for gaps and silence; any origin. `on_gone` is told, once, of each agent that a call has lost."""

    def __init__(
        self,
        *,
        casting: Casting,
        ticker: Ticker,
        report: Report,
        end_call: EndCall,
        on_gone: OnGone,
        store_media: StoreMedia,
        clock: Callable[[], float],
        moments: Moments | None = None,
        silent_after_s: float = 10.0,
    ) -> None:
        self._casting, self._ticker, self._clock = casting, ticker, clock
        self._report, self._end_call, self._on_gone, self._store_media = report, end_call, on_gone, store_media
        self._moments, self._silent_after_s = moments or Moments(), silent_after_s
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
        """Start the agent that the call is to have now, once; raise AgentUnavailable if it cannot take the call.

        `context`: what the session left behind in another process; the agent then goes on instead of beginning.
        """
        if call.id in self._closed:
            raise AgentUnavailable(call.talks, CALL_OVER)
        if call.id in self._sessions:
            return
        if call.id not in self._starting:
            self._starting[call.id] = task = asyncio.get_running_loop().create_task(self._start(call, context))
            task.add_done_callback(lambda done: self._started(call, done))
        task = self._starting[call.id]
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise AgentUnavailable(call.talks, CALL_OVER) from None
            raise

    def ready(self, call: Call) -> bool:
        """Whether the agent that is to talk in it has a session here."""
        session = self._sessions.get(call.id)
        return session is not None and session.name == call.talks and not session.ended_by

    async def try_out(self, call: Call) -> None:
        """As `prepare`, before there is a leg: that the agent cannot be had then is told to nobody else."""
        session = await self._casting.start(call, call.talks, self)
        await self._settle(session)
        if call.id in self._closed or call.id in self._sessions or call.id in self._starting:
            await session.close()
        else:
            self._seat(session)

    def context(self, call_id: str) -> dict[str, Any] | None:
        """What another process needs to go on with the session; None if there is none here."""
        session = self._sessions.get(call_id)
        return None if session is None else session.context()

    async def close(self, call_id: str) -> None:
        """The call has ended; harmless when repeated."""
        self._closed.append(call_id)
        await self._part(call_id, NORMAL, CALL_OVER, superseded=False)

    async def let_go(self, call_id: str) -> None:
        """Another process has the session from here on, or will: nothing more is said, and nothing reported of its stream."""
        await self._part(call_id, RESTARTING, "moved", superseded=True)

    async def aclose(self) -> None:
        """The process ends: close every session."""
        for call_id in sorted({*self._sessions, *self._starting}):
            await self.close(call_id)
        await self._errands.aclose()

    # --- one agent after the other ---

    async def stand_in(self, call: Call, wish: Wish | None = None) -> None:
        """Ask whoever is on the line, or will be, for a moment, in place of the agent that there is or is not."""
        current = self._sessions.get(call.id)
        if current is not None and current.name in ASKING_FOR_PATIENCE:
            return
        session = await self._casting.start(call, MOMENT, self, wish)
        if self._sessions.get(call.id) is current:
            self._seat(session)
        else:  # the agent came meanwhile, or the call is over
            await session.close()

    async def start(self, call: Call, agent: str, wish: Wish | None = None) -> Session:
        """A session for `take_over`, or to be closed; raise AgentUnavailable."""
        return await self._casting.start(call, agent, self, wish)

    async def take_over(self, session: Session) -> None:
        """Let it speak in place of the call's session, under the same stream. Raise AgentUnavailable, and close it, if it is lost
        already, or if nobody wants it here any more.
        """
        await self._settle(session)
        if session.call_id not in self._sessions:
            await session.close()
            raise AgentUnavailable(session.name, CALL_OVER)
        self._seat(session)

    async def hand_over(self, call: Call, agent: str, wish: Wish | None = None) -> None:
        """Both: give the call, which has a session here, to another agent. Raise AgentUnavailable; the former one then stays."""
        await self.take_over(await self.start(call, agent, wish))

    def ended(self, session: Session) -> None:
        """Of `session.Hooks`."""
        log.info("agent-ended-call", call_id=session.call_id, agent=session.name)
        self._errands.run("end-call", self._end_call(session.call_id, HUNG_UP))

    def lost(self, session: Session, reason: str) -> None:
        """Of `session.Hooks`. Who starts a session that is not seated yet finds out by itself."""
        if self._sessions.get(session.call_id) is session:
            gone = Gone(
                call=session.call, agent=session.name, reason=reason, began=True, context=session.context(), met=session.met
            )
            self._errands.run("agent-gone", self._on_gone(gone))

    # --- the life of a stream ---

    async def open_stream(self, call_id: str, leg_id: str, port: Port) -> Stream:
        """The carrier's socket has started: report it, and couple it if the call still wants it, else raise Unwanted."""
        call = await self._report(call_id, leg_id, StreamOpened(carrier_call_id=port.started.carrier_call_id))
        try:
            leg = wanted(call, leg_id)
            await self._somebody(call)
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

    def close_stream(self, call_id: str) -> None:
        """End the call's stream in good order, and keep its session: the carrier will ask what to do now."""
        coupling = self._couplings.get(call_id)
        if coupling is not None:
            coupling.stream.port.close(NORMAL, "")

    async def end_stream(self, stream: Stream) -> None:
        """The socket is gone: uncouple, and report it once, as a failure if we gave it up."""
        self.uncouple(stream)
        if stream.superseded:
            return
        session = self._sessions.get(stream.call_id)
        by_agent = session is not None and session.ended_by == HUNG_UP
        event = StreamFailed(reason=stream.failure) if stream.failure else StreamClosed(by_agent=by_agent)
        await self._report_end(stream.call_id, stream.leg_id, event)

    # --- inside ---

    async def _start(self, call: Call, context: Mapping[str, Any] | None) -> None:
        session = await self._casting.start(call, call.talks, self, resumption(call.talks, context))
        await self._settle(session)
        self._seat(session)

    async def _settle(self, session: Session) -> None:
        """Who was asked for a moment hears that to its end; whoever is to come next may be lost meanwhile."""
        try:
            if session.call_id in self._couplings:
                await self._moments.passed(session.call_id)
        except BaseException:
            await session.close()
            raise
        if session.ended_by:
            await session.close()
            raise AgentUnavailable(session.name, LOST_AT_ONCE)

    def _started(self, call: Call, task: asyncio.Task[None]) -> None:
        del self._starting[call.id]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, AgentUnavailable):
            log.warning("agent-unavailable", call_id=call.id, error=str(error), cause=told_cause(error))
            gone = Gone(call=call, agent=error.agent, reason=error.reason, detail=told_cause(error))
            self._errands.run("agent-gone", self._on_gone(gone))

    def _seat(self, session: Session) -> None:
        former = self._sessions.get(session.call_id)
        self._sessions[session.call_id] = session
        coupling = self._couplings.get(session.call_id)
        if coupling is not None:
            coupling.hand_over(session)
            log.info("call-handed-over", call_id=session.call_id, agent=session.name)
        if former is not None:
            self._errands.run("close-session", former.close())

    async def _part(self, call_id: str, code: int, why: str, *, superseded: bool) -> None:
        starting = self._starting.get(call_id)
        if starting is not None:
            starting.cancel()
        session = self._sessions.pop(call_id, None)
        coupling = self._couplings.pop(call_id, None)
        if coupling is not None:
            coupling.stream.superseded = coupling.stream.superseded or superseded
            coupling.stop()
            coupling.stream.port.close(code, why)
        if session is not None:
            await session.close()

    async def _somebody(self, call: Call) -> None:
        """The agent, or after a moment somebody who asks for another; raise Unwanted if the call is over."""
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await self.prepare(call)
        except (AgentUnavailable, TimeoutError) as error:
            if call.id in self._closed or not self._casting.knows(MOMENT):
                raise Unwanted("agent-unavailable") from error
            await self.stand_in(call)

    def _give_way(self, call: Call, current: Stream, leg: Leg) -> None:
        other = call.find(current.leg_id)
        if current.leg_id != leg.id and other is not None and other.live and not other.hangup_wanted:
            raise Unwanted("another-leg-is-live")
        self.supersede(current)

    async def _report_end(self, call_id: str, leg_id: str, event: AnyLegEvent) -> None:
        try:
            await self._report(call_id, leg_id, event)
        except LeaseLost:
            log.info("stream-end-is-anothers", call_id=call_id, leg_id=leg_id)
        # The leg's own timer and the carrier's webhook tell the core the same, later.
        except StoreUnavailable as error:
            log.warning("stream-end-not-reported", call_id=call_id, leg_id=leg_id, error=str(error))
        except HoldlineError:
            log.exception("stream-end-not-reported", call_id=call_id, leg_id=leg_id)
