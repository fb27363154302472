"""The simulated carrier's outgoing post: signed webhooks, and which of them are sent again."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from carriers.lab.contract import Site, Wake, Webhook, WebhookReply
from carriers.vonage.simulator_account import Account
from carriers.vonage.simulator_legs import Leg, PhoneLeg, stamp

RETRIED_STATUSES = frozenset({429, 503, 504})
CONNECT_S = 1.0
ANSWER_S, EVENT_S = 5.0, 10.0


class Letter(Struct, frozen=True, kw_only=True):
    """One webhook on its way. `purpose` says what its answer is for: answer, flow, fallback, or event (nothing)."""

    id: str
    url: str
    method: str
    payload: Mapping[str, Any]
    purpose: str
    ref: str
    """The phone leg's uuid."""
    number: str
    step: int = 0
    attempt: int = 1


class Postman:
    """`answered(now, letter, reply)` is called once for each letter, when its last attempt has been answered or has failed."""

    def __init__(self, site: Site, account: Account, answered: Callable[[float, Letter, WebhookReply], None]) -> None:
        self._site, self._account, self._answered = site, account, answered
        self._away: dict[str, Letter] = {}
        self._waiting: dict[str, Letter] = {}

    def tell(self, now: float, leg: Leg, payload: Mapping[str, Any]) -> None:
        """An event of a leg, to its event URL if it has one."""
        ref, number = (leg.uuid, f"+{leg.to}") if isinstance(leg, PhoneLeg) else (leg.ref, leg.number)
        if leg.event_url:
            letter = Letter(
                id=self._new_id(),
                url=leg.event_url,
                method=leg.event_method,
                payload=payload,
                purpose="event",
                ref=ref,
                number=number,
            )
            self._send(now, letter)

    def ask(self, now: float, leg: PhoneLeg, purpose: str, url: str, method: str, payload: Mapping[str, Any]) -> None:
        """A request that wants an NCCO in its answer; the answer counts while the leg is at the same step."""
        letter = Letter(
            id=self._new_id(),
            url=url,
            method=method,
            payload=payload,
            purpose=purpose,
            ref=leg.uuid,
            number=f"+{leg.to}",
            step=leg.step,
        )
        self._send(now, letter)

    def complain(self, now: float, leg: PhoneLeg, reason: str) -> None:
        """An error webhook; it names the conversation and no leg."""
        payload = {"reason": reason, "conversation_uuid": leg.conversation_uuid, "timestamp": stamp(now)}
        self.tell(now, leg, payload)

    def _send(self, now: float, letter: Letter) -> None:
        url, headers, body = self._account.signed(now, letter.method, letter.url, letter.payload)
        self._away[letter.id] = letter
        self._site.emit(
            Webhook(
                id=letter.id,
                url=url,
                method=letter.method,
                headers=headers,
                body=body,
                connect_timeout_s=CONNECT_S,
                timeout_s=EVENT_S if letter.purpose == "event" else ANSWER_S,
                carrier_call_id=letter.ref,
                number=letter.number,
                attempt=letter.attempt,
            )
        )

    def _new_id(self) -> str:
        return f"wh-{self._site.random.getrandbits(64):016x}"

    def on_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        """Send again what deserves it, hand everything else on."""
        letter = self._away.pop(webhook_id, None)
        if letter is None:
            return
        tries = 1 + int(self._site.knobs.get("webhook_retries", 1))
        # Plain events are sent once; what expects an NCCO is asked for again.
        if letter.purpose != "event" and letter.attempt < tries and _deserves_retry(reply):
            again = replace(letter, id=self._new_id(), attempt=letter.attempt + 1)
            self._waiting[again.id] = again
            self._site.emit(Wake(at=now + float(self._site.knobs.get("webhook_retry_after_s", 1.0)), key=f"post:{again.id}"))
        else:
            self._answered(now, letter, reply)

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
