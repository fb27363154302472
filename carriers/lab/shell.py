"""Sockets and a clock around the pure exchange. Everything that waits in the lab, waits here or in the files it uses."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from carriers.lab.clock import LabClock
from carriers.lab.contract import CloseSocket, Fetch, OpenSocket, RestReply, RestRequest, SendFrame
from carriers.lab.exchange import Exchange
from carriers.lab.http_listener import HttpListener
from carriers.lab.media_client import MediaClient
from carriers.lab.notices import LineNotice
from carriers.lab.orders import Answer, Deliver, Listen, Order, TellLine
from carriers.lab.ticker import Ticker
from carriers.lab.webhook_sender import WebhookSender

T = TypeVar("T")
log = logging.getLogger("holdline.lab")

CRASHED = Answer(reply=RestReply(status=500, body=b"the simulator crashed; see the lab's ledger", content_type="text/plain"))


class Shell:
    """Drives one exchange. All methods belong to the event loop that started it."""

    def __init__(self, exchange: Exchange, listeners: Mapping[str, HttpListener]) -> None:
        self._exchange, self._listeners = exchange, listeners
        self._clock = LabClock()
        self._webhooks = WebhookSender()
        self._sockets: dict[tuple[str, str], MediaClient] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticker = Ticker(self._tick)
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at: float | None = None
        self.crashes: list[Exception] = []
        self.on_line: Callable[[LineNotice], None] = lambda _notice: None
        """Where what a person at a line sees and hears goes."""

    def start(self) -> None:
        """Listen for every carrier."""
        for name, listener in self._listeners.items():
            listener.start(self._server(name))

    async def aclose(self) -> None:
        """Stop everything and wait until it has stopped; the listeners belong to whoever made them."""
        self._ticker.run(False)
        if self._alarm is not None:
            self._alarm.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._webhooks.aclose()

    def now(self) -> float:
        """The lab's unix time."""
        return self._clock.now()

    def act(self, deed: Callable[[float], T]) -> T:
        """Do something to the exchange at this moment and carry out what follows. Errors go to the caller."""
        try:
            return deed(self.now())
        finally:
            self._carry_out()

    # --- what arrives --------------------------------------------------------------------------------------------

    def _server(self, name: str) -> Callable[[RestRequest], Answer]:
        def serve(request: RestRequest) -> Answer:
            answer = self._guarded(name, lambda now: self._exchange.on_request(now, name, request))
            return CRASHED if answer is None else answer

        return serve

    def _tick(self) -> None:
        self._guarded("", self._exchange.on_tick)

    def _wake(self) -> None:
        self._alarm = self._alarm_at = None
        self._guarded("", self._exchange.on_time)

    def _guarded(self, carrier: str, deed: Callable[[float], T]) -> T | None:
        """As `act`, for what nobody waits for: a simulator's error is kept, written down, and ends nothing else."""
        try:
            return self.act(deed)
        except Exception as error:
            self._crashed(carrier, error)
            return None

    def _crashed(self, carrier: str, error: Exception) -> None:
        log.error("the lab crashed", exc_info=error)
        self.crashes.append(error)
        self._exchange.ledger.write(self.now(), "crash", carrier=carrier, error=f"{type(error).__name__}: {error}")

    # --- what is ordered -----------------------------------------------------------------------------------------

    def _carry_out(self) -> None:
        for order in self._exchange.take_orders():
            self._obey(order)
        self._ticker.run(self._exchange.ticking)
        self._set_alarm()

    def _obey(self, order: Order) -> None:
        match order.effect:
            case SendFrame() as frame:
                socket = self._sockets.get((order.carrier, frame.stream))
                if socket is not None:
                    socket.send(frame.data)
            case Deliver() as delivery:
                self._spawn(self._deliver(order.carrier, delivery))
            case Fetch() as wish:
                self._spawn(self._fetch(order.carrier, wish))
            case OpenSocket() as wish:
                self._open_socket(order.carrier, wish)
            case CloseSocket() as wish:
                self._close_socket(order.carrier, wish)
            case Listen() as wish:
                self._listen(order.carrier, wish.open)
            case TellLine() as told:
                self.on_line(told.notice)
            case other:
                raise TypeError(f"the shell does not know {type(other).__name__}")

    async def _deliver(self, carrier: str, delivery: Deliver) -> None:
        reply = await self._webhooks.send(delivery.webhook)
        self._guarded(carrier, lambda now: self._exchange.on_webhook_reply(now, carrier, delivery.key, reply))

    async def _fetch(self, carrier: str, wish: Fetch) -> None:
        reply = await self._webhooks.fetch(wish)
        self._guarded(carrier, lambda now: self._exchange.on_fetched(now, carrier, wish, reply))

    def _open_socket(self, carrier: str, wish: OpenSocket) -> None:
        socket = MediaClient(wish.url, wish.headers, _SocketReports(self._exchange, carrier, wish.stream, self._guarded))
        self._sockets[carrier, wish.stream] = socket
        self._spawn(self._run_socket((carrier, wish.stream), socket))

    async def _run_socket(self, key: tuple[str, str], socket: MediaClient) -> None:
        try:
            await socket.run()
        finally:
            if self._sockets.get(key) is socket:
                del self._sockets[key]

    def _close_socket(self, carrier: str, wish: CloseSocket) -> None:
        socket = self._sockets.pop((carrier, wish.stream), None)
        if socket is not None:
            socket.close(wish.code, wish.abrupt)

    def _listen(self, carrier: str, wanted: bool) -> None:
        listener = self._listeners[carrier]
        if wanted:
            listener.open()
        else:
            listener.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._reap)

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._crashed("", error)

    def _set_alarm(self) -> None:
        due = self._exchange.next_due
        if due == self._alarm_at:
            return
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._alarm_at = due
        if due is not None:
            self._alarm = asyncio.get_running_loop().call_at(self._clock.loop_time(due), self._wake)


class _SocketReports:
    """Turns what a media client reports into the exchange's `on_socket_*`."""

    def __init__(
        self, exchange: Exchange, carrier: str, stream: str, guarded: Callable[[str, Callable[[float], None]], None]
    ) -> None:
        self._exchange, self._carrier, self._stream, self._guarded = exchange, carrier, stream, guarded

    def opened(self) -> None:
        self._guarded(self._carrier, lambda now: self._exchange.on_socket_open(now, self._carrier, self._stream))

    def refused(self, status: int) -> None:
        self._guarded(self._carrier, lambda now: self._exchange.on_socket_refused(now, self._carrier, self._stream, status))

    def frame(self, data: str | bytes) -> None:
        self._guarded(self._carrier, lambda now: self._exchange.on_socket_frame(now, self._carrier, self._stream, data))

    def closed(self, code: int) -> None:
        self._guarded(self._carrier, lambda now: self._exchange.on_socket_closed(now, self._carrier, self._stream, code))
