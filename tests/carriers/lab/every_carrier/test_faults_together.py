"""Faults on every carrier in company: several at once, by chance, for a time, for some numbers only, in the middle of calls."""

from typing import Any

import pytest

PERSON, OTHER, BRITISH = "+15550107001", "+15550108001", "+442079460001"


def test_slow_late_and_one_way_at_once(town: Any) -> None:
    """Three faults add up: the answer waits, webhooks come late, and the person is heard by nobody, but hears."""
    town.set_faults({"kind": "slow", "s": 5}, {"kind": "webhooks_late", "s": 1}, {"kind": "one_way", "direction": "to_person"})
    town.put(answer_after_s=0.5)
    answer = town.dial()
    town.run(8)
    assert answer.delay_s == 5
    assert {entry.more["fault"] for entry in town.of("webhook")} == {"webhooks_late"}
    assert (town.count("ring"), town.count("stream_open")) == (1, 1)
    assert (any(town.heard_since(0)), town.speech() > 1) == (False, True)


def test_late_twice_and_unsigned_at_once(town: Any) -> None:
    """Faults of webhooks are named together, and each does its part."""
    town.set_faults({"kind": "webhooks_late", "s": 2}, {"kind": "webhooks_twice"}, {"kind": "webhooks_unsigned"})
    town.dial()
    town.run(10)
    assert town.delivered[0::2] == town.delivered[1::2]
    assert len(town.forged) == len(town.delivered) > 0
    faults = {frozenset(entry.more["fault"].split()) for entry in town.of("webhook")}
    assert faults == {frozenset({"webhooks_late", "webhooks_twice", "webhooks_unsigned"})}


def test_a_slow_error_is_late_and_an_error(town: Any) -> None:
    """`slow` delays whatever else is answered; of the others the first that was set decides."""
    town.set_faults({"kind": "slow", "s": 3}, {"kind": "rate_limited"}, {"kind": "auth_error"})
    answer = town.dial()
    assert (answer.delay_s, answer.reply.status, town.of("dial")[0].more["fault"]) == (3, 429, "rate_limited")


def test_half_of_the_dials_are_swallowed(two_towns: Any) -> None:
    """At a rate of 0.5 about half of 200 dials meet the fault, the rest are placed, and the same seed chooses the same ones."""
    stories = []
    for town in two_towns:
        town.set_faults({"kind": "blackhole", "rate": 0.5})
        for _ in range(200):
            town.dial()
            town.run(1.0)
            town.exchange.as_people(town.now, lambda network, now: network.put_down(now, PERSON))
        stories.append([entry.more.get("fault") for entry in town.of("dial")])
    assert len(stories[0]) == 200
    assert 75 <= stories[0].count("blackhole") <= 125
    assert stories[0] == stories[1]


def test_half_of_the_calls_are_one_way(town: Any) -> None:
    """For a call the coin is tossed once: of 24 calls some are silent from the first frame to the last, the others never."""
    town.set_faults({"kind": "one_way", "direction": "from_person", "rate": 0.5})
    heard = []
    for index in range(24):
        person = f"+1555010{7100 + index}"
        town.talk(person)
        heard.append(town.speech(person))
        town.exchange.as_people(town.now, lambda network, now, person=person: network.put_down(now, person))
        town.run(2)
    assert all(seconds == 0 or seconds > 1 for seconds in heard)
    assert 5 <= sum(seconds == 0 for seconds in heard) <= 19


@pytest.mark.parametrize("fault", [{"kind": "stream_silent"}, {"kind": "one_way", "direction": "to_person"}])
def test_a_fault_that_ends_in_mid_call(town: Any, fault: dict[str, Any]) -> None:
    """Set in a call for two seconds, it silences the person for those, and they are heard again after."""
    town.talk()
    town.set_faults({**fault, "for_s": 2})
    began = town.now
    town.run(1.9)
    assert not any(town.heard_since(began))
    town.run(2.1)
    assert sum(town.heard_since(began + 2)) > 80
    assert (town.count("stream_open"), town.count("hangup")) == (1, 0)
    assert town.exchange.report(town.now)[0].faults == []


def test_webhooks_are_late_for_a_time_only(town: Any) -> None:
    """Those of a call after the fault's time are on time again."""
    town.set_faults({"kind": "webhooks_late", "s": 1, "for_s": 5})
    town.run(5)
    town.talk()
    assert {entry.more.get("fault") for entry in town.of("webhook")} == {None}


def test_a_reject_for_a_prefix(town: Any) -> None:
    """Only calls to numbers with the prefix fail."""
    cause = min(town.exchange.desks[town.kind.kind].simulator.causes)
    town.set_faults({"kind": "reject", "cause": cause, "prefix": "+1555010700"})
    town.dial(PERSON)
    town.run(3)
    town.dial(OTHER)
    town.run(3)
    assert [entry.number for entry in town.of("ring")] == [OTHER]


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        ({"kind": "webhooks_lost"}, lambda town, to: {entry.more["status"] for entry in town.of("webhook", to)} == {0}),
        ({"kind": "webhooks_unsigned"}, lambda town, to: {entry.more["status"] for entry in town.of("webhook", to)} == {403}),
        ({"kind": "stream_refused"}, lambda town, to: town.count("stream_open", to) == 0),
        (
            {"kind": "stream_cut", "after_s": 1},
            lambda town, to: "fault" in {one.more["by"] for one in town.of("stream_close", to)},
        ),
        ({"kind": "leg_drop", "after_s": 1}, lambda town, to: [one.more["by"] for one in town.of("hangup", to)] == ["network"]),
        ({"kind": "one_way", "direction": "from_person"}, lambda town, to: town.speech(to) == 0),
        ({"kind": "queueing", "s": 60}, lambda town, to: town.count("ring", to) == 0),
        ({"kind": "blackhole"}, lambda town, to: town.of("dial", to)[0].more.get("fault") == "blackhole"),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_a_fault_for_a_region_spares_the_others(town: Any, fault: dict[str, Any], struck: Any) -> None:
    """A fault for British numbers strikes the British call and leaves an American one, at the same time, as it is."""
    town.set_faults({**fault, "region": "GB"})
    for person in (BRITISH, PERSON):
        town.put(person, answer_after_s=0.5)
        town.dial(person)
        town.run(2)  # no carrier's pace is exceeded
    town.run(4)
    assert struck(town, BRITISH), town.story()
    assert not struck(town, PERSON), town.story()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "stream_cut", "after_s": 0},
        {"kind": "leg_drop", "after_s": 0},
        {"kind": "down"},
    ],
    ids=lambda fault: fault["kind"],
)
def test_a_fault_set_in_mid_call_breaks_its_stream(town: Any, fault: dict[str, Any]) -> None:
    """What strikes calls strikes those that are there when it is set."""
    town.talk()
    town.set_faults(fault)
    town.run(0.5)
    assert town.count("stream_close") == 1


def test_a_leg_drop_that_is_cleared_in_time_spares_the_call(town: Any) -> None:
    """A planned drop asks again before it strikes."""
    town.set_faults({"kind": "leg_drop", "after_s": 5})
    town.talk()
    town.set_faults()
    town.run(10)
    assert (town.count("hangup"), town.count("stream_close")) == (0, 0)


def test_a_reset_makes_the_carrier_well(town: Any) -> None:
    """After all that, the lab's reset leaves a carrier whose next call goes through."""
    town.set_faults({"kind": "down"}, {"kind": "webhooks_lost"})
    town.run(1)
    town.exchange.reset(town.now)
    town.run(0.1)
    town.talk()
    assert {entry.more.get("fault") for entry in town.of("webhook")} == {None}
