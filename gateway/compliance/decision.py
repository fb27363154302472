"""May this number be dialled now? Pure; asked when a call is accepted and again immediately before every dial.

Profiles are names in the config. `none`, the shipped one, allows everything and says so: rules of hours, consent and
do-not-call come as dated data files behind this same function.
"""

from collections.abc import Callable

from msgspec import Struct

from gateway.domain.records import Call


class Allowed(Struct, frozen=True, tag=True):
    """Go ahead."""

    profile: str


class Denied(Struct, frozen=True, tag=True):
    """No; for ever, or until `until` (unix seconds)."""

    rule: str
    until: float | None = None


Decision = Allowed | Denied


def _allow(profile: str, call: Call, now: float) -> Decision:
    return Allowed(profile)


PROFILES: dict[str, Callable[[str, Call, float], Decision]] = {"none": _allow}


def decide(profile: str, call: Call, now: float) -> Decision:
    """Judge one dial of this call at this moment. A profile that nobody wrote denies."""
    rules = PROFILES.get(profile)
    return rules(profile, call, now) if rules else Denied(f"unknown-profile-{profile}")
