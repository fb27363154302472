"""The simulated Telnyx' webhooks: made, signed, sent where they belong, and repeated."""

import base64
import json
from typing import Any

from msgspec import Struct
from nacl.signing import SigningKey

from carriers.lab.contract import Site, Wake, Webhook, WebhookReply
from carriers.telnyx.simulator_applications import Applications
from carriers.telnyx.simulator_calls import Call, iso, new_uuid
from carriers.telnyx.simulator_log import Log

SIGNATURE, TIMESTAMP = "telnyx-signature-ed25519", "telnyx-timestamp"
TRIES_BEFORE_FAILOVER = 2
"""Of a voice event: "two consecutive failed deliveries" to the primary URL."""


class Route(Struct, frozen=True, kw_only=True):
    """Where an event goes, and how hard Telnyx tries."""

    url: str
    failover_url: str = ""
    tries: int = TRIES_BEFORE_FAILOVER
    """How often `url` is tried before `failover_url`."""
    waits_s: tuple[float, ...] = ()
    """Between the attempts; there is one attempt more."""
    timeout_s: float = 10.0
    any_2xx: bool = False
    """Whether 201 to 299 are as good as 200."""

    def at(self, attempt: int) -> str:
        """The URL of an attempt, which counts from 1."""
        return self.failover_url if self.failover_url and attempt > self.tries else self.url


class Delivery(Struct, kw_only=True, eq=False):
    """One event on its way to one URL; `attempt` counts from 1."""

    id: str
    event: dict[str, Any]
    route: Route
    ref: str
    number: str
    version: str = "2"
    attempt: int = 1
    sent_at: float = 0.0
    tried: list[dict[str, Any]] = []


class Hooks:
    """Knobs: `webhook_timeout_s`, `webhook_retries`, `webhook_backoff_s`, `webhook_success`, `failover_of_overrides`."""

    def __init__(self, site: Site, applications: Applications, log: Log) -> None:
        self._site, self._applications, self._log = site, applications, log
        self._key = SigningKey(site.random.randbytes(32))
        self._under_way: dict[str, Delivery] = {}

    @property
    def public_key(self) -> str:
        """As the portal shows it."""
        return base64.b64encode(bytes(self._key.verify_key)).decode()

    def tell(self, now: float, call: Call, event_type: str, payload: dict[str, Any]) -> None:
        """Make an event of a call and send it where its application, or its own commands, say."""
        event = self.event(now, event_type, payload)
        self._log.event(now, call, event)
        application = self._applications.get(call.connection_id) or {}
        for place, route in enumerate(self._routes(call, event_type, application)):
            name = event["id"] if place == 0 else f"{event['id']}/{place}"
            version = str(application.get("webhook_api_version", "2"))
            self.send(now, name, event, route, ref=call.call_control_id, number=call.phone, version=version)

    def event(self, now: float, event_type: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The `data` of a webhook."""
        return {
            "record_type": "event",
            "event_type": event_type,
            "id": new_uuid(self._site.random),
            "occurred_at": iso(now),
            "payload": payload,
        }

    def send(
        self, now: float, name: str, event: dict[str, Any], route: Route, *, ref: str, number: str, version: str = "2"
    ) -> None:
        """Begin to deliver."""
        delivery = Delivery(id=name, event=event, route=route, ref=ref, number=number, version=version)
        self._under_way[name] = delivery
        self._send(now, delivery)

    def backoff(self, retries: int) -> tuple[float, ...]:
        """Waits that double; how many and how long is not published."""
        first = float(self._site.knobs.get("webhook_backoff_s", 1.0))
        return tuple(first * 2**place for place in range(retries))

    def on_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        """What is no success is repeated, as the route says."""
        delivery = self._under_way.get(webhook_id)
        if delivery is None:
            return
        good = reply.status == 200 or (delivery.route.any_2xx and 200 <= reply.status < 300)
        self._log.attempt(now, delivery.tried, delivery.sent_at, delivery.route.at(delivery.attempt), reply, good)
        if good or delivery.attempt > len(delivery.route.waits_s):
            self._log.delivered(delivery.tried, delivery.event, good)
            del self._under_way[webhook_id]
            return
        wait_s = delivery.route.waits_s[delivery.attempt - 1]
        delivery.attempt += 1
        self._site.emit(Wake(at=now + wait_s, key=f"webhook {webhook_id}"))

    def on_timer(self, now: float, webhook_id: str) -> None:
        """A repeat is due."""
        if webhook_id in self._under_way:
            self._send(now, self._under_way[webhook_id])

    def forget(self) -> None:
        """Everything under way, not the key."""
        self._under_way.clear()

    # --- where to ------------------------------------------------------------------------------------------------

    def _routes(self, call: Call, event_type: str, application: dict[str, Any]) -> list[Route]:
        """Application < the commands' `webhook_url` < their `webhook_urls` for this event; none if none is set."""
        own = application.get("webhook_event_url") or ""
        chosen = call.hooks.get("webhook_urls", {}).get(event_type) or [call.hooks.get("webhook_url") or own]
        return [self._route(url, url == own, call, event_type, application) for url in chosen if url]

    def _route(self, url: str, is_own: bool, call: Call, event_type: str, application: dict[str, Any]) -> Route:
        falls_over = is_own or self._site.knobs.get("failover_of_overrides", False)
        policy = call.hooks.get("webhook_retries_policies", {}).get(event_type)
        waits = self.backoff(int(self._site.knobs.get("webhook_retries", 3)))
        return Route(
            url=url,
            failover_url=(application.get("webhook_event_failover_url") or "") if falls_over else "",
            waits_s=waits if policy is None else tuple(wait / 1000 for wait in policy["retries_ms"]),
            timeout_s=float(application.get("webhook_timeout_secs") or self._site.knobs.get("webhook_timeout_s", 10.0)),
            any_2xx=self._site.knobs.get("webhook_success", "200") == "2xx",
        )

    # --- onto the wire -------------------------------------------------------------------------------------------

    def _send(self, now: float, delivery: Delivery) -> None:
        url, delivery.sent_at = delivery.route.at(delivery.attempt), now
        body = json.dumps(_DOCUMENTS[delivery.version](delivery, url), separators=(",", ":")).encode()
        self._site.emit(
            Webhook(
                id=delivery.id,
                url=url,
                headers={"content-type": "application/json", "user-agent": "telnyx-webhooks"} | self._signed(now, body),
                body=body,
                timeout_s=delivery.route.timeout_s,
                carrier_call_id=delivery.ref,
                number=delivery.number,
                attempt=delivery.attempt,
            )
        )

    def _signed(self, now: float, body: bytes) -> dict[str, str]:
        timestamp = str(int(now))
        signature = self._key.sign(timestamp.encode() + b"|" + body).signature
        return {SIGNATURE: base64.b64encode(signature).decode(), TIMESTAMP: timestamp}


def _version_2(delivery: Delivery, url: str) -> dict[str, Any]:
    return {"data": delivery.event, "meta": {"attempt": delivery.attempt, "delivered_to": url}}


def _version_1(delivery: Delivery, _url: str) -> dict[str, Any]:
    """The flat shape of old, which an application of API version 1 gets."""
    event = delivery.event
    return {
        "created_at": event["occurred_at"],
        "event_type": event["event_type"].replace(".", "_"),
        "payload": event["payload"],
        "webhook_id": event["id"],
    }


_DOCUMENTS = {"1": _version_1, "2": _version_2}
