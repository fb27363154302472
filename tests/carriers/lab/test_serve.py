"""The lab as a process of its own."""

import asyncio
import signal
import socket
import sys

import httpx
import pytest

COMMAND = "import sys; from carriers.lab.serve import run; sys.exit(run('127.0.0.1', {port}))"
SDKS = ("twilio", "telnyx", "plivo", "vonage")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def started(port: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND.format(port=port), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )


async def read_until(process: asyncio.subprocess.Process, word: str) -> str:
    assert process.stdout is not None
    text = ""
    async with asyncio.timeout(15):
        while word not in text:
            line = await process.stdout.readline()
            assert line, f"ended too early: {text}"
            text += line.decode()
    return text


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_is_and_ends_cleanly(ending: signal.Signals) -> None:
    """The process prints every carrier's address, serves, and a signal ends it with 0."""
    port = free_port()
    process = await started(port)
    text = await read_until(process, "Ctrl-C")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        credentials = (await client.get("/lab/credentials")).json()
    assert credentials
    assert all(known["base_url"] in text for known in credentials.values())
    process.send_signal(ending)
    out, _ = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, out.decode().strip()) == (0, "The lab has stopped.")


async def test_a_taken_port_is_said_and_fails() -> None:
    """Without its port the lab ends with 1 and names the cure."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = await started(int(taken.getsockname()[1]))
        out, _ = await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 1
    assert "--port" in out.decode()


async def test_it_imports_no_sdk() -> None:
    """The lab starts fast because no carrier's SDK is loaded by it, simulators included."""
    code = (
        "import sys, carriers.lab.serve\n"
        "from carriers.lab.exchange import Exchange; from carriers.lab.desk import DeskPlan\n"
        "from carriers.registry import kinds\n"
        "Exchange([DeskPlan(name=k.kind, kind=k.kind, simulator=k.simulator, base_url='http://x', numbers=('+15550190001',))"
        " for k in kinds().values()])\n"
        f"print([name for name in {SDKS!r} if name in sys.modules])"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), 15)
    assert out.decode().strip() == "[]"
