"""Drives the carriers' pure cores and the phones, as `carriers.lab.shell` does with sockets: here in virtual time.

Coarser than the lab in one thing, to make worlds cheap: a beat of sound stands for `beat_s` and not for 20 ms. All frames
of a beat but one are left out, on both ways; everything else (marks, cuts, silence, hang-ups) keeps its time.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context
from random import Random
from typing import Any, TypeVar

from carriers.lab.contract import CloseSocket, Fetch, OpenSocket, RestReply, RestRequest, SendFrame, Site, Webhook, WebhookReply
from carriers.lab.exchange import Exchange
from carriers.lab.orders import Answer, Deliver, Listen, Order, TellLine
from gateway.simulation.loop import OWNER, VirtualLoop
from gateway.simulation.sockets import WebSocket

T = TypeVar("T")

Delivery = Callable[[Webhook], Awaitable[WebhookReply]]
Connect = Callable[[str, Mapping[str, str], "Wire"], WebSocket | None]


@contextmanager
def as_world() -> Iterator[None]:
    """What a process sets off at a carrier does not die with the process."""
    token = OWNER.set(None)
    try:
        yield
    finally:
        OWNER.reset(token)


class Overheard:
    """A simulator whose answers are noted before a fault can take them away. `heard(request, reply)`."""

    def __init__(self, simulator: Any, heard: Callable[[RestRequest, RestReply], None]) -> None:
        self._simulator, self._heard = simulator, heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._simulator, name)

    def on_request(self, now: float, request: RestRequest) -> RestReply:
        """See `carriers.lab.contract.Simulator`."""
        reply: RestReply = self._simulator.on_request(now, request)
        self._heard(request, reply)
        return reply


def overheard(make: Callable[[Site], Any], heard: Callable[[str, RestRequest, RestReply], None]) -> Callable[[Site], Any]:
    """`make` with a listener: (carrier's name, request, reply)."""
    return lambda site: Overheard(make(site), lambda request, reply: heard(site.name, request, reply))


class LabDriver:
    """`begin` is the unix time of the world's first moment."""

    def __init__(
        self,
        exchange: Exchange,
        loop: VirtualLoop,
        chance: Random,
        *,
        begin: float,
        beat_s: float,
        deliver: Delivery,
        connect: Connect,
        crashed: Callable[[Exception], None],
    ) -> None:
        self.exchange = exchange
        self.loop, self._chance, self._begin, self._beat_s = loop, chance, begin, beat_s
        self._deliver_to, self._connect, self._crashed = deliver, connect, crashed
        self._wires: dict[tuple[str, str], Wire] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at: float | None = None
        self._beating = False

    def now(self) -> float:
        """True unix time."""
        return self._begin + self.loop.time()

    def act(self, deed: Callable[[float], T]) -> T:
        """Do something to the exchange at this moment, and carry out what follows."""
        with as_world():
            try:
                return deed(self.now())
            finally:
                self._carry_out()

    def request(self, carrier: str, request: RestRequest) -> Answer | None:
        """A request to a carrier's API; None if nobody listens."""
        if not self.exchange.desks[carrier].listening:
            return None
        return self.act(lambda now: self.exchange.on_request(now, carrier, request))

    def guarded(self, deed: Callable[[float], object]) -> None:
        """As `act`, for what nobody waits for."""
        try:
            self.act(deed)
        except Exception as error:
            self._crashed(error)

    # --- orders --------------------------------------------------------------------------------------------------

    def _carry_out(self) -> None:
        for order in self.exchange.take_orders():
            self._obey(order)
        self._set_alarm()
        if self.exchange.ticking and not self._beating:
            self._beating = True
            self.loop.call_later(self._beat_s, self._beat, context=Context())

    def _obey(self, order: Order) -> None:
        match order.effect:
            case SendFrame() as frame:
                wire = self._wires.get((order.carrier, frame.stream))
                if wire is not None and wire.socket is not None:
                    wire.socket.say(frame.data)
            case Deliver() as delivery:
                self.loop.create_task(self._deliver(order.carrier, delivery), context=Context())
            case Fetch() as wish:
                self.loop.create_task(self._fetch(order.carrier, wish), context=Context())
            case OpenSocket() as wish:
                self.loop.create_task(self._open(order.carrier, wish), context=Context())
            case CloseSocket() as wish:
                wire = self._wires.pop((order.carrier, wish.stream), None)
                if wire is not None:
                    wire.close(wish.code)
            case Listen() | TellLine():
                pass  # `request` looks at the desk itself; nobody sits at a phone's line here
            case other:
                raise TypeError(f"the simulation does not know {type(other).__name__}")

    async def _deliver(self, carrier: str, delivery: Deliver) -> None:
        await asyncio.sleep(self._chance.uniform(0.005, 0.08))
        reply = await self._deliver_to(delivery.webhook)
        await asyncio.sleep(self._chance.uniform(0.005, 0.05))
        self.guarded(lambda now: self.exchange.on_webhook_reply(now, carrier, delivery.key, reply))

    async def _fetch(self, carrier: str, wish: Fetch) -> None:
        hook = Webhook(id=wish.id, url=wish.url, method="GET", headers=wish.headers, timeout_s=wish.timeout_s)
        reply = await self._deliver_to(hook)
        self.guarded(lambda now: self.exchange.on_fetched(now, carrier, wish, reply))

    async def _open(self, carrier: str, wish: OpenSocket) -> None:
        wire = Wire(self, carrier, wish.stream)
        self._wires[carrier, wish.stream] = wire
        await asyncio.sleep(self._chance.uniform(0.01, 0.1))
        if wire.closed_by_carrier:
            return
        wire.socket = self._connect(wish.url, wish.headers, wire)
        if wire.socket is None:
            wire.refused(0)

    def _beat(self) -> None:
        self._beating = False
        self.guarded(self.exchange.on_tick)

    def _set_alarm(self) -> None:
        due = self.exchange.next_due
        if due == self._alarm_at:
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._alarm_at = due
        if due is not None:
            self._alarm = self.loop.call_at(due - self._begin, self._wake, context=Context())

    def _wake(self) -> None:
        self._alarm = self._alarm_at = None
        self.guarded(self.exchange.on_time)


class Wire:
    """One media socket, from the carrier's side: what the gateway sends arrives here in order, a little later."""

    def __init__(self, driver: LabDriver, carrier: str, stream: str) -> None:
        self._driver, self._carrier, self._stream = driver, carrier, stream
        self.socket: WebSocket | None = None
        self.closed_by_carrier = False
        self._waiting: deque[Callable[[], None]] = deque()

    def close(self, code: int) -> None:
        """The carrier ends it."""
        self.closed_by_carrier = True
        if self.socket is not None:
            self.socket.close(code)

    def later(self, report: Callable[[], None]) -> None:
        """Let the carrier hear of it soon, in order."""
        if not self._waiting:
            self._driver.loop.call_later(0.004, self._flush, context=Context())
        self._waiting.append(report)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for report in waiting:
            report()

    # --- `sockets.SocketReports` ---------------------------------------------------------------------------------

    def opened(self) -> None:
        self._tell(lambda exchange, now: exchange.on_socket_open(now, self._carrier, self._stream))

    def refused(self, status: int) -> None:
        self._tell(lambda exchange, now: exchange.on_socket_refused(now, self._carrier, self._stream, status))

    def frame(self, data: str | bytes) -> None:
        self._tell(lambda exchange, now: exchange.on_socket_frame(now, self._carrier, self._stream, data))

    def closed(self, code: int) -> None:
        self._tell(lambda exchange, now: exchange.on_socket_closed(now, self._carrier, self._stream, code))

    def _tell(self, deed: Callable[[Exchange, float], None]) -> None:
        if not self.closed_by_carrier:
            self._driver.guarded(lambda now: deed(self._driver.exchange, now))
