"""The lab's Twilio asks its customer: signed requests, connection overrides, retries, and the book of what is under way."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from msgspec import Struct, structs

from carriers.lab.contract import Site, Webhook, WebhookReply
from carriers.twilio.simulator_call import Call

SIGNATURE = "X-Twilio-Signature"
DEFAULT_RETRIES, DEFAULT_POLICY = 1, frozenset({"ct"})
RANGES = {"ct": (100, 10000), "rt": (100, 15000), "tt": (100, 15000), "rc": (0, 5)}
POLICIES = frozenset({"4xx", "5xx", "ct", "rt", "all"})
"""Of a fragment: the bounds of its numbers, and the words of `rp`. `e`, from which edge to ask, has no effect here."""
LEAST_S = 0.1
"""No attempt is begun with less time left than this."""


class Override(Struct, frozen=True, kw_only=True):
    """Per-URL settings from the fragment: `#ct=2000&rt=3000&tt=9000&rc=2&rp=4xx,5xx,ct,rt`; times there in ms, here in s."""

    connect_s: float = 5.0
    read_s: float = 15.0
    total_s: float = 15.0
    """For all attempts together: a read that took it all is not repeated, whatever `rp` says."""
    retries: int = DEFAULT_RETRIES
    policy: frozenset[str] = DEFAULT_POLICY

    def retries_on(self, reply: WebhookReply) -> bool:
        """`ct` covers refused and failed connections, `rt` a connection without an answer in time."""
        words = {"connect": "ct", "timeout": "rt", "reset": "ct"}
        word = words.get(reply.failure, "") if reply.status == 0 else f"{reply.status // 100}xx"
        return word in self.policy or ("all" in self.policy and (reply.status == 0 or reply.status >= 400))


class Sending(Struct, frozen=True, kw_only=True):
    """One request under way. `purpose` is `status`, `stream`, `recording`, `message` or `document`; `step` is the call's
    when it was sent; `record` is its line in the call's Events.
    """

    sid: str
    purpose: str
    step: int
    webhook: Webhook
    override: Override
    began: float
    record: dict[str, Any]


class Hooks:
    """Sends to the customer and remembers what for; replies are given back by id."""

    def __init__(self, site: Site, auth_token: str) -> None:
        self._site, self._secret = site, auth_token.encode()
        self._under_way: dict[str, Sending] = {}
        self._read: set[str] = set()
        """Fragments that were read already."""

    def send(self, now: float, call: Call, purpose: str, url: str, method: str, fields: Mapping[str, str]) -> None:
        """Ask or tell about a call; its Events list the request."""
        record = self.post(now, purpose, call.sid, call.person, url, method, fields, call.step)
        call.requests.append((now, record))

    def post(
        self,
        now: float,
        purpose: str,
        sid: str,
        number: str,
        url: str,
        method: str,
        fields: Mapping[str, str],
        step: int = 0,
    ) -> dict[str, Any]:
        """Sign and emit; the same fields always, so that a signature over them all is a test of the receiver."""
        target, _, fragment = url.partition("#")
        override = read_override(fragment)
        self._complain(now, sid, number, url, fragment)
        if method != "POST":
            target += ("&" if "?" in target else "?") + urlencode(fields)
        signed = f"{target}#{fragment}" if fragment and self._site.knobs.get("sign_fragment", False) else target
        webhook = Webhook(
            id=self._id(),
            url=target,
            method=method,
            headers=self._headers(signed, fields if method == "POST" else {}),
            body=urlencode(fields).encode() if method == "POST" else b"",
            connect_timeout_s=min(override.connect_s, override.total_s),
            timeout_s=min(override.read_s, override.total_s),
            carrier_call_id=sid,
            number=number,
        )
        record = {"request": {"method": method, "url": url, "parameters": dict(fields)}, "response": {}}
        sending = Sending(sid=sid, purpose=purpose, step=step, webhook=webhook, override=override, began=now, record=record)
        self._emit(sending)
        return record

    def replied(self, now: float, webhook_id: str, reply: WebhookReply) -> Sending | None:
        """What the reply belongs to; None if nothing does, or if the request is being repeated."""
        sending = self._under_way.pop(webhook_id, None)
        if sending is None:
            return None
        left_s = sending.override.total_s - (now - sending.began)
        again = sending.webhook.attempt <= sending.override.retries and sending.override.retries_on(reply)
        if again and left_s >= LEAST_S:
            self._emit(structs.replace(sending, webhook=self._again(sending.webhook, left_s)))
            return None
        sending.record["response"] = {"response_code": reply.status, "content_type": reply.content_type}
        return sending

    def sign(self, url: str, fields: Mapping[str, str]) -> str:
        """base64(HMAC-SHA1(token, url + each field's name and value, by name))."""
        text = url + "".join(name + fields[name] for name in sorted(fields))
        return base64.b64encode(hmac.new(self._secret, text.encode(), hashlib.sha1).digest()).decode()

    def forget(self) -> None:
        """Replies to what was sent before mean nothing any more."""
        self._under_way.clear()
        self._read.clear()

    def _complain(self, now: float, sid: str, number: str, url: str, fragment: str) -> None:
        """Be loud, once, about settings that have no effect."""
        strange = [] if fragment in self._read else unread(fragment)
        self._read.add(fragment)
        if strange:
            detail = f"connection override without effect: {', '.join(strange)}"
            self._site.ledger.write(
                now, "refused", carrier=self._site.name, number=number, carrier_call_id=sid, url=url, detail=detail
            )

    def _again(self, webhook: Webhook, left_s: float) -> Webhook:
        """A repeat carries the same body, signature and idempotency token, and has what is left of the total time."""
        return structs.replace(
            webhook,
            id=self._id(),
            attempt=webhook.attempt + 1,
            connect_timeout_s=min(webhook.connect_timeout_s, left_s),
            timeout_s=min(webhook.timeout_s, left_s),
        )

    def _emit(self, sending: Sending) -> None:
        self._under_way[sending.webhook.id] = sending
        self._site.emit(sending.webhook)

    def _headers(self, url: str, fields: Mapping[str, str]) -> dict[str, str]:
        return {
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "I-Twilio-Idempotency-Token": self._id(),
            "X-Home-Region": "us1",
            SIGNATURE: self.sign(url, fields),
        }

    def _id(self) -> str:
        return f"{self._site.random.getrandbits(128):032x}"


def read_override(fragment: str) -> Override:
    """Unknown words and numbers out of range fall back to the defaults."""
    words = dict(parse_qsl(fragment))
    return Override(
        connect_s=_number(words.get("ct"), *RANGES["ct"], 5000) / 1000,
        read_s=_number(words.get("rt"), *RANGES["rt"], 15000) / 1000,
        total_s=_number(words.get("tt"), *RANGES["tt"], 15000) / 1000,
        retries=_number(words.get("rc"), *RANGES["rc"], DEFAULT_RETRIES),
        policy=frozenset(words["rp"].split(",")) if "rp" in words else DEFAULT_POLICY,
    )


def unread(fragment: str) -> list[str]:
    """The settings of a fragment that `read_override` passes over: misspelt, unknown, or out of range."""
    return [f"{name}={text}" for name, text in parse_qsl(fragment, keep_blank_values=True) if not _means(name, text)]


def _means(name: str, text: str) -> bool:
    if name in RANGES:
        least, most = RANGES[name]
        return text.isdecimal() and least <= int(text) <= most
    return name == "e" or (name == "rp" and set(text.split(",")) <= POLICIES)


def _number(text: str | None, least: int, most: int, default: int) -> int:
    value = int(text) if text and text.isdecimal() else default
    return value if least <= value <= most else default
