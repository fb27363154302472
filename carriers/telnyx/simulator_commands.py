"""The simulated Telnyx' command desk: `POST /v2/calls/{id}/actions/{verb}`, whatever the verb.

Who obeys a verb brings it here as a `Verb`; what holds for all of them (ids that do not exist or are over, repeated
`command_id`s, fields, state) is decided here, once.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from carriers.lab.contract import RestReply, RestRequest
from carriers.telnyx import simulator_rest as rest
from carriers.telnyx.simulator_calls import Call
from carriers.telnyx.simulator_fields import STATE, Fields, bad_field
from carriers.telnyx.simulator_lines import Lines
from carriers.telnyx.simulator_log import Log

COMMAND_ID_S = 60.0
"""A repeated command_id is ignored for so long."""

Act = Callable[[float, Call, dict[str, Any]], RestReply | None]
"""Obeys; None is the plain `{"data":{"result":"ok"}}`."""


class Verb(Struct, frozen=True, kw_only=True):
    """One command."""

    act: Act
    fields: Fields = field(default_factory=lambda: STATE)
    required: tuple[str, ...] = ()
    answered: bool = True
    """Only for a leg that is answered; otherwise `unanswered_code`."""
    unanswered_code: str = "90034"
    method: str = "POST"


class Commands:
    """Knows the verbs of all desks."""

    def __init__(self, lines: Lines, log: Log) -> None:
        self._lines, self._log = lines, log
        self._verbs: dict[str, Verb] = {}
        self._done: dict[tuple[str, str], tuple[float, RestReply]] = {}

    def learn(self, verbs: dict[str, Verb]) -> None:
        """Take commands of these names from now on."""
        self._verbs |= verbs

    def routes(self) -> dict[str, rest.Handler]:
        """What it answers."""
        return {f"{verb.method} calls * actions {name}": self._handler(name, verb) for name, verb in self._verbs.items()}

    def forget(self) -> None:
        """The command_ids that were used."""
        self._done.clear()

    def _handler(self, name: str, verb: Verb) -> rest.Handler:
        def handle(now: float, request: RestRequest, words: rest.Words) -> RestReply:
            call = self._lines.get(words[0])
            body = rest.json_object(request.body)
            if call is None:
                return rest.failure(422, "90015")
            return rest.not_json() if body is None else self._command(now, name, verb, call, body)

        return handle

    def _command(self, now: float, name: str, verb: Verb, call: Call, body: dict[str, Any]) -> RestReply:
        key = (call.call_control_id, str(body.get("command_id", "")))
        at, known = self._done.get(key, (-COMMAND_ID_S, None))
        if known is not None and now - at < COMMAND_ID_S:
            return known
        refused = _refused(verb, call, body)
        if refused is not None:
            return refused
        self._prepare(now, name, call, body)
        reply = verb.act(now, call, body) or rest.ok()
        if "command_id" in body and reply.status == 200:
            self._done = {past: done for past, done in self._done.items() if now - done[0] < COMMAND_ID_S} | {key: (now, reply)}
        return reply

    def _prepare(self, now: float, name: str, call: Call, body: dict[str, Any]) -> None:
        call.commanded = True
        if "client_state" in body:
            call.client_state = body["client_state"]
        self._log.command(now, call, name, body)


def _refused(verb: Verb, call: Call, body: dict[str, Any]) -> RestReply | None:
    if not call.live:
        return rest.failure(422, "90018")
    refused = bad_field(body, verb.fields)
    absent = next((name for name in verb.required if name not in body), None)
    if refused is None and absent is not None:
        return rest.missing(absent)
    if refused is None and verb.answered and call.answered is None:
        return rest.failure(422, verb.unanswered_code)
    return refused
