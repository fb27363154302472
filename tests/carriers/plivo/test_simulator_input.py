"""Keys that a person presses: GetDigits, GetInput, and what becomes of them."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from carriers.contract import HookRequest
from carriers.lab.contract import Greeting
from carriers.lab.sound import to_wav, tone
from carriers.plivo.webhooks import PlivoWebhooks

HOOKS = "https://gw.example.com/hooks"


def _form(hook: Any) -> dict[str, str]:
    return dict(parse_qsl(hook.body.decode(), keep_blank_values=True))


def _verified(world: Any, hook: Any) -> None:
    headers = {name.lower(): value for name, value in hook.headers.items()}
    request = HookRequest(method=hook.method, url=hook.url, path="after", headers=headers, body=hook.body)
    assert PlivoWebhooks(world.simulator.credentials()["auth_token"]).verify(request, world.now).key


def _menu(attributes: str = "", inside: str = "", behind: str = "<Hangup/>") -> str:
    return f"<GetDigits action='{HOOKS}/menu' {attributes}>{inside}</GetDigits>{behind}"


def _asked(world: Any) -> list[Any]:
    return [hook for hook in world.sent() if hook.url == f"{HOOKS}/menu"]


def test_digits_go_to_the_action(world: Any) -> None:
    """The keys before finishOnKey are posted, signed, and the answer takes over."""
    ref = world.answered()
    world.obey(_menu())
    for key in "12#":
        world.phone(ref, "digit", digit=key)
    (asked,) = _asked(world)
    form = _form(asked)
    assert (form["Digits"], form["Event"], form["CallStatus"]) == ("12", "Redirect", "in-progress")
    _verified(world, asked)
    world.obey(f"<Redirect>{HOOKS}/after</Redirect>")
    assert world.sent()[-1].url == f"{HOOKS}/after"
    assert not world.hung_up


@pytest.mark.parametrize(
    ("attributes", "keys", "digits"),
    [
        ("numDigits='2'", "123", "12"),
        ("finishOnKey='*'", "4*", "4"),
        ("finishOnKey='none' numDigits='3'", "1#2", "1#2"),
        ("validDigits='1' numDigits='1' retries='2'", "91", "1"),
    ],
)
def test_what_ends_the_input(world: Any, attributes: str, keys: str, digits: str) -> None:
    """The number of keys, the finishing key, and keys that count for nothing."""
    ref = world.answered()
    world.obey(_menu(attributes))
    for key in keys:
        world.phone(ref, "digit", digit=key)
    assert [_form(hook)["Digits"] for hook in _asked(world)] == [digits]


def test_pause_between_keys_ends_the_input(world: Any) -> None:
    """After the last key it takes digitTimeout until the input is taken."""
    ref = world.answered()
    world.obey(_menu("digitTimeout='3'"))
    world.phone(ref, "digit", digit="7")
    world.run(2.9)
    assert not _asked(world)
    world.run(0.2)
    assert _form(_asked(world)[0])["Digits"] == "7"


def test_no_key_repeats_the_prompt_and_then_goes_on(world: Any) -> None:
    """The prompt is heard as often as retries says, each followed by the time-out; then the next element has its turn."""
    ref = world.answered()
    world.obey(_menu("retries='2' timeout='1'", "<Speak>fifteen letters</Speak>"))
    world.tick(3.9)
    assert not world.hung_up
    loud = [frame for frame in world.ears[ref] if frame != b"\xff" * 160]
    assert 95 <= len(loud) <= 101
    world.tick(0.3)
    assert world.hung_up == [ref]
    assert not _asked(world)


def test_first_key_ends_the_prompt(world: Any) -> None:
    """Nobody has to listen to the end."""
    ref = world.answered()
    world.obey(_menu("", "<Speak>a very long text that nobody wants to hear to its very end</Speak>"))
    world.tick(0.5)
    world.phone(ref, "digit", digit="1")
    heard = len(world.ears[ref])
    world.tick(1.0)
    assert len(world.ears[ref]) <= heard + 1


def test_prompt_from_a_file_and_a_beep(world: Any) -> None:
    """A WAV file is fetched and heard, then the beep; the time-out begins behind both."""
    ref = world.answered()
    world.obey(_menu("playBeep='true' timeout='1'", "<Play>https://gw.example.com/menu.wav</Play>"))
    world.fetched(to_wav(tone(300, 0.4)))
    world.tick(0.94)
    assert sum(frame != b"\xff" * 160 for frame in world.ears[ref]) == 45
    assert not world.hung_up
    world.tick(1.1)
    assert world.hung_up == [ref]


def test_redirect_false_only_tells(world: Any) -> None:
    """The action is told the digits; its answer is ignored and the next element runs."""
    ref = world.answered()
    world.obey(_menu("redirect='false' numDigits='1'", behind=f"<Redirect>{HOOKS}/after</Redirect>"))
    world.phone(ref, "digit", digit="1")
    told, asked = world.sent()[-2:]
    assert (told.url, asked.url) == (f"{HOOKS}/menu", f"{HOOKS}/after")
    world.reply(told, status=500)
    assert not world.hung_up


@pytest.mark.parametrize(
    ("attributes", "reply", "code"),
    [("", {"status": 500}, 7012), ("", {"body": "{}"}, 8012), ("method='PUT'", None, 7032)],
)
def test_action_that_fails(world: Any, attributes: str, reply: dict[str, Any] | None, code: int) -> None:
    """An action that cannot be reached, is no document, or has a strange method ends the call with its own code."""
    ref = world.answered()
    world.obey(_menu(f"numDigits='1' {attributes}"))
    world.phone(ref, "digit", digit="1")
    if reply is not None:
        world.reply(world.sent()[-1], **reply)
    world.phone(ref, "ended", cause="normal", by="carrier")
    assert world.simulator.calls[ref].cause == code


def test_wrong_key_sounds(world: Any) -> None:
    """InvalidDigitsSound is played, and the prompt comes again while there are retries."""
    ref = world.answered()
    world.obey(_menu("validDigits='1' retries='2' numDigits='1' invalidDigitsSound='https://gw.example.com/no.wav'"))
    world.phone(ref, "digit", digit="5")
    world.fetched(to_wav(tone(300, 0.2)))
    world.tick(0.3)
    assert any(frame != b"\xff" * 160 for frame in world.ears[ref])
    world.phone(ref, "digit", digit="1")
    assert _form(_asked(world)[0])["Digits"] == "1"


@pytest.mark.knob("plivo", "digit_end_timeout_auto_s")
@pytest.mark.parametrize("guess", [4.0, 2.0])
def test_get_input_with_keys(world_with: Callable[..., Any], guess: float) -> None:
    """GetInput says how the input came; how long `auto` waits after a key is told both ways, and arrives signed."""
    world = world_with(digit_end_timeout_auto_s=guess)
    ref = world.answered()
    world.obey(f"<GetInput action='{HOOKS}/menu' inputType='dtmf'/>")
    world.phone(ref, "digit", digit="3")
    world.run(guess - 0.1)
    assert not _asked(world)
    world.run(0.2)
    (asked,) = _asked(world)
    form = _form(asked)
    assert (form["InputType"], form["Digits"], form["Speech"]) == ("dtmf", "3", "")
    _verified(world, asked)


def test_hang_up_in_the_middle(world: Any) -> None:
    """Keys of a call that is over reach nobody."""
    ref = world.answered()
    world.obey(_menu())
    world.phone(ref, "digit", digit="1")
    world.phone(ref, "ended", cause="normal", by="phone")
    world.run(10.0)
    assert not _asked(world)


@pytest.mark.parametrize(("beep", "waited"), [(True, 2.0), (False, 5.0)])
def test_wait_for_the_beep_of_a_machine(world: Any, beep: bool, waited: float) -> None:
    """Wait with beep goes on when the machine's beep is over, or at its length."""
    world.greets = Greeting(machine=True, ends_s=1.0, beep_s=2.0 if beep else None)
    ref = world.answered()
    world.obey("<Wait length='5' beep='true'/><Hangup/>")
    world.run(waited - 0.1)
    assert not world.hung_up
    world.run(0.2)
    assert world.hung_up == [ref]


def test_wait_for_silence(world: Any) -> None:
    """Wait with silence goes on as soon as the person has said nothing for minSilence."""
    ref = world.answered()
    world.obey("<Wait length='30' silence='true' minSilence='500'/><Hangup/>")
    world.saying[ref] = tone(300, 0.02)
    world.tick(1.0)
    assert not world.hung_up
    world.saying[ref] = b"\xff" * 160
    world.tick(0.4)
    assert not world.hung_up
    world.tick(0.2)
    assert world.hung_up == [ref]


def test_keys_are_sent_with_their_pauses(world: Any) -> None:
    """DTMF reaches the phone, `w` waits half a second, and async=false holds the next element back."""
    ref = world.answered()
    world.obey("<DTMF async='false'>12w3</DTMF><Hangup/>")
    assert world.keys == [(ref, "12")]
    world.run(0.6)
    assert not world.hung_up
    world.run(0.3)
    assert world.keys == [(ref, "12"), (ref, "3")]
    assert world.hung_up == [ref]


@pytest.mark.parametrize(("body", "named"), [(b"ID3 mp3", "not a PCM WAV"), (b"RIFF", "not a PCM WAV")])
def test_file_that_is_no_wav(world: Any, body: bytes, named: str) -> None:
    """A file that the lab cannot play is named in the ledger and passed over."""
    ref = world.answered()
    world.obey("<Play>https://gw.example.com/a.mp3</Play><Hangup/>")
    world.fetched(body)
    assert named in world.refusals("refused")[0]["what"]
    assert world.hung_up == [ref]


def test_file_that_is_not_there(world: Any) -> None:
    """A file is fetched twice at most; without it the next element has its turn."""
    ref = world.answered()
    world.obey("<Play>https://gw.example.com/a.wav</Play><Hangup/>")
    world.fetched(status=404)
    assert not world.hung_up
    world.fetched(status=404)
    assert world.hung_up == [ref]


def test_loop_plays_again(world: Any) -> None:
    """Loop repeats a sound; 0 repeats it until something else ends it."""
    ref = world.answered()
    world.obey("<Speak loop='3'>fifteen letters</Speak><Hangup/>")
    world.tick(2.9)
    assert not world.hung_up
    world.tick(0.3)
    assert world.hung_up == [ref]


def test_scheduled_hang_up(world: Any) -> None:
    """Hangup with a schedule lets the document go on and ends the call later."""
    ref = world.answered()
    world.obey("<Hangup schedule='3'/><Wait length='30'/>")
    world.run(2.9)
    assert not world.hung_up
    world.run(0.2)
    assert world.hung_up == [ref]
