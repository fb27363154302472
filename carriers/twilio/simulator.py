"""Twilio, backwards: the pure core that the lab puts behind real sockets. Written from Twilio's pages, not from the adapter.

The parts: `simulator_rest` and `simulator_library` answer the API, `simulator_life` moves calls on, `simulator_hooks` asks the
customer, `simulator_twiml` reads documents, `simulator_stream` speaks Media Streams. README.md lists the knobs.
"""

import re
from typing import Any

from carriers.lab.contract import Incoming, PhoneEvent, RestReply, RestRequest, Site, Wake, WebhookReply
from carriers.twilio.simulator_call import Call, Stream, call_json
from carriers.twilio.simulator_hooks import Hooks
from carriers.twilio.simulator_library import Library
from carriers.twilio.simulator_life import CAUSES, ENDINGS, Life
from carriers.twilio.simulator_rest import NoSuch, Order, answer, authorised, error, form, read_order
from carriers.twilio.simulator_stream import Streams

UPDATES = frozenset({"Status", "Url", "Method", "Twiml"})
FAULTS: dict[str, tuple[int, int]] = {
    "auth_error": (401, 20003),
    "suspended": (403, 20005),
    "rate_limited": (429, 20429),
}
"""Fault -> (HTTP status, code). The status of 20005 is not known: knob `suspended_status`."""
CODES_BY_STATUS = {500: 20500, 503: 20503, 401: 20003, 404: 20404, 429: 20429}


class TwilioSimulator:
    """See `carriers.lab.contract.Simulator`."""

    causes = frozenset(CAUSES)
    signature_headers = frozenset({"x-twilio-signature"})

    def __init__(self, site: Site) -> None:
        self._site = site
        self._account_sid = f"AC{site.random.getrandbits(128):032x}"
        self._auth_token = f"{site.random.getrandbits(128):032x}"
        self._calls: dict[str, Call] = {}
        self._next_turn = 0.0
        self._hooks = Hooks(site, self._auth_token)
        self._streams = Streams(site, self._hooks)
        self._life = Life(site, self._hooks, self._streams)
        self._library = Library(site, self._account_sid)

    # --- the API -------------------------------------------------------------------------------------------------

    def credentials(self) -> dict[str, Any]:
        return {
            "account_sid": self._account_sid,
            "auth_token": self._auth_token,
            "base_url": self._site.base_url,
            "numbers": list(self._site.numbers),
        }

    def is_dial(self, request: RestRequest) -> str | None:
        if request.method != "POST" or not re.fullmatch(r"/2010-04-01/Accounts/AC[0-9a-f]{32}/Calls\.json", request.path):
            return None
        return form(request).get("To", [""])[-1]

    def on_request(self, now: float, request: RestRequest) -> RestReply:
        dialled = self.is_dial(request)
        reply = self._answer(now, request)
        if dialled is not None:
            self._write_dial(now, dialled, reply)
        return reply

    def fault_reply(self, kind: str, status: int | None = None, code: str | None = None) -> RestReply:
        """An `http_error` without a code is HTML for 502 and 504 (a proxy's page) and JSON else, as recorded for 503."""
        if kind in FAULTS:
            fixed_status, fixed_code = FAULTS[kind]
            return error(self._knob(f"{kind}_status", fixed_status), int(code or fixed_code))
        status = status or 500
        if code is None and status not in CODES_BY_STATUS:
            return RestReply(status=status, body=b"<html><body>Bad gateway</body></html>", content_type="text/html")
        return error(status, int(code) if code and code.isdigit() else CODES_BY_STATUS.get(status, 20500))

    def _answer(self, now: float, request: RestRequest) -> RestReply:
        if not authorised(request, self._account_sid, self._auth_token):
            return error(401, 20003)
        try:
            return self._route(now, request)
        except NoSuch as refusal:
            self._refused(now, request, refusal)
            return error(refusal.status, refusal.code, refusal.detail)

    def _route(self, now: float, request: RestRequest) -> RestReply:
        if request.method == "POST" and request.path == f"{self._library.root}/Calls.json":
            return self._create(now, request)
        match = re.fullmatch(rf"{re.escape(self._library.root)}/Calls/(CA[0-9a-f]{{32}})\.json", request.path)
        if request.method == "POST" and match and match[1] in self._calls:
            return self._update(now, self._calls[match[1]], request)
        found = self._library.read(now, request, self._calls) if request.method == "GET" else None
        if found is None:
            raise NoSuch(404, 20404, f"{request.method} {request.path}")
        return found

    def _create(self, now: float, request: RestRequest) -> RestReply:
        order = read_order(form(request), self._site.numbers)
        limit = self._knob("concurrent_calls", 0)
        if limit and self.live_calls() >= limit:
            raise NoSuch(400, 10004)
        turn = max(now, self._next_turn)
        self._next_turn = turn + 1 / self._knob("calls_per_second", 1.0)
        call = self._new_call(now, order, round((turn - now) * 1000))
        parameters = {_snake(name): values[-1] for name, values in form(request).items()}
        event = {"method": "POST", "url": f"https://api.twilio.com{request.path}", "parameters": parameters}
        call.requests.append((now, {"request": event, "response": {"response_code": 201}}))
        self._calls[call.sid] = call
        self._site.emit(Wake(at=turn + self._knob("dial_after_s", 0.05), key=f"dial {call.sid} 0"))
        return answer(call_json(call), 201)

    def _new_call(self, now: float, order: Order, queue_ms: int) -> Call:
        sid = f"CA{self._site.random.getrandbits(128):032x}"
        return Call(
            sid=sid,
            uri=f"{self._library.root}/Calls/{sid}",
            account_sid=self._account_sid,
            number_sid=self._library.number_sids[order.caller_id],
            to=order.to,
            caller_id=order.caller_id,
            url=order.url,
            method=order.method,
            twiml=order.twiml,
            fallback_url=order.fallback_url,
            fallback_method=order.fallback_method,
            status_callback=order.status_callback,
            status_callback_method=order.status_callback_method,
            events=order.events,
            timeout_s=order.timeout_s,
            time_limit_s=order.time_limit_s,
            created=now,
            queue_ms=queue_ms,
        )

    def _update(self, now: float, call: Call, request: RestRequest) -> RestReply:
        """End a call, or give it new instructions."""
        fields = {name: values[-1] for name, values in form(request).items()}
        if set(fields) - UPDATES:
            raise NoSuch(400, 20001, f"not simulated: {sorted(set(fields) - UPDATES)}")
        if not call.live:
            if self._knob("completed_when_ended", "refuse") == "accept" and fields.get("Status") == "completed":
                return answer(call_json(call))
            raise NoSuch(400, 21220)
        if "Status" in fields:
            self._end(now, call, fields["Status"])
        elif call.status != "in-progress":
            raise NoSuch(400, 21220)
        else:
            self._life.take_over(now, call, fields.get("Url", ""), fields.get("Method", "POST"), fields.get("Twiml", ""))
        return answer(call_json(call))

    def _end(self, now: float, call: Call, wanted: str) -> None:
        """`completed` in any state, `canceled` only before the answer."""
        if wanted not in {"completed", "canceled"} or (wanted == "canceled" and call.answered is not None):
            raise NoSuch(400, 20001, f"Status={wanted} while {call.status}")
        before_answer = self._knob("completed_before_answer", "canceled") if wanted == "completed" else "canceled"
        ending = ENDINGS["normal"] if call.answered is not None else (before_answer, "487")
        self._life.end(now, call, *ending)

    # --- what comes back -----------------------------------------------------------------------------------------

    def on_webhook_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        sending = self._hooks.replied(webhook_id, reply)
        call = self._calls.get(sending.call_sid) if sending else None
        if sending is not None and call is not None:
            self._life.replied(now, call, sending, reply)

    def on_timer(self, now: float, key: str) -> None:
        what, sid, step = key.split(" ")
        call = self._calls.get(sid)
        if call is not None:
            self._life.timer(now, call, what, int(step))

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        call = self._calls.get(event.ref)
        if call is not None:
            self._life.phone(now, call, event)

    def on_socket_open(self, now: float, stream: str) -> None:
        found = self._of_stream(stream)
        if found is not None:
            self._streams.opened(now, *found)

    def on_socket_refused(self, now: float, stream: str, status: int) -> None:
        found = self._of_stream(stream)
        if found is not None:
            self._life.socket_refused(now, *found, status)

    def on_socket_frame(self, now: float, stream: str, data: str | bytes) -> None:
        found = self._of_stream(stream)
        if found is not None:
            self._streams.received(now, *found, data)

    def on_socket_closed(self, now: float, stream: str, code: int) -> None:
        found = self._of_stream(stream)
        if found is not None:
            self._life.socket_closed(now, *found, code)

    def on_tick(self, now: float) -> None:
        for stream in list(self._streams.by_sid.values()):
            self._streams.tick(now, stream)

    # --- the lab's own questions ---------------------------------------------------------------------------------

    def incoming_ref(self, now: float, incoming: Incoming) -> str | None:
        return None

    def on_incoming(self, now: float, ref: str, incoming: Incoming) -> None:
        """Never: no number is in service for calls from phones."""

    def on_fetched(self, now: float, fetch_id: str, reply: WebhookReply) -> None:
        """Never: nothing is fetched."""

    def ticking(self) -> bool:
        return False

    def live_calls(self) -> int:
        return sum(call.live for call in self._calls.values())

    def reset(self) -> None:
        self._calls.clear()
        self._streams.by_sid.clear()
        self._hooks.forget()
        self._next_turn = 0.0

    def _of_stream(self, sid: str) -> tuple[Call, Stream] | None:
        stream = self._streams.by_sid.get(sid)
        call = self._calls.get(stream.call_sid) if stream else None
        return (call, stream) if call is not None and stream is not None else None

    def _write_dial(self, now: float, to: str, reply: RestReply) -> None:
        sid = next(reversed(self._calls), "") if reply.status == 201 else ""
        self._site.ledger.write(now, "dial", carrier=self._site.name, number=to, carrier_call_id=sid, status=reply.status)

    def _refused(self, now: float, request: RestRequest, refusal: NoSuch) -> None:
        """Loud for what is wrong with the request or the lab, not for a call that has merely ended."""
        if refusal.code in {20001, 20404}:
            what = f"{request.method} {request.path}"
            name, code, detail = self._site.name, refusal.code, refusal.detail
            self._site.ledger.write(now, "refused", carrier=name, request=what, code=code, detail=detail)

    def _knob(self, name: str, default: Any) -> Any:
        return self._site.knobs.get(name, default)


def _snake(name: str) -> str:
    """`StatusCallback` -> `status_callback`, as the Events resource writes parameters."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
