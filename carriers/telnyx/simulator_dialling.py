"""The simulated Telnyx' dial desk: `POST /v2/calls`, its pace, its limits and its repeats; and what can be asked of calls."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from carriers.lab.contract import RestReply, RestRequest, Site
from carriers.telnyx import simulator_calls as calls
from carriers.telnyx import simulator_fields as fields
from carriers.telnyx import simulator_pages as pages
from carriers.telnyx import simulator_rest as rest
from carriers.telnyx.simulator_applications import Applications
from carriers.telnyx.simulator_calls import Call
from carriers.telnyx.simulator_commands import COMMAND_ID_S
from carriers.telnyx.simulator_lines import Lines

PACE_WINDOW_S = 5.0
REQUIRED = ("connection_id", "from", "to")
LINKED = ("bridge_intent", "bridge_on_answer", "park_after_unbridge")
"""What makes `link_to` required."""


class Dialling:
    """Knobs: `duplicate_dial`, `dials_per_5s`, `concurrency_answer`, `concurrent_calls`, `status_kept_s`,
    `active_calls_lag_s`, `limit_status`.
    """

    def __init__(self, site: Site, lines: Lines, applications: Applications) -> None:
        self._site, self._lines, self._applications = site, lines, applications
        self._dials: deque[float] = deque()
        self._done: dict[str, tuple[float, RestReply]] = {}

    def routes(self) -> dict[str, rest.Handler]:
        """What it answers."""
        return {
            "POST calls": self._dial,
            "GET calls *": self._status,
            "GET connections * active_calls": self._active_calls,
        }

    def forget(self) -> None:
        """Pace and command_ids."""
        self._dials.clear()
        self._done.clear()

    # --- dialling ------------------------------------------------------------------------------------------------

    def _dial(self, now: float, request: RestRequest, _words: rest.Words) -> RestReply:
        wish = rest.json_object(request.body)
        if wish is None:
            return rest.not_json()
        known = self._repeated(now, str(wish.get("command_id", "")))
        if known is not None:
            return known
        refused = self._bad(wish) or self._too_fast(now) or self._too_many(wish["connection_id"])
        return refused or self._place(now, wish)

    def _bad(self, wish: Mapping[str, Any]) -> RestReply | None:
        if isinstance(wish.get("to"), list):
            return rest.not_simulated("the parameter to as a list", "/to")
        if str(wish.get("to", "")).startswith("sip:"):
            return rest.not_simulated("SIP URIs", "/to")
        absent = next((name for name in REQUIRED if not wish.get(name)), None)
        if absent is not None:
            return rest.missing(absent)
        if self._applications.get(str(wish["connection_id"])) is None:
            return rest.failure(422, "10015", "Invalid value for connection_id (Call Control App ID)", "/connection_id")
        refused = fields.bad_field(wish, fields.DIAL)
        if refused is None and any(wish.get(name) for name in LINKED) and "link_to" not in wish:
            return rest.missing("link_to")
        linked = self._lines.get(str(wish.get("link_to")))
        if refused is None and "link_to" in wish and (linked is None or not linked.live):
            return rest.failure(422, "90015" if linked is None else "90018", pointer="/link_to")
        return refused

    def _repeated(self, now: float, command_id: str) -> RestReply | None:
        """A dial with a command_id of the last minute is not done again; what is answered is not published."""
        at, reply = self._done.get(command_id, (-COMMAND_ID_S, None))
        if reply is None or now - at >= COMMAND_ID_S:
            return None
        if self._site.knobs.get("duplicate_dial", "first_answer") == "first_answer":
            return reply
        return rest.failure(422, "10015", "duplicate command_id", "/command_id")

    def _too_fast(self, now: float) -> RestReply | None:
        while self._dials and now - self._dials[0] >= PACE_WINDOW_S:
            self._dials.popleft()
        return rest.failure(429, "90103") if len(self._dials) >= self._site.knobs.get("dials_per_5s", 150) else None

    def _too_many(self, connection_id: str) -> RestReply | None:
        if self._site.knobs.get("concurrency_answer", "hangup") != "refusal":
            return None
        code = self._full(connection_id)
        return rest.failure(int(self._site.knobs.get("limit_status", 403)), code) if code else None

    def _full(self, connection_id: str) -> str:
        """The code of the limit that one more call would break; empty if it fits."""
        if self._lines.live_count >= int(self._site.knobs.get("concurrent_calls", 1000)):
            return "90041"
        limit = (self._applications.get(connection_id) or {}).get("outbound", {}).get("channel_limit")
        return "90043" if limit is not None and self._lines.count(connection_id, incoming=False) >= limit else ""

    def _place(self, now: float, wish: dict[str, Any]) -> RestReply:
        self._dials.append(now)
        linked = self._lines.get(str(wish.get("link_to")))
        origin = linked.origin if linked is not None and wish.get("bridge_intent") else wish["from"]
        session = linked.call_session_id if linked else ""
        call = new_leg(self._site, now, wish, origin=origin, connection_id=wish["connection_id"], session=session)
        call.client_state = wish.get("client_state")
        self._lines.place(now, call, full=bool(self._full(call.connection_id)))
        reply = rest.data(calls.as_dialled(call) | recording(call))
        self._done = {word: known for word, known in self._done.items() if now - known[0] < COMMAND_ID_S}
        if "command_id" in wish:
            self._done[wish["command_id"]] = (now, reply)
        return reply

    # --- looking up ----------------------------------------------------------------------------------------------

    def _status(self, now: float, _request: RestRequest, words: rest.Words) -> RestReply:
        call = self._lines.get(words[0])
        kept_s = self._site.knobs.get("status_kept_s", 3600.0)
        if call is None or (call.ended is not None and now - call.ended > kept_s):
            return rest.failure(404, "10005")
        return rest.data(calls.as_status(call, now))

    def _active_calls(self, now: float, request: RestRequest, words: rest.Words) -> RestReply:
        if self._applications.get(words[0]) is None:
            return rest.failure(404, "10005")
        lag_s = self._site.knobs.get("active_calls_lag_s", 0.0)
        live = [call for call in self._lines.live() if call.connection_id == words[0] and now - call.created >= lag_s]
        return pages.listed(request, [calls.as_active(call, now) for call in live], {})


def new_leg(site: Site, now: float, wish: dict[str, Any], *, origin: str, connection_id: str, session: str = "") -> Call:
    """A leg to a phone. `to` may carry digits to be sent after the answer: `+15550100001,200`."""
    number, _, digits = str(wish["to"]).partition(",")
    if digits:
        wish = {"send_digits_on_answer": digits} | wish
    call = Call(
        call_control_id=calls.new_control_id(site.random),
        call_leg_id=calls.new_uuid(site.random),
        call_session_id=calls.new_uuid(site.random),
        connection_id=connection_id,
        origin=origin,
        to=number,
        created=now,
        wish=wish,
        hooks={name: wish[name] for name in fields.HOOKS if name in wish},
    )
    call.call_session_id = session or call.call_session_id
    if "record" in wish:
        call.recording_id = calls.new_uuid(site.random)
    return call


def recording(call: Call) -> dict[str, str]:
    """What the answer to a dial or an answer says besides, where it asked for a recording."""
    return {"recording_id": call.recording_id} if call.recording_id else {}
