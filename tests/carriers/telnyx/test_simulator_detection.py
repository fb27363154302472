"""Answering machine detection at the simulated Telnyx: results, their webhooks, and when they come."""

from typing import Any

import pytest
from telnyx.types.call_machine_detection_ended_webhook_event import CallMachineDetectionEndedWebhookEvent
from telnyx.types.call_machine_greeting_ended_webhook_event import CallMachineGreetingEndedWebhookEvent
from telnyx.types.call_machine_premium_detection_ended_webhook_event import CallMachinePremiumDetectionEndedWebhookEvent
from telnyx.types.call_machine_premium_greeting_ended_webhook_event import CallMachinePremiumGreetingEndedWebhookEvent

from carriers.contract import HookRequest
from carriers.lab.contract import Greeting, Wake
from carriers.telnyx.webhooks import TelnyxWebhooks

NOW = 1_795_000_000.0
HUMAN = Greeting(machine=False, ends_s=0.7)
BEEPS = Greeting(machine=True, ends_s=5.0, beep_s=6.0)
QUIET = Greeting(machine=True, ends_s=5.0)
EARLY = Greeting(machine=True, ends_s=1.0, beep_s=1.5)
MODELS = {
    "call.machine.detection.ended": CallMachineDetectionEndedWebhookEvent,
    "call.machine.greeting.ended": CallMachineGreetingEndedWebhookEvent,
    "call.machine.premium.detection.ended": CallMachinePremiumDetectionEndedWebhookEvent,
    "call.machine.premium.greeting.ended": CallMachinePremiumGreetingEndedWebhookEvent,
}


def detected(world: Any, kind: str, greeting: Greeting | None, **config: int) -> list[tuple[str, str, float]]:
    """(event, result, seconds after the answer) of one call, in order."""
    wish: dict[str, Any] = {"answering_machine_detection": kind}
    if config:
        wish["answering_machine_detection_config"] = config
    ref = world.place(stream_url=None, stream_bidirectional_mode=None, **wish)
    if greeting is not None:
        world.greetings[ref] = greeting
    world.phone(ref, "answered")
    told = []
    while any(effect.key.startswith("amd") for effect in world.all(Wake)):
        world.wake("amd")
        hook, event = world.hooks[-1], world.told()[-1]
        MODELS[event].model_validate_json(hook.body, strict=True)
        told.append((event.removeprefix("call.machine."), world.payloads(event)[-1]["result"], round(world.now - NOW, 3)))
    return told


@pytest.mark.parametrize(
    ("kind", "greeting", "expected"),
    [
        ("detect", HUMAN, [("detection.ended", "human", 1.5)]),
        ("detect", BEEPS, [("detection.ended", "machine", 3.5)]),
        ("detect", None, [("detection.ended", "machine", 3.5)]),
        ("greeting_end", BEEPS, [("detection.ended", "machine", 3.5), ("greeting.ended", "beep_detected", 6.0)]),
        ("greeting_end", QUIET, [("detection.ended", "machine", 3.5), ("greeting.ended", "ended", 6.5)]),
        ("greeting_end", HUMAN, [("detection.ended", "human", 1.5)]),
        ("detect_words", QUIET, [("detection.ended", "machine", 3.5), ("greeting.ended", "ended", 6.5)]),
        ("detect_beep", QUIET, [("detection.ended", "machine", 3.5)]),
        ("detect_beep", BEEPS, [("detection.ended", "machine", 3.5), ("greeting.ended", "beep_detected", 6.0)]),
        ("premium", HUMAN, [("premium.detection.ended", "human_residence", 1.5)]),
        ("premium", None, [("premium.detection.ended", "silence", 3.5)]),
        ("premium", BEEPS, [("premium.detection.ended", "machine", 3.5), ("premium.greeting.ended", "beep_detected", 6.0)]),
        ("premium", QUIET, [("premium.detection.ended", "machine", 3.5)]),
        ("disabled", HUMAN, []),
    ],
)
def test_what_is_detected_and_when(
    new_world: Any, kind: str, greeting: Greeting | None, expected: list[tuple[str, str, float]]
) -> None:
    """Each mode has its events; silence is a machine to standard detection and a word of its own to premium."""
    assert detected(new_world(), kind, greeting) == expected


def test_an_early_beep_is_all_that_premium_tells(new_world: Any) -> None:
    """A beep before the result makes the result superfluous."""
    short = {"total_analysis_time_millis": 3000, "greeting_duration_millis": 2000}
    early = Greeting(machine=True, ends_s=4.0, beep_s=1.0)
    assert detected(new_world(), "premium", early, **short) == [("premium.greeting.ended", "beep_detected", 1.0)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"after_greeting_silence_millis": 2000}, [("detection.ended", "human", 2.7)]),
        ({"total_analysis_time_millis": 1000}, [("detection.ended", "not_sure", 1.0)]),
    ],
)
def test_settings_are_obeyed(new_world: Any, config: dict[str, int], expected: list[tuple[str, str, float]]) -> None:
    """Silence after a person's word, and the time that all of it may take."""
    assert detected(new_world(), "detect", HUMAN, **config) == expected


def test_what_is_not_obeyed_is_refused(new_world: Any) -> None:
    """A mode and a setting that the lab does not know, by name."""
    world = new_world()
    mode = world.wish(answering_machine_detection="premium_ios_call_screening_detection")
    assert world.error(world.ask("POST", "/v2/calls", mode))[2] == "/answering_machine_detection"
    setting = world.wish(answering_machine_detection="detect", answering_machine_detection_config={"beep_max_frequency_hz": 9})
    assert world.error(world.ask("POST", "/v2/calls", setting))[2].endswith("/beep_max_frequency_hz")


@pytest.mark.knob("telnyx", "amd_result")
@pytest.mark.knob("telnyx", "amd_premium_human")
@pytest.mark.parametrize(
    ("knobs", "word"),
    [
        ({}, "human_residence"),
        ({"amd_premium_human": "human_business"}, "human_business"),
        ({"amd_result": "unsure"}, "not_sure"),
    ],
)
def test_results_may_be_wrong(new_world: Any, knobs: dict[str, str], word: str) -> None:
    """Real detection errs; our reading takes no result for an answer, an end or a failure of the leg."""
    world = new_world(**knobs)
    assert detected(world, "premium", HUMAN)[0][1] == word
    hook = world.hooks[-1]
    request = HookRequest(method="POST", url=hook.url, path="events", headers=hook.headers, body=hook.body)
    assert TelnyxWebhooks(world.credentials["public_key"]).parse(request, world.now).events == ()


def test_nothing_is_told_after_the_end(new_world: Any) -> None:
    """A person who hangs up at once is never classified."""
    world = new_world()
    ref = world.place(answering_machine_detection="detect")
    world.phone(ref, "answered")
    world.phone(ref, "ended", cause="normal", by="phone")
    world.wake("amd")
    assert world.told()[-1] == "call.hangup"
