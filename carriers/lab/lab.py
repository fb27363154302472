"""The lab for Python: `async with Lab() as lab:` starts carriers, phones and the control surface on loopback ports.

`lab.phones`, `lab.set_faults` and `lab.ledger` do what the control surface does, without HTTP. Every method belongs to
the event loop that entered the lab. Leaving it raises what a simulator raised in the meantime.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from carriers.contract import Kind
from carriers.lab.control import control_app
from carriers.lab.control_server import ControlServer
from carriers.lab.desk import DeskPlan
from carriers.lab.exchange import CarrierReport, Exchange
from carriers.lab.faults import Fault
from carriers.lab.http_listener import HttpListener
from carriers.lab.ledger import Entry, LabLedger
from carriers.lab.lines import Lines
from carriers.lab.network import PhoneNetwork
from carriers.lab.phones import Phone, PhoneCall, PhoneSetup, read_call, read_phone
from carriers.lab.shell import Shell
from carriers.registry import kinds as known_kinds

T = TypeVar("T")

NUMBERS_EACH = 3


class Lab:
    """`kinds`: words of the config or `Kind`s of your own; None for all that are installed. `knobs`: {kind: {name: value}}.

    `numbers`: {kind: numbers}; otherwise the n-th kind in alphabetical order owns +155501900(n)1 to +155501900(n)3.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        kinds: Sequence[str | Kind] | None = None,
        knobs: Mapping[str, Mapping[str, Any]] | None = None,
        numbers: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._seed, self.host, self._port = seed, host, port
        self._kinds = _resolved(kinds)
        self._knobs, self._numbers = knobs or {}, numbers or {}
        strange = set(self._knobs) - set(known_kinds()) - {kind.kind for kind in self._kinds}
        if strange:
            raise ValueError(f"knobs for {', '.join(sorted(strange))}: there is no such carrier")
        self._shell: Shell | None = None
        self._exchange: Exchange | None = None

    # --- its life ------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            listeners = {kind.kind: HttpListener(self.host) for kind in self._kinds}
            for listener in listeners.values():
                stack.push_async_callback(listener.aclose)
            await self._start(stack, listeners)
            self._closing = stack.pop_all()
        return self

    async def _start(self, stack: AsyncExitStack, listeners: dict[str, HttpListener]) -> None:
        plans = [self._plan(index, kind, listeners[kind.kind]) for index, kind in enumerate(self._kinds)]
        self._exchange = Exchange(plans, self._seed)
        self._shell = Shell(self._exchange, listeners)
        stack.push_async_callback(self._shell.aclose)
        self.phones = Phones(self._exchange, self._shell)
        self.lines = Lines(self._exchange, self._shell)
        self._control = ControlServer(control_app(self), self.host, self._port)
        stack.push_async_callback(self._control.aclose)
        self._shell.start()
        await self._control.start()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._closing.aclose()
        if error is None and self._running.crashes:
            raise self._running.crashes[0]

    # --- what it is ----------------------------------------------------------------------------------------------

    @property
    def exchange(self) -> Exchange:
        """The pure core, for looking; to change something go through `act`, so that the shell carries it out."""
        if self._exchange is None:
            raise RuntimeError("enter the lab first: async with Lab() as lab")
        return self._exchange

    @property
    def ledger(self) -> LabLedger:
        """The ground truth."""
        return self.exchange.ledger

    @property
    def url(self) -> str:
        """Where the control surface listens: `http://127.0.0.1:4010`."""
        return self._control.url

    def credentials(self, name: str) -> dict[str, Any]:
        """All that an SDK needs to reach this carrier, with `base_url` and `numbers`."""
        return self.exchange.desk(name).simulator.credentials()

    def carriers(self) -> list[CarrierReport]:
        """Every carrier's faults and loads."""
        return self.exchange.report(self.now())

    def now(self) -> float:
        """The lab's unix time, as the ledger has it."""
        return self._running.now()

    # --- what can be done ----------------------------------------------------------------------------------------

    def set_faults(self, name: str, faults: Sequence[Fault | dict[str, Any]]) -> list[Fault]:
        """Replace a carrier's faults; in force when this returns. Raise BadField for what is wrong."""
        return self.act(lambda now: self.exchange.set_faults(now, name, faults))

    def clear_faults(self, name: str) -> None:
        """Make a carrier well."""
        self.set_faults(name, [])

    def reset(self) -> None:
        """Clear calls, phones, faults and ledger; credentials, ports and numbers stay."""
        self.act(self.exchange.reset)

    def act(self, deed: Callable[[float], T]) -> T:
        """Do something to the exchange at this moment (`deed` gets the time) and carry out what follows."""
        return self._running.act(deed)

    async def until(
        self, kind: str, *, count: int = 1, carrier: str = "", number: str = "", timeout_s: float = 5.0
    ) -> list[Entry]:
        """Wait until the ledger has that many entries of a kind; raise TimeoutError with what it has instead,
        or what a simulator raised.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await self._until(kind, count, carrier, number)
        except TimeoutError as error:
            raise TimeoutError(f"no {count} x {kind} within {timeout_s:g} s; the ledger: {self._summary()}") from error

    async def wait(self, kind: str, *, count: int, carrier: str, number: str, wait_s: float) -> None:
        """As `until`, but whoever waits looks for themselves: nothing is raised and nothing returned."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._until(kind, count, carrier, number, heed_crashes=False)

    async def _until(self, kind: str, count: int, carrier: str, number: str, *, heed_crashes: bool = True) -> list[Entry]:
        news = asyncio.Event()
        with self.ledger.reading(lambda _entry: news.set()):
            while len(found := self.ledger.entries(kind, carrier, number)) < count:
                if heed_crashes and self._running.crashes:
                    raise self._running.crashes[0]
                news.clear()
                await news.wait()
        return found

    @property
    def _running(self) -> Shell:
        if self._shell is None:
            raise RuntimeError("enter the lab first: async with Lab() as lab")
        return self._shell

    def _summary(self) -> str:
        return " | ".join(str(entry.flat()) for entry in self.ledger.entries()[-20:]) or "empty"

    def _plan(self, index: int, kind: Kind, listener: HttpListener) -> DeskPlan:
        own = tuple(f"+1555019{10 * index + place:04d}" for place in range(1, NUMBERS_EACH + 1))
        return DeskPlan(
            name=kind.kind,
            kind=kind.kind,
            simulator=kind.simulator,
            base_url=listener.base_url,
            numbers=tuple(self._numbers.get(kind.kind, own)),
            knobs=dict(self._knobs.get(kind.kind, {})),
        )


class Phones:
    """People on phones. Numbers with or without `+`."""

    def __init__(self, exchange: Exchange, shell: Shell) -> None:
        self._exchange, self._shell = exchange, shell

    def put(self, number: str, **setup: Any) -> Phone:
        """Set a phone up: behavior, answer_after_s, hangup_after_s, says, dtmf. Raise BadField for what is wrong."""
        return self.set_up(number, read_phone(setup))

    def set_up(self, number: str, setup: PhoneSetup) -> Phone:
        """As `put`, with a ready set-up."""
        return self._shell.act(lambda now: self._exchange.set_phone(now, number, setup))

    def get(self, number: str) -> Phone:
        """The phone and its history."""
        return self._exchange.network.phone(number)

    def call(self, number: str, index: int = -1) -> PhoneCall | None:
        """An answered call whose sound is kept; -1 is the last."""
        return self.get(number).recorded(index)

    def dial(self, number: str, to: str, **call: Any) -> PhoneCall:
        """Call one of our numbers: says, dtmf, hangup_after_s, patience_s, caller_name, attestation, withheld.
        Raise BadField for what is wrong.
        """
        plan = read_call({"to": to, **call}, self.get(number).setup)
        return self._shell.act(lambda now: self._exchange.place_call(now, number, plan))

    def answer(self, number: str) -> bool:
        """Pick up; False if it does not ring."""
        return self._do(lambda network, now: network.pick_up(now, number))

    def hang_up(self, number: str) -> bool:
        """Put down, or decline; False if there is no call."""
        return self._do(lambda network, now: network.put_down(now, number))

    def press(self, number: str, digit: str) -> bool:
        """Press a key; False if there is no answered call."""
        return self._do(lambda network, _now: network.press(number, digit))

    def _do(self, deed: Callable[[PhoneNetwork, float], bool]) -> bool:
        return self._shell.act(lambda now: self._exchange.as_people(now, deed))


def _resolved(kinds: Sequence[str | Kind] | None) -> list[Kind]:
    if kinds is None:
        return list(known_kinds().values())
    found = [kind if isinstance(kind, Kind) else known_kinds()[kind] for kind in kinds]
    return sorted(found, key=lambda kind: kind.kind)
