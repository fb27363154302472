"""Vonage's words and codes, judged: the API's refusals, and the ends that come as event webhooks.

An end is named by three fields that disagree at times: `status` always, `detail` only in webhooks (never in GET
/v1/calls), `sip_code` in some. The order in which they are believed is written down in `end_verdict`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from carriers.contract import Placed
from carriers.shot import HttpAnswer
from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.verdict import (
    Attribution,
    Disposition,
    Signal,
    Verdict,
    ended_normally,
    next_carrier,
    stop,
)

# --- building blocks ---------------------------------------------------------------------------------------------


def _ours(reason: str, signal: Signal = Signal.RELEASE, retry_after_s: float | None = None) -> Verdict:
    return next_carrier(reason, attribution=Attribution.US, signal=signal, retry_after_s=retry_after_s)


def _callee(reason: str, outcome: Outcome) -> Verdict:
    return stop(reason, outcome)


_DOWN = next_carrier("service-unavailable")
_CONGESTED = next_carrier("carrier-congestion")
_SILENT = next_carrier("carrier-timeout")
_BUSY = _callee("user-busy", Outcome.BUSY)
_NO_ANSWER = _callee("no-answer", Outcome.NO_ANSWER)
_UNAVAILABLE = _callee("subscriber-unavailable", Outcome.NO_ANSWER)
_DECLINED = _callee("call-declined", Outcome.DECLINED)
_INVALID = stop("invalid-number", Outcome.INVALID_NUMBER, signal=Signal.RELEASE)
_CANCELED = stop("canceled", Outcome.CANCELED, attribution=Attribution.US, signal=Signal.RELEASE)
_FORBIDDEN = _ours("caller-id-refused")
_UNWANTED = Verdict(
    attribution=Attribution.CALLEE,
    disposition=Disposition.SUPPRESS,
    reason="unwanted",
    outcome=Outcome.DECLINED,
    signal=Signal.SUCCESS,
)
_BLOCKED = stop("blocked-by-analytics", Outcome.BLOCKED, attribution=Attribution.NETWORK, signal=Signal.RELEASE)
UNMAPPED = next_carrier("unmapped", attribution=Attribution.UNKNOWN)
"""A word that this table does not know. It counts against the carrier: an outage may speak in new words."""

# --- how calls end (webhooks, GET /v1/calls) ---------------------------------------------------------------------

BY_DETAIL: dict[str, Verdict] = {
    "cannot_route": _ours("cannot-route"),
    "number_out_of_service": stop("number-out-of-service", Outcome.INVALID_NUMBER, signal=Signal.RELEASE),
    "internal_error": next_carrier("carrier-internal-error"),
    "carrier_timeout": _SILENT,
    "timeout": _SILENT,
    "unavailable": _UNAVAILABLE,
    "declined": _DECLINED,
    # "Rejected by the carrier", a 403: another caller id may be let through.
    "restricted": _FORBIDDEN,
    "invalid_number": _INVALID,
}

BY_SIP_CODE: dict[int, Verdict] = {
    403: _FORBIDDEN,
    404: _INVALID,
    # Nobody along the way said anything: no phone rang.
    408: _SILENT,
    410: _INVALID,
    480: _UNAVAILABLE,
    484: _INVALID,
    486: _BUSY,
    487: _CANCELED,
    500: _DOWN,
    502: _DOWN,
    503: _CONGESTED,
    504: _SILENT,
    580: _DOWN,
    600: _BUSY,
    603: _DECLINED,
    604: _INVALID,
    607: _UNWANTED,
    608: _BLOCKED,
}

BY_STATUS: dict[str, Verdict] = {
    "busy": _BUSY,
    "timeout": _NO_ANSWER,
    "unanswered": _NO_ANSWER,
    "cancelled": _CANCELED,
    # Without a detail nobody knows who rejected it, or why it failed.
    "rejected": UNMAPPED,
    "failed": UNMAPPED,
}

TERMINAL = frozenset({*BY_STATUS, "completed"})
_SURE = frozenset({"timeout", "cancelled"})
"""Words that Vonage says of its own deeds: our ring timer ran out, we took the call back."""
_BUSY_SIP_CODES = frozenset({486, 600})
_FINER_SIP_CODES = frozenset({607, 608})
_ALERTED_REASONS = frozenset({_BUSY.reason, _DECLINED.reason, _UNWANTED.reason})


def end_verdict(status: str, detail: str = "", sip_code: int | None = None) -> Verdict:
    """Judge one terminal status. `completed` is for the caller to tell apart: with an answer it is no failure."""
    verdict = _end(status, detail, sip_code)
    return msgspec.structs.replace(verdict, code=code_of(status, detail, sip_code))


def _end(status: str, detail: str, sip_code: int | None) -> Verdict:
    if status in _SURE:
        return BY_STATUS[status]
    # `cannot_route` was seen on a busy line with 486: the line's own word wins (vonage.md, second pass).
    if sip_code in _BUSY_SIP_CODES:
        return _BUSY
    if sip_code is not None and sip_code in _FINER_SIP_CODES:
        return BY_SIP_CODE[sip_code]
    if detail:
        return BY_DETAIL.get(detail, UNMAPPED)
    if status == "busy":
        return _BUSY
    if sip_code is not None:
        return BY_SIP_CODE.get(sip_code, UNMAPPED)
    return BY_STATUS.get(status, UNMAPPED)


def recorded_end(status: str, answered: bool) -> Verdict:
    """Judge the status of a call record. It never says why, so that a bare `failed` or `rejected` blames nobody."""
    if status == "completed":
        return completed(answered)
    verdict = end_verdict(status)
    if verdict.reason == UNMAPPED.reason:
        return msgspec.structs.replace(verdict, reason=f"{status}-unexplained", signal=Signal.RELEASE)
    return verdict


def code_of(status: str, detail: str = "", sip_code: int | None = None) -> str:
    """How a log shows an end: `failed:cannot_route:403`."""
    return ":".join(str(part) for part in (status, detail, sip_code) if part)


def proves_alerting(status: str, verdict: Verdict) -> bool:
    """Whether this end alone says that the phone rang or the person was reached."""
    return status == "timeout" or verdict.reason in _ALERTED_REASONS


def completed(answered: bool) -> Verdict:
    """The verdict of `completed`: Vonage says it of every call in the end, so only with an answer is it a conversation."""
    if answered:
        return ended_normally("completed")
    return msgspec.structs.replace(_NO_ANSWER, reason="ended-unanswered", attribution=Attribution.UNKNOWN, signal=Signal.RELEASE)


def answer_proven(fields: Mapping[str, Any]) -> bool | None:
    """Whether the sums of a finished call show that somebody answered; None where they are not there at all."""
    if "start_time" not in fields and "duration" not in fields:
        return None
    return bool(fields.get("start_time")) or str(fields.get("duration") or "0") != "0"


# --- what the API refuses ----------------------------------------------------------------------------------------

BY_HTTP_STATUS: dict[int, Verdict] = {
    # Nothing was placed and another carrier's request is another request: our bug must not cost the call.
    400: _ours("bad-request"),
    401: _ours("unauthorized", Signal.MISCONFIGURED),
    402: _ours("no-credit", Signal.MISCONFIGURED),
    403: _FORBIDDEN,
    404: _ours("route-missing"),
    409: _ours("conflict"),
    422: _ours("bad-request"),
    429: _ours("rate-limited", retry_after_s=1.0),
    500: next_carrier("carrier-internal-error"),
    502: _DOWN,
    503: _DOWN,
    504: _SILENT,
}

BY_PROBLEM: dict[str, Verdict] = {
    # The fragment of `type` (`https://developer.vonage.com/api-errors#low-balance`), or the old API's whole word.
    "low-balance": _ours("no-credit", Signal.MISCONFIGURED),
    "out-of-credit": _ours("no-credit", Signal.MISCONFIGURED),
    "account-suspended": _ours("account-suspended", Signal.MISCONFIGURED),
    "unprovisioned": _ours("unprovisioned", Signal.MISCONFIGURED),
    "unauthorized": _ours("unauthorized", Signal.MISCONFIGURED),
    # A clock that runs wrong looks like a bad key.
    "jwt-expired": _ours("jwt-expired", Signal.MISCONFIGURED),
    "jwt-revoked": _ours("jwt-revoked", Signal.MISCONFIGURED),
    "invalid-api-key": _ours("invalid-api-key", Signal.MISCONFIGURED),
    "invalid-signature": _ours("invalid-signature", Signal.MISCONFIGURED),
    "rate-limit": _ours("rate-limited", retry_after_s=1.0),
}


class _Parameter(Struct):
    name: str = ""
    reason: str = ""


class _Problem(Struct):
    """RFC 7807, or the Voice API's older shape (`type`, `error_title`)."""

    type: str = ""
    title: str = ""
    error_title: str = ""
    detail: str = ""
    invalid_parameters: list[_Parameter] = []


def judge(answer: HttpAnswer) -> Placed:
    """What a non-2xx answer to a create-call means. Only 4xx says that nothing was placed."""
    refused = 400 <= answer.status < 500
    knowledge = Knowledge.REFUSED if refused else Knowledge.UNKNOWN
    return Placed(knowledge=knowledge, verdict=api_verdict(answer.status, answer.headers, answer.body))


def api_verdict(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge an API answer by what it says, then by its status."""
    problem = _read(body)
    word = problem.type.rpartition("#")[2].lower()
    # An outage's 5xx page may carry any word; its status is the better witness.
    verdict = BY_PROBLEM.get(word) if status < 500 else None
    verdict = verdict or _by_parameter(status, problem) or BY_HTTP_STATUS.get(status, _any(status))
    return msgspec.structs.replace(
        verdict,
        code=str(status) if not word else f"{status}:{word}",
        retry_after_s=_retry_after(headers) or verdict.retry_after_s,
        detail=problem.title or problem.error_title,
    )


def _by_parameter(status: int, problem: _Problem) -> Verdict | None:
    if status not in {400, 422}:
        return None
    wrong = {parameter.name.lstrip("/$.").partition("[")[0].partition(".")[0] for parameter in problem.invalid_parameters}
    if "from" in wrong:
        return _FORBIDDEN
    return _INVALID if "to" in wrong else None


def _any(status: int) -> Verdict:
    return _DOWN if status >= 500 else msgspec.structs.replace(UNMAPPED, signal=Signal.RELEASE)


def _read(body: bytes) -> _Problem:
    try:
        return msgspec.json.decode(body, type=_Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Problem()


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None


def sip_code_of(value: Any) -> int | None:
    """`sip_code` is a number in some payloads and a string in others."""
    text = str(value) if isinstance(value, int | str) else ""
    return int(text) if text.isdecimal() and int(text) > 0 else None
