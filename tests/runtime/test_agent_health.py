"""Agents' breakers in this process: what opens one, who is the probe, and what closes it."""

from typing import Any

from gateway.domain.breaker import Breaker, BreakerPolicy
from gateway.runtime.agent_health import AgentHealth, Trial


class House:
    """A health with a clock that moves by hand. Three failures open, for ten seconds."""

    def __init__(self, **policy: Any) -> None:
        self.now = 1000.0
        self.changes: list[tuple[str, str]] = []
        self.health = AgentHealth(
            ("bot", "other"),
            BreakerPolicy(**{"consecutive": 3, "minimum": 1000, "open_s": 10.0, "successes": 3, **policy}),
            lambda: self.now,
            self._changed,
        )

    def _changed(self, name: str, breaker: Breaker) -> None:
        self.changes.append((name, breaker.state.value))

    def begin(self, **how: bool) -> Trial:
        trial = self.health.begin("bot", **how)
        assert trial is not None
        return trial

    def fail(self, times: int = 3) -> None:
        for _ in range(times):
            self.begin().bad()


def test_failures_in_a_row_keep_new_calls_away_from_one_agent() -> None:
    """And from no other."""
    house = House()
    house.fail()
    assert house.health.states() == {"bot": "open", "other": "closed"}
    assert house.health.begin("bot") is None
    assert house.health.begin("other") is not None
    assert not house.health.ask("bot").allowed
    assert house.changes == [("bot", "open")]


def test_one_good_probe_closes_it() -> None:
    """After the open time one call at a time is let through, and one is enough."""
    house = House()
    house.fail()
    house.now += 10
    probe = house.begin()
    assert house.health.begin("bot") is None
    probe.good()
    assert house.health.states()["bot"] == "closed"
    assert [state for _, state in house.changes] == ["open", "half_open", "closed"]


def test_a_bad_probe_opens_it_for_longer() -> None:
    """Twice as long as before."""
    house = House()
    house.fail()
    house.now += 10
    house.begin().bad()
    house.now += 19
    assert house.health.begin("bot") is None
    house.now += 1
    assert house.health.begin("bot") is not None


def test_a_probe_of_which_nothing_was_learned_is_followed_by_another() -> None:
    """Nobody answered the phone: the agent had no chance to say a word."""
    house = House()
    house.fail()
    house.now += 10
    house.begin().over()
    assert house.health.begin("bot") is not None


def test_whoever_waits_for_this_agent_alone_may_try_although_it_is_open() -> None:
    """One at a time; and its good word closes it."""
    house = House()
    house.fail()
    first = house.begin(anyway=True)
    assert house.health.begin("bot", anyway=True) is None
    first.good()
    assert house.health.states()["bot"] == "closed"


def test_each_session_says_each_word_once() -> None:
    """However often it is lost, and whatever comes after it was closed."""
    house = House()
    trial = house.begin()
    for _ in range(5):
        trial.bad()
        trial.good()
        trial.over()
    assert house.health.states()["bot"] == "closed"
    house.fail(2)
    assert house.health.states()["bot"] == "open"


def test_an_agent_that_speaks_and_is_then_lost_again_and_again_is_not_well() -> None:
    """It starts well every time: half of its words are bad ones."""
    house = House(minimum=6, failure_rate=0.5)
    for _ in range(3):
        trial = house.begin()
        trial.good()
        trial.bad()
    assert house.health.states()["bot"] == "open"


def test_our_own_agents_are_always_well() -> None:
    """A recorded sentence has no breaker."""
    house = House()
    for _ in range(10):
        trial = house.health.begin("goodbye")
        assert trial is not None
        trial.bad()
    assert "goodbye" not in house.health.states()
