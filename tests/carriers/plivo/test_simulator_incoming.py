"""Phones that call the account's numbers: who is asked, what is answered, and how it ends."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from carriers.contract import HookRequest
from carriers.lab.contract import Incoming, OpenSocket
from carriers.plivo.media import PlivoMedia
from carriers.plivo.webhooks import PlivoWebhooks
from gateway.domain.events import LegEnded, LegProgressed
from gateway.domain.media import StreamStarted
from gateway.domain.outcome import Outcome

OWN_NUMBER, PERSON = "+15550190021", "+15550101000"
HOOKS = "https://gw.example.com/hooks"
STREAM = '<Stream bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000">wss://gw.example.com/m</Stream>'


def _form(hook: Any) -> dict[str, str]:
    return dict(parse_qsl(hook.body.decode(), keep_blank_values=True))


def _parsed(world: Any, hook: Any) -> Any:
    """The events that our adapter reads in a webhook, whose signature it has checked."""
    webhooks = PlivoWebhooks(world.simulator.credentials()["auth_token"])
    headers = {name.lower(): value for name, value in hook.headers.items()}
    request = HookRequest(method=hook.method, url=hook.url, path=hook.url.rpartition("/")[2], headers=headers, body=hook.body)
    webhooks.verify(request, world.now)
    return webhooks.parse(request, world.now).events


def test_call_to_a_number_asks_its_application(world: Any) -> None:
    """The application's answer_url is asked while the caller hears ringing, with who calls whom and how sure that is."""
    world.application()
    ref = world.incoming(caller_name="ADA", attestation="A")
    form = _form(world.sent()[0])
    assert (form["Event"], form["CallStatus"], form["Direction"]) == ("StartApp", "ringing", "inbound")
    assert (form["From"], form["To"], form["CallUUID"]) == (PERSON[1:], OWN_NUMBER[1:], ref)
    assert (form["CallerName"], form["STIRAttestation"], form["STIRVerification"]) == ("ADA", "A", "Verified")
    assert "ALegUUID" not in form
    assert "RequestUUID" not in form
    assert not world.picked_up
    assert [type(event) for event in _parsed(world, world.sent()[0])] == [LegProgressed]


def test_stream_answers_the_call(world: Any) -> None:
    """The first element that is obeyed answers; then sound flows as in any call."""
    world.application()
    ref = world.incoming()
    world.obey(STREAM)
    assert world.picked_up == [ref]
    world.simulator.on_socket_open(world.now, world.of(OpenSocket)[0].stream)
    world.tick(0.04)
    codec = PlivoMedia()
    told = [event for frame in world.frames() for event in codec.decode(json.dumps(frame))]
    assert isinstance(told[0], StreamStarted)
    assert told[0].carrier_call_id == ref
    assert len(world.ears[ref]) == 2


def test_caller_hangs_up(world: Any) -> None:
    """The end comes to the application's hangup_url with the caller as its source."""
    world.application()
    ref = world.incoming()
    world.obey(STREAM)
    world.run(20.0)
    world.phone(ref, "ended", cause="normal", by="phone")
    hook = world.sent("Hangup")[0]
    form = _form(hook)
    assert (hook.url, form["HangupSource"], form["HangupCauseCode"]) == (f"{HOOKS}/hangup", "Caller", "4000")
    assert (form["CallStatus"], form["Duration"], form["BillRate"]) == ("completed", "21", "0.0085")
    (ended,) = _parsed(world, hook)
    assert isinstance(ended, LegEnded)
    assert (ended.answered, ended.verdict.outcome) == (True, Outcome.COMPLETED)


def test_caller_gives_up_before_the_answer(world: Any) -> None:
    """The document of a call whose caller is gone is not obeyed."""
    world.application()
    ref = world.incoming()
    world.phone(ref, "ended", cause="canceled", by="phone")
    world.obey(STREAM)
    form = _form(world.sent("Hangup")[0])
    assert (form["HangupCauseCode"], form["CallStatus"], form["AnswerTime"]) == ("1000", "cancel", "")
    assert not world.picked_up
    assert not world.of(OpenSocket)


@pytest.mark.parametrize(("reason", "heard", "code"), [("rejected", "declined", 3020), ("busy", "busy", 3010)])
def test_call_is_turned_away(world: Any, reason: str, heard: str, code: int) -> None:
    """Hangup with a reason as first element refuses the call without answering it."""
    world.application()
    ref = world.incoming()
    world.obey(f'<Hangup reason="{reason}"/>')
    assert (world.refused, world.picked_up) == ([(ref, heard)], [])
    world.phone(ref, "ended", cause=heard, by="carrier")
    form = _form(world.sent("Hangup")[0])
    assert (form["HangupCauseCode"], form["HangupSource"], form["Duration"]) == (str(code), "Answer XML", "0")


@pytest.mark.knob("plivo", "bare_hangup")
@pytest.mark.parametrize(("guess", "answered"), [("answers", True), ("rejects", False)])
def test_bare_hangup_first(world_with: Callable[..., Any], guess: str, answered: bool) -> None:
    """Whether a Hangup without a reason answers first is told both ways; our reader takes either for an end."""
    world = world_with(bare_hangup=guess)
    world.application()
    ref = world.incoming()
    world.obey("<Hangup/>")
    assert (world.picked_up == [ref]) is answered
    assert bool(world.hung_up) is answered
    world.phone(ref, "ended", cause="normal" if answered else "declined", by="carrier")
    (ended,) = _parsed(world, world.sent("Hangup")[0])
    assert isinstance(ended, LegEnded)
    assert ended.answered is answered


@pytest.mark.knob("plivo", "without_application", no_adapter="nobody of ours is asked, only the caller hears it")
@pytest.mark.parametrize("heard", ["unreachable", "busy"])
def test_number_without_application(world_with: Callable[..., Any], heard: str) -> None:
    """A number that points nowhere asks nobody, and the caller is told that nobody can be reached."""
    world = world_with(without_application=heard)
    ref = world.incoming()
    assert (world.refused, world.sent()) == ([(ref, heard)], [])


@pytest.mark.knob("plivo", "inbound_cps", no_adapter="nobody of ours is asked, only the caller hears it")
def test_too_many_calls_at_once_are_busy(world: Any, world_with: Callable[..., Any]) -> None:
    """What exceeds the inbound calls per second is turned away as busy, and nobody is told."""
    for place, allowed in ((world, 10), (world_with(inbound_cps=1), 1)):
        place.application()
        refs = [place.incoming() for _ in range(allowed + 1)]
        assert place.refused == [(refs[-1], "busy")]
        assert len(place.sent("StartApp")) == allowed
        place.run(1.1)
        place.incoming()
        assert len(place.sent("StartApp")) == allowed + 1


def test_fallback_answers_when_the_answer_url_fails(world: Any) -> None:
    """fallback_answer_url is asked with the same parameters."""
    world.application(fallback_answer_url=f"{HOOKS}/fallback")
    ref = world.incoming()
    world.reply(world.sent()[-1], status=500)
    first, second = world.sent("StartApp")
    assert (second.url, second.body) == (f"{HOOKS}/fallback", first.body)
    world.obey(STREAM)
    assert world.picked_up == [ref]


def test_nobody_answers_for_the_number(world: Any) -> None:
    """Without a document the caller hears that nobody can be reached, and the end says 7011, failed."""
    world.application()
    ref = world.incoming()
    world.reply(world.sent()[-1], status=503)
    assert world.refused == [(ref, "unreachable")]
    world.phone(ref, "ended", cause="unreachable", by="carrier")
    form = _form(world.sent("Hangup")[0])
    assert (form["HangupCauseCode"], form["CallStatus"], form["HangupSource"]) == ("7011", "failed", "Error")


@pytest.mark.knob("plivo", "hangup_without_url")
@pytest.mark.parametrize(("guess", "told"), [("answer_url", 1), ("nobody", 0)])
def test_end_without_a_hangup_url(world_with: Callable[..., Any], guess: str, told: int) -> None:
    """Where no hangup_url is set the end goes to answer_url, which our reader does not take for a start."""
    world = world_with(hangup_without_url=guess)
    world.application(hangup_url=None)
    ref = world.incoming()
    world.obey(STREAM)
    world.phone(ref, "ended", cause="normal", by="phone")
    ends = world.sent("Hangup")
    assert [hook.url for hook in ends] == [f"{HOOKS}/answer"] * told
    assert all(isinstance(event, LegEnded) for hook in ends for event in _parsed(world, hook))
    assert [type(event) for event in _parsed(world, world.sent("StartApp")[0])] == [LegProgressed]


def test_early_media_does_not_answer(world: Any) -> None:
    """PreAnswer is played before the answer; what follows it answers."""
    world.application()
    ref = world.incoming()
    world.obey(f"<PreAnswer><Speak>one moment please</Speak></PreAnswer>{STREAM}")
    assert not world.picked_up
    world.tick(1.5)
    assert world.picked_up == [ref]


def test_withheld_number(world: Any) -> None:
    """A caller who withholds the number is anonymous."""
    world.application()
    incoming = Incoming(to=OWN_NUMBER, caller_id="")
    world.simulator.on_incoming(world.now, world.simulator.incoming_ref(world.now, incoming), incoming)
    assert _form(world.sent()[0])["From"] == "anonymous"


def test_inbound_calls_are_listed(world: Any) -> None:
    """A call to us is live from its first ring, and a finished record with its direction later."""
    world.application()
    ref = world.incoming()
    live = json.loads(world.request("GET", "Call/", status="live", call_direction="inbound").body)["calls"]
    assert live == [ref]
    world.phone(ref, "ended", cause="canceled", by="phone")
    world.run(3.0)
    (record,) = json.loads(world.request("GET", "Call/", call_direction="inbound").body)["objects"]
    assert (record["call_uuid"], record["from_number"], record["to_number"]) == (ref, PERSON, OWN_NUMBER[1:])
    assert not json.loads(world.request("GET", "Call/", call_direction="outbound").body)["objects"]
