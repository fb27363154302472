"""Vonage's webhooks: the signed token that comes with each, and the events that they tell.

Five steps exist, all of them named by us in the requests and documents that we send: `answer` (wants the NCCO), `event`
(the phone leg's progress), `stream` (the WebSocket leg's progress), `after` (the NCCO has come to its end) and `recorded`
(a message was recorded).
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from carriers.contract import Arrival, Expectation, Hook, HookRequest, Verified
from carriers.vonage import messages, verdicts
from gateway.domain.errors import BadSignature, Malformed
from gateway.domain.events import AnyLegEvent, LegAnswered, LegEnded, LegProgressed, LegRinging, MessageRecorded, StreamFailed

MAX_AGE_S = 300.0
ISSUER = "Vonage"
_SOCKETS = ("ws://", "wss://")

# --- authenticity ------------------------------------------------------------------------------------------------


class VonageWebhooks:
    """Implements `carriers.contract.Webhooks`.

    The SDK's `verify_signature` looks at the signature alone, so that one captured token would vouch for any body for
    ever; here the token must also be fresh, of this application, and carry the hash of what was posted.
    `require_payload_hash` exists because Vonage's documents call that claim optional over TLS.
    """

    def __init__(self, signature_secret: str, application_id: str = "", require_payload_hash: bool = True) -> None:
        self._secret, self._application_id = signature_secret.encode(), application_id
        self._require_payload_hash = require_payload_hash

    def verify(self, request: HookRequest, now: float) -> Verified:
        claims = self._claims(request.headers, now)
        hashed = claims.get("payload_hash")
        if hashed is None and self._require_payload_hash:
            raise BadSignature("no-payload-hash")
        if hashed is not None and not _hash_matches(str(hashed), request):
            raise BadSignature("payload-hash-mismatch")
        return Verified(key=_delivery_key(request, claims))

    def verify_upgrade(self, url: str, headers: Mapping[str, str], now: float) -> bool:
        """The connect action asks for `authorization: vonage`, so every upgrade is signed; it has no body to hash."""
        self._claims(headers, now)
        return True

    def parse(self, request: HookRequest, now: float) -> Hook:
        fields = _fields(request)
        _check_leg(fields, request)
        step = request.path.partition("/")[0].partition("?")[0]
        reader = _STEPS.get(step)
        return reader(fields) if reader is not None else Hook()

    def parse_arrival(self, request: HookRequest, now: float) -> Arrival | None:
        """The application's own URLs: `answer` (and `fallback`) announces a caller, `event` tells of the call afterwards.

        Events of a WebSocket leg, and of calls that we placed, have URLs of their own; but there is one fallback for all of
        them, so what it stands in for decides.
        """
        fields = _fields(request)
        step = request.path.partition("/")[0].partition("?")[0]
        if step == "event":
            if _text(fields, "to").startswith(_SOCKETS) or _text(fields, "direction") == "outbound":
                return None
            uuid = _uuid(fields, required=False)
            return Arrival(carrier_call_id=uuid, hook=_event(fields)) if uuid else None
        if step not in {"answer", "fallback"}:
            raise Malformed("unknown-step", step)
        if step == "fallback" and not _stands_for_a_caller(fields):
            return None
        return Arrival(
            carrier_call_id=_uuid(fields),
            to=_e164(_text(fields, "to")),
            caller_id=_e164(_text(fields, "from")),
            carrier_data=_data(fields),
            hook=Hook(expects=Expectation.ANSWER_DOCUMENT),
        )

    def _claims(self, headers: Mapping[str, str], now: float) -> dict[str, Any]:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise BadSignature("unsigned")
        claims = _signed_claims(token.strip(), self._secret)
        _check_claims(claims, self._application_id, now)
        return claims


def _signed_claims(token: str, secret: bytes) -> dict[str, Any]:
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    # The algorithm is ours to choose, never the token's: "none" and RS256-with-a-public-key are old tricks.
    if _json(_unbase64(header)).get("alg") != "HS256":
        raise BadSignature("wrong-algorithm")
    expected = hmac.digest(secret, signed.encode(), "sha256")
    if not hmac.compare_digest(expected, _unbase64(signature)):
        raise BadSignature("wrong-signature")
    return _json(_unbase64(payload))


def _check_claims(claims: Mapping[str, Any], application_id: str, now: float) -> None:
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int | float) or not claims.get("jti"):
        raise BadSignature("no-age")
    if abs(now - issued) > MAX_AGE_S or (isinstance(expires, int | float) and now > expires + MAX_AGE_S):
        raise BadSignature("stale", f"{now - issued:.0f} s old")
    if claims.get("iss") != ISSUER:
        raise BadSignature("wrong-issuer")
    if application_id and claims.get("application_id", application_id) != application_id:
        raise BadSignature("wrong-application")


def _hash_matches(hashed: str, request: HookRequest) -> bool:
    return any(
        hmac.compare_digest(hashlib.sha256(covered).hexdigest().encode(), hashed.lower().encode("ascii", "replace"))
        for covered in _covered(request)
    )


def _covered(request: HookRequest) -> tuple[bytes, ...]:
    # A GET is signed over its parameters as a compact JSON object in the order of the URL; the raw query has been seen too.
    if request.method == "GET":
        query = urlsplit(request.url).query
        return msgspec.json.encode(dict(parse_qsl(query, keep_blank_values=True))), query.encode()
    return (request.body,)


def _delivery_key(request: HookRequest, claims: Mapping[str, Any]) -> str:
    """A retry may carry a new token (a new `jti`), but the same body to the same URL; bodies carry a time in milliseconds.

    `after` may be asked more than once in a leg's life and its body's time is not documented: without one the token tells.
    """
    parts = [request.method.encode(), request.url.encode(), request.body]
    if request.path.startswith("after") and b'"timestamp"' not in request.body:
        parts.append(str(claims["jti"]).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignature("garbled-token") from error


def _json(raw: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:  # anybody may send it: nothing is verified yet
        raise BadSignature("garbled-token") from error


# --- meaning -----------------------------------------------------------------------------------------------------


def _fields(request: HookRequest) -> dict[str, Any]:
    if request.method == "GET":
        return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
    try:
        return msgspec.json.decode(request.body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed("not-a-json-object", str(error)) from error


def _check_leg(fields: Mapping[str, Any], request: HookRequest) -> None:
    """The token vouches for the body and not for the URL: what tells of a stream must name our leg in its body.

    The WebSocket leg's `uuid` is not the leg's own, but the address that it called is; the notify action brings back the
    payload that we gave it. (The phone leg's events carry the `uuid` that the leg is known by.)
    """
    to, payload = _text(fields, "to"), fields.get("payload")
    named = payload.get("leg") if isinstance(payload, dict) else None
    if to.startswith(_SOCKETS) and f"/{request.call_id}/{request.leg_id}/" not in to:
        raise BadSignature("foreign-leg", "the stream is another leg's than the URL names")
    if named is not None and named != request.leg_id:
        raise BadSignature("foreign-leg", "the notify is another leg's than the URL names")


def _answer(fields: Mapping[str, Any]) -> Hook:
    # For an outbound call the NCCO is fetched when the phone is answered: the request is proof of it.
    answered = LegAnswered(carrier_call_id=_uuid(fields), carrier_data=_data(fields))
    return Hook(events=(answered,), expects=Expectation.ANSWER_DOCUMENT)


def _event(fields: Mapping[str, Any]) -> Hook:
    if _text(fields, "to").startswith(_SOCKETS):
        return _stream(fields)
    status = _text(fields, "status")
    if not status:
        return _error(fields)
    if status in verdicts.TERMINAL:
        return Hook(events=(_end(fields, status),))
    told = _PROGRESS.get(status)
    return Hook() if told is None else Hook(events=(told(carrier_call_id=_uuid(fields), carrier_data=_data(fields)),))


def _end(fields: Mapping[str, Any], status: str) -> AnyLegEvent:
    uuid, data = _uuid(fields), _data(fields)
    if status == "completed":
        return _completed(fields, uuid, data)
    verdict = verdicts.end_verdict(status, _text(fields, "detail"), verdicts.sip_code_of(fields.get("sip_code")))
    alerted = verdicts.proves_alerting(status, verdict)
    return LegEnded(carrier_call_id=uuid, carrier_data=data, verdict=verdict, alerted=alerted)


def _completed(fields: Mapping[str, Any], uuid: str, data: dict[str, str]) -> AnyLegEvent:
    """`completed` follows busy, failed, timeout ... as well, in any order, and then knows no reason: not the end to report."""
    proven = verdicts.answer_proven(fields)
    if proven is not False:
        normal, told = verdicts.completed(answered=True), proven is True
        return LegEnded(carrier_call_id=uuid, carrier_data=data, verdict=normal, alerted=told, answered=told)
    code = verdicts.sip_code_of(fields.get("sip_code"))
    if code is not None and code >= 400:
        verdict = verdicts.end_verdict("completed", _text(fields, "detail"), code)
        return LegEnded(carrier_call_id=uuid, carrier_data=data, verdict=verdict)
    return LegProgressed(carrier_call_id=uuid, carrier_data=data)


def _error(fields: Mapping[str, Any]) -> Hook:
    """An error webhook: bad syntax in the NCCO, a connect over the pace. It names no leg and ends nothing by itself.

    What follows (the flow asks on `after`, or the leg completes) decides; the carrier's words are kept for the log.
    """
    reason = _text(fields, "reason")
    if not reason or "original_request" in fields:
        return Hook()
    return Hook(events=(LegProgressed(carrier_call_id=_uuid(fields, required=False), carrier_data={"error": reason[:120]}),))


def _stream(fields: Mapping[str, Any]) -> Hook:
    """The WebSocket leg: its own `uuid` is not the phone's, so it goes into the data and never into `carrier_call_id`."""
    status = _text(fields, "status")
    if not status:
        return _error(fields)
    data = _stream_data(fields)
    if status == "disconnected":
        # It may be the only sign: our end of a dead connection stays open.
        failed = StreamFailed(reason="stream-disconnected", carrier_data=data)
        return Hook(events=(failed,), expects=Expectation.AFTER_STREAM_DOCUMENT)
    if status in _NEVER_OPENED:
        # No StreamFailed: that no stream ever opened is counted where the question is answered, once for each question.
        told = LegProgressed(carrier_data={**data, "stream_end": status})
        return Hook(events=(told,), expects=Expectation.AFTER_STREAM_DOCUMENT)
    # `completed` is the normal end and says nothing that the closed socket has not said.
    return Hook(events=(LegProgressed(carrier_data=data),)) if status in _PROGRESS else Hook()


def _after(_fields: Mapping[str, Any]) -> Hook:
    # The bridge has told what became of the stream, unless there never was one.
    return Hook(expects=Expectation.AFTER_STREAM_DOCUMENT)


def _recorded(fields: Mapping[str, Any]) -> Hook:
    """It names no leg, only the conversation, and is the one word that tells where the file is."""
    data = messages.told(fields)
    names = {"conversation_uuid": _text(fields, "conversation_uuid")}
    return Hook(events=(MessageRecorded(carrier_data=data, names=names),)) if data else Hook()


_STEPS = {"answer": _answer, "event": _event, "stream": _stream, "after": _after, "recorded": _recorded}
_PROGRESS: dict[str, type[LegProgressed | LegRinging | LegAnswered]] = {
    "started": LegProgressed,
    "ringing": LegRinging,
    "answered": LegAnswered,
    "human": LegAnswered,
    "machine": LegAnswered,
}
_NEVER_OPENED = frozenset({"failed", "unanswered", "rejected", "busy", "timeout"})


def _uuid(fields: Mapping[str, Any], required: bool = True) -> str:
    # human and machine events call it `call_uuid`.
    uuid = _text(fields, "uuid") or _text(fields, "call_uuid")
    if required and not uuid:
        raise Malformed("no-uuid")
    return uuid


def _stands_for_a_caller(fields: Mapping[str, Any]) -> bool:
    """Whether a fallback's request was first made to the URL of inbound calls, and not to one of a leg that we know."""
    original = fields.get("original_request")
    if isinstance(original, str):
        # Of a GET it is JSON in a parameter.
        try:
            original = msgspec.json.decode(original)
        except msgspec.DecodeError:
            return False
    known = original if isinstance(original, Mapping) else {}
    return known.get("type") == "answer" and "/hooks/" not in urlsplit(str(known.get("url", ""))).path


def _e164(number: str) -> str:
    """Vonage writes numbers without the plus; a withheld one is a word, or nothing."""
    return f"+{number}" if number.isdigit() else ""


def _data(fields: Mapping[str, Any]) -> dict[str, str]:
    return {key: value for key in ("conversation_uuid", "region_url") if (value := _text(fields, key))}


def _stream_data(fields: Mapping[str, Any]) -> dict[str, str]:
    uuid = _uuid(fields, required=False)
    return {"stream_uuid": uuid} if uuid else {}


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""
