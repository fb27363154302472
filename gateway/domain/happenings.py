"""What the user's own systems can be told: the closed set of types, and which of them a pattern in config.yaml means."""

from collections.abc import Iterable
from enum import StrEnum


class Happening(StrEnum):
    """One for each shape of data; docs/webhooks.md has an example of every one."""

    CALL_ACCEPTED = "call.accepted"
    CALL_ARRIVED = "call.arrived"
    CALL_SCHEDULED = "call.scheduled"
    CALL_DIALING = "call.dialing"
    CALL_RINGING = "call.ringing"
    CALL_IN_PROGRESS = "call.in_progress"
    CALL_VOICEMAIL = "call.voicemail"
    CALL_ENDED = "call.ended"
    CALL_FAILED_OVER = "call.failed_over"
    CALLBACK_CREATED = "callback.created"
    CALLBACK_DEFERRED = "callback.deferred"
    CALLBACK_DUE = "callback.due"
    CALLBACK_ENDED = "callback.ended"
    VOICEMAIL_KEPT = "voicemail.kept"
    VOICEMAIL_DELETED = "voicemail.deleted"
    CARRIER_DOWN = "carrier.down"
    CARRIER_UP = "carrier.up"
    CARRIER_DRAINED = "carrier.drained"
    CARRIER_DISABLED = "carrier.disabled"
    CARRIER_ENABLED = "carrier.enabled"
    PING = "webhook.ping"
    """Nothing has happened: somebody tries whether an endpoint hears us."""


EVERYTHING = "*"
PATTERNS = (
    EVERYTHING,
    "call.*",
    "callback.*",
    "voicemail.*",
    "carrier.*",
    *(one for one in Happening if one is not Happening.PING),
)
"""What an endpoint can ask for. A ping goes to whom it is meant for, asked for or not."""


def meant(patterns: Iterable[str]) -> frozenset[Happening]:
    """All that these patterns mean."""
    return frozenset(one for one in Happening if one is not Happening.PING and any(_fits(pattern, one) for pattern in patterns))


def _fits(pattern: str, one: Happening) -> bool:
    return pattern in {EVERYTHING, one.value, f"{one.value.partition('.')[0]}.*"}
