"""`holdline webhooks`, for people: what it prints, asks and refuses. Over a real gateway it is run in tests/endtoend."""

from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app

SHOP: dict[str, Any] = {
    "name": "shop",
    "origin": "https://shop.example.com",
    "state": "failing",
    "backlog": 12,
    "oldest_at": "2026-11-22T10:15:30.120Z",
    "dead": 3,
    "delivered": 40,
    "error": "HTTP 500",
    "error_at": "2026-11-22T10:16:00.000Z",
}
DEAD: dict[str, Any] = {
    "id": "msg_1",
    "type": "call.ended",
    "about": "call_1",
    "at": "2026-11-22T10:15:30.120Z",
    "tries": 8,
    "why": "HTTP 500",
}
PINGED: dict[str, Any] = {"id": "msg_2", "delivered": False, "status": None, "error": "ConnectError: refused", "seconds": 0.25}


class Gateway:
    """Stands for a running gateway: keeps what it is asked, and answers from a table."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Any] = {}
        monkeypatch.setenv("HOLDLINE_API_KEY", "a-key-0123456789")
        monkeypatch.setattr("gateway.commands.rest.Rest.get", lambda _rest, path: self._answer(f"GET {path}"))
        monkeypatch.setattr("gateway.commands.rest.Rest.post", lambda _rest, path, _body, _headers: self._answer(f"POST {path}"))

    def _answer(self, asked: str) -> Any:
        self.asked.append(asked)
        return self.answers[asked]

    def says(self, arguments: str) -> tuple[int, str]:
        """The exit code, and all that was printed; long lines are not broken."""
        told = CliRunner().invoke(app, ["webhooks", *arguments.split()], env={"COLUMNS": "250"})
        return told.exit_code, told.output


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    return Gateway(monkeypatch)


def test_the_list_shows_what_waits_and_what_went_wrong(gateway: Gateway) -> None:
    """One line for each endpoint."""
    gateway.answers["GET /v1/webhooks"] = {"items": [SHOP], "next": None}
    code, told = gateway.says("")
    assert code == 0
    line = next(line for line in told.splitlines() if "shop.example.com" in line)
    assert all(word in line for word in ("shop", "failing", "12", "3", "40", "HTTP 500", "10:15:30"))


def test_without_webhooks_it_says_where_they_are_named(gateway: Gateway) -> None:
    """An empty table would be a riddle."""
    gateway.answers["GET /v1/webhooks"] = {"items": [], "next": None}
    code, told = gateway.says("list")
    assert (code, "`webhooks` in the gateway's config.yaml" in told) == (0, True)


def test_dead_letters_are_listed_with_why(gateway: Gateway) -> None:
    """And it is said if there are more."""
    gateway.answers["GET /v1/webhooks/shop/dead?limit=200"] = {"items": [DEAD], "next": "17"}
    code, told = gateway.says("dead shop")
    assert code == 0
    assert all(word in told for word in ("msg_1", "call.ended", "call_1", "8", "HTTP 500", "There are more"))
    gateway.answers["GET /v1/webhooks/shop/dead?limit=200"] = {"items": [], "next": None}
    assert gateway.says("dead shop") == (0, "No dead letters.\n")


def test_one_or_all_are_replayed(gateway: Gateway) -> None:
    """With an id only that one."""
    gateway.answers = {
        "POST /v1/webhooks/shop/dead/replay": {"replayed": 3},
        "POST /v1/webhooks/shop/dead/msg_1/replay": {"replayed": 1},
    }
    assert gateway.says("replay shop") == (0, "3 to be delivered again.\n")
    assert gateway.says("replay shop msg_1") == (0, "1 to be delivered again.\n")


def test_enabling_says_how_it_stands_then(gateway: Gateway) -> None:
    """What waits is tried at once."""
    gateway.answers["POST /v1/webhooks/shop/enable"] = SHOP
    assert gateway.says("enable shop") == (0, "shop is failing; 12 waiting, tried at once.\n")


def test_a_ping_that_is_not_taken_is_a_failure(gateway: Gateway) -> None:
    """Exit code 1, so that a script notices; 0 if it is taken."""
    gateway.answers["POST /v1/webhooks/shop/test"] = PINGED
    assert gateway.says("test shop") == (1, "msg_2 not delivered: ConnectError: refused, after 0.25 s.\n")
    gateway.answers["POST /v1/webhooks/shop/test"] = PINGED | {"delivered": True, "status": 204, "error": None}
    assert gateway.says("test shop") == (0, "msg_2 delivered: HTTP 204, after 0.25 s.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("dead", "needs the NAME of a webhook"),
        ("replay", "needs the NAME of a webhook"),
        ("test", "needs the NAME of a webhook"),
        ("dead shop msg_1", "takes no ID"),
        ("enable shop msg_1", "takes no ID"),
        ("explode shop", "explode"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(gateway: Gateway, arguments: str, said: str) -> None:
    """Exit code 2."""
    code, told = gateway.says(arguments)
    assert (code, said in told, gateway.asked) == (2, True, [])
