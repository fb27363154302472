"""What the API does to a live call in the simulated Plivo; machine detection; limits of the account."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from carriers.contract import HookRequest
from carriers.lab.contract import Greeting, OpenSocket
from carriers.lab.sound import to_wav, tone
from carriers.plivo import verdicts
from carriers.plivo.media import PlivoMedia
from carriers.plivo.webhooks import PlivoWebhooks
from gateway.domain.events import LegAnswered, LegEnded
from gateway.domain.media import StreamStarted
from gateway.domain.verdict import Disposition

HOOKS = "https://gw.example.com/hooks"
QUIET = b"\xff" * 160
STREAM = '<Stream bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000">wss://gw.example.com/m</Stream>'


def _form(hook: Any) -> dict[str, str]:
    return dict(parse_qsl(hook.body.decode(), keep_blank_values=True))


def _read(reply: Any) -> Any:
    return json.loads(reply.body)


def _events(world: Any, hook: Any) -> tuple[Any, ...]:
    """What our adapter makes of a webhook, whose signature it has checked."""
    webhooks = PlivoWebhooks(world.simulator.credentials()["auth_token"])
    headers = {name.lower(): value for name, value in hook.headers.items()}
    path = hook.url.rpartition("/")[2]
    request = HookRequest(method=hook.method, url=hook.url, path=path, headers=headers, body=hook.body)
    webhooks.verify(request, world.now)
    return tuple(webhooks.parse(request, world.now).events)


# --- sounds and keys ---------------------------------------------------------------------------------------------


def test_speak_and_stop(world: Any) -> None:
    """Text is spoken into the call, and cut off by its stop."""
    ref = world.answered()
    world.obey("<Wait length='60'/>")
    reply = world.request("POST", f"Call/{ref}/Speak/", {"call_uuid": ref, "text": "thirty characters, two seconds"})
    assert (reply.status, _read(reply)["message"]) == (202, "speak started")
    world.tick(1.0)
    assert world.ears[ref][-1] != QUIET
    assert world.request("DELETE", f"Call/{ref}/Speak/", {"call_uuid": ref}).status == 204
    world.tick(0.1)
    assert len(world.ears[ref]) == 50
    assert world.simulator.calls[ref].alive


def test_play_several_files(world: Any) -> None:
    """The files are fetched and heard one after the other, no longer than length says."""
    ref = world.answered()
    world.obey("<Wait length='60'/>")
    body = {"urls": "https://gw.example.com/a.wav,https://gw.example.com/b.wav", "length": 1}
    assert _read(world.request("POST", f"Call/{ref}/Play/", body))["message"] == "play started"
    for _ in range(2):
        world.fetched(to_wav(tone(300, 0.8)))
        world.tick(0.82)
    assert len(world.ears[ref]) <= 52


@pytest.mark.parametrize(
    "body", [{"urls": "nowhere"}, {"urls": "https://a.example/x", "legs": "bleg"}, {"urls": HOOKS, "mix": False}]
)
def test_play_that_makes_no_sense(world: Any, body: dict[str, Any]) -> None:
    """No URL, no other leg, or a parameter that is not played."""
    ref = world.answered()
    assert world.request("POST", f"Call/{ref}/Play/", body).status in {400, 404}


def test_keys_through_the_api(world: Any) -> None:
    """Digits reach the phone, with their pauses."""
    ref = world.answered()
    reply = world.request("POST", f"Call/{ref}/DTMF/", {"digits": "12w3", "leg": "aleg"})
    assert (reply.status, _read(reply)["message"]) == (202, "digits sent")
    world.run(1.0)
    assert world.keys == [(ref, "12"), (ref, "3")]
    assert world.request("POST", f"Call/{ref}/DTMF/", {"digits": "x"}).status == 400


def test_keys_after_the_answer(world: Any) -> None:
    """send_digits of the create-call are pressed when somebody answers."""
    ref = world.answered(send_digits="wW7")
    world.run(1.4)
    assert not world.keys
    world.run(0.2)
    assert world.keys == [(ref, "7")]


def test_calls_that_are_not_going_on(world: Any) -> None:
    """Nothing can be done to a call that has not been answered, or is over."""
    ref = world.place()
    for path in ("", "DTMF/", "Play/", "Speak/", "Stream/", "Record/"):
        body = {"aleg_url": HOOKS, "digits": "1", "urls": HOOKS, "text": "x", "service_url": "wss://a"}
        wanted = {"": ["aleg_url"], "DTMF/": ["digits"], "Play/": ["urls"], "Speak/": ["text"], "Stream/": ["service_url"]}
        sent = {name: body[name] for name in wanted.get(path, [])}
        assert world.request("POST", f"Call/{ref}/{path}", sent).status == 404


# --- streams -----------------------------------------------------------------------------------------------------


def test_stream_through_the_api(world: Any) -> None:
    """A stream is begun beside a document, shown, and stopped; the document goes on."""
    ref = world.answered()
    world.obey("<Wait length='60'/>")
    body = {
        "call_uuid": ref,
        "service_url": "wss://gw.example.com/m",
        "bidirectional": True,
        "content_type": "audio/x-mulaw;rate=8000",
        "status_callback_url": f"{HOOKS}/stream",
        "extra_headers": "a=1",
    }
    reply = world.request("POST", f"Call/{ref}/Stream/", body)
    started = _read(reply)
    assert (reply.status, started["message"]) == (202, "audio streaming started")
    stream = world.of(OpenSocket)[0].stream
    assert started["stream_id"] == stream
    world.simulator.on_socket_open(world.now, stream)
    codec = PlivoMedia()
    told = [event for frame in world.frames() for event in codec.decode(json.dumps(frame))]
    assert isinstance(told[0], StreamStarted)
    assert world.frames("start")[0]["extra_headers"] == "a=1"
    assert world.request("POST", f"Call/{ref}/Stream/", body).status == 400
    shown = _read(world.request("GET", f"Call/{ref}/Stream/{stream}/"))
    assert (shown["service_url"], shown["status"]) == ("wss://gw.example.com/m", "in-progress")
    assert world.request("DELETE", f"Call/{ref}/Stream/{stream}/", {"call_uuid": ref}).status == 204
    assert world.closed() == [stream]
    assert [_form(hook)["Event"] for hook in world.sent() if hook.url.endswith("/stream")] == ["StartStream", "StopStream"]
    (ended,) = _read(world.request("GET", f"Call/{ref}/Stream/"))["objects"]
    assert ended["status"] == "completed"
    assert world.simulator.calls[ref].alive


def test_stop_of_all_streams_ends_the_element(world: Any) -> None:
    """A stream that keeps the call alive is stopped by the API: what follows it has its turn."""
    ref, stream = world.streaming()
    assert world.request("DELETE", f"Call/{ref}/Stream/", {"call_uuid": ref}).status == 204
    assert world.closed() == [stream]
    assert len(world.sent("Redirect")) == 1


@pytest.mark.parametrize(
    "more", [{"service_url": "https://x"}, {"content_type": "audio/mp3"}, {"audio_track": "both", "bidirectional": True}]
)
def test_stream_that_makes_no_sense(world: Any, more: dict[str, Any]) -> None:
    """Wrong parameters are refused before anything is connected."""
    ref = world.answered()
    assert world.request("POST", f"Call/{ref}/Stream/", {"service_url": "wss://a", **more}).status == 400
    assert not world.of(OpenSocket)


@pytest.mark.knob("plivo", "transfer_interrupts_stream")
@pytest.mark.parametrize(("guess", "at_once"), [(False, False), (True, True)])
def test_transfer_out_of_a_stream(world_with: Callable[..., Any], guess: bool, at_once: bool) -> None:
    """A transfer waits for the stream's end, or ends it; either way the new document comes instead of what followed."""
    world = world_with(transfer_interrupts_stream=guess)
    ref, stream = world.streaming()
    assert world.request("POST", f"Call/{ref}/", {"aleg_url": f"{HOOKS}/new"}).status == 202
    assert bool(world.closed()) is at_once
    if not at_once:
        assert not [hook for hook in world.sent() if hook.url == f"{HOOKS}/new"]
        world.simulator.on_socket_closed(world.now, stream, 1000)
    assert [hook.url for hook in world.sent("Redirect")] == [f"{HOOKS}/new"]
    assert _events(world, world.sent("Redirect")[0]) == ()
    world.obey("<Wait length='9'/>")
    assert world.simulator.calls[ref].alive


# --- machine detection -------------------------------------------------------------------------------------------

MACHINE = Greeting(machine=True, ends_s=6.0, beep_s=7.0)
HUMAN = Greeting(machine=False, ends_s=0.7)


@pytest.mark.knob("plivo", "humans_reported")
@pytest.mark.parametrize(
    ("greeting", "told", "verdicts_told"), [(MACHINE, False, ["true"]), (HUMAN, False, []), (HUMAN, True, ["false"])]
)
def test_asynchronous_detection(world_with: Callable[..., Any], greeting: Greeting, told: bool, verdicts_told: list[str]) -> None:
    """With a URL for it the document is asked for at once and a machine is reported later, of which we make no event."""
    world = world_with(humans_reported=told)
    world.greets = greeting
    ref = world.answered(machine_detection="true", machine_detection_url=f"{HOOKS}/machine")
    assert [type(event) for event in _events(world, world.sent("StartApp")[0])] == [LegAnswered]
    world.obey(STREAM)
    world.run(5.0)
    reports = world.sent("MachineDetection")
    assert [_form(hook)["Machine"] for hook in reports] == verdicts_told
    for hook in reports:
        form = _form(hook)
        assert (form["IfMachine"], form["CallStatus"], form["RequestUUID"]) == ("continue", "in-progress", ref)
        assert _events(world, hook) == ()


def test_machine_is_hung_up_on(world: Any) -> None:
    """machine_detection hangup ends the call with 9100, which is no failure of the carrier."""
    world.greets = MACHINE
    ref = world.answered(machine_detection="hangup", machine_detection_url=f"{HOOKS}/machine", machine_detection_time=4000)
    world.run(3.1)
    assert _form(world.sent("MachineDetection")[0])["IfMachine"] == "hangup"
    assert world.hung_up == [ref]
    world.phone(ref, "ended", cause="normal", by="carrier")
    form = _form(world.sent("Hangup")[0])
    assert (form["HangupCauseCode"], form["HangupCauseName"]) == ("9100", "Machine Detected")
    (ended,) = _events(world, world.sent("Hangup")[0])
    assert isinstance(ended, LegEnded)
    assert ended.answered


@pytest.mark.knob("plivo", "sync_detection")
@pytest.mark.parametrize(("guess", "machine"), [(True, "true"), (False, None)])
def test_detection_without_a_url(world_with: Callable[..., Any], guess: bool, machine: str | None) -> None:
    """The request for the document waits for the verdict and carries it, or comes at once: answered, either way."""
    world = world_with(sync_detection=guess)
    world.greets = MACHINE
    world.answered(machine_detection="true")
    assert bool(world.sent("StartApp")) is not guess
    world.run(5.0)
    (start,) = world.sent("StartApp")
    assert _form(start).get("Machine") == machine
    assert [type(event) for event in _events(world, start)] == [LegAnswered]


@pytest.mark.parametrize("field", ["machine_detection_time", "machine_detection_maximum_speech_length"])
def test_detection_takes_numbers_in_range(world: Any, field: str) -> None:
    """What is out of range is refused by name."""
    body = {"from": "+15550190021", "to": "+15550101000", "answer_url": HOOKS, field: 50}
    reply = world.request("POST", "Call/", body)
    assert (reply.status, _read(reply)["error"]) == (400, f"{field} parameter is invalid")


# --- the account's limits ----------------------------------------------------------------------------------------


def _create(world: Any, **more: Any) -> Any:
    body = {"from": "+15550190021", "to": "+15550101000", "answer_url": HOOKS, **more}
    return world.request("POST", "Call/", body)


@pytest.mark.knob("plivo", "max_concurrent")
@pytest.mark.parametrize(("limit", "statuses"), [(0, [201, 201, 201]), (2, [201, 201, 403])])
def test_concurrency(world_with: Callable[..., Any], limit: int, statuses: list[int]) -> None:
    """Where calls at a time are limited, the next is refused with 403, which we take elsewhere."""
    world = world_with(max_concurrent=limit)
    replies = [_create(world) for _ in statuses]
    assert [reply.status for reply in replies] == statuses
    refused = [reply for reply in replies if reply.status == 403]
    assert all(verdicts.api_refusal(403, _read(reply)["error"]).disposition is Disposition.NEXT_CARRIER for reply in refused)
    assert verdicts.api_knowledge(201) is not verdicts.api_knowledge(403)


@pytest.mark.knob("plivo", "barred_prefixes")
@pytest.mark.parametrize(("barred", "status"), [("", 201), ("+1555,+44", 403)])
def test_barred_destinations(world_with: Callable[..., Any], barred: str, status: int) -> None:
    """A destination that the account may not call is refused at once, which we take elsewhere."""
    reply = _create(world_with(barred_prefixes=barred))
    assert reply.status == status
    if status == 403:
        assert _read(reply)["error"] == "Calls to this destination region are barred"
    assert verdicts.api_refusal(403, "Calls to this destination region are barred").disposition is Disposition.NEXT_CARRIER


@pytest.mark.knob("plivo", "requests_per_5s")
@pytest.mark.parametrize("limit", [300, 3])
def test_request_rate(world_with: Callable[..., Any], limit: int) -> None:
    """Requests beyond the limit get 429, which creating calls does not count against; we take it for a limit."""
    world = world_with(requests_per_5s=limit)
    assert [world.request("GET", "").status for _ in range(limit + 1)] == [200] * limit + [429]
    assert _create(world).status == 201
    world.run(5.1)
    assert world.request("GET", "").status == 200
    assert verdicts.api_refusal(429, "Too many requests").disposition is Disposition.NEXT_CARRIER


@pytest.mark.knob("plivo", "hangup_on_ring_code")
@pytest.mark.parametrize("code", [6000, 6010])
def test_hang_up_on_ring(world_with: Callable[..., Any], code: int) -> None:
    """The phone rings as long as wanted and no longer; with which code is told both ways, and read as unanswered."""
    world = world_with(hangup_on_ring_code=code)
    ref = world.place(hangup_on_ring=5)
    world.run(1.0)
    world.phone(ref, "ringing")
    world.run(5.1)
    assert world.hung_up == [ref]
    world.phone(ref, "ended", cause="canceled", by="carrier")
    (hook,) = world.sent("Hangup")
    assert _form(hook)["HangupCauseCode"] == str(code)
    (ended,) = _events(world, hook)
    assert isinstance(ended, LegEnded)
    assert not ended.answered


def test_headers_come_back(world: Any) -> None:
    """sip_headers come back in every webhook with Plivo's prefix; what is not letters and digits is refused."""
    world.answered(sip_headers="Tag=abc1,Shop=2")
    form = _form(world.sent("StartApp")[0])
    assert (form["X-PH-Tag"], form["X-PH-Shop"]) == ("abc1", "2")
    assert _create(world, sip_headers="Tag=a-b").status == 400


def test_parent_that_is_not_there(world: Any) -> None:
    """error_if_parent_not_found refuses a call whose parent is unknown."""
    assert _create(world, parent_call_uuid="nobody", error_if_parent_not_found=True).status == 404
    assert _create(world, parent_call_uuid="nobody").status == 201


def test_old_calls_are_listed_on_demand(world: Any) -> None:
    """The list of finished calls goes back seven days, unless a time is asked for."""
    ref = world.place()
    world.run(1.0)
    world.phone(ref, "ended", cause="busy", by="phone")
    world.run(8 * 86400.0)
    assert not _read(world.request("GET", "Call/"))["objects"]
    assert len(_read(world.request("GET", "Call/", end_time__gt="2026-01-01 00:00"))["objects"]) == 1


def test_pages(world: Any) -> None:
    """Lists come in pages, with links to the next and the one before."""
    for _ in range(5):
        world.place()
    meta = _read(world.request("GET", "Application/", limit="2"))["meta"]
    assert (meta["total_count"], meta["next"]) == (0, None)
    first = _read(world.request("GET", "Call/", status="queued", limit="2"))["calls"]
    second = _read(world.request("GET", "Call/", status="queued", limit="2", offset="2"))["calls"]
    assert len({*first, *second}) == 4
    assert world.request("GET", "Call/", limit="21").status == 400
    assert world.request("GET", "Call/", limit="x").status == 400
