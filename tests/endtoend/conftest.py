"""The whole gateway on its real store, against the whole lab: one world for each test, judged by the lab's ledger.

Each world has a lab, a gateway with its HTTP server, and a hash tag of its own in one embedded server that all tests
share. Times at which the shipped configuration waits for carriers are cut short here, never to zero. Whatever a test
looks at, every world must end without a crash in the lab, without a foreign caller id on any phone, and without a line
of the gateway's log that says that something went wrong inside it.
"""

import asyncio
import itertools
import json
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import structlog
from msgspec.structs import replace

import gateway.app
from carriers.contract import Carrier, CarrierSettings, Kind, Wanted
from carriers.lab.lab import Lab
from carriers.lab.ledger import Entry
from carriers.registry import kinds
from gateway.config import Config
from gateway.config.lab import with_lab
from gateway.config.reading import load_source, read_config
from gateway.config.structs import AgentConfig, Limits, Route
from gateway.domain.breaker import BreakerPolicy
from gateway.domain.outcome import Direction
from gateway.runtime.clock import SystemClock
from gateway.runtime.provisioning import Provisioning
from gateway.runtime.store.embedded import EmbeddedServer
from gateway.serving import bind, served

T = TypeVar("T")

KEY = "end-to-end-key-0123456789"
SHIPPED = load_source(Path(__file__).parents[2] / "config.yaml")
"""Read once: it is the same in every world."""
BOT = Path(__file__).parent / "far_agent" / "bot.py"
FAST: Mapping[str, dict[str, Any]] = {
    "twilio": {"calls_per_second": 100.0, "ring_extra_s": 0.0},
    "plivo": {"cps": 100, "cdr_lag_s": 0.2},
    "vonage": {"calls_per_second": 100, "requests_per_second": 100},
}
"""The lab's own paces out of the way; tests of pace set them as they are in the world."""
WRONG_WORDS = frozenset(
    {
        "observer-failed",
        "webhook-illegal",
        "webhook-malformed",
        "webhook-failed",
        "errand-failed",
        "command-dropped",
        "command-deferred",
    }
)
"""Lines of the gateway's log that no fault of a carrier may cause."""


class World:
    """A lab and a gateway that can be stopped and started again on the same store. Numbers are never used twice."""

    def __init__(self, lab: Lab, store_url: str, tag: str, knobs: Mapping[str, Any]) -> None:
        self.lab, self._store_url, self._tag, self._knobs = lab, store_url, tag, knobs
        self._numbers = itertools.count(8001)
        self._listener: socket.socket | None = None
        self._port = 0
        # Nothing here speaks TLS, and reading the authorities that one could trust takes longer than starting the lab.
        self.client = httpx.AsyncClient(headers={"authorization": f"Bearer {KEY}"}, trust_env=False, timeout=30, verify=False)
        self.stranger = httpx.AsyncClient(trust_env=False, timeout=30, verify=False)
        """Without our key."""
        self._gateway: AsyncExitStack | None = None
        self._twins: list[World] = []
        self._opened: dict[str, Carrier] = {}
        self.clock = SystemClock()

    # --- the gateway ---------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def carriers(self) -> list[str]:
        """In the order of priority."""
        return [carrier.name for carrier in self.config.carriers]

    async def start(self) -> None:
        listener = bind("127.0.0.1", self._port)
        self._port = listener.getsockname()[1]
        self.config = self._configured()
        async with AsyncExitStack() as stack:
            stack.callback(listener.close)
            self.running = await stack.enter_async_context(served(self.config, listener))
            self._gateway = stack.pop_all()

    async def seat(self, call_id: str) -> None:
        """Give this gateway the lease of the call's session, as its first media socket would."""
        assert await self.running._works.seats.sit(call_id)

    async def stop(self) -> None:
        """End every task of the gateway, whatever it is doing; what it had in hand stays in the store as it was."""
        stack, self._gateway = self._gateway, None
        if stack is not None:
            await stack.aclose()

    async def twin(self) -> "World":
        """Another gateway on the same store and the same lab, with a port of its own."""
        twin = World(self.lab, self._store_url, self._tag, self._knobs)
        self._twins.append(twin)
        await twin.start()
        return twin

    async def aclose(self) -> None:
        for twin in self._twins:
            await twin.aclose()
        await self.stop()
        for carrier in self._opened.values():
            await carrier.aclose()
        await self.client.aclose()
        await self.stranger.aclose()

    def _configured(self) -> Config:
        credentials = {report.name: self.lab.credentials(report.name) for report in self.lab.carriers()}
        document = with_lab(SHIPPED.document, credentials, self.url)
        config = read_config(replace(SHIPPED, document=document), {"HOLDLINE_API_KEY": KEY}, lenient=True)
        dialing = replace(
            config.dialing,
            ring_timeout_s=6,
            pace_wait_s=1.0,
            resolve_for_s=1.5,
            stream_start_s=self._knobs.get("stream_start_s", 2.0),
            retry_every_s=self._knobs.get("retry_every_s", 2.0),
            silent_after_s=self._knobs.get("silent_after_s", 3.0),
        )
        pace: Mapping[str, float] = self._knobs.get("pace", {})
        fleet = tuple(
            replace(carrier, limits=Limits(calls_per_second=pace.get(carrier.name, 1e6), concurrent_calls=1000))
            for carrier in config.carriers
        )
        more: tuple[AgentConfig, ...] = self._knobs.get("agents", ())
        answering: str = self._knobs.get("answering", more[0].name if more else "")
        routes = tuple(
            replace(route, agent=answering) if answering and route.direction is Direction.INBOUND else route
            for route in config.routes
        )
        extra: tuple[Route, ...] = self._knobs.get("routes", ())
        return replace(
            config,
            agents=(*config.agents, *more),
            routes=(*routes, *extra),
            carriers=fleet,
            ladder=self._knobs.get("ladder", ()),
            webhooks=self._knobs.get("webhooks", ()),
            dialing=replace(dialing, pace_wait_s=self._knobs.get("pace_wait_s", 1.0)),
            breaker=self._knobs.get("breaker", BreakerPolicy(minimum=1000, consecutive=1000)),
            health=replace(
                config.health, idle_every_s=self._knobs.get("health_s", 1.0), failing_every_s=self._knobs.get("health_s", 1.0)
            ),
            callbacks=self._knobs.get("callbacks", config.callbacks),
            store=replace(config.store, url=self._store_url, tag=self._tag),
            storage=replace(config.storage, dir=self._knobs.get("voicemails", f"{tempfile.gettempdir()}/holdline-no-voicemails")),
            voicemail=self._knobs.get("voicemail", config.voicemail),
            server=replace(
                config.server,
                max_live_calls=self._knobs.get("max_live_calls", 0),
                public_url=self._knobs.get("public_url", config.server.public_url),
            ),
        )

    def staff(self, agents: tuple[AgentConfig, ...]) -> None:
        """From the next start on these agents are there as well, and the first of them answers callers."""
        self._knobs = {**self._knobs, "agents": agents}

    # --- callers -------------------------------------------------------------------------------------------------

    def opened_carrier(self, name: str) -> Carrier:
        """An adapter of our own, through the real SDK; closed with the world."""
        if name not in self._opened:
            entry = self.config.carrier(name)
            assert entry is not None
            settings = CarrierSettings(name=name, credentials=entry.credentials, base_url=entry.base_url)
            self._opened[name] = kinds()[entry.kind].open(settings, self.clock.now)
        return self._opened[name]

    async def provision(self) -> None:
        """Point every carrier's numbers at this gateway."""
        wanted = {
            carrier.name: Wanted(carrier=carrier.name, public_url=self.config.server.public_url, numbers=carrier.numbers)
            for carrier in self.config.carriers
        }
        await Provisioning({name: self.opened_carrier(name) for name in wanted}, wanted, self.clock).once()

    # --- what a user does ----------------------------------------------------------------------------------------

    def phone(self, **setup: Any) -> str:
        """A number nobody has used, with its phone set up: by default it answers at once and never hangs up."""
        number = f"+1555010{next(self._numbers)}"
        self.lab.phones.put(number, **{"answer_after_s": 0.2, **setup})
        return number

    async def post(self, to: str, key: str | None = None, **body: Any) -> httpx.Response:
        headers = {"idempotency-key": key} if key else {}
        return await self.client.post(f"{self.url}/v1/calls", json={"to": to, **body}, headers=headers)

    async def place(self, to: str, **body: Any) -> str:
        """The new call's id."""
        answer = await self.post(to, **body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def call(self, call_id: str) -> dict[str, Any]:
        answer = await self.client.get(f"{self.url}/v1/calls/{call_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def calls(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = (await self.client.get(f"{self.url}/v1/calls?limit=200")).json()["items"]
        return items

    async def events(self, call_id: str) -> list[dict[str, Any]]:
        answer = await self.client.get(f"{self.url}/v1/calls/{call_id}/events?limit=200")
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def breaker(self, carrier: str) -> dict[str, Any]:
        items = (await self.client.get(f"{self.url}/v1/carriers")).json()["items"]
        found: dict[str, Any] = next(item for item in items if item["name"] == carrier)["breaker"]["place"]
        return found

    async def metrics(self) -> str:
        return (await self.client.get(f"{self.url}/metrics")).text

    async def until(self, call_id: str, *status: str, within_s: float = 15.0) -> dict[str, Any]:
        """The call, once it has one of these statuses."""

        async def look() -> dict[str, Any] | None:
            call = await self.call(call_id)
            return call if call["status"] in status else None

        return await self.eventually(look, within_s, lambda: f"{call_id} is not {status}: {self.lab_story()}")

    async def ended(self, call_id: str, within_s: float = 15.0) -> dict[str, Any]:
        return await self.until(call_id, "ended", within_s=within_s)

    async def eventually(
        self, look: Callable[[], Awaitable[T | None]], within_s: float = 10.0, why: Callable[[], str] = lambda: "never"
    ) -> T:
        """The first answer that is not None (or False), asked for again and again until the time is up."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            found = await look()
            if found is not None and found is not False:
                return found
            assert asyncio.get_running_loop().time() < deadline, f"within {within_s:g} s: {why()}"
            await asyncio.sleep(0.1)

    # --- what really happened ------------------------------------------------------------------------------------

    def fault(self, carrier: str, *faults: dict[str, Any]) -> None:
        self.lab.set_faults(carrier, list(faults))

    def told(self, kind: str, number: str, carrier: str = "") -> list[Entry]:
        """The ledger's entries of this kind for this number, in order."""
        return self.lab.ledger.entries(kind, carrier, number)

    def dialled(self, number: str) -> list[str]:
        """The carriers that got a POST for this number, in order."""
        return [entry.carrier for entry in self.told("dial", number)]

    def rang(self, number: str) -> list[str]:
        """The carriers through which this phone rang, in order."""
        return [entry.carrier for entry in self.told("ring", number)]

    def heard_speech_s(self, number: str) -> float:
        """Seconds of sound in the phone's own recording of its last call."""
        call = self.lab.phones.call(number)
        return call.measure(self.lab.now()).speech_seconds if call else 0.0

    async def hears(self, number: str, seconds: float = 0.2, within_s: float = 10.0) -> None:
        """Wait until the person has heard so much sound."""

        async def look() -> bool:
            return self.heard_speech_s(number) >= seconds

        await self.eventually(look, within_s, lambda: f"{number} hears nothing: {self.lab_story()}")

    def lab_story(self) -> str:
        return "\n" + "\n".join(str(entry.flat()) for entry in self.lab.ledger.entries()[-60:])

    def check(self) -> None:
        """What holds in every world."""
        for kind in ("crash", "rejected_frame"):
            assert self.lab.ledger.entries(kind) == []
        for ring in self.lab.ledger.entries("ring"):
            assert ring.more["caller_id"] in self.lab.credentials(ring.carrier)["numbers"], ring.flat()
            assert not ring.more.get("while_busy"), ring.flat()


@asynccontextmanager
async def opened(store_url: str, tag: str, **knobs: Any) -> AsyncIterator[World]:
    """`knobs`: lab (by kind), pace (by carrier), ladder, breaker, health_s, and some of the config's `dialing` by their names."""
    lab_knobs = {kind: {**FAST.get(kind, {}), **knobs.get("lab", {}).get(kind, {})} for kind in kinds()}
    async with Lab(seed=1, knobs=lab_knobs) as lab:
        world = World(lab, store_url, tag, knobs)
        try:
            await world.start()
            yield world
            world.check()
        finally:
            await world.aclose()


def _impatient(kind: Kind) -> Kind:
    """The same carrier, which waits 2 s for an answer to a dial, and 1 s before an empty look-up counts."""

    def open_sooner(settings: CarrierSettings, clock: Callable[[], float]) -> Carrier:
        carrier: Any = kind.open(settings, clock)
        carrier.capabilities = replace(carrier.capabilities, place_timeout_s=2.0, lookup_settles_s=1.0)
        opened_carrier: Carrier = carrier
        return opened_carrier

    return replace(kind, open=open_sooner)


@pytest.fixture(scope="session")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The embedded server, as the product starts it; one for all tests, since each has a tag of its own."""
    server = EmbeddedServer(tmp_path_factory.mktemp("store"))
    asyncio.run(server.start())
    yield server.url
    asyncio.run(server.stop())


_tags = itertools.count(1)


@pytest.fixture
async def new_world(store_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Any]]:
    """Open worlds with knobs; each is closed, and the gateway's log looked at, when the test ends."""
    impatient = {name: _impatient(kind) for name, kind in kinds().items()}
    monkeypatch.setattr(gateway.app, "kinds", lambda: impatient)
    async with AsyncExitStack() as stack:
        logs = stack.enter_context(structlog.testing.capture_logs(processors=[structlog.processors.format_exc_info]))

        async def open_world(**knobs: Any) -> World:
            return await stack.enter_async_context(opened(knobs.pop("store_url", store_url), f"e2e{next(_tags)}", **knobs))

        yield open_world
    wrong = [line for line in logs if line["event"] in WRONG_WORDS or line["log_level"] in {"critical", "error"}]
    assert wrong == []


@pytest.fixture
async def world(new_world: Callable[..., Any]) -> World:
    """A world in which everybody is well."""
    found: World = await new_world()
    return found


class FarAgent:
    """An agent in a process of its own (far_agent/bot.py); `said` waits for what it tells."""

    def __init__(self, port: int, manner: str, hertz: float) -> None:
        self.port, self._manner, self._hertz = port, manner, hertz
        self.told: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> None:
        arguments = [str(BOT), str(self.port), self._manner, str(self._hertz)]
        self._process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        self.told.clear()
        self._reader = asyncio.create_task(self._read(self._process.stdout))
        self.port = (await self.said("listening"))["port"]

    async def said(self, event: str, within_s: float = 20.0) -> dict[str, Any]:
        async with asyncio.timeout(within_s):
            while not (found := [told for told in self.told if told["event"] == event]):
                self._news.clear()
                await self._news.wait()
        return found[-1]

    def strike(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def stop(self) -> None:
        """Also one that is frozen."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            assert self._reader is not None
            await self._reader
            self._process = None

    async def _read(self, out: asyncio.StreamReader) -> None:
        while line := await out.readline():
            self.told.append(json.loads(line))
            self._news.set()


@pytest.fixture
async def hire() -> AsyncIterator[Callable[..., Any]]:
    """Start agents in processes of their own; all are stopped with the test."""
    async with AsyncExitStack() as stack:

        async def start(manner: str = "hums", hertz: float = 300.0, port: int = 0, *, at_once: bool = True) -> FarAgent:
            agent = FarAgent(port, manner, hertz)
            stack.push_async_callback(agent.stop)
            if at_once:
                await agent.start()
            return agent

        yield start
