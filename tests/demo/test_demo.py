"""The whole demo, once, as the command that users type: real processes, real sockets, real sound."""

import asyncio
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.demo.recording import listen

CONFIG = Path(__file__).parents[2] / "config.yaml"
LIMIT_S = 240
"""The story takes 100 s on an idle machine; a test machine is not idle."""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One run of `holdline demo --once --json` in a folder that holds nothing but config.yaml."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copy(CONFIG, folder)
    command = [sys.executable, "-m", "gateway.cli", "demo", "--once", "--json", "--port", str(_free_port())]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    return done, folder


def test_every_step_holds_and_the_last_line_says_so(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """Exit code 0, and one JSON object: a step for each carrier, one for none, the people who call, the agent from
    outside, and the agent that is killed.
    """
    done, _ = demo
    assert done.returncode == 0, done.stdout + done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome["ok"] is True
    assert [step["carrier"] for step in outcome["steps"]] == [
        "twilio",
        "telnyx",
        "plivo",
        "vonage",
        "twilio",
        None,
        "telnyx",
        None,
    ]
    assert [step["name"] for step in outcome["steps"]][-3:] == ["callers", "agent-from-outside", "agent-lost"]
    assert all(set(step) == {"name", "ok", "seconds", "carrier"} and step["ok"] for step in outcome["steps"])


def test_both_sides_of_every_call_are_on_disk(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """Every path that was printed is a stereo WAV with speech of the person on the left and of the agent on the right."""
    done, folder = demo
    printed = re.findall(r"wav  (\S+\.wav)", done.stdout)
    assert len(printed) == 8
    for path in printed:
        heard = listen((folder / path).read_bytes())
        assert heard.person_s > 0.5
        assert heard.agent_s > 1.0
        assert heard.answered_after_s is not None


def test_each_failover_is_told_in_one_line(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """Six attempts that failed before a ring in steps two to four, each with reason, knowledge, caller id and seconds."""
    done, _ = demo
    story, _, after = done.stdout.partition("people call us")
    assert "Twilio service unavailable, refused → Telnyx" in after
    line = r"^ *\d+\.\ds  \w+ [a-z ]+, (not sent|refused) → \w+ as \+1555019\d{4}, ring in \d+\.\ds$"
    assert len(re.findall(line, story, re.MULTILINE)) == 6
    assert re.search(r"scheduled, due at .* UTC", done.stdout)
    assert "\x1b" not in done.stdout


def test_the_people_who_call_are_told(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """Who calls which number, whose call dies with its carrier, and how much of the agent each has heard."""
    done, _ = demo
    told = " ".join(done.stdout.split())
    assert len(re.findall(r"\w+ calls \+1555019\d{4}, our number at \w+", told)) == 4
    assert "Vonage dies in mid-call; it takes Eli's call with it" in told
    assert re.search(r"Bo heard the agent for \d\.\ds, Cleo \d\.\ds, Dana \d\.\ds, Eli \d\.\ds", told)


def test_nothing_is_left_behind(demo: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    """The store of the run has been stopped: nobody holds its directory."""
    _, folder = demo
    stores = list(folder.glob(".holdline/demo/*/store"))
    assert len(stores) == 1
    assert not (stores[0] / "running.json").exists()


async def test_ctrl_c_ends_everything_quietly(tmp_path: Path) -> None:
    """Interrupted while the gateway is starting, the demo ends with 0, says so, and leaves no process on the lab's port."""
    shutil.copy(CONFIG, tmp_path)
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.cli", "demo", "--port", str(_free_port())),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert demo.stdout is not None
    async with asyncio.timeout(60):
        told = (await demo.stdout.readuntil(b" up in ")).decode()
        demo.send_signal(signal.SIGINT)
        rest = (await demo.stdout.read()).decode()
        assert await demo.wait() == 0
    assert rest.endswith("Everything has stopped.\n")
    assert "Traceback" not in rest
    port = int(re.findall(r"lab +http://127.0.0.1:(\d+)", told)[0])
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
