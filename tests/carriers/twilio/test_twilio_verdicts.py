"""Twilio's codes, one line each."""

import json

import pytest

from carriers.twilio import verdicts
from gateway.domain.outcome import Outcome
from gateway.domain.verdict import Attribution, Disposition, Signal

NEXT, STOP, SUPPRESS = Disposition.NEXT_CARRIER, Disposition.STOP, Disposition.SUPPRESS
US, CARRIER, CALLEE, NETWORK, UNKNOWN = (
    Attribution.US,
    Attribution.CARRIER,
    Attribution.CALLEE,
    Attribution.NETWORK,
    Attribution.UNKNOWN,
)
RELEASE, FAILURE, SUCCESS, MISCONFIGURED = Signal.RELEASE, Signal.FAILURE, Signal.SUCCESS, Signal.MISCONFIGURED

API = [
    (401, 20003, NEXT, US, MISCONFIGURED, "bad-credentials", None),
    (403, 20005, NEXT, US, MISCONFIGURED, "account-suspended", None),
    (400, 20005, NEXT, US, MISCONFIGURED, "account-suspended", None),
    (403, 10001, NEXT, US, MISCONFIGURED, "account-suspended", None),
    (403, 20403, NEXT, US, MISCONFIGURED, "account-suspended", None),
    (400, 32005, NEXT, US, MISCONFIGURED, "voice-disabled", None),
    (400, 10004, NEXT, US, RELEASE, "concurrency-limit", None),
    (400, 22005, NEXT, US, RELEASE, "call-queue-full", None),
    (429, 20429, NEXT, US, RELEASE, "rate-limited", None),
    (400, 21211, STOP, CALLEE, RELEASE, "invalid-number", Outcome.INVALID_NUMBER),
    (400, 21217, STOP, CALLEE, RELEASE, "invalid-number", Outcome.INVALID_NUMBER),
    (400, 21202, STOP, US, RELEASE, "premium-number", Outcome.BLOCKED),
    (400, 21214, NEXT, NETWORK, RELEASE, "number-unreachable", None),
    (400, 21219, NEXT, US, RELEASE, "trial-unverified", None),
    (400, 573002, NEXT, US, RELEASE, "trial-unverified", None),
    (400, 573005, NEXT, US, RELEASE, "trial-unverified", None),
    (400, 21210, NEXT, US, RELEASE, "caller-id-refused", None),
    (400, 21212, NEXT, US, RELEASE, "caller-id-refused", None),
    (400, 21213, NEXT, US, RELEASE, "caller-id-refused", None),
    (400, 13247, NEXT, US, RELEASE, "caller-id-refused", None),
    (400, 21215, NEXT, US, RELEASE, "geo-permission", None),
    (400, 13227, NEXT, US, RELEASE, "geo-permission", None),
    (400, 21203, NEXT, US, RELEASE, "geo-permission", None),
    (400, 21216, STOP, CARRIER, RELEASE, "blocked-by-carrier", Outcome.BLOCKED),
    (400, 13225, STOP, CARRIER, RELEASE, "blocked-by-carrier", Outcome.BLOCKED),
    (400, 21201, STOP, US, RELEASE, "request-invalid", Outcome.FAILED),
    (400, 21205, STOP, US, RELEASE, "url-refused", Outcome.FAILED),
    (400, 21206, STOP, US, RELEASE, "request-invalid", Outcome.FAILED),
    (400, 21209, STOP, US, RELEASE, "request-invalid", Outcome.FAILED),
    (400, 21218, STOP, US, RELEASE, "request-invalid", Outcome.FAILED),
    (404, 20404, STOP, US, RELEASE, "not-found", Outcome.FAILED),
    (500, 20500, NEXT, CARRIER, FAILURE, "server-error", None),
    (503, 20503, NEXT, CARRIER, FAILURE, "service-unavailable", None),
    (400, 99999, NEXT, UNKNOWN, RELEASE, "unmapped", None),
    (599, 99999, NEXT, UNKNOWN, FAILURE, "unmapped", None),
]

HTML = [
    (401, US, MISCONFIGURED, "bad-credentials"),
    (403, US, MISCONFIGURED, "forbidden"),
    (404, US, RELEASE, "not-found"),
    (429, US, RELEASE, "rate-limited"),
    (500, CARRIER, FAILURE, "server-error"),
    (502, CARRIER, FAILURE, "bad-gateway"),
    (503, CARRIER, FAILURE, "service-unavailable"),
    (504, CARRIER, FAILURE, "gateway-timeout"),
    (418, UNKNOWN, RELEASE, "unmapped"),
]

ENDS = [
    ("completed", "200", STOP, CALLEE, SUCCESS, "normal-clearing", Outcome.COMPLETED),
    ("completed", "", STOP, CALLEE, SUCCESS, "normal-clearing", Outcome.COMPLETED),
    ("busy", "486", STOP, CALLEE, SUCCESS, "user-busy", Outcome.BUSY),
    ("busy", "487", STOP, CALLEE, SUCCESS, "user-busy", Outcome.BUSY),
    ("busy", "600", STOP, CALLEE, SUCCESS, "user-busy", Outcome.BUSY),
    ("busy", "", STOP, CALLEE, SUCCESS, "user-busy", Outcome.BUSY),
    ("no-answer", "487", STOP, CALLEE, SUCCESS, "no-answer", Outcome.NO_ANSWER),
    ("no-answer", "480", STOP, CALLEE, SUCCESS, "no-answer", Outcome.NO_ANSWER),
    ("no-answer", "", STOP, CALLEE, SUCCESS, "no-answer", Outcome.NO_ANSWER),
    ("canceled", "487", STOP, US, RELEASE, "canceled", Outcome.CANCELED),
    ("failed", "404", STOP, CALLEE, RELEASE, "invalid-number", Outcome.INVALID_NUMBER),
    ("failed", "410", STOP, CALLEE, RELEASE, "invalid-number", Outcome.INVALID_NUMBER),
    ("failed", "484", STOP, CALLEE, RELEASE, "invalid-number", Outcome.INVALID_NUMBER),
    ("failed", "485", STOP, CALLEE, RELEASE, "invalid-number", Outcome.INVALID_NUMBER),
    ("failed", "604", STOP, CALLEE, RELEASE, "invalid-number", Outcome.INVALID_NUMBER),
    ("failed", "486", STOP, CALLEE, SUCCESS, "user-busy", Outcome.BUSY),
    ("failed", "600", STOP, CALLEE, SUCCESS, "user-busy", Outcome.BUSY),
    ("failed", "480", STOP, CALLEE, SUCCESS, "no-answer", Outcome.NO_ANSWER),
    ("failed", "487", STOP, CALLEE, SUCCESS, "no-answer", Outcome.NO_ANSWER),
    ("failed", "603", STOP, CALLEE, SUCCESS, "declined", Outcome.DECLINED),
    ("failed", "607", SUPPRESS, CALLEE, SUCCESS, "unwanted", Outcome.DECLINED),
    ("failed", "608", STOP, NETWORK, RELEASE, "blocked-by-analytics", Outcome.BLOCKED),
    ("failed", "401", NEXT, US, RELEASE, "permission", None),
    ("failed", "402", NEXT, US, RELEASE, "permission", None),
    ("failed", "403", NEXT, US, RELEASE, "permission", None),
    ("failed", "407", NEXT, US, RELEASE, "permission", None),
    ("failed", "415", NEXT, CARRIER, RELEASE, "not-acceptable", None),
    ("failed", "488", NEXT, CARRIER, RELEASE, "not-acceptable", None),
    ("failed", "501", NEXT, CARRIER, RELEASE, "not-acceptable", None),
    ("failed", "606", NEXT, CARRIER, RELEASE, "not-acceptable", None),
    ("failed", "408", NEXT, CARRIER, FAILURE, "timed-out", None),
    ("failed", "500", NEXT, CARRIER, FAILURE, "server-error", None),
    ("failed", "502", NEXT, CARRIER, FAILURE, "bad-gateway", None),
    ("failed", "503", NEXT, CARRIER, FAILURE, "service-unavailable", None),
    ("failed", "504", NEXT, CARRIER, FAILURE, "gateway-timeout", None),
    ("failed", "505", NEXT, CARRIER, FAILURE, "carrier-failure", None),
    ("failed", "513", NEXT, CARRIER, FAILURE, "carrier-failure", None),
    ("failed", "", NEXT, CARRIER, FAILURE, "platform-failure", None),
    ("failed", "499", NEXT, UNKNOWN, RELEASE, "unmapped", None),
    ("failed", "599", NEXT, UNKNOWN, FAILURE, "unmapped", None),
]


@pytest.mark.parametrize(("status", "code", "disposition", "attribution", "signal", "reason", "outcome"), API)
def test_api_error(status, code, disposition, attribution, signal, reason, outcome) -> None:
    """An API error is judged by its code, whatever the HTTP status; an unknown one by neither `busy` nor the carrier's name."""
    body = json.dumps({"code": code, "message": "m", "more_info": "x", "status": status}).encode()
    verdict = verdicts.of_answer(status, {}, body)
    assert (verdict.disposition, verdict.attribution, verdict.signal) == (disposition, attribution, signal)
    assert (verdict.reason, verdict.outcome, verdict.code) == (reason, outcome, str(code))


@pytest.mark.parametrize(("status", "attribution", "signal", "reason"), HTML)
@pytest.mark.parametrize("body", [b"<html>oops</html>", b"", b"[]", b'{"code": null}', b"\xff\xfe"])
def test_body_without_code(status, attribution, signal, reason, body) -> None:
    """Without a readable code the HTTP status decides."""
    verdict = verdicts.of_answer(status, {}, body)
    assert (verdict.attribution, verdict.signal, verdict.reason) == (attribution, signal, reason)
    assert verdict.code == str(status)


@pytest.mark.parametrize(("status", "sip", "disposition", "attribution", "signal", "reason", "outcome"), ENDS)
def test_end_of_a_call(status, sip, disposition, attribution, signal, reason, outcome) -> None:
    """A final CallStatus is judged first by itself, and `failed` by its SIP code."""
    verdict = verdicts.of_end(status, sip)
    assert (verdict.disposition, verdict.attribution, verdict.signal) == (disposition, attribution, signal)
    assert (verdict.reason, verdict.outcome, verdict.code) == (reason, outcome, sip or status)


@pytest.mark.parametrize(
    ("error", "reason", "outcome"),
    [
        ("32017", "blocked-by-analytics", Outcome.BLOCKED),
        ("32203", "blocked-by-analytics", Outcome.BLOCKED),
        ("13225", "blocked-by-carrier", Outcome.BLOCKED),
        ("13227", "geo-permission", None),
        ("21215", "geo-permission", None),
    ],
)
def test_error_code_beats_sip_code(error, reason, outcome) -> None:
    """An ErrorCode says more than the SIP code that it hides behind."""
    verdict = verdicts.of_end("failed", "603", error)
    assert (verdict.reason, verdict.outcome, verdict.code) == (reason, outcome, error)


def test_every_stop_names_its_outcome() -> None:
    """No table holds a STOP or SUPPRESS that would leave a call without an outcome."""
    tables = (verdicts.API_ERRORS, verdicts.HTTP_STATUSES, verdicts.CALL_STATUSES, verdicts.FAILED_BY_SIP, verdicts.CALL_ERRORS)
    for table in tables:
        for code, verdict in table.items():
            assert verdict.disposition is NEXT or verdict.outcome is not None, code


def test_retry_after_and_message() -> None:
    """Retry-After is kept in seconds, and the numbers that Twilio quotes are not."""
    body = b'{"code":20429,"message":"Too many requests from +15550190001 to 15550100001"}'
    verdict = verdicts.of_answer(429, {"retry-after": "7"}, body)
    assert verdict.retry_after_s == 7.0
    assert verdict.detail == "Too many requests from (number) to (number)"
    assert verdicts.of_answer(429, {"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, body).retry_after_s is None


def test_failed_resource_blames_nobody() -> None:
    """A fetched call that says `failed` has no SIP code, so nothing is held against carrier or callee."""
    verdict = verdicts.of_resource("failed")
    assert (verdict.attribution, verdict.signal, verdict.disposition) == (UNKNOWN, RELEASE, NEXT)
    assert verdicts.of_resource("busy").outcome is Outcome.BUSY
