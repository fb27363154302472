"""The simulated Telnyx' bridges: transfer, bridge, and dials that are linked to a call."""

from typing import Any

from carriers.lab.contract import RestReply, Site
from carriers.telnyx import simulator_calls as calls
from carriers.telnyx import simulator_fields as fields
from carriers.telnyx import simulator_rest as rest
from carriers.telnyx.simulator_calls import Call
from carriers.telnyx.simulator_commands import Verb
from carriers.telnyx.simulator_dialling import new_leg
from carriers.telnyx.simulator_hooks import Hooks
from carriers.telnyx.simulator_keys import Keys
from carriers.telnyx.simulator_lines import Lines
from carriers.telnyx.simulator_playing import Playing, Sound

MUTED = {"none": (), "self": ("self",), "opposite": ("opposite",), "both": ("self", "opposite")}


class Bridges:
    """Which legs are joined, and which will be when the person answers. Knob: `transfer_hooks`."""

    def __init__(self, site: Site, lines: Lines, hooks: Hooks, playing: Playing, keys: Keys) -> None:
        self._site, self._lines, self._hooks = site, lines, hooks
        self._playing, self._keys = playing, keys
        self._joined: dict[str, Call] = {}
        """call_control_id -> the other leg, both ways."""
        self._parks: dict[str, bool] = {}
        """Whether a leg outlives its bridge."""
        self._muted: set[str] = set()
        """Legs whose keys do not cross."""
        self._waiting: dict[str, Call] = {}
        """A leg that rings -> the leg that it will be joined with."""
        lines.on_answered.append(self._on_answered)
        lines.on_pressed.append(self._on_pressed)
        lines.on_ended.append(self._on_ended)

    def verbs(self) -> dict[str, Verb]:
        """The commands it obeys."""
        return {
            "transfer": Verb(act=self._transfer, fields=fields.TRANSFER, required=("to",)),
            "bridge": Verb(act=self._bridge, fields=fields.BRIDGE, required=("call_control_id",)),
        }

    def forget(self) -> None:
        """All of them."""
        for kept in (self._joined, self._parks, self._muted, self._waiting):
            kept.clear()

    # --- commands ------------------------------------------------------------------------------------------------

    def _transfer(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        """A new leg of the same session rings; when it is answered both are joined. Until then nothing changes."""
        wish = {name: value for name, value in body.items() if name not in {*fields.STATE, "target_leg_client_state"}}
        leg = new_leg(
            self._site,
            now,
            wish,
            origin=body.get("from", call.to),  # "will default to the `to` number of the original call"
            connection_id=call.connection_id,
            session=call.call_session_id,
        )
        leg.client_state = body.get("target_leg_client_state")
        if self._site.knobs.get("transfer_hooks", "inherited") == "inherited":
            leg.hooks = call.hooks | leg.hooks
        self._parks[call.call_control_id] = "park_after_unbridge" in body
        self._mute(call, leg, body)
        self._waiting[leg.call_control_id] = call
        self._lines.place(now, leg)
        return None

    def _bridge(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        other = self._lines.get(body["call_control_id"])
        if other is None or not other.live:
            return rest.failure(422, "90015" if other is None else "90018", pointer="/call_control_id")
        if other.answered is None:
            return rest.failure(422, "90034", pointer="/call_control_id")
        if other is call:
            return rest.failure(422, "10015", "a call cannot be bridged with itself", "/call_control_id")
        if body.get("prevent_double_bridge") and other.call_control_id in self._joined:
            return rest.failure(422, "10015", "the other call is bridged already", "/call_control_id")
        self._parks[call.call_control_id] = "park_after_unbridge" in body
        self._mute(call, other, body)
        self._join(now, call, other)
        return None

    def _mute(self, call: Call, other: Call, body: dict[str, Any]) -> None:
        """`self`: tones of this leg are not passed; `opposite`: those of the other."""
        legs = {"self": call.call_control_id, "opposite": other.call_control_id}
        self._muted -= set(legs.values())
        self._muted |= {legs[which] for which in MUTED[body.get("mute_dtmf", "none")]}

    # --- what happens to the legs --------------------------------------------------------------------------------

    def _on_answered(self, now: float, call: Call) -> None:
        first = self._waiting.pop(call.call_control_id, None)
        linked = call.wish.get("link_to")
        if linked is not None and call.wish.get("bridge_on_answer"):
            first = self._lines.get(linked)
            self._parks[call.call_control_id] = "park_after_unbridge" in call.wish
        if "audio_url" in call.wish:
            # Of a transfer it is heard before the bridge, of a dial at the answer.
            self._playing.play(
                now,
                call,
                Sound(url=call.wish["audio_url"]),
                events="playback",
                then=lambda at, _whole: self._join_if_alive(at, first, call),
            )
        else:
            self._join_if_alive(now, first, call)

    def _join_if_alive(self, now: float, first: Call | None, call: Call) -> None:
        if first is None or not call.live:
            return
        taken = call.wish.get("prevent_double_bridge") and first.call_control_id in self._joined
        if not first.live or first.answered is None or taken:
            self._lines.release(now, call, calls.HUNG_UP)
        else:
            self._join(now, first, call)

    def _join(self, now: float, call: Call, other: Call) -> None:
        for leg in (call, other):
            self._part(now, leg)
        self._joined[call.call_control_id], self._joined[other.call_control_id] = other, call
        if call.audio is not None and other.audio is not None:
            call.audio.join(other.audio)
        for leg in (call, other):
            self._hooks.tell(now, leg, "call.bridged", calls.bridged(leg))

    def _part(self, now: float, call: Call) -> None:
        """Undo a bridge; the leg that is left alone is hung up, unless it is to be parked."""
        other = self._joined.pop(call.call_control_id, None)
        if other is None:
            return
        del self._joined[other.call_control_id]
        if call.audio is not None:
            call.audio.part()
        if other.live and not self._parks.get(other.call_control_id, False):
            self._lines.release(now, other, calls.HUNG_UP)

    def _on_pressed(self, now: float, call: Call, digit: str) -> None:
        other = self._joined.get(call.call_control_id)
        if other is not None and call.call_control_id not in self._muted:
            self._keys.press(now, other, digit)

    def _on_ended(self, now: float, call: Call) -> None:
        self._waiting.pop(call.call_control_id, None)
        for ringing in [ref for ref, first in self._waiting.items() if first is call]:
            leg = self._lines.get(ringing)
            del self._waiting[ringing]
            if leg is not None and leg.live:
                self._lines.release(now, leg, calls.CANCELED)
        self._part(now, call)
        self._parks.pop(call.call_control_id, None)
        self._muted.discard(call.call_control_id)
