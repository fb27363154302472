"""A random world drives a promised call and the calls that try it again: queue and dials are late, users run and cancel.

What is dialled is written down here when it happens, and held against the wall clock of the window's own zone.
"""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.domain import call as calls
from gateway.domain.commands import Dial, Route
from gateway.domain.events import (
    CallAccepted,
    CancelRequested,
    DialReported,
    DialSending,
    LegEnded,
    LegReported,
    LegRinging,
    PromiseDue,
    RouteChosen,
    RouteExhausted,
    RunRequested,
)
from gateway.domain.outcome import CallStatus, Knowledge, LegPhase, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.domain.verdict import stop
from gateway.domain.window import DAYS, Window, is_open

ZONE = ZoneInfo("Europe/Berlin")
POLICY = Policy(retry_first_s=600.0, retry_limit_s=7200.0, retry_attempts=3)
STARTS = [
    datetime(2026, 3, 28, 23, 30, tzinfo=ZONE),  # the clock is put forward in this night
    datetime(2026, 10, 24, 23, 30, tzinfo=ZONE),  # and back in this one
    datetime(2026, 11, 23, 12, 0, tzinfo=ZONE),
]
WINDOWS = [("09:00", "18:00"), ("02:15", "02:45"), ("01:30", "03:30"), ("22:00", "02:30"), ("00:00", "24:00")]


class Promised(RuleBasedStateMachine):
    """See the head of this file."""

    @initialize(
        start=st.sampled_from(STARTS),
        hours=st.sampled_from(WINDOWS),
        days=st.sampled_from([DAYS, ("sat", "sun"), ("mon",)]),
        later_s=st.sampled_from([None, 60.0, 7200.0]),
    )
    def begin(self, start: datetime, hours: tuple[str, str], days: tuple[str, ...], later_s: float | None) -> None:
        self.now = start.timestamp()
        self.window = Window(timezone=ZONE.key, opens=hours[0], closes=hours[1], days=days)
        self.dialled: list[tuple[str, float]] = []
        self.after_the_end = 0
        self.fence = 0
        self.pending: list = []
        first = Call(
            id="call_1",
            to="+15550100001",
            session_id="ses_1",
            created_at=self.now,
            expires_at=self.now + 3 * 86_400,
            not_before=None if later_s is None else self.now + later_s,
            window=self.window,
            retry_on=(Outcome.BUSY,),
        )
        self.made: dict[str, Call] = {}
        self._accept(first)

    def _accept(self, call: Call) -> None:
        assert call.id not in self.made
        self.made[call.id] = call
        self._apply(call.id, CallAccepted())

    def _apply(self, call_id: str, event) -> None:
        before = self.made[call_id]
        step = calls.step(before, event, self.now, POLICY)
        self.made[call_id] = step.call
        self.pending += [command for command in step.commands if isinstance(command, Route | Dial)]
        if step.follow is not None:
            assert step.call.ended
            assert not before.ended
            self._accept(step.follow)

    @property
    def newest(self) -> Call:
        return list(self.made.values())[-1]

    # --- the world -----------------------------------------------------------------------------------------------

    @rule(late_s=st.sampled_from([0.0, 0.0, 0.0, 5.0, 3600.0, 9 * 3600.0]))
    @precondition(lambda self: self.newest.promise is not None)
    def promise_due(self, late_s: float) -> None:
        """The queue delivers, on time or late."""
        self.now = max(self.now, self.newest.promise.due_at) + late_s
        self._apply(self.newest.id, PromiseDue())

    @rule(data=st.data())
    @precondition(lambda self: self.pending)
    def carry_out(self, data: st.DataObject) -> None:
        """A command is carried out: a carrier is chosen or not to be had, a dial is sent."""
        command = self.pending.pop(0)
        call = self.made[command.call_id]
        if isinstance(command, Route):
            if call.status is CallStatus.DIALING and not (call.leg and call.leg.live):
                self._route(call, data.draw(st.integers(0, 3)) == 0)
        elif (leg := call.find(command.leg_id)) is not None and leg.phase is LegPhase.INTENDED:
            self._send(call, leg.id)

    def _route(self, call: Call, exhausted: bool) -> None:
        if exhausted:
            self._apply(call.id, RouteExhausted(passed=(), retry_at=self.now + 15))
        else:
            leg_id = f"leg_{call.id}_{len(call.legs)}"
            chosen = RouteChosen(leg_id=leg_id, media_token="t", carrier="a", caller_id="+15550190001", why="")
            self._apply(call.id, chosen)

    def _send(self, call: Call, leg_id: str) -> None:
        self.fence += 1
        self._apply(call.id, LegReported(leg_id=leg_id, event=DialSending(fence=self.fence, deadline=self.now + 8)))
        leg = self.made[call.id].find(leg_id)
        assert leg is not None
        if leg.phase is LegPhase.SENDING:
            self.after_the_end += call.ended
            self.dialled.append((call.id, self.now))
            accepted = DialReported(knowledge=Knowledge.ACCEPTED, carrier_call_id="x")
            self._apply(call.id, LegReported(leg_id=leg_id, event=accepted))

    @rule(busy=st.booleans())
    @precondition(lambda self: self.newest.leg is not None and self.newest.leg.phase is LegPhase.ACCEPTED)
    def the_person(self, busy: bool) -> None:
        """It rings, and the person is busy, or declines."""
        leg_id = self.newest.leg.id
        self._apply(self.newest.id, LegReported(leg_id=leg_id, event=LegRinging()))
        verdict = stop("told", Outcome.BUSY if busy else Outcome.DECLINED)
        self._apply(self.newest.id, LegReported(leg_id=leg_id, event=LegEnded(verdict=verdict)))

    @rule()
    @precondition(lambda self: self.newest.status is CallStatus.SCHEDULED)
    def user_runs(self) -> None:
        """Somebody wants it kept now."""
        self._apply(self.newest.id, RunRequested())

    @rule(chance=st.integers(0, 14))
    @precondition(lambda self: self.newest.status is CallStatus.SCHEDULED)
    def user_cancels(self, chance: int) -> None:
        """Somebody takes it back; seldom, so that most worlds live long."""
        if chance == 7:
            self._apply(self.newest.id, CancelRequested())
            self._apply(self.newest.id, PromiseDue())  # a worker that had it in hand comes too late

    @rule(seconds=st.sampled_from([1.0, 600.0, 3600.0, 6 * 3600.0]))
    def time_passes(self, seconds: float) -> None:
        """Commands that wait get late by it."""
        self.now += seconds

    # --- the promises ----------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_dialled_outside_the_window(self) -> None:
        """Invariant 11, for windows: the clock on the wall there, at each dial."""
        for _, at in self.dialled:
            local = datetime.fromtimestamp(at, ZONE)
            clock = f"{local:%H:%M}"
            today, yesterday = DAYS[local.weekday()], DAYS[(local - timedelta(days=1)).weekday()]
            opens, closes, days = self.window.opens, self.window.closes, self.window.days
            if opens < closes:
                assert opens <= clock < closes
                assert today in days
            else:
                assert (clock >= opens and today in days) or (clock < closes and yesterday in days)

    @invariant()
    def nothing_is_dialled_after_the_end(self) -> None:
        """Invariant 9: neither after an end nor after a cancellation."""
        assert self.after_the_end == 0

    @invariant()
    def no_more_tries_than_allowed(self) -> None:
        """Each call is dialled and rings at most once here, and there are at most as many as `attempts`."""
        assert len(self.made) <= POLICY.retry_attempts
        assert all(call.retry_of == before for call, before in zip(list(self.made.values())[1:], self.made, strict=False))

    @invariant()
    def a_promise_is_in_one_place(self) -> None:
        """Invariant 9: it waits with a due time, or is being kept, or is over."""
        for call in self.made.values():
            assert (call.promise is not None) == (call.status is CallStatus.SCHEDULED)

    @invariant()
    def a_due_time_lies_in_the_window(self) -> None:
        """Or at the call's expiry, if the window does not open before."""
        for call in self.made.values():
            if call.promise is not None and call.promise.due_at < call.expires_at:
                assert is_open(self.window, call.promise.due_at)


TestPromised = Promised.TestCase
TestPromised.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
