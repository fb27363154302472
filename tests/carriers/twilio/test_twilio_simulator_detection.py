"""The lab's Twilio: answering machine detection."""

import json

import pytest

from carriers.lab.contract import Greeting

PERSON = Greeting(machine=False, ends_s=0.7)
MACHINE = Greeting(machine=True, ends_s=6.0, beep_s=7.0)
NO_BEEP = Greeting(machine=True, ends_s=6.0)
ENDLESS = Greeting(machine=True, ends_s=40.0, beep_s=41.0)
SHORT = Greeting(machine=True, ends_s=1.5)
HANG_UP = "<Response><Hangup/></Response>"
WAIT = "<Response><Pause length='300'/></Response>"


def answered(world, **more: str) -> str:
    sid: str = json.loads(world.place(**more).body)["sid"]
    world.pass_time(0.1)
    world.phone(sid, "answered")
    return sid


@pytest.mark.parametrize(
    ("greeting", "mode", "found", "ms"),
    [
        (PERSON, "Enable", "human", 1900),
        (PERSON, "DetectMessageEnd", "human", 1900),
        (MACHINE, "Enable", "machine_start", 2400),
        (MACHINE, "DetectMessageEnd", "machine_end_beep", 7000),
        (NO_BEEP, "DetectMessageEnd", "machine_end_silence", 7200),
        (SHORT, "Enable", "human", 2700),
        (None, "Enable", "unknown", 5000),
        (ENDLESS, "DetectMessageEnd", "unknown", 30000),
    ],
)
def test_what_is_found(world, greeting: Greeting | None, mode: str, found: str, ms: int) -> None:
    """Without AsyncAmd the document is asked for only when it is known who answered, and says so."""
    world.greets = greeting
    sid = answered(world, MachineDetection=mode)
    world.pass_time(ms / 1000 - 0.05)
    assert world.told("/answer") == []
    world.pass_time(0.1)
    (fields,) = world.told("/answer")
    assert (fields["AnsweredBy"], fields["MachineDetectionDuration"]) == (found, str(ms))
    assert world.shown(f"/Calls/{sid}.json")["answered_by"] == found
    world.answer(HANG_UP)
    assert world.told("/status")[-1]["AnsweredBy"] == found


def test_in_the_background(world) -> None:
    """With AsyncAmd the document comes at once, and the finding in a callback of its own."""
    world.greets = MACHINE
    report = {"AsyncAmd": "true", "AsyncAmdStatusCallback": "http://gw.test/amd"}
    sid = answered(world, MachineDetection="DetectMessageEnd", **report)
    world.pass_time(0.1)
    assert "AnsweredBy" not in world.told("/answer")[0]
    world.answer(WAIT)
    world.pass_time(7)
    (fields,) = world.told("/amd")
    assert (fields["CallSid"], fields["AnsweredBy"], fields["MachineDetectionDuration"]) == (sid, "machine_end_beep", "7000")
    assert world.status(sid) == "in-progress"


def test_thresholds(world) -> None:
    """The caller's own thresholds move the decision."""
    world.greets = SHORT
    answered(world, MachineDetection="Enable", MachineDetectionSpeechThreshold="1000")
    world.pass_time(1.1)
    assert world.told("/answer")[0]["AnsweredBy"] == "machine_start"


def test_send_digits_switch_it_off(world) -> None:
    """A create with SendDigits has no machine detection."""
    world.greets = MACHINE
    answered(world, MachineDetection="Enable", SendDigits="1")
    world.pass_time(0.5)
    assert "AnsweredBy" not in world.told("/answer")[0]


def test_hang_up_before_the_finding(world) -> None:
    """A call that ends during detection is not asked about any more."""
    world.greets = MACHINE
    sid = answered(world, MachineDetection="Enable")
    world.phone(sid, "ended", cause="normal", by="phone")
    world.pass_time(5)
    assert world.told("/answer") == []
    assert "AnsweredBy" not in world.told("/status")[-1]
