"""Which inbound rule takes a caller, and who is turned away."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.admission import Admission, InboundRule, OpeningHours, admit

NEW_YORK = ZoneInfo("America/New_York")
OFFICE = OpeningHours(zone=NEW_YORK, days=frozenset(range(5)), opens=9 * 60, closes=18 * 60)
NIGHT = OpeningHours(zone=NEW_YORK, days=frozenset({4}), opens=22 * 60, closes=6 * 60)
RULES = (
    InboundRule(name="all", agent="receptionist"),
    InboundRule(name="shop", prefix="+15550190001", agent="seller", hours=OFFICE),
    InboundRule(name="shop-closed", prefix="+15550190001", agent="night"),
    InboundRule(name="friends", prefix="+15550190001", from_prefix="+44", agent="friend"),
    InboundRule(name="nuisance", from_prefix="+1666", refuse="rejected"),
    InboundRule(name="only-alpha", prefix="+15550190002", carriers=("alpha",), agent="alpha-agent"),
)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()


MONDAY_NOON, SUNDAY_NOON = at("2026-11-23T12:00"), at("2026-11-22T12:00")


def ask(to: str = "+15550190001", caller_id: str = "+15550100001", **more: object) -> Admission:
    asked = {"carrier": "beta", "full": False, "now": MONDAY_NOON, **more}
    return admit(RULES, to=to, caller_id=caller_id, **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "rule"),
    [
        ({"to": "+15550199999"}, "all"),
        ({}, "shop"),
        ({"now": SUNDAY_NOON}, "shop-closed"),
        ({"caller_id": "+442071838750"}, "friends"),
        ({"caller_id": ""}, "shop"),
        ({"to": "+15550190002"}, "all"),
        ({"to": "+15550190002", "carrier": "alpha"}, "only-alpha"),
    ],
)
def test_the_closest_rule_takes_the_caller(question: dict[str, object], rule: str) -> None:
    """Number called, then caller, then hours; a withheld number fits rules for everybody only."""
    admission = ask(**question)  # type: ignore[arg-type]
    assert (admission.rule.name if admission.rule else None, admission.refusal) == (rule, "")


def test_a_caller_can_be_refused_by_rule() -> None:
    """The rule says what they hear."""
    admission = ask(to="+15550199999", caller_id="+16665550100")
    assert (admission.refusal, admission.cause) == ("route-nuisance", "rejected")


def test_a_number_without_a_rule_is_refused() -> None:
    """Nothing fits, nobody answers."""
    assert admit((), carrier="a", to="+1", caller_id="", full=False, now=0.0) == Admission(rule=None, refusal="no-route")


def test_over_capacity_is_busy() -> None:
    """The caller hears that it is worth trying again."""
    admission = ask(full=True)
    assert (admission.refusal, admission.cause) == ("over-capacity", "busy")


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        ("2026-11-23T08:59", False),
        ("2026-11-23T09:00", True),
        ("2026-11-23T17:59", True),
        ("2026-11-23T18:00", False),
        ("2026-11-22T12:00", False),
    ],
)
def test_hours_are_local_and_end_exclusively(moment: str, open_: bool) -> None:
    """Monday from nine to six in New York."""
    assert OFFICE.open(at(moment)) is open_


@pytest.mark.parametrize(
    ("moment", "open_"),
    [
        ("2026-11-27T21:59", False),
        ("2026-11-27T22:00", True),
        ("2026-11-28T05:59", True),
        ("2026-11-28T06:00", False),
        ("2026-11-28T22:30", False),
        ("2026-11-27T03:00", False),
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_it_began(moment: str, open_: bool) -> None:
    """Friday night reaches into Saturday morning, and Friday's own morning is not of it."""
    assert NIGHT.open(at(moment)) is open_


def test_hours_follow_the_change_of_clocks() -> None:
    """Nine in New York is 13:00 UTC in October and 14:00 UTC in November."""
    assert OFFICE.open(datetime(2026, 10, 30, 13, 0, tzinfo=UTC).timestamp())
    assert not OFFICE.open(datetime(2026, 11, 2, 13, 0, tzinfo=UTC).timestamp())
    assert OFFICE.open(datetime(2026, 11, 2, 14, 0, tzinfo=UTC).timestamp())
