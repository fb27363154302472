"""The user's own systems, over real HTTP, verified with the package that they verify with: what they are told of real calls,
and what becomes of it when they fail, hang, say that they are gone, or the gateway is killed before it has told them.
"""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import Struct
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from gateway.config.lab import with_lab
from gateway.config.structs import WebhookConfig

KEY = "end-to-end-key-0123456789"
CONFIG = Path(__file__).parents[2] / "config.yaml"
SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"
OLD_SECRET = f"whsec_{base64.b64encode(bytes(range(24))).decode()}"
A_CALL = ["call.accepted", "call.ringing", "call.in_progress", "call.ended"]


class Got(Struct, frozen=True):
    """One request, as it came."""

    headers: dict[str, str]
    body: bytes
    told: dict[str, Any]

    @property
    def type(self) -> str:
        return str(self.told["type"])


class Receiver:
    """A user's system. `answers` with a status; 0 is no answer at all, for as long as it is 0 and a little longer."""

    def __init__(self) -> None:
        self.got: list[Got] = []
        self.answers = 200
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events?token=secret"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Receiver"]:
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:-2] if "webhook-" not in line)
                headers |= dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2] if "webhook-" in line)
                body = await reader.readexactly(int(headers["content-length"]))
                self.got.append(Got(headers, body, json.loads(body)))
                if not self.answers:
                    await reader.read(1)
                    return
                writer.write(f"HTTP/1.1 {self.answers} Whatever\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def of(self, call_id: str) -> list[Got]:
        """What came about a call, in order."""
        return [got for got in self.got if got.told["data"].get("call", {}).get("id") == call_id]

    def types(self, call_id: str) -> list[str]:
        return [got.type for got in self.of(call_id)]


@pytest.fixture
async def receivers() -> AsyncIterator[Callable[[], Any]]:
    """Opens as many as a test wants."""
    async with AsyncExitStack() as stack:

        async def opened() -> Receiver:
            return await stack.enter_async_context(Receiver().listening())

        yield opened


def endpoint(receiver: Receiver, name: str = "shop", *events: str) -> WebhookConfig:
    return WebhookConfig(name=name, url=receiver.url, secret=SECRET, previous_secret=OLD_SECRET, events=events or ("*",))


async def shown(world: Any, name: str = "shop") -> dict[str, Any]:
    found: dict[str, Any] = (await world.client.get(f"{world.url}/v1/webhooks/{name}")).json()
    return found


async def told_of(world: Any, receiver: Receiver, call_id: str, *types: str, within_s: float = 30.0) -> list[Got]:
    """What came about the call, once it is all of these types, in this order."""

    async def look() -> bool:
        return receiver.types(call_id) == list(types)

    await world.eventually(look, within_s, lambda: f"{receiver.types(call_id)} is not {types}")
    return receiver.of(call_id)


async def cli(world: Any, *arguments: str) -> tuple[int, Any]:
    """`holdline webhooks ... --json`, as a process: its exit code, and what it printed."""
    command = [sys.executable, "-m", "gateway.cli", "webhooks", *arguments, "--url", world.url, "--json"]
    environ = {"HOLDLINE_API_KEY": KEY, "PATH": os.environ["PATH"]}
    process = await asyncio.create_subprocess_exec(*command, env=environ, stdout=asyncio.subprocess.PIPE)
    told, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, json.loads(told)


async def test_a_real_call_is_told_in_order_and_verified(new_world: Any, receivers: Any) -> None:
    """Every notice is accepted by the receivers' own package under either secret, and refused if a byte of it is changed."""
    receiver = await receivers()
    world = await new_world(webhooks=(endpoint(receiver),))
    number = world.phone(answer_after_s=1.5, hangup_after_s=1.5)
    call_id = await world.place(number, metadata={"order": "4711", "name": "Zoë"})
    await world.ended(call_id, within_s=40)
    came = await told_of(world, receiver, call_id, *A_CALL)
    for got in came:
        for secret in (SECRET, OLD_SECRET):
            assert Webhook(secret).verify(got.body, got.headers) == got.told
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(got.body.replace(b"4711", b"4712"), got.headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(got.body, {**got.headers, "webhook-id": "msg_another"})
        assert got.headers["content-type"] == "application/json"
    assert len({got.headers["webhook-id"] for got in came}) == len(came)
    call = came[-1].told["data"]["call"]
    assert (call["to"], call["outcome"], call["metadata"]) == (number, "completed", {"order": "4711", "name": "Zoë"})
    api = await world.call(call_id)
    assert {key: call[key] for key in call.keys() & api.keys()} == {key: api[key] for key in call.keys() & api.keys()}
    assert (await shown(world))["delivered"] == len(receiver.got)
    assert f'user_webhooks_total{{endpoint="shop",result="delivered"}} {len(receiver.got)}.0' in await world.metrics()


async def test_carriers_and_failovers_are_told(new_world: Any, receivers: Any) -> None:
    """A hand, and a call that had to go round a dead carrier; each endpoint gets what it asked for and nothing else."""
    everything, ends = await receivers(), await receivers()
    world = await new_world(webhooks=(endpoint(everything), endpoint(ends, "ends", "call.ended")))
    first, second = "telnyx", "twilio"
    world.fault(first, {"kind": "down"})
    call_id = await world.place(world.phone(answer_after_s=1.5, hangup_after_s=0.2), carriers=[first, second])
    await world.ended(call_id, within_s=40)
    came = await told_of(world, everything, call_id, "call.accepted", "call.failed_over", *A_CALL[1:])
    failover = came[1].told["data"]["failover"]
    assert (failover["from"], failover["to"]) == (first, second)
    for action in ("drain", "enable"):
        assert (await world.client.post(f"{world.url}/v1/carriers/{second}/{action}")).status_code == 200

    async def look() -> bool:
        return [got.type for got in everything.got if got.type.startswith("carrier.")] == ["carrier.drained", "carrier.enabled"]

    await world.eventually(look, 30)
    assert [got.type for got in ends.got] == ["call.ended"]


async def test_a_failing_endpoint_is_tried_again(new_world: Any, receivers: Any) -> None:
    """500 at first: five seconds later the same notice under the same id, and then the rest of the call, in order."""
    receiver = await receivers()
    world = await new_world(webhooks=(endpoint(receiver),))
    receiver.answers = 500
    call_id = await world.place(world.phone(answer_after_s=1.5, hangup_after_s=0.2))
    await world.ended(call_id, within_s=40)
    state = await shown(world)
    assert (state["state"], state["error"], state["backlog"]) == ("failing", "HTTP 500", 4)
    receiver.answers = 204
    came = await told_of(world, receiver, call_id, A_CALL[0], *A_CALL)
    assert came[0].headers["webhook-id"] == came[1].headers["webhook-id"]
    assert int(came[1].headers["webhook-timestamp"]) - int(came[0].headers["webhook-timestamp"]) >= 4
    assert Webhook(SECRET).verify(came[1].body, came[1].headers)


async def test_an_endpoint_that_hangs_holds_up_neither_the_other_nor_a_call(new_world: Any, receivers: Any) -> None:
    """Twenty calls at once: the well one is told everything while the other answers nothing at all."""
    hanging, well = await receivers(), await receivers()
    world = await new_world(webhooks=(endpoint(hanging, "hanging"), endpoint(well, "well")))
    hanging.answers = 0
    ids = [await world.place(world.phone(answer_after_s=1.5, hangup_after_s=2.0)) for _ in range(20)]
    ended = await asyncio.gather(*(world.ended(call_id, within_s=60) for call_id in ids))
    assert {call["status"] for call in ended} == {"ended"}

    async def well_told() -> bool:
        return all(well.types(call_id)[-1:] == ["call.ended"] for call_id in ids)

    await world.eventually(well_told, 30)
    assert 1 <= len(hanging.got) <= 10
    assert ((await shown(world, "hanging"))["backlog"], (await shown(world, "well"))["backlog"]) == (len(well.got), 0)


async def test_an_endpoint_that_is_gone_is_left_alone_until_it_is_enabled(new_world: Any, receivers: Any) -> None:
    """410: shown as disabled and told nothing; `holdline webhooks` lists, pings and enables it; nothing was lost."""
    receiver = await receivers()
    world = await new_world(webhooks=(endpoint(receiver),))
    receiver.answers = 410
    first = await world.place(world.phone(answer_after_s=1.5, hangup_after_s=0.2))
    await world.ended(first, within_s=40)

    async def disabled() -> bool:
        return bool((await shown(world))["state"] == "disabled")

    await world.eventually(disabled, 30)
    second = await world.place(world.phone(answer_after_s=1.5, hangup_after_s=0.2))
    await world.ended(second, within_s=40)
    assert len(receiver.got) == 1
    code, pinged = await cli(world, "test", "shop")
    assert (code, pinged["status"], pinged["delivered"]) == (1, 410, False)
    receiver.answers = 200
    code, pinged = await cli(world, "test", "shop")
    assert (code, pinged["status"]) == (0, 200)
    assert Webhook(SECRET).verify(receiver.got[-1].body, receiver.got[-1].headers)["type"] == "webhook.ping"
    code, listed = await cli(world)
    assert (code, listed["items"][0]["state"], listed["items"][0]["origin"]) == (
        0,
        "disabled",
        f"http://127.0.0.1:{receiver.port}",
    )
    code, enabled = await cli(world, "enable", "shop")
    assert (code, enabled["disabled_at"]) == (0, None)
    await told_of(world, receiver, first, A_CALL[0], *A_CALL)
    await told_of(world, receiver, second, *A_CALL)
    assert await cli(world, "dead", "shop") == (0, {"items": [], "next": None})
    assert await cli(world, "replay", "shop") == (0, {"replayed": 0})


# --- a real process, killed ----------------------------------------------------------------------------------------


@asynccontextmanager
async def process(world: Any, receiver: Receiver, folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """`holdline serve` on the world's store and lab and on its port; and where it listens."""
    credentials = {report.name: world.lab.credentials(report.name) for report in world.lab.carriers()}
    document = with_lab(yaml.safe_load(CONFIG.read_text(encoding="utf-8")), credentials, world.url)
    document["store"] |= {"url": world.config.store.url, "tag": world.config.store.tag}
    document["storage"] |= {"dir": world.config.storage.dir}
    document["webhooks"] = [{"name": "shop", "url": receiver.url, "secret": "${SHOP}"}]
    document["carriers"] = document["carriers"][:1]  # who carries the calls is no matter, and each SDK takes a while to import
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    port = world.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(file), "--port", port, "--json"]
    environ = {"HOLDLINE_API_KEY": KEY, "PATH": "", "SHOP": SECRET}
    with (folder / "log").open("ab") as log:
        started = await asyncio.create_subprocess_exec(*command, env=environ, stdout=asyncio.subprocess.PIPE, stderr=log)
    try:
        assert started.stdout is not None
        line = await asyncio.wait_for(started.stdout.readline(), 30)
        assert b"url" in line, (line, (folder / "log").read_text(encoding="utf-8"))
        yield started, world.url
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def test_a_killed_gateways_notices_are_delivered_by_the_next(new_world: Any, receivers: Any, tmp_path: Path) -> None:
    """Kill -9 between event and delivery: everything arrives from the next process, in order, what was in hand under its old
    id.
    """
    receiver = await receivers()
    world = await new_world(voicemails=str(tmp_path / "voicemails"))
    await world.stop()
    receiver.answers = 0
    async with process(world, receiver, tmp_path) as (victim, _url):
        call_id = await world.place(world.phone(answer_after_s=1.5, hangup_after_s=0.2))
        await world.ended(call_id, within_s=40)

        async def in_hand() -> bool:
            return receiver.types(call_id) == A_CALL[:1]

        await world.eventually(in_hand, 30)
        victim.send_signal(signal.SIGKILL)
        await victim.wait()
    receiver.answers = 200
    async with process(world, receiver, tmp_path):
        came = await told_of(world, receiver, call_id, A_CALL[0], *A_CALL, within_s=60)
        assert came[0].headers["webhook-id"] == came[1].headers["webhook-id"]
        for got in came[1:]:
            assert Webhook(SECRET).verify(got.body, got.headers) == got.told
        assert (await shown(world))["backlog"] == 0


async def test_a_message_is_told_when_it_is_kept_and_when_it_is_deleted(new_world: Any, receivers: Any, tmp_path: Path) -> None:
    """A caller who leaves one: the call's own way, then the message, as the API shows it; and its end."""
    receiver = await receivers()
    folder = str(tmp_path / "voicemails")
    world = await new_world(webhooks=(endpoint(receiver),), answering="voicemail", voicemails=folder)
    await world.provision()
    caller = world.phone(says="speech", hangup_after_s=13.0)
    world.lab.phones.dial(caller, str(world.lab.credentials("twilio")["numbers"][0]))

    def of(kind: str) -> list[dict[str, Any]]:
        return [got.told["data"] for got in receiver.got if got.type == kind]

    async def kept() -> bool:
        return bool(of("voicemail.kept") and of("call.ended"))

    await world.eventually(kept, 60, lambda: str([got.type for got in receiver.got]))
    ((call,), (message,)) = of("call.ended"), of("voicemail.kept")
    message = message["voicemail"]
    assert [kind for kind in receiver.types(call["call"]["id"]) if kind != "call.failed_over"] == [
        *("call.arrived", "call.ringing", "call.in_progress", "call.voicemail", "call.ended")
    ]
    assert (call["call"]["outcome"], call["call"]["voicemail"], call["call"]["from"]) == ("voicemail", message["id"], caller)
    api = (await world.client.get(f"{world.url}/v1/voicemails/{message['id']}")).json()
    assert message == {key: api[key] for key in message}
    assert (await world.client.delete(f"{world.url}/v1/voicemails/{message['id']}")).status_code == 204

    async def deleted() -> bool:
        return [one["voicemail"]["id"] for one in of("voicemail.deleted")] == [message["id"]]

    await world.eventually(deleted, 30)
