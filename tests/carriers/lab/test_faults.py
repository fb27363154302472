"""The switchboard: its grammar, its targets, its times and its dice."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.lab.faults import Fault, FaultKind, Switchboard, read_faults, region_of
from carriers.lab.fields import BadField

CAUSES = frozenset({"no-route"})
NEEDED: dict[str, dict[str, Any]] = {
    "flap": {"period_s": 5},
    "slow": {"s": 2},
    "queueing": {"s": 2},
    "reject": {"cause": "no-route"},
    "webhooks_late": {"s": 2},
    "stream_cut": {"after_s": 1},
    "one_way": {"direction": "to_person"},
    "leg_drop": {"after_s": 1},
}
TO = "+15550107001"


def board(*faults: dict[str, Any], now: float = 100.0) -> Switchboard:
    switchboard = Switchboard(Random(7))
    switchboard.set(now, read_faults(list(faults), CAUSES))
    return switchboard


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_kind_can_be_set(kind: FaultKind) -> None:
    """Each kind is taken with what it needs, and is reported as it was set."""
    needed = NEEDED.get(kind, {})
    fault = read_faults([{"kind": str(kind), **needed, "for_s": 9}], CAUSES)[0]
    assert fault.kind is kind
    assert fault.for_s == 9
    assert all(getattr(fault, name) == value for name, value in needed.items())


@pytest.mark.parametrize("kind", sorted(NEEDED))
def test_a_missing_field_is_named(kind: str) -> None:
    """A fault without the field it needs is refused under that field's name."""
    with pytest.raises(BadField) as caught:
        read_faults([{"kind": kind}], CAUSES)
    assert caught.value.field == f"faults[0].{next(iter(NEEDED[kind]))}"


@pytest.mark.parametrize(
    ("fault", "field", "says"),
    [
        ({"kind": "explode"}, "faults[0].kind", "blackhole"),
        ({}, "faults[0].kind", "must be one of"),
        ("down", "faults[0]", "object"),
        ({"kind": "slow", "s": "2"}, "faults[0].s", "number"),
        ({"kind": "slow", "s": 2, "delay": 3}, "faults[0].delay", "allowed are"),
        ({"kind": "http_error", "status": 200}, "faults[0].status", "400 to 599"),
        ({"kind": "http_error", "after_placing": 1}, "faults[0].after_placing", "true or false"),
        ({"kind": "reject", "cause": "moon"}, "faults[0].cause", "no-route"),
        ({"kind": "blackhole", "rate": 2}, "faults[0].rate", "0 to 1"),
        ({"kind": "blackhole", "for_s": -1}, "faults[0].for_s", "number"),
        ({"kind": "blackhole", "prefix": "+1x"}, "faults[0].prefix", "E.164"),
        ({"kind": "blackhole", "region": "usa!"}, "faults[0].region", "ISO 3166"),
        ({"kind": "down", "rate": 0.5}, "faults[0].rate", "1"),
        ({"kind": "down", "prefix": "+1"}, "faults[0].prefix", "unknown field"),
        ({"kind": "one_way", "direction": "up"}, "faults[0].direction", "from_person"),
    ],
)
def test_wrong_faults_are_refused(fault: Any, field: str, says: str) -> None:
    """Every wrong word names its field and what is allowed."""
    with pytest.raises(BadField) as caught:
        read_faults([fault], CAUSES)
    assert caught.value.field == field
    assert says in caught.value.cure


def test_a_fault_ends_after_its_time() -> None:
    """`for_s` counts from the moment of being set."""
    switchboard = board({"kind": "webhooks_lost", "for_s": 10})
    assert switchboard.strike(109.9, FaultKind.WEBHOOKS_LOST) is not None
    assert switchboard.strike(110.0, FaultKind.WEBHOOKS_LOST) is None
    assert switchboard.current(110.0) == []


def test_a_flap_goes_down_and_up() -> None:
    """Down in the first period, up in the second, and it knows when it changes next."""
    switchboard = board({"kind": "flap", "period_s": 5, "for_s": 12})
    assert [switchboard.down(100.0 + at) is not None for at in (0, 4.9, 5, 9.9, 10, 11.9, 12)] == [
        True,
        True,
        False,
        False,
        True,
        True,
        False,
    ]
    assert [switchboard.next_change(100.0 + at) for at in (0, 5, 10, 12)] == [105.0, 110.0, 112.0, None]


@given(st.floats(0.1, 3600), st.floats(0, 1e6))
def test_the_next_flap_is_always_ahead(period_s: float, after: float) -> None:
    """Whatever the period, the next change lies in the future, so that a review never plans itself for now."""
    switchboard = Switchboard(Random(1))
    switchboard.set(1.7e9, [Fault(kind=FaultKind.FLAP, period_s=period_s)])
    change = switchboard.next_change(1.7e9 + after)
    assert change is not None
    assert change > 1.7e9 + after - 1e-3


def test_prefix_and_region_choose_destinations() -> None:
    """A fault for +1555010 strikes those numbers; one for GB strikes British ones."""
    by_prefix, by_region = (
        board({"kind": "reject", "cause": "no-route", "prefix": "1555010"}),
        board({"kind": "slow", "s": 1, "region": "GB"}),
    )
    assert by_prefix.strike(100, FaultKind.REJECT, TO) is not None
    assert by_prefix.strike(100, FaultKind.REJECT, "+15550207001") is None
    assert by_region.strike_request(100, "+442071838750") != []
    assert by_region.strike_request(100, TO) == []


def test_regions_of_invented_numbers_go_by_country_code() -> None:
    """+1 555 is in nobody's plan but in the US by its country code; nonsense is nowhere."""
    assert (region_of(TO), region_of("+442071838750"), region_of("+0"), region_of("x")) == ("US", "GB", "", "")


def test_aimed_faults_and_those_after_placing_leave_other_requests_alone() -> None:
    """A look-up (no destination) is struck by general faults only."""
    aimed = board(
        {"kind": "http_error", "prefix": "+1"}, {"kind": "drop_after_accept"}, {"kind": "http_error", "after_placing": True}
    )
    assert aimed.strike_request(100, None) == []
    assert len(aimed.strike_request(100, TO)) == 3
    assert len(board({"kind": "http_error"}, {"kind": "slow", "s": 1}).strike_request(100, None)) == 2


def test_rate_is_a_share_of_events() -> None:
    """A rate of 0.25 strikes about a quarter of 4,000 requests, and the same ones for the same seed."""
    one, two = board({"kind": "blackhole", "rate": 0.25}), board({"kind": "blackhole", "rate": 0.25})
    struck = [bool(one.strike_request(100, TO)) for _ in range(4000)]
    assert 0.2 < sum(struck) / 4000 < 0.3
    assert struck == [bool(two.strike_request(100, TO)) for _ in range(4000)]


def test_a_calls_die_is_cast_once() -> None:
    """For a call or stream the coin is tossed once: all of its frames are silent, or none."""
    switchboard = board({"kind": "stream_silent", "rate": 0.5})
    fates = {
        key: {switchboard.strike_call(100, FaultKind.STREAM_SILENT, TO, key) is not None for _ in range(20)}
        for key in map(str, range(40))
    }
    assert all(len(fate) == 1 for fate in fates.values())
    assert {True, False} == {fate for each in fates.values() for fate in each}
