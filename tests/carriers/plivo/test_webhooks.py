"""Signatures, told apart with the SDK's validator, and recorded payloads, understood."""

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plivo.utils import validate_v3_signature
from plivo.utils.signature_v3 import construct_get_url, get_signature_v3

from carriers.contract import Expectation, HookRequest
from carriers.plivo.webhooks import PlivoWebhooks, signed_text
from gateway.domain.errors import BadSignature, Malformed
from gateway.domain.events import LegAnswered, LegEnded, LegEvent, LegProgressed, LegRinging, StreamFailed
from gateway.domain.outcome import Outcome

TOKEN = "tok"
URL = "https://gw.example.com/plivo/answer"
FORM = {"CallStatus": "ringing", "CallUUID": "u1", "Direction": "inbound", "From": "14155550100", "To": "14155550101"}
ENCODED = urlencode(FORM)
VECTORS = [
    # Computed with SDK 4.63 for nonce 12345: method, URL, body, signature.
    ("POST", URL, ENCODED, "sSUG0O//I48XCKP+5OXRRx4j6+kLI3yfBtCHas/IQoc="),
    ("POST", URL + "?b=2&a=1", ENCODED, "gQYUphJgNy5axTOX7P0HfxHxnKlnepLru7j74rPGFo8="),
    ("GET", f"{URL}?b=2&a=1&{ENCODED}", "", "z8uR2EchQj0rXar+7UrfQ7eq5f2+u7ZN5P+1XMRhUAk="),
    ("POST", URL + "?a=1", "", "X6OFxooMPzN9WlxbSL58Maz0fWGlbAXtga+y6iGHZSA="),
]

RING = (
    "ALegRequestUUID=4c1a&CallStatus=ringing&CallUUID=4c1a&CallerName=&Direction=outbound&Event=Ring&From=%2B15550190021"
    "&ParentAuthID=MAXXXXXXXXXXXXXXXXXX&RequestUUID=4c1a&To=15550101000"
)
ANSWER = (
    "ALegRequestUUID=4c1a&ALegUUID=4c1a&BillRate=0.01&CallStatus=in-progress&CallUUID=4c1a&ComplianceStatus=accepted"
    "&Direction=outbound&Event=StartApp&From=15550190021&RequestUUID=4c1a&RouteType=Domestic_Anchored"
    "&STIRVerification=Not+Applicable&SessionStart=2024-10-07+06%3A59%3A42.123456&To=15550101000"
)
HANGUP = (
    "AnswerTime=2024-10-07+12%3A29%3A55&BillDuration=120&CallStatus=completed&CallUUID=4c1a&Direction=outbound&Duration=66"
    "&EndTime=2024-10-07+12%3A31%3A00&Event=Hangup&From=15550190021&HangupCause=NORMAL_CLEARING&HangupCauseCode=4000"
    "&HangupCauseName=Normal+Hangup&HangupSource=Callee&SessionStart=2024-10-07+06%3A59%3A42.123456"
    "&StartTime=2024-10-07+12%3A29%3A42&To=15550101000&TotalCost=0.01000"
)
BUSY = (
    "AnswerTime=&BillDuration=0&CallStatus=busy&CallUUID=4c1a&Direction=outbound&Duration=0&Event=Hangup&From=15550190021"
    "&HangupCause=USER_BUSY&HangupCauseCode=3010&HangupCauseName=Busy+Line&HangupSource=Carrier&To=15550101000"
)
STREAM = "CallUUID=4c1a&Event=DroppedStream&From=15550190021&StreamID=9b2e&Timestamp=2025-11-06+09%3A58%3A40&To=15550101000"


def _request(method: str, url: str, body: str, signature: str, nonce: str = "12345", step: str = "answer") -> HookRequest:
    headers = {"x-plivo-signature-v3": signature, "x-plivo-signature-v3-nonce": nonce}
    return HookRequest(method=method, url=url, path=step, headers=headers, body=body.encode(), call_id="c", leg_id="l")


def _told(step: str, body: str) -> HookRequest:
    return _request("POST", f"https://gw.example.com/carriers/plivo/hooks/c/l/{step}", body, "", step=step)


def _verify(request: HookRequest) -> str:
    return PlivoWebhooks(TOKEN).verify(request, 0.0).key


# --- signatures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "url", "body", "signature"), VECTORS)
def test_known_signatures_are_accepted(method: str, url: str, body: str, signature: str) -> None:
    """The vectors that the SDK computed pass our check, and the SDK's."""
    assert _verify(_request(method, url, body, signature))
    assert validate_v3_signature(method, url, "12345", TOKEN, signature, dict(parse_qsl(body)))


@pytest.mark.parametrize(("method", "url", "body", "signature"), VECTORS)
def test_tampering_is_refused(method: str, url: str, body: str, signature: str) -> None:
    """A changed body, URL, nonce or signature is refused, by us as by the SDK."""
    wrong = [
        _request(method, url, body + "&CallUUID=u2" if body else "CallUUID=u2", signature),
        _request(method, url.replace("plivo", "other"), body, signature),
        _request(method, url, body, signature, nonce="12346"),
        _request(method, url, body, signature.swapcase()),
    ]
    if method == "GET":
        wrong = wrong[1:]
    for request in wrong:
        with pytest.raises(BadSignature):
            _verify(request)
    assert not validate_v3_signature(method, url, "12346", TOKEN, signature, dict(parse_qsl(body)))


@pytest.mark.parametrize("missing", ["x-plivo-signature-v3", "x-plivo-signature-v3-nonce"])
def test_unsigned_is_refused(missing: str) -> None:
    """Without signature or nonce nothing is believed."""
    signed = _request(*VECTORS[0])
    headers = {name: value for name, value in signed.headers.items() if name != missing}
    with pytest.raises(BadSignature):
        _verify(HookRequest(method="POST", url=URL, path="answer", headers=headers, body=signed.body))


def test_one_of_several_signatures_is_enough() -> None:
    """While a token is being changed Plivo signs with both; a subaccount's request is signed by its owner, too."""
    method, url, body, signature = VECTORS[0]
    assert _verify(_request(method, url, body, f"bm9uc2Vuc2U=, {signature}"))
    headers = {
        "x-plivo-signature-v3": "bm9uc2Vuc2U=",
        "x-plivo-signature-ma-v3": signature,
        "x-plivo-signature-v3-nonce": "12345",
    }
    assert _verify(HookRequest(method=method, url=url, path="answer", headers=headers, body=body.encode()))


@given(
    form=st.dictionaries(st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1), st.text(), max_size=5),
    query=st.dictionaries(
        st.from_regex("[a-zA-Z_]{1,8}", fullmatch=True), st.from_regex("[ -~]{0,8}", fullmatch=True), max_size=3
    ),
)
def test_we_sign_as_the_sdk_does(form: dict[str, str], query: dict[str, str]) -> None:
    """For any form and any ASCII query the SDK's validator accepts what our reading of the scheme signs."""
    url = URL + ("?" + urlencode(query) if query else "")
    pairs = parse_qsl(urlencode(form), keep_blank_values=True)
    signature = get_signature_v3(TOKEN, signed_text("POST", url, pairs), "77").decode()
    assert validate_v3_signature("POST", url, "77", TOKEN, signature, dict(form))


def test_repeated_fields_sign_like_the_sdk() -> None:
    """A name that occurs twice is signed with its values in order."""
    text = signed_text("POST", URL, [("To", "2"), ("To", "1"), ("From", "3")])
    signature = get_signature_v3(TOKEN, text, "77").decode()
    assert validate_v3_signature("POST", URL, "77", TOKEN, signature, {"To": ["2", "1"], "From": "3"})


# --- the media socket --------------------------------------------------------------------------------------------

MEDIA_URL = "wss://gw.example.com/carriers/plivo/media/c/l/t"


def _upgrade(url: str, token: str = TOKEN) -> dict[str, str]:
    signed = construct_get_url(url, {}).decode()
    return {
        "x-plivo-signature-v3": get_signature_v3(token, signed, "9").decode(),
        "x-plivo-signature-v3-nonce": "9",
    }


@pytest.mark.parametrize("signed_as", [MEDIA_URL, MEDIA_URL.replace("wss", "https", 1), MEDIA_URL.replace("wss", "http", 1)])
def test_signed_upgrade_is_recognised(signed_as: str) -> None:
    """A media socket signed like a GET of its URL is authentic, whichever way the scheme was spelt."""
    assert PlivoWebhooks(TOKEN).verify_upgrade(MEDIA_URL, _upgrade(signed_as), 0.0)


def test_unsigned_upgrade_is_left_to_its_token() -> None:
    """Nobody has shown that Plivo signs upgrades, so one without a signature is no forgery."""
    assert not PlivoWebhooks(TOKEN).verify_upgrade(MEDIA_URL, {}, 0.0)


def test_wrongly_signed_upgrade_is_refused() -> None:
    """A signature that is there must fit."""
    with pytest.raises(BadSignature):
        PlivoWebhooks(TOKEN).verify_upgrade(MEDIA_URL, _upgrade(MEDIA_URL, token="other"), 0.0)


# --- one delivery, one key ---------------------------------------------------------------------------------------


def _key(step: str, body: str, nonce: str) -> str:
    url = f"https://gw.example.com/carriers/plivo/hooks/c/l/{step}"
    signature = get_signature_v3(TOKEN, signed_text("POST", url, parse_qsl(body, keep_blank_values=True)), nonce).decode()
    return _verify(_request("POST", url, body, signature, nonce, step))


def test_retry_has_the_key_of_its_first_try() -> None:
    """The same content is the same delivery, even if the retry was signed anew."""
    assert _key("answer", ANSWER, "1") == _key("answer", ANSWER, "2")


def test_other_content_has_another_key() -> None:
    """Another event, another step or another call is another delivery."""
    keys = {_key("answer", ANSWER, "1"), _key("fallback", ANSWER, "1"), _key("hangup", HANGUP, "1"), _key("hangup", BUSY, "1")}
    assert len(keys) == 4


def test_each_request_for_an_after_stream_document_stands_alone() -> None:
    """Two streams of one call may end with requests that are alike to the letter; the nonce tells them apart."""
    body = ANSWER.replace("StartApp", "Redirect")
    assert _key("after", body, "1") != _key("after", body, "2")


# --- meaning -----------------------------------------------------------------------------------------------------

ACK, DOCUMENT, AFTER = Expectation.ACKNOWLEDGEMENT, Expectation.ANSWER_DOCUMENT, Expectation.AFTER_STREAM_DOCUMENT


@pytest.mark.parametrize(
    ("step", "body", "events", "expects"),
    [
        ("ring", RING, (LegRinging(carrier_call_id="4c1a"),), ACK),
        ("answer", ANSWER, (LegAnswered(carrier_call_id="4c1a"),), DOCUMENT),
        ("fallback", ANSWER, (LegAnswered(carrier_call_id="4c1a"),), DOCUMENT),
        ("answer", ANSWER.replace("outbound", "inbound"), (LegProgressed(carrier_call_id="4c1a"),), DOCUMENT),
        ("after", ANSWER.replace("StartApp", "Redirect"), (), AFTER),
        ("stream", STREAM, (StreamFailed(carrier_call_id="4c1a", reason="stream-dropped"),), ACK),
        (
            "stream",
            STREAM.replace("DroppedStream", "failed"),
            (StreamFailed(carrier_call_id="4c1a", reason="stream-dropped"),),
            ACK,
        ),
        ("stream", STREAM.replace("DroppedStream", "StartStream"), (), ACK),
        ("stream", STREAM.replace("DroppedStream", "StopStream"), (), ACK),
        ("stream", STREAM.replace("DroppedStream", "DegradedStream"), (), ACK),
        ("ring", RING.replace("Event=Ring", "Event=Novelty"), (), ACK),
        ("ring", RING.replace("Event=Ring&", ""), (LegRinging(carrier_call_id="4c1a"),), ACK),
    ],
)
def test_meaning(step: str, body: str, events: tuple[LegEvent, ...], expects: Expectation) -> None:
    """A recorded request says what happened to the leg and what it wants for an answer."""
    hook = PlivoWebhooks(TOKEN).parse(_told(step, body), 0.0)
    assert (hook.events, hook.expects) == (events, expects)


def _ended(step: str, body: str) -> LegEnded:
    hook = PlivoWebhooks(TOKEN).parse(_told(step, body), 0.0)
    (event,) = hook.events
    assert isinstance(event, LegEnded)
    assert hook.expects is ACK
    return event


def test_end_of_a_conversation() -> None:
    """A call that was answered ends as completed; the times of the two zones in its report are not compared."""
    ended = _ended("hangup", HANGUP)
    assert (ended.answered, ended.alerted, ended.verdict.outcome) == (True, True, Outcome.COMPLETED)
    assert (ended.verdict.code, ended.verdict.detail) == ("4000", "Normal Hangup by Callee")


def test_end_without_an_answer() -> None:
    """A busy phone was reached and not answered."""
    ended = _ended("hangup", BUSY)
    assert (ended.answered, ended.alerted, ended.verdict.outcome) == (False, True, Outcome.BUSY)


def test_billed_time_proves_the_answer() -> None:
    """Without an answer time the billed seconds show that somebody talked."""
    assert _ended("hangup", HANGUP.replace("AnswerTime=2024-10-07+12%3A29%3A55&", "")).answered


def test_answer_request_of_a_call_that_is_over() -> None:
    """Plivo was seen to ask answer_url once more after the end; that is an end, not an answer."""
    late = ANSWER.replace("in-progress", "completed")
    assert _ended("answer", late).verdict.outcome is Outcome.COMPLETED


def test_fields_of_a_get_come_from_its_query() -> None:
    """Where a URL is fetched with GET, the same names stand in the query."""
    url = f"https://gw.example.com/carriers/plivo/hooks/c/l/ring?{RING}"
    request = HookRequest(method="GET", url=url, path="ring", headers={}, body=b"")
    assert PlivoWebhooks(TOKEN).parse(request, 0.0).events == (LegRinging(carrier_call_id="4c1a"),)


def test_request_without_a_call_is_malformed() -> None:
    """A body that names no call is not in Plivo's language."""
    with pytest.raises(Malformed):
        PlivoWebhooks(TOKEN).parse(_told("ring", "Event=Ring"), 0.0)


@given(st.binary(max_size=200))
def test_any_body_is_survived(body: bytes) -> None:
    """Whatever is posted without a signature is refused as such, and never breaks the reader."""
    request = HookRequest(method="POST", url=URL, path="hangup", headers={}, body=body)
    with pytest.raises(BadSignature):
        _verify(request)
    try:
        expects = PlivoWebhooks(TOKEN).parse(request, 0.0).expects
    except Malformed:
        expects = ACK
    assert expects is ACK
