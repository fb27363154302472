"""`holdline call`: place a call through a running gateway, and watch it if wanted."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import typer

from gateway.commands.failure import FAILED, Failure
from gateway.commands.rest import Rest

_LOOK_EVERY_S = 0.3
_WELL = frozenset({"completed", "voicemail"})


def run(to: str, *, from_: str | None, agent: str | None, wait: bool, url: str, as_json: bool) -> int:
    """The exit code: 0 if the call was accepted, and with `wait` only if the person was reached."""
    wanted = {"to": to, "from": from_, "agent": agent}
    with Rest(url) as rest:
        body = {name: value for name, value in wanted.items() if value is not None}
        call = rest.post("/v1/calls", body, {"Idempotency-Key": str(uuid.uuid4())})
        if not as_json:
            typer.echo(f"{call['id']}  to {call['to']}  agent {call['agent']}")
        if wait:
            call = _watched(rest, call, told=not as_json)
    if as_json:
        typer.echo(json.dumps(call))
    elif not wait:
        typer.echo(f"  {call['status']}; look again with GET {url.rstrip('/')}/v1/calls/{call['id']}, or place it with --wait")
    return 0 if not wait or call["outcome"] in _WELL else FAILED


def _watched(rest: Rest, call: dict[str, Any], *, told: bool) -> dict[str, Any]:
    """The call once it has ended, telling every change on the way."""
    said: list[str] = []
    try:
        while True:
            for line in _lines(call):
                if told and line not in said:
                    said.append(line)
                    typer.echo(f"  {line}")
            if call["status"] == "ended":
                return call
            time.sleep(_LOOK_EVERY_S)
            call = rest.get(f"/v1/calls/{call['id']}")
    except KeyboardInterrupt:
        cure = f"It goes on without us. To end it: POST /v1/calls/{call['id']}/hangup"
        raise Failure(f"The call is {call['status']}.", cure) from None


def _lines(call: dict[str, Any]) -> Iterator[str]:
    """The story so far; lines that are already told stay as they are, so that only new ones are news."""
    for leg in call["legs"]:
        yield f"dialing through {leg['carrier']}, from {leg['from']}"
        if leg["alerted_at"]:
            yield f"ringing through {leg['carrier']}"
        if leg["answered_at"]:
            yield f"answered through {leg['carrier']}"
        if leg["verdict"] and not leg["answered_at"]:
            yield f"{leg['carrier']} did not deliver it: {leg['verdict']['reason']} ({leg['knowledge']})"
    promise = call["callback"]
    if promise:
        yield f"scheduled: {promise['reason']}; next attempt at {promise['due_at']}"
    if call["status"] == "ended":
        reason = f" ({call['reason']})" if call.get("reason") else ""
        yield f"ended: {call['outcome']}{reason}"
