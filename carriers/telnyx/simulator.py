"""Telnyx, backwards, for the lab: Call Control's REST API, its signed webhooks, and its media sockets. Pure.

Written from the carrier's documents and not from the adapter, of which it imports nothing. What the documents do not say
is a knob (`site.knobs`); the README lists them.
"""

from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

from carriers.lab.contract import Incoming, PhoneEvent, RestReply, RestRequest, Site, WebhookReply
from carriers.telnyx import simulator_calls as calls
from carriers.telnyx import simulator_rest as rest
from carriers.telnyx.simulator_account import Account, paged
from carriers.telnyx.simulator_calls import Call, iso
from carriers.telnyx.simulator_hooks import SIGNATURE, TIMESTAMP, Hooks
from carriers.telnyx.simulator_lines import Lines

PACE_WINDOW_S = 5.0
COMMAND_ID_S = 60.0
Handler = Callable[[float, RestRequest, str], RestReply]


class TelnyxSimulator:
    """One account; its legs are in `Lines`, its webhooks in `Hooks`."""

    causes = frozenset(calls.REJECTS)
    signature_headers = frozenset({SIGNATURE, TIMESTAMP})

    def __init__(self, site: Site) -> None:
        self._site, self._account, self._hooks = site, Account(site), Hooks(site)
        self._lines = Lines(site, self._hooks)
        self._dials: deque[float] = deque()
        self._commands: dict[str, tuple[float, RestReply]] = {}

    def credentials(self) -> dict[str, Any]:
        return {
            "api_key": self._account.api_key,
            "public_key": self._hooks.public_key,
            "connection_id": self._account.connection_id,
            "base_url": f"{self._site.base_url}/v2",
            "numbers": list(self._site.numbers),
        }

    def incoming_ref(self, now: float, incoming: Incoming) -> str | None:
        return None

    def on_incoming(self, now: float, ref: str, incoming: Incoming) -> None:
        """Never: no number is in service for calls from phones."""

    def on_fetched(self, now: float, fetch_id: str, reply: WebhookReply) -> None:
        """Never: nothing is fetched."""

    def ticking(self) -> bool:
        return False

    def live_calls(self) -> int:
        return len(self._lines.live())

    def reset(self) -> None:
        self._lines.forget()
        self._hooks.forget()
        self._dials.clear()
        self._commands.clear()

    def fault_reply(self, kind: str, status: int | None = None, code: str | None = None) -> RestReply:
        return rest.fault(kind, status, code)

    # --- the REST API --------------------------------------------------------------------------------------------

    def is_dial(self, request: RestRequest) -> str | None:
        if _route(request)[0] != "POST calls":
            return None
        to = (rest.json_object(request.body) or {}).get("to")
        return to if isinstance(to, str) and rest.E164.fullmatch(to) else None

    def on_request(self, now: float, request: RestRequest) -> RestReply:
        key, word = _route(request)
        handler = self._handlers().get(key)
        reply = self._account.unauthenticated(request) or (handler(now, request, word) if handler else self._refuse(now, request))
        if key == "POST calls":
            self._write_dial(now, request, reply)
        return reply

    def _handlers(self) -> dict[str, Handler]:
        return {
            "POST calls": self._dial,
            "GET calls *": self._status,
            "POST calls * actions hangup": self._hang_up,
            "POST calls * actions streaming_start": self._start_stream,
            "POST calls * actions streaming_stop": self._stop_stream,
            "GET connections * active_calls": self._active_calls,
            "GET call_events": self._call_events,
            "GET balance": self._account.balance,
            "GET phone_numbers": self._account.phone_numbers,
            "GET call_control_applications *": self._account.application,
        }

    def _refuse(self, now: float, request: RestRequest) -> RestReply:
        detail = f"the lab does not simulate {request.method} {request.path}"
        self._site.ledger.write(now, "refused", carrier=self._site.name, method=request.method, path=request.path, detail=detail)
        return rest.failure(501, "not-simulated", detail)

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

    # --- dialling ------------------------------------------------------------------------------------------------

    def _dial(self, now: float, request: RestRequest, _word: str) -> RestReply:
        wish = rest.json_object(request.body)
        if wish is None:
            return rest.failure(400, "10015", "the body is no JSON object")
        known = self._repeated(now, str(wish.get("command_id", "")))
        if known is not None:
            return known
        refused = rest.bad_dial(wish, self._account.connection_id) or self._too_fast(now) or self._too_many()
        return refused or self._place(now, wish)

    def _repeated(self, now: float, command_id: str) -> RestReply | None:
        """A dial with a command_id of the last minute is not done again; what is answered is not published."""
        at, reply = self._commands.get(command_id, (-COMMAND_ID_S, None))
        if reply is None or now - at >= COMMAND_ID_S:
            return None
        if self._site.knobs.get("duplicate_dial", "first_answer") == "first_answer":
            return reply
        return rest.failure(422, "10015", "duplicate command_id", "/command_id")

    def _too_fast(self, now: float) -> RestReply | None:
        while self._dials and now - self._dials[0] >= PACE_WINDOW_S:
            self._dials.popleft()
        return rest.failure(429, "90103") if len(self._dials) >= self._site.knobs.get("dials_per_5s", 150) else None

    def _too_many(self) -> RestReply | None:
        sync = self._site.knobs.get("concurrency_answer", "hangup") == "refusal"
        return rest.failure(403, "90041") if sync and self._is_full() else None

    def _is_full(self) -> bool:
        return self.live_calls() >= int(self._site.knobs.get("concurrent_calls", 1000))

    def _place(self, now: float, wish: dict[str, Any]) -> RestReply:
        self._dials.append(now)
        call = self._lines.place(now, wish, full=self._is_full())
        reply = rest.data(calls.as_dialled(call))
        self._commands = {word: known for word, known in self._commands.items() if now - known[0] < COMMAND_ID_S}
        if "command_id" in wish:
            self._commands[wish["command_id"]] = (now, reply)
        return reply

    # --- commands and look-ups -----------------------------------------------------------------------------------

    def _status(self, now: float, _request: RestRequest, call_control_id: str) -> RestReply:
        call = self._lines.get(call_control_id)
        kept_s = self._site.knobs.get("status_kept_s", 3600.0)
        if call is None or (call.ended is not None and now - call.ended > kept_s):
            return rest.failure(404, "10005")
        return rest.data(calls.as_status(call, now))

    def _commanded(self, call_control_id: str) -> Call | RestReply:
        call = self._lines.get(call_control_id)
        if call is None:
            return rest.failure(422, "90015")
        return call if call.live else rest.failure(422, "90018")

    def _hang_up(self, now: float, _request: RestRequest, call_control_id: str) -> RestReply:
        call = self._commanded(call_control_id)
        if isinstance(call, RestReply):
            return call
        self._lines.hang_up(now, call)
        return rest.data({"result": "ok"})

    def _start_stream(self, now: float, request: RestRequest, call_control_id: str) -> RestReply:
        call = self._commanded(call_control_id)
        if isinstance(call, RestReply):
            return call
        wish = rest.json_object(request.body) or {}
        wish.pop("command_id", None)
        refused = rest.bad_field(wish, rest.STREAM_FIELDS)
        if refused is None and "stream_url" not in call.wish | wish:
            refused = rest.failure(422, "10004", "stream_url is required", "/stream_url")
        if refused is None and call.answered is None:
            refused = rest.failure(422, "90034")
        if refused is None and call.stream is not None:
            refused = rest.failure(422, "90045")
        if refused is None:
            call.wish |= wish
            self._lines.connect(now, call)
        return refused or rest.data({"result": "ok"})

    def _stop_stream(self, now: float, _request: RestRequest, call_control_id: str) -> RestReply:
        call = self._commanded(call_control_id)
        if isinstance(call, RestReply):
            return call
        if call.stream is None:
            return rest.failure(422, "90048")
        self._lines.disconnect(now, call)
        return rest.data({"result": "ok"})

    def _active_calls(self, now: float, request: RestRequest, connection_id: str) -> RestReply:
        if connection_id != self._account.connection_id:
            return rest.failure(404, "10005")
        lag_s = self._site.knobs.get("active_calls_lag_s", 0.0)
        live = [calls.as_active(call, now) for call in self._lines.live() if now - call.created >= lag_s]
        return paged(request, live)

    def _call_events(self, _now: float, request: RestRequest, _word: str) -> RestReply:
        shape = self._site.knobs.get("call_events", "payload")
        if shape == "absent":
            return rest.failure(404, "10005")
        asked = dict(parse_qsl(request.query))
        since = asked.get("filter[occurred_at][gte]", "")
        found = [
            {
                "record_type": "call_event",
                "type": "webhook",
                "name": delivery.event["event_type"],
                "call_leg_id": delivery.call.call_leg_id,
                "call_session_id": delivery.call.call_session_id,
                "event_timestamp": iso(at),
                "metadata": delivery.event if shape == "event" else {"payload": delivery.event["payload"]},
            }
            for at, delivery in self._hooks.log
            if asked.get("filter[to]") in (None, delivery.call.wish["to"])
            and asked.get("filter[leg_id]") in (None, delivery.call.call_leg_id)
            and asked.get("filter[type]") in (None, "webhook")
            and iso(at)[:19] >= since[:19]
        ]
        return paged(request, found)

    # --- what the rest of the world says -------------------------------------------------------------------------

    def on_webhook_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        """The body is ignored: nothing is obeyed that does not come as a command."""
        self._hooks.on_reply(now, webhook_id, reply)

    def on_timer(self, now: float, key: str) -> None:
        kind, _, word = key.partition(" ")
        if kind == "webhook":
            self._hooks.on_timer(now, word)
        else:
            self._lines.on_timer(now, kind, word)

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        self._lines.on_phone(now, event)

    def on_socket_open(self, now: float, stream: str) -> None:
        self._lines.on_socket_open(now, stream)

    def on_socket_refused(self, now: float, stream: str, status: int) -> None:
        self._lines.on_socket_refused(now, stream, status)

    def on_socket_frame(self, now: float, stream: str, data: str | bytes) -> None:
        self._lines.on_socket_frame(now, stream, data)

    def on_socket_closed(self, now: float, stream: str, code: int) -> None:
        self._lines.on_socket_closed(now, stream, code)

    def on_tick(self, now: float) -> None:
        self._lines.on_tick(now)


def _route(request: RestRequest) -> tuple[str, str]:
    """`POST /v2/calls/v3:x/actions/hangup` is ("POST calls * actions hangup", "v3:x")."""
    version, *parts = [unquote(part) for part in request.path.strip("/").split("/")]
    if version != "v2" or not parts:
        return "", ""
    word = parts[1] if len(parts) > 1 else ""
    shown = [part if place != 1 else "*" for place, part in enumerate(parts)]
    return " ".join([request.method, *shown]), word
