"""Phones on the network, in virtual time: what each behaviour means to the carrier, the ledger and the person."""

from typing import Any

import pytest

from carriers.lab.contract import CAUSES
from carriers.lab.ledger import LabLedger
from carriers.lab.network import PhoneNetwork
from carriers.lab.notices import LineNotice
from carriers.lab.phones import read_phone
from carriers.lab.sound import SILENCE, is_loud, tone
from carriers.lab.timers import Timers

TO = "+15550107001"
LOUD = tone(440, 0.02)


class Calm:
    """Conditions without any fault, or with those that a test sets."""

    def __init__(self) -> None:
        self.is_dead, self.delay, self.mutes = False, 0.0, ""

    def dead(self, carrier: str) -> bool:
        return self.is_dead

    def dial_delay(self, carrier: str, number: str) -> float:
        return self.delay

    def muted(self, carrier: str, ref: str, number: str, direction: str) -> bool:
        return self.mutes == direction

    def talking(self, now: float, carrier: str, ref: str) -> None:
        """Nothing is planned for any call."""


class Town:
    """A network in virtual time with everything that comes out of it."""

    def __init__(self) -> None:
        self.ledger, self.timers, self.calm = LabLedger(), Timers(), Calm()
        self.events: list[Any] = []
        self.notices: list[LineNotice] = []
        self.now = 0.0
        self.net = PhoneNetwork(
            ledger=self.ledger,
            conditions=self.calm,
            wake=lambda at, key: self.timers.add(at, self._woken, key),
            tell=lambda event: self.events.append((round(self.now, 2), event)),
            notice=self.notices.append,
        )

    def _woken(self, now: float, key: Any) -> None:
        self.net.on_timer(now, key)

    def run(self, until: float) -> None:
        while self.timers.next_at is not None and self.timers.next_at <= until:
            self.now = self.net.now = self.timers.next_at
            due = self.timers.pop_due(self.now)
            assert due is not None
            due[0](self.now, due[1])
        self.now = self.net.now = until

    def dial(self, ref: str = "r1", carrier: str = "fake", to: str = TO) -> None:
        self.net.dial(self.now, carrier=carrier, ref=ref, to=to, caller_id="+15550190001")

    def told(self) -> list[tuple[float, str, str, str]]:
        return [(at, event.kind, event.cause, event.by) for at, event in self.events]


@pytest.fixture
def town() -> Town:
    """A quiet network."""
    return Town()


def test_the_default_phone_rings_a_second_and_answers(town: Town) -> None:
    """A phone that nobody set up rings shortly after the dial, answers 1 s later and stays."""
    town.dial()
    town.run(3600)
    assert town.told() == [(0.1, "ringing", "", ""), (1.1, "answered", "", "")]
    assert [entry.kind for entry in town.ledger.entries()] == ["ring", "answer"]
    assert town.net.phone(TO).report(3600)["live"][0]["state"] == "answered"


@pytest.mark.parametrize(
    ("behavior", "told"),
    [
        ("busy", [(0.1, "ended", "busy", "phone")]),
        ("invalid", [(0.1, "ended", "invalid", "network")]),
        ("unreachable", [(2.1, "ended", "unreachable", "network")]),
        ("decline", [(0.1, "ringing", "", ""), (2.1, "ended", "declined", "phone")]),
        ("no_answer", [(0.1, "ringing", "", ""), (120.1, "ended", "no_answer", "network")]),
        ("answer", [(0.1, "ringing", "", ""), (2.1, "answered", "", ""), (5.1, "ended", "normal", "phone")]),
        ("machine", [(0.1, "ringing", "", ""), (2.1, "answered", "", ""), (5.1, "ended", "normal", "phone")]),
    ],
)
def test_each_behaviour(town: Town, behavior: str, told: list[Any]) -> None:
    """Every behaviour has its events, times, cause and author."""
    town.net.set_up(TO, read_phone({"behavior": behavior, "answer_after_s": 2, "hangup_after_s": 3}))
    town.dial()
    town.run(200)
    assert town.told() == told
    rang = any(event[1] == "ringing" for event in told)
    assert town.net.phone(TO).rings == len(town.ledger.entries("ring")) == int(rang)
    assert all(event.cause in CAUSES for _, event in town.events if event.kind == "ended")


def test_the_carrier_hangs_up_before_and_after_the_answer(town: Town) -> None:
    """Before the answer the cause is `canceled`, after it `normal`; both are by the carrier, and once."""
    town.dial("early")
    town.run(0.5)
    town.net.hang_up(town.now, carrier="fake", ref="early")
    town.net.hang_up(town.now, carrier="fake", ref="early")
    town.dial("late")
    town.run(3)
    town.net.hang_up(town.now, carrier="fake", ref="late")
    assert [entry.more["cause"] for entry in town.ledger.entries("hangup")] == ["canceled", "normal"]
    assert {entry.more["by"] for entry in town.ledger.entries("hangup")} == {"carrier"}
    town.run(200)
    assert len(town.events) == 5


def test_a_second_call_is_busy_and_the_ledger_shows_the_double_ring(town: Town) -> None:
    """Two carriers call one person at once: the person notices, the second caller gets busy."""
    town.dial("a", "one")
    town.run(0.5)
    town.dial("b", "two")
    town.run(10)
    rings = town.ledger.entries("ring", number=TO)
    assert [(entry.carrier, entry.more.get("while_busy", False)) for entry in rings] == [("one", False), ("two", True)]
    assert town.net.phone(TO).rings == 2
    assert (0.6, "ended", "busy", "phone") in town.told()
    assert town.net.phone(TO).answers == 1


def test_keys_are_pressed_after_the_answer(town: Town) -> None:
    """`1w2` presses 1 after half a second and 2 after the pause."""
    town.net.set_up(TO, read_phone({"dtmf": "1w2", "answer_after_s": 0.9}))
    town.dial()
    town.run(10)
    assert [(at, event.digit) for at, event in town.events if event.kind == "digit"] == [(1.5, "1"), (2.3, "2")]


def test_numbers_are_the_same_with_and_without_plus(town: Town) -> None:
    """A phone set up without `+` is the one that is dialled with it."""
    town.net.set_up(TO.removeprefix("+"), read_phone({"behavior": "busy"}))
    town.dial()
    town.run(1)
    assert [entry.number for entry in town.ledger.entries()] == [TO]
    assert town.told()[0][2] == "busy"


def test_sound_before_the_answer_is_neither_said_nor_heard(town: Town) -> None:
    """A ringing phone says silence and hears nothing."""
    town.dial()
    town.run(0.5)
    town.net.hear("fake", "r1", LOUD)
    assert town.net.say("fake", "r1") == SILENCE
    assert town.net.phone(TO).report(0.5)["heard"]["seconds"] == 0


def test_a_bridge_needs_sound_both_ways(town: Town) -> None:
    """The person's frames alone are no bridge; with the customer's first frame it is one, once a stream."""
    town.dial()
    town.run(2)
    for _ in range(3):
        town.net.say("fake", "r1")
        town.net.hear("fake", "r1", SILENCE)
    assert town.ledger.entries("bridge") == []
    town.net.stream_spoke("fake", "r1")
    for _ in range(3):
        town.net.say("fake", "r1")
        town.net.hear("fake", "r1", LOUD)
    assert [(entry.carrier_call_id, entry.number) for entry in town.ledger.entries("bridge")] == [("r1", TO)]
    town.net.stream_gone("fake", "r1")
    town.net.stream_spoke("fake", "r1")
    town.net.say("fake", "r1")
    town.net.hear("fake", "r1", LOUD)
    assert len(town.ledger.entries("bridge")) == 2


def test_one_way_sound(town: Town) -> None:
    """A muted direction carries silence while the other still works."""
    town.net.set_up(TO, read_phone({"says": "tone"}))
    town.dial()
    town.run(2)
    town.calm.mutes = "from_person"
    assert town.net.say("fake", "r1") == SILENCE
    town.calm.mutes = "to_person"
    assert is_loud(town.net.say("fake", "r1"))
    town.net.hear("fake", "r1", LOUD)
    assert town.net.phone(TO).report(2)["heard"]["speech_seconds"] == 0


def test_a_queued_dial_rings_late_and_can_be_cancelled(town: Town) -> None:
    """A carrier's queue delays the ring; a hang-up before it means that no phone ever rang."""
    town.calm.delay = 10
    town.dial("queued")
    town.dial("cancelled", to="+15550107002")
    town.run(5)
    town.net.hang_up(town.now, carrier="fake", ref="cancelled")
    town.run(20)
    assert [entry.at for entry in town.ledger.entries("ring")] == [10.1]


def test_a_dead_carrier_reaches_nobody(town: Town) -> None:
    """Calls that a dead carrier still has in its queue end as unreachable, and its live calls drop."""
    town.dial("live")
    town.run(2)
    town.dial("waiting", to="+15550107002")
    town.calm.is_dead = True
    town.net.drop_carrier(town.now, "fake")
    assert [(entry.more["cause"], entry.more["by"]) for entry in town.ledger.entries("hangup")] == [
        ("normal", "network"),
        ("unreachable", "network"),
    ]
    town.dial("after", to="+15550107003")
    town.run(5)
    assert town.ledger.entries("ring", number="+15550107003") == []


def test_a_reference_cannot_be_dialled_twice(town: Town) -> None:
    """A simulator that dials one call twice has a bug, and hears of it at once."""
    town.dial()
    with pytest.raises(ValueError, match="r1 twice"):
        town.dial()


def test_an_attended_phone_waits_for_its_person(town: Town) -> None:
    """With somebody at the line the phone rings until they answer; they speak, hear, press and hang up."""
    town.net.attend(0, TO, True)
    town.dial()
    town.run(60)
    assert town.told() == [(0.1, "ringing", "", "")]
    assert town.net.pick_up(town.now, TO) is True
    assert town.net.speak(TO, LOUD * 2) is True
    assert [town.net.say("fake", "r1") for _ in range(3)] == [LOUD, LOUD, SILENCE]
    town.net.hear("fake", "r1", LOUD)
    assert town.net.press(TO, "7") is True
    assert town.net.put_down(town.now, TO) is True
    assert [notice.kind for notice in town.notices] == ["ring", "answered", "audio", "ended"]
    assert town.told()[-1][1:] == ("ended", "normal", "phone")
    assert [town.net.pick_up(0, TO), town.net.put_down(0, TO), town.net.press(TO, "1"), town.net.speak(TO, b"")] == [False] * 4


def test_leaving_the_line_hangs_up(town: Town) -> None:
    """When the client goes away in a ringing call, the call is declined."""
    town.net.attend(0, TO, True)
    town.dial()
    town.run(1)
    town.net.attend(town.now, TO, False)
    assert town.told()[-1][1:] == ("ended", "declined", "phone")


def test_the_report_has_what_was_heard(town: Town) -> None:
    """After a call with a second of sound the phone's report says so."""
    town.dial()
    town.run(1.1)
    for index in range(50):
        town.net.now = 1.1 + index * 0.02
        town.net.say("fake", "r1")
        town.net.hear("fake", "r1", LOUD)
    town.net.hang_up(2.1, carrier="fake", ref="r1")
    report = town.net.phone(TO).report(9.0)
    assert report["heard"] == {"seconds": 1.0, "speech_seconds": 1.0, "longest_silence_s": 0.0}
    assert (report["rings"], report["answers"], report["live"]) == (1, 1, [])
    assert report["calls"][0]["cause"] == "normal"
