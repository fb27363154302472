"""The closed sets of words that a call and a leg can be in; the API prints them as they stand here."""

from enum import StrEnum


class Direction(StrEnum):
    """Who began: us (outbound) or the person (inbound)."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class CallStatus(StrEnum):
    """Where a call is. `SCHEDULED` holds an open promise; only `ENDED` is terminal."""

    SCHEDULED = "scheduled"
    DIALING = "dialing"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    RECONNECTING = "reconnecting"
    VOICEMAIL = "voicemail"
    ENDED = "ended"


class Outcome(StrEnum):
    """How a call ended; exactly one, and only once it has ended."""

    COMPLETED = "completed"
    VOICEMAIL = "voicemail"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"
    INVALID_NUMBER = "invalid_number"
    BLOCKED = "blocked"
    DENIED = "denied"
    CANCELED = "canceled"
    ABANDONED = "abandoned"
    DROPPED = "dropped"
    FAILED = "failed"
    EXPIRED = "expired"
    EXHAUSTED = "exhausted"


class CallbackState(StrEnum):
    """Where a promise to call is: waiting for its time, being kept by a call that is under way, or over."""

    WAITING = "waiting"
    RUNNING = "running"
    OVER = "over"


class Priority(StrEnum):
    """In which order promises that are due are kept."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class LegPhase(StrEnum):
    """Where a leg is, in the dial's own detail; `status` is the coarser word that the API shows."""

    INTENDED = "intended"
    SENDING = "sending"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"
    CONDEMNED = "condemned"

    @property
    def status(self) -> str:
        """The API's word: dialing, ringing, answered, ended or condemned."""
        return "dialing" if self in DIALING_PHASES else self.value


DIALING_PHASES = frozenset({LegPhase.INTENDED, LegPhase.SENDING, LegPhase.UNKNOWN, LegPhase.ACCEPTED})
FINAL_PHASES = frozenset({LegPhase.ENDED, LegPhase.CONDEMNED})


class Knowledge(StrEnum):
    """What is known of a dial. Only `NOT_SENT` and `REFUSED` free the call for another carrier at once."""

    NOT_SENT = "not_sent"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    ALERTED = "alerted"
    UNKNOWN = "unknown"


class Role(StrEnum):
    """Whom a leg reaches: the person of the call, or a colleague whom the call is handed to."""

    PERSON = "person"
    HUMAN = "human"
