"""The simulated Telnyx' gather, gather_using_speak, gather_using_audio and gather_stop: keys until there are enough."""

from typing import Any

from msgspec import Struct

from carriers.lab.contract import RestReply, Site
from carriers.telnyx import simulator_calls as calls
from carriers.telnyx import simulator_fields as fields
from carriers.telnyx import simulator_rest as rest
from carriers.telnyx.simulator_calls import Call
from carriers.telnyx.simulator_commands import Verb
from carriers.telnyx.simulator_hooks import Hooks
from carriers.telnyx.simulator_lines import Lines
from carriers.telnyx.simulator_playing import Job, Playing, Sound, said

VALID_DIGITS = "0123456789#*"
MINIMUM, MAXIMUM, TRIES = 1, 128, 3


class Gather(Struct, kw_only=True, eq=False):
    """One that is going on. `round` counts its timers, so that one that was overtaken means nothing."""

    id: str
    body: dict[str, Any]
    prompt: Sound | None = None
    invalid_prompt: Sound | None = None
    events: str = ""
    """`playback` where the prompt's beginning and end are told."""
    digits: str = ""
    tries: int = 1
    round: int = 0
    job: Job | None = None


class Gathering:
    """One gather a call; a second one cancels the first.

    Knobs: `gather_timeout_s`, `gather_inter_digit_s`.
    """

    def __init__(self, site: Site, lines: Lines, hooks: Hooks, playing: Playing) -> None:
        self._site, self._lines, self._hooks, self._playing = site, lines, hooks, playing
        self._gathers: dict[str, Gather] = {}
        lines.on_pressed.append(self._on_pressed)
        lines.on_ending.append(lambda now, call: self._end(now, call, "call_hangup"))

    def verbs(self) -> dict[str, Verb]:
        """The commands it obeys."""
        speak = Verb(act=self._using_speak, fields=fields.GATHER_USING_SPEAK, required=("payload", "voice"))
        return {
            "gather": Verb(act=self._gather, fields=fields.GATHER),
            "gather_using_speak": speak,
            "gather_using_audio": Verb(act=self._using_audio, fields=fields.GATHER_USING_AUDIO, required=("audio_url",)),
            "gather_stop": Verb(act=self._stop),
        }

    def forget(self) -> None:
        """All of them."""
        self._gathers.clear()

    # --- commands ------------------------------------------------------------------------------------------------

    def _gather(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        return self._begin(now, call, Gather(id=body.get("gather_id") or self._new_id(), body=body))

    def _using_speak(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        invalid = Sound(text=said(body, "invalid_payload")) if "invalid_payload" in body else None
        return self._begin(now, call, Gather(id=self._new_id(), body=body, prompt=Sound(text=said(body)), invalid_prompt=invalid))

    def _using_audio(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        invalid = Sound(url=body["invalid_audio_url"]) if "invalid_audio_url" in body else None
        prompt = Sound(url=body["audio_url"])
        gather = Gather(id=self._new_id(), body=body, prompt=prompt, invalid_prompt=invalid, events="playback")
        return self._begin(now, call, gather)

    def _stop(self, now: float, call: Call, _body: dict[str, Any]) -> RestReply | None:
        self._end(now, call, "cancelled")
        return None

    def _begin(self, now: float, call: Call, gather: Gather) -> RestReply | None:
        body = gather.body
        if body.get("minimum_digits", MINIMUM) > body.get("maximum_digits", MAXIMUM):
            return rest.failure(422, "10015", "minimum_digits exceeds maximum_digits", "/minimum_digits")
        self._end(now, call, "cancelled")
        self._gathers[call.call_control_id] = gather
        self._ask(now, call, gather, gather.prompt)
        return None

    # --- how it goes ---------------------------------------------------------------------------------------------

    def _ask(self, now: float, call: Call, gather: Gather, prompt: Sound | None) -> None:
        """Play the prompt, then wait; without a prompt wait at once."""
        gather.digits = ""
        if prompt is None:
            self._wait_for_first(now, call, gather)
            return
        gather.job = self._playing.play(
            now, call, prompt, events=gather.events, then=lambda at, whole: self._prompted(at, call, gather, prompt, whole)
        )

    def _prompted(self, now: float, call: Call, gather: Gather, prompt: Sound, whole: bool) -> None:
        gather.job = None
        if self._gathers.get(call.call_control_id) is not gather:
            return
        if whole and prompt is gather.invalid_prompt and gather.prompt is not None:
            self._ask(now, call, gather, gather.prompt)
        elif not gather.digits:
            self._wait_for_first(now, call, gather)

    def _wait_for_first(self, now: float, call: Call, gather: Gather) -> None:
        whole_s = gather.body.get("timeout_millis", 1000 * self._site.knobs.get("gather_timeout_s", 60.0)) / 1000
        first_s = gather.body.get("initial_timeout_millis", 1000 * whole_s) / 1000
        self._timer(now + min(first_s, whole_s), call, gather, "first")
        if gather.prompt is None:
            self._lines.wake(now + whole_s, "gather", call, f"{gather.id} whole")

    def _timer(self, at: float, call: Call, gather: Gather, what: str) -> None:
        gather.round += 1
        self._lines.wake(at, "gather", call, f"{gather.id} {what}-{gather.round}")

    def on_timer(self, now: float, call: Call, word: str) -> None:
        """A time of a gather has come: nothing was pressed, nothing more was pressed, or all of it took too long."""
        gather, (gather_id, _, what) = self._gathers.get(call.call_control_id), word.partition(" ")
        if gather is None or gather.id != gather_id:
            return
        current = what == "whole" or what.endswith(f"-{gather.round}")
        if current and gather.digits:
            self._judge(now, call, gather)
        elif current:
            self._nothing_came(now, call, gather)

    def _on_pressed(self, now: float, call: Call, digit: str) -> None:
        gather = self._gathers.get(call.call_control_id)
        if gather is None:
            return
        if gather.job is not None:  # a key interrupts the prompt
            job, gather.job = gather.job, None
            self._playing.cancel(now, call, job)
        if digit == gather.body.get("terminating_digit", "#"):
            self._judge(now, call, gather)
            return
        gather.digits += digit
        if len(gather.digits) >= gather.body.get("maximum_digits", MAXIMUM):
            self._judge(now, call, gather)
            return
        wait_s = gather.body.get("inter_digit_timeout_millis", 1000 * self._site.knobs.get("gather_inter_digit_s", 5.0)) / 1000
        self._timer(now + wait_s, call, gather, "next")

    def _judge(self, now: float, call: Call, gather: Gather) -> None:
        enough = len(gather.digits) >= gather.body.get("minimum_digits", MINIMUM)
        if enough and set(gather.digits) <= set(gather.body.get("valid_digits", VALID_DIGITS)):
            self._end(now, call, "valid")
        elif self._may_try_again(gather):
            self._ask(now, call, gather, gather.invalid_prompt or gather.prompt)
        else:
            self._end(now, call, "invalid")

    def _nothing_came(self, now: float, call: Call, gather: Gather) -> None:
        if self._may_try_again(gather):
            self._ask(now, call, gather, gather.prompt)
        else:
            self._end(now, call, "timeout")

    @staticmethod
    def _may_try_again(gather: Gather) -> bool:
        gather.tries += 1
        return gather.prompt is not None and gather.tries <= gather.body.get("maximum_tries", TRIES)

    def _end(self, now: float, call: Call, status: str) -> None:
        gather = self._gathers.pop(call.call_control_id, None)
        if gather is None:
            return
        if gather.job is not None:
            self._playing.cancel(now, call, gather.job)
        told = {"digits": gather.digits, "status": status, "gather_id": gather.id}
        self._hooks.tell(now, call, "call.gather.ended", call.ids() | {"from": call.origin, "to": call.to} | told)

    def _new_id(self) -> str:
        return calls.new_uuid(self._site.random)
