"""Sparrow, backwards: the pure core that the lab puts behind real sockets. It shares no line with the adapter."""

import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from typing import Any
from urllib.parse import parse_qs

from msgspec import Struct

from carriers.lab.contract import (
    CloseSocket,
    Incoming,
    OpenSocket,
    PhoneEvent,
    RestReply,
    RestRequest,
    SendFrame,
    Site,
    Wake,
    Webhook,
    WebhookReply,
)
from carriers.lab.playback import Playback

CAUSES = {
    "normal": "talked",
    "busy": "engaged",
    "no_answer": "unanswered",
    "declined": "refused",
    "unreachable": "away",
    "invalid": "no-such-number",
    "canceled": "recalled",
}
"""What the telephone network says, in Sparrow's words."""
FAULTS = {"auth_error": (401, "key"), "suspended": (403, "closed"), "rate_limited": (429, "pace")}
TRIES, AGAIN_AFTER_S = 3, 0.3
ANSWER_WITHIN_S = 3.0


class Call(Struct, kw_only=True, eq=False):
    """One call, from the order to its end. `state` is what a look-up says."""

    id: str
    order: dict[str, Any]
    state: str = "accepted"
    cause: str = ""
    dialled: bool = False
    rang: bool = False
    answered: bool = False
    serial: int = 0
    stream: str = ""
    opened: bool = False
    playback: Playback


class Letter(Struct, frozen=True, kw_only=True):
    """A webhook until it is answered. `asks` waits for an order."""

    call: Call
    event: str
    body: bytes
    attempt: int = 1

    @property
    def asks(self) -> bool:
        return self.event in {"answered", "stream-over"}


class SparrowSimulator:
    """`carriers.lab.contract.Simulator`."""

    causes = frozenset({"storm", "empty-nest"})
    signature_headers = frozenset({"x-sparrow-signature"})

    def __init__(self, site: Site) -> None:
        self._site = site
        self._key, self._secret = self._word(), self._word()
        self._calls: dict[str, Call] = {}
        self._letters: dict[str, Letter] = {}

    # --- the API -------------------------------------------------------------------------------------------------

    def credentials(self) -> dict[str, Any]:
        secrets = {"api_key": self._key, "signing_secret": self._secret}
        return {**secrets, "base_url": self._site.base_url, "numbers": list(self._site.numbers)}

    def is_dial(self, request: RestRequest) -> str | None:
        return _order(request).get("to") if (request.method, request.path) == ("POST", "/calls") else None

    def on_request(self, now: float, request: RestRequest) -> RestReply:
        if request.headers.get("authorization") != f"Bearer {self._key}":
            return self.fault_reply("auth_error")
        match request.method, request.path.split("/")[1:]:
            case "POST", ["calls"]:
                return self._create(now, _order(request))
            case "GET", ["calls"]:
                note = parse_qs(request.query).get("note", [""])[0]
                return _reply(200, {"calls": [_shown(call) for call in self._calls.values() if call.order["note"] == note]})
            case "POST", ["calls", call_id, "end"] if call_id in self._calls:
                return self._end_on_order(now, self._calls[call_id])
            case "GET", ["account"]:
                return _reply(200, {"numbers": list(self._site.numbers)})
        return _reply(404, {"error": "nothing-here"})

    def fault_reply(self, kind: str, status: int | None = None, code: str | None = None) -> RestReply:
        fixed_status, fixed_code = FAULTS.get(kind, (500, "fog"))
        return _reply(status or fixed_status, {"error": code or fixed_code})

    def _create(self, now: float, order: dict[str, Any]) -> RestReply:
        if order.get("from") not in self._site.numbers or not str(order.get("to")).startswith("+"):
            return self._dialled(now, order, _reply(400, {"error": "number"}), "")
        call = Call(id=self._word(), order=order, playback=Playback(60.0))
        self._calls[call.id] = call
        self._site.emit(Wake(at=now + 0.05, key=f"dial {call.id}"))
        return self._dialled(now, order, _reply(201, {"id": call.id}), call.id)

    def _dialled(self, now: float, order: dict[str, Any], reply: RestReply, call_id: str) -> RestReply:
        to, name = str(order.get("to")), self._site.name
        self._site.ledger.write(now, "dial", carrier=name, number=to, carrier_call_id=call_id, status=reply.status)
        return reply

    def _end_on_order(self, now: float, call: Call) -> RestReply:
        if call.dialled:
            self._site.network.hang_up(now, carrier=self._site.name, ref=call.id)
        else:
            self._over(now, call, "recalled")
        return _reply(200, _shown(call))

    # --- a call's life -------------------------------------------------------------------------------------------

    def on_timer(self, now: float, key: str) -> None:
        what, _, name = key.partition(" ")
        if what == "again" and name in self._letters:
            self._post(now, self._letters.pop(name))
        call = self._calls.get(name)
        if call is None or call.state == "ended":
            return
        if what == "dial":
            self._dial(now, call)
        elif what == "talk-limit" or (what == "ring-limit" and not call.answered):
            call.cause = "unanswered" if what == "ring-limit" else ""
            self._site.network.hang_up(now, carrier=self._site.name, ref=call.id)

    def _dial(self, now: float, call: Call) -> None:
        cause = self._site.reject_cause(now, call.order["to"])
        if cause is not None:
            self._over(now, call, cause)
            return
        call.dialled = True
        to, caller_id = call.order["to"], call.order["from"]
        self._site.network.dial(now, carrier=self._site.name, ref=call.id, to=to, caller_id=caller_id)
        self._site.emit(Wake(at=now + call.order["ring_limit_s"], key=f"ring-limit {call.id}"))

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        call = self._calls.get(event.ref)
        if call is None or call.state == "ended":
            return
        if event.kind == "ringing":
            call.state, call.rang = "ringing", True
            self._tell(now, call, "ringing")
        elif event.kind == "answered":
            call.state, call.answered = "answered", True
            self._site.emit(Wake(at=now + call.order["talk_limit_s"], key=f"talk-limit {call.id}"))
            self._tell(now, call, "answered")
        elif event.kind == "digit":
            self._frame(call, kind="digit", digit=event.digit)
        else:
            self._over(now, call, call.cause or CAUSES[event.cause])

    def _over(self, now: float, call: Call, cause: str) -> None:
        if call.stream:
            self._frame(call, kind="stop")
            self._site.emit(CloseSocket(stream=call.stream))
        call.state, call.cause, call.stream = "ended", cause, ""
        self._tell(now, call, "ended")

    def incoming_ref(self, now: float, incoming: Incoming) -> str | None:
        return None

    def on_incoming(self, now: float, ref: str, incoming: Incoming) -> None:
        """Never: no number is in service for calls from phones."""

    def on_fetched(self, now: float, fetch_id: str, reply: WebhookReply) -> None:
        """Never: nothing is fetched."""

    def ticking(self) -> bool:
        return False

    def live_calls(self) -> int:
        return sum(call.state != "ended" for call in self._calls.values())

    def reset(self) -> None:
        self._calls.clear()
        self._letters.clear()

    # --- webhooks ------------------------------------------------------------------------------------------------

    def _tell(self, now: float, call: Call, event: str) -> None:
        call.serial += 1
        facts = {"cause": call.cause, "rang": call.rang, "answered": call.answered}
        body = json.dumps({"event": event, "call": call.id, "serial": call.serial, **facts}).encode()
        self._post(now, Letter(call=call, event=event, body=body))

    def _post(self, now: float, letter: Letter) -> None:
        url = letter.call.order["ask_url" if letter.asks else "report_url"]
        name = self._word()
        self._letters[name] = letter
        self._site.emit(
            Webhook(
                id=name,
                url=url,
                headers={"content-type": "application/json", "x-sparrow-signature": self._sign(now, url, letter.body)},
                body=letter.body,
                timeout_s=ANSWER_WITHIN_S,
                carrier_call_id=letter.call.id,
                number=letter.call.order["to"],
                attempt=letter.attempt,
            )
        )

    def on_webhook_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        letter = self._letters.pop(webhook_id, None)
        if letter is None:
            return
        if 200 <= reply.status < 300:
            self._obey(now, letter, reply)
        elif letter.attempt < TRIES and (reply.status == 0 or reply.status >= 500):
            again = self._word()
            self._letters[again] = Letter(call=letter.call, event=letter.event, body=letter.body, attempt=letter.attempt + 1)
            self._site.emit(Wake(at=now + AGAIN_AFTER_S, key=f"again {again}"))
        elif letter.asks:
            self._site.network.hang_up(now, carrier=self._site.name, ref=letter.call.id)

    def _obey(self, now: float, letter: Letter, reply: WebhookReply) -> None:
        call = letter.call
        if not letter.asks or call.state != "answered":
            return
        order = json.loads(reply.body)
        if order["do"] == "hang_up":
            self._site.network.hang_up(now, carrier=self._site.name, ref=call.id)
            return
        call.stream, call.opened, call.playback = self._word(), False, Playback(60.0)
        headers = {"x-sparrow-signature": self._sign(now, order["url"], b"")}
        wish = OpenSocket(stream=call.stream, url=order["url"], headers=headers, carrier_call_id=call.id, number=call.order["to"])
        self._site.emit(wish)

    def _sign(self, now: float, url: str, body: bytes) -> str:
        text = f"{int(now)}\n{url}\n".encode() + body
        return f"{int(now)}.{hmac.new(self._secret.encode(), text, hashlib.sha256).hexdigest()}"

    # --- media ---------------------------------------------------------------------------------------------------

    def on_socket_open(self, now: float, stream: str) -> None:
        for call in self._of_stream(stream):
            call.opened = True
            self._frame(call, kind="start", stream=stream, call=call.id)

    def on_socket_refused(self, now: float, stream: str, status: int) -> None:
        self.on_socket_closed(now, stream, status)

    def on_socket_closed(self, now: float, stream: str, code: int) -> None:
        for call in self._of_stream(stream):
            call.stream, call.opened = "", False
            self._tell(now, call, "stream-over")

    def on_socket_frame(self, now: float, stream: str, data: str | bytes) -> None:
        for call in self._of_stream(stream):
            message = json.loads(data)
            match message["kind"]:
                case "sound":
                    call.playback.add(b64decode(message["data"], validate=True))
                case "mark":
                    self._played(call, [message["name"]] if call.playback.mark(message["name"]) else [])
                case "clear":
                    self._played(call, call.playback.clear())

    def on_tick(self, now: float) -> None:
        for call in [call for call in self._calls.values() if call.opened and call.stream]:
            self._frame(call, kind="sound", data=b64encode(self._site.network.say(self._site.name, call.id)).decode())
            heard, marks = call.playback.next_frame()
            self._site.network.hear(self._site.name, call.id, heard)
            self._played(call, marks)

    def _played(self, call: Call, marks: list[str]) -> None:
        for name in marks:
            self._frame(call, kind="played", name=name)

    def _frame(self, call: Call, /, **fields: str) -> None:
        if call.stream:
            self._site.emit(SendFrame(stream=call.stream, data=json.dumps(fields)))

    def _of_stream(self, stream: str) -> list[Call]:
        return [call for call in self._calls.values() if call.stream == stream]

    def _word(self) -> str:
        return f"{self._site.random.getrandbits(96):024x}"


def _order(request: RestRequest) -> dict[str, Any]:
    try:
        found = json.loads(request.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _shown(call: Call) -> dict[str, Any]:
    return {"id": call.id, "note": call.order["note"], "state": call.state, "cause": call.cause}


def _reply(status: int, body: dict[str, Any]) -> RestReply:
    return RestReply(status=status, body=json.dumps(body).encode())
