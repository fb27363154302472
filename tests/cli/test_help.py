"""What `holdline` says about itself."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from gateway.cli import app

COMMANDS = ("demo", "serve", "lab", "check", "call", "callbacks", "carriers", "route", "sim", "schema", "webhooks")
HEAVY = ("litestar", "twilio", "telnyx", "plivo", "vonage", "redis", "httpx", "uvicorn", "rich")


def test_it_lists_every_command() -> None:
    """The help names every command, and what the exit codes mean."""
    told = CliRunner().invoke(app, ["--help"])
    assert told.exit_code == 0
    assert all(f"\n  {name} " in told.stdout for name in COMMANDS)
    assert "Exit codes" in told.stdout
    assert "..." not in told.stdout.partition("Commands:")[2], "a command's first sentence is cut off"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    """Each command's help shows how it is used, and that it can speak JSON."""
    told = CliRunner().invoke(app, [name, "--help"])
    assert told.exit_code == 0
    assert "Example" in told.stdout
    assert f"holdline {name}" in told.stdout.partition("Example")[2]
    assert "--json" in told.stdout


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (["srve"], "serve"),
        (["serve", "--prot", "1"], "--port"),
        (["serve", "--port", "eighty"], "--port"),
        (["call"], "TO"),
        ([], "Usage"),
    ],
)
def test_a_wrong_command_line_is_named(wrong: list[str], named: str) -> None:
    """What cannot be understood ends with 2 and names the word, or the right one."""
    told = CliRunner().invoke(app, wrong)
    assert told.exit_code == 2
    assert named in told.output


def test_version() -> None:
    """--version prints name and version."""
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.stdout.split()[0]) == (0, "holdline")


def test_help_imports_nothing_heavy() -> None:
    """The help is there at once, because no SDK, server or store is imported for it."""
    code = (
        "import sys, gateway.cli\n"
        "try: gateway.cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert told.stderr.strip() == "[]"
