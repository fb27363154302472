"""Corners of the simulated Plivo: interruptions, races, and documents that are wrong in small ways."""

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from carriers.lab.contract import OpenSocket
from carriers.lab.sound import tone

HOOKS = "https://gw.example.com/hooks"
QUIET = b"\xff" * 160


def _form(hook: Any) -> dict[str, str]:
    return dict(parse_qsl(hook.body.decode(), keep_blank_values=True))


@pytest.mark.parametrize(
    "document",
    [
        "<Hangup reason='tired'/>",
        "<Speak voice='ROBOT'>x</Speak>",
        "<Speak language='hi-IN'>x</Speak>",
        "<DTMF>12x</DTMF>",
        "<GetInput inputType='dtmf'/>",
        f"<GetInput action='{HOOKS}' inputType='dtmf' digitEndTimeout='1'/>",
        f"<GetInput action='{HOOKS}' inputType='dtmf' executionTimeout='61'/>",
        "<Dial dialMusic='jazz'><Number>15550102000</Number></Dial>",
        "<Dial confirmSound='jazz'><Number>15550102000</Number></Dial>",
        "<Dial confirmKey='12'><Number>15550102000</Number></Dial>",
        "<Stream extraHeaders='" + "a" * 513 + "'>wss://gw.example.com/m</Stream>",
        "<Stream contentType='audio/mp3'>wss://gw.example.com/m</Stream>",
        "<GetDigits><Redirect>x</Redirect></GetDigits>",
        "<Record fileFormat='ogg'/>",
        "<Wait>" + "x" * 103_000 + "</Wait>",
    ],
)
def test_documents_that_plivo_would_not_take(world: Any, document: str) -> None:
    """What the pages do not allow ends the call as invalid XML, and is nothing that the lab lacks."""
    ref = world.answered()
    world.obey(document)
    world.phone(ref, "ended", cause="normal", by="carrier")
    assert world.simulator.calls[ref].cause == 8011
    assert not world.refusals("refused")


def test_polly_speaks_any_language(world: Any) -> None:
    """A Polly voice is not bound to the table of languages."""
    ref = world.answered()
    world.obey("<Speak voice='Polly.Aditi' language='hi-IN'><prosody rate='slow'>hello</prosody> you</Speak><Hangup/>")
    world.tick(0.4)
    assert world.ears[ref][0] != QUIET
    assert not world.hung_up


def test_transfer_cuts_off_what_is_spoken(world: Any) -> None:
    """The rest of a text is not heard after a transfer."""
    ref = world.answered()
    world.obey("<Speak>a text that would take many seconds to its end, if nobody cut it off</Speak>")
    world.tick(0.5)
    world.request("POST", f"Call/{ref}/", {"aleg_url": f"{HOOKS}/new"})
    heard = len(world.ears[ref])
    world.tick(1.0)
    assert len(world.ears[ref]) == heard
    world.obey("<Hangup/>")
    assert world.hung_up == [ref]


def test_transfer_forgets_a_menu(world: Any) -> None:
    """Keys pressed after a transfer do not reach the menu's action."""
    ref = world.answered()
    world.obey(f"<GetDigits action='{HOOKS}/menu' numDigits='1'><Speak>press one, please, or two</Speak></GetDigits>")
    world.request("POST", f"Call/{ref}/", {"aleg_url": f"{HOOKS}/new"})
    world.phone(ref, "digit", digit="1")
    world.run(20.0)
    assert [hook.url for hook in world.sent("Redirect")] == [f"{HOOKS}/new"]


def test_stop_of_sounds_lets_the_document_go_on(world: Any) -> None:
    """The stop of the API ends what the document speaks, too; then the next element has its turn."""
    ref = world.answered()
    world.obey("<Speak>a text that would take many seconds to its end, if nobody cut it off</Speak><Hangup/>")
    world.tick(0.3)
    world.request("POST", f"Call/{ref}/Speak/", {"text": "and another text behind it"})
    assert world.request("DELETE", f"Call/{ref}/Speak/").status == 204
    assert world.hung_up == [ref]


def test_call_ends_while_a_file_is_fetched(world: Any) -> None:
    """A file for a call that is over is not played."""
    ref = world.answered()
    world.obey("<Play>https://gw.example.com/a.wav</Play>")
    world.phone(ref, "ended", cause="normal", by="phone")
    world.fetched(b"RIFF")
    assert not world.refusals("refused")
    assert not world.simulator.ticking()


def test_listening_stream_ends_with_its_call(world: Any) -> None:
    """A stream beside a document is closed and reported stopped when the call ends."""
    ref = world.answered()
    world.obey(f"<Stream statusCallbackUrl='{HOOKS}/stream'>wss://gw.example.com/m</Stream><Wait length='60'/>")
    stream = world.of(OpenSocket)[0].stream
    world.simulator.on_socket_open(world.now, stream)
    world.frame(stream, event="playAudio", media={})
    assert "not bidirectional" in world.refusals("rejected_frame")[0]["why"]
    world.phone(ref, "ended", cause="normal", by="phone")
    assert world.closed() == [stream]
    assert [_form(hook)["Event"] for hook in world.sent() if hook.url.endswith("/stream")] == ["StartStream", "StopStream"]


def test_stream_that_connects_too_late(world: Any) -> None:
    """A socket that opens after the end of its call is closed at once, without a word."""
    ref = world.answered()
    world.obey("<Stream bidirectional='true' keepCallAlive='true'>wss://gw.example.com/m</Stream>")
    stream = world.of(OpenSocket)[0].stream
    world.phone(ref, "ended", cause="normal", by="phone")
    world.simulator.on_socket_open(world.now, stream)
    assert not world.frames()
    assert world.closed()[-1] == stream


def test_two_answer_at_once(world: Any) -> None:
    """Who answers a Dial after somebody else is hung up with 9000, and never joined."""
    a = world.answered()
    world.obey("<Dial><Number>15550102000</Number><Number>15550102001</Number></Dial>")
    world.run(0.2)
    first, second = world.dialed[1:]
    world.phone(first, "answered")
    world.phone(second, "answered")
    world.phone(second, "ended", cause="normal", by="carrier")
    assert world.simulator.calls[second].cause == 9000
    assert [entry["with"] for entry in world.refusals("joined")] == [first]
    assert world.simulator.calls[a].alive


def test_answer_after_the_caller_is_gone(world: Any) -> None:
    """Who answers when the caller has hung up is hung up, too."""
    a = world.answered()
    world.obey("<Dial><Number>15550102000</Number></Dial>")
    world.run(0.2)
    b = world.dialed[-1]
    world.phone(a, "ended", cause="normal", by="phone")
    world.phone(b, "answered")
    assert b in world.hung_up
    assert not world.refusals("joined")


@pytest.mark.parametrize("body", ["{}", "<Speak/>", "<Response><Speak tune='x'>y</Speak></Response>"])
def test_music_that_is_no_document(world: Any, body: str) -> None:
    """A dialMusic that cannot be read is not heard; what the lab lacks of it is named."""
    ref = world.answered()
    world.obey(f"<Dial dialMusic='{HOOKS}/music'><Number>15550102000</Number></Dial>")
    world.reply(next(hook for hook in world.sent() if hook.url == f"{HOOKS}/music"), body=body)
    world.tick(0.2)
    assert ref not in world.ears
    assert bool(world.refusals("refused")) is ("tune" in body)


def test_silence_is_judged_a_person(world: Any) -> None:
    """Where nobody says anything, no machine is reported."""
    world.answered(machine_detection="true")
    world.run(5.1)
    assert _form(world.sent("StartApp")[0])["Machine"] == "false"


def test_application_names(world: Any) -> None:
    """A name is taken once, and has letters, digits, hyphens and underscores only."""
    world.application()
    body = {"app_name": "desk", "answer_url": HOOKS}
    assert world.request("POST", "Application/", body).status == 400
    assert world.request("POST", "Application/", {**body, "app_name": "my desk"}).status == 400
    assert world.request("POST", "Application/", {"app_name": "other"}).status == 400


def test_reset_keeps_applications(world: Any) -> None:
    """After a reset the number still points to its application, and nothing of the calls is left."""
    world.application()
    world.incoming()
    world.simulator.reset()
    assert world.simulator.live_calls() == 0
    ref = world.incoming()
    assert _form(world.sent()[-1])["CallUUID"] == ref


def test_reset_in_the_middle_of_everything(world: Any) -> None:
    """Timers, answers, files and sockets of before a reset mean nothing after it."""
    world.greets = None
    ref = world.answered(machine_detection="true", machine_detection_url=HOOKS, send_digits="w1")
    world.obey(f"<GetDigits action='{HOOKS}/menu'><Play>https://gw.example.com/a.wav</Play></GetDigits>")
    _, stream = world.streaming()
    world.request("POST", f"Call/{ref}/Record/", {})
    world.request("POST", "Message/", {"src": "15550190021", "dst": "15550101000", "text": "x"})
    hooks = world.sent()
    world.simulator.reset()
    before = len(world.sent())
    for hook in hooks:
        world.reply(hook, status=0, failure="timeout")
    world.fetched(tone(300, 0.1))
    world.simulator.on_socket_frame(world.now, stream, json.dumps({"event": "clearAudio"}))
    world.simulator.on_socket_closed(world.now, stream, 1006)
    world.phone(ref, "digit", digit="1")
    world.run(200.0)
    assert len(world.sent()) == before
    assert not world.simulator.ticking()
