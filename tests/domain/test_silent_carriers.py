"""A carrier that takes a call and is never heard of again earns no praise for it."""

from gateway.domain.call import step
from gateway.domain.commands import Timer
from gateway.domain.events import CallAccepted, CallEvent, DialReported, DialSending, LegReported, RouteChosen, TimerFired
from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.domain.verdict import Signal


def test_a_leg_that_no_one_ever_confirmed_says_nothing_good_of_its_carrier() -> None:
    """No webhook, no look-up, no hang-up was answered: the call ends as unanswered, the breaker hears no success."""
    call = Call(id="call_1", to="+15550100001", session_id="s", created_at=0.0, expires_at=600.0)
    chosen = RouteChosen(leg_id="leg_a", media_token="t", carrier="a", caller_id="+15550190001", why="", ringing_events=False)
    taken = (DialSending(fence=1, deadline=8.0), DialReported(knowledge=Knowledge.ACCEPTED, carrier_call_id="x"))
    events: list[CallEvent] = [CallAccepted(), chosen, *(LegReported(leg_id="leg_a", event=event) for event in taken)]
    timers: list[Timer] = []
    signals: list[Signal] = []
    now = 0.0
    while not call.ended:
        if events:
            event = events.pop(0)
        else:
            timer = min(timers, key=lambda one: one.due)
            timers.remove(timer)
            now, event = max(now, timer.due), TimerFired(name=timer.name, leg_id=timer.leg_id)
        moved = step(call, event, now, Policy())
        call = moved.call
        timers += [command for command in moved.commands if isinstance(command, Timer)]
        signals += [word.signal for word in moved.words]
    assert (call.outcome, signals) == (Outcome.NO_ANSWER, [Signal.RELEASE])
