"""Who answers an inbound call: the rules of config.yaml's inbound routes, in the core's words. Pure.

The rule that fits most closely wins: the longest prefix of the number called, then the longest prefix of the caller's
number, then one that keeps hours before one that does not (so that a rule without hours is what happens after hours).
"""

from collections.abc import Sequence
from datetime import datetime, tzinfo

from msgspec import Struct

BUSY, REJECTED = "busy", "rejected"


class OpeningHours(Struct, frozen=True, kw_only=True):
    """Minutes are counted from local midnight; a window whose end is not after its beginning goes over midnight and
    belongs to the day on which it began.
    """

    zone: tzinfo
    days: frozenset[int]
    """0 is Monday."""
    opens: int
    closes: int

    def open(self, now: float) -> bool:
        """Whether it is open at this unix time."""
        local = datetime.fromtimestamp(now, self.zone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.opens < self.closes:
            return today in self.days and self.opens <= minute < self.closes
        return (today in self.days and minute >= self.opens) or ((today - 1) % 7 in self.days and minute < self.closes)


class InboundRule(Struct, frozen=True, kw_only=True):
    """One inbound route. Exactly one of `agent` and `refuse` is filled."""

    name: str
    prefix: str = "+"
    """Of the number called."""
    from_prefix: str = ""
    """Of the caller's number; empty fits everybody, withheld numbers too."""
    carriers: tuple[str, ...] = ()
    """Only calls that come through one of these; empty: any."""
    hours: OpeningHours | None = None
    agent: str = ""
    refuse: str = ""
    language: str = ""
    max_duration_s: int | None = None


class Admission(Struct, frozen=True, kw_only=True):
    """What becomes of the caller. `refusal` is empty if the call is taken, else why it is not; `cause` is what they hear."""

    rule: InboundRule | None
    refusal: str = ""
    cause: str = REJECTED


def admit(rules: Sequence[InboundRule], *, carrier: str, to: str, caller_id: str, full: bool, now: float) -> Admission:
    """Choose. `full`: no more calls can be carried."""
    rule = max((rule for rule in rules if _fits(rule, carrier, to, caller_id, now)), key=_closeness, default=None)
    if rule is None:
        return Admission(rule=None, refusal="no-route")
    if rule.refuse:
        return Admission(rule=rule, refusal=f"route-{rule.name}", cause=rule.refuse)
    if full:
        return Admission(rule=rule, refusal="over-capacity", cause=BUSY)
    return Admission(rule=rule)


def _fits(rule: InboundRule, carrier: str, to: str, caller_id: str, now: float) -> bool:
    if not to.startswith(rule.prefix) or not caller_id.startswith(rule.from_prefix):
        return False
    if rule.carriers and carrier not in rule.carriers:
        return False
    return rule.hours is None or rule.hours.open(now)


def _closeness(rule: InboundRule) -> tuple[int, int, bool, bool]:
    return len(rule.prefix), len(rule.from_prefix), rule.hours is not None, bool(rule.carriers)
