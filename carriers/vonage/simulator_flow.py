"""How the simulated carrier carries out a flow (NCCO): action by action, asking the customer where the flow says so."""

from collections.abc import Callable, Mapping
from typing import Any

from carriers.lab.contract import Site, Wake, WebhookReply
from carriers.vonage.simulator_account import Account
from carriers.vonage.simulator_legs import (
    PhoneLeg,
    SocketLeg,
    answer_payload,
    answered_event,
    completed_event,
    event,
    stamp,
)
from carriers.vonage.simulator_ncco import checked, first, flow_of, rate_of, seconds_of
from carriers.vonage.simulator_post import Letter, Postman, is_document
from carriers.vonage.simulator_requests import Wrong
from carriers.vonage.simulator_sockets import Sockets


class Flow:
    """Leads answered legs. `hang_up(now, leg)` ends one; socket legs that are over stay in `ended` for the list of calls."""

    def __init__(
        self, site: Site, account: Account, sockets: Sockets, post: Postman, hang_up: Callable[[float, PhoneLeg], None]
    ) -> None:
        self._site, self._account, self._sockets, self._post = site, account, sockets, post
        self._hang_up = hang_up
        self.ended: dict[str, SocketLeg] = {}

    # --- where flows come from -----------------------------------------------------------------------------------

    def begin(self, now: float, leg: PhoneLeg) -> None:
        """The phone was answered: ask for the flow, or start the one that came with the request."""
        if leg.answer_url:
            self._ask_for_flow(now, leg, leg.answer_url, leg.answer_method)
        else:
            self._start(now, leg, leg.actions)

    def transfer(self, now: float, leg: PhoneLeg, ncco: Any, url: str) -> None:
        """Move the leg to a conversation of its own with another flow; the socket left behind ends. Wrong for a bad NCCO."""
        actions = checked(ncco) if ncco is not None else []
        if leg.socket is not None:
            self.end_socket(now, leg, leg.socket)
        before, leg.conversation_uuid = leg.conversation_uuid, f"CON-{self._account.uuid()}"
        moved = {"conversation_uuid_from": before, "conversation_uuid_to": leg.conversation_uuid}
        self._post.tell(now, leg, {"uuid": leg.uuid, "type": "transfer", **moved, "timestamp": stamp(now)})
        leg.step += 1
        if url:
            self._ask_for_flow(now, leg, url, "GET")
        else:
            self._start(now, leg, actions)

    def on_answer(self, now: float, leg: PhoneLeg, letter: Letter, reply: WebhookReply) -> None:
        """The customer answered a letter that wants an NCCO, or its last attempt failed."""
        if letter.purpose == "flow":
            self._on_rest(now, leg, letter, reply)
        else:
            self._on_document(now, leg, letter, reply)

    def _on_rest(self, now: float, leg: PhoneLeg, letter: Letter, reply: WebhookReply) -> None:
        """A flow in the answer to an event replaces the rest; without one the rest goes on."""
        try:
            actions = flow_of(reply.body) if is_document(reply) else None
        except Wrong as wrong:
            # A broken document in mid-call is reported to the event URL; the flow continues.
            self._note(now, leg, str(wrong))
            self._post.complain(now, leg, f"Syntax error in NCCO. {wrong}")
            actions = None
        if actions or (actions == [] and self._site.knobs.get("empty_ncco_replaces", True)):
            leg.actions = list(actions or [])
        elif not 200 <= reply.status < 300 and self._fall_back(now, leg, letter, reply):
            return
        self.next(now, leg)

    def _on_document(self, now: float, leg: PhoneLeg, letter: Letter, reply: WebhookReply) -> None:
        try:
            if not is_document(reply):
                raise Wrong({"answer": f"{reply.failure or reply.status} {reply.content_type}".strip()})
            actions = flow_of(reply.body)
        except Wrong as wrong:
            if not self._fall_back(now, leg, letter, reply):
                self._give_up(now, leg, wrong)
            return
        self._start(now, leg, actions)

    def _fall_back(self, now: float, leg: PhoneLeg, letter: Letter, reply: WebhookReply) -> bool:
        url = self._site.knobs.get("fallback_answer_url", "")
        if not url or letter.purpose == "fallback":
            return False
        original = {"url": letter.url, "type": "answer" if letter.purpose == "answer" else "event"}
        reason = f"Connection {reply.failure}." if reply.status == 0 else f"HTTP status {reply.status}."
        payload = {**letter.payload, "reason": reason, "original_request": original}
        self._post.ask(now, leg, "fallback", url, "POST", payload)
        return True

    def _ask_for_flow(self, now: float, leg: PhoneLeg, url: str, method: str) -> None:
        self._post.ask(now, leg, "answer", url, method, answer_payload(leg, self._site.base_url))

    def _start(self, now: float, leg: PhoneLeg, ncco: Any) -> None:
        try:
            leg.actions = list(checked(ncco))
        except Wrong as wrong:
            self._give_up(now, leg, wrong)
            return
        self.next(now, leg)

    def _give_up(self, now: float, leg: PhoneLeg, wrong: Wrong) -> None:
        self._note(now, leg, str(wrong))
        self._post.complain(now, leg, f"Syntax error in NCCO. {wrong}")
        self._hang_up(now, leg)

    # --- action by action ----------------------------------------------------------------------------------------

    def next(self, now: float, leg: PhoneLeg) -> None:
        """Carry out what comes next; a flow that has come to its end ends the call."""
        leg.step += 1
        if leg.ended:
            return
        if not leg.actions:
            self._hang_up(now, leg)
            return
        action = leg.actions.pop(0)
        if action["action"] == "connect":
            self._connect(now, leg, action)
        elif action["action"] == "notify":
            self._notify(now, leg, action)
        else:
            at = now + seconds_of(action, float(self._site.knobs.get("stream_file_s", 2.0)))
            self._site.emit(Wake(at=at, key=f"action:{leg.uuid}:{leg.step}"))

    def _notify(self, now: float, leg: PhoneLeg, action: Mapping[str, Any]) -> None:
        body: dict[str, Any] = {"payload": action["payload"], "conversation_uuid": leg.conversation_uuid}
        if self._site.knobs.get("notify_timestamp", True):
            body["timestamp"] = stamp(now)
        self._post.ask(now, leg, "flow", first(action["eventUrl"], ""), action.get("eventMethod", "POST"), body)

    def _connect(self, now: float, leg: PhoneLeg, action: Mapping[str, Any]) -> None:
        if not self._account.may_connect(now):
            self._note(now, leg, "a connect action over the pace of the account")
            self._post.complain(now, leg, "Rate limit exceeded. The connect action was not executed.")
            self.next(now, leg)
            return
        endpoint = action["endpoint"][0]
        leg.socket = self._socket_leg(now, leg, action, endpoint)
        self._post.tell(now, leg.socket, event(leg.socket, "started", now))
        self._sockets.connect(now, leg.socket, endpoint.get("authorization"))

    def _socket_leg(self, now: float, leg: PhoneLeg, action: Mapping[str, Any], endpoint: Mapping[str, Any]) -> SocketLeg:
        return SocketLeg(
            uuid=self._account.uuid(),
            conversation_uuid=leg.conversation_uuid,
            ref=leg.uuid,
            number=f"+{leg.to}",
            from_=str(action.get("from", leg.from_)),
            uri=endpoint["uri"],
            rate=rate_of(endpoint),
            event_url=first(action.get("eventUrl", []), leg.event_url),
            event_method=action.get("eventMethod", "POST"),
            synchronous=action.get("eventType") == "synchronous",
            headers=endpoint.get("headers", {}),
            playback=self._sockets.playback(),
            created_at=now,
        )

    # --- the stream's fate ---------------------------------------------------------------------------------------

    def on_socket_open(self, now: float, socket: SocketLeg) -> None:
        """The customer accepted the upgrade."""
        socket.status, socket.start_time = "answered", now
        self._sockets.opened(socket)
        self._post.tell(now, socket, answered_event(socket, now))

    def on_socket_lost(self, now: float, leg: PhoneLeg, socket: SocketLeg, status: str) -> None:
        """Never opened (`failed`, `unanswered`), or closed by the customer (`disconnected`): on with the flow."""
        self._over(now, socket, status)
        if leg.ended or leg.socket is not socket:
            return
        leg.socket = None
        told = event(socket, status, now)
        if socket.synchronous:
            self._post.ask(now, leg, "flow", socket.event_url, socket.event_method, told)
        else:
            self._post.tell(now, socket, told)
            self.next(now, leg)

    def end_socket(self, now: float, leg: PhoneLeg, socket: SocketLeg) -> None:
        """Close the stream from the carrier's side: a normal end, without a `disconnected`."""
        leg.socket = None
        self._sockets.close(socket)
        self._over(now, socket, "completed")
        self._post.tell(now, socket, completed_event(socket, now, "platform"))

    def _over(self, now: float, socket: SocketLeg, status: str) -> None:
        socket.status, socket.end_time = status, now
        self.ended[socket.uuid] = socket

    def _note(self, now: float, leg: PhoneLeg, what: str) -> None:
        self._site.ledger.write(
            now, "refused", carrier=self._site.name, number=f"+{leg.to}", carrier_call_id=leg.uuid, reason=what
        )
