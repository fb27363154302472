"""What answering machine detection could hear of a phone that answered. Pure."""

from carriers.lab.contract import Greeting
from carriers.lab.phones import Behavior, PhoneSetup
from carriers.lab.sound import RATE

HELLO_S = 0.7
"""A person's first word; `sounds/person.ulaw` begins with it."""
BEEP_S, PAUSE_BEFORE_BEEP_S = 0.6, 0.4
"""The end of `sounds/machine.ulaw`, as `sounds/make.sh` made it."""


def greeting_of(setup: PhoneSetup) -> Greeting | None:
    """None for a phone that says nothing."""
    if setup.behavior is not Behavior.MACHINE:
        return None if setup.speech.word == "silence" else Greeting(machine=False, ends_s=HELLO_S)
    if setup.speech.word == "machine":
        whole_s = len(setup.speech.mulaw) / RATE
        return Greeting(machine=True, ends_s=whole_s - BEEP_S - PAUSE_BEFORE_BEEP_S, beep_s=whole_s)
    return Greeting(machine=True, ends_s=len(setup.speech.mulaw) / RATE)
