"""`holdline webhooks`: how your systems that are told stand, what could not be delivered, and trying again by hand."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import typer

from gateway.commands.failure import WRONG, Failure
from gateway.commands.rest import Rest
from gateway.commands.table import show
from gateway.commands.webhook_actions import Action

_LISTED = ("webhook", "origin", "state", "waiting", "oldest", "dead", "delivered", "last error")
_DEAD = ("id", "type", "about", "happened", "tries", "why")


def run(action: Action, name: str | None, notice_id: str | None, url: str, *, as_json: bool) -> int:
    """The exit code: 1 if a test was not delivered."""
    if action is not Action.LIST and name is None:
        said = f"`holdline webhooks {action.value}` needs the NAME of a webhook."
        raise Failure(said, "`holdline webhooks` lists them.", code=WRONG)
    if notice_id is not None and action is not Action.REPLAY:
        raise Failure(f"`holdline webhooks {action.value}` takes no ID.", "Leave it out.", code=WRONG)
    path = f"/v1/webhooks/{quote(name or '', safe='')}"
    with Rest(url) as rest:
        answer = _ask(rest, action, path, notice_id)
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        _TELLS[action](answer)
    return 0 if answer.get("delivered", True) or action is not Action.TEST else 1


def _ask(rest: Rest, action: Action, path: str, notice_id: str | None) -> dict[str, Any]:
    one = f"/{quote(notice_id, safe='')}" if notice_id else ""
    answer: dict[str, Any]
    match action:
        case Action.LIST:
            answer = rest.get("/v1/webhooks")
        case Action.DEAD:
            answer = rest.get(f"{path}/dead?limit=200")
        case Action.REPLAY:
            answer = rest.post(f"{path}/dead{one}/replay", None, {})
        case Action.ENABLE | Action.TEST:
            answer = rest.post(f"{path}/{action.value}", None, {})
    return answer


def _tell_list(page: dict[str, Any]) -> None:
    if not page["items"]:
        typer.echo("No webhooks: `webhooks` in the gateway's config.yaml names your systems that are to be told.")
        return
    show(_LISTED, [_row(one) for one in page["items"]])


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    waiting, dead, delivered = (str(one[key]) for key in ("backlog", "dead", "delivered"))
    error = f"{one['error']} ({one['error_at']})" if one["error"] else "-"
    return (one["name"], one["origin"], one["state"], waiting, one["oldest_at"] or "-", dead, delivered, error)


def _tell_dead(page: dict[str, Any]) -> None:
    if not page["items"]:
        typer.echo("No dead letters.")
        return
    show(_DEAD, [(one["id"], one["type"], one["about"], one["at"], str(one["tries"]), one["why"]) for one in page["items"]])
    if page["next"]:
        typer.echo("There are more, older ones.")


def _tell_replayed(answer: dict[str, Any]) -> None:
    typer.echo(f"{answer['replayed']} to be delivered again.")


def _tell_enabled(one: dict[str, Any]) -> None:
    typer.echo(f"{one['name']} is {one['state']}; {one['backlog']} waiting, tried at once.")


def _tell_ping(pinged: dict[str, Any]) -> None:
    what = "delivered" if pinged["delivered"] else "not delivered"
    typer.echo(f"{pinged['id']} {what}: {pinged['error'] or 'HTTP {}'.format(pinged['status'])}, after {pinged['seconds']:g} s.")


_TELLS: dict[Action, Callable[[dict[str, Any]], None]] = {
    Action.LIST: _tell_list,
    Action.DEAD: _tell_dead,
    Action.REPLAY: _tell_replayed,
    Action.ENABLE: _tell_enabled,
    Action.TEST: _tell_ping,
}
