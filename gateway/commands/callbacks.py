"""`holdline callbacks`: the promises of a running gateway, and keeping one now or taking one back."""

import json
from typing import Any
from urllib.parse import quote, urlencode

import typer

from gateway.commands.callback_actions import CallbackAction
from gateway.commands.failure import WRONG, Failure
from gateway.commands.rest import Rest
from gateway.commands.table import show

_HEADINGS = ("callback", "status", "to", "due", "tries", "priority", "purpose", "why")
_MOST = 200


def run(action: CallbackAction, callback_id: str | None, wanted: dict[str, str | None], url: str, *, as_json: bool) -> None:
    """`wanted`: filters of the list, by the API's names."""
    filters = {name: value for name, value in wanted.items() if value is not None}
    _check(action, callback_id, filters)
    with Rest(url) as rest:
        answer = _ask(rest, action, quote(callback_id or "", safe=""), filters)
    if as_json:
        typer.echo(json.dumps(answer))
    elif action is CallbackAction.LIST:
        _tell_list(answer)
    else:
        typer.echo(f"{answer['id']} to {answer['to']} is {answer['status']}: its call is {_state(answer)}.")


def _check(action: CallbackAction, callback_id: str | None, filters: dict[str, str]) -> None:
    if action is CallbackAction.LIST and callback_id is not None:
        raise Failure("`holdline callbacks list` takes no ID.", "Leave it out.", code=WRONG)
    if action is not CallbackAction.LIST and callback_id is None:
        said = f"`holdline callbacks {action.value}` needs the ID of a callback."
        raise Failure(said, "`holdline callbacks` lists them.", code=WRONG)
    if action is not CallbackAction.LIST and filters:
        raise Failure(f"--{next(iter(filters))} is for the list.", "Leave it out.", code=WRONG)


def _ask(rest: Rest, action: CallbackAction, callback_id: str, filters: dict[str, str]) -> dict[str, Any]:
    answer: dict[str, Any]
    match action:
        case CallbackAction.LIST:
            answer = rest.get(f"/v1/callbacks?{urlencode({'limit': _MOST, **filters})}")
        case CallbackAction.RUN:
            answer = rest.post(f"/v1/callbacks/{callback_id}/run", None, {})
        case CallbackAction.CANCEL:
            answer = rest.delete(f"/v1/callbacks/{callback_id}")
    return answer


def _tell_list(page: dict[str, Any]) -> None:
    if not page["items"]:
        typer.echo("No callbacks.")
        return
    show(_HEADINGS, [_row(one) for one in page["items"]])
    if page["next"]:
        typer.echo(f"More than {_MOST}: narrow the list with --status, --to or --purpose, or page through /v1/callbacks.")


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    due, tries = one["due_at"] or "-", str(one["attempts"])
    return (one["id"], one["status"], one["to"], due, tries, one["priority"], one["purpose"] or "-", one["reason"] or "-")


def _state(one: dict[str, Any]) -> str:
    return str(one["outcome"] or one["call_status"])
