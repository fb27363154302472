"""How a leg is judged when no carrier has judged it: we ended it, or the carrier said nothing. Pure."""

from gateway.domain.outcome import Outcome
from gateway.domain.verdict import Attribution, Signal, next_carrier, stop

# --- what the carrier left unsaid --------------------------------------------------------------------------------

UNEXPLAINED = next_carrier("unmapped", attribution=Attribution.UNKNOWN, signal=Signal.RELEASE)
NOT_FOUND = next_carrier("not-found", attribution=Attribution.UNKNOWN)
VANISHED = next_carrier("vanished")
PRESUMED_ENDED = next_carrier("presumed-ended")

CALLER_GAVE_UP = stop("caller-gave-up", Outcome.ABANDONED, signal=Signal.RELEASE)

# --- why we ended it ---------------------------------------------------------------------------------------------

CANCELED = stop("canceled", Outcome.CANCELED, attribution=Attribution.US, signal=Signal.RELEASE)
QUEUED_TOO_LONG = next_carrier("queued-too-long")
RANG_TOO_LONG = stop("ring-timeout", Outcome.NO_ANSWER)
NO_STREAM = stop("no-stream", Outcome.FAILED, attribution=Attribution.CARRIER, signal=Signal.FAILURE)
STREAM_LOST = stop("stream-lost", Outcome.FAILED, attribution=Attribution.CARRIER, signal=Signal.FAILURE)
STREAM_CLOSED = stop("stream-closed", Outcome.COMPLETED, signal=Signal.RELEASE)
AGENT_HUNG_UP = stop("agent-hung-up", Outcome.COMPLETED, attribution=Attribution.US)
MESSAGE_LEFT = stop("message-left", Outcome.COMPLETED, attribution=Attribution.US)
TALKED_TOO_LONG = stop("max-duration", Outcome.COMPLETED, attribution=Attribution.US)
