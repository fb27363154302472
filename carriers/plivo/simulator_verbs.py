"""The lab's Plivo: the elements that are done in one go, or after a sound or a pause. Pure."""

from collections.abc import Mapping

from carriers.lab.contract import Wake
from carriers.lab.sound import is_loud
from carriers.lab.speaking import spoken
from carriers.plivo.simulator_calls import Call, Phase
from carriers.plivo.simulator_documents import Verb
from carriers.plivo.simulator_keys import KeySender
from carriers.plivo.simulator_scripts import Scripts, VerbHandler
from carriers.plivo.simulator_sounds import Sounds
from carriers.plivo.simulator_streams import Streams
from carriers.plivo.simulator_switch import Switch

_REJECTED = {"rejected": 3020, "busy": 3010}


class Verbs:
    """Stream, Redirect, Hangup, Speak, Play, Wait, DTMF, PreAnswer."""

    def __init__(self, switch: Switch, scripts: Scripts, sounds: Sounds, keys: KeySender, streams: Streams) -> None:
        self._switch, self._scripts, self._sounds, self._keys, self._streams = switch, scripts, sounds, keys, streams
        self._listening: dict[str, tuple[Call, int, float, float]] = {}
        """Calls in a `<Wait silence>`: the call, its step, seconds of silence wanted and so far."""

    def handlers(self) -> Mapping[str, VerbHandler]:
        """For `Scripts.verbs`."""
        return {
            "Stream": self._stream,
            "Redirect": self._redirect,
            "Hangup": self._hangup,
            "Speak": self._sound,
            "Play": self._sound,
            "Wait": self._wait,
            "DTMF": self._dtmf,
            "PreAnswer": self._pre_answer,
        }

    def forget(self) -> None:
        """Drop what is under way."""
        self._listening.clear()

    def _stream(self, now: float, call: Call, verb: Verb) -> bool:
        if self._streams.of(call):
            self._switch.refused(now, "a second <Stream> at a time on one call", call)
            return False
        keeps = verb.true("bidirectional") and verb.true("keepCallAlive")
        if not keeps:
            self._streams.begin(now, call, verb, lambda _now: None)
            return False
        go_on = self._scripts.then(call, lambda at: self._end_stream(at, call))

        def ended(at: float) -> None:
            call.stream = ""
            go_on(at)

        call.stream = self._streams.begin(now, call, verb, ended).id
        return True

    def _end_stream(self, now: float, call: Call) -> None:
        call.stream = ""
        for stream in self._streams.of(call):
            self._streams.stop(now, stream)

    def _redirect(self, now: float, call: Call, verb: Verb) -> bool:
        self._scripts.ask(now, call, "redirect", (verb.text, verb.attributes.get("method", "POST")), {})
        return True

    def _hangup(self, now: float, call: Call, verb: Verb) -> bool:
        if "schedule" in verb.attributes:
            self._switch.wake(now + verb.whole("schedule", 0), "schedule", call.uuid)
            return False
        code = _REJECTED.get(verb.attributes.get("reason", ""), 4000)
        if call.inbound and not call.answered and code == 4000:
            if self._switch.site.knobs.get("bare_hangup", "rejects") == "rejects":
                code = 3020
            else:
                self._switch.answer(now, call)
        if call.answered and code != 4000:
            code = 4000
        self._switch.end(now, call, code, "Answer XML")
        return True

    def on_schedule(self, now: float, uuid: str) -> None:
        """A `<Hangup schedule>` is due."""
        call = self._switch.calls.get(uuid)
        if call is not None and call.phase is Phase.ANSWERED:
            self._switch.end(now, call, 6000, "Answer XML")

    def _sound(self, now: float, call: Call, verb: Verb) -> bool:
        if verb.name == "Speak" and not spoken(verb.text):
            return False
        self._play(now, call, [verb])
        return True

    def _play(self, now: float, call: Call, verbs: list[Verb]) -> None:
        programmes: list[str] = []
        go_on = self._scripts.then(call, self._sounds.stopper(programmes))
        programmes.append(self._sounds.play(now, call, verbs, go_on))

    def _pre_answer(self, now: float, call: Call, verb: Verb) -> bool:
        """Early media: the caller hears it, and nothing has been answered."""
        heard = [child for child in verb.children if child.name != "Speak" or spoken(child.text)]
        if heard:
            self._play(now, call, heard)
        return bool(heard)

    def _wait(self, now: float, call: Call, verb: Verb) -> bool:
        length = float(verb.whole("length", 1))
        self._scripts.then(call, lambda _now: None)
        if verb.true("beep"):
            length = min(length, max(0.0, self._beep_at(call) - now))
        if verb.true("silence") and "minSilence" in verb.attributes:
            self._listening[call.uuid] = (call, call.step, verb.whole("minSilence", 0) / 1000, 0.0)
        self._scripts.pause(now, call, length)
        return True

    def _beep_at(self, call: Call) -> float:
        greeting = self._switch.site.network.greeting(self._switch.site.name, call.uuid)
        beep_s = greeting.beep_s if greeting is not None else None
        return float("inf") if beep_s is None else call.answered_at + beep_s

    def listens(self, call: Call) -> bool:
        """Whether the call's sound is being listened to."""
        return call.uuid in self._listening

    def hear(self, now: float, call: Call, said: bytes) -> None:
        """20 ms of a call that waits for silence."""
        if call.uuid not in self._listening:
            return
        waiting, step, wanted, quiet = self._listening.pop(call.uuid)
        quiet = 0.0 if is_loud(said) else quiet + 0.02
        if not self._scripts.waits(waiting, step):
            return
        if quiet >= wanted - 1e-9:
            self._switch.site.emit(Wake(at=now, key=f"next:{call.uuid}:{step}"))
        else:
            self._listening[call.uuid] = (waiting, step, wanted, quiet)

    def _dtmf(self, now: float, call: Call, verb: Verb) -> bool:
        if verb.true("async", default=True):
            self._keys.send(now, call, verb.text)
            return False
        self._keys.send(now, call, verb.text, self._scripts.then(call))
        return True
