"""Signatures against Twilio's own validator, and what Twilio's callbacks mean."""

import hashlib
from urllib.parse import parse_qsl, urlencode

import pytest
from twilio.request_validator import RequestValidator

from carriers.contract import Expectation, HookRequest
from carriers.twilio.webhooks import RETRIES, TwilioWebhooks
from gateway.domain.errors import BadSignature, Malformed
from gateway.domain.events import LegAnswered, LegEnded, LegProgressed, LegRinging, StreamFailed
from gateway.domain.outcome import Outcome
from gateway.domain.verdict import Disposition

TOKEN = "0123456789abcdef0123456789abcdef"
NOW = 1_795_345_200.0
STAMP = "Sun, 22 Nov 2026 11:00:00 +0000"
CALL = "CA" + "a" * 32
BASE = {"AccountSid": "AC" + "b" * 32, "CallSid": CALL, "Direction": "outbound-api", "From": "+15550190001", "To": "+15550100001"}
HOOKS = TwilioWebhooks(TOKEN)


def request(step: str = "status", *, base: str = "https://gw.example.com", sign: str | None = None, **fields: str) -> HookRequest:
    """A signed form post; `sign` is the URL that Twilio signed, if not the one that we know."""
    url = f"{base}/carriers/twilio/hooks/call_1/leg_1/{step}"
    all_fields = BASE | fields
    signature = RequestValidator(TOKEN).compute_signature(sign or url, all_fields)
    return HookRequest(
        method="POST",
        url=url,
        path=step,
        headers={"x-twilio-signature": signature},
        body=urlencode(all_fields).encode(),
        call_id="call_1",
        leg_id="leg_1",
    )


def changed(original: HookRequest, **changes: object) -> HookRequest:
    fields = {name: getattr(original, name) for name in original.__struct_fields__}
    return HookRequest(**(fields | changes))


# --- verify ------------------------------------------------------------------------------------------------------


def test_accepts_what_the_sdk_signs() -> None:
    """A form signed by Twilio's own code is authentic, with blank and unknown fields counted in."""
    assert HOOKS.verify(request(CallStatus="ringing", ToCity="", BrandNew="x y&z", Timestamp=STAMP), NOW).key


@pytest.mark.parametrize("field", ["body", "url", "signature"])
def test_refuses_what_was_tampered_with(field: str) -> None:
    """One changed byte in body, URL or signature and both the SDK's validator and ours refuse."""
    good = request(CallStatus="ringing")
    bad = {
        "body": changed(good, body=good.body.replace(b"ringing", b"RINGING")),
        "url": changed(good, url=good.url.replace("leg_1", "leg_2")),
        "signature": changed(good, headers={"x-twilio-signature": "A" + good.headers["x-twilio-signature"][1:]}),
    }[field]
    form = dict(parse_qsl(bad.body.decode(), keep_blank_values=True))
    assert not RequestValidator(TOKEN).validate(bad.url, form, bad.headers["x-twilio-signature"])
    with pytest.raises(BadSignature):
        HOOKS.verify(bad, NOW)


@pytest.mark.parametrize("headers", [{}, {"x-twilio-signature": ""}, {"x-twilio-signature": "ä" * 28}])
def test_refuses_unsigned(headers: dict[str, str]) -> None:
    """No signature, or one that is no base64 at all, is refused and never an error of another kind."""
    with pytest.raises(BadSignature):
        HOOKS.verify(changed(request(), headers=headers), NOW)


def test_refuses_another_accounts_token() -> None:
    """A webhook signed with another account's token is not ours."""
    with pytest.raises(BadSignature):
        TwilioWebhooks("f" * 32).verify(request(), NOW)


@pytest.mark.parametrize("base", ["https://gw.example.com", "https://gw.example.com:443", "https://gw.example.com:8443"])
def test_port_in_the_signed_url(base: str) -> None:
    """Twilio signs with or without the port; either is accepted, as in the SDK."""
    bare = "https://gw.example.com/carriers/twilio/hooks/call_1/leg_1/status"
    HOOKS.verify(request(base=base), NOW)
    HOOKS.verify(request(base=base, sign=bare), NOW)


def test_default_port_added_by_twilio() -> None:
    """A URL that we know without a port may have been signed with the scheme's own."""
    HOOKS.verify(request(sign="https://gw.example.com:443/carriers/twilio/hooks/call_1/leg_1/status"), NOW)


def test_fragment_in_the_signed_url() -> None:
    """Whether the retry settings in the fragment are signed is not known, so both are taken; another fragment is not."""
    url = "https://gw.example.com/carriers/twilio/hooks/call_1/leg_1/status"
    HOOKS.verify(request(sign=url + RETRIES), NOW)
    with pytest.raises(BadSignature):
        HOOKS.verify(request(sign=url + "#rc=5"), NOW)


@pytest.mark.parametrize(
    ("stamp", "fresh"),
    [
        ("Sun, 22 Nov 2026 11:00:00 +0000", True),
        ("Sun, 22 Nov 2026 10:55:01 +0000", True),
        ("Sun, 22 Nov 2026 11:04:59 +0000", True),
        ("Sun, 22 Nov 2026 10:54:59 +0000", False),
        ("Sun, 22 Nov 2026 11:05:01 +0000", False),
        ("2026-11-22T10:59:59.123Z", True),
        ("2026-11-22T10:50:00.000Z", False),
        ("not a time", True),
    ],
)
def test_age(stamp: str, fresh: bool) -> None:
    """A callback more than 300 s away from now, in either notation and direction, is stale."""
    if fresh:
        HOOKS.verify(request(Timestamp=stamp), NOW)
        return
    with pytest.raises(BadSignature, match="stale"):
        HOOKS.verify(request(Timestamp=stamp), NOW)


def test_get_is_signed_by_its_url() -> None:
    """A GET carries its fields in the query and is signed by URL alone."""
    url = "https://gw.example.com/carriers/twilio/hooks/call_1/leg_1/status?" + urlencode(BASE | {"CallStatus": "busy"})
    headers = {"x-twilio-signature": RequestValidator(TOKEN).compute_signature(url, {})}
    hook = HookRequest(method="GET", url=url, path="status", headers=headers, body=b"")
    HOOKS.verify(hook, NOW)
    assert isinstance(HOOKS.parse(hook, NOW).events[0], LegEnded)


def test_json_body_is_signed_by_its_hash() -> None:
    """A body that is no form is authentic if the signed query holds its SHA-256."""
    body = b'{"a": 1}'
    url = "https://gw.example.com/x?bodySHA256=" + hashlib.sha256(body).hexdigest()
    signature = RequestValidator(TOKEN).compute_signature(url, {})
    assert RequestValidator(TOKEN).validate(url, body.decode(), signature)
    hook = HookRequest(method="POST", url=url, path="status", headers={"x-twilio-signature": signature}, body=body)
    HOOKS.verify(hook, NOW)
    with pytest.raises(BadSignature, match="body-hash"):
        HOOKS.verify(changed(hook, body=b'{"a": 2}'), NOW)


def test_upgrade() -> None:
    """The media socket's upgrade is signed over its ws(s) URL alone; an https spelling or a missing header is refused."""
    url = "wss://gw.example.com/carriers/twilio/media/call_1/leg_1/secret"
    sign = RequestValidator(TOKEN).compute_signature
    assert RequestValidator(TOKEN).validate(url, {}, sign(url, {}))
    assert HOOKS.verify_upgrade(url, {"x-twilio-signature": sign(url, {})}, NOW) is True
    for bad in (sign(url.replace("wss", "https"), {}), sign(url + "/", {}), ""):
        with pytest.raises(BadSignature):
            HOOKS.verify_upgrade(url, {"x-twilio-signature": bad}, NOW)


# --- the key of a delivery ---------------------------------------------------------------------------------------


def key(hook: HookRequest, token: str = "") -> str:
    return HOOKS.verify(changed(hook, headers=dict(hook.headers) | {"i-twilio-idempotency-token": token}), NOW).key


def test_key_of_a_repeat() -> None:
    """A repeat of a delivery has the same key; another sequence number, step, leg or retry token of a question has not."""
    status = request(CallStatus="ringing", SequenceNumber="1", Timestamp=STAMP)
    assert key(status, "t1") == key(status, "t1")
    assert key(status) != key(request(CallStatus="ringing", SequenceNumber="2", Timestamp=STAMP))
    assert key(status) != HOOKS.verify(changed(status, leg_id="leg_2"), NOW).key
    after = request("after", CallStatus="in-progress")
    assert key(after, "t1") == key(after, "t1")
    assert key(after, "t1") != key(after, "t2")
    assert key(after, "t1") != key(request("answer", CallStatus="in-progress"), "t1")


def test_key_of_a_replay_with_a_new_header() -> None:
    """The retry token is not signed: changing it does not make a captured status callback a new delivery."""
    status = request(CallStatus="completed", SequenceNumber="3", Timestamp=STAMP)
    assert key(status, "t1") == key(status, "forged")


# --- parse -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("queued", LegProgressed),
        ("initiated", LegProgressed),
        ("ringing", LegRinging),
        ("in-progress", LegAnswered),
    ],
)
def test_status_of_a_living_call(status: str, event: type) -> None:
    """A living CallStatus becomes its event, with the carrier's id, and wants no document."""
    hook = HOOKS.parse(request(CallStatus=status), NOW)
    assert hook.events == (event(carrier_call_id=CALL),)
    assert hook.expects is Expectation.ACKNOWLEDGEMENT


@pytest.mark.parametrize(
    ("fields", "outcome", "answered", "alerted"),
    [
        ({"CallStatus": "completed", "CallDuration": "17", "SipResponseCode": "200"}, Outcome.COMPLETED, True, True),
        ({"CallStatus": "completed", "CallDuration": "0"}, Outcome.COMPLETED, True, True),
        ({"CallStatus": "busy", "CallDuration": "0", "SipResponseCode": "486"}, Outcome.BUSY, False, True),
        ({"CallStatus": "no-answer", "CallDuration": "0"}, Outcome.NO_ANSWER, False, True),
        ({"CallStatus": "canceled"}, Outcome.CANCELED, False, False),
        ({"CallStatus": "failed", "SipResponseCode": "404"}, Outcome.INVALID_NUMBER, False, False),
        ({"CallStatus": "failed", "SipResponseCode": "603"}, Outcome.DECLINED, False, True),
        ({"CallStatus": "failed", "SipResponseCode": "503"}, None, False, False),
        ({"CallStatus": "failed", "SipResponseCode": "503", "CallDuration": "4"}, None, True, True),
    ],
)
def test_final_status(fields: dict[str, str], outcome: Outcome | None, answered: bool, alerted: bool) -> None:
    """A final callback says how the leg ended and what it proves about ringing and answer."""
    (event,) = HOOKS.parse(request(**fields), NOW).events
    assert isinstance(event, LegEnded)
    assert (event.verdict.outcome, event.answered, event.alerted) == (outcome, answered, alerted)
    assert event.carrier_call_id == CALL


@pytest.mark.parametrize(
    ("step", "expects"),
    [
        ("answer", Expectation.ANSWER_DOCUMENT),
        ("fallback", Expectation.ANSWER_DOCUMENT),
        ("after", Expectation.AFTER_STREAM_DOCUMENT),
        ("status", Expectation.ACKNOWLEDGEMENT),
        ("stream", Expectation.ACKNOWLEDGEMENT),
    ],
)
def test_expected_document(step: str, expects: Expectation) -> None:
    """Each step of the hook's path wants its own answer."""
    assert HOOKS.parse(request(step, CallStatus="in-progress"), NOW).expects is expects


def test_document_requests_prove_the_answer() -> None:
    """The answer URL is asked when somebody took the call, so it stands in for a lost callback."""
    assert HOOKS.parse(request("answer", CallStatus="in-progress"), NOW).events == (LegAnswered(carrier_call_id=CALL),)


def test_stream_error() -> None:
    """A stream-error callback is a failed stream, named by its code; start and stop are the socket's business."""
    fields = {"StreamSid": "MZ" + "c" * 32, "StreamEvent": "stream-error", "StreamError": "Stream signal error, code: 31924"}
    assert HOOKS.parse(request("stream", **fields), NOW).events == (
        StreamFailed(carrier_call_id=CALL, reason="stream-error-31924"),
    )
    wordless = HOOKS.parse(request("stream", StreamEvent="stream-error"), NOW).events
    assert wordless == (StreamFailed(carrier_call_id=CALL, reason="stream-error"),)
    for event in ("stream-started", "stream-stopped", "stream-dreaming"):
        assert HOOKS.parse(request("stream", StreamEvent=event), NOW).events == ()


def test_unknown_status_says_nothing() -> None:
    """A CallStatus that Twilio has not published yet gives no event and no error."""
    assert HOOKS.parse(request(CallStatus="daydreaming"), NOW).events == ()


def test_malformed() -> None:
    """Authentic, but without the call's id, or on a step that we never gave out."""
    with pytest.raises(Malformed):
        HOOKS.parse(request(CallSid=""), NOW)
    with pytest.raises(Malformed):
        HOOKS.parse(request("elsewhere"), NOW)


ID = f"CallSid={CALL}"
RECORDED = {
    "initiated": (
        "Called=%2B15550100001&ToState=&CallerCountry=US&Direction=outbound-api&Timestamp=Sun%2C+22+Nov+2026+11%3A00%3A00+%2B0000"
        "&CallbackSource=call-progress-events&SequenceNumber=0&CallSid=CAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&To=%2B15550100001"
        "&CallStatus=initiated&From=%2B15550190001&ApiVersion=2010-04-01"
    ),
    "completed-2018": (f"{ID}&SequenceNumber=3&CallStatus=completed&Duration=1&CallDuration=49&AnsweredBy=human"),
    "busy-486": f"{ID}&CallStatus=busy&SipResponseCode=486&SequenceNumber=2&Duration=0&CallDuration=0",
    "busy-487": f"{ID}&CallStatus=busy&SipResponseCode=487&SequenceNumber=2",
    "noanswer-487": f"{ID}&To=client%3A888&CallStatus=no-answer&SipResponseCode=487&Duration=0",
}
"""Bodies as recorded by others, cut to the fields that matter, with invented ids and numbers."""


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("initiated", None),
        ("completed-2018", Outcome.COMPLETED),
        ("busy-486", Outcome.BUSY),
        ("busy-487", Outcome.BUSY),
        ("noanswer-487", Outcome.NO_ANSWER),
    ],
)
def test_recorded_bodies(name: str, outcome: Outcome | None) -> None:
    """Callbacks that Twilio really sent are understood."""
    hook = HookRequest(method="POST", url="https://gw/x", path="status", headers={}, body=RECORDED[name].encode())
    (event,) = HOOKS.parse(hook, NOW).events
    if outcome is None:
        assert event == LegProgressed(carrier_call_id=CALL)
    else:
        assert isinstance(event, LegEnded)
        assert event.verdict.outcome is outcome


def test_unwanted_is_suppressed() -> None:
    """607 is a person who never wants to be called again."""
    (event,) = HOOKS.parse(request(CallStatus="failed", SipResponseCode="607"), NOW).events
    assert isinstance(event, LegEnded)
    assert event.verdict.disposition is Disposition.SUPPRESS
