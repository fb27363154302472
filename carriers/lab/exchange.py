"""The lab's heart: the telephone network, the simulated carriers and their faults, wired together. Pure.

Whoever drives it (the shell with sockets and a clock, or a simulation with virtual time) does three things: calls an
`on_*` method with `now` when something arrives, carries out what `take_orders()` gives back, and calls `on_time` when
`next_due` has come. `now` is unix time; one that goes back is held at the latest seen.
"""

from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from types import TracebackType
from typing import Any, TypeVar

from msgspec import Struct

from carriers.lab.contract import Fetch, PhoneEvent, RestRequest, WebhookReply
from carriers.lab.desk import Desk, DeskPlan
from carriers.lab.faults import Fault, FaultKind, read_faults
from carriers.lab.fields import BadField
from carriers.lab.ledger import LabLedger
from carriers.lab.network import PhoneNetwork
from carriers.lab.notices import LineNotice
from carriers.lab.orders import Answer, Order, TellLine
from carriers.lab.phones import CallPlan, CallState, Phone, PhoneCall, PhoneSetup
from carriers.lab.timers import Timers

T = TypeVar("T")


class CarrierReport(Struct, frozen=True, kw_only=True):
    """One line of `/lab/carriers`. `queue` counts dials that were accepted and have reached no phone yet."""

    name: str
    kind: str
    listening: bool
    faults: list[Fault]
    live_calls: int
    queue: int
    streams: int


class _Step:
    """Ends every `on_*`: what it has caused at once happens before the driver goes on."""

    def __init__(self, settle: Callable[[], None]) -> None:
        self._settle = settle

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self._settle()


class Exchange:
    """Composes; decides nothing about any carrier's dialect."""

    def __init__(self, plans: Sequence[DeskPlan], seed: int = 0) -> None:
        self.ledger = LabLedger()
        self.timers = Timers()
        self.now = 0.0
        self._orders: deque[Order] = deque()
        self._phone_events: deque[PhoneEvent] = deque()
        self.network = PhoneNetwork(
            ledger=self.ledger, conditions=self, wake=self._wake_network, tell=self._phone_events.append, notice=self._notice
        )
        self._settled = _Step(self._run_due)
        self.desks = {plan.name: self._desk(plan, Random(f"{seed}:{plan.name}")) for plan in plans}

    # --- driving -------------------------------------------------------------------------------------------------

    @property
    def next_due(self) -> float | None:
        """When `on_time` should be called next."""
        return self.timers.next_at

    @property
    def ticking(self) -> bool:
        """Whether any call carries sound, so that `on_tick` is wanted every 20 ms."""
        return any(desk.sounding for desk in self.desks.values())

    def take_orders(self) -> list[Order]:
        """What is to be done now, in order; each is given out once."""
        orders = list(self._orders)
        self._orders.clear()
        return orders

    def on_time(self, now: float) -> None:
        """Let happen what is due."""
        with self._step(now):
            pass

    def on_tick(self, now: float) -> None:
        """20 ms of sound on every call that carries any."""
        with self._step(now):
            for desk in self.desks.values():
                if desk.sounding:
                    desk.simulator.on_tick(self.now)

    def on_request(self, now: float, carrier: str, request: RestRequest) -> Answer:
        """A customer's request to a carrier's API."""
        with self._step(now):
            return self.desks[carrier].answer(self.now, request)

    def on_webhook_reply(self, now: float, carrier: str, key: str, reply: WebhookReply) -> None:
        """The customer's answer to a `Deliver`."""
        with self._step(now):
            self.desks[carrier].webhooks.on_reply(self.now, key, reply)

    def on_fetched(self, now: float, carrier: str, wish: Fetch, reply: WebhookReply) -> None:
        """What became of a `Fetch`."""
        with self._step(now):
            self.desks[carrier].on_fetched(self.now, wish, reply)

    def on_socket_open(self, now: float, carrier: str, stream: str) -> None:
        """An `OpenSocket` succeeded."""
        with self._step(now):
            self.desks[carrier].streams.on_open(self.now, stream)

    def on_socket_refused(self, now: float, carrier: str, stream: str, status: int) -> None:
        """An `OpenSocket` was refused with this HTTP status, or (0) reached nobody."""
        with self._step(now):
            self.desks[carrier].streams.on_refused(self.now, stream, status)

    def on_socket_frame(self, now: float, carrier: str, stream: str, data: str | bytes) -> None:
        """A message from the customer."""
        with self._step(now):
            self.desks[carrier].streams.on_frame(self.now, stream, data)

    def on_socket_closed(self, now: float, carrier: str, stream: str, code: int) -> None:
        """The customer closed, or the connection broke (1006)."""
        with self._step(now):
            self.desks[carrier].streams.on_closed(self.now, stream, code)

    # --- what the control surface does ---------------------------------------------------------------------------

    def credentials(self) -> dict[str, dict[str, Any]]:
        """Per carrier all that an SDK needs."""
        return {name: desk.simulator.credentials() for name, desk in self.desks.items()}

    def desk(self, name: str) -> Desk:
        """A carrier's desk; raise BadField naming the carriers that there are."""
        if name not in self.desks:
            raise BadField("name", f"no such carrier; there are: {', '.join(self.desks)}", code="not-found")
        return self.desks[name]

    def report(self, now: float) -> list[CarrierReport]:
        """All carriers' switches and loads."""
        return [self._report(now, desk) for desk in self.desks.values()]

    def set_faults(self, now: float, name: str, faults: Sequence[Any]) -> list[Fault]:
        """Replace a carrier's faults; each is a `Fault` or the user's object. Raise BadField for what is wrong."""
        desk = self.desk(name)
        plain = [fault for fault in faults if isinstance(fault, Fault)]
        codes = getattr(desk.simulator, "error_codes", frozenset[str]())
        read = plain if len(plain) == len(faults) else read_faults(list(faults), desk.simulator.causes, codes)
        with self._step(now):
            desk.faults.set(self.now, read)
            self.ledger.write(self.now, "fault", carrier=name, faults=[str(fault.kind) for fault in read])
            desk.review(self.now)
        return read

    def set_phone(self, now: float, number: str, setup: PhoneSetup) -> Phone:
        """Change how a phone behaves from its next call on."""
        with self._step(now):
            return self.network.set_up(number, setup)

    def place_call(self, now: float, number: str, plan: CallPlan) -> PhoneCall:
        """A phone calls one of our numbers. Raise BadField if no carrier has it, or none would take the call."""
        with self._step(now):
            return self._desk_of(plan.to).take_call(self.now, self.network.phone(number), plan)

    def _desk_of(self, number: str) -> Desk:
        for desk in self.desks.values():
            if number in desk.numbers:
                return desk
        ours = ", ".join(desk.numbers[0] for desk in self.desks.values() if desk.numbers)
        raise BadField("to", f"{number} is no carrier's number; there are {ours} and more: see /lab/credentials")

    def as_people(self, now: float, deed: Callable[[PhoneNetwork, float], T]) -> T:
        """Act as the people on the phones: pick up, put down, press, speak, attend."""
        with self._step(now):
            return deed(self.network, self.now)

    def reset(self, now: float) -> None:
        """Forget calls, phones, faults and ledger."""
        with self._step(now):
            self._phone_events.clear()
            self.timers.clear()
            self.network.reset()
            for desk in self.desks.values():
                desk.reset(self.now)
            self.ledger.clear()

    # --- what the faults do to the network (`network.Conditions`) ------------------------------------------------

    def dead(self, carrier: str) -> bool:
        fault = self.desks[carrier].faults.down(self.now)
        return fault is not None and fault.drop_calls

    def dial_delay(self, carrier: str, number: str) -> float:
        fault = self.desks[carrier].faults.strike(self.now, FaultKind.QUEUEING, number)
        return fault.s if fault else 0.0

    def muted(self, carrier: str, ref: str, number: str, direction: str) -> bool:
        fault = self.desks[carrier].faults.strike_call(self.now, FaultKind.ONE_WAY, number, ref)
        return fault is not None and fault.direction != direction

    def talking(self, now: float, carrier: str, ref: str) -> None:
        self.desks[carrier].on_talking(now, ref)

    # --- inside --------------------------------------------------------------------------------------------------

    def _step(self, now: float) -> "_Step":
        self.now = self.network.now = max(now, self.now)
        self._run_due()
        return self._settled

    def _run_due(self) -> None:
        self._settle()
        while (due := self.timers.pop_due(self.now)) is not None:
            sleeper, key = due
            sleeper(self.now, key)
            self._settle()

    def _settle(self) -> None:
        # Phone events wait here, so that no simulator is entered again while it is at work.
        while self._phone_events:
            event = self._phone_events.popleft()
            self.desks[event.carrier].on_phone(self.now, event)

    def _desk(self, plan: DeskPlan, random: Random) -> Desk:
        return Desk(
            plan,
            random=random,
            network=self.network,
            ledger=self.ledger,
            timers=self.timers,
            order=lambda effect: self._orders.append(Order(plan.name, effect)),
            clock=lambda: self.now,
        )

    def _report(self, now: float, desk: Desk) -> CarrierReport:
        live = self.network.live(desk.name)
        return CarrierReport(
            name=desk.name,
            kind=desk.kind,
            listening=desk.listening,
            faults=desk.faults.current(now),
            live_calls=desk.simulator.live_calls(),
            queue=sum(1 for call in live if call.state is CallState.DIALED),
            streams=desk.streams.open_count,
        )

    def _wake_network(self, at: float, key: Any) -> None:
        self.timers.add(at, self.network.on_timer, key)

    def _notice(self, notice: LineNotice) -> None:
        self._orders.append(Order("", TellLine(notice=notice)))
