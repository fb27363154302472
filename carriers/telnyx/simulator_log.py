"""The simulated Telnyx' memory of what it said and was told: `call_events` and `webhook_deliveries`."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from carriers.lab.contract import RestReply, RestRequest, Site, WebhookReply
from carriers.telnyx import simulator_pages as pages
from carriers.telnyx import simulator_rest as rest
from carriers.telnyx.simulator_calls import Call, iso, new_uuid

LENGTH = 20_000
FAILURE_CODES = {"connect": 30001, "timeout": 30002, "reset": 30003}
"""Of an attempt without an answer; the numbers are ours, none are published."""

EVENT_FILTERS: Mapping[str, tuple[str, pages.Filter]] = {
    "filter[to]": ("to", pages.equal),
    "filter[from]": ("from", pages.equal),
    "filter[leg_id]": ("call_leg_id", pages.equal),
    "filter[application_session_id]": ("call_session_id", pages.equal),
    "filter[connection_id]": ("connection_id", pages.equal),
    "filter[type]": ("type", pages.equal),
    "filter[name]": ("name", pages.equal),
    "filter[occurred_at][gte]": ("event_timestamp", pages.not_before),
    "filter[occurred_at][lte]": ("event_timestamp", pages.not_after),
}
EVENT_SHOWS = ("record_type", "type", "name", "call_leg_id", "call_session_id", "event_timestamp", "metadata")
DELIVERY_FILTERS: Mapping[str, tuple[str, pages.Filter]] = {
    "filter[status][eq]": ("status", pages.equal),
    "filter[event_type]": ("event_type", lambda has, asked: has in asked.split(",")),
    "filter[webhook][contains]": ("webhook", pages.contains),
    "filter[started_at][gte]": ("started_at", pages.not_before),
    "filter[started_at][lte]": ("started_at", pages.not_after),
}
DELIVERY_SHOWS = ("record_type", "id", "user_id", "status", "started_at", "finished_at", "attempts", "webhook")


class Log:
    """Knob: `call_events`, the shape of an event's metadata."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._user_id = new_uuid(site.random)
        self._events: deque[dict[str, Any]] = deque(maxlen=LENGTH)
        self._deliveries: deque[dict[str, Any]] = deque(maxlen=LENGTH)

    def event(self, now: float, call: Call, event: dict[str, Any]) -> None:
        """A webhook was made, whether or not anybody gets it."""
        whole = self._site.knobs.get("call_events", "payload") == "event"
        metadata = event if whole else {"payload": event["payload"]}
        self._write(now, call, "webhook", event["event_type"], metadata)

    def command(self, now: float, call: Call, name: str, body: dict[str, Any]) -> None:
        """A command was taken."""
        self._write(now, call, "command", name, {"payload": body})

    def attempt(self, now: float, tried: list[dict[str, Any]], sent_at: float, url: str, reply: WebhookReply, good: bool) -> None:
        """An attempt to deliver is over; the most recent one stands first."""
        response = {"status": reply.status, "headers": [], "body": reply.body.decode("utf-8", "replace")[:1000]}
        tried.insert(
            0,
            {
                "status": "delivered" if good else "failed",
                "started_at": iso(sent_at),
                "finished_at": iso(now),
                "http": {"request": {"url": url, "headers": []}, "response": response if reply.status else None},
                "errors": [] if reply.status else [FAILURE_CODES.get(reply.failure, 30000)],
            },
        )

    def delivered(self, tried: list[dict[str, Any]], event: dict[str, Any], good: bool) -> None:
        """The last attempt is over."""
        self._deliveries.appendleft(
            {
                "record_type": "webhook_delivery",
                "id": new_uuid(self._site.random),
                "user_id": self._user_id,
                "status": "delivered" if good else "failed",
                "started_at": tried[-1]["started_at"],
                "finished_at": tried[0]["finished_at"],
                "attempts": tried,
                "webhook": event,
                "event_type": event["event_type"],
            }
        )

    def routes(self) -> dict[str, rest.Handler]:
        """What it answers."""
        return {
            "GET call_events": self._list_events,
            "GET webhook_deliveries": self._list_deliveries,
            "GET webhook_deliveries *": self._fetch_delivery,
        }

    def forget(self) -> None:
        """Everything."""
        self._events.clear()
        self._deliveries.clear()

    def _write(self, now: float, call: Call, kind: str, name: str, metadata: dict[str, Any]) -> None:
        self._events.append(
            {
                "record_type": "call_event",
                "type": kind,
                "name": name,
                "call_leg_id": call.call_leg_id,
                "call_session_id": call.call_session_id,
                "event_timestamp": iso(now),
                "metadata": metadata,
                "to": call.to,
                "from": call.origin,
                "connection_id": call.connection_id,
            }
        )

    def _list_events(self, _now: float, request: RestRequest, _words: rest.Words) -> RestReply:
        if self._site.knobs.get("call_events", "payload") == "absent":
            return rest.failure(404, "10005")
        return pages.listed(request, self._events, EVENT_FILTERS, lambda item: {name: item[name] for name in EVENT_SHOWS})

    def _list_deliveries(self, _now: float, request: RestRequest, _words: rest.Words) -> RestReply:
        return pages.listed(request, self._deliveries, DELIVERY_FILTERS, _delivery)

    def _fetch_delivery(self, _now: float, _request: RestRequest, words: rest.Words) -> RestReply:
        found = next((item for item in self._deliveries if item["id"] == words[0]), None)
        return rest.failure(404, "10005") if found is None else rest.data(_delivery(found))


def _delivery(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in DELIVERY_SHOWS}
