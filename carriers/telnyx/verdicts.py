"""Telnyx' codes, judged: refusals of the API, and the causes with which a leg ends. Sources are in the README.

A hang-up is judged in this order, because Telnyx sends "503" even for calls that ended happily:

1. causes that say what happened, whatever SIP code comes with them (`normal_clearing` is never a failure);
2. the SIP code;
3. the cause alone;
4. `unmapped`.
"""

import re

import msgspec
from msgspec import Struct, structs

from carriers.contract import Placed
from carriers.shot import HttpAnswer
from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.verdict import Attribution, Disposition, Signal, Verdict, ended_normally, next_carrier, stop

# --- what the API answers ----------------------------------------------------------------------------------------


def _ours(reason: str, signal: Signal = Signal.RELEASE) -> Verdict:
    return next_carrier(reason, attribution=Attribution.US, signal=signal)


_INVALID_NUMBER = stop("invalid-number", Outcome.INVALID_NUMBER, signal=Signal.RELEASE)
_CREDENTIALS = _ours("wrong-credentials", Signal.MISCONFIGURED)
_FUNDS = _ours("out-of-funds", Signal.MISCONFIGURED)
_NOT_PERMITTED = _ours("not-permitted")
_UNKNOWN_RESOURCE = _ours("unknown-resource")
_RATE_LIMITED = _ours("rate-limited")
_PLATFORM = next_carrier("platform-error")
_MALFORMED = _ours("malformed-request")
_UNMAPPED = next_carrier("unmapped", attribution=Attribution.UNKNOWN)

_JUDGED: tuple[tuple[Verdict, str], ...] = (
    (_CREDENTIALS, "10009 20001 20002 20003 20008"),
    (_UNKNOWN_RESOURCE, "10005"),
    (_NOT_PERMITTED, "10010"),
    (_ours("account-tier"), "10038 10039 20014 20015 20016 20017 D60 D61"),
    (_ours("account-suspended", Signal.MISCONFIGURED), "20012 20013"),
    (_FUNDS, "20100"),
    (_INVALID_NUMBER, "10002 10016"),
    (_ours("caller-id-inactive"), "10001"),
    (_ours("connection-misconfigured"), "10006 10017"),
    (_ours("concurrency-limit"), "90041 90042 90043"),
    (_ours("pace-limit"), "90103"),
    (_RATE_LIMITED, "10011"),
    (_PLATFORM, "10007 10008 10037"),
    # A request that Telnyx calls malformed is our adapter's bug; another carrier never sees that request.
    (_MALFORMED, "10000 10004 10015 10026 10027 10032 10033"),
    (_MALFORMED, " ".join(str(code) for code in range(90002, 90029))),
)
API_CODES: dict[str, Verdict] = {code: verdict for verdict, codes in _JUDGED for code in codes.split()}

STATUSES: dict[int, Verdict] = {
    401: _CREDENTIALS,
    402: _FUNDS,
    403: _NOT_PERMITTED,
    404: _UNKNOWN_RESOURCE,  # also what a request without an Authorization header gets
    429: _RATE_LIMITED,
}

POINTERS: dict[str, Verdict] = {
    "/to": _INVALID_NUMBER,
    "/from": _ours("caller-id-refused"),
    "/connection_id": _ours("connection-misconfigured"),
}
_INPUT_CODES = frozenset({"10002", "10004", "10015", "10016"})
"""Codes that say no more than "this value is bad"; the pointer says which value."""


class _Source(Struct, frozen=True):
    pointer: str | None = None


class _Error(Struct, frozen=True):
    code: str | int = ""
    title: str | None = ""
    source: _Source | None = None


class _Errors(Struct, frozen=True):
    errors: list[_Error] = []


def judge_refusal(answer: HttpAnswer) -> Placed:
    """An answer that is no 2xx. A 5xx is Unknown: Telnyx itself says to repeat the command, so it may have been done."""
    knowledge = Knowledge.UNKNOWN if answer.status >= 500 else Knowledge.REFUSED
    return Placed(knowledge=knowledge, verdict=judge_answer(answer))


def judge_answer(answer: HttpAnswer) -> Verdict:
    """What a non-2xx answer to any request means: by its error codes, else by its HTTP status."""
    error = _most_telling(_errors_of(answer.body))
    code = str(error.code)
    verdict = _of_pointer(error) or API_CODES.get(code) or _of_status(answer.status)
    return structs.replace(
        verdict,
        code=code or str(answer.status),
        detail=_without_numbers(error.title or ""),
        retry_after_s=_retry_after_s(answer),
    )


def error_codes(body: bytes) -> frozenset[str]:
    """All codes of an error body; empty for anything else."""
    return frozenset(str(error.code) for error in _errors_of(body))


def _errors_of(body: bytes) -> list[_Error]:
    try:
        return msgspec.json.decode(body, type=_Errors).errors
    except msgspec.DecodeError:
        return []


def _most_telling(errors: list[_Error]) -> _Error:
    known = [error for error in errors if str(error.code) in API_CODES]
    return (known or errors or [_Error()])[0]


def _of_pointer(error: _Error) -> Verdict | None:
    if str(error.code) not in _INPUT_CODES or error.source is None:
        return None
    return POINTERS.get(error.source.pointer or "")


def _of_status(status: int) -> Verdict:
    return _PLATFORM if status >= 500 else STATUSES.get(status, _UNMAPPED)


def _retry_after_s(answer: HttpAnswer) -> float | None:
    for name in ("retry-after", "x-ratelimit-reset") if answer.status in {429, 503} else ():
        if (value := answer.headers.get(name, "")).isdecimal():
            return float(value)
    return None


def _without_numbers(text: str) -> str:
    return re.sub(r"\+?\d[\d\s-]{5,}\d", "#", text)[:200]


# --- how a leg ends ----------------------------------------------------------------------------------------------


class Ending(Struct, frozen=True, kw_only=True):
    """A hang-up, judged. `alerted` and `answered` are what the report itself proves."""

    verdict: Verdict
    alerted: bool = False
    answered: bool = False


_BUSY = Ending(verdict=stop("user-busy", Outcome.BUSY), alerted=True)
_DECLINED = Ending(verdict=stop("declined", Outcome.DECLINED), alerted=True)
_NO_ANSWER = Ending(verdict=stop("no-answer", Outcome.NO_ANSWER))
_INVALID = Ending(verdict=_INVALID_NUMBER)
_FORBIDDEN = Ending(verdict=_ours("forbidden"))
_ACCOUNT = Ending(verdict=_ours("account-refused"))
_MEDIA = Ending(verdict=_ours("media-refused"))
_NETWORK = Ending(verdict=next_carrier("network-failure"))
_UNWANTED = Ending(
    verdict=Verdict(
        attribution=Attribution.CALLEE,
        disposition=Disposition.SUPPRESS,
        reason="unwanted",
        outcome=Outcome.DECLINED,
        signal=Signal.SUCCESS,
    ),
    alerted=True,
)

SAID_BY_CAUSE: dict[str, Ending] = {
    "normal_clearing": Ending(verdict=ended_normally()),
    "originator_cancel": Ending(verdict=stop("canceled", Outcome.CANCELED, attribution=Attribution.US, signal=Signal.RELEASE)),
    "time_limit": Ending(verdict=stop("time-limit", Outcome.COMPLETED, attribution=Attribution.US), alerted=True, answered=True),
    "user_busy": _BUSY,
}
NOBODY_CAME: dict[tuple[str, str], Ending] = {
    (cause, sip): _NO_ANSWER for cause in ("timeout", "no_answer") for sip in ("408", "480", "487")
}
SIP: dict[str, Ending] = {
    "401": _ACCOUNT,
    "402": _ACCOUNT,
    "403": _FORBIDDEN,  # caller id, destination, profile, tier, our concurrency: the D-code that would say is not sent
    "404": _INVALID,
    "407": _ACCOUNT,
    "408": Ending(verdict=next_carrier("no-response")),
    "410": _INVALID,
    "415": _MEDIA,
    "429": Ending(verdict=_RATE_LIMITED),
    "480": Ending(verdict=stop("unreachable", Outcome.NO_ANSWER)),
    "484": _INVALID,
    "486": _BUSY,
    "487": _NO_ANSWER,
    "488": _MEDIA,
    "500": _NETWORK,
    "501": Ending(verdict=_ours("not-implemented")),
    "502": _NETWORK,
    "503": Ending(verdict=next_carrier("service-unavailable")),
    "504": _NETWORK,
    "505": _NETWORK,
    "513": _NETWORK,
    "600": _BUSY,
    "603": _DECLINED,
    "604": _INVALID,
    "606": _MEDIA,
    "607": _UNWANTED,
    "608": Ending(verdict=stop("blocked-by-analytics", Outcome.BLOCKED, attribution=Attribution.NETWORK, signal=Signal.RELEASE)),
}
CAUSES: dict[str, Ending] = {
    "timeout": _NO_ANSWER,
    "no_answer": _NO_ANSWER,
    "not_found": _INVALID,
    "call_rejected": _DECLINED,
    "unspecified": Ending(verdict=next_carrier("unspecified")),
}
_UNKNOWN_END = Ending(verdict=_UNMAPPED)

OWN_REFUSAL_S = 1.0
"""A 404 sooner than this after the dial never reached the telephone network: it is Telnyx' own, and has many meanings."""
_OWN_404 = Ending(verdict=next_carrier("not-found-at-once", attribution=Attribution.UNKNOWN, signal=Signal.RELEASE))


def judge_hangup(cause: str, sip: str, seconds: float | None = None) -> Ending:
    """`cause` and `sip` as `call.hangup` has them, `seconds` the leg's life from dial to end, None if not told."""
    if cause in SAID_BY_CAUSE:
        return _coded(SAID_BY_CAUSE[cause], cause)
    ending = NOBODY_CAME.get((cause, sip)) or SIP.get(sip)
    if (sip == "404" or (ending is None and cause == "not_found")) and seconds is not None and seconds < OWN_REFUSAL_S:
        # An inactive connection, a billing block and "no route" are 404 too (D8, D18, D19, D40, D59): a person who
        # exists would be called a wrong number for the account's fault, so another carrier has the last word.
        ending = _OWN_404
    if ending is not None:
        return _coded(ending, sip if sip.isdecimal() else cause)
    return _coded(CAUSES.get(cause, _UNKNOWN_END), cause or sip)


def _coded(ending: Ending, code: str) -> Ending:
    return structs.replace(ending, verdict=structs.replace(ending.verdict, code=code or None))


def end_unseen() -> Verdict:
    """The leg is over, and nobody can say how: perhaps it was answered, so no other carrier may ring the person again."""
    return stop("ended-unseen", Outcome.FAILED, attribution=Attribution.UNKNOWN, signal=Signal.RELEASE)


def dropped(code: str | None) -> Verdict:
    """The log shows an answer, and an end that is a failure: the conversation was lost."""
    return stop("dropped", Outcome.DROPPED, attribution=Attribution.CARRIER, signal=Signal.FAILURE, code=code)
