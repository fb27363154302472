"""What Plivo posts to us: verified by its V3 signature, then understood. Pure; no SDK.

Form-encoded POSTs (the same names in the query where a URL is configured for GET). `CallUUID` equals the `request_uuid`
of the 201 that placed the call. Own query parameters would come back in between Plivo's: our URLs have none.
"""

import hmac
from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from urllib.parse import parse_qsl, urlsplit

from carriers.contract import Arrival, Expectation, Hook, HookRequest, Verified
from carriers.plivo import verdicts
from gateway.domain.errors import BadSignature, Malformed
from gateway.domain.events import AnyLegEvent, LegAnswered, LegEnded, LegProgressed, LegRinging, StreamFailed

Fields = Mapping[str, str]
Pairs = list[tuple[str, str]]

_EVENT_OF_STEP = {"ring": "Ring", "answer": "StartApp", "fallback": "StartApp", "after": "Redirect", "hangup": "Hangup"}
_DOCUMENT_OF_STEP = {
    "answer": Expectation.ANSWER_DOCUMENT,
    "fallback": Expectation.ANSWER_DOCUMENT,
    "after": Expectation.AFTER_STREAM_DOCUMENT,
}
_OVER = frozenset(verdicts.CALL_STATUSES)
_SIGNATURES = ("x-plivo-signature-v3", "x-plivo-signature-ma-v3")
_NONCE = "x-plivo-signature-v3-nonce"


class PlivoWebhooks:
    """`carriers.contract.Webhooks`. `now` goes unused: V3 carries no time, so repeats are caught by the key alone."""

    def __init__(self, auth_token: str) -> None:
        self._token = auth_token.encode()

    def verify(self, request: HookRequest, now: float) -> Verified:
        form = _pairs(request.body) if request.method.upper() == "POST" else []
        self._check(signed_text(request.method, request.url, form), request.headers)
        return Verified(key=_key(request))

    def verify_upgrade(self, url: str, headers: Mapping[str, str], now: float) -> bool:
        """Upgrades are signed like a GET of the URL, whose scheme was seen spelled `http` even for wss; other sources
        have wss. A signature that is there must fit one of the spellings, and none is demanded.
        """
        if not any(name in headers for name in _SIGNATURES):
            return False
        address = url.partition("://")[2]
        spellings = [f"{scheme}://{address}" for scheme in ("http", "https", "wss", "ws")]
        self._check_any([signed_text("GET", spelling, []) for spelling in spellings], headers)
        return True

    def parse(self, request: HookRequest, now: float) -> Hook:
        fields = dict(_pairs(request.body) if request.method.upper() == "POST" else _query(request.url))
        call_uuid = fields.get("CallUUID") or fields.get("RequestUUID")
        if not call_uuid:
            raise Malformed("no-call-uuid", request.path)
        event = _event(request.path, fields)
        reader = _READERS.get(event)
        expects = Expectation.ACKNOWLEDGEMENT if event == "Hangup" else _expects(request.path)
        return Hook(events=reader(call_uuid, fields) if reader else (), expects=expects)

    def parse_arrival(self, request: HookRequest, now: float) -> Arrival | None:
        """The application's own URLs: `answer` and `fallback` announce a caller, `hangup` tells of the end."""
        fields = dict(_pairs(request.body) if request.method.upper() == "POST" else _query(request.url))
        hook = self.parse(request, now)
        if fields.get("Direction", "inbound") != "inbound":
            return None
        call_uuid = fields.get("CallUUID", "")
        if not call_uuid:
            raise Malformed("no-call-uuid", request.path)
        if hook.expects is not Expectation.ANSWER_DOCUMENT:
            return Arrival(carrier_call_id=call_uuid, hook=hook)
        return Arrival(
            carrier_call_id=call_uuid,
            to=_e164(fields.get("To", "")),
            caller_id=_e164(fields.get("From", "")),
            caller_name=fields.get("CallerName", ""),
            attestation=verdict if (verdict := fields.get("STIRVerification", "")) in {"A", "B", "C"} else "",
            hook=Hook(expects=hook.expects),
        )

    def _check(self, text: str, headers: Mapping[str, str]) -> None:
        self._check_any([text], headers)

    def _check_any(self, texts: list[str], headers: Mapping[str, str]) -> None:
        nonce = headers.get(_NONCE, "")
        given = [part.strip().encode() for name in _SIGNATURES for part in headers.get(name, "").split(",") if part.strip()]
        if not nonce or not given:
            raise BadSignature("unsigned")
        wanted = [_signature(self._token, f"{text}.{nonce}") for text in texts]
        # No short cut on a match: the time taken tells nothing.
        matches = [hmac.compare_digest(one, other) for one in wanted for other in given]
        if not any(matches):
            raise BadSignature("wrong-signature")


def signed_text(method: str, url: str, form: Pairs) -> str:
    """What V3 signs, but for the nonce: URL with its query sorted, and for a POST its form, sorted and run together.

    The odd joints (`?` before a form where there is no query, `.` where there is one) are the SDK's, which Plivo's own
    prose contradicts; its validator is what every customer runs.
    """
    parts = urlsplit(url)
    address = f"{parts.scheme}://{parts.netloc}{parts.path}"
    query = "&".join(f"{name}={value}" for name, value in sorted(_query(url)))
    if method.upper() == "GET" or not form:
        return f"{address}?{query}" if query else address
    return f"{address}?{query}{'.' if query else ''}" + "".join(name + value for name, value in sorted(form))


def _signature(token: bytes, text: str) -> bytes:
    return b64encode(hmac.new(token, text.encode(), sha256).digest())


def _query(url: str) -> Pairs:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)


def _pairs(body: bytes) -> Pairs:
    # A caller's name may hold any bytes; what is no UTF-8 must not keep the rest from being read.
    return parse_qsl(body.decode(errors="replace"), keep_blank_values=True)


def _key(request: HookRequest) -> str:
    """Plivo numbers nothing, so a delivery is known by its content. Two requests for an after-stream document of one call
    are alike to the letter; there the nonce keeps them apart (at worst a retry is answered from the state, not from memory).
    """
    nonce = request.headers.get(_NONCE, "") if request.path == "after" else ""
    parts = (request.call_id, request.leg_id, request.path, request.method.upper(), urlsplit(request.url).query, nonce)
    return sha256("\0".join(parts).encode() + b"\0" + request.body).hexdigest()


def _event(step: str, fields: Fields) -> str:
    event = fields.get("Event") or _EVENT_OF_STEP.get(step, "")
    # Plivo has been seen to ask answer_url once more when the call is over; the status knows better than the event.
    return "Hangup" if event in _EVENT_OF_STEP.values() and fields.get("CallStatus") in _OVER else event


def _e164(number: str) -> str:
    """Plivo writes numbers without the plus; what has no digits alone is withheld, or a SIP address."""
    digits = number.removeprefix("+")
    return f"+{digits}" if digits.isdigit() else ""


def _expects(step: str) -> Expectation:
    return _DOCUMENT_OF_STEP.get(step, Expectation.ACKNOWLEDGEMENT)


def _rang(call_uuid: str, _fields: Fields) -> tuple[AnyLegEvent, ...]:
    return (LegRinging(carrier_call_id=call_uuid),)


def _started(call_uuid: str, fields: Fields) -> tuple[AnyLegEvent, ...]:
    """StartApp means "answered" for calls that we placed, and "arrived" for calls to us."""
    if fields.get("Direction") == "inbound":
        return (LegProgressed(carrier_call_id=call_uuid),)
    return (LegAnswered(carrier_call_id=call_uuid),)


def _ended(call_uuid: str, fields: Fields) -> tuple[AnyLegEvent, ...]:
    # Times are no measure: one body mixes UTC and the account's zone. That there is an answer time at all is.
    answered = bool(fields.get("AnswerTime")) or fields.get("BillDuration", "0") not in {"", "0"}
    detail = f"{fields.get('HangupCauseName', '')} by {fields.get('HangupSource', '')}".strip()
    end = verdicts.terminal(fields.get("HangupCauseCode", ""), fields.get("CallStatus", ""), answered=answered, detail=detail)
    return (LegEnded(carrier_call_id=call_uuid, verdict=end.verdict, alerted=end.alerted, answered=answered),)


def _stream_lost(call_uuid: str, _fields: Fields) -> tuple[AnyLegEvent, ...]:
    return (StreamFailed(carrier_call_id=call_uuid, reason="stream-dropped"),)


_READERS: Mapping[str, Callable[[str, Fields], tuple[AnyLegEvent, ...]]] = {
    "Ring": _rang,
    "StartApp": _started,
    "Hangup": _ended,
    # The older pages call the stream's events started, stopped and failed.
    "DroppedStream": _stream_lost,
    "failed": _stream_lost,
}
