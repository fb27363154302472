"""One carrier in the lab: its simulator between its faults, its webhooks, its streams and its listener. Pure."""

from collections.abc import Callable
from random import Random
from typing import Any

from msgspec import Struct

from carriers.lab.contract import (
    CloseSocket,
    Effect,
    Fetch,
    Incoming,
    Ledger,
    OpenSocket,
    PhoneEvent,
    RestReply,
    RestRequest,
    SendFrame,
    Simulator,
    Site,
    Wake,
    Webhook,
    WebhookReply,
)
from carriers.lab.faults import Fault, FaultKind, Switchboard
from carriers.lab.fields import BadField, e164
from carriers.lab.network import PhoneNetwork
from carriers.lab.orders import Answer, Listen
from carriers.lab.outbound_webhooks import OutboundWebhooks
from carriers.lab.phones import CallPlan, CallState, Phone, PhoneCall
from carriers.lab.streams import Streams
from carriers.lab.timers import Timers


class DeskPlan(Struct, frozen=True, kw_only=True):
    """A carrier to be set up. `simulator` is `Kind.simulator`."""

    name: str
    kind: str
    simulator: Callable[[Site], Simulator]
    base_url: str
    numbers: tuple[str, ...]
    knobs: dict[str, Any] = {}


class Desk:
    """Everything of one carrier but its dialect, which is the simulator's."""

    def __init__(
        self,
        plan: DeskPlan,
        *,
        random: Random,
        network: PhoneNetwork,
        ledger: Ledger,
        timers: Timers,
        order: Callable[[Effect], None],
        clock: Callable[[], float],
    ) -> None:
        self.name, self.kind, self.numbers, self.listening = plan.name, plan.kind, plan.numbers, True
        self._network, self._ledger, self._timers = network, ledger, timers
        self._order, self._clock = order, clock
        self._review_at: float | None = None
        # Its own generator: a fault's coin must not change what the simulator draws.
        chance = Random(random.getrandbits(64))
        self.faults = Switchboard(chance)
        self.simulator: Simulator = plan.simulator(self._site(plan, random))
        _check_knobs(plan, self.simulator)
        self.webhooks = OutboundWebhooks(
            carrier=plan.name,
            faults=self.faults,
            signature_headers=self.simulator.signature_headers,
            random=chance,
            timers=timers,
            ledger=ledger,
            order=order,
            answered=self.simulator.on_webhook_reply,
        )
        self.streams = Streams(
            carrier=plan.name,
            simulator=self.simulator,
            faults=self.faults,
            timers=timers,
            ledger=ledger,
            order=order,
            spoke=lambda ref: network.stream_spoke(plan.name, ref),
            gone=lambda ref: network.stream_gone(plan.name, ref),
        )

    # --- requests ------------------------------------------------------------------------------------------------

    def answer(self, now: float, request: RestRequest) -> Answer:
        """What becomes of an API request under the faults of this moment."""
        dial_to = self.simulator.is_dial(request)
        struck = self.faults.strike_request(now, e164(dial_to) if dial_to else None)
        delay_s = max((fault.s for fault in struck if fault.kind is FaultKind.SLOW), default=0.0)
        fault = next((fault for fault in struck if fault.kind is not FaultKind.SLOW), None)
        if fault is None:
            return Answer(reply=self.simulator.on_request(now, request), delay_s=delay_s)
        if fault.kind is FaultKind.DROP_AFTER_ACCEPT or fault.after_placing:
            return self._answer_after_placing(now, request, fault, delay_s)
        return self._answer_instead(now, dial_to, fault, delay_s)

    def _answer_after_placing(self, now: float, request: RestRequest, fault: Fault, delay_s: float) -> Answer:
        reply = self.simulator.on_request(now, request)
        if reply.status >= 300:
            return Answer(reply=reply, delay_s=delay_s)
        if fault.kind is FaultKind.DROP_AFTER_ACCEPT:
            return Answer(delay_s=delay_s, otherwise="closed")
        return Answer(reply=self._worded(fault), delay_s=delay_s)

    def _answer_instead(self, now: float, dial_to: str | None, fault: Fault, delay_s: float) -> Answer:
        if dial_to is not None:
            self._ledger.write(now, "dial", carrier=self.name, number=dial_to, fault=str(fault.kind))
        if fault.kind is FaultKind.BLACKHOLE:
            return Answer(otherwise="held")
        return Answer(reply=self._worded(fault), delay_s=delay_s)

    def _worded(self, fault: Fault) -> RestReply:
        if fault.kind is FaultKind.HTTP_ERROR:
            return self.simulator.fault_reply(str(fault.kind), fault.status, fault.code)
        return self.simulator.fault_reply(str(fault.kind))

    # --- phones --------------------------------------------------------------------------------------------------

    @property
    def sounding(self) -> bool:
        """Whether any of its calls wants 20 ms of sound."""
        return bool(self.streams.open_count) or self.simulator.ticking()

    def take_call(self, now: float, phone: Phone, plan: CallPlan) -> PhoneCall:
        """A phone calls one of this carrier's numbers; raise BadField if it cannot get through."""
        if phone.occupied:
            raise BadField("number", f"{phone.number} is in a call already; hang up first", code="conflict")
        caller_id = "" if plan.withheld else phone.number
        incoming = Incoming(to=plan.to, caller_id=caller_id, caller_name=plan.caller_name, attestation=plan.attestation)
        ref = None if self.faults.down(now) else self.simulator.incoming_ref(now, incoming)
        if ref is None:
            raise BadField("to", f"{plan.to} is not in service at {self.name} now", code="conflict")
        call = self._network.place_call(now, self.name, ref, phone.number, incoming, plan)
        self.simulator.on_incoming(now, ref, incoming)
        return call

    def on_fetched(self, now: float, wish: Fetch, reply: WebhookReply) -> None:
        """A file of the customer's came, or did not."""
        who = {"carrier": self.name, "number": wish.number, "carrier_call_id": wish.carrier_call_id}
        self._ledger.write(now, "fetch", url=wish.url, status=reply.status, bytes=len(reply.body), **who)
        self.simulator.on_fetched(now, wish.id, reply)

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        """Something happened at a phone that this carrier called, or that called it."""
        self.simulator.on_phone(now, event)

    def on_talking(self, now: float, ref: str) -> None:
        """One of its calls was answered, by the person or by the carrier."""
        self._plan_leg_drop(now, ref)

    def _plan_leg_drop(self, now: float, ref: str) -> None:
        at = self._leg_drops_at(now, ref)
        if at is not None:
            self._timers.add(max(now, at), self._drop_leg, ref)

    def _leg_drops_at(self, now: float, ref: str) -> float | None:
        call = self._network.call(self.name, ref)
        if call is None or call.state is not CallState.ANSWERED:
            return None
        fault = self.faults.strike_call(now, FaultKind.LEG_DROP, call.number, ref)
        return call.answered_at + fault.after_s if fault else None

    def _drop_leg(self, now: float, ref: str) -> None:
        # The faults may have changed since this was planned: ask again.
        at = self._leg_drops_at(now, ref)
        call = self._network.call(self.name, ref)
        if at is None or call is None or now < at - 1e-6:
            return
        fault = self.faults.strike_call(now, FaultKind.LEG_DROP, call.number, ref)
        if fault and not fault.webhook:
            self.webhooks.silence(ref)
        self._network.drop(now, self.name, ref)

    # --- faults --------------------------------------------------------------------------------------------------

    def review(self, now: float) -> None:
        """Faults were set, or one begins or ends with time: bring listener, streams and calls in line."""
        down = self.faults.down(now)
        if self.listening and down:
            self._go_down(now, down)
        elif not self.listening and not down:
            self.listening = True
            self._order(Listen(open=True))
        self.streams.review(now)
        for call in self._network.live(self.name):
            self._plan_leg_drop(now, call.ref)
        self._review_at = self.faults.next_change(now)
        if self._review_at is not None:
            self._timers.add(self._review_at, self._review_when_due, self._review_at)

    def _review_when_due(self, now: float, planned: float) -> None:
        if planned == self._review_at:
            self.review(now)

    def reset(self, now: float) -> None:
        """Forget calls and faults; the listener is open again."""
        self.faults.set(now, [])
        self.webhooks.reset()
        self.streams.reset(now)
        self.simulator.reset()
        self.review(now)

    def _go_down(self, now: float, fault: Fault) -> None:
        self.listening = False
        self._order(Listen(open=False))
        self.streams.break_all(now)
        if fault.drop_calls:
            self._network.drop_carrier(now, self.name)

    # --- the simulator's wishes ----------------------------------------------------------------------------------

    def _site(self, plan: DeskPlan, random: Random) -> Site:
        return Site(
            name=plan.name,
            base_url=plan.base_url,
            numbers=plan.numbers,
            random=random,
            network=self._network,
            ledger=self._ledger,
            emit=self._emit,
            reject_cause=self._reject_cause,
            knobs=dict(plan.knobs),
        )

    def _reject_cause(self, now: float, to: str) -> str | None:
        fault = self.faults.strike(now, FaultKind.REJECT, e164(to))
        return fault.cause if fault else None

    def _emit(self, effect: Effect) -> None:
        now = self._clock()
        match effect:
            case Wake():
                self._timers.add(effect.at, self._wake, effect.key)
            case Webhook():
                self.webhooks.send(now, effect)
            case Fetch():
                self._order(effect)
            case OpenSocket():
                self.streams.open(now, effect)
            case SendFrame():
                self.streams.send(now, effect)
            case CloseSocket():
                self.streams.close(now, effect)
            case _:
                raise TypeError(f"no simulator may emit {type(effect).__name__}")

    def _wake(self, now: float, key: str) -> None:
        self.simulator.on_timer(now, key)


def _check_knobs(plan: DeskPlan, simulator: Simulator) -> None:
    """A misspelt knob would leave the guess at its default; ValueError names it. A simulator need not list its knobs."""
    known: frozenset[str] | None = getattr(simulator, "knobs", None)
    strange = sorted(set(plan.knobs) - known) if known is not None else []
    if known is not None and strange:
        raise ValueError(f"{plan.name} has no knob {', '.join(strange)}; it has: {', '.join(sorted(known))}")
