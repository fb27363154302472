"""Vonage, backwards: the API that the official SDK calls, and everything that follows from a call. For the lab.

This file lets requests in and hands everything on; the parts are wired in `VonageSimulator.__init__`, each in a file of
its own (README.md lists them). None of it knows the adapter beside it.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from msgspec import Struct

from carriers.lab.contract import Incoming, PhoneEvent, RestReply, RestRequest, Site, WebhookReply
from carriers.vonage.simulator_account import ERROR_CODES, Account, as_json
from carriers.vonage.simulator_applications import Applications
from carriers.vonage.simulator_calls import Calls
from carriers.vonage.simulator_connect import Connects
from carriers.vonage.simulator_flow import Flow
from carriers.vonage.simulator_gather import Gathers
from carriers.vonage.simulator_knobs import KNOBS
from carriers.vonage.simulator_legs import CAUSES, SocketLeg
from carriers.vonage.simulator_machines import Machines
from carriers.vonage.simulator_messages import Messages
from carriers.vonage.simulator_numbers import Numbers
from carriers.vonage.simulator_parts import Parts
from carriers.vonage.simulator_post import Postman
from carriers.vonage.simulator_recordings import Recordings
from carriers.vonage.simulator_requests import Asked, Wrong, destination
from carriers.vonage.simulator_rest import CallsApi
from carriers.vonage.simulator_rooms import Rooms
from carriers.vonage.simulator_sockets import Sockets
from carriers.vonage.simulator_sound import Sounds

JWT, BASIC, EITHER = frozenset({"jwt"}), frozenset({"basic"}), frozenset({"jwt", "basic"})


class Route(Struct, frozen=True):
    """One operation: `path` is a pattern whose group names a thing; `ways` are the keys that open it."""

    method: str
    path: re.Pattern[str]
    ways: frozenset[str]
    answer: Callable[[float, Asked], RestReply]


class VonageSimulator:
    """Implements `carriers.lab.contract.Simulator`."""

    causes = frozenset(CAUSES)
    knobs = KNOBS
    error_codes = ERROR_CODES
    signature_headers = frozenset({"authorization"})

    def __init__(self, site: Site) -> None:
        self._site, self._parts = site, Parts(site)
        parts = self._parts
        parts.account = Account(parts)
        parts.applications, parts.numbers = Applications(parts), Numbers(parts)
        parts.post, parts.rooms, parts.sockets, parts.sounds = Postman(parts), Rooms(parts), Sockets(parts), Sounds(parts)
        parts.calls, parts.flow, parts.connects = Calls(parts), Flow(parts), Connects(parts)
        parts.gathers, parts.recordings = Gathers(parts), Recordings(parts)
        parts.machines, parts.messages = Machines(parts), Messages(parts)
        self._api = CallsApi(parts)
        self._routes = [*self._voice_routes(), *self._account_routes()]

    def _voice_routes(self) -> list[Route]:
        api, leg = self._api, r"/v1/calls/([^/]+)"
        return [
            _route("POST", "/v1/calls", JWT, api.create),
            _route("GET", "/v1/calls", JWT, api.page),
            _route("GET", leg, JWT, api.fetch),
            _route("PUT", leg, JWT, api.modify),
            _route("PUT", f"{leg}/talk", JWT, api.talk),
            _route("DELETE", f"{leg}/talk", JWT, api.stop_talk),
            _route("PUT", f"{leg}/stream", JWT, api.stream),
            _route("DELETE", f"{leg}/stream", JWT, api.stop_stream),
            _route("PUT", f"{leg}/dtmf", JWT, api.keys),
            _route("GET", r"/v1/files/([^/]+)", JWT, self._parts.recordings.download),
            _route("POST", "/v1/messages", EITHER, self._parts.messages.send),
        ]

    def _account_routes(self) -> list[Route]:
        applications, numbers, one = self._parts.applications, self._parts.numbers, r"/v2/applications/([^/]+)"
        return [
            _route("GET", "/account/get-balance", BASIC, self._balance),
            _route("GET", "/account/numbers", BASIC, numbers.page),
            _route("POST", "/number/update", BASIC, numbers.update),
            _route("GET", "/v2/applications", BASIC, applications.page),
            _route("POST", "/v2/applications", BASIC, applications.create),
            _route("GET", one, BASIC, applications.get),
            _route("PUT", one, BASIC, applications.update),
            _route("DELETE", one, BASIC, applications.delete),
        ]

    def credentials(self) -> dict[str, Any]:
        return self._parts.account.credentials()

    def is_dial(self, request: RestRequest) -> str | None:
        dials = request.method == "POST" and request.path == "/v1/calls"
        return destination(request.body) if dials else None

    def fault_reply(self, kind: str, status: int | None = None, code: str | None = None) -> RestReply:
        return self._parts.account.fault(kind, status, code)

    def live_calls(self) -> int:
        return len(self._parts.rooms.live)

    def reset(self) -> None:
        parts = self._parts
        for part in (parts.post, parts.rooms, parts.sockets, parts.sounds, parts.recordings, parts.messages):
            part.reset()

    # --- the API -------------------------------------------------------------------------------------------------

    def on_request(self, now: float, request: RestRequest) -> RestReply:
        found = self._found(request)
        if found is None:
            what = f"{request.method} {request.path}"
            self._parts.refused(now, f"not simulated: {what}")
            return self._parts.account.problem("not-found", f"This lab does not simulate {what}")
        route, name = found
        who = self._parts.account.admit(now, request, route.ways)
        if isinstance(who, RestReply):
            if route.answer == self._api.create:
                self._api.note_dial(now, request, who.status)
            return who
        return self._answer(now, route, Asked(request=request, application_id=who, name=name))

    def _answer(self, now: float, route: Route, asked: Asked) -> RestReply:
        try:
            return route.answer(now, asked)
        except LookupError:
            return self._parts.account.problem("not-found")
        except Wrong as wrong:
            if "not simulated" in str(wrong):
                self._parts.refused(now, f"{asked.request.method} {asked.request.path}: {wrong}")
            return self._parts.account.problem("invalid-params", wrong=wrong.parameters)

    def _found(self, request: RestRequest) -> tuple[Route, str] | None:
        for route in self._routes:
            match = route.path.fullmatch(request.path) if route.method == request.method else None
            if match is not None:
                return route, unquote(match.group(1)) if match.groups() else ""
        return None

    def _balance(self, _now: float, asked: Asked) -> RestReply:
        asked.parameters(frozenset())
        return as_json(200, {"value": float(self._parts.knob("balance", 25.5)), "autoReload": False})

    # --- phones, post and time -----------------------------------------------------------------------------------

    def incoming_ref(self, now: float, incoming: Incoming) -> str | None:
        return self._parts.calls.incoming_ref(incoming)

    def on_incoming(self, now: float, ref: str, incoming: Incoming) -> None:
        self._parts.calls.incoming(now, ref, incoming)

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        if not self._parts.messages.on_phone(now, event):
            self._parts.calls.on_phone(now, event)

    def on_webhook_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        self._parts.post.on_reply(now, webhook_id, reply)

    def on_fetched(self, now: float, fetch_id: str, reply: WebhookReply) -> None:
        self._parts.sounds.on_fetched(now, fetch_id, reply)

    def on_timer(self, now: float, key: str) -> None:
        kind, ref, detail = key.split(":", 2)
        leg = self._parts.rooms.legs.get(ref)
        if kind == "post":
            self._parts.post.on_timer(now, ref)
        elif leg is None or leg.ended:
            return
        elif isinstance(leg, SocketLeg):
            self._parts.connects.on_timer(now, leg, kind)
        else:
            self._parts.calls.on_timer(now, leg, kind, detail)

    # --- sockets and sound ---------------------------------------------------------------------------------------

    def ticking(self) -> bool:
        return self._parts.sounds.wanted

    def on_tick(self, now: float) -> None:
        self._parts.sounds.tick(now)

    def on_socket_open(self, now: float, stream: str) -> None:
        socket = self._parts.sockets.get(stream)
        if socket is not None:
            self._parts.connects.socket_opened(now, socket)

    def on_socket_refused(self, now: float, stream: str, status: int) -> None:
        self._lost(now, stream, "failed" if status else str(self._parts.knob("socket_unreachable_as", "unanswered")))

    def on_socket_frame(self, now: float, stream: str, data: str | bytes) -> None:
        socket = self._parts.sockets.get(stream)
        if socket is not None and not self._parts.sockets.frame(now, socket, data):
            self._parts.sockets.close(socket, abrupt=True)
            self._parts.connects.socket_lost(now, socket, "disconnected")

    def on_socket_closed(self, now: float, stream: str, code: int) -> None:
        self._lost(now, stream, "disconnected")

    def _lost(self, now: float, stream: str, status: str) -> None:
        socket = self._parts.sockets.drop(stream)
        if socket is not None:
            self._parts.connects.socket_lost(now, socket, status)


def _route(method: str, path: str, ways: frozenset[str], answer: Callable[[float, Asked], RestReply]) -> Route:
    return Route(method, re.compile(path), ways, answer)
