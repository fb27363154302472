"""The times by which the core judges; every one is a setting (`dialing` in config.yaml). Seconds."""

from msgspec import Struct


class Policy(Struct, frozen=True, kw_only=True):
    """How long to wait for what."""

    resolve_for_s: float = 6.0
    """An unknown dial is looked up at least this long before it is condemned."""
    resolve_every_s: float = 1.5
    assume_alerted_s: float = 6.0
    """Where a carrier reports no ringing, a failure later than this after acceptance counts as after alerting."""
    answer_again_s: float = 2.0
    """The command that answers an inbound call is repeated so often until the answer is proven."""
    silent_after_s: float = 10.0
    """An accepted dial of which nothing more is heard is looked up after this."""
    queued_limit_s: float = 20.0
    """... and given up after this, if it still waits in the carrier's queue."""
    ring_grace_s: float = 10.0
    """Carriers add to the ring time-out; after this much more we end it ourselves."""
    stream_start_s: float = 5.0
    """An answered leg without a stream after this has a media failure."""
    overtime_s: float = 30.0
    """The carrier's own maximum duration is trusted this much longer, where the carrier was told of it."""
    hangup_every_s: float = 2.0
    hangup_limit: int = 6
    """So often a hang-up is tried before the leg is presumed to have ended."""
    message_order_s: float = 20.0
    """So long a carrier that is told by commands may take to say the greeting of a message, and to begin to record."""
    message_limit_s: float = 240.0
    """Greeting and message of a carrier's own recording are over by then."""
    retry_every_s: float = 15.0
    """A call that no carrier could take is tried again at the latest after this."""
    retry_first_s: float = 60.0
    """A call that its `retry_on` has tried again is so after this ..."""
    retry_factor: float = 2.0
    """... and after so many times the pause before, each time ..."""
    retry_limit_s: float = 1800.0
    """... but never after more than this, ..."""
    retry_attempts: int = 3
    """... until so many calls were made in all."""
    pace_wait_s: float = 5.0
    """So long a call waits for its best carrier's pace before it goes to the next."""
