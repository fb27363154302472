"""Agents of the user's own, by import path."""

from typing import Any

import pytest

from agent.python_agent import NoAgent, PythonAgent, Settings, load
from agent.template import Parrot
from gateway.domain.media import MULAW_FRAME, MULAW_SILENCE

LOUD = b"\x20" * MULAW_FRAME


def settings(path: str, **options: Any) -> Settings:
    return Settings(class_=path, options=options)


def test_the_class_gets_the_call_and_its_options(call: Any) -> None:
    """A fresh one for each call."""
    agent = PythonAgent("bot", settings("agent.template:Parrot", longest_s=1.0))
    one, two = agent.session(call), agent.session(call)
    assert isinstance(one, Parrot)
    assert one is not two


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("no_such_module:Agent", "no_such_module"),
        ("agent.template:Nobody", "Nobody"),
        ("agent.contract:CallInfo", "lacks start"),
        ("gateway.domain.media:AudioFormat", "lacks start"),
    ],
)
def test_a_class_that_cannot_talk_is_told_when_the_gateway_starts(path: str, why: str) -> None:
    """With what is missing, and where to look."""
    with pytest.raises(NoAgent, match=why):
        load(path)


async def test_the_template_repeats_what_it_heard(call: Any, line: Any, started: Any) -> None:
    """When the person has stopped; and is quiet when they begin again."""
    parrot = await started(Parrot(call))
    parrot.on_answer()
    for _ in range(20):
        parrot.on_audio(LOUD)
    for _ in range(40):
        parrot.on_audio(MULAW_SILENCE)
    deeds = [deed for deed, _ in line.deeds]
    assert deeds == ["clear", "play", "mark"]
    assert line.deeds[1][1].count(LOUD[:1]) >= 10 * MULAW_FRAME
    parrot.on_digit("9")
    assert line.deeds[-1] == ("hang_up", None)
    assert parrot.context() == {"said": 1}
