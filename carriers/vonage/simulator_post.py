"""The simulated carrier's outgoing post: signed webhooks, and which of them are sent again."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from carriers.lab.contract import Webhook, WebhookReply
from carriers.vonage.simulator_applications import HookPlan
from carriers.vonage.simulator_events import stamp
from carriers.vonage.simulator_legs import AnyLeg, PhoneLeg
from carriers.vonage.simulator_parts import Parts

RETRIED_STATUSES = frozenset({429, 503, 504})
_SETTINGS = {"answer": "answer_url", "fallback": "fallback_answer_url"}
"""Whose time limits a letter keeps; all others go by the event URL's."""
TOLD_ONCE = frozenset({"event", "machine"})
MESSAGE_RETRY_S, MESSAGE_LONGEST_S, MESSAGE_GIVE_UP_S = 5.0, 900.0, 86_400.0
"""The fate of a text message is told again after 5 s, 10 s ... 15 min, for 24 h."""


class Letter(Struct, frozen=True, kw_only=True):
    """One webhook on its way. `purpose` says what its answer is for: answer, flow, fallback and machine may bring an NCCO,
    event and message bring nothing.
    """

    id: str
    url: str
    method: str
    payload: Mapping[str, Any]
    purpose: str
    application_id: str
    ref: str
    """The phone leg's uuid, or the message's."""
    number: str
    step: int = 0
    attempt: int = 1
    since: float = 0.0


class Postman:
    """Hands each answer on to the flow once: when the last attempt has been answered or has failed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._away: dict[str, Letter] = {}
        self._waiting: dict[str, Letter] = {}

    def tell(self, now: float, leg: AnyLeg, payload: Mapping[str, Any], purpose: str = "event") -> None:
        """An event of a leg, to its event URL if it has one."""
        self.tell_at(now, leg, leg.event_url, leg.event_method, payload, purpose)

    def tell_at(self, now: float, leg: AnyLeg, url: str, method: str, payload: Mapping[str, Any], purpose: str = "event") -> None:
        """An event of a leg, to a URL of its own."""
        if url:
            self._send(now, self._letter(leg, purpose, url, method, payload))

    def ask(self, now: float, leg: PhoneLeg, purpose: str, url: str, method: str, payload: Mapping[str, Any]) -> None:
        """A request that wants an NCCO in its answer; the answer counts while the leg is at the same step."""
        self._send(now, replace(self._letter(leg, purpose, url, method, payload), step=leg.step))

    def complain(self, now: float, leg: PhoneLeg, reason: str) -> None:
        """An error webhook; it names the conversation and no leg."""
        payload = {"reason": reason, "conversation_uuid": leg.conversation_uuid, "timestamp": stamp(now)}
        self.tell(now, leg, payload)

    def tell_of_message(
        self, now: float, url: str, application_id: str, ref: str, number: str, payload: Mapping[str, Any]
    ) -> None:
        """The fate of a text message."""
        letter = Letter(
            id=self._new_id(),
            url=url,
            method="POST",
            payload=payload,
            purpose="message",
            application_id=application_id,
            ref=ref,
            number=number,
            since=now,
        )
        self._send(now, letter)

    def _letter(self, leg: AnyLeg, purpose: str, url: str, method: str, payload: Mapping[str, Any]) -> Letter:
        return Letter(
            id=self._new_id(),
            url=url,
            method=method,
            payload=payload,
            purpose=purpose,
            application_id=leg.application_id,
            ref=leg.ref,
            number=leg.person,
        )

    def _send(self, now: float, letter: Letter) -> None:
        account = self._parts.account
        url, headers, body = account.signed(now, letter.application_id, letter.method, letter.url, letter.payload)
        self._away[letter.id] = letter
        limits = self._limits(letter)
        self._parts.site.emit(
            Webhook(
                id=letter.id,
                url=url,
                method=letter.method,
                headers=headers,
                body=body,
                connect_timeout_s=limits.connect_s,
                timeout_s=limits.socket_s,
                carrier_call_id=letter.ref,
                number=letter.number,
                attempt=letter.attempt,
            )
        )

    def _limits(self, letter: Letter) -> HookPlan:
        application = self._parts.applications.of(letter.application_id)
        return application.hook(_SETTINGS.get(letter.purpose, "event_url"))

    def _new_id(self) -> str:
        return f"wh-{self._parts.site.random.getrandbits(64):016x}"

    def on_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        """Send again what deserves it, hand everything else on."""
        letter = self._away.pop(webhook_id, None)
        if letter is None:
            return
        after_s = self._retry_after(now, letter, reply)
        if after_s is None:
            self._parts.calls.on_letter_answered(now, letter, reply)
            return
        again = replace(letter, id=self._new_id(), attempt=letter.attempt + 1)
        self._waiting[again.id] = again
        self._parts.wake(now + after_s, "post", again.id)

    def _retry_after(self, now: float, letter: Letter, reply: WebhookReply) -> float | None:
        if letter.purpose == "message":
            wait_s = min(MESSAGE_RETRY_S * 2 ** (letter.attempt - 1), MESSAGE_LONGEST_S)
            failed = reply.status == 0 or reply.status == 429 or reply.status >= 500
            return wait_s if failed and now + wait_s <= letter.since + MESSAGE_GIVE_UP_S else None
        # Plain events are sent once; what expects an NCCO is asked for again.
        tries = 1 + int(self._parts.knob("webhook_retries", 1))
        if letter.purpose in TOLD_ONCE or letter.attempt >= tries or not _deserves_retry(reply):
            return None
        return float(self._parts.knob("webhook_retry_after_s", 1.0))

    def on_timer(self, now: float, letter_id: str) -> None:
        """Time to send again."""
        letter = self._waiting.pop(letter_id, None)
        if letter is not None:
            self._send(now, letter)

    def reset(self) -> None:
        """Forget what is on its way."""
        self._away.clear()
        self._waiting.clear()


def _deserves_retry(reply: WebhookReply) -> bool:
    return reply.status == 0 or reply.status in RETRIED_STATUSES


def is_document(reply: WebhookReply) -> bool:
    """Whether an answer counts as an NCCO at all: 200, and JSON by name."""
    return reply.status == 200 and "json" in reply.content_type.lower()
