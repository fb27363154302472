"""Twilio's codes, judged: literal tables from its API errors and from how a call ended. Pure.

Two rules stand behind the tables. A refusal for our pace, our money or our settings is ours, never the carrier's good name
(`RELEASE`, or `MISCONFIGURED` where trying does not heal). And what Twilio blocks for policy is not carried to another
carrier, because that would be evasion.
"""

import re
from collections.abc import Mapping
from functools import partial

import msgspec
from msgspec import Struct, structs

from gateway.domain.outcome import Outcome
from gateway.domain.verdict import Attribution, Disposition, Signal, Verdict, ended_normally, next_carrier, stop

_ours = partial(next_carrier, attribution=Attribution.US, signal=Signal.RELEASE)
_misconfigured = partial(next_carrier, attribution=Attribution.US, signal=Signal.MISCONFIGURED)
_our_bug = partial(stop, outcome=Outcome.FAILED, attribution=Attribution.US, signal=Signal.RELEASE)
_no_such_number = partial(stop, "invalid-number", Outcome.INVALID_NUMBER, signal=Signal.RELEASE)
_blocked = partial(stop, outcome=Outcome.BLOCKED, attribution=Attribution.CARRIER, signal=Signal.RELEASE)

API_ERRORS: Mapping[str, Verdict] = {
    # credentials and account: no try heals them
    "20003": _misconfigured("bad-credentials"),
    "20005": _misconfigured("account-suspended"),
    "10001": _misconfigured("account-suspended"),
    "20403": _misconfigured("account-suspended"),
    "32005": _misconfigured("voice-disabled"),
    # our pace
    "10004": _ours("concurrency-limit"),
    "22005": _ours("call-queue-full"),
    "20429": _ours("rate-limited"),
    # the number called
    "21211": _no_such_number(),
    "21217": _no_such_number(),
    "21202": _blocked("premium-number", attribution=Attribution.US),
    "21214": next_carrier("number-unreachable", attribution=Attribution.NETWORK, signal=Signal.RELEASE),
    "21219": _ours("trial-unverified"),
    "573002": _ours("trial-unverified"),
    "573005": _ours("trial-unverified"),
    # the caller id: another carrier is tried with a number that it owns
    "21210": _ours("caller-id-refused"),
    "21212": _ours("caller-id-refused"),
    "21213": _ours("caller-id-refused"),
    "13247": _ours("caller-id-refused"),
    # permissions and policy
    "21215": _ours("geo-permission"),
    "13227": _ours("geo-permission"),
    "21203": _ours("geo-permission"),
    "21216": _blocked("blocked-by-carrier"),
    "13225": _blocked("blocked-by-carrier"),
    # what we sent is wrong, and would be wrong elsewhere
    "21201": _our_bug("request-invalid"),
    "21205": _our_bug("url-refused"),
    "21206": _our_bug("request-invalid"),
    "21209": _our_bug("request-invalid"),
    "21218": _our_bug("request-invalid"),
    "20404": _our_bug("not-found"),
    # Twilio's own fault; a dial that met one of these may have been placed all the same
    "20500": next_carrier("server-error"),
    "20503": next_carrier("service-unavailable"),
}
"""By `code` of the error body. The HTTP status does not decide: 400 carries account, pace, number and policy alike."""

HTTP_STATUSES: Mapping[int, Verdict] = {
    401: _misconfigured("bad-credentials"),
    403: _misconfigured("forbidden"),
    404: _our_bug("not-found"),
    429: _ours("rate-limited"),
    500: next_carrier("server-error"),
    502: next_carrier("bad-gateway"),
    503: next_carrier("service-unavailable"),
    504: next_carrier("gateway-timeout"),
}
"""Where the body names no code, or one that the table lacks: a proxy's HTML page, for example."""

_invalid, _permission = _no_such_number(), _ours("permission")
_route_missing = partial(next_carrier, "not-acceptable", signal=Signal.RELEASE)
_busy = stop("user-busy", Outcome.BUSY)
_no_answer = stop("no-answer", Outcome.NO_ANSWER)
_unwanted = Verdict(
    attribution=Attribution.CALLEE,
    disposition=Disposition.SUPPRESS,
    reason="unwanted",
    outcome=Outcome.DECLINED,
    signal=Signal.SUCCESS,
)

CALL_STATUSES: Mapping[str, Verdict] = {
    "completed": ended_normally(),
    # 486 and 600, but recorded with 487 as well: the status decides, the SIP code is a detail.
    "busy": _busy,
    "no-answer": _no_answer,
    "canceled": stop("canceled", Outcome.CANCELED, attribution=Attribution.US, signal=Signal.RELEASE),
}
"""Final values of CallStatus that speak for themselves; `failed` does not."""

FAILED_BY_SIP: Mapping[str, Verdict] = {
    "404": _invalid,
    "410": _invalid,
    "484": _invalid,
    "485": _invalid,
    "604": _invalid,
    "486": _busy,
    "600": _busy,
    "480": _no_answer,
    "487": _no_answer,
    "603": stop("declined", Outcome.DECLINED),
    "607": _unwanted,
    "608": _blocked("blocked-by-analytics", attribution=Attribution.NETWORK),
    "401": _permission,
    "402": _permission,
    "403": _permission,
    "407": _permission,
    "415": _route_missing(),
    "488": _route_missing(),
    "501": _route_missing(),
    "606": _route_missing(),
    "408": next_carrier("timed-out"),
    "500": next_carrier("server-error"),
    "502": next_carrier("bad-gateway"),
    "503": next_carrier("service-unavailable"),
    "504": next_carrier("gateway-timeout"),
    "505": next_carrier("carrier-failure"),
    "513": next_carrier("carrier-failure"),
    "": next_carrier("platform-failure"),
}
"""CallStatus `failed`, by SipResponseCode; empty where Twilio sends none."""

UNEXPLAINED = next_carrier("failed-unexplained", attribution=Attribution.UNKNOWN, signal=Signal.RELEASE, code="failed")
"""The call resource says `failed` and no more: the SIP code is told in the callback alone."""

CALL_ERRORS: Mapping[str, Verdict] = {
    "32017": _blocked("blocked-by-analytics", attribution=Attribution.NETWORK),
    "32203": _blocked("blocked-by-analytics", attribution=Attribution.NETWORK),
    "13225": API_ERRORS["13225"],
    "13227": API_ERRORS["13227"],
    "21215": API_ERRORS["21215"],
}
"""ErrorCode of a final callback, where there is one: stronger than the SIP code (32203 hides behind a plain 603)."""

PROOF_OF_ALERTING = frozenset({"user-busy", "no-answer", "declined", "unwanted"})
"""Reasons that only a phone gives: no failover after these even if `ringing` was lost or never sent."""


class ErrorBody(Struct, frozen=True, kw_only=True):
    """The classic error document of /2010-04-01; all else in it is ignored."""

    code: int | None = None
    message: str = ""


def of_answer(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Judge an answer that is not 2xx. Header names in lower case; `body` may be anything at all."""
    error = _error_body(body)
    code = str(error.code) if error.code is not None else None
    verdict = API_ERRORS.get(code or "") or HTTP_STATUSES.get(status) or _unmapped(status)
    return structs.replace(
        verdict, code=code or str(status), retry_after_s=_seconds(headers.get("retry-after")), detail=_discreet(error.message)
    )


def of_end(call_status: str, sip_code: str, error_code: str = "") -> Verdict:
    """Judge a final CallStatus with its SipResponseCode and ErrorCode (each may be empty)."""
    verdict = CALL_STATUSES.get(call_status) or CALL_ERRORS.get(error_code) or FAILED_BY_SIP.get(sip_code)
    code = error_code if verdict is CALL_ERRORS.get(error_code) and error_code else sip_code or call_status
    return structs.replace(verdict or _unmapped(int(sip_code) if sip_code.isdigit() else 0), code=code)


def of_resource(call_status: str) -> Verdict:
    """Judge the final `status` of a call resource, which has no SIP code."""
    return UNEXPLAINED if call_status == "failed" else of_end(call_status, "")


def _unmapped(status: int) -> Verdict:
    """What no table knows frees the call; only the 5xx family speaks against the carrier."""
    signal = Signal.FAILURE if 500 <= status < 600 else Signal.RELEASE
    return next_carrier("unmapped", attribution=Attribution.UNKNOWN, signal=signal)


def _error_body(body: bytes) -> ErrorBody:
    try:
        return msgspec.json.decode(body, type=ErrorBody)
    except msgspec.MsgspecError:
        return ErrorBody()


def _seconds(retry_after: str | None) -> float | None:
    return float(retry_after) if retry_after and retry_after.isdigit() else None


def _discreet(message: str) -> str:
    """Twilio quotes the numbers dialled in its messages; logs must not."""
    return re.sub(r"\+?\d{7,}", "(number)", message)[:300]
