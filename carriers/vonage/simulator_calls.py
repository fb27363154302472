"""The life of a simulated call: dialled, ringing, answered, ended; and the events on the way."""

from typing import Any

from carriers.lab.contract import PhoneEvent, Site, Wake, WebhookReply
from carriers.vonage.simulator_account import Account
from carriers.vonage.simulator_flow import Flow
from carriers.vonage.simulator_legs import (
    CANCELLED,
    CAUSES,
    COMPLETED,
    FROM_NETWORK,
    RANG_OUT,
    End,
    PhoneLeg,
    SocketLeg,
    answered_event,
    completed_event,
    end_event,
    event,
)
from carriers.vonage.simulator_post import Letter, Postman
from carriers.vonage.simulator_requests import Order
from carriers.vonage.simulator_sockets import Sockets


class Calls:
    """All calls of the account, by the phone leg's uuid."""

    def __init__(self, site: Site, account: Account, sockets: Sockets) -> None:
        self._site, self._account, self._sockets = site, account, sockets
        self._post = Postman(site, account, self._on_letter_answered)
        self.flow = Flow(site, account, sockets, self._post, self.hang_up)
        self.phones: dict[str, PhoneLeg] = {}

    # --- placing -------------------------------------------------------------------------------------------------

    def place(self, now: float, order: Order) -> PhoneLeg:
        """Accept a call; it is dialled a moment later, so that the answer to the request is usually first."""
        leg = PhoneLeg(
            uuid=self._account.uuid(),
            conversation_uuid=f"CON-{self._account.uuid()}",
            to=order.to,
            from_=order.from_,
            event_url=order.event_url,
            event_method=order.event_method,
            answer_url=order.answer_url,
            answer_method=order.answer_method,
            ringing_timer=order.ringing_timer,
            length_timer=order.length_timer,
            created_at=now,
            actions=list(order.ncco or []),
            reject=self._rejection(now, order),
        )
        self.phones[leg.uuid] = leg
        self._wake(now + float(self._knob("dial_after_s", 0.05)), "dial", leg)
        return leg

    def _rejection(self, now: float, order: Order) -> End | None:
        if f"+{order.from_}" not in self._site.numbers:
            return CAUSES["restricted"]
        cause = self._site.reject_cause(now, f"+{order.to}")
        return None if cause is None else CAUSES[cause]

    def _dial(self, now: float, leg: PhoneLeg) -> None:
        self._post.tell(now, leg, event(leg, "started", now))
        if leg.reject is not None:
            leg.disconnected_by = "platform"
            self._end(now, leg, leg.reject)
            return
        leg.dialled = True
        self._site.network.dial(now, carrier=self._site.name, ref=leg.uuid, to=f"+{leg.to}", caller_id=f"+{leg.from_}")

    # --- what the phone does -------------------------------------------------------------------------------------

    def on_phone(self, now: float, told: PhoneEvent) -> None:
        """Progress of a leg that was dialled."""
        leg = self.phones.get(told.ref)
        if leg is None or leg.ended:
            return
        if told.kind == "ringing":
            self._ringing(now, leg)
        elif told.kind == "answered":
            self._answered(now, leg)
        elif told.kind == "digit" and leg.socket is not None:
            self._sockets.digit(leg.socket, told.digit)
        elif told.kind == "ended":
            self._on_end(now, leg, told)

    def _ringing(self, now: float, leg: PhoneLeg) -> None:
        leg.status = "ringing"
        self._post.tell(now, leg, event(leg, "ringing", now))
        self._wake(now + leg.ringing_timer, "ring", leg)

    def _answered(self, now: float, leg: PhoneLeg) -> None:
        leg.status, leg.start_time = "answered", now
        self._post.tell(now, leg, answered_event(leg, now))
        self._wake(now + leg.length_timer, "length", leg)
        self.flow.begin(now, leg)

    def _on_end(self, now: float, leg: PhoneLeg, told: PhoneEvent) -> None:
        if told.by != "phone":
            leg.disconnected_by = "platform"
        self._end(now, leg, leg.taken_back or FROM_NETWORK[told.cause])

    # --- ending --------------------------------------------------------------------------------------------------

    def hang_up(self, now: float, leg: PhoneLeg, end: End | None = None) -> None:
        """End a leg from the carrier's side."""
        if leg.ended:
            return
        leg.disconnected_by = "platform"
        leg.taken_back = end or (COMPLETED if leg.answered else CANCELLED)
        if leg.dialled:
            self._site.network.hang_up(now, carrier=self._site.name, ref=leg.uuid)
        else:
            self._end(now, leg, leg.taken_back)

    def _end(self, now: float, leg: PhoneLeg, end: End) -> None:
        leg.status, leg.end_time = end.status, now
        leg.step += 1
        if leg.socket is not None:
            self.flow.end_socket(now, leg, leg.socket)
        if end.status != "completed":
            self._post.tell(now, leg, end_event(leg, end, now, self._knob("sip_code_as", "number") == "string"))
        # The carrier says `completed` of every end but a rejection; the record keeps the first word.
        if end.status == "completed" or (end.status != "rejected" and self._knob("completed_follows", True)):
            self._post.tell(now, leg, completed_event(leg, now, leg.disconnected_by))

    # --- the stream's fate ---------------------------------------------------------------------------------------

    def on_socket_lost(self, now: float, socket: SocketLeg, status: str) -> None:
        """The stream never opened, or the customer closed it."""
        self.flow.on_socket_lost(now, self.phones[socket.ref], socket, status)

    def skip_connect(self, now: float, socket: SocketLeg) -> None:
        """The customer hung up the socket leg by request: no `disconnected`, and the flow goes on."""
        leg = self.phones[socket.ref]
        self.flow.end_socket(now, leg, socket)
        self.flow.next(now, leg)

    # --- post and time -------------------------------------------------------------------------------------------

    def on_webhook_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        """The customer answered one of our webhooks, or did not."""
        self._post.on_reply(now, webhook_id, reply)

    def _on_letter_answered(self, now: float, letter: Letter, reply: WebhookReply) -> None:
        leg = self.phones.get(letter.ref)
        if leg is not None and not leg.ended and letter.purpose != "event" and letter.step == leg.step:
            self.flow.on_answer(now, leg, letter, reply)

    def on_timer(self, now: float, key: str) -> None:
        """A time that was asked for has come; what no longer matters is ignored."""
        kind, _, rest = key.partition(":")
        if kind == "post":
            self._post.on_timer(now, rest)
            return
        ref, _, step = rest.partition(":")
        leg = self.phones.get(ref)
        if leg is not None and not leg.ended:
            self._due(now, leg, kind, step)

    def _due(self, now: float, leg: PhoneLeg, kind: str, step: str) -> None:
        if kind == "dial":
            self._dial(now, leg)
        elif kind == "ring" and not leg.answered:
            self.hang_up(now, leg, RANG_OUT)
        elif kind == "length":
            self.hang_up(now, leg)
        elif kind == "action" and step == str(leg.step):
            self.flow.next(now, leg)

    def _wake(self, at: float, kind: str, leg: PhoneLeg) -> None:
        self._site.emit(Wake(at=at, key=f"{kind}:{leg.uuid}:"))

    def reset(self) -> None:
        """Forget everything."""
        self.phones.clear()
        self.flow.ended.clear()
        self._post.reset()

    def _knob(self, name: str, default: Any) -> Any:
        return self._site.knobs.get(name, default)
