"""What a step asks the world to do. Stored in the outbox by the same write that stores the step's state.

`Dial` is done at most once; every other command is done at least once and is idempotent.
"""

from msgspec import Struct


class Command(Struct, frozen=True, kw_only=True, tag=True):
    """Base of all commands. `due` (unix seconds) is when it may first be carried out; 0 is at once."""

    call_id: str
    leg_id: str = ""
    due: float = 0.0


class Route(Command, frozen=True, kw_only=True):
    """Choose the next carrier of this call's dialling round, and write the intent."""


class Dial(Command, frozen=True, kw_only=True):
    """Place the leg: win `intended -> sending`, then POST once. Redelivered and not won: report it orphaned."""


class Resend(Command, frozen=True, kw_only=True):
    """Send an unknown dial once more under the same tag, at a carrier that ignores repeats. Redelivered and not won: nothing."""


class Resolve(Command, frozen=True, kw_only=True):
    """Ask the carrier what became of the leg; answered by LegFound, or LegMissing when it surely is not there."""

    attempt: int = 1


class HangUp(Command, frozen=True, kw_only=True):
    """End the leg at its carrier by every handle we have; a leg that is gone already is a success."""

    attempt: int = 1


class Answer(Command, frozen=True, kw_only=True):
    """Take an inbound leg, and connect its stream, at a carrier that wants commands instead of a document. Idempotent."""


class OpenStream(Command, frozen=True, kw_only=True):
    """Have an answered leg open another media stream, at a carrier that is told so by command. `turn` counts the leg's orders:
    a repeat of one is done once, and only the newest means anything.
    """

    turn: int = 1


class RecordMessage(Command, frozen=True, kw_only=True):
    """Have the leg's carrier record what is said from now on, where it is told by commands. Idempotent."""


class CollectMessage(Command, frozen=True, kw_only=True):
    """Bring home what a leg's carrier has recorded; tried until it is there, or until it is clear that it will not be."""


class Reject(Command, frozen=True, kw_only=True):
    """Turn an inbound leg away before it costs, at a carrier that wants commands; `cause` is busy or rejected. Idempotent."""

    cause: str


class Timer(Command, frozen=True, kw_only=True):
    """Give TimerFired back to the call at `due`."""

    name: str


AnyCommand = Route | Dial | Resend | Resolve | HangUp | Answer | OpenStream | RecordMessage | CollectMessage | Reject | Timer
