r"""Everything that a run is made of, wired: who listens where, and which proxy lies between whom.

clients, lab --> balancer --> [front proxy of each gateway] --> gateway --> [proxy to the store] --> store
                                                                       \-> [proxy to each carrier] --> lab
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import yaml

from gateway.chaos import settings
from gateway.chaos.haproxy import command_of
from gateway.chaos.ports import HOST, Ports
from gateway.chaos.processes import HOLDLINE, Member, NotStarted, environment
from gateway.chaos.wire import FaultProxy
from gateway.runtime.store.program import find_program

API_KEY = "chaos-key-0123456789abcdef"
_PROVISION_S = 60.0


class GatewayUnit:
    """A gateway with the ways that lead to it and from it."""

    def __init__(
        self, member: Member, port: int, front: FaultProxy, store: FaultProxy, carriers: Mapping[str, FaultProxy]
    ) -> None:
        self.member, self.port, self.front, self.store, self.carriers = member, port, front, store, carriers
        self.dialled_at: dict[str, float] = {}
        """Carrier -> when it last sent anything there, by the loop's clock."""
        self.busy = asyncio.Lock()
        """Held while somebody kills it, or starts it again."""

    @property
    def ways(self) -> tuple[FaultProxy, ...]:
        """All its proxies."""
        return (self.front, self.store, *self.carriers.values())

    async def kill(self) -> None:
        """SIGKILL."""
        await self.member.kill()
        await self.front.target_is(there=False)

    async def start(self) -> None:
        """Up, and reachable from the balancer."""
        await self.member.start()
        await self.front.target_is(there=True)


class Rig:
    """`async with Rig(folder, ...)`: everything is up; at the end everything is down, by its pid."""

    def __init__(self, folder: Path, *, gateways: int, seed: int, haproxy: Path | None = None) -> None:
        self.folder, self._count, self._seed, self._haproxy = folder, gateways, seed, haproxy
        self._ports = Ports(seed * 997 + id(self) // 64)
        self.chance = Random(f"wires:{seed}")
        self.http = httpx.AsyncClient(trust_env=False, timeout=30.0, limits=httpx.Limits(max_keepalive_connections=0))
        self.gateways: list[GatewayUnit] = []
        self.lab = Member("lab", (*HOLDLINE, "lab", "--port", "0", "--json"), folder, environment())
        self.answers = folder / "agent.jsonl"

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _open(self) -> None:
        await self.lab.start()
        told = json.loads(self.lab.said)
        self.lab_url = told["url"]
        self.credentials = {name: known["credentials"] for name, known in told["carriers"].items()}
        self.reports = (await self.http.get(f"{self.lab_url}/lab/carriers")).json()["carriers"]
        await self._open_store()
        await self._open_agent()
        self.public_port = self._ports.take()
        for index in range(self._count):
            self.gateways.append(await self._gateway(index))
        await self._open_balancer()
        await asyncio.gather(*(gateway.start() for gateway in self.gateways))
        await self._provision()

    @property
    def public_url(self) -> str:
        """The balancer's."""
        return f"http://{HOST}:{self.public_port}"

    @property
    def store_url(self) -> str:
        """The store's own, around the proxies."""
        return f"redis://{HOST}:{self.store_port}"

    @property
    def carriers(self) -> list[str]:
        """Names, as the lab lists them."""
        return [report["name"] for report in self.reports]

    @property
    def members(self) -> list[Member]:
        """All processes but the lab, which is the witness."""
        shared = [getattr(self, name) for name in ("balancer", "agent", "store") if hasattr(self, name)]
        return [*shared, *(gateway.member for gateway in self.gateways)]

    async def aclose(self) -> None:
        """End all of it; the store last, the lab after it."""
        await asyncio.gather(*(gateway.member.stop() for gateway in self.gateways))
        for gateway in self.gateways:
            await asyncio.gather(*(way.aclose() for way in gateway.ways))
        for name in ("balancer", "agent", "store", "lab"):
            if hasattr(self, name):
                await getattr(self, name).stop()
        await self.http.aclose()

    # --- who is started how --------------------------------------------------------------------------------------

    async def _open_store(self) -> None:
        """The embedded program, on TCP so that a proxy fits between, with the settings that docs/operations.md asks for."""
        program = await find_program()
        self.store_port = self._ports.take()
        self.store_folder = self.folder / "store"
        self.store_folder.mkdir()
        options = {"port": str(self.store_port), "bind": HOST, "dir": str(self.store_folder), "save": ""}
        options |= {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "databases": "1"}
        options |= {"logfile": str(self.folder / "store.log"), "enable-debug-command": "no"}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        self.store = Member("store", (str(program.path), *words), self.folder, environment(), self._store_answers)
        await self.store.start()

    async def _store_answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection(HOST, self.store_port)
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return (await reader.readline()).startswith(b"+PONG")
        except OSError:
            return False
        finally:
            writer.close()

    async def say_to_store(self, command: bytes) -> None:
        """One inline command, around the proxies."""
        reader, writer = await asyncio.open_connection(HOST, self.store_port)
        try:
            writer.write(command + b"\r\n")
            await reader.readline()
        finally:
            writer.close()

    async def _open_agent(self) -> None:
        self.agent_port = self._ports.take()
        command = (sys.executable, "-m", "gateway.chaos.agent", str(self.agent_port), str(self.answers))
        self.agent = Member("agent", command, self.folder, environment())
        await self.agent.start()

    async def _open_balancer(self) -> None:
        fronts = [gateway.front.port for gateway in self.gateways]
        if self._haproxy is None:
            command = (sys.executable, "-m", "gateway.chaos.balancer", str(self.public_port), *map(str, fronts))
            self.balancer = Member("balancer", command, self.folder, environment())
        else:
            command = command_of(self._haproxy, self.folder, self.public_port, fronts)
            self.balancer = Member("balancer", command, self.folder, environment(), self._balancer_listens)
        await self.balancer.start()

    async def _balancer_listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(HOST, self.public_port)
        except OSError:
            return False
        writer.close()
        return True

    async def _gateway(self, index: int) -> GatewayUnit:
        name, port, sent = f"gateway{index + 1}", self._ports.take(), dict[str, float]()
        store = await self._proxy(self.store_port)
        front = FaultProxy(self._ports.take(), port, self.chance)
        carriers = {carrier: await self._proxy(self._carrier_port(carrier), sent, carrier) for carrier in self.carriers}
        file = self._write(f"{name}.yaml", f"redis://{HOST}:{store.port}", {key: way.port for key, way in carriers.items()})
        command = (*HOLDLINE, "serve", "--config", str(file), "--port", str(port), "--json")
        member = Member(name, command, self.folder, environment(HOLDLINE_API_KEY=API_KEY))
        unit = GatewayUnit(member, port, front, store, carriers)
        unit.dialled_at = sent
        return unit

    async def _proxy(self, target: int, sent: dict[str, float] | None = None, name: str = "") -> FaultProxy:
        clock = asyncio.get_running_loop().time

        def heard() -> None:
            if sent is not None:
                sent[name] = clock()

        proxy = FaultProxy(self._ports.take(), target, self.chance, heard)
        await proxy.start()
        return proxy

    def _carrier_port(self, carrier: str) -> int:
        port: int | None = urlsplit(str(self.credentials[carrier]["base_url"])).port
        assert port is not None
        return port

    def _write(self, name: str, store_url: str, ports: Mapping[str, int] | None = None) -> Path:
        """A gateway's config.yaml; without `ports` it reaches the carriers directly."""
        base_urls = {
            carrier: _through(known["base_url"], (ports or {}).get(carrier)) for carrier, known in self.credentials.items()
        }
        document = settings.document(
            self.reports,
            self.credentials,
            base_urls,
            public_url=self.public_url,
            store_url=store_url,
            agent_url=f"ws://{HOST}:{self.agent_port}/agent",
            data=str(self.folder / "voicemails"),
        )
        file = self.folder / name
        file.write_text(yaml.safe_dump(document), encoding="utf-8")
        return file

    async def _provision(self) -> None:
        """`holdline provision`, so that callers' calls come to the balancer."""
        file = self._write("provision.yaml", self.store_url)
        command = (*HOLDLINE, "provision", "--config", str(file), "--yes", "--json")
        provision = Member("provision", command, self.folder, environment(HOLDLINE_API_KEY=API_KEY), within_s=_PROVISION_S)
        await provision.start()
        if not await provision.ended(_PROVISION_S):
            await provision.kill()
            raise NotStarted(f"holdline provision did not end: {provision.tail()}")


def _through(base_url: str, port: int | None) -> str:
    """The same URL at another port of this machine."""
    parts = urlsplit(base_url)
    return base_url if port is None else parts._replace(netloc=f"{HOST}:{port}").geturl()


def config_policy(rig: Rig) -> Any:
    """The core's times, as the gateways have them."""
    from gateway.app import policy_of
    from gateway.config.reading import load_config

    return policy_of(load_config(rig.folder / "gateway1.yaml", {"HOLDLINE_API_KEY": API_KEY}))
