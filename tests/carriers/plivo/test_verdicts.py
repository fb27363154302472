"""Each of Plivo's codes and what it means, one line a code."""

import pytest

from carriers.plivo import verdicts
from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.verdict import Attribution, Disposition, Signal

NEXT, STOP = Disposition.NEXT_CARRIER, Disposition.STOP
CARRIER, CALLEE, US, NETWORK, UNKNOWN = (
    Attribution.CARRIER,
    Attribution.CALLEE,
    Attribution.US,
    Attribution.NETWORK,
    Attribution.UNKNOWN,
)
SUCCESS, FAILURE, RELEASE, MISCONFIGURED = Signal.SUCCESS, Signal.FAILURE, Signal.RELEASE, Signal.MISCONFIGURED

HANGUPS = [
    # code, disposition, attribution, signal, outcome, reason, alerted
    (0, NEXT, UNKNOWN, FAILURE, None, "unknown-cause", False),
    (1000, STOP, US, RELEASE, Outcome.CANCELED, "canceled", False),
    (1010, NEXT, US, MISCONFIGURED, None, "out-of-credit", False),
    (1020, NEXT, US, RELEASE, None, "simultaneous-dial-limit", False),
    (2000, STOP, CALLEE, RELEASE, Outcome.INVALID_NUMBER, "invalid-destination", False),
    (2010, STOP, CALLEE, RELEASE, Outcome.INVALID_NUMBER, "destination-out-of-service", False),
    (2020, STOP, CALLEE, SUCCESS, Outcome.NO_ANSWER, "endpoint-not-registered", False),
    (2030, NEXT, US, RELEASE, None, "destination-country-barred", False),
    (2040, NEXT, US, RELEASE, None, "destination-number-barred", False),
    (2050, NEXT, US, RELEASE, None, "destination-prefix-barred", False),
    (2060, STOP, US, RELEASE, Outcome.FAILED, "loop-detected", False),
    (2070, NEXT, US, RELEASE, None, "media-anchoring", False),
    (3000, STOP, CALLEE, SUCCESS, Outcome.NO_ANSWER, "no-answer", False),
    (3010, STOP, CALLEE, SUCCESS, Outcome.BUSY, "user-busy", True),
    (3020, STOP, CALLEE, SUCCESS, Outcome.DECLINED, "rejected", True),
    (3030, NEXT, US, RELEASE, None, "caller-id-unknown", False),
    (3040, STOP, UNKNOWN, RELEASE, Outcome.BLOCKED, "forbidden", False),
    (3050, STOP, CALLEE, RELEASE, Outcome.INVALID_NUMBER, "unallocated-number", False),
    (3070, NEXT, CARRIER, FAILURE, None, "request-timeout", False),
    (3080, NEXT, CARRIER, FAILURE, None, "carrier-server-error", False),
    (3090, NEXT, CARRIER, FAILURE, None, "network-congestion", False),
    (3100, STOP, CALLEE, SUCCESS, Outcome.BUSY, "busy-everywhere", True),
    (3110, STOP, CALLEE, SUCCESS, Outcome.DECLINED, "declined", True),
    (3120, STOP, CALLEE, RELEASE, Outcome.INVALID_NUMBER, "no-such-user", False),
    (3130, STOP, US, RELEASE, Outcome.BLOCKED, "spam-blocked", False),
    (3140, NEXT, US, RELEASE, None, "caller-id-do-not-originate", False),
    (4000, STOP, CALLEE, SUCCESS, Outcome.COMPLETED, "normal-clearing", True),
    (4010, STOP, CALLEE, SUCCESS, Outcome.COMPLETED, "end-of-document", True),
    (4020, STOP, CALLEE, SUCCESS, Outcome.COMPLETED, "conference-ended", True),
    (4030, STOP, CALLEE, SUCCESS, Outcome.COMPLETED, "kicked", True),
    (4210, STOP, US, RELEASE, Outcome.FAILED, "sip-auth-failed", False),
    (4240, STOP, US, RELEASE, Outcome.FAILED, "sip-auth-failed", False),
    (4250, STOP, US, RELEASE, Outcome.FAILED, "sip-auth-timeout", False),
    (5000, NEXT, CARRIER, FAILURE, None, "network-error", False),
    (5010, NEXT, CARRIER, FAILURE, None, "internal-error", False),
    (5020, NEXT, CARRIER, FAILURE, None, "routing-error", False),
    (5030, NEXT, US, RELEASE, None, "concurrency-limit", False),
    (6000, STOP, US, SUCCESS, Outcome.COMPLETED, "max-duration", True),
    (6010, STOP, CALLEE, SUCCESS, Outcome.NO_ANSWER, "ring-timeout", True),
    (6020, NEXT, NETWORK, FAILURE, None, "media-timeout", True),
    (7011, STOP, US, RELEASE, Outcome.FAILED, "answer-url-unreachable", False),
    (7012, STOP, US, RELEASE, Outcome.FAILED, "action-url-unreachable", False),
    (7013, STOP, US, RELEASE, Outcome.FAILED, "transfer-url-unreachable", False),
    (7014, STOP, US, RELEASE, Outcome.FAILED, "redirect-url-unreachable", False),
    (7022, STOP, US, RELEASE, Outcome.FAILED, "action-url-invalid", False),
    (7023, STOP, US, RELEASE, Outcome.FAILED, "transfer-url-invalid", False),
    (7024, STOP, US, RELEASE, Outcome.FAILED, "redirect-url-invalid", False),
    (7032, STOP, US, RELEASE, Outcome.FAILED, "action-method-invalid", False),
    (7033, STOP, US, RELEASE, Outcome.FAILED, "transfer-method-invalid", False),
    (7034, STOP, US, RELEASE, Outcome.FAILED, "redirect-method-invalid", False),
    (8011, STOP, US, RELEASE, Outcome.FAILED, "answer-document-invalid", False),
    (8012, STOP, US, RELEASE, Outcome.FAILED, "action-document-invalid", False),
    (8013, STOP, US, RELEASE, Outcome.FAILED, "transfer-document-invalid", False),
    (8014, STOP, US, RELEASE, Outcome.FAILED, "redirect-document-invalid", False),
    (9000, STOP, US, RELEASE, Outcome.CANCELED, "lost-race", False),
    (9100, STOP, CALLEE, SUCCESS, Outcome.COMPLETED, "machine-detected", True),
    (9110, STOP, CALLEE, SUCCESS, Outcome.COMPLETED, "confirmation-failed", True),
]


@pytest.mark.parametrize(("code", "disposition", "attribution", "signal", "outcome", "reason", "alerted"), HANGUPS)
def test_hangup_cause(
    code: int,
    disposition: Disposition,
    attribution: Attribution,
    signal: Signal,
    outcome: Outcome | None,
    reason: str,
    alerted: bool,
) -> None:
    """A hang-up code has its verdict, names itself in it, and says whether it proves that the phone was alerted."""
    end = verdicts.terminal(str(code), answered=False)
    verdict = end.verdict
    told = (verdict.disposition, verdict.attribution, verdict.signal, verdict.outcome, verdict.reason, verdict.code, end.alerted)
    assert told == (disposition, attribution, signal, outcome, reason, str(code), alerted)


def test_every_hangup_code_is_tested() -> None:
    """No line of the table escapes this file."""
    assert sorted(line[0] for line in HANGUPS) == sorted(verdicts.HANGUP_CAUSES)


STATUSES = [
    (400, NEXT, US, RELEASE, "invalid-request", Knowledge.REFUSED),
    (401, NEXT, US, MISCONFIGURED, "bad-credentials", Knowledge.REFUSED),
    (402, NEXT, US, MISCONFIGURED, "out-of-credit", Knowledge.REFUSED),
    (403, NEXT, US, RELEASE, "not-permitted", Knowledge.REFUSED),
    (404, NEXT, US, MISCONFIGURED, "no-such-account", Knowledge.REFUSED),
    (405, NEXT, US, RELEASE, "invalid-request", Knowledge.REFUSED),
    (409, NEXT, US, RELEASE, "conflict", Knowledge.REFUSED),
    (422, NEXT, US, RELEASE, "invalid-request", Knowledge.REFUSED),
    (429, NEXT, US, RELEASE, "rate-limited", Knowledge.REFUSED),
    (500, NEXT, CARRIER, FAILURE, "server-error", Knowledge.UNKNOWN),
    (502, NEXT, CARRIER, FAILURE, "bad-gateway", Knowledge.UNKNOWN),
    (503, NEXT, CARRIER, FAILURE, "service-unavailable", Knowledge.UNKNOWN),
    (504, NEXT, CARRIER, FAILURE, "gateway-timeout", Knowledge.UNKNOWN),
    (302, NEXT, UNKNOWN, RELEASE, "unmapped", Knowledge.UNKNOWN),
    (418, NEXT, UNKNOWN, RELEASE, "unmapped", Knowledge.REFUSED),
    (599, NEXT, UNKNOWN, FAILURE, "unmapped", Knowledge.UNKNOWN),
]


@pytest.mark.parametrize(("status", "disposition", "attribution", "signal", "reason", "knowledge"), STATUSES)
def test_api_status(
    status: int, disposition: Disposition, attribution: Attribution, signal: Signal, reason: str, knowledge: Knowledge
) -> None:
    """An HTTP status has its verdict; only a 4xx says that nothing was placed."""
    verdict = verdicts.api_refusal(status)
    told = (verdict.disposition, verdict.attribution, verdict.signal, verdict.reason, verdict.code)
    assert told == (disposition, attribution, signal, reason, str(status))
    assert verdicts.api_knowledge(status) is knowledge


PHRASES = [
    (400, "to parameter is invalid", STOP, RELEASE, "invalid-destination"),
    (400, "from parameter is invalid", NEXT, RELEASE, "caller-id-refused"),
    (
        400,
        "from parameter is invalid. +15550190021 is not associated with your account",
        NEXT,
        RELEASE,
        "caller-id-not-owned",
    ),
    (400, "Voice capability is currently disabled for this account", NEXT, MISCONFIGURED, "account-disabled"),
    (403, "Insufficient credit", NEXT, MISCONFIGURED, "out-of-credit"),
    (500, "to parameter is invalid", NEXT, FAILURE, "server-error"),
]


@pytest.mark.parametrize(("status", "message", "disposition", "signal", "reason"), PHRASES)
def test_api_words(status: int, message: str, disposition: Disposition, signal: Signal, reason: str) -> None:
    """Where one status stands for many things, the words decide; a 5xx is never read."""
    verdict = verdicts.api_refusal(status, message)
    assert (verdict.disposition, verdict.signal, verdict.reason) == (disposition, signal, reason)


def test_invalid_destination_ends_the_call() -> None:
    """A destination that is invalid here is invalid everywhere."""
    assert verdicts.api_refusal(400, "to parameter is invalid").outcome is Outcome.INVALID_NUMBER


def test_retry_after_is_kept() -> None:
    """The carrier's wish to be left alone is passed on, in seconds; a date is not understood and dropped."""
    assert verdicts.api_refusal(429, retry_after="7").retry_after_s == 7.0
    assert verdicts.api_refusal(429, retry_after="Sun, 22 Nov 2026 12:00:00 GMT").retry_after_s is None


def test_details_hold_no_numbers() -> None:
    """What goes to logs names neither telephone numbers nor accounts."""
    verdict = verdicts.api_refusal(400, "+15550190021 is not associated with MAXXXXXXXXXXXXXXXXXX")
    assert verdict.detail == "# is not associated with #"


def test_unmapped_code_is_not_taken_for_the_callee() -> None:
    """A code that nobody knows lets another carrier try, and marks no one."""
    end = verdicts.terminal("3999", "busy", answered=False)
    assert (end.verdict.reason, end.verdict.disposition, end.verdict.signal) == ("unmapped", NEXT, RELEASE)
    assert not end.alerted


def test_unmapped_code_after_the_answer_ends_the_call() -> None:
    """A conversation that ended for a reason nobody knows is over, not dialled again."""
    end = verdicts.terminal("4999", "completed", answered=True)
    assert (end.verdict.reason, end.verdict.outcome, end.alerted) == ("unmapped", Outcome.COMPLETED, True)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("busy", "user-busy"),
        ("no-answer", "no-answer"),
        ("cancel", "canceled-by-callee"),
        ("timeout", "connect-timeout"),
        ("failed", "failed"),
        ("completed", "normal-clearing"),
    ],
)
def test_status_without_a_code(status: str, reason: str) -> None:
    """A report without a code is judged by its status."""
    assert verdicts.terminal("", status, answered=False).verdict.reason == reason


def test_normal_end_of_an_unanswered_call_is_judged_by_its_status() -> None:
    """A "normal hangup" of a call that was never answered does not count as a conversation."""
    end = verdicts.terminal("4000", "no-answer", answered=False)
    assert end.verdict.outcome is Outcome.NO_ANSWER
    assert verdicts.terminal("4000", "completed", answered=True).verdict.outcome is Outcome.COMPLETED


def test_stopping_verdicts_say_how_the_call_ends() -> None:
    """Every verdict that stops a call names its outcome."""
    tables = [*verdicts.HANGUP_CAUSES.values(), *verdicts.CALL_STATUSES.values(), verdicts.UNMAPPED_AFTER_ANSWER]
    all_verdicts = [line.verdict for line in tables] + [line[2] for line in verdicts.API_PHRASES]
    assert all(verdict.outcome is not None for verdict in all_verdicts if verdict.disposition is STOP)
