"""The lab's Plivo: how webhooks are signed, sent, repeated, and given up. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from msgspec import Struct

from carriers.lab.contract import Site, Wake, Webhook, WebhookReply
from carriers.plivo.simulator_calls import new_uuid
from carriers.plivo.simulator_forms import Form

SIGNATURE_HEADERS = frozenset(
    {"x-plivo-signature-v3", "x-plivo-signature-ma-v3", "x-plivo-signature-v3-nonce"}
    | {"x-plivo-signature-v2", "x-plivo-signature-ma-v2", "x-plivo-signature-v2-nonce"}
)
DOCUMENTS = frozenset({"answer", "action", "transfer", "redirect"})
"""Purposes of deliveries whose answer is a document."""


class Policy(Struct, frozen=True):
    """How often a URL is tried, read from its fragment: `#ct=2000&rt=3000&rc=1&rp=ct,rt,5xx`. Times in seconds."""

    connect_s: float = 2.0
    read_s: float = 40.0
    total_s: float = 55.0
    retries: int = 1
    retried: frozenset[str] = frozenset({"ct", "rt"})

    def covers(self, kind: str) -> bool:
        """Whether a failure of this kind (ct, rt, 4xx, 5xx) is worth another try."""
        return kind in self.retried or "all" in self.retried


class Delivery(Struct, kw_only=True):
    """One webhook on its way, with all its tries."""

    purpose: str
    """ring, hangup, stream, ... for reports; answer, action, transfer, redirect where a document is wanted."""
    call_uuid: str
    number: str
    url: str
    method: str
    form: Form
    policy: Policy
    began_at: float
    tried_at: float = 0.0
    fallback: tuple[str, str] | None = None
    """(url, method), where there is one."""
    step: int = 0
    """The call's step that waits for the document."""
    attempt: int = 1
    nonce: str = ""
    sealed: str = "v3"
    """v3, or v2 as messages are, or both."""


class Deliveries:
    """Sends what it is given until it is answered, and says so."""

    def __init__(self, site: Site, auth_token: str) -> None:
        self._site, self._token = site, auth_token
        self._under_way: dict[str, Delivery] = {}

    def send(self, now: float, delivery: Delivery) -> None:
        """The first try."""
        delivery.began_at = now
        self._post(now, delivery)

    def on_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> Delivery | None:
        """The delivery if this reply settles it, None if it is tried again (or is not known any more)."""
        delivery = self._under_way.pop(webhook_id, None)
        if delivery is None or 200 <= reply.status < 300:
            return delivery
        if self._try_again(now, delivery, failure_kind(reply)) or self._fall_back(now, delivery):
            return None
        return delivery

    def on_retry(self, now: float, key: str) -> None:
        """The pause before another try is over."""
        delivery = self._under_way.pop(key, None)
        if delivery is not None:
            self._post(now, delivery)

    def fall_back(self, now: float, delivery: Delivery) -> bool:
        """Ask the fallback URL after all; False if there is none."""
        return self._fall_back(now, delivery)

    def forget(self) -> None:
        """Drop everything that is under way."""
        self._under_way.clear()

    def upgrade_headers(self, url: str) -> Mapping[str, str]:
        """For a media socket: signed as a GET, of the URL with `http` where it says `wss` or `ws`."""
        if not self._site.knobs.get("sign_upgrade", True):
            return {}
        scheme = self._site.knobs.get("upgrade_signed_as", "http")
        spelled = url if scheme == "ws" else scheme + "://" + url.partition("://")[2]
        return self._headers(signed_string("GET", spelled, {}), self._nonce())

    def _try_again(self, now: float, delivery: Delivery, kind: str) -> bool:
        policy = delivery.policy
        spent = delivery.attempt > policy.retries or now - delivery.began_at >= policy.total_s
        if spent or not policy.covers(kind):
            return False
        delivery.attempt += 1
        key = new_uuid(self._site.random)
        self._under_way[key] = delivery
        self._site.emit(Wake(at=now + self._site.knobs.get("webhook_retry_s", 0.1), key=f"retry:{key}"))
        return True

    def _fall_back(self, now: float, delivery: Delivery) -> bool:
        if delivery.fallback is None:
            return False
        delivery.url, delivery.method = delivery.fallback
        delivery.fallback, delivery.attempt, delivery.nonce = None, 1, ""
        delivery.policy = read_policy(delivery.url)
        self.send(now, delivery)
        return True

    def _post(self, now: float, delivery: Delivery) -> None:
        delivery.tried_at = now
        if not delivery.nonce or self._site.knobs.get("retry_renews_nonce", True):
            delivery.nonce = self._nonce()
        webhook_id = new_uuid(self._site.random)
        self._under_way[webhook_id] = delivery
        self._site.emit(self._webhook(webhook_id, delivery))

    def _webhook(self, webhook_id: str, delivery: Delivery) -> Webhook:
        url, body = request_of(delivery)
        text = signed_string(delivery.method, url, delivery.form if body else {})
        return Webhook(
            id=webhook_id,
            url=url,
            method=delivery.method,
            headers={**self._sealed(delivery, url, text), "Content-Type": "application/x-www-form-urlencoded"},
            body=body,
            connect_timeout_s=delivery.policy.connect_s,
            timeout_s=min(delivery.policy.connect_s + self._read_s(delivery), self._left_s(delivery)),
            carrier_call_id=delivery.call_uuid,
            number=delivery.number,
            attempt=delivery.attempt,
        )

    def _left_s(self, delivery: Delivery) -> float:
        """What `tt` leaves to this try; a moment at least."""
        return max(0.1, delivery.policy.total_s - (delivery.tried_at - delivery.began_at))

    def _read_s(self, delivery: Delivery) -> float:
        """The XML overview gives a document 15 s, the page of the fragments 40 s by default: the shorter holds."""
        told = "rt" in parse_qs(urlsplit(delivery.url).fragment)
        if told or delivery.purpose not in DOCUMENTS:
            return delivery.policy.read_s
        return min(delivery.policy.read_s, float(self._site.knobs.get("document_deadline_s", 15.0)))

    def _sealed(self, delivery: Delivery, url: str, text: str) -> Mapping[str, str]:
        newer = self._headers(text, delivery.nonce) if delivery.sealed in {"v3", "both"} else {}
        older = self._older_headers(url, delivery.nonce) if delivery.sealed in {"v2", "both"} else {}
        return {**newer, **older}

    def _older_headers(self, url: str, nonce: str) -> Mapping[str, str]:
        """V2: base64(HMAC-SHA256(auth token, URL without query + nonce))."""
        address = url.partition("?")[0]
        signed = base64.b64encode(hmac.digest(self._token.encode(), f"{address}{nonce}".encode(), hashlib.sha256)).decode()
        return {"X-Plivo-Signature-V2": signed, "X-Plivo-Signature-Ma-V2": signed, "X-Plivo-Signature-V2-Nonce": nonce}

    def _headers(self, text: str, nonce: str) -> Mapping[str, str]:
        signed = sign(self._token, text, nonce)
        if int(self._site.knobs.get("active_tokens", 1)) > 1:
            signed = f"{sign(self._token[::-1], text, nonce)},{signed}"
        return {"X-Plivo-Signature-V3": signed, "X-Plivo-Signature-Ma-V3": signed, "X-Plivo-Signature-V3-Nonce": nonce}

    def _nonce(self) -> str:
        return str(self._site.random.randrange(10**19, 10**20))


def request_of(delivery: Delivery) -> tuple[str, bytes]:
    """URL without its fragment, and body; a GET carries the form in its query, mixed with what was there."""
    address, _, _ = delivery.url.partition("#")
    encoded = urlencode(delivery.form)
    if delivery.method == "POST":
        return address, encoded.encode()
    return f"{address}{'&' if '?' in address else '?'}{encoded}", b""


def sign(token: str, text: str, nonce: str) -> str:
    """base64(HMAC-SHA256(auth token, text.nonce))."""
    return base64.b64encode(hmac.digest(token.encode(), f"{text}.{nonce}".encode(), hashlib.sha256)).decode()


def signed_string(method: str, url: str, form: Form) -> str:
    """The URL with its query in alphabetical order; behind it, for a POST, the form's names and values run together."""
    parts = urlsplit(url)
    text = f"{parts.scheme}://{parts.netloc}{parts.path}"
    query = "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(parts.query, keep_blank_values=True)))
    fields = "".join(f"{name}{form[name]}" for name in sorted(form)) if method == "POST" else ""
    if query or fields:
        text += "?" + query
    return text + ("." if query and fields else "") + fields


def read_policy(url: str) -> Policy:
    """What the fragment does not say keeps Plivo's default; what is out of range is cut to it."""
    told = {name: values[-1] for name, values in parse_qs(urlsplit(url).fragment).items()}
    return Policy(
        connect_s=_within(told.get("ct"), 100, 10_000, 2_000) / 1000,
        read_s=_within(told.get("rt"), 100, 40_000, 40_000) / 1000,
        total_s=_within(told.get("tt"), 100, 55_000, 55_000) / 1000,
        retries=_within(told.get("rc"), 0, 5, 1),
        retried=frozenset(told.get("rp", "ct,rt").split(",")),
    )


def _within(text: str | None, low: int, high: int, default: int) -> int:
    return min(max(int(text), low), high) if text and text.isdecimal() else default


def failure_kind(reply: WebhookReply) -> str:
    """In the words of the retry policy. A reset counts as a read failure."""
    if reply.status:
        return "5xx" if reply.status >= 500 else "4xx"
    return "ct" if reply.failure == "connect" else "rt"
