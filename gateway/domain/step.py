"""What applying one event to a call gives back."""

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.commands import AnyCommand
from gateway.domain.outcome import CallStatus, Outcome
from gateway.domain.records import Call
from gateway.domain.verdict import Signal


class BreakerWord(Struct, frozen=True, kw_only=True):
    """What a leg tells its carrier's breaker; each leg says one word in its life."""

    carrier: str
    signal: Signal
    epoch: int
    probe: bool


class Step(Struct, frozen=True, kw_only=True):
    """The call after the event, and what the world must do."""

    call: Call
    commands: tuple[AnyCommand, ...] = ()
    words: tuple[BreakerWord, ...] = ()
    released: tuple[tuple[str, str], ...] = ()
    """(carrier, leg id) of legs that hold no line any more."""
    ignored: bool = False
    follow: Call | None = None
    """A new call that takes this one's place, to be accepted in the same write."""


def end(call: Call, outcome: Outcome, reason: str, now: float) -> Step:
    """The call has ended so; whatever it promised is promised no more."""
    ended = replace(call, status=CallStatus.ENDED, outcome=outcome, reason=reason, ended_at=now, promise=None)
    return Step(call=ended)
