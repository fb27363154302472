"""The lab's Plivo: keys that the person presses for a `<GetDigits>` or `<GetInput>`. Pure."""

from collections.abc import Mapping

from msgspec import Struct

from carriers.plivo.simulator_calls import Call
from carriers.plivo.simulator_documents import Verb
from carriers.plivo.simulator_scripts import Scripts, VerbHandler
from carriers.plivo.simulator_sounds import Sounds, beep
from carriers.plivo.simulator_switch import Switch


class Rules(Struct, frozen=True, kw_only=True):
    """When input is complete. Seconds."""

    count: int
    finish: str
    valid: str
    first_s: float
    """From the end of the prompts to the first key; for GetInput, to the end."""
    next_s: float
    prompts: tuple[Verb, ...]


class Input(Struct, kw_only=True, eq=False):
    """One element that collects keys."""

    call: Call
    verb: Verb
    rules: Rules
    step: int
    tries: int
    digits: str = ""
    programme: str = ""
    turn: int = 0
    """Counts waits, so that an older one's end means nothing."""


class Inputs:
    """One at a time on each call."""

    def __init__(self, switch: Switch, scripts: Scripts, sounds: Sounds) -> None:
        self._switch, self._scripts, self._sounds = switch, scripts, sounds
        self._inputs: dict[str, Input] = {}

    def handlers(self) -> Mapping[str, VerbHandler]:
        """For `Scripts.verbs`."""
        return {"GetDigits": self._get_digits, "GetInput": self._get_input}

    def forget(self) -> None:
        """Drop what is under way."""
        self._inputs.clear()

    def _get_digits(self, now: float, call: Call, verb: Verb) -> bool:
        rules = Rules(
            count=verb.whole("numDigits", 99),
            finish=verb.attributes.get("finishOnKey", "#"),
            valid=verb.attributes.get("validDigits", "1234567890*#"),
            first_s=verb.whole("timeout", 5),
            next_s=verb.whole("digitTimeout", 2),
            prompts=(*verb.children, *([beep()] if verb.true("playBeep") else [])),
        )
        return self._begin(now, call, verb, rules)

    def _get_input(self, now: float, call: Call, verb: Verb) -> bool:
        told = verb.attributes.get("digitEndTimeout", "auto")
        auto = float(self._switch.site.knobs.get("digit_end_timeout_auto_s", 4.0))
        rules = Rules(
            count=verb.whole("numDigits", 32),
            finish=verb.attributes.get("finishOnKey", "#"),
            valid="1234567890*#",
            first_s=verb.whole("executionTimeout", 15),
            next_s=auto if told == "auto" else float(told),
            prompts=verb.children,
        )
        return self._begin(now, call, verb, rules)

    def _begin(self, now: float, call: Call, verb: Verb, rules: Rules) -> bool:
        wanted = Input(call=call, verb=verb, rules=rules, step=call.step, tries=max(1, verb.whole("retries", 1)))
        self._inputs[call.uuid] = wanted
        self._scripts.then(call, lambda at: self._drop(at, wanted))
        self._prompt(now, wanted)
        return True

    def _drop(self, now: float, wanted: Input) -> None:
        self._inputs.pop(wanted.call.uuid, None)
        self._sounds.stop(now, wanted.programme)

    # --- waiting -------------------------------------------------------------------------------------------------

    def _prompt(self, now: float, wanted: Input) -> None:
        wanted.digits = ""
        wanted.turn += 1
        turn = wanted.turn
        wanted.programme = self._sounds.play(
            now, wanted.call, list(wanted.rules.prompts), lambda at: self._prompted(at, wanted, turn)
        )

    def _prompted(self, now: float, wanted: Input, turn: int) -> None:
        if wanted.turn == turn:
            self._wait(now, wanted, wanted.rules.first_s)

    def _wait(self, now: float, wanted: Input, seconds: float) -> None:
        wanted.turn += 1
        self._switch.wake(now + max(seconds, 0.02), "input", f"{wanted.call.uuid}:{wanted.step}:{wanted.turn}")

    def on_time(self, now: float, key: str) -> None:
        """A wait is over: what there is, is the input; if there is nothing, the prompts come again, or the next element."""
        uuid, step, turn = key.split(":")
        wanted = self._inputs.get(uuid)
        if wanted is None or (str(wanted.step), str(wanted.turn)) != (step, turn):
            return
        if wanted.digits:
            self._complete(now, wanted)
        else:
            self._try_again(now, wanted)

    def _try_again(self, now: float, wanted: Input) -> None:
        wanted.tries -= 1
        if wanted.tries > 0:
            self._prompt(now, wanted)
            return
        self._drop(now, wanted)
        if self._scripts.waits(wanted.call, wanted.step):
            self._scripts.go_on(now, wanted.call)

    # --- keys ----------------------------------------------------------------------------------------------------

    def on_digit(self, now: float, call: Call, digit: str) -> None:
        """The first key ends the prompts."""
        wanted = self._inputs.get(call.uuid)
        if wanted is None or not self._scripts.waits(call, wanted.step):
            return
        self._sounds.stop(now, wanted.programme)
        if digit == wanted.rules.finish:
            self._complete(now, wanted)
        elif digit not in wanted.rules.valid:
            self._complain(now, wanted)
        else:
            self._take(now, wanted, digit)

    def _take(self, now: float, wanted: Input, digit: str) -> None:
        wanted.digits += digit
        if len(wanted.digits) >= wanted.rules.count:
            self._complete(now, wanted)
        else:
            self._wait(now, wanted, wanted.rules.next_s)

    def _complain(self, now: float, wanted: Input) -> None:
        url = wanted.verb.attributes.get("invalidDigitsSound", "")
        wanted.turn += 1
        pieces = [Verb("Play", {}, url)] if url else []
        wanted.programme = self._sounds.play(now, wanted.call, pieces, lambda at: self._complained(at, wanted))

    def _complained(self, now: float, wanted: Input) -> None:
        if self._inputs.get(wanted.call.uuid) is wanted:
            self._try_again(now, wanted)

    def _complete(self, now: float, wanted: Input) -> None:
        self._inputs.pop(wanted.call.uuid, None)
        told = {"Digits": wanted.digits}
        if wanted.verb.name == "GetInput":
            told |= {"InputType": "dtmf", "Speech": "", "SpeechConfidenceScore": "", "BilledAmount": "0.00000"}
        self._scripts.act(now, wanted.call, wanted.verb, told)
