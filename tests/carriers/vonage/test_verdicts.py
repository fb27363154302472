"""Vonage's words and codes, one line each."""

import json
from typing import Any

import pytest

from carriers.shot import HttpAnswer
from carriers.vonage import verdicts
from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.verdict import Attribution, Disposition, Signal

NEXT, STOP, SUPPRESS = Disposition.NEXT_CARRIER, Disposition.STOP, Disposition.SUPPRESS
CARRIER, CALLEE, US, UNKNOWN = Attribution.CARRIER, Attribution.CALLEE, Attribution.US, Attribution.UNKNOWN
FAILURE, RELEASE, SUCCESS, MISCONFIGURED = Signal.FAILURE, Signal.RELEASE, Signal.SUCCESS, Signal.MISCONFIGURED

ENDS: list[tuple[str, str, int | None, str, Disposition, Attribution, Signal, Outcome | None]] = [
    ("busy", "", None, "user-busy", STOP, CALLEE, SUCCESS, Outcome.BUSY),
    ("busy", "", 486, "user-busy", STOP, CALLEE, SUCCESS, Outcome.BUSY),
    ("busy", "cannot_route", 486, "user-busy", STOP, CALLEE, SUCCESS, Outcome.BUSY),
    ("busy", "cannot_route", 600, "user-busy", STOP, CALLEE, SUCCESS, Outcome.BUSY),
    ("busy", "cannot_route", None, "cannot-route", NEXT, US, RELEASE, None),
    ("timeout", "", None, "no-answer", STOP, CALLEE, SUCCESS, Outcome.NO_ANSWER),
    ("unanswered", "", None, "no-answer", STOP, CALLEE, SUCCESS, Outcome.NO_ANSWER),
    ("unanswered", "unavailable", 480, "subscriber-unavailable", STOP, CALLEE, SUCCESS, Outcome.NO_ANSWER),
    ("unanswered", "timeout", 408, "carrier-timeout", NEXT, CARRIER, FAILURE, None),
    ("unanswered", "carrier_timeout", 504, "carrier-timeout", NEXT, CARRIER, FAILURE, None),
    ("cancelled", "", None, "canceled", STOP, US, RELEASE, Outcome.CANCELED),
    ("rejected", "declined", 603, "call-declined", STOP, CALLEE, SUCCESS, Outcome.DECLINED),
    ("rejected", "restricted", 403, "caller-id-refused", NEXT, US, RELEASE, None),
    ("rejected", "invalid_number", None, "invalid-number", STOP, CALLEE, RELEASE, Outcome.INVALID_NUMBER),
    ("rejected", "declined", 607, "unwanted", SUPPRESS, CALLEE, SUCCESS, Outcome.DECLINED),
    ("rejected", "declined", 608, "blocked-by-analytics", STOP, Attribution.NETWORK, RELEASE, Outcome.BLOCKED),
    ("rejected", "", None, "unmapped", NEXT, UNKNOWN, FAILURE, None),
    ("failed", "cannot_route", None, "cannot-route", NEXT, US, RELEASE, None),
    ("failed", "number_out_of_service", 404, "number-out-of-service", STOP, CALLEE, RELEASE, Outcome.INVALID_NUMBER),
    ("failed", "internal_error", 503, "carrier-internal-error", NEXT, CARRIER, FAILURE, None),
    ("failed", "", None, "unmapped", NEXT, UNKNOWN, FAILURE, None),
    ("failed", "a_new_word", 486, "user-busy", STOP, CALLEE, SUCCESS, Outcome.BUSY),
    ("failed", "a_new_word", 404, "unmapped", NEXT, UNKNOWN, FAILURE, None),
    ("failed", "", 799, "unmapped", NEXT, UNKNOWN, FAILURE, None),
    ("failed", "", 403, "caller-id-refused", NEXT, US, RELEASE, None),
    ("failed", "", 404, "invalid-number", STOP, CALLEE, RELEASE, Outcome.INVALID_NUMBER),
    ("failed", "", 408, "carrier-timeout", NEXT, CARRIER, FAILURE, None),
    ("failed", "", 410, "invalid-number", STOP, CALLEE, RELEASE, Outcome.INVALID_NUMBER),
    ("failed", "", 480, "subscriber-unavailable", STOP, CALLEE, SUCCESS, Outcome.NO_ANSWER),
    ("failed", "", 484, "invalid-number", STOP, CALLEE, RELEASE, Outcome.INVALID_NUMBER),
    ("failed", "", 487, "canceled", STOP, US, RELEASE, Outcome.CANCELED),
    ("failed", "", 500, "service-unavailable", NEXT, CARRIER, FAILURE, None),
    ("failed", "", 502, "service-unavailable", NEXT, CARRIER, FAILURE, None),
    ("failed", "", 503, "carrier-congestion", NEXT, CARRIER, FAILURE, None),
    ("failed", "", 504, "carrier-timeout", NEXT, CARRIER, FAILURE, None),
    ("failed", "", 580, "service-unavailable", NEXT, CARRIER, FAILURE, None),
    ("failed", "", 600, "user-busy", STOP, CALLEE, SUCCESS, Outcome.BUSY),
    ("failed", "", 603, "call-declined", STOP, CALLEE, SUCCESS, Outcome.DECLINED),
    ("failed", "", 604, "invalid-number", STOP, CALLEE, RELEASE, Outcome.INVALID_NUMBER),
    ("failed", "", 607, "unwanted", SUPPRESS, CALLEE, SUCCESS, Outcome.DECLINED),
    ("failed", "", 608, "blocked-by-analytics", STOP, Attribution.NETWORK, RELEASE, Outcome.BLOCKED),
]


@pytest.mark.parametrize("row", ENDS, ids=lambda row: ":".join(str(part) for part in row[:3]))
def test_each_end_is_judged(row: Any) -> None:
    """Status, detail and SIP code of an end lead to one verdict, and stay readable in its code."""
    status, detail, sip_code, reason, disposition, attribution, signal, outcome = row
    verdict = verdicts.end_verdict(status, detail, sip_code)
    found = (verdict.reason, verdict.disposition, verdict.attribution, verdict.signal, verdict.outcome)
    assert found == (reason, disposition, attribution, signal, outcome)
    assert (verdict.code or "").startswith(status)


def test_every_stop_has_an_outcome() -> None:
    """A verdict that ends the call says how the call ended."""
    tables = (verdicts.BY_DETAIL, verdicts.BY_SIP_CODE, verdicts.BY_STATUS, verdicts.BY_HTTP_STATUS, verdicts.BY_PROBLEM)
    judged = [verdict for table in tables for verdict in table.values()]
    assert all(verdict.outcome is not None for verdict in judged if verdict.disposition in {STOP, SUPPRESS})


def test_every_code_of_the_tables_is_tested() -> None:
    """No detail word or SIP code stands in the tables without a line above."""
    assert set(verdicts.BY_DETAIL) <= {row[1] for row in ENDS}
    assert set(verdicts.BY_SIP_CODE) <= {row[2] for row in ENDS}
    assert set(verdicts.BY_STATUS) <= {row[0] for row in ENDS}


REFUSALS: list[tuple[int, str, str, Attribution, Signal]] = [
    (400, "", "bad-request", US, RELEASE),
    (401, "unauthorized", "unauthorized", US, MISCONFIGURED),
    (401, "jwt-expired", "jwt-expired", US, MISCONFIGURED),
    (401, "jwt-revoked", "jwt-revoked", US, MISCONFIGURED),
    (401, "invalid-api-key", "invalid-api-key", US, MISCONFIGURED),
    (401, "invalid-signature", "invalid-signature", US, MISCONFIGURED),
    (401, "", "unauthorized", US, MISCONFIGURED),
    (402, "", "no-credit", US, MISCONFIGURED),
    (403, "", "caller-id-refused", US, RELEASE),
    (403, "low-balance", "no-credit", US, MISCONFIGURED),
    (403, "out-of-credit", "no-credit", US, MISCONFIGURED),
    (403, "account-suspended", "account-suspended", US, MISCONFIGURED),
    (403, "unprovisioned", "unprovisioned", US, MISCONFIGURED),
    (404, "", "route-missing", US, RELEASE),
    (409, "", "conflict", US, RELEASE),
    (418, "", "unmapped", UNKNOWN, RELEASE),
    (422, "", "bad-request", US, RELEASE),
    (429, "rate-limit", "rate-limited", US, RELEASE),
    (429, "", "rate-limited", US, RELEASE),
    (500, "", "carrier-internal-error", CARRIER, FAILURE),
    (502, "", "service-unavailable", CARRIER, FAILURE),
    (503, "", "service-unavailable", CARRIER, FAILURE),
    (503, "unauthorized", "service-unavailable", CARRIER, FAILURE),
    (504, "", "carrier-timeout", CARRIER, FAILURE),
    (599, "", "service-unavailable", CARRIER, FAILURE),
]


@pytest.mark.parametrize(("status", "word", "reason", "attribution", "signal"), REFUSALS)
def test_each_refusal_frees_the_call(status: int, word: str, reason: str, attribution: Attribution, signal: Signal) -> None:
    """Every refusal of a create-call leads to the next carrier; 4xx was surely not placed, 5xx may have been."""
    body = json.dumps({"type": f"https://developer.vonage.com/api-errors#{word}", "title": "t"} if word else {}).encode()
    placed = verdicts.judge(HttpAnswer(status=status, headers={}, body=body))
    assert placed.verdict is not None
    assert placed.knowledge is (Knowledge.UNKNOWN if status >= 500 else Knowledge.REFUSED)
    found = (placed.verdict.disposition, placed.verdict.reason, placed.verdict.attribution, placed.verdict.signal)
    assert found == (NEXT, reason, attribution, signal)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["to"], "invalid-number"),
        (["to[0].number"], "invalid-number"),
        (["from"], "caller-id-refused"),
        (["ncco"], "bad-request"),
    ],
)
def test_a_400_is_judged_by_the_parameter_that_it_names(names: list[str], reason: str) -> None:
    """A wrong `to` is the callee's number, a wrong `from` is ours, anything else is our request."""
    body = json.dumps({"type": "x#invalid-params", "invalid_parameters": [{"name": name, "reason": "r"} for name in names]})
    assert verdicts.api_verdict(400, {}, body.encode()).reason == reason


def test_a_pause_that_the_carrier_asks_for_is_kept() -> None:
    """Retry-After in seconds becomes the verdict's; one that is no number is left alone."""
    assert verdicts.api_verdict(429, {"retry-after": "7"}, b"").retry_after_s == 7.0
    assert verdicts.api_verdict(429, {"retry-after": "soon"}, b"").retry_after_s == 1.0


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"type": 5}', b"\xff\xfe"])
def test_unreadable_bodies_are_judged_by_status(body: bytes) -> None:
    """A body in no language leaves the HTTP status to speak."""
    assert verdicts.api_verdict(401, {}, body).reason == "unauthorized"


@pytest.mark.parametrize(
    ("value", "code"), [(486, 486), ("486", 486), ("", None), (None, None), ("busy", None), (0, None), ([486], None)]
)
def test_sip_codes_come_as_numbers_and_as_strings(value: Any, code: int | None) -> None:
    """`sip_code` is read in both forms, and ignored in any other."""
    assert verdicts.sip_code_of(value) == code


def test_completed_is_a_conversation_only_with_an_answer() -> None:
    """Without proof of an answer, `completed` is an end that nobody explains, and nobody's fault."""
    assert verdicts.completed(answered=True).outcome is Outcome.COMPLETED
    silent = verdicts.completed(answered=False)
    assert (silent.outcome, silent.attribution, silent.signal) == (Outcome.NO_ANSWER, UNKNOWN, RELEASE)


@pytest.mark.parametrize("status", ["failed", "rejected"])
def test_a_record_that_gives_no_reason_blames_nobody(status: str) -> None:
    """`detail` is in webhooks only: a look-up may free the call, but not speak against the carrier."""
    verdict = verdicts.recorded_end(status, answered=False)
    assert (verdict.disposition, verdict.reason, verdict.signal) == (NEXT, f"{status}-unexplained", RELEASE)
