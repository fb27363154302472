"""The lab as a process of its own."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from typing import Any

import httpx
import pytest

from carriers.registry import kinds

COMMAND = "import sys; from carriers.lab.serve import run; sys.exit(run('{host}', {port}, as_json={as_json}))"
SDKS = ("twilio", "telnyx", "plivo", "vonage")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def started(port: int, *, host: str = "127.0.0.1", as_json: bool = False) -> asyncio.subprocess.Process:
    code = COMMAND.format(host=host, port=port, as_json=as_json)
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=pipe, stderr=asyncio.subprocess.STDOUT)


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


async def test_it_says_what_to_point_an_sdk_at() -> None:
    """For people and for machines: each carrier's snippet, filled in, and for machines all credentials."""
    process = await started(0, as_json=True)
    assert process.stdout is not None
    told: dict[str, Any] = json.loads(await asyncio.wait_for(process.stdout.readline(), 15))
    process.terminate()
    await asyncio.wait_for(process.wait(), 10)
    assert (told["ready"], set(told["carriers"])) == (True, set(kinds()))
    for name, known in told["carriers"].items():
        assert known["base_url"].partition("://")[2].partition("/")[0] in known["sdk"], name
        assert "{" not in known["sdk"], name
        compile(known["sdk"], name, "exec")
        assert set(known["credentials"]) == {*kinds()[name].credentials.__struct_fields__, "base_url", "numbers"}


async def test_people_are_shown_the_snippets() -> None:
    """Every line of a snippet stands in the output as it is to be pasted, however long."""
    process = await started(free_port())
    text = await read_until(process, "Ctrl-C")
    process.terminate()
    await asyncio.wait_for(process.wait(), 10)
    first_lines = [kind.sdk_snippet.partition("{")[0].splitlines()[0] for kind in kinds().values()]
    assert all(f"  {line}" in text for line in first_lines), text


@pytest.mark.parametrize("as_json", [True, False])
async def test_a_taken_port_is_said_and_fails(as_json: bool) -> None:
    """Without its port the lab ends with 1 and names the cure."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        process = await started(port, as_json=as_json)
        out, _ = await asyncio.wait_for(process.communicate(), 15)
    said = json.loads(out)["error"] + json.loads(out)["cure"] if as_json else out.decode()
    assert process.returncode == 1
    assert "--port" in said
    assert f"127.0.0.1:{port}" in said


async def test_an_address_that_is_not_ours_is_said_and_fails() -> None:
    """A host that this machine does not have is named, with the option that cures it."""
    process = await started(0, host="192.0.2.1")
    out, _ = await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 1
    assert "192.0.2.1" in out.decode()
    assert "--host" in out.decode()


def test_it_is_up_in_less_than_two_seconds_of_work() -> None:
    """From the command to the ready line it takes less than 2 s of a processor, whatever else the machine does."""
    command = [sys.executable, "-m", "gateway.cli", "lab", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["ready"]
        process.terminate()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert (process.returncode, used.ru_utime + used.ru_stime < 2.0) == (0, True), used


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
