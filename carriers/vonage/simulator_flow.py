"""How the simulated carrier carries out a flow (NCCO): where it comes from, what follows what, and where it ends.

What each action does is in `simulator_verbs`, `simulator_connect`, `simulator_gather` and `simulator_recordings`.
"""

from typing import Any

from carriers.lab.contract import WebhookReply
from carriers.vonage.simulator_events import answer_payload
from carriers.vonage.simulator_legs import PhoneLeg
from carriers.vonage.simulator_ncco import checked, flow_of
from carriers.vonage.simulator_parts import Parts
from carriers.vonage.simulator_post import Letter, is_document
from carriers.vonage.simulator_requests import Wrong
from carriers.vonage.simulator_verbs import VERBS


class Flow:
    """Leads answered legs through their actions."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    # --- where flows come from -----------------------------------------------------------------------------------

    def begin(self, now: float, leg: PhoneLeg) -> None:
        """The leg is there: ask for the flow, or start the one that came with the request."""
        if leg.answer_url:
            self.ask(now, leg, leg.answer_url, leg.answer_method)
        else:
            self.start(now, leg, leg.actions)

    def ask(self, now: float, leg: PhoneLeg, url: str, method: str) -> None:
        """Ask for a flow as the answer URL is asked."""
        self._parts.post.ask(now, leg, "answer", url, method, answer_payload(leg, self._parts.site.base_url))

    def start(self, now: float, leg: PhoneLeg, ncco: Any) -> None:
        """Begin with the first action; a flow that cannot be obeyed ends the leg."""
        try:
            leg.actions = list(checked(ncco))
        except Wrong as wrong:
            self._give_up(now, leg, wrong)
            return
        self._parts.calls.pick_up(now, leg)
        self.next(now, leg)

    def replace(self, now: float, leg: PhoneLeg, actions: list[dict[str, Any]]) -> None:
        """Drop what the leg is doing and what was to come, and do this instead."""
        self.interrupt(now, leg)
        leg.actions, leg.idle = list(actions), False
        self.next(now, leg)

    def interrupt(self, now: float, leg: PhoneLeg) -> None:
        """Whatever the leg's flow does now, it stops; companions stay."""
        leg.step += 1
        leg.actions, leg.connecting, leg.gather, leg.barging = [], None, None, False
        self._parts.sounds.stop(leg)
        self._parts.recordings.stop_blocking(now, leg)

    # --- what customers answer -----------------------------------------------------------------------------------

    def on_answer(self, now: float, leg: PhoneLeg, letter: Letter, reply: WebhookReply) -> None:
        """The customer answered a letter that may bring an NCCO, or its last attempt failed."""
        if letter.purpose == "machine":
            self._on_machine(now, leg, reply)
        elif letter.step != leg.step:
            return
        elif letter.purpose == "flow" or _of_an_event(letter):
            self._on_rest(now, leg, letter, reply)
        else:
            self._on_document(now, leg, letter, reply)

    def _on_machine(self, now: float, leg: PhoneLeg, reply: WebhookReply) -> None:
        takes = self._parts.knob("machine_events_take_ncco", True)
        actions = self._mid_call(now, leg, reply) if takes else None
        if actions:
            self.replace(now, leg, actions)

    def _on_rest(self, now: float, leg: PhoneLeg, letter: Letter, reply: WebhookReply) -> None:
        """A flow in the answer to an event replaces the rest; without one the rest goes on."""
        try:
            actions = flow_of(reply.body) if is_document(reply) else None
        except Wrong as wrong:
            # A broken document in mid-call is reported to the event URL; without a fallback the flow continues.
            self._complain(now, leg, wrong)
            self._or_fall_back(now, leg, letter, reply)
            return
        if actions or (actions == [] and self._parts.knob("empty_ncco_replaces", True)):
            leg.actions = list(actions or [])
        elif not 200 <= reply.status < 300:
            self._or_fall_back(now, leg, letter, reply)
            return
        self.next(now, leg)

    def _or_fall_back(self, now: float, leg: PhoneLeg, letter: Letter, reply: WebhookReply) -> None:
        if not self._fall_back(now, leg, letter, reply):
            self.next(now, leg)

    def _mid_call(self, now: float, leg: PhoneLeg, reply: WebhookReply) -> list[dict[str, Any]] | None:
        if not is_document(reply):
            return None
        try:
            return flow_of(reply.body)
        except Wrong as wrong:
            self._complain(now, leg, wrong)
            return None

    def _on_document(self, now: float, leg: PhoneLeg, letter: Letter, reply: WebhookReply) -> None:
        try:
            if not is_document(reply):
                raise Wrong({"answer": f"{reply.failure or reply.status} {reply.content_type}".strip()})
            actions = flow_of(reply.body)
        except Wrong as wrong:
            if not self._fall_back(now, leg, letter, reply):
                self._give_up(now, leg, wrong)
            return
        self.start(now, leg, actions)

    def _fall_back(self, now: float, leg: PhoneLeg, letter: Letter, reply: WebhookReply) -> bool:
        hook = self._parts.applications.of(leg.application_id).hook("fallback_answer_url")
        if not hook.url or letter.purpose == "fallback":
            return False
        original = {"url": letter.url, "type": "answer" if letter.purpose == "answer" else "event"}
        reason = f"Connection {_FAILURES[reply.failure]}." if reply.status == 0 else f"HTTP status {reply.status}."
        reason = "Invalid NCCO." if is_document(reply) else reason
        payload = {**letter.payload, "reason": reason, "original_request": original}
        self._parts.post.ask(now, leg, "fallback", hook.url, hook.method, payload)
        return True

    def _give_up(self, now: float, leg: PhoneLeg, wrong: Wrong) -> None:
        self._complain(now, leg, wrong)
        self._parts.calls.hang_up(now, leg)

    def _complain(self, now: float, leg: PhoneLeg, wrong: Wrong) -> None:
        self._parts.refused(now, str(wrong), leg)
        self._parts.post.complain(now, leg, f"Syntax error in NCCO. {wrong}")

    # --- action by action ----------------------------------------------------------------------------------------

    def next(self, now: float, leg: PhoneLeg) -> None:
        """Carry out what comes next; a flow that has come to its end ends the call, unless others are still with it."""
        leg.step += 1
        if leg.ended or leg.taken_back:
            return
        if leg.actions:
            action = leg.actions.pop(0)
            VERBS[action["action"]](self._parts, now, leg, action)
        else:
            self.at_end(now, leg)

    def at_end(self, now: float, leg: PhoneLeg) -> None:
        """Nothing is left to do."""
        rooms = self._parts.rooms
        if leg.waiting_to_join:
            self._parts.connects.let_in(now, leg)
        elif rooms.companions(leg) or rooms.connected_by(leg):
            leg.idle = True
        else:
            self._parts.calls.hang_up(now, leg)

    def on_played(self, now: float, leg: PhoneLeg, key: str) -> None:
        """A clip is over, or could not be played: the action that waited for it is done."""
        if key.endswith(f":flow:{leg.step}") and not leg.ended:
            self.next(now, leg)
        elif leg.gather is not None:
            self._parts.gathers.sound_ended(now, leg)


_FAILURES = {"connect": "refused", "timeout": "timed out", "reset": "closed", "": "closed"}


def _of_an_event(letter: Letter) -> bool:
    """A fallback that stands in for an event's URL: without a flow from it the rest goes on."""
    original = letter.payload.get("original_request", {})
    return letter.purpose == "fallback" and original.get("type") == "event"
