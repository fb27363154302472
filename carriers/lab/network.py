"""The virtual telephone network: phones that ring, answer, talk and hang up, reachable through every carrier. Pure.

A call to a phone is (`carrier`, `ref`); `ref` is the carrier's own id of the call and stands in the ledger as
`carrier_call_id`. What the phone does comes out as `PhoneEvent`s through `tell`, what a person at a line client should
see and hear as `LineNotice`s through `notice`; times to come are asked for through `wake`.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from carriers.lab.conditions import Conditions
from carriers.lab.contract import Greeting, Incoming, Ledger, PhoneEvent
from carriers.lab.fields import e164
from carriers.lab.greetings import greeting_of
from carriers.lab.notices import LineNotice
from carriers.lab.phones import Behavior, CallPlan, CallState, Phone, PhoneCall, PhoneSetup, TextMessage
from carriers.lab.recording import Recording, Tape
from carriers.lab.sound import SILENCE
from carriers.lab.voices import Line

SETUP_S = 0.1
"""From the carrier's dial to the first ring: no phone rings in the same instant."""
GIVE_UP_S = 120.0
"""How long the network lets a phone ring that nobody answers."""
OFF_S = 2.0
"""How long the network looks for a phone that is off."""
FIRST_KEY_S, NEXT_KEY_S, KEY_PAUSE_S = 0.5, 0.3, 0.5
TEXT_S = 0.3
"""From the carrier to the phone, for a text message."""
PATIENCE_S = 60.0
"""How long a caller lets our number ring, unless the call says otherwise."""


_AFTER_RING = {Behavior.ANSWER: "pick_up", Behavior.MACHINE: "pick_up", Behavior.DECLINE: "decline"}
_NEVER_RINGS = {
    Behavior.BUSY: ("busy", "phone", 0.0),
    Behavior.UNREACHABLE: ("unreachable", "network", OFF_S),
    Behavior.INVALID: ("invalid", "network", 0.0),
}


class PhoneNetwork:
    """Implements `carriers.lab.contract.Network`. `now` is kept by the exchange for the two calls that have none."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        conditions: Conditions,
        wake: Callable[[float, Any], None],
        tell: Callable[[PhoneEvent], None],
        notice: Callable[[LineNotice], None],
    ) -> None:
        self._ledger, self._conditions = ledger, conditions
        self._wake, self._tell, self._notice = wake, tell, notice
        self.now = 0.0
        self.phones: dict[str, Phone] = {}
        self._calls: dict[tuple[str, str], PhoneCall] = {}
        self._tape = Tape()

    # --- what carriers ask ---------------------------------------------------------------------------------------

    def dial(self, now: float, *, carrier: str, ref: str, to: str, caller_id: str) -> None:
        if (carrier, ref) in self._calls:
            raise ValueError(f"{carrier} dialled its call {ref} twice")
        phone = self.phone(to)
        call = PhoneCall(carrier=carrier, ref=ref, number=phone.number, caller_id=caller_id, setup=phone.setup)
        self._calls[carrier, ref] = call
        phone.keep(call)
        self._later(now + SETUP_S + self._conditions.dial_delay(carrier, phone.number), call, "reach")

    def hang_up(self, now: float, *, carrier: str, ref: str) -> None:
        call = self._calls.get((carrier, ref))
        if call is not None:
            self._end(now, call, "normal" if call.answered_at else "canceled", "carrier")

    def answer(self, now: float, *, carrier: str, ref: str) -> None:
        call = self._calls.get((carrier, ref))
        if call is not None and call.placed_here and call.state is CallState.RINGING:
            self._talk(now, call)

    def refuse(self, now: float, *, carrier: str, ref: str, cause: str) -> None:
        call = self._calls.get((carrier, ref))
        if call is not None and call.placed_here and call.state is CallState.RINGING:
            self._end(now, call, cause, "carrier")

    def press_keys(self, now: float, *, carrier: str, ref: str, digits: str) -> None:
        call = self._calls.get((carrier, ref))
        if call is not None and call.state is CallState.ANSWERED:
            call.keys_heard += digits
            self._write(now, "keys", call, digits=digits)
            self._inform(call, "keys", digits)

    def greeting(self, carrier: str, ref: str) -> Greeting | None:
        call = self._calls.get((carrier, ref))
        return None if call is None or call.state is not CallState.ANSWERED else greeting_of(call.setup)

    def text(self, now: float, *, carrier: str, ref: str, to: str, caller_id: str, body: str) -> None:
        message = TextMessage(at=now + TEXT_S, carrier=carrier, ref=ref, caller_id=caller_id, body=body)
        self._wake(now + TEXT_S, (carrier, ref, "text", (self.phone(to).number, message)))

    def say(self, carrier: str, ref: str) -> bytes:
        call = self._calls.get((carrier, ref))
        if call is None or call.voice is None or call.recording is None:
            return SILENCE
        frame = call.voice.next_frame()
        call.recording.say(self.now, frame)
        if self._conditions.muted(carrier, ref, call.number, "from_person"):
            return SILENCE
        call.person_flows = True
        return frame

    def hear(self, carrier: str, ref: str, frame: bytes) -> None:
        call = self._calls.get((carrier, ref))
        if call is None or call.voice is None or call.recording is None:
            return
        if self._conditions.muted(carrier, ref, call.number, "to_person"):
            frame = SILENCE
        call.recording.hear(self.now, frame)
        call.voice.heard(frame)
        self._bridge_if_both(call)

    # --- what streams and faults do ------------------------------------------------------------------------------

    def stream_spoke(self, carrier: str, ref: str) -> None:
        """The customer's first frame on a stream of this call."""
        call = self._calls.get((carrier, ref))
        if call is not None:
            call.customer_flows = True

    def stream_gone(self, carrier: str, ref: str) -> None:
        """The call has no stream any more; the next one is a bridge of its own."""
        call = self._calls.get((carrier, ref))
        if call is not None:
            call.person_flows = call.customer_flows = call.bridged = False

    def drop_carrier(self, now: float, carrier: str) -> None:
        """All calls of a carrier die in the network."""
        for call in [call for call in self._calls.values() if call.carrier == carrier]:
            self._drop(now, call)

    def drop(self, now: float, carrier: str, ref: str) -> bool:
        """One call dies in the network; False if it had ended."""
        call = self._calls.get((carrier, ref))
        if call is not None:
            self._drop(now, call)
        return call is not None

    def call(self, carrier: str, ref: str) -> PhoneCall | None:
        """A call that has not ended."""
        return self._calls.get((carrier, ref))

    def live(self, carrier: str) -> list[PhoneCall]:
        """A carrier's calls that have not ended."""
        return [call for call in self._calls.values() if call.carrier == carrier]

    # --- what people do ------------------------------------------------------------------------------------------

    def phone(self, number: str) -> Phone:
        """The phone of a number, with or without `+`; every number has one."""
        known = e164(number)
        if known not in self.phones:
            self.phones[known] = Phone(number=known)
        return self.phones[known]

    def set_up(self, number: str, setup: PhoneSetup) -> Phone:
        """Change how a phone behaves from its next call on."""
        phone = self.phone(number)
        phone.setup = setup
        return phone

    def place_call(self, now: float, carrier: str, ref: str, number: str, incoming: Incoming, call: CallPlan) -> PhoneCall:
        """A person dials one of our numbers and hears it ring; the carrier's id of the call is `ref`."""
        phone = self.phone(number)
        placed = PhoneCall(
            carrier=carrier,
            ref=ref,
            number=phone.number,
            caller_id=incoming.caller_id,
            called=incoming.to,
            setup=call.setup or phone.setup,
            state=CallState.RINGING,
            rang_at=now,
        )
        self._calls[carrier, ref] = placed
        phone.keep(placed)
        self._write(now, "call", placed, to=incoming.to, caller_id=incoming.caller_id)
        self._inform(placed, "calling")
        self._later(now + call.patience_s, placed, "give_up", "canceled phone")
        return placed

    def attend(self, now: float, number: str, present: bool) -> None:
        """Somebody takes the line of a phone, or leaves it; leaving hangs up."""
        phone = self.phone(number)
        phone.attended = present
        if not present:
            self.put_down(now, number)

    def pick_up(self, now: float, number: str) -> bool:
        """Answer the ringing call; False if the phone does not ring."""
        ringing = [call for call in self.phone(number).live if call.state is CallState.RINGING and not call.placed_here]
        for call in ringing[:1]:
            self._answer(now, call)
        return bool(ringing)

    def put_down(self, now: float, number: str) -> bool:
        """Hang up, or decline what rings; False if there was no call."""
        live = [call for call in self.phone(number).live if call.state is not CallState.DIALED]
        for call in live:
            unanswered = "canceled" if call.placed_here else "declined"
            self._end(now, call, "normal" if call.answered_at else unanswered, "phone")
        return bool(live)

    def press(self, number: str, digit: str) -> bool:
        """Press one key; False if the phone is not in a call."""
        call = self._in_state(number, CallState.ANSWERED)
        if call is not None:
            self._tell(PhoneEvent(carrier=call.carrier, ref=call.ref, kind="digit", digit=digit))
        return call is not None

    def speak(self, number: str, mulaw: bytes) -> bool:
        """Say something on an attended line; False if there is no call to say it in."""
        call = self._in_state(number, CallState.ANSWERED)
        if call is None or not isinstance(call.voice, Line):
            return False
        call.voice.speak(mulaw)
        return True

    def reset(self) -> None:
        """Forget phones and calls; attended lines stay attended, and are told that their calls ended."""
        attended = [phone.number for phone in self.phones.values() if phone.attended]
        for number in attended:
            for call in self.phones[number].live:
                call.cause, call.by = "canceled", "network"
                self._inform(call, "ended")
        self._calls.clear()
        self._tape = Tape()
        self.phones = {number: Phone(number=number, attended=True) for number in attended}

    # --- how a call goes -----------------------------------------------------------------------------------------

    def on_timer(self, now: float, key: tuple[str, str, str, Any]) -> None:
        """A time asked for through `wake` has come: key is (carrier, ref, step, detail)."""
        carrier, ref, step, detail = key
        if step == "text":
            self._deliver_text(now, *detail)
            return
        call = self._calls.get((carrier, ref))
        if call is not None:
            self._STEPS[step](self, now, call, detail)

    def _reach(self, now: float, call: PhoneCall, _detail: str) -> None:
        phone = self.phone(call.number)
        if self._conditions.dead(call.carrier):
            self._end(now, call, "unreachable", "network")
        elif phone.occupied and call.setup.behavior not in _NEVER_RINGS:
            self._knock(now, phone, call)
        elif call.setup.behavior in _NEVER_RINGS:
            cause, by, after_s = _NEVER_RINGS[call.setup.behavior]
            self._later(now + after_s, call, "fail", f"{cause} {by}")
        else:
            self._ring(now, phone, call)

    def _knock(self, now: float, phone: Phone, call: PhoneCall) -> None:
        # A person on the phone hears the call waiting tone: for them it rang, for the caller it is busy.
        call.while_busy, call.rang_at = True, now
        phone.rings += 1
        self._write(now, "ring", call, caller_id=call.caller_id, while_busy=True)
        self._inform(call, "knock")
        self._end(now, call, "busy", "phone")

    def _ring(self, now: float, phone: Phone, call: PhoneCall) -> None:
        call.state, call.rang_at = CallState.RINGING, now
        phone.rings += 1
        self._write(now, "ring", call, caller_id=call.caller_id)
        self._tell(PhoneEvent(carrier=call.carrier, ref=call.ref, kind="ringing"))
        self._inform(call, "ring")
        self._later(now + GIVE_UP_S, call, "give_up", "no_answer network")
        step = _AFTER_RING.get(call.setup.behavior)
        if step and not phone.attended:
            self._later(now + call.setup.answer_after_s, call, step)

    def _give_up(self, now: float, call: PhoneCall, detail: str) -> None:
        if call.state is CallState.RINGING:
            self._fail(now, call, detail)

    def _decline(self, now: float, call: PhoneCall, _detail: str) -> None:
        if call.state is CallState.RINGING:
            self._end(now, call, "declined", "phone")

    def _pick_up(self, now: float, call: PhoneCall, _detail: str) -> None:
        if call.state is CallState.RINGING:
            self._answer(now, call)

    def _answer(self, now: float, call: PhoneCall) -> None:
        self.phone(call.number).answers += 1
        self._talk(now, call)
        self._tell(PhoneEvent(carrier=call.carrier, ref=call.ref, kind="answered"))

    def _talk(self, now: float, call: PhoneCall) -> None:
        phone = self.phone(call.number)
        call.state, call.answered_at, call.recording = CallState.ANSWERED, now, Recording(now, self._tape)
        call.voice = Line(self._listener(call)) if phone.attended else call.setup.speech.voice()
        self._write(now, "answer", call)
        self._inform(call, "answered")
        self._plan_talk(now, call)
        self._conditions.talking(now, call.carrier, call.ref)

    def _plan_talk(self, now: float, call: PhoneCall) -> None:
        if call.setup.hangup_after_s is not None:
            self._later(now + call.setup.hangup_after_s, call, "fail", "normal phone")
        at = now + FIRST_KEY_S
        for key in call.setup.dtmf:
            if key != "w":
                self._later(at, call, "key", key)
            at += KEY_PAUSE_S if key == "w" else NEXT_KEY_S

    def _key(self, _now: float, call: PhoneCall, digit: str) -> None:
        self._tell(PhoneEvent(carrier=call.carrier, ref=call.ref, kind="digit", digit=digit))

    def _deliver_text(self, now: float, number: str, message: TextMessage) -> None:
        phone = self.phone(number)
        reached = phone.setup.behavior not in {Behavior.UNREACHABLE, Behavior.INVALID}
        reached = reached and not self._conditions.dead(message.carrier)
        kind = "delivered" if reached else "undelivered"
        if reached:
            phone.messages.append(message)
            self._inform_of_text(number, message)
        who = {"carrier": message.carrier, "number": number, "carrier_call_id": message.ref}
        self._ledger.write(now, "text", caller_id=message.caller_id, outcome=kind, **who)
        self._tell(PhoneEvent(carrier=message.carrier, ref=message.ref, kind=kind))

    def _fail(self, now: float, call: PhoneCall, detail: str) -> None:
        cause, _, by = detail.partition(" ")
        self._end(now, call, cause, by)

    def _drop(self, now: float, call: PhoneCall) -> None:
        self._end(now, call, "normal" if call.answered_at else "unreachable", "network")

    def _end(self, now: float, call: PhoneCall, cause: str, by: str) -> None:
        del self._calls[call.carrier, call.ref]
        if call.recording is not None:
            call.recording.finish(now)
            call.heard = call.recording.measure(now)
        call.state, call.ended_at, call.cause, call.by, call.voice = CallState.ENDED, now, cause, by, None
        seconds = round(now - call.answered_at, 3) if call.answered_at else 0.0
        self._write(now, "hangup", call, by=by, cause=cause, answered=bool(call.answered_at), seconds=seconds)
        self._tell(PhoneEvent(carrier=call.carrier, ref=call.ref, kind="ended", cause=cause, by=by))
        if call.rang_at and not call.while_busy:  # nobody at the phone knew of any other
            self._inform(call, "ended")

    # --- small things --------------------------------------------------------------------------------------------

    def _bridge_if_both(self, call: PhoneCall) -> None:
        if call.person_flows and call.customer_flows and not call.bridged:
            call.bridged = True
            self._write(self.now, "bridge", call)

    def _in_state(self, number: str, state: CallState) -> PhoneCall | None:
        return next((call for call in self.phone(number).live if call.state is state), None)

    def _later(self, at: float, call: PhoneCall, step: str, detail: str = "") -> None:
        self._wake(at, (call.carrier, call.ref, step, detail))

    def _write(self, now: float, kind: str, call: PhoneCall, **more: Any) -> None:
        if call.placed_here:
            more["direction"] = "inbound"
        self._ledger.write(now, kind, carrier=call.carrier, number=call.number, carrier_call_id=call.ref, **more)

    def _inform(self, call: PhoneCall, kind: str, text: str = "") -> None:
        if self.phone(call.number).attended:
            self._notice(
                LineNotice(
                    number=call.number,
                    kind=kind,
                    carrier=call.carrier,
                    carrier_call_id=call.ref,
                    caller_id=call.caller_id,
                    cause=call.cause,
                    by=call.by,
                    called=call.called,
                    text=text,
                )
            )

    def _inform_of_text(self, number: str, message: TextMessage) -> None:
        if self.phone(number).attended:
            self._notice(
                LineNotice(
                    number=number,
                    kind="text",
                    carrier=message.carrier,
                    carrier_call_id=message.ref,
                    caller_id=message.caller_id,
                    text=message.body,
                )
            )

    def _listener(self, call: PhoneCall) -> Callable[[bytes], None]:
        number, carrier, ref = call.number, call.carrier, call.ref

        def listen(frame: bytes) -> None:
            self._notice(LineNotice(number=number, kind="audio", carrier=carrier, carrier_call_id=ref, sound=frame))

        return listen

    _STEPS: ClassVar[dict[str, Callable[["PhoneNetwork", float, PhoneCall, str], None]]] = {
        "reach": _reach,
        "pick_up": _pick_up,
        "decline": _decline,
        "give_up": _give_up,
        "key": _key,
        "fail": _fail,
    }
