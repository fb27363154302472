"""The simulated Vonage account: its keys, what it signs, what it lets pass, and the words in which it refuses."""

import base64
import hashlib
import hmac
from collections import deque
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlencode

import jwt
import msgspec

from carriers.lab.contract import RestReply, RestRequest, Site

ERRORS = "https://developer.vonage.com/api-errors"
_TITLES: dict[str, tuple[int, str, str]] = {
    "unauthorized": (401, "Unauthorized", "You did not provide correct credentials"),
    "jwt-expired": (401, "Unauthorized", "The token you provided has expired"),
    "low-balance": (403, "Low balance", "This request could not be performed due to your account balance being low"),
    "account-suspended": (403, "Account suspended", "This account has been suspended"),
    "forbidden": (403, "Forbidden", "The provided `from` is not available to this account"),
    "not-found": (404, "Not found", "The requested resource does not exist, or you do not have access to it"),
    "invalid-params": (400, "Bad request", "The request failed due to validation errors"),
    "rate-limit": (429, "Rate Limit Hit", "Please wait, then retry your request"),
    "internal-error": (500, "Internal Error", "There was an error processing your request in the Platform"),
    "service-unavailable": (503, "Service Unavailable", "The service is temporarily unavailable"),
}
FAULTS = {
    "auth_error": "unauthorized",
    "suspended": "account-suspended",
    "rate_limited": "rate-limit",
    "low_balance": "low-balance",
}


@cache
def application_key() -> tuple[str, Any]:
    """The application's RSA key: PKCS#8 PEM and public key. One for all accounts of the process: making one takes a while.

    It comes from the system's random numbers. Nothing that the lab sends out depends on it, so a run in virtual time
    repeats all the same.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode(), key.public_key()


class Account:
    """One account with one application. Its secrets come from the site's random numbers."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.application_id = self.uuid()
        self.api_key = f"{site.random.getrandbits(32):08x}"
        self.api_secret = f"{site.random.getrandbits(64):016x}"
        self.signature_secret = f"{site.random.getrandbits(200):050x}"
        self._dials, self._requests = _Window(self._knob("calls_per_second", 3)), _Window(self._knob("requests_per_second", 15))

    def credentials(self) -> dict[str, Any]:
        """As `/lab/credentials` prints them."""
        return {
            "application_id": self.application_id,
            "private_key": application_key()[0],
            "api_key": self.api_key,
            "api_secret": self.api_secret,
            "signature_secret": self.signature_secret,
            "base_url": self._site.base_url,
            "numbers": list(self._site.numbers),
        }

    def uuid(self) -> str:
        """A new id in the shape of a UUID of version 4."""
        bits = f"{self._site.random.getrandbits(128):032x}"
        return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}"

    # --- who may ask ---------------------------------------------------------------------------------------------

    def refusal(self, now: float, request: RestRequest) -> RestReply | None:
        """What an unauthorized or hasty request gets; None for one that may pass."""
        plain = request.path.startswith("/account/")
        wrong = self._basic_refusal(request) if plain else self._token_refusal(now, request)
        if wrong:
            return self.problem(wrong)
        dials = request.method == "POST" and request.path == "/v1/calls"
        window = self._dials if dials else self._requests
        return None if window.take(now) else self.problem("rate-limit")

    def may_connect(self, now: float) -> bool:
        """Connect actions share the pace of dials."""
        return not self._knob("connects_count", True) or self._dials.take(now)

    def _basic_refusal(self, request: RestRequest) -> str:
        expected = base64.b64encode(f"{self.api_key}:{self.api_secret}".encode()).decode()
        given = request.headers.get("authorization", "")
        return "" if hmac.compare_digest(given.encode(), f"Basic {expected}".encode()) else "unauthorized"

    def _token_refusal(self, now: float, request: RestRequest) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        unchecked: Any = {"verify_exp": False, "verify_iat": False, "require": ["application_id", "iat", "jti", "exp"]}
        try:
            claims = jwt.decode(token, application_key()[1], algorithms=["RS256"], options=unchecked)
            expired = float(claims["exp"]) <= now
        except (jwt.PyJWTError, TypeError, ValueError):
            return "unauthorized"
        if scheme != "Bearer" or claims["application_id"] != self.application_id:
            return "unauthorized"
        return "jwt-expired" if expired else ""

    # --- what it signs -------------------------------------------------------------------------------------------

    def token(self, now: float, covered: bytes | None) -> str:
        """The HS256 token of a webhook over `covered`, or of a socket's upgrade (None)."""
        claims: dict[str, Any] = {"iat": int(now), "jti": self.uuid(), "iss": "Vonage"}
        if covered is not None and self._knob("payload_hash", True):
            claims["payload_hash"] = hashlib.sha256(covered).hexdigest()
        claims |= {"api_key": self.api_key, "application_id": self.application_id}
        return jwt.encode(claims, self.signature_secret, algorithm="HS256")

    def signed(self, now: float, method: str, url: str, payload: Mapping[str, Any]) -> tuple[str, dict[str, str], bytes]:
        """URL, headers and body of a webhook."""
        compact = msgspec.json.encode(payload)
        if method == "POST":
            bearer = {"authorization": f"Bearer {self.token(now, compact)}", "content-type": "application/json"}
            return url, bearer, compact
        query = urlencode({key: value for key, value in payload.items() if value is not None})
        as_json = msgspec.json.encode({key: str(value) for key, value in payload.items() if value is not None})
        covered = query.encode() if self._knob("get_hash_over", "json") == "query" else as_json
        return f"{url}{'&' if '?' in url else '?'}{query}", {"authorization": f"Bearer {self.token(now, covered)}"}, b""

    # --- how it refuses ------------------------------------------------------------------------------------------

    def problem(self, kind: str, detail: str = "", wrong: Mapping[str, str] | None = None) -> RestReply:
        """RFC 7807, or (knob `error_shape: legacy`) the Voice API's older two fields."""
        status, title, standard = _TITLES[kind]
        if self._knob("error_shape", "problem") == "legacy":
            return _json(status, {"type": title.upper().replace(" ", "_"), "error_title": title})
        body: dict[str, Any] = {"type": f"{ERRORS}#{kind}", "title": title, "detail": detail or standard, "instance": self.uuid()}
        if wrong:
            body["invalid_parameters"] = [{"name": name, "reason": reason} for name, reason in wrong.items()]
        return _json(status, body, "application/problem+json")

    def fault(self, kind: str, status: int | None, code: str | None) -> RestReply:
        """The wording of a fault that the lab puts before the API."""
        if kind in FAULTS and status is None:
            return self.problem(code if code in _TITLES else FAULTS[kind])
        named = code if code in _TITLES else "internal-error" if status in {None, 500} else "service-unavailable"
        reply = self.problem(named)
        return RestReply(status=status or reply.status, body=reply.body, content_type=reply.content_type)

    def _knob(self, name: str, default: Any) -> Any:
        return self._site.knobs.get(name, default)


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


def _json(status: int, body: Any, content_type: str = "application/json") -> RestReply:
    return RestReply(status=status, body=msgspec.json.encode(body), content_type=content_type)
