"""Keys at the simulated Telnyx: gathered with time-outs, prompts and second tries, and sent to the person."""

from typing import Any

import pytest
from telnyx.types.call_gather_ended_webhook_event import CallGatherEndedWebhookEvent

from carriers.lab.sound import is_loud, to_wav, tone

NOW = 1_795_000_000.0


def press(world: Any, ref: str, digits: str) -> None:
    for digit in digits:
        world.phone(ref, "digit", digit=digit)


def ended(world: Any) -> list[tuple[str, str]]:
    return [(payload["status"], payload["digits"]) for payload in world.payloads("call.gather.ended")]


@pytest.mark.parametrize(
    ("options", "pressed", "expected"),
    [
        ({"maximum_digits": 3}, "123", [("valid", "123")]),
        ({"maximum_digits": 3}, "12", []),
        ({}, "12#", [("valid", "12")]),
        ({"terminating_digit": "*"}, "12*", [("valid", "12")]),
        ({"terminating_digit": "", "maximum_digits": 3}, "1#2", [("valid", "1#2")]),
        ({"minimum_digits": 3}, "12#", [("invalid", "12")]),
        ({"maximum_digits": 1, "valid_digits": "12"}, "9", [("invalid", "9")]),
    ],
)
def test_keys_are_enough_or_wrong(new_world: Any, options: dict[str, Any], pressed: str, expected: list[tuple[str, str]]) -> None:
    """So many digits or the terminating one end it; too few, or others than the valid ones, are invalid."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "gather", gather_id="menu", **options)
    press(world, ref, pressed)
    assert ended(world) == expected
    assert len(world.payloads("call.dtmf.received")) == len(pressed)
    for hook in world.hooks:
        if b"call.gather.ended" in hook.body:
            CallGatherEndedWebhookEvent.model_validate_json(hook.body, strict=True)
            assert b'"gather_id":"menu"' in hook.body


@pytest.mark.parametrize(
    ("options", "pressed", "at", "expected"),
    [
        ({"timeout_millis": 7000}, "", 7.0, ("timeout", "")),
        ({"timeout_millis": 9000, "initial_timeout_millis": 2000}, "", 2.0, ("timeout", "")),
        ({"inter_digit_timeout_millis": 1500}, "12", 1.5, ("valid", "12")),
        ({"inter_digit_timeout_millis": 1500, "minimum_digits": 3}, "12", 1.5, ("invalid", "12")),
    ],
)
def test_waiting_ends(new_world: Any, options: dict[str, Any], pressed: str, at: float, expected: tuple[str, str]) -> None:
    """For the first key, for the next key, and as a whole."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "gather", **options)
    press(world, ref, pressed)
    while not ended(world):
        world.wake("gather")
    assert (world.now - NOW, ended(world)) == (at, [expected])


@pytest.mark.knob("telnyx", "gather_timeout_s", no_adapter="nothing of ours gathers keys by command")
@pytest.mark.knob("telnyx", "gather_inter_digit_s", no_adapter="nothing of ours gathers keys by command")
@pytest.mark.parametrize(
    ("knobs", "whole", "between"), [({}, 60.0, 5.0), ({"gather_timeout_s": 9, "gather_inter_digit_s": 2}, 9, 2)]
)
def test_usual_times_are_a_guess(new_world: Any, knobs: dict[str, float], whole: float, between: float) -> None:
    """Older documents name them; the SDK of today does not."""
    world = new_world(**knobs)
    ref = world.talking()
    world.do(ref, "gather")
    world.wake("gather")
    assert (world.now - NOW, ended(world)) == (whole, [("timeout", "")])
    world.do(ref, "gather")
    press(world, ref, "1")
    began = world.now
    while len(ended(world)) < 2:
        world.wake("gather")
    assert (world.now - began, ended(world)[1]) == (between, ("valid", "1"))


def test_a_spoken_prompt_is_interrupted_by_a_key(new_world: Any) -> None:
    """It is heard, not told of by webhooks, and stops at the first key."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "gather_using_speak", payload="press one " * 30, voice="female", maximum_digits=1)
    world.tick(20)
    assert any(map(is_loud, world.heard))
    press(world, ref, "1")
    assert (ended(world), world.telnyx.ticking()) == ([("valid", "1")], False)
    assert not any(kind.startswith("call.speak") for kind in world.told())


def test_a_prompt_is_repeated(new_world: Any) -> None:
    """As often as maximum_tries says; wrong keys are answered with the other prompt first."""
    world = new_world()
    ref = world.talking()
    urls = {"audio_url": "http://127.0.0.1:1/menu.wav", "invalid_audio_url": "http://127.0.0.1:1/wrong.wav"}
    world.do(ref, "gather_using_audio", maximum_digits=1, valid_digits="1", maximum_tries=3, timeout_millis=2000, **urls)
    wav = to_wav(tone(440, 0.02))
    asked = [world.fetched(body=wav).url]
    world.tick(2)
    world.wake("gather")
    asked.append(world.fetched(body=wav).url)
    press(world, ref, "9")
    asked.append(world.fetched(body=wav).url)
    world.tick(2)
    asked.append(world.fetched(body=wav).url)
    world.tick(2)
    press(world, ref, "8")
    assert [url.rpartition("/")[2] for url in asked] == ["menu.wav", "menu.wav", "wrong.wav", "menu.wav"]
    assert ended(world) == [("invalid", "8")]
    assert world.told().count("call.playback.started") == 4


@pytest.mark.parametrize("how", ["stop", "again", "hangup"])
def test_a_gather_is_ended_by_something_else(new_world: Any, how: str) -> None:
    """gather_stop and a second gather cancel it; the end of the call is told before its hang-up."""
    world = new_world()
    ref = world.talking()
    world.do(ref, "gather_using_speak", payload="press one " * 30, voice="female")
    if how == "stop":
        world.do(ref, "gather_stop")
    elif how == "again":
        world.do(ref, "gather")
    else:
        world.phone(ref, "ended", cause="normal", by="phone")
    assert ended(world) == [("call_hangup" if how == "hangup" else "cancelled", "")]
    assert not world.telnyx.ticking()


def test_keys_are_sent(new_world: Any) -> None:
    """Those before a pause at once, the others after it; no webhook tells of it."""
    world = new_world()
    ref = world.talking()
    before = len(world.hooks)
    world.do(ref, "send_dtmf", digits="12w3W#", duration_millis=200)
    assert world.keys == [(ref, "12")]
    world.wake("keys")
    assert (world.keys[1:], round(world.now - NOW, 3)) == ([(ref, "3")], 0.9)
    world.wake("keys")
    assert (world.keys[2:], round(world.now - NOW, 3), len(world.hooks)) == ([(ref, "#")], 2.1, before)


@pytest.mark.parametrize(
    ("wish", "keys"),
    [
        ({"send_digits_on_answer": "200"}, "200"),
        ({"to": "+15550100001,300"}, "300"),
        ({"to": "+15550100001,300", "send_digits_on_answer": "200"}, "200"),
    ],
)
def test_an_extension_is_dialled_after_the_answer(new_world: Any, wish: dict[str, str], keys: str) -> None:
    """By a field of its own, or behind the number; the field wins."""
    world = new_world()
    ref = world.place(**wish)
    assert (world.dialled[ref], world.keys) == ("+15550100001", [])
    world.phone(ref, "answered")
    assert world.keys == [(ref, keys)]


def test_gather_wants_sense(new_world: Any) -> None:
    """An answered call, and no minimum above the maximum."""
    world = new_world()
    assert world.error(world.command(world.place(), "gather"))[1] == "90034"
    ref = world.talking()
    assert world.error(world.command(ref, "gather", minimum_digits=3, maximum_digits=2))[2] == "/minimum_digits"
