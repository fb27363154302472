"""`holdline callbacks`, against a gateway and a lab that are processes of their own."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

KEY = "cli-test-key-0123456789"


class Promising:
    """A gateway with its lab; promises are made over REST."""

    def __init__(self, cli: Any, url: str) -> None:
        self._cli, self._url, self._numbers = cli, url, iter(range(100))

    def run(self, *arguments: str) -> Any:
        return self._cli.run("callbacks", *arguments, "--url", self._url, HOLDLINE_API_KEY=KEY)

    def promise(self, **wishes: Any) -> str:
        """A call for tomorrow; the callback's id."""
        body = {"to": f"+155501900{next(self._numbers):02}", "not_before": f"{datetime.now(UTC) + timedelta(days=1):%FT%TZ}"}
        headers = {"Authorization": f"Bearer {KEY}"}
        answer = httpx.post(f"{self._url}/v1/calls", json=body | wishes, headers=headers, trust_env=False)
        answer.raise_for_status()
        return str(answer.json()["callback"]["id"])


@pytest.fixture(scope="module")
def promising(module_cli: Any) -> Iterator[Promising]:
    """On free ports."""
    with module_cli.running("lab", "--port", "0", "--json") as lab:
        arguments = ("--json", "--lab", lab.ready()["url"], "--port", "0", "--data", str(module_cli.folder))
        with module_cli.running("serve", *arguments, HOLDLINE_API_KEY=KEY) as gateway:
            yield Promising(module_cli, gateway.ready()["url"])


def test_there_may_be_none(promising: Promising) -> None:
    """Said in words, with exit code 0; machines get an empty page."""
    told = promising.run("--purpose", "emergency")
    assert (told.returncode, told.stdout, told.stderr) == (0, "No callbacks.\n", "")
    assert json.loads(promising.run("--purpose", "emergency", "--json").stdout) == {"items": [], "next": None}


def test_promises_are_listed(promising: Promising) -> None:
    """One line each with the reason, newest first; filters go to the API."""
    first, second = promising.promise(purpose="informational"), promising.promise(priority="high")
    lines = [line.split() for line in promising.run("list", "--status", "waiting").stdout.splitlines()]
    assert lines[0] == ["callback", "status", "to", "due", "tries", "priority", "purpose", "why"]
    assert [line[0] for line in lines[1:3]] == [second, first]
    assert [line[-3:] for line in lines[1:3]] == [["high", "-", "not-before"], ["normal", "informational", "not-before"]]
    page = json.loads(promising.run("--purpose", "informational", "--json").stdout)
    assert [one["id"] for one in page["items"]] == [first]


def test_one_is_taken_back(promising: Promising) -> None:
    """And the second time it is over: exit code 1, and why."""
    callback = promising.promise()
    told = promising.run("cancel", callback)
    assert (told.returncode, f"{callback} to " in told.stdout, "over: its call is canceled" in told.stdout) == (0, True, True)
    again = promising.run("cancel", callback)
    assert (again.returncode, "It is over: canceled." in again.stderr) == (1, True)


def test_one_is_kept_now(promising: Promising) -> None:
    """It is running; machines get the promise as it stands."""
    told = json.loads(promising.run("run", promising.promise(), "--json").stdout)
    assert (told["status"], told["attempts"]) == ("running", 1)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("run",), "needs the ID"),
        (("cancel",), "needs the ID"),
        (("list", "cb_call_1"), "takes no ID"),
        (("run", "cb_call_1", "--status", "over"), "--status is for the list"),
    ],
)
def test_a_wrong_line_is_named(promising: Promising, arguments: tuple[str, ...], named: str) -> None:
    """Exit code 2, and nothing is asked of the gateway."""
    told = promising.run(*arguments)
    assert (told.returncode, named in told.stderr) == (2, True)


def test_an_unknown_one_is_not_found(promising: Promising) -> None:
    """Exit code 1, in the API's words; so is a word that the list does not know."""
    told = promising.run("run", "cb_call_9")
    assert (told.returncode, "no callback of this id" in told.stderr) == (1, True)
    wrong = promising.run("--status", "open")
    assert (wrong.returncode, "waiting, running, over" in wrong.stderr) == (1, True)
