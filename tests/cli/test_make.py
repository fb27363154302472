"""`make` on machines where something is missing: one sentence with the cure, never a wall of text."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "make", "awk", "sed", "grep", "tail", "mkdir", "rm", "touch", "dirname", "cat")
OWN_FILES = ("Makefile", "pyproject.toml", "requirements.lock", "deploy")

OLD = "exit 1  # every question of install.sh is answered with no, as by Python 3.9"
WITHOUT_VENV = 'case "$2" in *ensurepip*) exit 1;; *"python%d"*) echo python3.11;; esac'
"""As Debian's python3 without its venv package."""
PYTHON_OF_VENV = """
case "$1" in --version) echo Python 3.11.9; exit;; esac
case "$*" in *" install "*) echo "$*" >>pip.calls; [ -z "$PIP_SAYS" ] || { echo "$PIP_SAYS"; exit 1; };; esac
"""
"""The environment's Python: its pip does nothing, or fails with the words of $PIP_SAYS."""


class Machine:
    """A copy of what `make install` reads, and a PATH with nothing but the tools that every machine has."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder / "checkout", folder / "bin"
        self.folder.mkdir()
        self.bin.mkdir()
        for name in OWN_FILES:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.folder / name)
        for tool in (*TOOLS, "cp"):
            found = shutil.which(tool)
            assert found, f"this test needs {tool}"
            (self.bin / tool).symlink_to(found)

    def has(self, name: str, script: str) -> None:
        """Put a command on the PATH."""
        command = self.bin / name
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(command.stat().st_mode | stat.S_IXUSR)

    def make(self, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """Run make in the copy, with an empty home."""
        home = self.folder.parent / "home"
        home.mkdir(exist_ok=True)
        env = {"PATH": str(self.bin), "HOME": str(home), **environ}
        return subprocess.run(
            ["make", *arguments], cwd=self.folder, env=env, capture_output=True, text=True, timeout=60, check=False
        )

    def sentences(self, *arguments: str, **environ: str) -> Sequence[str]:
        """What a failing make tells the user, without make's own last word."""
        told = self.make(*arguments, **environ)
        assert told.returncode != 0
        return [line for line in told.stderr.splitlines() if not line.startswith("make: ***")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_make_alone_lists_its_targets(machine: Machine) -> None:
    """Without a target nothing is done but to list every target with what it does."""
    told = machine.make()
    listed = {line.split()[1] for line in told.stdout.splitlines()}
    assert told.returncode == 0
    assert {"help", "install", "demo", "test", "check", "lock", "clean"} <= listed
    assert not (machine.folder / ".venv").exists()


def test_no_python(machine: Machine) -> None:
    """Without any Python one sentence says which is needed and how to get or name one."""
    (sentence,) = machine.sentences("install")
    assert "needs Python 3.11 or later and found none" in sentence
    assert "PYTHON=" in sentence


def test_only_an_old_python(machine: Machine) -> None:
    """A Python that is too old is as good as none."""
    machine.has("python3", OLD)
    (sentence,) = machine.sentences("install")
    assert "needs Python 3.11 or later" in sentence


def test_a_python_without_venv(machine: Machine) -> None:
    """Debian's python3 without its venv package is named with the package that completes it."""
    machine.has("python3", WITHOUT_VENV)
    (sentence,) = machine.sentences("install")
    assert "sudo apt install python3.11-venv" in sentence


def test_an_old_python_does_not_hide_a_good_one(machine: Machine) -> None:
    """The first that fits is taken, whatever stands before it."""
    machine.has("python3.13", OLD)
    machine.has("python3.12", WITHOUT_VENV)
    good(machine, "python3.11")
    told = machine.make("install")
    assert (told.returncode, told.stderr) == (0, "")


def test_a_second_install_has_nothing_to_do(machine: Machine) -> None:
    """Only when the pins change is pip asked again; everything that it installs is pinned by hash or comes from here."""
    good(machine, "python3")
    assert machine.make("install").returncode == 0
    calls = (machine.folder / "pip.calls").read_text().splitlines()
    assert all("--require-hashes" in call or "--no-index" in call for call in calls)
    assert machine.make("install").returncode == 0
    assert (machine.folder / "pip.calls").read_text().splitlines() == calls
    newer = (machine.folder / ".venv" / ".installed").stat().st_mtime + 10
    os.utime(machine.folder / "requirements.lock", (newer, newer))
    assert machine.make("install").returncode == 0
    assert len((machine.folder / "pip.calls").read_text().splitlines()) == 2 * len(calls)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("WARNING: Retrying: NewConnectionError: Failed to establish a new connection", "index cannot be reached"),
        ("ERROR: HTTPSConnectionPool: Max retries exceeded: Temporary failure in name resolution", "index cannot be reached"),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: Read timed out.", "index cannot be reached"),
        ("SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED'))", "PIP_CERT"),
        ("ERROR: HTTP error 407: 407 Client Error: Proxy Authentication Required", "refused access"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "not the one pinned"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: No matching distribution found for uvloop==0.23.0", "has no uvloop==0.23.0 for Python 3.11.9"),
        ("  ERROR: Failed building wheel for lxml", "lxml has no ready-made wheel for Python 3.11.9"),
        ("ERROR: something that nobody has seen", "Installation failed: ERROR: something that nobody has seen"),
    ],
)
def test_each_failure_of_pip_is_one_sentence(machine: Machine, said: str, told: str) -> None:
    """Pip's words go to the log; the user gets the meaning, the cure, and where the log is."""
    good(machine, "python3")
    (sentence,) = machine.sentences("install", PIP_SAYS=said)
    assert told in sentence
    assert ".holdline/install.log" in sentence
    assert said in (machine.folder / ".holdline" / "install.log").read_text()
    assert not (machine.folder / ".venv" / ".installed").exists()


def test_a_real_pip_without_a_network(machine: Machine) -> None:
    """A real Python whose way to its index leads nowhere: the sentence, and a second try is possible."""
    machine.has("python3.11", f'exec "{Path(sys.executable).resolve()}" "$@"')
    nowhere = {"PIP_PROXY": "http://127.0.0.1:9", "PIP_CONFIG_FILE": os.devnull}
    (sentence,) = machine.sentences("install", **nowhere)
    assert "index cannot be reached" in sentence
    assert "PIP_INDEX_URL" in sentence


def test_the_lock_names_no_place() -> None:
    """Every pin has hashes; no index, host or path of the machine that made it stands in the file."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [index for index, line in enumerate(lines) if line and not line.startswith((" ", "#"))]
    assert pins
    assert all("==" in lines[index] and "--hash=sha256:" in lines[index + 1] for index in pins)
    assert not [line for line in lines if "://" in line or " @ " in line or line.startswith("-")]


def good(machine: Machine, name: str) -> None:
    """A Python that fits, made of shell."""
    (machine.bin / "pip-python").write_text(f"#!/bin/sh\n{PYTHON_OF_VENV}")
    (machine.bin / "pip-python").chmod(0o755)
    build = f'case "$*" in "-m venv "*) mkdir -p "$3/bin"; cp "{machine.bin}/pip-python" "$3/bin/python";; esac'
    machine.has(name, build)
