"""What may be counted, and what a committed change counts as."""

from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.outcome import CallStatus, LegPhase, Outcome
from gateway.domain.records import Call, Leg
from gateway.domain.verdict import next_carrier
from gateway.runtime.store.contract import LogEntry
from gateway.runtime.telemetry.counting import count_change
from gateway.runtime.telemetry.metrics import METRICS, Metrics


def test_what_was_counted_is_told() -> None:
    """Counters add up, gauges say the last value, and two registries do not know of each other."""
    metrics, other = Metrics(), Metrics()
    metrics.count("gateway_calls_total", outcome="busy")
    metrics.count("gateway_calls_total", 2, outcome="busy")
    metrics.gauge("carrier_breaker_state", 0.5, carrier="alpha")
    lines = metrics.text().decode().splitlines()
    assert 'gateway_calls_total{outcome="busy"} 3.0' in lines
    assert 'carrier_breaker_state{carrier="alpha"} 0.5' in lines
    assert b"busy" not in other.text()


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("gateway_cals_total", {"outcome": "busy"}),
        ("gateway_calls_total", {}),
        ("gateway_calls_total", {"outcome": "busy", "number": "+15550100001"}),
        ("carrier_breaker_state", {"carrier": "alpha"}),
    ],
)
def test_what_is_not_in_the_table_is_not_counted(name: str, labels: dict[str, str]) -> None:
    """An unknown name, a missing or foreign label, or a gauge taken for a counter raises and counts nothing."""
    metrics = Metrics()
    before = metrics.text()
    with pytest.raises(ValueError, match=name):
        metrics.count(name, **labels)
    assert metrics.text() == before


def test_no_label_grows_with_traffic() -> None:
    """No metric is labelled with what differs from call to call."""
    labels = {label for metric in METRICS.values() for label in metric.labels}
    assert labels.isdisjoint({"call", "call_id", "leg", "leg_id", "to", "number"} - {"to"})
    assert METRICS["failover_total"].labels == ("from", "to", "reason")


class Tally:
    """Counts as Metrics does, and remembers in order."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.seen: list[tuple[str, dict[str, str]]] = []

    def __call__(self, name: str, **labels: str) -> None:
        self.metrics.count(name, **labels)
        self.seen.append((name, labels))


LEG = Leg(
    id="leg_1",
    call_id="call_1",
    carrier="alpha",
    caller_id="+15550190001",
    media_token="t",
    round=1,
    created_at=1.0,
    phase=LegPhase.SENDING,
)
CALL = Call(id="call_1", to="+15550100001", session_id="ses_1", created_at=1.0, expires_at=99.0, legs=(LEG,))


def counted(before: Call | None, after: Call, *entries: LogEntry) -> list[tuple[str, dict[str, str]]]:
    tally = Tally()
    count_change(before, after, entries, tally)
    return tally.seen


def test_a_refused_leg_is_an_attempt() -> None:
    """A leg that ended counts once, by carrier and verdict; a later change of the same call counts nothing."""
    refused = replace(LEG, phase=LegPhase.ENDED, verdict=next_carrier("service-unavailable"))
    after = replace(CALL, legs=(refused,))
    attempt: dict[str, Any] = {"carrier": "alpha", "disposition": "next_carrier", "attribution": "carrier"}
    assert counted(CALL, after) == [("gateway_attempts_total", attempt)]
    assert counted(after, replace(after, version=5)) == []


def test_a_condemned_leg_is_counted_as_such_and_once() -> None:
    """Condemning counts; the end of what was condemned does not count again."""
    condemned = replace(LEG, phase=LegPhase.CONDEMNED, verdict=next_carrier("unknown"))
    after = replace(CALL, legs=(condemned,))
    assert ("legs_condemned_total", {"carrier": "alpha"}) in counted(CALL, after)
    assert counted(after, replace(after, legs=(replace(condemned, ended_at=5.0),))) == []


def test_the_end_of_a_call_is_counted_once() -> None:
    """By outcome, when it comes and not afterwards."""
    ended = replace(CALL, legs=(), status=CallStatus.ENDED, outcome=Outcome.BUSY)
    assert counted(replace(CALL, legs=()), ended) == [("gateway_calls_total", {"outcome": "busy"})]
    assert counted(ended, replace(ended, version=9)) == []


def test_a_failover_is_counted_from_the_log() -> None:
    """The log line of a chosen route tells from where, to where and why."""
    failover = {"from": "alpha", "to": "beta", "reason": "service-unavailable", "known": "refused"}
    entry = LogEntry(id="e", call_id="call_1", at=1.0, kind="route-chosen", data={"failover": failover})
    labels = {"from": "alpha", "to": "beta", "reason": "service-unavailable"}
    assert counted(CALL, CALL, entry) == [("failover_total", labels)]
