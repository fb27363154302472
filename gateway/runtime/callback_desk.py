"""What users do with promises to call: keep one now, or take it back. Of two who want different things, one is told so."""

from collections.abc import Callable

from gateway.domain.callback import state_of
from gateway.domain.errors import HoldlineError
from gateway.domain.events import CallEvent, CancelRequested, RunRequested
from gateway.domain.outcome import CallbackState
from gateway.domain.records import Call
from gateway.domain.times import rfc3339
from gateway.domain.window import is_open, next_opening
from gateway.runtime.calls import CallNotFound, Calls
from gateway.runtime.clock import Clock


class CallbackRefused(HoldlineError):
    """The promise's state forbids it; the text says which, and the cure."""


class CallbackDesk:
    """Each method is one write over the state that it looked at. Raise CallbackRefused, CallNotFound, StoreUnavailable."""

    def __init__(self, calls: Calls, clock: Clock) -> None:
        self._calls, self._clock = calls, clock

    async def run(self, call_id: str) -> Call:
        """Dial it now; the call that is on its way."""
        call = await self._say(call_id, self._run)
        if call.ended:  # it had expired, and nobody had looked yet
            raise CallbackRefused(over(call))
        return call

    async def cancel(self, call_id: str) -> Call:
        """Promise it no more; the call that was ended by this."""
        return await self._say(call_id, lambda _call: CancelRequested())

    async def _say(self, call_id: str, decide: Callable[[Call], CallEvent]) -> Call:
        def waiting(call: Call) -> tuple[CallEvent, ...]:
            refuse_unless_waiting(call)
            return (decide(call),)

        return (await self._calls.apply(call_id, waiting)).call

    def _run(self, call: Call) -> CallEvent:
        now = self._clock.now()
        if not is_open(call.window, now):
            opening = next_opening(call.window, now)
            when = f"it opens at {rfc3339(opening)}" if opening is not None else "it does not open again"
            raise CallbackRefused(f"Outside its window nothing is dialled, and {when}.")
        return RunRequested()


def refuse_unless_waiting(call: Call) -> None:
    """Only what waits can be run or taken back. A call that never was a promise is not found."""
    if call.promised_at is None:
        raise CallNotFound(call.id)
    match state_of(call):
        case CallbackState.OVER:
            raise CallbackRefused(over(call))
        case CallbackState.RUNNING:
            cure = f"DELETE /v1/calls/{call.id} takes it back before the answer, POST /v1/calls/{call.id}/hangup ends it."
            raise CallbackRefused(f"It is running: its call is {call.status.value}. {cure}")


def over(call: Call) -> str:
    """How a promise ended, in words."""
    return f"It is over: {call.outcome.value if call.outcome else ''}."
