"""Vonage, backwards: the API that the official SDK calls, and everything that follows from a call. For the lab.

This file answers requests; the life of calls is in `simulator_calls`, sound in `simulator_sockets`, keys and refusals in
`simulator_account`. None of it knows the adapter beside it.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from carriers.lab.contract import Incoming, PhoneEvent, RestReply, RestRequest, Site, WebhookReply
from carriers.vonage.simulator_account import Account
from carriers.vonage.simulator_calls import Calls
from carriers.vonage.simulator_legs import CAUSES, Leg, PhoneLeg, SocketLeg, record
from carriers.vonage.simulator_requests import Wrong, destination, json_object, order_of
from carriers.vonage.simulator_sockets import Sockets


class VonageSimulator:
    """Implements `carriers.lab.contract.Simulator`."""

    causes = frozenset(CAUSES)
    signature_headers = frozenset({"authorization"})

    def __init__(self, site: Site) -> None:
        self._site = site
        self._account = Account(site)
        self._sockets = Sockets(site, self._account)
        self._calls = Calls(site, self._account, self._sockets)

    def credentials(self) -> dict[str, Any]:
        return self._account.credentials()

    def is_dial(self, request: RestRequest) -> str | None:
        dials = request.method == "POST" and request.path == "/v1/calls"
        return destination(request.body) if dials else None

    def fault_reply(self, kind: str, status: int | None = None, code: str | None = None) -> RestReply:
        return self._account.fault(kind, status, code)

    def incoming_ref(self, now: float, incoming: Incoming) -> str | None:
        return None

    def on_incoming(self, now: float, ref: str, incoming: Incoming) -> None:
        """Never: no number is in service for calls from phones."""

    def on_fetched(self, now: float, fetch_id: str, reply: WebhookReply) -> None:
        """Never: nothing is fetched."""

    def ticking(self) -> bool:
        return False

    def live_calls(self) -> int:
        return sum(not leg.ended for leg in self._calls.phones.values())

    def reset(self) -> None:
        self._calls.reset()
        self._sockets.reset()

    # --- the API -------------------------------------------------------------------------------------------------

    def on_request(self, now: float, request: RestRequest) -> RestReply:
        answer = self._route(request)
        if answer is None:
            return self._unknown(now, request)
        refusal = self._account.refusal(now, request)
        if refusal is not None:
            if answer == self._create:
                self._note_dial(now, request, refusal.status)
            return refusal
        try:
            return answer(now, request)
        except Wrong as wrong:
            return self._account.problem("invalid-params", wrong=wrong.parameters)

    def _route(self, request: RestRequest) -> Callable[[float, RestRequest], RestReply] | None:
        fixed = {
            ("POST", "/v1/calls"): self._create,
            ("GET", "/v1/calls"): self._list,
            ("GET", "/account/get-balance"): self._balance,
            ("GET", "/account/numbers"): self._numbers,
        }
        single = {"GET": self._fetch, "PUT": self._modify}
        if request.path.startswith("/v1/calls/") and request.path.count("/") == 3:
            return single.get(request.method)
        return fixed.get((request.method, request.path))

    def _unknown(self, now: float, request: RestRequest) -> RestReply:
        what = f"{request.method} {request.path}"
        self._site.ledger.write(now, "refused", carrier=self._site.name, reason=f"not simulated: {what}")
        return self._account.problem("not-found", f"This lab does not simulate {what}")

    def _create(self, now: float, request: RestRequest) -> RestReply:
        try:
            leg = self._calls.place(now, order_of(request.body))
        except Wrong:
            self._note_dial(now, request, 400)
            raise
        self._note_dial(now, request, 201, leg.uuid)
        body = {"uuid": leg.uuid, "status": "started", "direction": "outbound", "conversation_uuid": leg.conversation_uuid}
        return _json(201, body)

    def _note_dial(self, now: float, request: RestRequest, status: int, uuid: str = "") -> None:
        number = destination(request.body) or ""
        self._site.ledger.write(now, "dial", carrier=self._site.name, number=number, carrier_call_id=uuid, status=status)

    def _fetch(self, now: float, request: RestRequest) -> RestReply:
        leg = self._leg(request)
        return self._account.problem("not-found") if leg is None else _json(200, record(leg, now))

    def _modify(self, now: float, request: RestRequest) -> RestReply:
        leg, body = self._leg(request), json_object(request.body)
        if leg is None or leg.end_time is not None:
            # What a finished call answers is not documented: 404 by default, another status by knob.
            missing = self._account.problem("not-found")
            status = 404 if leg is None else int(self._site.knobs.get("ended_call_status", 404))
            return RestReply(status=status, body=missing.body, content_type=missing.content_type)
        act = {"hangup": self._hang_up, "transfer": self._transfer}.get(str(body.get("action")))
        if act is None:
            self._site.ledger.write(now, "refused", carrier=self._site.name, reason=f"action {body.get('action')!r}")
            raise Wrong({"action": f"{body.get('action')!r} is not simulated"})
        act(now, leg, body)
        return RestReply(status=204)

    def _hang_up(self, now: float, leg: Leg, _body: Mapping[str, Any]) -> None:
        if isinstance(leg, PhoneLeg):
            self._calls.hang_up(now, leg)
        else:
            self._calls.skip_connect(now, leg)

    def _transfer(self, now: float, leg: Leg, body: Mapping[str, Any]) -> None:
        place = body.get("destination")
        if not isinstance(place, dict) or place.get("type") != "ncco" or ("ncco" in place) == ("url" in place):
            raise Wrong({"destination": "must be of type ncco, with either ncco or url"})
        if not isinstance(leg, PhoneLeg) or not leg.answered:
            raise Wrong({"uuid": "only an answered phone leg can be transferred"})
        urls = place.get("url")
        url = str(urls[0]) if isinstance(urls, list) and urls else ""
        if "url" in place and not url.startswith(("http://", "https://")):
            raise Wrong({"destination.url": "must be a list of one http(s) URL"})
        self._calls.flow.transfer(now, leg, place.get("ncco"), url)

    def _leg(self, request: RestRequest) -> Leg | None:
        uuid = unquote(request.path.rpartition("/")[2])
        return next((leg for leg in self._legs() if leg.uuid == uuid), None)

    def _legs(self) -> list[Leg]:
        phones = list(self._calls.phones.values())
        return [*phones, *(leg.socket for leg in phones if leg.socket), *self._calls.flow.ended.values()]

    def _list(self, now: float, request: RestRequest) -> RestReply:
        asked = dict(parse_qsl(request.query))
        size, start = _whole(asked, "page_size", 10, 1, 100), _whole(asked, "record_index", 0, 0, 1_000_000)
        known = float(self._site.knobs.get("listed_after_s", 0.5))
        start_at, end_at = _time(asked, "date_start", 0.0), min(_time(asked, "date_end", now), now - known)
        legs = [leg for leg in self._legs() if start_at <= leg.created_at <= end_at and _matches(leg, asked)]
        legs.sort(key=lambda leg: leg.created_at, reverse=asked.get("order", "asc") == "desc")
        page = [record(leg, now) for leg in legs[start : start + size]]
        links = {"self": {"href": f"/calls?page_size={size}&record_index={start}"}}
        counts = {"count": len(legs), "page_size": size, "record_index": start}
        return _json(200, {**counts, "_links": links, "_embedded": {"calls": page}})

    def _balance(self, _now: float, _request: RestRequest) -> RestReply:
        return _json(200, {"value": float(self._site.knobs.get("balance", 25.5)), "autoReload": False})

    def _numbers(self, _now: float, _request: RestRequest) -> RestReply:
        numbers = [
            {
                "country": "US",
                "msisdn": number.removeprefix("+"),
                "type": "mobile-lvn",
                "features": ["VOICE", "SMS"],
                "app_id": self._account.application_id,
            }
            for number in self._site.numbers
        ]
        return _json(200, {"count": len(numbers), "numbers": numbers})

    # --- everything else -----------------------------------------------------------------------------------------

    def on_webhook_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        self._calls.on_webhook_reply(now, webhook_id, reply)

    def on_timer(self, now: float, key: str) -> None:
        self._calls.on_timer(now, key)

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        self._calls.on_phone(now, event)

    def on_socket_open(self, now: float, stream: str) -> None:
        socket = self._sockets.get(stream)
        if socket is not None:
            self._calls.flow.on_socket_open(now, socket)

    def on_socket_refused(self, now: float, stream: str, status: int) -> None:
        socket = self._sockets.drop(stream)
        if socket is not None:
            self._lost(now, socket, "failed" if status else "unanswered")

    def on_socket_frame(self, now: float, stream: str, data: str | bytes) -> None:
        socket = self._sockets.get(stream)
        if socket is not None and not self._sockets.frame(now, socket, data):
            self._sockets.close(socket, abrupt=True)
            self._lost(now, socket, "disconnected")

    def on_socket_closed(self, now: float, stream: str, code: int) -> None:
        socket = self._sockets.drop(stream)
        if socket is not None:
            self._lost(now, socket, "disconnected")

    def on_tick(self, now: float) -> None:
        self._sockets.tick()

    def _lost(self, now: float, socket: SocketLeg, status: str) -> None:
        socket.open = False
        self._calls.on_socket_lost(now, socket, status)


def _matches(leg: Leg, asked: Mapping[str, str]) -> bool:
    same_status = asked.get("status", leg.status) == leg.status
    return same_status and asked.get("conversation_uuid", leg.conversation_uuid) == leg.conversation_uuid


def _time(asked: Mapping[str, str], name: str, default: float) -> float:
    """Unix time of an ISO 8601 parameter; without a zone it is UTC."""
    value = asked.get(name)
    if value is None:
        return default
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise Wrong({name: "must be ISO 8601"}) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _whole(asked: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    value = asked.get(name, str(default))
    if not value.isdecimal() or not least <= int(value) <= most:
        raise Wrong({name: f"must be a whole number from {least} to {most}"})
    return int(value)


def _json(status: int, body: Any) -> RestReply:
    return RestReply(status=status, body=msgspec.json.encode(body))
