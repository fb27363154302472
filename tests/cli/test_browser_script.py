"""What `make test` says and does about a browser: nothing where there is one, one line where there is none, never a failure."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "dirname", "grep", "tail", "mkdir")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout with the script, and a PATH without a browser on which nobody is root."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "deploy" / "browser.sh", tmp_path / "deploy")
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, f"this test needs {tool}"
        (tmp_path / "bin" / tool).symlink_to(found)
    command(tmp_path, "id", "echo 1000")
    return tmp_path


def command(folder: Path, name: str, script: str) -> Path:
    made = folder / "bin" / name
    made.write_text(f"#!/bin/sh\n{script}\n")
    made.chmod(0o755)
    return made


def said(folder: Path, **environ: str) -> str:
    """What the script prints; it must succeed in any case."""
    env = {key: value for key, value in os.environ.items() if key not in {"BROWSER", "CHROMIUM"}}
    env |= {"PATH": str(folder / "bin"), **environ}
    told = subprocess.run(
        ["sh", "deploy/browser.sh"], cwd=folder, env=env, capture_output=True, text=True, timeout=20, check=False
    )
    assert (told.returncode, told.stderr) == (0, "")
    return told.stdout


def test_without_a_browser_one_line_says_how_to_get_one(folder: Path) -> None:
    """Whoever may not install is told what to run, and the rest of the tests go on."""
    (line,) = said(folder).splitlines()
    assert "apt install chromium" in line
    assert "CHROMIUM=" in line


def test_with_a_browser_nothing_is_said(folder: Path) -> None:
    """A Chromium on the PATH is enough, and so is one that is named."""
    other = command(folder, "my-chrome", "exit 0")
    assert said(folder, CHROMIUM=str(other)) == ""
    command(folder, "chromium", "exit 0")
    assert said(folder) == ""


def test_the_way_round(folder: Path) -> None:
    """BROWSER=skip: not even a look."""
    assert said(folder, BROWSER="skip") == ""


def test_what_cannot_be_installed_is_said_and_left(folder: Path) -> None:
    """Root on Debian tries; a failing installation ends in one line that says where its log is."""
    if "ID=debian" not in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
        assert "apt install chromium" in said(folder)
        return
    command(folder, "id", "echo 0")
    command(folder, "apt-get", "echo E: no network; exit 100")
    first, second = said(folder).splitlines()
    assert "installing Debian's" in first
    assert second.startswith("It could not be installed: E: no network")
    assert (folder / ".holdline" / "browser.log").exists()
