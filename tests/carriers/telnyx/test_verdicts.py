"""Telnyx' codes, one line each."""

import json
from typing import Any

import pytest

from carriers.shot import HttpAnswer
from carriers.telnyx import verdicts
from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.verdict import Attribution, Disposition, Signal

A, D, S = Attribution, Disposition, Signal  # the tables below are wide


def answer(status: int, code: str = "", pointer: str = "", headers: dict[str, str] | None = None) -> HttpAnswer:
    error: dict[str, Any] = {"code": code, "title": "A title", "detail": "..."}
    if pointer:
        error["source"] = {"pointer": pointer}
    return HttpAnswer(status=status, headers=headers or {}, body=json.dumps({"errors": [error] if code else []}).encode())


REFUSALS = [
    # status, code, pointer -> reason, attribution, disposition, signal
    (401, "10009", "", "wrong-credentials", A.US, D.NEXT_CARRIER, S.MISCONFIGURED),
    (401, "20001", "", "wrong-credentials", A.US, D.NEXT_CARRIER, S.MISCONFIGURED),
    (401, "20002", "", "wrong-credentials", A.US, D.NEXT_CARRIER, S.MISCONFIGURED),
    (401, "20003", "", "wrong-credentials", A.US, D.NEXT_CARRIER, S.MISCONFIGURED),
    (401, "20008", "", "wrong-credentials", A.US, D.NEXT_CARRIER, S.MISCONFIGURED),
    (404, "10005", "", "unknown-resource", A.US, D.NEXT_CARRIER, S.RELEASE),
    (403, "10010", "", "not-permitted", A.US, D.NEXT_CARRIER, S.RELEASE),
    (403, "10038", "", "account-tier", A.US, D.NEXT_CARRIER, S.RELEASE),
    (403, "10039", "", "account-tier", A.US, D.NEXT_CARRIER, S.RELEASE),
    (403, "20014", "", "account-tier", A.US, D.NEXT_CARRIER, S.RELEASE),
    (403, "20017", "", "account-tier", A.US, D.NEXT_CARRIER, S.RELEASE),
    (403, "D60", "", "account-tier", A.US, D.NEXT_CARRIER, S.RELEASE),
    (403, "20012", "", "account-suspended", A.US, D.NEXT_CARRIER, S.MISCONFIGURED),
    (403, "20013", "", "account-suspended", A.US, D.NEXT_CARRIER, S.MISCONFIGURED),
    (403, "20100", "", "out-of-funds", A.US, D.NEXT_CARRIER, S.MISCONFIGURED),
    (402, "20100", "", "out-of-funds", A.US, D.NEXT_CARRIER, S.MISCONFIGURED),
    (422, "10016", "/to", "invalid-number", A.CALLEE, D.STOP, S.RELEASE),
    (422, "10002", "", "invalid-number", A.CALLEE, D.STOP, S.RELEASE),
    (422, "10016", "/from", "caller-id-refused", A.US, D.NEXT_CARRIER, S.RELEASE),
    (422, "10001", "", "caller-id-inactive", A.US, D.NEXT_CARRIER, S.RELEASE),
    (422, "10015", "", "malformed-request", A.US, D.NEXT_CARRIER, S.RELEASE),
    (422, "10015", "/to", "invalid-number", A.CALLEE, D.STOP, S.RELEASE),
    (422, "10015", "/connection_id", "connection-misconfigured", A.US, D.NEXT_CARRIER, S.RELEASE),
    (422, "10006", "", "connection-misconfigured", A.US, D.NEXT_CARRIER, S.RELEASE),
    (422, "10017", "", "connection-misconfigured", A.US, D.NEXT_CARRIER, S.RELEASE),
    (400, "10000", "", "malformed-request", A.US, D.NEXT_CARRIER, S.RELEASE),
    (400, "10004", "", "malformed-request", A.US, D.NEXT_CARRIER, S.RELEASE),
    (422, "90017", "", "malformed-request", A.US, D.NEXT_CARRIER, S.RELEASE),
    (403, "90041", "", "concurrency-limit", A.US, D.NEXT_CARRIER, S.RELEASE),
    (422, "90042", "", "concurrency-limit", A.US, D.NEXT_CARRIER, S.RELEASE),
    (422, "90043", "", "concurrency-limit", A.US, D.NEXT_CARRIER, S.RELEASE),
    (429, "90103", "", "pace-limit", A.US, D.NEXT_CARRIER, S.RELEASE),
    (429, "10011", "", "rate-limited", A.US, D.NEXT_CARRIER, S.RELEASE),
    (422, "99999", "", "unmapped", A.UNKNOWN, D.NEXT_CARRIER, S.FAILURE),
    (418, "", "", "unmapped", A.UNKNOWN, D.NEXT_CARRIER, S.FAILURE),
    (401, "", "", "wrong-credentials", A.US, D.NEXT_CARRIER, S.MISCONFIGURED),
    (404, "", "", "unknown-resource", A.US, D.NEXT_CARRIER, S.RELEASE),
    (429, "", "", "rate-limited", A.US, D.NEXT_CARRIER, S.RELEASE),
]


@pytest.mark.parametrize(("status", "code", "pointer", "reason", "attribution", "disposition", "signal"), REFUSALS)
def test_each_refusal_of_the_api_has_its_verdict(
    status: int, code: str, pointer: str, reason: str, attribution: Attribution, disposition: Disposition, signal: Signal
) -> None:
    """A 4xx is a refusal, judged by its error code, its pointer, or its HTTP status."""
    placed = verdicts.judge_refusal(answer(status, code, pointer))
    assert placed.knowledge is Knowledge.REFUSED
    assert placed.verdict is not None
    found = (placed.verdict.reason, placed.verdict.attribution, placed.verdict.disposition, placed.verdict.signal)
    assert (reason, attribution, disposition, signal) == found
    assert (code or str(status)) == placed.verdict.code


@pytest.mark.parametrize(("status", "code"), [(500, "10007"), (502, ""), (503, "10008"), (504, "10037"), (599, "77777")])
def test_every_5xx_leaves_the_dial_unknown(status: int, code: str) -> None:
    """Telnyx may have placed a call that it answers with 5xx, so nobody else may dial yet; the carrier is at fault."""
    placed = verdicts.judge_refusal(answer(status, code))
    assert placed.verdict is not None
    assert (placed.knowledge, placed.verdict.reason, placed.verdict.signal) == (Knowledge.UNKNOWN, "platform-error", S.FAILURE)


def test_the_error_that_says_most_is_judged() -> None:
    """Of several errors in one answer the first whose code is known decides."""
    body = b'{"errors":[{"code":"55555"},{"code":90103,"title":"Too fast"}]}'
    verdict = verdicts.judge_answer(HttpAnswer(status=429, headers={}, body=body))
    assert (verdict.reason, verdict.code, verdict.detail) == ("pace-limit", "90103", "Too fast")


@pytest.mark.parametrize(("headers", "seconds"), [({"retry-after": "7"}, 7.0), ({"x-ratelimit-reset": "2"}, 2.0), ({}, None)])
def test_how_long_to_wait_is_taken_from_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    """Retry-After, or Telnyx' own x-ratelimit-reset, tells how long the carrier is to be left alone."""
    assert seconds == verdicts.judge_answer(answer(429, "10011", headers=headers)).retry_after_s


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"errors":null}', b'{"errors":[{"code":null}]}', b"\xff\xfe", b'"\xff"']
)
def test_an_unreadable_error_is_judged_by_its_status(body: bytes) -> None:
    """A refusal in no language of Telnyx' still has a verdict."""
    assert verdicts.judge_answer(HttpAnswer(status=403, headers={}, body=body)).reason == "not-permitted"


def test_a_detail_shows_no_telephone_number() -> None:
    """The carrier's words go to the log without the numbers in them."""
    body = b'{"errors":[{"code":"10010","title":"Caller +15550190011 may not"}]}'
    verdict = verdicts.judge_answer(HttpAnswer(status=403, headers={}, body=body))
    assert verdict.detail == "Caller # may not"


ENDINGS = [
    # cause, sip -> reason, disposition, outcome, signal, alerted, answered
    ("normal_clearing", "200", "normal-clearing", D.STOP, Outcome.COMPLETED, S.SUCCESS, False, False),
    ("normal_clearing", "503", "normal-clearing", D.STOP, Outcome.COMPLETED, S.SUCCESS, False, False),
    ("normal_clearing", "unspecified", "normal-clearing", D.STOP, Outcome.COMPLETED, S.SUCCESS, False, False),
    ("originator_cancel", "487", "canceled", D.STOP, Outcome.CANCELED, S.RELEASE, False, False),
    ("time_limit", "200", "time-limit", D.STOP, Outcome.COMPLETED, S.SUCCESS, True, True),
    ("user_busy", "486", "user-busy", D.STOP, Outcome.BUSY, S.SUCCESS, True, False),
    ("user_busy", "600", "user-busy", D.STOP, Outcome.BUSY, S.SUCCESS, True, False),
    ("timeout", "487", "no-answer", D.STOP, Outcome.NO_ANSWER, S.SUCCESS, False, False),
    ("timeout", "408", "no-answer", D.STOP, Outcome.NO_ANSWER, S.SUCCESS, False, False),
    ("no_answer", "480", "no-answer", D.STOP, Outcome.NO_ANSWER, S.SUCCESS, False, False),
    ("no_answer", "unspecified", "no-answer", D.STOP, Outcome.NO_ANSWER, S.SUCCESS, False, False),
    ("not_found", "404", "invalid-number", D.STOP, Outcome.INVALID_NUMBER, S.RELEASE, False, False),
    ("not_found", "410", "invalid-number", D.STOP, Outcome.INVALID_NUMBER, S.RELEASE, False, False),
    ("not_found", "484", "invalid-number", D.STOP, Outcome.INVALID_NUMBER, S.RELEASE, False, False),
    ("not_found", "604", "invalid-number", D.STOP, Outcome.INVALID_NUMBER, S.RELEASE, False, False),
    ("not_found", "unspecified", "invalid-number", D.STOP, Outcome.INVALID_NUMBER, S.RELEASE, False, False),
    ("call_rejected", "603", "declined", D.STOP, Outcome.DECLINED, S.SUCCESS, True, False),
    ("call_rejected", "unspecified", "declined", D.STOP, Outcome.DECLINED, S.SUCCESS, True, False),
    ("call_rejected", "607", "unwanted", D.SUPPRESS, Outcome.DECLINED, S.SUCCESS, True, False),
    ("call_rejected", "608", "blocked-by-analytics", D.STOP, Outcome.BLOCKED, S.RELEASE, False, False),
    ("unspecified", "480", "unreachable", D.STOP, Outcome.NO_ANSWER, S.SUCCESS, False, False),
    ("call_rejected", "401", "account-refused", D.NEXT_CARRIER, None, S.RELEASE, False, False),
    ("call_rejected", "402", "account-refused", D.NEXT_CARRIER, None, S.RELEASE, False, False),
    ("call_rejected", "403", "forbidden", D.NEXT_CARRIER, None, S.RELEASE, False, False),
    ("unspecified", "403", "forbidden", D.NEXT_CARRIER, None, S.RELEASE, False, False),
    ("unspecified", "407", "account-refused", D.NEXT_CARRIER, None, S.RELEASE, False, False),
    ("unspecified", "408", "no-response", D.NEXT_CARRIER, None, S.FAILURE, False, False),
    ("unspecified", "415", "media-refused", D.NEXT_CARRIER, None, S.RELEASE, False, False),
    ("unspecified", "429", "rate-limited", D.NEXT_CARRIER, None, S.RELEASE, False, False),
    ("unspecified", "488", "media-refused", D.NEXT_CARRIER, None, S.RELEASE, False, False),
    ("unspecified", "500", "network-failure", D.NEXT_CARRIER, None, S.FAILURE, False, False),
    ("unspecified", "501", "not-implemented", D.NEXT_CARRIER, None, S.RELEASE, False, False),
    ("unspecified", "502", "network-failure", D.NEXT_CARRIER, None, S.FAILURE, False, False),
    ("timeout", "503", "service-unavailable", D.NEXT_CARRIER, None, S.FAILURE, False, False),
    ("unspecified", "503", "service-unavailable", D.NEXT_CARRIER, None, S.FAILURE, False, False),
    ("unspecified", "504", "network-failure", D.NEXT_CARRIER, None, S.FAILURE, False, False),
    ("unspecified", "505", "network-failure", D.NEXT_CARRIER, None, S.FAILURE, False, False),
    ("unspecified", "513", "network-failure", D.NEXT_CARRIER, None, S.FAILURE, False, False),
    ("unspecified", "606", "media-refused", D.NEXT_CARRIER, None, S.RELEASE, False, False),
    ("unspecified", "unspecified", "unspecified", D.NEXT_CARRIER, None, S.FAILURE, False, False),
    ("a_new_cause", "unspecified", "unmapped", D.NEXT_CARRIER, None, S.FAILURE, False, False),
    ("", "", "unmapped", D.NEXT_CARRIER, None, S.FAILURE, False, False),
]


@pytest.mark.parametrize(("cause", "sip", "reason", "disposition", "outcome", "signal", "alerted", "answered"), ENDINGS)
def test_each_hang_up_has_its_verdict(
    cause: str,
    sip: str,
    reason: str,
    disposition: Disposition,
    outcome: Outcome | None,
    signal: Signal,
    alerted: bool,
    answered: bool,
) -> None:
    """The cause that says what happened comes first, then the SIP code, then the bare cause."""
    ending = verdicts.judge_hangup(cause, sip, seconds=9.0)
    verdict = ending.verdict
    assert (reason, disposition, outcome, signal) == (verdict.reason, verdict.disposition, verdict.outcome, verdict.signal)
    assert (alerted, answered) == (ending.alerted, ending.answered)


@pytest.mark.parametrize(("cause", "sip"), [("not_found", "404"), ("unspecified", "404"), ("not_found", "unspecified")])
def test_a_404_at_once_is_telnyx_own_and_another_carrier_has_the_last_word(cause: str, sip: str) -> None:
    """No route, an inactive connection and a billing block are 404 too; they come before any network was asked."""
    assert verdicts.judge_hangup(cause, sip, seconds=0.4).verdict.disposition is D.NEXT_CARRIER
    assert verdicts.judge_hangup(cause, sip, seconds=1.0).verdict.disposition is D.STOP
    assert verdicts.judge_hangup(cause, sip, seconds=None).verdict.disposition is D.STOP


def test_every_verdict_that_stops_a_call_names_its_outcome() -> None:
    """Nothing that ends a call leaves open how it ended."""
    endings = [*verdicts.SAID_BY_CAUSE.values(), *verdicts.SIP.values(), *verdicts.CAUSES.values()]
    judged = [ending.verdict for ending in endings] + list(verdicts.API_CODES.values())
    stopping = [verdict for verdict in judged if verdict.disposition in {D.STOP, D.SUPPRESS}]
    assert stopping
    assert all(verdict.outcome is not None for verdict in stopping)


def test_nothing_unknown_is_called_busy() -> None:
    """Of all table lines only those for a busy person say so."""
    busy = {code for code, ending in verdicts.SIP.items() if ending.verdict.outcome is Outcome.BUSY}
    assert busy == {"486", "600"}
