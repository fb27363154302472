"""Plivo's codes, judged: answers of its API, and the HangupCauseCode with which it reports the end of a call.

Nearly everything that goes wrong at Plivo goes wrong after a 201, so the second table is the one that counts.
"""

import re
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.verdict import Attribution, Signal, Verdict, ended_normally, next_carrier, stop

_US, _CALLEE, _NETWORK, _UNKNOWN = Attribution.US, Attribution.CALLEE, Attribution.NETWORK, Attribution.UNKNOWN
_RELEASE, _MISCONFIGURED = Signal.RELEASE, Signal.MISCONFIGURED


def _our_limit(reason: str) -> Verdict:
    return next_carrier(reason, attribution=_US, signal=_RELEASE)


def _our_setup(reason: str) -> Verdict:
    return next_carrier(reason, attribution=_US, signal=_MISCONFIGURED)


def _our_fault(reason: str) -> Verdict:
    return stop(reason, Outcome.FAILED, attribution=_US, signal=_RELEASE)


def _invalid(reason: str) -> Verdict:
    return stop(reason, Outcome.INVALID_NUMBER, signal=_RELEASE)


# --- answers of the API ------------------------------------------------------------------------------------------

API_STATUSES: Mapping[int, Verdict] = {
    400: _our_limit("invalid-request"),
    401: _our_setup("bad-credentials"),
    402: _our_setup("out-of-credit"),
    # Seen for one country on an account that could dial others; the SDK's name for it (geo permission) is its guess.
    403: _our_limit("not-permitted"),
    404: _our_setup("no-such-account"),
    405: _our_limit("invalid-request"),
    409: _our_limit("conflict"),
    422: _our_limit("invalid-request"),
    429: _our_limit("rate-limited"),
    500: next_carrier("server-error"),
    502: next_carrier("bad-gateway"),
    503: next_carrier("service-unavailable"),
    504: next_carrier("gateway-timeout"),
}

API_PHRASES: tuple[tuple[frozenset[int], str, Verdict], ...] = (
    # (statuses, what the error says in lower case, verdict); the first that fits wins over the status alone. 400 stands
    # for a wrong destination as well as for a caller id that another carrier may own: only the words tell them apart.
    (frozenset({400, 403}), "voice capability is currently disabled", _our_setup("account-disabled")),
    (frozenset({400, 403}), "not associated with your account", _our_limit("caller-id-not-owned")),
    (frozenset({400, 403}), "from parameter", _our_limit("caller-id-refused")),
    (frozenset({400}), "to parameter", _invalid("invalid-destination")),
    (frozenset({400, 403}), "credit", _our_setup("out-of-credit")),
)

LOCAL_ERRORS: Mapping[str, Verdict] = {
    # What the SDK refuses before it sends anything, by the name of its exception.
    "ValidationError": _our_limit("invalid-request"),
    "AuthenticationError": _our_setup("malformed-credentials"),
}

_LONG_NUMBER = re.compile(r"\+?\d{5,}")
_ACCOUNT_ID = re.compile(r"\b[MS]A[A-Z0-9]{18}\b")


def api_refusal(status: int, message: str = "", retry_after: str | None = None) -> Verdict:
    """Judge an answer that is no 2xx; `retry_after` is the header as it came."""
    verdict = _by_phrase(status, message.lower()) or API_STATUSES.get(status) or _unmapped_status(status)
    seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
    return msgspec.structs.replace(verdict, code=str(status), retry_after_s=seconds, detail=redacted(message))


def api_knowledge(status: int) -> Knowledge:
    """A 4xx placed nothing; a 5xx may come from a proxy in front of a call that was taken, and so may a redirect."""
    return Knowledge.REFUSED if 400 <= status < 500 else Knowledge.UNKNOWN


def redacted(message: str) -> str:
    """The carrier's words without numbers and account ids, fit for a log line."""
    return _LONG_NUMBER.sub("#", _ACCOUNT_ID.sub("#", message))[:200]


def _by_phrase(status: int, message: str) -> Verdict | None:
    return next((verdict for statuses, words, verdict in API_PHRASES if status in statuses and words in message), None)


def _unmapped_status(status: int) -> Verdict:
    return next_carrier("unmapped", attribution=_UNKNOWN, signal=Signal.FAILURE if status >= 500 else _RELEASE)


# --- the end of a call -------------------------------------------------------------------------------------------


class Terminal(Struct, frozen=True):
    """One HangupCauseCode: its verdict, and whether the code alone proves that the phone was alerted."""

    verdict: Verdict
    alerted: bool = False


def _busy(reason: str) -> Terminal:
    return Terminal(stop(reason, Outcome.BUSY), alerted=True)


def _declined(reason: str) -> Terminal:
    return Terminal(stop(reason, Outcome.DECLINED), alerted=True)


def _no_answer(reason: str, alerted: bool = False) -> Terminal:
    return Terminal(stop(reason, Outcome.NO_ANSWER), alerted=alerted)


def _over(reason: str) -> Terminal:
    return Terminal(stop(reason, Outcome.COMPLETED), alerted=True)


def _carrier_failed(reason: str) -> Terminal:
    return Terminal(next_carrier(reason))


HANGUP_CAUSES: Mapping[int, Terminal] = {
    0: Terminal(next_carrier("unknown-cause", attribution=_UNKNOWN)),
    1000: Terminal(stop("canceled", Outcome.CANCELED, attribution=_US, signal=_RELEASE)),
    1010: Terminal(_our_setup("out-of-credit")),
    1020: Terminal(_our_limit("simultaneous-dial-limit")),
    2000: Terminal(_invalid("invalid-destination")),
    2010: Terminal(_invalid("destination-out-of-service")),
    2020: Terminal(stop("endpoint-not-registered", Outcome.NO_ANSWER)),
    2030: Terminal(_our_limit("destination-country-barred")),
    2040: Terminal(_our_limit("destination-number-barred")),
    2050: Terminal(_our_limit("destination-prefix-barred")),
    2060: Terminal(_our_fault("loop-detected")),
    2070: Terminal(_our_limit("media-anchoring")),
    3000: _no_answer("no-answer"),
    3010: _busy("user-busy"),
    3020: _declined("rejected"),
    3030: Terminal(_our_limit("caller-id-unknown")),
    3040: Terminal(stop("forbidden", Outcome.BLOCKED, attribution=_UNKNOWN, signal=_RELEASE)),
    3050: Terminal(_invalid("unallocated-number")),
    3070: _carrier_failed("request-timeout"),
    3080: _carrier_failed("carrier-server-error"),
    3090: _carrier_failed("network-congestion"),
    3100: _busy("busy-everywhere"),
    3110: _declined("declined"),
    3120: Terminal(_invalid("no-such-user")),
    # A machine judged our number to be spam. Dialling on through another carrier would be evasion.
    3130: Terminal(stop("spam-blocked", Outcome.BLOCKED, attribution=_US, signal=_RELEASE)),
    3140: Terminal(_our_limit("caller-id-do-not-originate")),
    4000: _over("normal-clearing"),
    4010: _over("end-of-document"),
    4020: _over("conference-ended"),
    4030: _over("kicked"),
    4210: Terminal(_our_fault("sip-auth-failed")),
    4240: Terminal(_our_fault("sip-auth-failed")),
    4250: Terminal(_our_fault("sip-auth-timeout")),
    5000: _carrier_failed("network-error"),
    5010: _carrier_failed("internal-error"),
    5020: _carrier_failed("routing-error"),
    5030: Terminal(_our_limit("concurrency-limit")),
    6000: Terminal(stop("max-duration", Outcome.COMPLETED, attribution=_US), alerted=True),
    6010: _no_answer("ring-timeout", alerted=True),
    # A minute without media on an answered call: the person may still be there, and another carrier can reach them.
    6020: Terminal(next_carrier("media-timeout", attribution=_NETWORK), alerted=True),
    # 7xxx and 8xxx: our documents could not be fetched or read. Ours to repair; never a mark against the carrier.
    7011: Terminal(_our_fault("answer-url-unreachable")),
    7012: Terminal(_our_fault("action-url-unreachable")),
    7013: Terminal(_our_fault("transfer-url-unreachable")),
    7014: Terminal(_our_fault("redirect-url-unreachable")),
    7022: Terminal(_our_fault("action-url-invalid")),
    7023: Terminal(_our_fault("transfer-url-invalid")),
    7024: Terminal(_our_fault("redirect-url-invalid")),
    7032: Terminal(_our_fault("action-method-invalid")),
    7033: Terminal(_our_fault("transfer-method-invalid")),
    7034: Terminal(_our_fault("redirect-method-invalid")),
    8011: Terminal(_our_fault("answer-document-invalid")),
    8012: Terminal(_our_fault("action-document-invalid")),
    8013: Terminal(_our_fault("transfer-document-invalid")),
    8014: Terminal(_our_fault("redirect-document-invalid")),
    9000: Terminal(stop("lost-race", Outcome.CANCELED, attribution=_US, signal=_RELEASE)),
    9100: _over("machine-detected"),
    9110: _over("confirmation-failed"),
}

CALL_STATUSES: Mapping[str, Terminal] = {
    # Second best, for a report without a code. `cancel` and `timeout` as Plivo's support page explains them.
    "completed": Terminal(ended_normally()),
    "busy": _busy("user-busy"),
    "no-answer": _no_answer("no-answer"),
    "cancel": _declined("canceled-by-callee"),
    "timeout": _carrier_failed("connect-timeout"),
    "failed": _carrier_failed("failed"),
}

UNMAPPED = Terminal(next_carrier("unmapped", attribution=_UNKNOWN, signal=_RELEASE))
UNMAPPED_AFTER_ANSWER = Terminal(stop("unmapped", Outcome.COMPLETED, attribution=_UNKNOWN, signal=_RELEASE), alerted=True)


def terminal(code: str, status: str = "", *, answered: bool, detail: str = "") -> Terminal:
    """Judge the end of a call by its HangupCauseCode, without one by its CallStatus; both as strings, perhaps empty."""
    found = _judged(code, status, answered)
    verdict = msgspec.structs.replace(found.verdict, code=code or None, detail=redacted(detail))
    return Terminal(verdict, alerted=found.alerted or answered)


def _judged(code: str, status: str, answered: bool) -> Terminal:
    by_code = HANGUP_CAUSES.get(int(code)) if code.isdecimal() else None
    by_status = None if code and by_code is None else CALL_STATUSES.get(status)
    if by_code is not None and by_code.verdict.outcome is Outcome.COMPLETED and not answered and by_status is not None:
        # "Normal hangup" of a call that nobody took: only the status says how it really ended.
        return by_status
    if by_code is None and by_status is None:
        return UNMAPPED_AFTER_ANSWER if answered else UNMAPPED
    return by_code or by_status or UNMAPPED
