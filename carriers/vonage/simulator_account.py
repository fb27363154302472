"""The simulated Vonage account: its keys, what it signs, what it lets pass, and the words in which it refuses."""

import base64
import hashlib
import hmac
from collections import deque
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import msgspec

from carriers.lab.contract import RestReply, RestRequest
from carriers.vonage.simulator_parts import Parts

ERRORS = "https://developer.vonage.com/api-errors"
_TITLES: dict[str, tuple[int, str, str]] = {
    "unauthorized": (401, "Unauthorized", "You did not provide correct credentials"),
    "jwt-expired": (401, "Unauthorized", "The token you provided has expired"),
    "low-balance": (403, "Low balance", "This request could not be performed due to your account balance being low"),
    "out-of-credit": (403, "Out of credit", "You do not have enough credit"),
    "account-suspended": (403, "Account suspended", "This account has been suspended"),
    "forbidden": (403, "Forbidden", "The provided `from` is not available to this account"),
    "not-found": (404, "Not found", "The requested resource does not exist, or you do not have access to it"),
    "invalid-params": (400, "Bad request", "The request failed due to validation errors"),
    "rate-limit": (429, "Rate Limit Hit", "Please wait, then retry your request"),
    "internal-error": (500, "Internal Error", "There was an error processing your request in the Platform"),
    "service-unavailable": (503, "Service Unavailable", "The service is temporarily unavailable"),
}
ERROR_CODES = frozenset(_TITLES)
FAULTS = {
    "auth_error": "unauthorized",
    "suspended": "account-suspended",
    "rate_limited": "rate-limit",
    "low_balance": "low-balance",
}


@cache
def application_key() -> tuple[str, Any]:
    """The RSA key of every application that brought none of its own: PKCS#8 PEM and public key. One for the process: making
    one takes a while.

    It comes from the system's random numbers. Nothing that the lab sends out depends on it, so a run in virtual time
    repeats all the same.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode(), key.public_key()


@cache
def application_public_pem() -> str:
    """The public half, as an application's record shows it."""
    from cryptography.hazmat.primitives import serialization

    public = application_key()[1]
    pem: bytes = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


class Account:
    """One account. Its secrets come from the site's random numbers."""

    def __init__(self, parts: Parts) -> None:
        self._parts, site = parts, parts.site
        self.application_id = parts.new_uuid()
        """The application that the account has from the first day."""
        self.api_key = f"{site.random.getrandbits(32):08x}"
        self.api_secret = f"{site.random.getrandbits(64):016x}"
        self.signature_secret = f"{site.random.getrandbits(200):050x}"
        self._dials = _Window(parts.knob("calls_per_second", 3))
        self._requests = _Window(parts.knob("requests_per_second", 15))

    def credentials(self) -> dict[str, Any]:
        """As `/lab/credentials` prints them."""
        return {
            "application_id": self.application_id,
            "private_key": application_key()[0],
            "api_key": self.api_key,
            "api_secret": self.api_secret,
            "signature_secret": self.signature_secret,
            "base_url": self._parts.site.base_url,
            "numbers": list(self._parts.site.numbers),
        }

    # --- who may ask ---------------------------------------------------------------------------------------------

    def admit(self, now: float, request: RestRequest, ways: frozenset[str]) -> str | RestReply:
        """The application that asks (empty for the account itself), or how it is turned away. `ways`: jwt, basic."""
        who, wrong = self._known(now, request, ways)
        if wrong:
            return self.problem(wrong)
        dials = request.method == "POST" and request.path == "/v1/calls"
        window = self._dials if dials else self._requests
        return who if window.take(now) else self.problem("rate-limit")

    def may_connect(self, now: float) -> bool:
        """Connect actions share the pace of dials."""
        return not self._parts.knob("connects_count", True) or self._dials.take(now)

    def _known(self, now: float, request: RestRequest, ways: frozenset[str]) -> tuple[str, str]:
        scheme = request.headers.get("authorization", "").partition(" ")[0]
        if scheme == "Basic" and "basic" in ways:
            return "", self._basic_refusal(request)
        return self._of_token(now, request) if "jwt" in ways else ("", "unauthorized")

    def _basic_refusal(self, request: RestRequest) -> str:
        expected = base64.b64encode(f"{self.api_key}:{self.api_secret}".encode()).decode()
        given = request.headers.get("authorization", "")
        return "" if hmac.compare_digest(given.encode(), f"Basic {expected}".encode()) else "unauthorized"

    def _of_token(self, now: float, request: RestRequest) -> tuple[str, str]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        unchecked: Any = {"verify_exp": False, "verify_iat": False, "require": ["application_id", "iat", "jti", "exp"]}
        try:
            claimed = str(jwt.decode(token, options={"verify_signature": False}).get("application_id", ""))
            key = self._parts.applications.key_of(claimed)
            claims = jwt.decode(token, key, algorithms=["RS256"], options=unchecked)
            expired = float(claims["exp"]) <= now
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            return "", "unauthorized"
        if scheme != "Bearer":
            return "", "unauthorized"
        return claimed, "jwt-expired" if expired else ""

    # --- what it signs -------------------------------------------------------------------------------------------

    def token(self, now: float, application_id: str, covered: bytes | None) -> str:
        """The HS256 token of a webhook over `covered`, or of a socket's upgrade (None)."""
        claims: dict[str, Any] = {"iat": int(now), "jti": self._parts.new_uuid(), "iss": "Vonage"}
        if covered is not None and self._parts.knob("payload_hash", True):
            claims["payload_hash"] = hashlib.sha256(covered).hexdigest()
        claims |= {"api_key": self.api_key, "application_id": application_id}
        return jwt.encode(claims, self.signature_secret, algorithm="HS256")

    def signed(
        self, now: float, application_id: str, method: str, url: str, payload: Mapping[str, Any]
    ) -> tuple[str, dict[str, str], bytes]:
        """URL, headers and body of a webhook; without a token where the application switched signed callbacks off."""
        compact = msgspec.json.encode(payload)
        if method == "POST":
            headers = self._bearer(now, application_id, compact) | {"content-type": "application/json"}
            return url, headers, compact
        given = {key: _as_parameter(value) for key, value in payload.items() if value is not None}
        address = f"{url}{'&' if '?' in url else '?'}{urlencode(given)}"
        return address, self._bearer(now, application_id, self._covered(urlsplit(address).query, given)), b""

    def _covered(self, query: str, given: Mapping[str, str]) -> bytes:
        """What the hash of a GET is of: the parameters that arrive, the customer's own before ours, decoded."""
        reading = self._parts.knob("get_hash_over", "json")
        if reading == "query":
            return query.encode()
        return msgspec.json.encode(given if reading == "payload" else dict(parse_qsl(query, keep_blank_values=True)))

    def _bearer(self, now: float, application_id: str, covered: bytes) -> dict[str, str]:
        if not self._parts.applications.signs(application_id):
            return {}
        return {"authorization": f"Bearer {self.token(now, application_id, covered)}"}

    # --- how it refuses ------------------------------------------------------------------------------------------

    def problem(
        self, kind: str, detail: str = "", wrong: Mapping[str, str] | None = None, status: int | None = None
    ) -> RestReply:
        """RFC 7807, or (knob `error_shape: legacy`) the Voice API's older two fields."""
        usual, title, standard = _TITLES[kind]
        if self._parts.knob("error_shape", "problem") == "legacy":
            return as_json(status or usual, {"type": title.upper().replace(" ", "_"), "error_title": title})
        body: dict[str, Any] = {"type": f"{ERRORS}#{kind}", "title": title, "detail": detail or standard}
        body["instance"] = self._parts.new_uuid()
        if wrong:
            body["invalid_parameters"] = [{"name": name, "reason": reason} for name, reason in wrong.items()]
        return as_json(status or usual, body, "application/problem+json")

    def fault(self, kind: str, status: int | None, code: str | None) -> RestReply:
        """The wording of a fault that the lab puts before the API."""
        if kind in FAULTS and status is None:
            return self.problem(code if code in _TITLES else FAULTS[kind])
        named = code if code in _TITLES else "internal-error" if status in {None, 500} else "service-unavailable"
        reply = self.problem(named)
        return RestReply(status=status or reply.status, body=reply.body, content_type=reply.content_type)


class _Window:
    """At most `limit` in any second."""

    def __init__(self, limit: int) -> None:
        self._limit, self._taken = limit, deque[float]()

    def take(self, now: float) -> bool:
        while self._taken and self._taken[0] <= now - 1.0:
            self._taken.popleft()
        if len(self._taken) >= self._limit:
            return False
        self._taken.append(now)
        return True


def _as_parameter(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def as_json(status: int, body: Any, content_type: str = "application/json") -> RestReply:
    """A JSON answer of the API."""
    return RestReply(status=status, body=msgspec.json.encode(body), content_type=content_type)
