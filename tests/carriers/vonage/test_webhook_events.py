"""What Vonage's webhooks tell, from payloads in the shapes that its documents and real calls show (numbers invented)."""

import json
from typing import Any

import pytest

from carriers.contract import Expectation, Hook, HookRequest
from carriers.vonage.webhooks import VonageWebhooks
from gateway.domain.errors import BadSignature, Malformed
from gateway.domain.events import LegAnswered, LegEnded, LegEvent, LegProgressed, LegRinging, StreamFailed
from gateway.domain.outcome import Outcome
from gateway.domain.verdict import Disposition

UUID = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
SOCKET_UUID = "bbbbbbbb-bbbb-cccc-dddd-0123456789ab"
CONVERSATION = "CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
BASE = {
    "from": "15550190031",
    "to": "15550100001",
    "uuid": UUID,
    "conversation_uuid": CONVERSATION,
    "direction": "outbound",
    "timestamp": "2026-11-22T12:00:00.000Z",
}
SUMS = {
    "start_time": "2026-11-22T12:00:00.000Z",
    "end_time": "2026-11-22T12:00:02.000Z",
    "duration": "2",
    "rate": "0.00450000",
    "price": "0.00015000",
    "network": "GB-FIXED",
}


def parse(step: str, fields: Any, method: str = "POST", query: str = "") -> Hook:
    url = f"https://gw.example.com/carriers/vonage/hooks/call_1/leg_1/{step}{query}"
    body = json.dumps(fields).encode()
    hook = HookRequest(method=method, url=url, path=step, headers={}, body=body, call_id="call_1", leg_id="leg_1")
    return VonageWebhooks("secret").parse(hook, 0.0)


def event(status: str, **more: Any) -> LegEvent:
    (told,) = parse("event", {**BASE, "status": status, **more}).events
    assert told.carrier_call_id == UUID
    return told


@pytest.mark.parametrize(("status", "kind"), [("started", LegProgressed), ("ringing", LegRinging), ("answered", LegAnswered)])
def test_progress_names_the_leg(status: str, kind: type[LegEvent]) -> None:
    """Each step of a call is one event with the phone leg's uuid, and no document is wanted."""
    hook = parse("event", {**BASE, "status": status, "start_time": None, "rate": None, "network": None})
    assert hook.events == (kind(carrier_call_id=UUID, carrier_data={"conversation_uuid": CONVERSATION}),)
    assert hook.expects is Expectation.ACKNOWLEDGEMENT


@pytest.mark.parametrize("status", ["human", "machine"])
def test_machine_detection_proves_an_answer(status: str) -> None:
    """Those two events call the leg's id `call_uuid`."""
    fields = {**BASE, "call_uuid": UUID, "status": status, "sub_state": "beep_start"}
    del fields["uuid"]
    assert parse("event", fields).events == (LegAnswered(carrier_call_id=UUID, carrier_data={"conversation_uuid": CONVERSATION}),)


def test_a_conversation_ends_normally() -> None:
    """`completed` with its sums is the end of an answered call."""
    told = event("completed", disconnected_by="user", **SUMS)
    assert isinstance(told, LegEnded)
    assert (told.verdict.outcome, told.alerted, told.answered) == (Outcome.COMPLETED, True, True)


def test_a_conversation_of_less_than_a_second_was_answered() -> None:
    """A start time proves the answer even where the duration is nought."""
    told = event("completed", **{**SUMS, "duration": "0"})
    assert isinstance(told, LegEnded)
    assert told.answered


def test_a_completed_without_sums_claims_nothing() -> None:
    """The bare word ends the leg, but proves neither ringing nor an answer."""
    told = event("completed")
    assert isinstance(told, LegEnded)
    assert (told.verdict.outcome, told.alerted, told.answered) == (Outcome.COMPLETED, False, False)


def test_the_completed_that_follows_every_failure_is_not_its_reason() -> None:
    """It may overtake `busy`: without an answer it is progress, and the reason comes in its own webhook."""
    told = event("completed", **{**SUMS, "start_time": None, "duration": "0", "price": "0"})
    assert isinstance(told, LegProgressed)


def test_a_completed_with_a_failure_code_is_judged_by_it() -> None:
    """Where the lost webhook's SIP code is repeated, it is the reason."""
    told = event("completed", **{**SUMS, "start_time": "", "duration": "0"}, sip_code="486")
    assert isinstance(told, LegEnded)
    assert (told.verdict.outcome, told.answered) == (Outcome.BUSY, False)


@pytest.mark.parametrize(
    ("fields", "disposition", "alerted"),
    [
        ({"status": "busy", "sip_code": 486}, Disposition.STOP, True),
        ({"status": "busy", "sip_code": "486", "detail": "cannot_route"}, Disposition.STOP, True),
        ({"status": "timeout"}, Disposition.STOP, True),
        ({"status": "cancelled"}, Disposition.STOP, False),
        ({"status": "unanswered", "detail": "unavailable"}, Disposition.STOP, False),
        ({"status": "unanswered", "detail": "carrier_timeout", "sip_code": 504}, Disposition.NEXT_CARRIER, False),
        ({"status": "rejected", "detail": "declined", "sip_code": 603}, Disposition.STOP, True),
        ({"status": "rejected", "detail": "restricted"}, Disposition.NEXT_CARRIER, False),
        ({"status": "failed", "detail": "cannot_route"}, Disposition.NEXT_CARRIER, False),
        ({"status": "failed", "detail": "a_word_of_tomorrow"}, Disposition.NEXT_CARRIER, False),
        ({"status": "rejected", "detail": "declined", "sip_code": 607}, Disposition.SUPPRESS, True),
    ],
)
def test_failures_are_judged_and_say_whether_a_phone_rang(
    fields: dict[str, Any], disposition: Disposition, alerted: bool
) -> None:
    """A busy line, a decline and a ring timer that ran out prove that the phone was reached; nothing else does."""
    told = event(**fields)
    assert isinstance(told, LegEnded)
    assert (told.verdict.disposition, told.alerted, told.answered) == (disposition, alerted, False)


def test_the_answer_webhook_wants_a_document() -> None:
    """It proves the answer and names the region in which the call is controlled."""
    fields = {**BASE, "endpoint_type": "phone", "region_url": "https://api-us-3.vonage.com", "SipHeader_X-A": "1"}
    hook = parse("answer", fields)
    data = {"conversation_uuid": CONVERSATION, "region_url": "https://api-us-3.vonage.com"}
    assert hook.events == (LegAnswered(carrier_call_id=UUID, carrier_data=data),)
    assert hook.expects is Expectation.ANSWER_DOCUMENT


def test_the_answer_webhook_may_be_a_get() -> None:
    """GET is Vonage's default; parameters stand in the URL."""
    hook = parse(
        "answer", None, "GET", f"?to=15550100001&endpoint_type=phone&uuid={UUID}&region_url=https%3A%2F%2Fapi-us-3.vonage.com"
    )
    assert hook.events[0].carrier_call_id == UUID
    assert hook.events[0].carrier_data == {"region_url": "https://api-us-3.vonage.com"}


def test_a_fallback_request_is_answered_like_its_original() -> None:
    """It carries the original's fields, with a reason beside them."""
    fallback = {"reason": "Connection closed.", "original_request": {"url": "https://x", "type": "answer"}}
    assert parse("answer", {**BASE, **fallback}).expects is Expectation.ANSWER_DOCUMENT
    assert parse("event", fallback) == Hook()


SOCKET = {**BASE, "to": "wss://gw.example.com/carriers/vonage/media/call_1/leg_1/t", "uuid": SOCKET_UUID, "headers": {}}


@pytest.mark.parametrize("step", ["stream", "event"])
def test_a_lost_stream_asks_what_to_do(step: str) -> None:
    """The socket leg's loss is a failure of the stream, never of the leg, and never in the leg's name."""
    hook = parse(step, {**SOCKET, "status": "disconnected"})
    assert hook.events == (StreamFailed(reason="stream-disconnected", carrier_data={"stream_uuid": SOCKET_UUID}),)
    assert hook.expects is Expectation.AFTER_STREAM_DOCUMENT


@pytest.mark.parametrize("status", ["failed", "unanswered", "rejected", "busy", "timeout"])
def test_a_stream_that_never_opened_asks_what_to_do(status: str) -> None:
    """The question alone says that there is no stream; how it failed is kept for the log."""
    hook = parse("stream", {**SOCKET, "status": status})
    assert hook.events == (LegProgressed(carrier_data={"stream_uuid": SOCKET_UUID, "stream_end": status}),)
    assert hook.expects is Expectation.AFTER_STREAM_DOCUMENT


@pytest.mark.parametrize("status", ["started", "ringing", "answered"])
def test_the_socket_legs_progress_is_no_answer(status: str) -> None:
    """It shows the socket leg's own uuid, which is kept as data."""
    assert parse("stream", {**SOCKET, "status": status}) == Hook(
        events=(LegProgressed(carrier_data={"stream_uuid": SOCKET_UUID}),)
    )


def test_a_socket_that_completes_is_no_news() -> None:
    """Its socket has closed already, and the person's leg speaks for itself."""
    assert parse("stream", {**SOCKET, **SUMS, "status": "completed"}) == Hook()


@pytest.mark.parametrize("place", ["call_2/leg_1", "call_1/leg_2", "leg_1"])
@pytest.mark.parametrize("status", ["disconnected", "answered", "failed"])
def test_another_legs_stream_says_nothing_here(status: str, place: str) -> None:
    """The token does not cover the URL: a delivery about another leg's socket, posted to this leg's address, is refused."""
    with pytest.raises(BadSignature):
        parse("stream", {**SOCKET, "to": f"wss://gw.example.com/carriers/vonage/media/{place}/t", "status": status})


def test_another_legs_notify_says_nothing_here() -> None:
    """The payload that we gave the notify action names its leg."""
    with pytest.raises(BadSignature):
        parse("after", {"payload": {"leg": "leg_2"}, "conversation_uuid": CONVERSATION})


def test_after_the_stream_the_flow_asks_again() -> None:
    """The notify action's request is the last chance to say what comes now."""
    hook = parse("after", {"payload": {"leg": "leg_1"}, "conversation_uuid": CONVERSATION})
    assert hook == Hook(expects=Expectation.AFTER_STREAM_DOCUMENT)


@pytest.mark.parametrize("step", ["event", "stream"])
def test_an_error_webhook_is_kept_for_the_log(step: str) -> None:
    """It has a reason and no status, and ends nothing by itself: the flow goes on to `after`, or the leg completes."""
    reason = "Syntax error in NCCO. Invalid value type or action."
    hook = parse(step, {"reason": reason, "conversation_uuid": CONVERSATION})
    assert hook == Hook(events=(LegProgressed(carrier_data={"error": reason}),))


@pytest.mark.parametrize(
    "fields",
    [
        {"recording_url": "https://x", "recording_uuid": "r", "size": 178830, "conversation_uuid": CONVERSATION},
        {**BASE, "dtmf": "42", "timed_out": True},
        {**BASE, "type": "transfer", "conversation_uuid_from": "CON-1", "conversation_uuid_to": "CON-2"},
        {**BASE, "status": "a-status-of-tomorrow"},
    ],
)
def test_other_events_are_no_news(fields: dict[str, Any]) -> None:
    """Recordings, inputs, transfers and what does not exist yet change nothing."""
    assert parse("event", fields) == Hook()


def test_an_unknown_step_is_no_news() -> None:
    """A URL that we never gave out means nothing."""
    assert parse("elsewhere", BASE) == Hook()


@pytest.mark.parametrize("fields", [{"status": "started"}, {"status": "busy", "uuid": ""}, {"status": "completed", "uuid": 5}])
def test_an_event_without_a_uuid_is_malformed(fields: dict[str, Any]) -> None:
    """The documents promise the leg's id in every status."""
    with pytest.raises(Malformed):
        parse("event", fields)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"text"'])
@pytest.mark.parametrize("step", ["answer", "event", "stream", "after"])
def test_bodies_in_another_language_are_malformed(step: str, body: bytes) -> None:
    """Only a JSON object is a webhook."""
    hook = HookRequest(method="POST", url="https://gw.example.com/x", path=step, headers={}, body=body)
    with pytest.raises(Malformed):
        VonageWebhooks("secret").parse(hook, 0.0)
