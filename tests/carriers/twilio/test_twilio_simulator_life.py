"""The lab's Twilio: callbacks, documents, retries and endings."""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from twilio.request_validator import RequestValidator

from carriers.contract import HookRequest
from carriers.lab.contract import PhoneEvent, WebhookReply
from carriers.twilio.webhooks import TwilioWebhooks

CONNECT = (
    '<Response><Connect action="http://gw.test/after" method="POST">'
    '<Stream url="ws://gw.test/media/x" statusCallback="http://gw.test/stream" statusCallbackMethod="POST"/></Connect></Response>'
)
PAUSE = "<Response><Pause length='300'/></Response>"


def placed(world, **changes) -> str:
    sid = json.loads(world.place(**changes).body)["sid"]
    world.pass_time(0.1)
    return sid


def statuses(world) -> list[tuple[str, str]]:
    """(SequenceNumber, CallStatus) of the status callbacks, in the order of sending."""
    return [(fields["SequenceNumber"], fields["CallStatus"]) for path, fields in world.asked if path == "/status"]


def test_callbacks_of_a_good_call(world) -> None:
    """Initiated, ringing, in-progress, completed; numbered from 0; the last one with durations and SIP code."""
    sid = world.answered_call(PAUSE)
    world.pass_time(17.2)
    world.phone(sid, "ended", cause="normal", by="phone")
    assert statuses(world) == [("0", "initiated"), ("1", "ringing"), ("2", "in-progress"), ("3", "completed")]
    last = world.asked[-1][1]
    assert (last["CallDuration"], last["Duration"], last["SipResponseCode"]) == ("17", "1", "200")
    assert last["CallbackSource"] == "call-progress-events"
    assert last["Timestamp"] == "Sun, 22 Nov 2026 11:00:17 +0000"
    assert "SipResponseCode" not in world.asked[0][1]


def test_answered_is_told_before_the_document_is_asked_for(world) -> None:
    """The in-progress callback leaves 75 ms before the answer URL is asked, as recorded."""
    sid = placed(world)
    world.phone(sid, "answered")
    assert world.asked[-1][0] == "/status"
    world.pass_time(0.08)
    path, fields = world.asked[-1]
    assert (path, fields["CallStatus"], fields["CallSid"]) == ("/answer", "in-progress", sid)


def test_only_the_events_asked_for_are_numbered(world) -> None:
    """With `completed` alone, the default, the only callback has number 0."""
    sid = placed(world, StatusCallbackEvent=None)
    world.phone(sid, "ended", cause="busy", by="phone")
    assert statuses(world) == [("0", "busy")]


def test_every_webhook_is_signed(world) -> None:
    """What the lab signs, Twilio's validator accepts, and so do we."""
    sid = world.answered_call(CONNECT)
    world.sim.on_socket_open(world.now, world.stream.stream)
    world.phone(sid, "ended", cause="normal", by="phone")
    token = world.credentials["auth_token"]
    assert len(world.webhooks) == 7
    for hook in world.webhooks:
        headers = {name.lower(): value for name, value in hook.headers.items()}
        form = dict(parse_qsl(hook.body.decode(), keep_blank_values=True))
        assert RequestValidator(token).validate(hook.url, form, headers["x-twilio-signature"])
        request = HookRequest(method=hook.method, url=hook.url, path="status", headers=headers, body=hook.body)
        assert TwilioWebhooks(token).verify(request, world.now).key
    upgrade = {name.lower(): value for name, value in world.stream.headers.items()}
    assert RequestValidator(token).validate(world.stream.url, {}, upgrade["x-twilio-signature"])
    assert TwilioWebhooks(token).verify_upgrade(world.stream.url, upgrade, world.now)


@pytest.mark.parametrize("signed", [False, True])
def test_fragment_may_be_signed(make_world, signed: bool) -> None:
    """Whether the URL's fragment is signed is a knob; it never travels."""
    world = make_world(sign_fragment=signed)
    placed(world, StatusCallback="http://gw.test/status#rc=2&rp=5xx,ct,rt")
    hook = world.webhooks[0]
    assert "#" not in hook.url
    form = dict(parse_qsl(hook.body.decode(), keep_blank_values=True))
    validator, signature = RequestValidator(world.credentials["auth_token"]), hook.headers["X-Twilio-Signature"]
    assert validator.validate(hook.url, form, signature) is not signed
    assert validator.validate(hook.url + "#rc=2&rp=5xx,ct,rt", form, signature) is signed


def test_get_callback(world) -> None:
    """With method GET the fields are in the signed query."""
    placed(world, StatusCallbackMethod="GET")
    hook = world.webhooks[0]
    assert (hook.method, hook.body) == ("GET", b"")
    assert dict(parse_qsl(urlsplit(hook.url).query))["CallStatus"] == "initiated"
    validator = RequestValidator(world.credentials["auth_token"])
    assert validator.validate(hook.url, {}, hook.headers["X-Twilio-Signature"])


@pytest.mark.parametrize(
    ("fragment", "reply", "sent"),
    [
        ("", WebhookReply(status=0, failure="connect"), 2),
        ("", WebhookReply(status=503), 1),
        ("", WebhookReply(status=0, failure="timeout"), 1),
        ("#rc=2&rp=5xx,ct,rt", WebhookReply(status=503), 3),
        ("#rc=2&rp=5xx,ct,rt", WebhookReply(status=0, failure="timeout"), 3),
        ("#rc=2&rp=5xx,ct,rt", WebhookReply(status=404), 1),
        ("#rc=2&rp=5xx,ct,rt", WebhookReply(status=204), 1),
        ("#rc=0", WebhookReply(status=0, failure="connect"), 1),
        ("#rc=9&rp=all", WebhookReply(status=404), 2),
    ],
)
def test_retries(world, fragment: str, reply: WebhookReply, sent: int) -> None:
    """By default a failed connection is tried once more and a 5xx never; the fragment changes that; a repeat is word for word."""
    placed(world, StatusCallback="http://gw.test/status" + fragment)
    for _ in range(5):
        world.sim.on_webhook_reply(world.now, world.webhooks[-1].id, reply)
    assert len(world.webhooks) == sent
    assert [hook.attempt for hook in world.webhooks] == list(range(1, sent + 1))
    assert len({hook.headers["I-Twilio-Idempotency-Token"] for hook in world.webhooks}) == 1
    assert len({hook.body for hook in world.webhooks}) == 1


def test_time_outs_from_the_fragment(world) -> None:
    """Connect and read time-outs are the URL's own, within Twilio's bounds."""
    placed(world, StatusCallback="http://gw.test/status#ct=2000&rt=3000")
    assert (world.webhooks[0].connect_timeout_s, world.webhooks[0].timeout_s) == (2.0, 3.0)
    placed(world, StatusCallback="http://gw.test/status#ct=1&rt=99999")
    world.pass_time(1)
    assert (world.webhooks[-1].connect_timeout_s, world.webhooks[-1].timeout_s) == (5.0, 15.0)


@pytest.mark.parametrize(
    ("fragment", "waits"), [("#tt=3000&rp=all&rc=5", [3.0]), ("#rt=2000&tt=5000&rp=rt&rc=5", [2.0, 2.0, 1.0])]
)
def test_total_time(world, fragment: str, waits: list[float]) -> None:
    """All attempts share the total time: the last one has what is left, and none is begun without any."""
    placed(world, StatusCallback="http://gw.test/status" + fragment)
    for _ in range(5):
        hook = world.webhooks[-1]
        world.now += hook.timeout_s
        world.sim.on_webhook_reply(world.now, hook.id, WebhookReply(status=0, failure="timeout"))
    assert [hook.timeout_s for hook in world.webhooks] == pytest.approx(waits, abs=0.06)


@pytest.mark.parametrize(
    ("cause", "status", "sip"),
    [
        ("busy", "busy", "486"),
        ("no_answer", "no-answer", "487"),
        ("declined", "failed", "603"),
        ("unreachable", "no-answer", "480"),
        ("invalid", "failed", "404"),
    ],
)
def test_phones_that_do_not_answer(world, cause: str, status: str, sip: str) -> None:
    """Each way of not answering has its CallStatus, its SIP code, and durations of 0."""
    sid = placed(world)
    world.phone(sid, "ended", cause=cause, by="phone")
    last = world.asked[-1][1]
    assert (last["CallStatus"], last["SipResponseCode"], last["CallDuration"], last["Duration"]) == (status, sip, "0", "0")
    assert world.status(sid) == status


def test_ring_time_out(world) -> None:
    """Twilio gives up after Timeout and five seconds more, and calls it no-answer."""
    sid = placed(world)
    world.phone(sid, "ringing")
    world.pass_time(24.8)
    assert world.status(sid) == "ringing"
    world.pass_time(0.3)
    assert world.hangups == [sid]
    assert (world.asked[-1][1]["CallStatus"], world.asked[-1][1]["SipResponseCode"]) == ("no-answer", "487")


def test_time_limit(world) -> None:
    """An answered call is ended after TimeLimit."""
    sid = world.answered_call(PAUSE, TimeLimit="10")
    world.pass_time(10)
    assert world.status(sid) == "completed"


def test_ringing_may_be_missing(make_world) -> None:
    """Some networks send no 180: with the knob off nothing says ringing."""
    world = make_world(ringing_events=False)
    sid = placed(world)
    world.phone(sid, "ringing")
    assert world.status(sid) == "queued"
    assert statuses(world) == [("0", "initiated")]


@pytest.mark.parametrize(
    ("cause", "status", "sip"),
    [("503", "failed", "503"), ("busy-487", "busy", "487"), ("480", "no-answer", "480"), ("607", "failed", "607")],
)
def test_reject(world, cause: str, status: str, sip: str) -> None:
    """An asynchronous reject ends the accepted call without a ring, in the words of its cause."""
    world.reject = cause
    sid = placed(world)
    world.pass_time(1)
    assert world.dials == []
    assert statuses(world) == [("0", "initiated"), ("1", status)]
    assert world.asked[-1][1]["SipResponseCode"] == sip
    assert world.status(sid) == status


def test_platform_failure_has_no_sip_code(world) -> None:
    """The cause `failed` is Twilio's own failure: no SIP code at all."""
    world.reject = "failed"
    placed(world)
    world.pass_time(1)
    assert world.asked[-1][1]["CallStatus"] == "failed"
    assert "SipResponseCode" not in world.asked[-1][1]


# --- documents ---------------------------------------------------------------------------------------------------


def test_hang_up_document(world) -> None:
    """`<Hangup/>` ends the call; so does a document with nothing in it."""
    for text in ("<Response><Hangup/></Response>", "<Response/>"):
        assert world.status(world.answered_call(text)) == "completed"
        world.pass_time(2)


def test_verbs_take_their_time(world) -> None:
    """Say lasts as long as reading its text takes, Pause as told; the document over, the call ends."""
    sid = world.answered_call("<Response><Say>one two three four five, thirty</Say><Pause length='3'/></Response>")
    world.pass_time(4.9)
    assert world.status(sid) == "in-progress"
    world.pass_time(0.2)
    assert world.status(sid) == "completed"


def test_redirect(world) -> None:
    """`<Redirect>` asks its URL for the next document, with the call's fields."""
    sid = world.answered_call("<Response><Redirect method='POST'>http://gw.test/next</Redirect></Response>")
    path, fields = world.asked[-1]
    assert (path, fields["CallSid"], fields["CallStatus"]) == ("/next", sid, "in-progress")
    world.answer("<Response><Hangup/></Response>")
    assert world.status(sid) == "completed"


def test_inline_document(world) -> None:
    """Twiml in the create is executed without asking anybody."""
    sid = world.answered_call("", Url=None, Twiml="<Response><Hangup/></Response>")
    assert world.status(sid) == "completed"
    assert "/answer" not in [path for path, _ in world.asked]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ({"document": "not xml"}, "12100"),
        ({"document": "<Other/>"}, "12100"),
        ({"document": "<!DOCTYPE x><Response/>"}, "12100"),
        ({"document": "<Response><Pay/></Response>"}, "12200"),
        ({"document": "<Response><Connect><Room>x</Room></Connect></Response>"}, "12200"),
        ({"document": "<Response><Say volume='9'>x</Say></Response>"}, "12200"),
        ({"document": "<Response><Pause length='soon'/></Response>"}, "12200"),
        ({"document": "<Response><Gather input='speech'/></Response>"}, "12200"),
        ({"document": "<Response><Dial><Conference>x</Conference></Dial></Response>"}, "12200"),
        ({"document": "<Response/>", "content_type": ""}, "12300"),
        ({"document": "<Response/>", "content_type": "application/json"}, "12300"),
        ({"document": "<Response/>" + " " * 65536}, "11750"),
        ({"document": "", "status": 500}, "11200"),
        ({"document": "", "status": 0, "failure": "timeout"}, "11205"),
    ],
)
def test_bad_documents(world, reply: dict[str, object], code: str) -> None:
    """What Twilio cannot execute goes to the fallback URL with its code; if that fails too, an apology ends the call. The ledger
    is loud about both.
    """
    sid = placed(world, FallbackUrl="http://gw.test/fallback")
    world.phone(sid, "answered")
    world.pass_time(0.1)
    world.answer(**reply)
    path, fields = world.asked[-1]
    assert (path, fields["ErrorCode"], fields["ErrorUrl"]) == ("/fallback", code, "http://gw.test/answer")
    world.answer(**reply)
    world.pass_time(3)
    assert world.status(sid) == "in-progress"
    world.pass_time(2)
    assert world.status(sid) == "completed"
    assert b"".join(world.heard).strip(b"\xff")
    assert [entry["code"] for kind, entry in world.ledger if kind == "refused"] == [code, code]


def test_fallback_saves_the_call(world) -> None:
    """A good document from the fallback URL is executed."""
    sid = placed(world, FallbackUrl="http://gw.test/fallback")
    world.phone(sid, "answered")
    world.pass_time(0.1)
    world.answer("", status=503)
    world.answer(CONNECT)
    assert world.stream.carrier_call_id == sid


def test_late_documents_mean_nothing(world) -> None:
    """A document that comes after the call has ended, or after a newer instruction, is not executed."""
    sid = placed(world)
    world.phone(sid, "answered")
    world.pass_time(0.1)
    asked = world.webhooks[-1]
    world.phone(sid, "ended", cause="normal", by="phone")
    world.sim.on_webhook_reply(world.now, asked.id, WebhookReply(status=200, body=CONNECT.encode(), content_type="text/xml"))
    assert [effect for effect in world.effects if type(effect).__name__ == "OpenSocket"] == []


def test_events_after_the_end_mean_nothing(world) -> None:
    """The network cannot revive an ended call, and timers of a forgotten one are harmless."""
    sid = placed(world)
    world.phone(sid, "ended", cause="busy", by="phone")
    world.phone(sid, "answered")
    world.sim.on_phone(world.now, PhoneEvent(carrier="twilio", ref="CAnobody", kind="answered"))
    world.sim.on_timer(world.now, "ring CAnobody 0")
    world.pass_time(60)
    assert world.status(sid) == "busy"
    assert statuses(world)[-1] == ("1", "busy")


def test_same_seed_same_world(make_world) -> None:
    """All ids come from the site's generator: two worlds of one seed do the same."""
    one, two = make_world(), make_world()
    for world in (one, two):
        world.answered_call(CONNECT)
    assert one.effects == two.effects
