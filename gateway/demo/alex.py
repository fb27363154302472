"""Alex, the person of the demo: a lab phone that answers, says one sentence, and hangs up or has the agent do it. Pure."""

import base64
from typing import Any

from carriers.lab.sound import RATE, SILENCE, to_wav
from gateway.demo.story import Step
from gateway.demo.voices import sentence

VOICE_STARTS_S = 1.9
"""Into the last word of the greeting: so the agent listens to Alex and does not go on to read out its menu."""
ANSWERED_IN_S = 2.5
"""The agent notices after 0.7 s that Alex has stopped, says "I see. Go on." in 1.1 s; the rest is for slow machines."""
GOODBYE_S = 6.0
"""By then the agent has long said goodbye; if it does not, Alex hangs up, and the step has failed."""
_FRAME_S = 0.02

PHONE_AFTER_THE_STORY = {"behavior": "answer", "answer_after_s": 1.0, "says": "speech", "hangup_after_s": 10.0}
"""How the phone behaves that the user's own calls go to: the lab's usual speech, and an end."""


def phone_setup(step: Step) -> dict[str, Any]:
    """The body of `PUT /lab/phones/{number}` for this step."""
    answered_s = VOICE_STARTS_S + len(sentence(step.voice)) / RATE + ANSWERED_IN_S
    says = spoken(step.voice, VOICE_STARTS_S)
    setup = {"behavior": "answer", "answer_after_s": 0.5, "says": says, "hangup_after_s": answered_s}
    if step.agent_hangs_up:
        setup |= {"dtmf": key_at(answered_s, "9"), "hangup_after_s": answered_s + GOODBYE_S}
    return setup


def spoken(voice: str, after_s: float) -> str:
    """A sentence, so long after the answer, as the lab's phones take it."""
    said = SILENCE * round(after_s / _FRAME_S) + sentence(voice)
    return "data:audio/wav;base64," + base64.b64encode(to_wav(said)).decode()


def key_at(seconds: float, key: str) -> str:
    """A phone's `dtmf` for a key so long after the answer: the lab presses the first one after 0.5 s, and each `w` is 0.5 s."""
    return "w" * max(0, round((seconds - 0.5) / 0.5)) + key
