"""`holdline demo`, from the first line to the last: the processes, the story, and then it stays up until Ctrl-C."""

import asyncio
import secrets
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from carriers.registry import kinds
from gateway.demo import rungs
from gateway.demo.acting import Actor, Result
from gateway.demo.alex import PHONE_AFTER_THE_STORY
from gateway.demo.client import GatewayClient, LabClient
from gateway.demo.live import Live
from gateway.demo.mortal import Mortal
from gateway.demo.own_config import OUTSIDE_KIND, own_config
from gateway.demo.parrot import Parrot
from gateway.demo.paste import OWN_PHONE, commands, edit, pages
from gateway.demo.stage import GATEWAY_READY_S, HOST, LAB_READY_S, Stage, free_port, some_free_port
from gateway.demo.story import REJECT_CAUSES, Carrier, from_outside, story
from gateway.demo.telling import Teller
from gateway.domain.errors import HoldlineError

GATEWAY_PORT, LAB_PORT = 8080, 4010
OUTSIDE = "demo-parrot"
"""The agent that the demo adds to the config."""
INTERRUPTED = 130
"""The exit code of a story that Ctrl-C cut short and that nobody may take for a whole one."""


class CannotStart(HoldlineError):
    """There can be no demo; the text is one sentence with the cure."""


class Outcome(msgspec.Struct, kw_only=True):
    """The demo's JSON."""

    ok: bool = False
    steps: list[Result] = []


class Show:
    """One run. `folder` gets one directory for each run: logs, store, recordings."""

    def __init__(self, teller: Teller, *, once: bool, port: int, config: Path, folder: Path) -> None:
        self._teller, self._once, self._port, self._config = teller, once, port, config
        self._runs = folder
        self._key = f"demo-{secrets.token_hex(8)}"
        self._parrot = Parrot()
        self._mortal: Mortal
        self.outcome = Outcome()

    async def run(self) -> int:
        """The exit code: 0 only if every step held, or Ctrl-C ended what had held so far."""
        evening = asyncio.ensure_future(self._evening())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, _once_only(evening))
        try:
            return await evening
        except asyncio.CancelledError:
            self._teller.plain("Everything has stopped.")
            return INTERRUPTED if self._once else int(not self.outcome.ok and bool(self.outcome.steps))
        except HoldlineError as error:
            self._teller.problem(str(error))
            return 1

    async def _evening(self) -> int:
        last_words = self._check()
        async with AsyncExitStack() as stack:
            folder = _new_folder(self._runs)
            stage = await stack.enter_async_context(Stage(folder, {"HOLDLINE_API_KEY": self._key}))
            stack.callback(self._teller.plain, "\nStopping the gateway and the lab ...")
            lab = await self._start_lab(stage, stack)
            gateway = await self._start_gateway(stage, stack, lab)
            carriers = await _carriers(gateway, lab)
            actor = Actor(gateway, lab, self._teller, folder, (stage.log("gateway"), stage.log("lab")))
            await self._play(carriers, actor, stage)
            if not self._once:
                await self._stay(stage, gateway, lab, carriers, last_words)
        return 0 if self.outcome.ok else 1

    def _check(self) -> str:
        """Everything that can be known to be wrong before anything starts; the demo's last line."""
        if not self._config.is_file():
            raise CannotStart(f"There is no {self._config} here; run the demo in Holdline's own folder.")
        last_words = edit(self._config)
        if not free_port(self._port):
            other = some_free_port(self._port)
            cure = f"choose another: make demo PORT={other} (or holdline demo --port {other})"
            raise CannotStart(f"Port {self._port} is taken by another program; {cure}.")
        return last_words

    async def _start_lab(self, stage: Stage, stack: AsyncExitStack) -> LabClient:
        port = LAB_PORT if free_port(LAB_PORT) else some_free_port(LAB_PORT)
        lab = await stack.enter_async_context(LabClient(f"http://{HOST}:{port}"))
        self._teller.intro()
        with self._teller.starting("the lab"):
            took = await stage.start(
                "lab",
                *("lab", "--host", HOST, "--port", str(port)),
                ready=lambda: lab.answers("/lab/credentials"),
                within_s=LAB_READY_S,
            )
        self._teller.started("lab", lab.url, "the carriers and the phones", took)
        if port != LAB_PORT:
            self._teller.plain(f"{'':<9}(its usual port, {LAB_PORT}, is taken)")
        return lab

    async def _start_gateway(self, stage: Stage, stack: AsyncExitStack, lab: LabClient) -> GatewayClient:
        gateway = await stack.enter_async_context(GatewayClient(f"http://{HOST}:{self._port}", self._key))
        port = some_free_port(self._port)
        await stack.enter_async_context(self._parrot.served(port))
        mortal = Mortal(some_free_port(port), stage.log("agent"))
        self._mortal = await stack.enter_async_context(mortal)
        agents = (_outside_agent(port), *rungs.agents(_media(mortal.port), secrets.token_hex(16)))
        numbers = [credentials["numbers"][0] for credentials in (await lab.credentials()).values()]
        config, changed = own_config(self._config, stage.folder, agents, rungs.routes(numbers))
        if changed:
            self._teller.plain(f"{self._config} names a store; the demo leaves that alone and uses one of its own.")
        with self._teller.starting("the gateway"):
            took = await stage.start(
                "gateway",
                *("serve", "--config", str(config), "--lab", lab.url),
                *("--host", HOST, "--port", str(self._port), "--data", str(stage.folder)),
                ready=lambda: gateway.answers("/readyz"),
                within_s=GATEWAY_READY_S,
            )
        self._teller.started("gateway", gateway.url, "REST, webhooks, media, store", took)
        return gateway

    async def _play(self, carriers: tuple[Carrier, ...], actor: Actor, stage: Stage) -> None:
        began = time.monotonic()
        steps = story(carriers)
        scenes = [partial(actor.play, step=step) for step in steps]
        scenes += [
            partial(actor.play_callers, carriers=carriers),
            partial(actor.play_outside, step=from_outside(carriers, OUTSIDE), parrot=self._parrot),
            partial(actor.play_lost_agent, carriers=carriers, mortal=self._mortal),
        ]
        for number, scene in enumerate(scenes, 1):
            result = await scene(number)
            self.outcome.steps.append(result)
            if not result.ok:
                await stage.settle()
                stage.raise_if_ended()
        total = await actor.totals(len(steps) + 1)
        self.outcome.ok = total.ok and all(result.ok for result in self.outcome.steps)
        held = sum(result.ok for result in self.outcome.steps)
        told = f"{held} of {len(scenes)} steps held in {time.monotonic() - began:.0f}s; on Alex' phone: {total.saw}"
        self._teller.summary(told, ok=self.outcome.ok)

    async def _stay(
        self, stage: Stage, gateway: GatewayClient, lab: LabClient, carriers: tuple[Carrier, ...], last_words: str
    ) -> None:
        for carrier in carriers:
            await lab.set_faults(carrier.lab)
        await lab.set_phone(OWN_PHONE, **PHONE_AFTER_THE_STORY)
        first = carriers[0]
        offered = commands(gateway.url, lab.url, self._key, first.lab, first.title)
        self._teller.commands(offered, last_words, pages(gateway.url, self._key))
        titles = {carrier.name: carrier.title for carrier in carriers}
        live = asyncio.ensure_future(Live(gateway, lab, self._teller, stage.folder, titles).follow())
        try:
            await stage.one_ended()
            stage.raise_if_ended()
        finally:
            live.cancel()
            with suppress(asyncio.CancelledError):
                await live


def run(
    *,
    once: bool = False,
    as_json: bool = False,
    port: int = GATEWAY_PORT,
    config: Path = Path("config.yaml"),
    folder: Path = Path(".holdline/demo"),
) -> int:
    """Play the demo; the exit code. `as_json`: the last line is one JSON object, and nothing has colours."""
    teller = Teller(plain=as_json)
    show = Show(teller, once=once, port=port, config=config, folder=folder)
    code = asyncio.run(show.run())
    if as_json:
        teller.plain(msgspec.json.encode(show.outcome).decode())
    return code


async def _carriers(gateway: GatewayClient, lab: LabClient) -> tuple[Carrier, ...]:
    """The config's carriers in their order; two accounts that share a simulator die together, so the first stands for both."""
    in_lab = await lab.credentials()
    found: dict[str, Carrier] = {}
    for carrier in await gateway.carriers():
        where = carrier["name"] if carrier["name"] in in_lab else carrier["kind"]
        found.setdefault(
            where,
            Carrier(
                name=carrier["name"],
                lab=where,
                title=kinds()[carrier["kind"]].title,
                numbers=tuple(in_lab[where]["numbers"]),
                reject_cause=REJECT_CAUSES.get(carrier["kind"]),
            ),
        )
    return tuple(found.values())


def _media(port: int) -> str:
    return f"ws://{HOST}:{port}/media"


def _outside_agent(port: int) -> dict[str, Any]:
    """As config.yaml would have it."""
    settings = {"url": _media(port), "auth_token": secrets.token_hex(16)}
    return {"name": OUTSIDE, "kind": OUTSIDE_KIND, "settings": settings}


def _new_folder(runs: Path) -> Path:
    """A directory that nobody has used: named after the minute, numbered where that is taken."""
    name = f"{datetime.now().astimezone():%Y-%m-%d-%H%M%S}"
    for attempt in range(1, 1000):
        folder = runs / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise CannotStart(f"{runs} cannot be written ({error.strerror}); run the demo in a folder of your own.") from error
        return folder
    raise CannotStart(f"{runs} is full of runs of this second; try again.")


def _once_only(task: asyncio.Future[int]) -> Callable[[], None]:
    """A second Ctrl-C must not cut short what the first one has begun to stop."""
    asked: list[bool] = []

    def ask() -> None:
        if not asked:
            asked.append(True)
            task.cancel()

    return ask
