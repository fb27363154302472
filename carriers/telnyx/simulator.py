"""Telnyx, backwards, for the lab: Call Control's REST API, its signed webhooks, and its media sockets. Pure.

Written from the carrier's documents and not from the adapter, of which it imports nothing. What the documents do not say
is a knob (`site.knobs`); the README lists them.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from carriers.lab.contract import Incoming, PhoneEvent, RestReply, RestRequest, Site, WebhookReply
from carriers.telnyx import simulator_calls as calls
from carriers.telnyx import simulator_fields as fields
from carriers.telnyx import simulator_rest as rest
from carriers.telnyx.simulator_account import Account
from carriers.telnyx.simulator_answering import Answering
from carriers.telnyx.simulator_applications import Applications
from carriers.telnyx.simulator_bridges import Bridges
from carriers.telnyx.simulator_calls import Call
from carriers.telnyx.simulator_commands import Commands
from carriers.telnyx.simulator_detection import Detection
from carriers.telnyx.simulator_dialling import Dialling
from carriers.telnyx.simulator_gathering import Gathering
from carriers.telnyx.simulator_hooks import SIGNATURE, TIMESTAMP, Hooks
from carriers.telnyx.simulator_keys import Keys
from carriers.telnyx.simulator_lines import Lines
from carriers.telnyx.simulator_log import Log
from carriers.telnyx.simulator_messages import Messages
from carriers.telnyx.simulator_numbers import Numbers
from carriers.telnyx.simulator_playing import Playing
from carriers.telnyx.simulator_recordings import Recordings
from carriers.telnyx.simulator_sockets import Sockets

VERSION = "v2"


class TelnyxSimulator:
    """One account; each desk has its own file, and this one says which desk something is for."""

    causes = frozenset(calls.REJECTS)
    signature_headers = frozenset({SIGNATURE, TIMESTAMP})

    def __init__(self, site: Site) -> None:
        self._site, self._account = site, Account(site)
        self._applications = Applications(site)
        self._log = Log(site)
        self._hooks = Hooks(site, self._applications, self._log)
        numbers = Numbers(site, self._applications)
        self._lines = Lines(site, self._hooks, self._applications, numbers)
        self._sockets = Sockets(site, self._lines, self._hooks)
        self._playing = Playing(site, self._lines, self._hooks)
        self._gathering = Gathering(site, self._lines, self._hooks, self._playing)
        self._recordings = Recordings(site, self._lines, self._hooks)
        self._detection = Detection(site, self._lines, self._hooks)
        self._keys = Keys(site, self._lines)
        self._bridges = Bridges(site, self._lines, self._hooks, self._playing, self._keys)
        self._messages = Messages(site, self._hooks)
        self._commands = Commands(self._lines, self._log)
        self._dialling = Dialling(site, self._lines, self._applications)
        obeying = (self._sockets, self._playing, self._gathering, self._recordings, self._keys, self._bridges)
        for desk in (Answering(site, self._lines), *obeying):
            self._commands.learn(desk.verbs())
        answering = (self._account, self._applications, numbers, self._log, self._dialling, self._commands)
        self._routes = {key: act for desk in (*answering, self._recordings, self._messages) for key, act in desk.routes().items()}
        remembering = (self._lines, *obeying, self._messages, self._hooks, self._log, self._dialling, self._commands)
        self._forgets: list[Callable[[], None]] = [desk.forget for desk in remembering]
        self._timers: dict[str, Callable[[float, Call, str], None]] = {
            "reconnect": self._sockets.on_timer,
            "gather": self._gathering.on_timer,
            "amd": self._detection.on_timer,
            "keys": self._keys.on_timer,
        }

    def credentials(self) -> dict[str, Any]:
        return {
            "api_key": self._account.api_key,
            "public_key": self._hooks.public_key,
            "connection_id": self._applications.first_id,
            "base_url": f"{self._site.base_url}/{VERSION}",
            "numbers": list(self._site.numbers),
        }

    def live_calls(self) -> int:
        return self._lines.live_count

    def reset(self) -> None:
        for forget in self._forgets:
            forget()

    # --- the REST API --------------------------------------------------------------------------------------------

    def fault_reply(self, kind: str, status: int | None = None, code: str | None = None) -> RestReply:
        return rest.fault(kind, status, code)

    def is_dial(self, request: RestRequest) -> str | None:
        if _route(request)[0] != "POST calls":
            return None
        to = (rest.json_object(request.body) or {}).get("to")
        return to.partition(",")[0] if isinstance(to, str) and fields.DIALLED.fullmatch(to) else None

    def on_request(self, now: float, request: RestRequest) -> RestReply:
        file = self._recordings.download(now, request)
        if file is not None:
            return file
        key, words = _route(request)
        handler = self._routes.get(key)
        reply = self._account.unauthenticated(request) or (handler(now, request, words) if handler else _unknown(request))
        refused = rest.refused_in(reply)
        if refused:
            who = {"carrier": self._site.name, "method": request.method, "path": request.path}
            self._site.ledger.write(now, "refused", detail=refused, **who)
        if key == "POST calls":
            self._write_dial(now, request, reply)
        return reply

    def _write_dial(self, now: float, request: RestRequest, reply: RestReply) -> None:
        answer = (rest.json_object(reply.body) or {}).get("data") or {}
        self._site.ledger.write(
            now,
            "dial",
            carrier=self._site.name,
            number=self.is_dial(request) or "",
            carrier_call_id=answer.get("call_control_id", ""),
            status=reply.status,
        )

    # --- what the rest of the world says -------------------------------------------------------------------------

    def on_webhook_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        """The body is ignored: nothing is obeyed that does not come as a command."""
        self._hooks.on_reply(now, webhook_id, reply)

    def on_fetched(self, now: float, fetch_id: str, reply: WebhookReply) -> None:
        self._playing.on_fetched(now, fetch_id, reply)

    def on_timer(self, now: float, key: str) -> None:
        kind, _, word = key.partition(" ")
        if kind == "webhook":
            self._hooks.on_timer(now, word)
            return
        if kind == "saved":
            self._recordings.on_saved(now, word)
            return
        ref, _, word = word.partition(" ")
        call = self._lines.get(ref)
        if call is None or not call.live:
            return
        if kind in self._timers:
            self._timers[kind](now, call, word)
        else:
            self._lines.on_timer(now, kind, call)

    def incoming_ref(self, now: float, incoming: Incoming) -> str | None:
        return self._lines.new_ref(incoming)

    def on_incoming(self, now: float, ref: str, incoming: Incoming) -> None:
        self._lines.arrive(now, ref, incoming)

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        self._lines.on_phone(now, event)
        self._messages.on_phone(now, event)

    def on_socket_open(self, now: float, stream: str) -> None:
        self._sockets.on_open(now, stream)

    def on_socket_refused(self, now: float, stream: str, status: int) -> None:
        self._sockets.on_refused(now, stream)

    def on_socket_frame(self, now: float, stream: str, data: str | bytes) -> None:
        self._sockets.on_frame(now, stream, data)

    def on_socket_closed(self, now: float, stream: str, code: int) -> None:
        self._sockets.on_closed(now, stream, code)

    def ticking(self) -> bool:
        return self._lines.busy

    def on_tick(self, now: float) -> None:
        self._lines.on_tick(now)


def _unknown(request: RestRequest) -> RestReply:
    """A path that the lab does not have; Telnyx may. The SDK would ask twice more, if it were not told."""
    what = f"{rest.NOT_SIMULATED} {request.method} {request.path}"
    return rest.failure(501, "not-simulated", what, headers={"x-should-retry": "false"})


def _route(request: RestRequest) -> tuple[str, rest.Words]:
    """`POST /v2/calls/v3:x/actions/hangup` is ("POST calls * actions hangup", ("v3:x",)): every second part is an id,
    but in `calls * actions` the last one is a name.
    """
    version, *parts = [unquote(part) for part in request.path.strip("/").split("/")]
    if version != VERSION or not parts:
        return "", ()
    shown = [part if place != 1 else "*" for place, part in enumerate(parts)]
    return " ".join([request.method, *shown]), tuple(parts[1:2])
