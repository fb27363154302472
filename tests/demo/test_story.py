"""The story follows the carriers of the config, and Alex' phone is one that the lab accepts."""

import pytest

from carriers.lab.phones import read_phone
from gateway.demo.alex import PHONE_AFTER_THE_STORY, VOICE_STARTS_S, phone_setup
from gateway.demo.story import Carrier, Step, from_outside, story


def _carriers(count: int) -> list[Carrier]:
    return [Carrier(name=f"c{n}", lab=f"l{n}", title=f"C{n}", numbers=(), reject_cause="503") for n in range(1, count + 1)]


def test_each_carrier_dies_once_and_the_next_one_rings() -> None:
    """Four carriers make five steps: each call goes to the first that lives, and the last one waits for the first."""
    steps = story(_carriers(4))
    assert [step.name for step in steps] == ["first-call", "failover-to-c2", "failover-to-c3", "failover-to-c4", "all-dead"]
    assert [step.through.name for step in steps] == ["c1", "c2", "c3", "c4", "c1"]
    assert [step.dies[0].name if step.dies else None for step in steps] == [None, "c1", "c2", "c3", "c4"]
    assert [len(step.tried) for step in steps] == [0, 1, 2, 3, 4]
    assert [step.comes_back for step in steps] == [False] * 4 + [True]


def test_one_carrier_alone_has_a_story_too() -> None:
    """A config with a single carrier still shows a call, its death and its return."""
    first, last = story(_carriers(1))
    assert first.dies is None
    assert last.dies is not None
    assert last.through.name == "c1"


def test_carriers_die_in_different_ways() -> None:
    """Not sent, refused later and refused at once are all shown; nobody is asked for a cause that we do not know."""
    kinds = [step.dies[1].fault["kind"] for step in story(_carriers(4)) if step.dies]
    assert kinds == ["down", "reject", "auth_error", "down"]
    stranger = Carrier(name="c2", lab="l2", title="C2", numbers=())
    deaths = [step.dies[1].fault for step in story([*_carriers(1), stranger, *_carriers(3)[2:]]) if step.dies]
    assert deaths[1] == {"kind": "down"}


@pytest.mark.parametrize("step", story(_carriers(4)), ids=lambda step: step.name)
def test_alex_speaks_and_the_call_ends(step: Step) -> None:
    """The lab takes the phone as it is; Alex' sentence is over, and answered, before the call ends."""
    setup = read_phone(phone_setup(step))
    spoken_s = len(setup.speech.mulaw) / 8000
    assert not setup.speech.loop
    assert spoken_s > VOICE_STARTS_S + 1.0
    assert setup.hangup_after_s is not None
    assert spoken_s + 2.0 < setup.hangup_after_s < spoken_s + 10.0
    assert bool(setup.dtmf) is step.agent_hangs_up


def test_the_key_comes_after_the_answer_and_before_the_end() -> None:
    """Alex presses 9 when the agent has answered, and hangs up only if the agent does not."""
    setup = read_phone(phone_setup(story(_carriers(1))[0]))
    pressed_s = 0.5 + 0.5 * setup.dtmf.count("w")
    assert setup.dtmf.endswith("9")
    assert setup.hangup_after_s is not None
    assert len(setup.speech.mulaw) / 8000 + 2.0 < pressed_s < setup.hangup_after_s - 3.0


def test_the_phone_for_the_users_calls_is_one_that_the_lab_takes() -> None:
    """Calls that the user places end by themselves."""
    assert read_phone(PHONE_AFTER_THE_STORY).hangup_after_s is not None


def test_the_agent_from_outside_survives_a_failover() -> None:
    """The first carrier takes its call and fails it, the second one carries it; a single carrier just carries it."""
    step = from_outside(_carriers(4), "bot")
    assert (step.through.name, [carrier.name for carrier in step.tried], step.agent) == ("c2", ["c1"], "bot")
    assert step.dies is not None
    assert step.dies[1].fault == {"kind": "reject", "cause": "503"}
    alone = from_outside(_carriers(1), "bot")
    assert (alone.through.name, alone.tried, alone.dies) == ("c1", (), None)
