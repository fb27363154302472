"""The simulated Telnyx' webhooks: made, signed, sent, repeated, and kept in a log that can be asked."""

import base64
import json
from collections import deque
from dataclasses import dataclass
from typing import Any

from nacl.signing import SigningKey

from carriers.lab.contract import Site, Wake, Webhook, WebhookReply
from carriers.telnyx.simulator_calls import Call, iso, new_uuid

LOG_LENGTH = 20_000
SIGNATURE, TIMESTAMP = "telnyx-signature-ed25519", "telnyx-timestamp"


@dataclass(kw_only=True)
class Delivery:
    """One event on its way to the customer; `attempt` counts from 1."""

    event: dict[str, Any]
    url: str
    call: Call
    attempt: int = 1


class Hooks:
    """Knobs: `webhook_timeout_s`, `webhook_retries`, `webhook_backoff_s`, `webhook_failover_url`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._key = SigningKey(site.random.randbytes(32))
        self._under_way: dict[str, Delivery] = {}
        self.log: deque[tuple[float, Delivery]] = deque(maxlen=LOG_LENGTH)
        """Events with their times, delivered or not."""

    @property
    def public_key(self) -> str:
        """As the portal shows it."""
        return base64.b64encode(bytes(self._key.verify_key)).decode()

    def tell(self, now: float, call: Call, event_type: str, payload: dict[str, Any]) -> None:
        """Make an event of a call and send it where its dial said."""
        event_id = new_uuid(self._site.random)
        event: dict[str, Any] = {
            "record_type": "event",
            "event_type": event_type,
            "id": event_id,
            "occurred_at": iso(now),
            "payload": payload,
        }
        delivery = Delivery(event=event, url=str(call.wish.get("webhook_url") or ""), call=call)
        self.log.append((now, delivery))
        if delivery.url:
            self._under_way[event_id] = delivery
            self._send(now, delivery)

    def on_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        """Anything but 200 is repeated, later each time, a bounded number of times."""
        delivery = self._under_way.get(webhook_id)
        if delivery is None:
            return
        if reply.status == 200 or delivery.attempt > self._site.knobs.get("webhook_retries", 3):
            del self._under_way[webhook_id]
            return
        wait_s = self._site.knobs.get("webhook_backoff_s", 1.0) * 2 ** (delivery.attempt - 1)
        delivery.attempt += 1
        self._site.emit(Wake(at=now + wait_s, key=f"webhook {webhook_id}"))

    def on_timer(self, now: float, webhook_id: str) -> None:
        """A repeat is due."""
        if webhook_id in self._under_way:
            self._send(now, self._under_way[webhook_id])

    def forget(self) -> None:
        """Calls and their webhooks, not the key."""
        self._under_way.clear()
        self.log.clear()

    def _send(self, now: float, delivery: Delivery) -> None:
        url = self._url(delivery)
        document = {"data": delivery.event, "meta": {"attempt": delivery.attempt, "delivered_to": url}}
        body = json.dumps(document, separators=(",", ":")).encode()
        self._site.emit(
            Webhook(
                id=delivery.event["id"],
                url=url,
                headers={"content-type": "application/json", "user-agent": "telnyx-webhooks"} | self._signed(now, body),
                body=body,
                timeout_s=self._site.knobs.get("webhook_timeout_s", 10.0),
                carrier_call_id=delivery.call.call_control_id,
                number=delivery.call.wish["to"],
                attempt=delivery.attempt,
            )
        )

    def _url(self, delivery: Delivery) -> str:
        """The failover URL is used after two failures in a row."""
        failover = str(self._site.knobs.get("webhook_failover_url", ""))
        return failover if failover and delivery.attempt > 2 else delivery.url

    def _signed(self, now: float, body: bytes) -> dict[str, str]:
        timestamp = str(int(now))
        signature = self._key.sign(timestamp.encode() + b"|" + body).signature
        return {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: timestamp}
