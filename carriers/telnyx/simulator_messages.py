"""The simulated Telnyx' messaging: one text at a time, and the webhooks of its delivery."""

from typing import Any

from carriers.lab.contract import PhoneEvent, RestReply, RestRequest, Site
from carriers.telnyx import simulator_calls as calls
from carriers.telnyx import simulator_fields as fields
from carriers.telnyx import simulator_rest as rest
from carriers.telnyx.simulator_calls import iso
from carriers.telnyx.simulator_hooks import Hooks, Route

TRIES_PER_URL = 3
ACK_S = 2.0
PARTS = {"GSM-7": (160, 153), "UCS-2": (70, 67)}
"""Characters of a message that is alone, and of each part of a longer one."""
_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)
_GSM7_TWICE = "^{}\\[~]|€"
FIELDS: fields.Fields = {
    "from": ("40305", lambda value: isinstance(value, str)),
    "to": ("40310", fields.matching(fields.E164)),
    "text": ("10015", fields.text(3000)),
    "type": ("10015", fields.one_of("SMS", "MMS")),
    "webhook_url": ("10015", fields.url("http", "https")),
    "webhook_failover_url": ("10015", fields.url("http", "https")),
}
REQUIRED = ("to", "from", "text")


class Messages:
    """By id. Knob: `message_carrier_status`, how an undelivered one is called."""

    def __init__(self, site: Site, hooks: Hooks) -> None:
        self._site, self._hooks = site, hooks
        self._known: dict[str, dict[str, Any]] = {}

    def routes(self) -> dict[str, rest.Handler]:
        """What it answers."""
        return {"POST messages": self._send, "GET messages *": self._fetch}

    def forget(self) -> None:
        """All of them."""
        self._known.clear()

    def _send(self, now: float, request: RestRequest, _words: rest.Words) -> RestReply:
        wish = rest.json_object(request.body)
        if wish is None:
            return rest.not_json()
        absent = next((name for name in REQUIRED if not wish.get(name)), None)
        refused = rest.missing(absent) if absent else fields.bad_field(wish, FIELDS)
        if refused is None and wish["from"] not in self._site.numbers:
            refused = rest.failure(400, "40305", "the number is not yours, or on no messaging profile", "/from")
        return refused or self._accept(now, wish)

    def _accept(self, now: float, wish: dict[str, Any]) -> RestReply:
        message = self._made(now, wish)
        self._known[message["id"]] = message
        who = {"carrier": self._site.name, "number": wish["to"], "carrier_call_id": message["id"]}
        self._site.ledger.write(now, "message", caller_id=wish["from"], **who)
        answer = rest.data(message)
        self._site.network.text(
            now, carrier=self._site.name, ref=message["id"], to=wish["to"], caller_id=wish["from"], body=wish["text"]
        )
        self._status(message, "sent")
        message["sent_at"] = iso(now)
        self._tell(now, "message.sent", message)
        return answer

    def _fetch(self, _now: float, _request: RestRequest, words: rest.Words) -> RestReply:
        known = self._known.get(words[0])
        return rest.failure(404, "10005") if known is None else rest.data(known)

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        """It reached the phone, or could not."""
        message = self._known.get(event.ref)
        if message is None:
            return
        failed = str(self._site.knobs.get("message_carrier_status", "delivery_failed"))
        self._status(message, "delivered" if event.kind == "delivered" else failed)
        if event.kind != "delivered":
            message["errors"] = [{"code": "40001", "title": "Not routable", "detail": "The destination could not be reached."}]
        message["completed_at"] = iso(now)
        self._tell(now, "message.finalized", message)

    def _made(self, now: float, wish: dict[str, Any]) -> dict[str, Any]:
        encoding = "GSM-7" if set(wish["text"]) <= _GSM7 else "UCS-2"
        alone, part = PARTS[encoding]
        length = _characters(wish["text"], encoding)
        return {
            "record_type": "message",
            "direction": "outbound",
            "id": calls.new_uuid(self._site.random),
            "type": "SMS",
            "from": {"phone_number": wish["from"], "carrier": "Telnyx", "line_type": "Wireless"},
            "to": [{"phone_number": wish["to"], "status": "queued", "carrier": "", "line_type": "Wireless"}],
            "text": wish["text"],
            "media": [],
            "encoding": encoding,
            "parts": 1 if length <= alone else -(-length // part),
            "tags": [],
            "errors": [],
            "cost": None,
            "webhook_url": wish.get("webhook_url"),
            "webhook_failover_url": wish.get("webhook_failover_url"),
            "received_at": iso(now),
            "sent_at": None,
            "completed_at": None,
        }

    @staticmethod
    def _status(message: dict[str, Any], status: str) -> None:
        message["to"] = [address | {"status": status} for address in message["to"]]

    def _tell(self, now: float, event_type: str, message: dict[str, Any]) -> None:
        """Three attempts a URL, each to be answered with a 2xx within 2 s."""
        if not message["webhook_url"]:
            return
        tries = TRIES_PER_URL * (2 if message["webhook_failover_url"] else 1)
        route = Route(
            url=message["webhook_url"],
            failover_url=message["webhook_failover_url"] or "",
            tries=TRIES_PER_URL,
            waits_s=self._hooks.backoff(tries - 1),
            timeout_s=ACK_S,
            any_2xx=True,
        )
        event = self._hooks.event(now, event_type, dict(message))
        number = message["to"][0]["phone_number"]
        self._hooks.send(now, event["id"], event, route, ref=message["id"], number=number)


def _characters(text: str, encoding: str) -> int:
    """Those of GSM's second table count twice, and so do those beyond 16 bits."""
    if encoding == "GSM-7":
        return len(text) + sum(map(text.count, _GSM7_TWICE))
    return len(text.encode("utf-16-le")) // 2
