"""The life of a simulated call: dialled or called, ringing, answered, ended; and the events on the way."""

from carriers.lab.contract import Incoming, PhoneEvent, WebhookReply
from carriers.vonage.simulator_events import answered_event, completed_event, end_event, event, sip_code
from carriers.vonage.simulator_legs import (
    CANCELLED,
    CAUSES,
    COMPLETED,
    FROM_NETWORK,
    RANG_OUT,
    End,
    PhoneLeg,
    SocketLeg,
)
from carriers.vonage.simulator_parts import Parts
from carriers.vonage.simulator_post import Letter
from carriers.vonage.simulator_requests import Order, Wrong

KEY_PAUSE_S = 0.5
"""A `p` among keys to be sent."""


class Calls:
    """Phone legs, by uuid in `rooms`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    # --- placing -------------------------------------------------------------------------------------------------

    def place(self, now: float, application_id: str, order: Order) -> PhoneLeg:
        """Accept a call; Wrong if there is no number for it."""
        caller = order.from_ or self.random_number(application_id)
        if not caller:
            raise Wrong({"random_from_number": "no number is linked to this application"})
        hook = self._parts.applications.of(application_id).hook("event_url")
        leg = PhoneLeg(
            uuid=self._parts.new_uuid(),
            conversation_uuid=f"CON-{self._parts.new_uuid()}",
            application_id=application_id,
            to=order.to,
            from_=caller,
            event_url=order.event_url or hook.url,
            event_method=order.event_method if order.event_url else hook.method,
            answer_url=order.answer_url,
            answer_method=order.answer_method,
            ringing_timer=order.ringing_timer,
            length_timer=order.length_timer,
            created_at=now,
            actions=list(order.ncco or []),
            machine=order.machine,
            dtmf_answer=order.dtmf_answer,
        )
        if not self.owns(caller):
            self.mark_foreign(leg)
        self.launch(now, leg)
        return leg

    def owns(self, caller: str) -> bool:
        """Whether the account may show this number (without `+`) to whom it calls."""
        return f"+{caller}" in self._parts.site.numbers

    def mark_foreign(self, leg: PhoneLeg) -> None:
        """Its caller id is not the account's: it will fail, or (`unknown`) shows nobody's number."""
        guess = str(self._parts.knob("foreign_caller_id", "restricted"))
        leg.shows_nobody = guess == "unknown"
        leg.reject = None if leg.shows_nobody else CAUSES.get(guess, CAUSES["restricted"])

    def launch(self, now: float, leg: PhoneLeg) -> None:
        """Let a leg be dialled a moment later, so that the answer to the request is usually first."""
        cause = self._parts.site.reject_cause(now, f"+{leg.to}")
        leg.reject = leg.reject or (CAUSES[cause] if cause else None)
        self._parts.rooms.add(leg)
        self._parts.wake(now + float(self._parts.knob("dial_after_s", 0.05)), "dial", leg.uuid)

    def random_number(self, application_id: str) -> str:
        """A number that is linked to the application, without `+`; empty if there is none."""
        linked = self._parts.numbers.of_application(application_id)
        return self._parts.site.random.choice(linked) if linked else ""

    def dial(self, now: float, leg: PhoneLeg) -> None:
        """Let the phone ring, or fail as it was decided."""
        self._parts.post.tell(now, leg, event(leg, "started", now))
        if leg.reject is not None:
            leg.disconnected_by = "platform"
            self._end(now, leg, leg.reject)
            return
        leg.dialled = True
        site, caller = self._parts.site, f"+{leg.from_}" if leg.from_ and not leg.shows_nobody else ""
        site.network.dial(now, carrier=site.name, ref=leg.uuid, to=f"+{leg.to}", caller_id=caller)

    # --- calls from phones ---------------------------------------------------------------------------------------

    def incoming_ref(self, incoming: Incoming) -> str | None:
        """A uuid for a call to one of our numbers; an unknown number is nobody's."""
        return self._parts.new_uuid() if incoming.to in self._parts.site.numbers else None

    def incoming(self, now: float, ref: str, incoming: Incoming) -> None:
        """A phone calls: the number's application is asked what to do."""
        number = incoming.to.removeprefix("+")
        application_id = self._parts.numbers.application_of(number)
        application = self._parts.applications.of(application_id)
        hook, events = application.hook("answer_url"), application.hook("event_url")
        if not application_id or not hook.url:
            self._turn_away(now, ref, f"nobody answers {incoming.to}: no application with an answer_url is linked to it")
            return
        leg = PhoneLeg(
            uuid=ref,
            conversation_uuid=f"CON-{self._parts.new_uuid()}",
            application_id=application_id,
            direction="inbound",
            from_=incoming.caller_id.removeprefix("+") or str(self._parts.knob("withheld_as", "anonymous")),
            to=number,
            event_url=events.url,
            event_method=events.method,
            answer_url=hook.url,
            answer_method=hook.method,
            created_at=now,
            dialled=True,
        )
        self._parts.rooms.add(leg)
        self._greet(now, leg)

    def _greet(self, now: float, leg: PhoneLeg) -> None:
        # A capture of a real inbound call has ringing first, with the same time stamp.
        leg.status = "ringing"
        self._parts.post.tell(now, leg, event(leg, "ringing", now))
        self._parts.post.tell(now, leg, event(leg, "started", now))
        if self._parts.knob("inbound_answered", "before") == "before":
            self.pick_up(now, leg)
        self._parts.flow.begin(now, leg)

    def _turn_away(self, now: float, ref: str, reason: str) -> None:
        site = self._parts.site
        site.ledger.write(now, "refused", carrier=site.name, carrier_call_id=ref, reason=reason)
        cause = str(self._parts.knob("unlinked_number_hears", "declined"))
        site.network.refuse(now, carrier=site.name, ref=ref, cause=cause)

    def pick_up(self, now: float, leg: PhoneLeg) -> None:
        """The carrier answers a call that a phone placed, once."""
        if leg.direction == "inbound" and not leg.answered:
            self._parts.site.network.answer(now, carrier=self._parts.site.name, ref=leg.uuid)
            self._begin_talk(now, leg)

    # --- what the phone does -------------------------------------------------------------------------------------

    def on_phone(self, now: float, told: PhoneEvent) -> None:
        """Progress of a leg."""
        leg = self._parts.rooms.phone(told.ref)
        if leg is None or leg.ended:
            return
        if told.kind == "ringing":
            leg.status = "ringing"
            self._parts.post.tell(now, leg, event(leg, "ringing", now))
            self._parts.wake(now + leg.ringing_timer, "ring", leg.uuid)
        elif told.kind == "answered":
            self._answered(now, leg)
        elif told.kind == "digit":
            self._digit(now, leg, told.digit)
        elif told.kind == "ended":
            self._on_end(now, leg, told)

    def _answered(self, now: float, leg: PhoneLeg) -> None:
        self._begin_talk(now, leg)
        self.send_keys(now, leg, leg.dtmf_answer)
        if leg.machine is not None:
            self._parts.machines.listen(now, leg)
        if leg.machine is None or not leg.machine.waits:
            self.talk(now, leg)
        else:
            leg.waiting_to_join = leg.parent is not None

    def _begin_talk(self, now: float, leg: PhoneLeg) -> None:
        leg.status, leg.start_time = "answered", now
        self._parts.sounds.answered(leg)
        self._parts.post.tell(now, leg, answered_event(leg, now))
        self._parts.wake(now + leg.length_timer, "length", leg.uuid)

    def talk(self, now: float, leg: PhoneLeg) -> None:
        """Whoever answered is to be talked with now: by the leg's own flow, or by those who had it called."""
        if leg.parent is None:
            self._parts.flow.begin(now, leg)
        elif leg.on_answer:
            leg.waiting_to_join = True
            self._parts.flow.ask(now, leg, leg.on_answer, "GET")
        else:
            self._parts.connects.let_in(now, leg)

    def _digit(self, now: float, leg: PhoneLeg, digit: str) -> None:
        for other in self._parts.rooms.companions(leg):
            if isinstance(other, SocketLeg):
                self._parts.sockets.digit(other, digit)
        self._parts.recordings.digit(now, leg, digit)
        self._parts.gathers.digit(now, leg, digit)

    def send_keys(self, now: float, leg: PhoneLeg, keys: str) -> None:
        """Let the person hear keys, with half a second for each `p`."""
        head, pause, rest = keys.partition("p")
        if head:
            self._parts.site.network.press_keys(now, carrier=self._parts.site.name, ref=leg.uuid, digits=head)
        if pause:
            self._parts.wake(now + KEY_PAUSE_S, "keys", leg.uuid, rest)

    # --- ending --------------------------------------------------------------------------------------------------

    def hang_up(self, now: float, leg: PhoneLeg, end: End | None = None) -> None:
        """End a leg from the carrier's side."""
        if leg.ended or leg.taken_back:
            return
        leg.disconnected_by = "platform"
        leg.taken_back = end or (COMPLETED if leg.answered else CANCELLED)
        site = self._parts.site
        if leg.direction == "inbound" and not leg.answered:
            site.network.refuse(now, carrier=site.name, ref=leg.uuid, cause="declined")
        elif leg.dialled:
            site.network.hang_up(now, carrier=site.name, ref=leg.uuid)
        else:
            self._end(now, leg, leg.taken_back)

    def _on_end(self, now: float, leg: PhoneLeg, told: PhoneEvent) -> None:
        if told.by != "phone":
            leg.disconnected_by = "platform"
        gave_up = leg.direction == "inbound" and not leg.answered and told.by == "phone"
        abandoned = End(str(self._parts.knob("abandoned_as", "cancelled")))
        self._end(now, leg, leg.taken_back or (abandoned if gave_up else FROM_NETWORK[told.cause]))

    def _end(self, now: float, leg: PhoneLeg, end: End) -> None:
        leg.status, leg.end_time = end.status, now
        self._parts.flow.interrupt(now, leg)
        self._parts.recordings.stop_all(now, leg)
        left = self._parts.rooms.remove(leg)
        if leg.ends_room:
            for other in left:
                self._parts.connects.dismiss(now, other)
        self._parts.rooms.clear_up(now, left)
        asked = self._tell_end(now, leg, end)
        if not asked:
            self._parts.connects.over(now, leg)

    def _tell_end(self, now: float, leg: PhoneLeg, end: End) -> bool:
        asked = False
        as_text = self._parts.knob("sip_code_as", "number") == "string"
        if end.status != "completed":
            told = end_event(leg, end, now, as_text)
            asked = self._parts.connects.ask_about(now, leg, told)
            if not asked:
                self._parts.post.tell(now, leg, told)
        # The carrier says `completed` of every end but a rejection; the record keeps the first word.
        if end.status == "completed" or (end.status != "rejected" and self._parts.knob("completed_follows", True)):
            coded = end.status == "completed" and bool(self._parts.knob("completed_sip_code", True))
            self._parts.post.tell(now, leg, {**completed_event(leg, now), **(sip_code(200, as_text) if coded else {})})
        return asked

    # --- post and time -------------------------------------------------------------------------------------------

    def on_letter_answered(self, now: float, letter: Letter, reply: WebhookReply) -> None:
        """A webhook has had its last answer."""
        leg = self._parts.rooms.phone(letter.ref)
        if leg is not None and not leg.ended and not leg.taken_back and letter.purpose != "event":
            self._parts.flow.on_answer(now, leg, letter, reply)

    def on_timer(self, now: float, leg: PhoneLeg, kind: str, detail: str) -> None:
        """A time that was asked for has come; what no longer matters is ignored."""
        if kind == "dial":
            self.dial(now, leg)
        elif kind == "ring" and not leg.answered:
            self.hang_up(now, leg, RANG_OUT)
        elif kind == "length":
            self.hang_up(now, leg)
        elif kind == "keys" and leg.answered:
            self.send_keys(now, leg, detail)
        elif kind == "action" and detail == str(leg.step):
            self._parts.flow.next(now, leg)
        elif kind == "gather":
            self._parts.gathers.on_timer(now, leg, detail)
        elif kind == "machine":
            self._parts.machines.on_timer(now, leg, detail)
