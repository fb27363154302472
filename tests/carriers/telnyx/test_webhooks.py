"""Telnyx' webhooks: authentic or not, the same or another, and what they say. Payloads have the shape of real captures."""

import base64
import json
from typing import Any

import pytest
from nacl.signing import SigningKey

from carriers.contract import Expectation, HookRequest
from carriers.telnyx.webhooks import TelnyxWebhooks, tag_of
from gateway.domain.errors import BadSignature, Malformed
from gateway.domain.events import LegAnswered, LegEnded, LegEvent, LegProgressed, StreamFailed

NOW = 1_795_000_000.0
KEY = SigningKey(b"\x07" * 32)
PUBLIC = base64.b64encode(bytes(KEY.verify_key)).decode()
LEG = "leg_0001"
CALL = "v3:MdI91X4lWFEs7IgbBEOT9M4AigoY08M0WWZFISt1Yw2axZ_IiE4pqg"

CALLED = {
    "call_control_id": CALL,
    "call_leg_id": "428c31b6-7af4-4bcb-b7f5-5013ef9657c1",
    "call_session_id": "428c31b6-abf4-4bcb-b7f5-5013ef9657c2",
    "client_state": tag_of(LEG),
    "connection_id": "7267000000000000001",
    "from": "+15550190011",
    "to": "+15550100001",
    "start_time": "2026-11-18T10:26:40.100000Z",
}


def event(event_type: str, event_id: str | None = "0ccc7b54-4df3-4bca-a65a-3da1ecc777f0", **payload: Any) -> dict[str, Any]:
    identity = {"id": event_id} if event_id else {}
    return {"record_type": "event", "event_type": event_type, **identity, "payload": {**CALLED, **payload}}


def signed(document: Any, at: float = NOW, leg_id: str = LEG) -> HookRequest:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    stamp = str(int(at))
    signature = base64.b64encode(KEY.sign(stamp.encode() + b"|" + body).signature).decode()
    headers = {"telnyx-signature-ed25519": signature, "telnyx-timestamp": stamp}
    return HookRequest(method="POST", url="https://gw.example/x", path="events", headers=headers, body=body, leg_id=leg_id)


def told(data: dict[str, Any]) -> tuple[LegEvent, ...]:
    hook = TelnyxWebhooks(PUBLIC).parse(signed({"data": data, "meta": {"attempt": 1}}), NOW)
    assert hook.expects is Expectation.ACKNOWLEDGEMENT
    return hook.events


def verify(request: HookRequest, now: float = NOW) -> str:
    return TelnyxWebhooks(PUBLIC).verify(request, now).key


# --- authenticity ------------------------------------------------------------------------------------------------


def test_a_repeat_of_a_delivery_has_the_same_key_and_another_event_has_not() -> None:
    """The event's id is the key: the attempt's number, the time and the signature do not change it."""
    first = verify(signed({"data": event("call.answered"), "meta": {"attempt": 1}}))
    repeat = verify(signed({"data": event("call.answered"), "meta": {"attempt": 2}}, at=NOW - 5))
    other = verify(signed({"data": event("call.answered", "1ccc7b54-4df3-4bca-a65a-3da1ecc777f1"), "meta": {"attempt": 1}}))
    assert first == repeat != other


def test_without_an_id_the_event_itself_is_the_key() -> None:
    """An event that has no id is known by its data, whatever attempt brings it."""
    first = verify(signed({"data": event("call.answered", None), "meta": {"attempt": 1}}))
    repeat = verify(signed({"data": event("call.answered", None), "meta": {"attempt": 2}}))
    other = verify(signed({"data": event("call.hangup", None), "meta": {"attempt": 1}}))
    assert first == repeat != other


def test_a_message_is_no_event_of_a_leg() -> None:
    """Events of messages come to the same URLs with payloads of another shape: known by their id, and nothing to a leg."""
    payload = {"id": "msg", "from": {"phone_number": "+15550190011"}, "to": [{"status": "delivered"}]}
    data = {"record_type": "event", "event_type": "message.finalized", "id": "0ccc7b54", "payload": payload}
    assert told(data) == ()
    assert verify(signed({"data": data, "meta": {"attempt": 2}})) == "0ccc7b54"
    assert TelnyxWebhooks(PUBLIC).parse_arrival(signed({"data": data}), NOW) is None


@pytest.mark.parametrize("body", [b"not json", b'{"payload":{}}', b"[]", b""])
def test_an_authentic_body_in_no_known_form_still_has_a_key(body: bytes) -> None:
    """Verification asks who sent it, not what it says."""
    assert verify(signed(body)) == verify(signed(body)) != verify(signed(body + b" "))


@pytest.mark.parametrize("late", [-301.0, 301.0])
def test_a_delivery_older_or_newer_than_300_s_is_refused(late: float) -> None:
    """A captured webhook is worth nothing five minutes later, nor one from the future."""
    with pytest.raises(BadSignature, match="stale"):
        verify(signed({"data": event("call.answered")}, at=NOW + late))
    assert verify(signed({"data": event("call.answered")}, at=NOW + late * 0.99))


def test_a_changed_body_is_refused() -> None:
    """The signature is over the raw bytes: one byte more, and it is not Telnyx'."""
    request = signed({"data": event("call.answered")})
    changed = HookRequest(method="POST", url=request.url, path="events", headers=request.headers, body=request.body + b" ")
    with pytest.raises(BadSignature, match="wrong-signature"):
        verify(changed)


@pytest.mark.parametrize(
    "signature", ["", "!!", "AAAA", base64.b64encode(b"\0" * 64).decode(), base64.b64encode(b"\0" * 65).decode()]
)
def test_a_missing_or_made_up_signature_is_refused(signature: str) -> None:
    """Absent, not base64, too short, too long or invented: all the same answer."""
    request = signed({"data": event("call.answered")})
    headers = {**request.headers, "telnyx-signature-ed25519": signature}
    with pytest.raises(BadSignature):
        verify(HookRequest(method="POST", url=request.url, path="events", headers=headers, body=request.body))


@pytest.mark.parametrize("stamp", ["", "soon", "-1", "1e9", "\u0661"])
def test_a_made_up_timestamp_is_refused(stamp: str) -> None:
    """A time that is no number was not signed by Telnyx."""
    request = signed({"data": event("call.answered")})
    headers = {**request.headers, "telnyx-timestamp": stamp}
    with pytest.raises(BadSignature):
        verify(HookRequest(method="POST", url=request.url, path="events", headers=headers, body=request.body))


def test_another_accounts_signature_is_refused() -> None:
    """Only the key of this account counts."""
    stranger = base64.b64encode(bytes(SigningKey(b"\x08" * 32).verify_key)).decode()
    with pytest.raises(BadSignature):
        TelnyxWebhooks(stranger).verify(signed({"data": event("call.answered")}), NOW)


def test_an_authentic_event_posted_to_another_legs_url_is_refused() -> None:
    """The signature does not cover the URL, so the leg's tag inside must name the leg of the URL."""
    with pytest.raises(BadSignature, match="foreign-leg"):
        verify(signed({"data": event("call.answered")}, leg_id="leg_0002"))
    assert verify(signed({"data": event("call.answered", client_state=None)}, leg_id="leg_0002"))


def test_the_upgrade_is_not_signed() -> None:
    """Telnyx signs no WebSocket upgrade: what protects it is the token in its path."""
    assert TelnyxWebhooks(PUBLIC).verify_upgrade("wss://gw.example/x", {}, NOW) is False


@pytest.mark.parametrize("key", ["", "short", base64.b64encode(b"\0" * 31).decode(), "*" * 44])
def test_a_public_key_that_is_none_is_refused_at_once(key: str) -> None:
    """A wrong key is found when the carrier opens, not with the first webhook."""
    with pytest.raises(ValueError):
        TelnyxWebhooks(key)


# --- meaning -----------------------------------------------------------------------------------------------------


def test_initiated_is_proof_of_placement_and_not_of_ringing() -> None:
    """Call Control has no ringing event; initiated says only that the leg exists."""
    assert told(event("call.initiated", direction="outgoing", state="bridging")) == (LegProgressed(carrier_call_id=CALL),)


def test_a_call_that_comes_in_is_no_event_of_an_outbound_leg() -> None:
    """Incoming calls are somebody else's."""
    assert told(event("call.initiated", direction="incoming", state="parked")) == ()


@pytest.mark.parametrize("kind", ["call.answered", "call.bridged"])
def test_answered_and_bridged_are_an_answer(kind: str) -> None:
    """Both prove that somebody took the call."""
    assert told(event(kind, codec="PCMU", sampling_rate=8000)) == (LegAnswered(carrier_call_id=CALL),)


def hangup(cause: str, source: str, sip: str, end: str = "2026-11-18T10:26:49.900000Z") -> LegEnded:
    statistics = {
        "inbound": {"mos": "4.50", "packet_count": "1472", "skip_packet_count": "22"},
        "outbound": {"packet_count": "0"},
    }
    data = event(
        "call.hangup", hangup_cause=cause, hangup_source=source, sip_hangup_cause=sip, end_time=end, call_quality_stats=statistics
    )
    (ended,) = told(data)
    assert isinstance(ended, LegEnded)
    assert ended.carrier_call_id == CALL
    return ended


def test_a_happy_call_that_ends_with_503_is_a_happy_call() -> None:
    """Captured on a bridged leg that the caller ended: normal_clearing, caller, "503"."""
    assert hangup("normal_clearing", "caller", "503").verdict.reason == "normal-clearing"


def test_a_busy_person_was_alerted() -> None:
    """User busy proves that the phone was reached."""
    ended = hangup("user_busy", "callee", "486")
    assert (ended.verdict.reason, ended.alerted, ended.answered) == ("user-busy", True, False)


def test_a_leg_refused_within_a_second_is_judged_by_its_short_life() -> None:
    """The time between start and end tells Telnyx' own 404 from the telephone network's."""
    assert hangup("not_found", "unknown", "404", end="2026-11-18T10:26:40.500000Z").verdict.reason == "not-found-at-once"
    assert hangup("not_found", "callee", "404").verdict.reason == "invalid-number"
    assert hangup("not_found", "callee", "404", end="later").verdict.reason == "invalid-number"


def test_a_hangup_without_a_cause_is_unmapped() -> None:
    """Enums are open sets and fields may be missing: the leg is over all the same."""
    (ended,) = told(event("call.hangup"))
    assert isinstance(ended, LegEnded)
    assert ended.verdict.reason == "unmapped"


def test_a_failed_stream_is_told_with_its_reason() -> None:
    """streaming.failed may be the only sign of a broken stream while our socket stays half-open."""
    failed = event("streaming.failed", failure_reason="connection_failed", stream_type="websocket")
    assert told(failed) == (StreamFailed(carrier_call_id=CALL, reason="connection-failed"),)
    assert told(event("streaming.failed")) == (StreamFailed(carrier_call_id=CALL, reason="unspecified"),)


@pytest.mark.parametrize("kind", ["streaming.started", "streaming.stopped", "call.cost", "call.dtmf.received", "call.new_kind"])
def test_events_that_prove_nothing_are_nothing(kind: str) -> None:
    """Unknown kinds are ignored; so are those that come whether or not anything happened."""
    assert told(event(kind)) == ()


@pytest.mark.parametrize(
    "document",
    [b"garbage", b"[]", {"data": {}}, {"data": {"event_type": "call.hangup"}}, {"data": {"event_type": 5, "payload": {}}}],
)
def test_an_authentic_body_that_is_no_event_is_malformed(document: Any) -> None:
    """It is told apart from a forgery: the carrier broke its own promise."""
    with pytest.raises(Malformed, match="not-a-telnyx-event"):
        TelnyxWebhooks(PUBLIC).parse(signed(document), NOW)


def test_an_application_set_to_version_1_is_named_as_the_fault() -> None:
    """The flat shape of version 1 says what to change in the portal."""
    flat = {"created_at": "2026-11-18T10:26:40Z", "event_type": "call_hangup", "payload": {}, "webhook_id": "x"}
    with pytest.raises(Malformed, match="version to 2"):
        TelnyxWebhooks(PUBLIC).parse(signed(flat), NOW)


def test_an_event_without_its_call_is_malformed() -> None:
    """No event can be told of a leg that the event does not name."""
    with pytest.raises(Malformed, match="no-call-control-id"):
        told(event("call.answered", call_control_id=None))
