"""The simulated Telnyx' commands that make or end a leg: answer, reject, hangup, client_state_update."""

from typing import Any

from carriers.lab.contract import RestReply, Site
from carriers.telnyx import simulator_calls as calls
from carriers.telnyx import simulator_fields as fields
from carriers.telnyx import simulator_rest as rest
from carriers.telnyx.simulator_calls import Call
from carriers.telnyx.simulator_commands import Verb
from carriers.telnyx.simulator_dialling import recording
from carriers.telnyx.simulator_lines import Lines


class Answering:
    """Obeys them."""

    def __init__(self, site: Site, lines: Lines) -> None:
        self._site, self._lines = site, lines

    def verbs(self) -> dict[str, Verb]:
        """The commands it obeys."""
        return {
            "answer": Verb(act=self._answer, fields=fields.ANSWER, answered=False),
            "reject": Verb(act=self._reject, fields=fields.REJECT, required=("cause",), answered=False),
            "hangup": Verb(act=self._hang_up, fields=fields.HANG_UP, answered=False),
            "client_state_update": Verb(
                act=self._update, fields=fields.STATE, required=("client_state",), answered=False, method="PUT"
            ),
        }

    def _answer(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        if not call.incoming:
            return rest.failure(422, "90102")
        if call.answered is not None:
            return rest.failure(422, "10015", "the call is answered already")
        call.wish |= {name: value for name, value in body.items() if name not in fields.STATE}
        call.hooks |= {name: body[name] for name in fields.HOOKS if name in body}
        if "record" in body:
            call.recording_id = calls.new_uuid(self._site.random)
        self._lines.answer(now, call)
        return rest.ok(**recording(call))

    def _reject(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        if not call.incoming:
            return rest.failure(422, "10015", "an outbound call cannot be rejected")
        if call.answered is not None:
            return rest.failure(422, "10015", "the call is answered already")
        self._lines.reject(now, call, body["cause"])
        return None

    def _hang_up(self, now: float, call: Call, _body: dict[str, Any]) -> RestReply | None:
        self._lines.hang_up(now, call)
        return None

    def _update(self, _now: float, _call: Call, _body: dict[str, Any]) -> RestReply | None:
        return None  # every command takes client_state; this one does nothing else
