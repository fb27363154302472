"""What Twilio posts to us: verify first, parse after. Own implementation, pure; the SDK's validator is the referee in tests.

Steps (the last part of the hook's path): `answer` and `fallback` want the first document, `after` the one after the
stream, `recorded` the one after a message, `status` and `stream` only an acknowledgement. A number's own URLs: `voice` and
`fallback` announce a caller and want a document, `status` tells of the call's end.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, parse_qs, parse_qsl, urlsplit

from carriers.contract import Arrival, Expectation, Hook, HookRequest, Verified
from carriers.twilio import verdicts
from gateway.domain.errors import BadSignature, Malformed
from gateway.domain.events import AnyLegEvent, LegAnswered, LegEnded, LegProgressed, LegRinging, StreamFailed

SIGNATURE = "x-twilio-signature"
IDEMPOTENCY_TOKEN = "i-twilio-idempotency-token"  # noqa: S105 - a header's name
MAX_AGE_S = 300.0

RETRIES = "#rt=5000&rc=2&rp=5xx,ct,rt"
"""Connection override that `api.py` hangs on every hook URL: without it Twilio retries a failed connection once and a 5xx
never, and a lost `completed` is lost. `rt`: all attempts share 15 s, and by default one read may take them all; at 5 s each
there is time for three. The fragment does not arrive here; whether it is signed is unverified, so both are tried.
"""

EXPECTS: Mapping[str, Expectation] = {
    "answer": Expectation.ANSWER_DOCUMENT,
    "fallback": Expectation.ANSWER_DOCUMENT,
    "after": Expectation.AFTER_STREAM_DOCUMENT,
    "recorded": Expectation.AFTER_MESSAGE_DOCUMENT,
    "status": Expectation.ACKNOWLEDGEMENT,
    "stream": Expectation.ACKNOWLEDGEMENT,
}
ARRIVAL_EXPECTS: Mapping[str, Expectation] = {
    "voice": Expectation.ANSWER_DOCUMENT,
    "fallback": Expectation.ANSWER_DOCUMENT,
    "status": Expectation.ACKNOWLEDGEMENT,
}
WITHHELD = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
"""What Twilio writes for a caller without a number: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE on a keypad."""
_STIR_PASSED = re.compile(r"TN-Validation-Passed-([ABC])")
_ALIVE: Mapping[str, type[LegProgressed | LegRinging | LegAnswered]] = {
    "queued": LegProgressed,
    "initiated": LegProgressed,
    "ringing": LegRinging,
    "in-progress": LegAnswered,
}
_FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
_ERROR_CODE = re.compile(r"\b\d{5}\b")
_DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}


class TwilioWebhooks:
    """Bound to one account's token; Twilio signs with the primary one."""

    def __init__(self, auth_token: str) -> None:
        self._secret = auth_token.encode()

    def verify(self, request: HookRequest, now: float) -> Verified:
        pairs = _signed_pairs(request)
        signature = request.headers.get(SIGNATURE, "")
        if not self._signed(_url_spellings(request.url), pairs, signature):
            raise BadSignature("bad-signature" if signature else "unsigned")
        _refuse_stale(pairs, now)
        return Verified(key=_delivery_key(request))

    def verify_upgrade(self, url: str, headers: Mapping[str, str], now: float) -> bool:
        """Twilio signs the ws(s) URL exactly as in the document, with no parameters. The scheme must not be rewritten."""
        signature = headers.get(SIGNATURE, "")
        if not self._signed(_url_spellings(url), (), signature):
            raise BadSignature("bad-signature" if signature else "unsigned")
        return True

    def parse(self, request: HookRequest, now: float) -> Hook:
        expects = EXPECTS.get(request.path)
        if expects is None:
            raise Malformed("unknown-step", request.path)
        form = dict(_form(request))
        call_sid = form.get("CallSid", "")
        if not call_sid:
            raise Malformed("no-call-sid", request.path)
        read = _stream_events if request.path == "stream" else _call_events
        return Hook(events=read(form, call_sid), expects=expects)

    def parse_arrival(self, request: HookRequest, now: float) -> Arrival | None:
        """A direction other than inbound is a call of ours, which has URLs of its own."""
        expects = ARRIVAL_EXPECTS.get(request.path)
        if expects is None:
            raise Malformed("unknown-step", request.path)
        form = dict(_form(request))
        call_sid = form.get("CallSid", "")
        if not call_sid:
            raise Malformed("no-call-sid", request.path)
        if form.get("Direction", "inbound") != "inbound":
            return None
        if expects is Expectation.ACKNOWLEDGEMENT:
            return Arrival(carrier_call_id=call_sid, hook=Hook(events=_call_events(form, call_sid)))
        stir = _STIR_PASSED.match(form.get("StirVerstat", ""))
        return Arrival(
            carrier_call_id=call_sid,
            to=form.get("To", ""),
            caller_id=_caller(form.get("From", "")),
            caller_name=form.get("CallerName", ""),
            attestation=stir[1] if stir else "",
            hook=Hook(expects=expects),
        )

    def _signed(self, urls: Iterable[str], pairs: Iterable[tuple[str, str]], signature: str) -> bool:
        tail = "".join(name + value for name, value in sorted(set(pairs)))
        given = signature.encode("utf-8", "surrogateescape")
        return any(hmac.compare_digest(self._mac(url + tail), given) for url in urls)

    def _mac(self, text: str) -> bytes:
        return base64.b64encode(hmac.new(self._secret, text.encode(), hashlib.sha1).digest())


# --- the signature -----------------------------------------------------------------------------------------------


def _signed_pairs(request: HookRequest) -> tuple[tuple[str, str], ...]:
    """What follows the URL in the signed text: all form fields, never a whitelist (Twilio adds fields without notice).

    A body that is no form is signed by its hash, in the query.
    """
    digest = parse_qs(urlsplit(request.url).query).get("bodySHA256")
    if digest is None:
        return _form(request) if request.method != "GET" else ()
    if not hmac.compare_digest(hashlib.sha256(request.body).hexdigest().encode(), digest[0].encode()):
        raise BadSignature("body-hash")
    return ()


def _form(request: HookRequest) -> tuple[tuple[str, str], ...]:
    """Blank values count in the signature. A GET carries its fields in the query."""
    raw = urlsplit(request.url).query if request.method == "GET" else request.body.decode("utf-8", "replace")
    try:
        return tuple(parse_qsl(raw, keep_blank_values=True, max_num_fields=500))
    except ValueError as error:
        raise BadSignature("unreadable-form", str(error)) from error


def _url_spellings(url: str) -> tuple[str, ...]:
    """Twilio is not consistent about the port, and unverified about the fragment."""
    parts = urlsplit(url)
    plain = (url, _with_port(parts, None), _with_port(parts, parts.port or _DEFAULT_PORTS.get(parts.scheme)))
    return tuple(dict.fromkeys([*plain, *(spelling + RETRIES for spelling in plain)]))


def _with_port(parts: SplitResult, port: int | None) -> str:
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return parts._replace(netloc=host if port is None else f"{host}:{port}").geturl()


def _refuse_stale(pairs: Iterable[tuple[str, str]], now: float) -> None:
    """Only callbacks carry a time, inside the signed form; requests for a document carry none."""
    stamp = dict(pairs).get("Timestamp")
    sent = _unix_time(stamp) if stamp else None
    if sent is not None and abs(now - sent) > MAX_AGE_S:
        raise BadSignature("stale", f"{now - sent:.0f} s")


def _unix_time(stamp: str) -> float | None:
    """Call callbacks write RFC 2822, stream callbacks ISO 8601."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(stamp)
        except ValueError:
            continue
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    return None


def _delivery_key(request: HookRequest) -> str:
    """A callback's signed form is unique by itself (SequenceNumber, Timestamp). A request for a document is not: two lost
    streams ask `after` in the same words, and only Twilio's retry token tells a repeat from a new question.
    """
    expects = EXPECTS.get(request.path, Expectation.ACKNOWLEDGEMENT)
    token = "" if expects is Expectation.ACKNOWLEDGEMENT else request.headers.get(IDEMPOTENCY_TOKEN, "")
    content = urlsplit(request.url).query.encode() + b"\0" + request.body
    identity = b"\0".join([request.call_id.encode(), request.leg_id.encode(), request.path.encode(), token.encode(), content])
    return hashlib.sha256(identity).hexdigest()


# --- the content -------------------------------------------------------------------------------------------------


def _caller(number: str) -> str:
    return number if number.startswith("+") and number not in WITHHELD else ""


def _call_events(form: Mapping[str, str], call_sid: str) -> tuple[AnyLegEvent, ...]:
    status = form.get("CallStatus", "")
    alive = _ALIVE.get(status)
    if alive is not None:
        return (alive(carrier_call_id=call_sid),)
    return (_ended(form, call_sid, status),) if status in _FINAL else ()


def _ended(form: Mapping[str, str], call_sid: str, status: str) -> LegEnded:
    verdict = verdicts.of_end(status, form.get("SipResponseCode", ""), form.get("ErrorCode", ""))
    # Busy and no-answer say `CallDuration=0`, so only a positive one proves an answer.
    answered = status == "completed" or _positive(form.get("CallDuration", ""))
    alerted = answered or verdict.reason in verdicts.PROOF_OF_ALERTING
    return LegEnded(carrier_call_id=call_sid, verdict=verdict, answered=answered, alerted=alerted)


def _positive(seconds: str) -> bool:
    return seconds.isdigit() and int(seconds) > 0


def _stream_events(form: Mapping[str, str], call_sid: str) -> tuple[AnyLegEvent, ...]:
    """`stream-error` can be the only sign of a dead stream while our socket stays half-open for minutes (31924)."""
    if form.get("StreamEvent") != "stream-error":
        return ()
    code = _ERROR_CODE.search(form.get("StreamError", ""))
    reason = f"stream-error-{code[0]}" if code else "stream-error"
    return (StreamFailed(carrier_call_id=call_sid, reason=reason),)
