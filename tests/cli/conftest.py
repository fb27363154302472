"""Runs `holdline` as its users do: as a process, in a folder of its own, with nothing of ours in its environment."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WITHIN_S = 60


class Cli:
    """`holdline` with a home and a working directory that are empty but for config.yaml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "config.yaml").write_text((ROOT / "config.yaml").read_text())

    def keep(self, *kinds: str) -> None:
        """Leave only these carriers in config.yaml: fewer SDKs to start with."""
        document = yaml.safe_load((self.folder / "config.yaml").read_text())
        document["carriers"] = [carrier for carrier in document["carriers"] if carrier["kind"] in kinds]
        (self.folder / "config.yaml").write_text(yaml.safe_dump(document))

    def run(self, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """Run it to its end."""
        return subprocess.run(
            command(*arguments),
            cwd=self.folder,
            env=self.environment(environ),
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )

    @contextmanager
    def running(self, *arguments: str, **environ: str) -> "Iterator[Running]":
        """Run it until the block ends. It is stopped gently then, so that no store is left behind."""
        errors = self.folder / f"{arguments[0]}.stderr"
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                command(*arguments),
                cwd=self.folder,
                env=self.environment(environ),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        try:
            yield Running(process, errors)
        finally:
            _stop(process)

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "COLUMNS": "100", **more}


class Running:
    """A process that is up."""

    def __init__(self, process: "subprocess.Popen[str]", errors: Path) -> None:
        self.process, self._errors = process, errors

    def line(self) -> str:
        """The next line of its standard output; fails with what it said instead if it ends."""
        assert self.process.stdout is not None
        guard = threading.Timer(WITHIN_S, self.process.kill)
        guard.start()
        try:
            line = self.process.stdout.readline()
        finally:
            guard.cancel()
        assert line, f"it ended without a line: {self.said()}"
        return line

    def ready(self) -> dict[str, Any]:
        """Its --json line, once it is ready."""
        told: dict[str, Any] = json.loads(self.line())
        assert told["ready"] is True
        return told

    def said(self) -> str:
        """Its standard error so far."""
        return self._errors.read_text(errors="replace")

    def end(self, number: int, within_s: float = 10) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(within_s)


def _stop(process: "subprocess.Popen[str]") -> None:
    """The first signal drains, the second ends calls that still live."""
    for _ in range(2):
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
    process.kill()
    process.communicate()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error::RuntimeWarning", "-m", "gateway.cli", *arguments]


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command, in a folder that is this test's alone."""
    return Cli(tmp_path)


@pytest.fixture(scope="module")
def module_cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command, in a folder for all tests of a module."""
    return Cli(tmp_path_factory.mktemp("cli"))


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody listens who never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def module_free_port() -> int:
    """A port on which nobody listens, for all tests of a module."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
