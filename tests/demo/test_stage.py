"""The demo's processes start, are waited for, are ended in order, and their words are shown if they fail."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from gateway.demo.stage import Stage, StageFailed, free_port, some_free_port

PYTHON = (sys.executable, "-c")
OBEDIENT = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).touch(); signal.pause()"
STUBBORN = (
    "import pathlib, signal, sys; signal.signal(signal.SIGTERM, lambda *_: globals().update(n=globals().get('n', 0) + 1)); "
)
STUBBORN += "pathlib.Path(sys.argv[1]).touch(); [signal.pause() for _ in iter(lambda: globals().get('n', 0) < 2, False)]"
BROKEN = "print('config.yaml:3 carriers: wrong'); raise SystemExit(2)"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("script", [OBEDIENT, STUBBORN], ids=["ends at the first signal", "ends at the second signal"])
async def test_leaving_ends_what_was_started(tmp_path: Path, script: str) -> None:
    """When the block ends no process is left, also if one drains after the first signal."""
    mark = tmp_path / "up"

    async def ready() -> bool:
        return await asyncio.to_thread(mark.exists)

    async with Stage(tmp_path, {}, command=PYTHON) as stage:
        await stage.start("gateway", script, str(mark), ready=ready, within_s=10)
        (process,) = stage._running.values()
        assert _alive(process.pid)
    assert not _alive(process.pid)


async def test_a_process_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    """The error names the process and its exit code, repeats its last words, and says where its log is."""

    async def never() -> bool:
        return False

    with pytest.raises(StageFailed) as raised:
        async with Stage(tmp_path, {}, command=PYTHON) as stage:
            await stage.start("gateway", BROKEN, ready=never, within_s=10)
    for words in ("gateway", "exit code 2", "config.yaml:3 carriers: wrong", str(tmp_path / "gateway.log")):
        assert words in str(raised.value)


async def test_a_process_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    """Waiting has an end, and the process does not outlive it."""

    async def never() -> bool:
        return False

    stage = Stage(tmp_path, {}, command=PYTHON)
    with pytest.raises(StageFailed, match="not ready within"):
        async with stage:
            await stage.start("lab", OBEDIENT, str(tmp_path / "up"), ready=never, within_s=0.1)
    (process,) = stage._running.values()
    assert process.returncode is not None


async def test_the_end_of_one_is_noticed(tmp_path: Path) -> None:
    """A process that ends by itself while the demo stays up is named."""
    mark = tmp_path / "up"
    script = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch(); sys.stdin.read()"

    async def ready() -> bool:
        return await asyncio.to_thread(mark.exists)

    async with Stage(tmp_path, {}, command=PYTHON) as stage:
        await stage.start("lab", script, str(mark), ready=ready, within_s=10)
        await asyncio.wait_for(stage.one_ended(), 10)
        with pytest.raises(StageFailed, match=r"The lab has ended by itself \(exit code 0\)"):
            stage.raise_if_ended()


async def test_the_processes_get_the_key_and_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the gateway is given stands in its environment, beside what we have."""
    monkeypatch.setenv("OURS", "kept")
    script = "import os, pathlib, sys; pathlib.Path(sys.argv[1]).write_text(os.environ['OURS'] + os.environ['HOLDLINE_API_KEY'])"
    told = tmp_path / "told"

    async def ready() -> bool:
        return await asyncio.to_thread(lambda: told.exists() and bool(told.read_text()))

    async with Stage(tmp_path, {"HOLDLINE_API_KEY": "-given"}, command=PYTHON) as stage:
        await stage.start("gateway", f"{script}; import signal; signal.pause()", str(told), ready=ready, within_s=10)
    assert told.read_text() == "kept-given"


async def test_a_taken_port_is_known_and_a_free_one_is_found() -> None:
    """A port on which somebody listens is not free; the one that is offered instead is."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port: int = server.sockets[0].getsockname()[1]
        assert not free_port(port)
        other = some_free_port(port)
        assert other != port
        assert free_port(other)
