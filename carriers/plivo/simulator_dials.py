"""The lab's Plivo: `<Dial>`: other people are called, and the first to answer talks with the caller. Pure."""

from collections.abc import Callable, Mapping

from msgspec import Struct

from carriers.lab.sound import SILENCE, tone
from carriers.plivo.simulator_calls import Call, Phase, new_uuid
from carriers.plivo.simulator_causes import CAUSES, status_of
from carriers.plivo.simulator_dial_sounds import DialSounds
from carriers.plivo.simulator_documents import Verb
from carriers.plivo.simulator_forms import billed_seconds, in_progress, whole_seconds
from carriers.plivo.simulator_keys import KeySender
from carriers.plivo.simulator_scripts import Scripts, VerbHandler
from carriers.plivo.simulator_switch import Switch

RINGBACK = tone(425, 1.0, 3000) + SILENCE * 200
"""What `dialMusic="real"` lets the caller hear, again and again: 1 s of tone, 4 s of nothing."""


class Dialling(Struct, kw_only=True, eq=False):
    """One `<Dial>` being obeyed."""

    a: Call
    verb: Verb
    step: int
    legs: list[Call]
    winner: Call | None = None
    last: Call | None = None
    """The leg that ended last."""
    asked: tuple[str, ...] = ()
    """Legs that have answered and were asked to confirm."""
    pressed: dict[str, str] = {}
    """Keys so far, by leg: aleg, bleg."""


class Dials:
    """At most one for each call."""

    def __init__(self, switch: Switch, scripts: Scripts, keys: KeySender, remote: DialSounds) -> None:
        self._switch, self._site, self._scripts, self._keys = switch, switch.site, scripts, keys
        self._remote = remote
        self._by_a: dict[str, Dialling] = {}
        self._by_leg: dict[str, Dialling] = {}
        self.on_connected: Callable[[float, Call], None] = lambda _now, _call: None

    def handlers(self) -> Mapping[str, VerbHandler]:
        """For `Scripts.verbs`."""
        return {"Dial": self._dial}

    def forget(self) -> None:
        """Drop what is under way."""
        self._by_a.clear()
        self._by_leg.clear()

    def other_of(self, call: Call) -> Call | None:
        """The B leg that this call talks with, if it does."""
        dialling = self._by_a.get(call.uuid)
        return dialling.winner if dialling else None

    def is_leg(self, call: Call) -> bool:
        """Whether a `<Dial>` called this one."""
        return call.uuid in self._by_leg

    # --- calling -------------------------------------------------------------------------------------------------

    def _dial(self, now: float, call: Call, verb: Verb) -> bool:
        dialling = Dialling(a=call, verb=verb, step=call.step, legs=[])
        dialling.legs = [self._leg(now, dialling, number) for number in verb.children]
        self._by_a[call.uuid] = dialling
        self._scripts.then(call, lambda at: self._broken_off(at, dialling))
        self._let_wait(now, dialling, verb.attributes.get("dialMusic", ""))
        return True

    def _let_wait(self, now: float, dialling: Dialling, music: str) -> None:
        """Without music the caller hears nothing while it rings."""
        if music == "real":
            self._ring_back(dialling)
        elif music:
            self._remote.play_for_ever(now, dialling.a, music, lambda: self._rings(dialling))

    def _rings(self, dialling: Dialling) -> bool:
        return self._by_a.get(dialling.a.uuid) is dialling and dialling.winner is None

    def _leg(self, now: float, dialling: Dialling, number: Verb) -> Call:
        verb = dialling.verb
        leg = Call(
            uuid=new_uuid(self._site.random),
            caller="+" + (verb.attributes.get("callerId") or dialling.a.caller or dialling.a.to).lstrip("+"),
            to="+" + number.text.lstrip("+"),
            settings={"send_digits": number.attributes["sendDigits"]} if "sendDigits" in number.attributes else {},
            ring_timeout=verb.whole("timeout", 120),
            time_limit=verb.whole("timeLimit", 14400),
            parent=dialling.a.uuid,
            accepted_at=now,
            phase=Phase.DIALED,
        )
        self._switch.calls[leg.uuid] = leg
        self._by_leg[leg.uuid] = dialling
        # Calls of a <Dial> do not count against the calls per second.
        self._switch.wake(now + self._site.knobs.get("setup_s", 0.1), "dial", leg.uuid)
        return leg

    def _ring_back(self, dialling: Dialling) -> None:
        self._switch.sound_of(dialling.a).play(RINGBACK, f"ringback:{dialling.a.uuid}")

    def on_played(self, key: str) -> None:
        """The ringing tone goes on for as long as it rings."""
        dialling = self._by_a.get(key.removeprefix("ringback:")) if key.startswith("ringback:") else None
        if dialling is not None and self._rings(dialling):
            self._ring_back(dialling)

    # --- somebody answers ----------------------------------------------------------------------------------------

    def on_answered(self, now: float, leg: Call) -> None:
        """The first to answer wins, or the first to confirm where that is asked for."""
        dialling = self._by_leg[leg.uuid]
        if dialling.winner is not None or not dialling.a.alive:
            self._switch.end(now, leg, 9000, "Plivo")
            return
        self._report(now, dialling, leg, "answer")
        sound, key = (dialling.verb.attributes.get(name, "") for name in ("confirmSound", "confirmKey"))
        if not sound:
            self._win(now, dialling, leg)
            return
        dialling.asked = (*dialling.asked, leg.uuid)
        self._remote.play_once(now, leg, sound, lambda at: None if key else self._win(at, dialling, leg))
        if key:
            self._switch.wake(now + dialling.verb.whole("confirmTimeout", 120), "confirm", leg.uuid)

    def on_unconfirmed(self, now: float, uuid: str) -> None:
        """The person who was asked has pressed nothing."""
        dialling = self._by_leg.get(uuid)
        leg = self._switch.calls.get(uuid)
        if dialling is not None and leg is not None and dialling.winner is not leg:
            self._switch.end(now, leg, 9110, "Plivo")

    def _win(self, now: float, dialling: Dialling, leg: Call) -> None:
        """The others are told that they lost."""
        if dialling.winner is not None or not leg.alive or leg.uuid not in self._by_leg:
            return
        dialling.winner = leg
        for other in dialling.legs:
            if other is not leg and other.alive:
                self._switch.end(now, other, 9000, "Plivo")
        digits = leg.settings.get("send_digits", "")
        if digits:
            self._keys.send(now, leg, digits, lambda at: self._connect(at, dialling, leg))
        else:
            self._connect(now, dialling, leg)

    def _connect(self, now: float, dialling: Dialling, leg: Call) -> None:
        if dialling.winner is not leg or not leg.alive or not dialling.a.alive:
            return
        for each in (dialling.a, leg):
            self._switch.sound_of(each).stop()
        self._switch.sound_of(dialling.a).join(self._switch.sound_of(leg))
        who = {"carrier": self._site.name, "number": dialling.a.person, "carrier_call_id": dialling.a.uuid}
        self._site.ledger.write(now, "joined", **who, **{"with": leg.uuid})
        self._report(now, dialling, leg, "connected")
        self.on_connected(now, dialling.a)

    # --- keys ----------------------------------------------------------------------------------------------------

    def on_digit(self, now: float, call: Call, digit: str) -> None:
        """`*` may end the other leg; patterns that match are reported."""
        dialling, side = self._by_a.get(call.uuid), "aleg"
        if dialling is None:
            dialling, side = self._by_leg.get(call.uuid), "bleg"
        if dialling is not None and dialling.winner is None and call.uuid in dialling.asked:
            if digit == dialling.verb.attributes.get("confirmKey"):
                self._win(now, dialling, call)
            return
        if dialling is None or dialling.winner is None:
            return
        if side == "aleg" and digit == "*" and dialling.verb.true("hangupOnStar"):
            self._switch.end(now, dialling.winner, 4000, "Caller")
            return
        self._match(now, dialling, side, digit)

    def _match(self, now: float, dialling: Dialling, side: str, digit: str) -> None:
        patterns = dialling.verb.attributes.get("digitsMatch" if side == "aleg" else "digitsMatchBLeg", "")
        pressed = (dialling.pressed.get(side, "") + digit)[-24:]
        found = next((each for each in patterns.split(",") if each and pressed.endswith(each)), "")
        dialling.pressed = {**dialling.pressed, side: "" if found else pressed}
        if found and dialling.winner is not None:
            told = {"DialDigitsMatch": found, "DialDigitsPressedBy": {"aleg": "ALeg", "bleg": "BLeg"}[side]}
            self._report(now, dialling, dialling.winner, "digits", told)

    # --- the end -------------------------------------------------------------------------------------------------

    def on_ended(self, now: float, call: Call) -> None:
        """A B leg is over; when none is left, so is the element."""
        dialling = self._by_leg.pop(call.uuid, None)
        if dialling is None:
            return
        if call.cause != 9000 or dialling.last is None:
            dialling.last = call
        self._report(now, dialling, call, "hangup", _length_of(call))
        if call is dialling.winner or not any(leg.uuid in self._by_leg for leg in dialling.legs):
            self._finish(now, dialling)

    def _finish(self, now: float, dialling: Dialling) -> None:
        if self._by_a.get(dialling.a.uuid) is not dialling:
            return
        del self._by_a[dialling.a.uuid]
        audio = self._switch.audio.get(dialling.a.uuid)
        if audio is not None:
            audio.part()
            audio.stop()
        if self._scripts.waits(dialling.a, dialling.step):
            self._scripts.act(now, dialling.a, dialling.verb, self._result(dialling))

    def _result(self, dialling: Dialling) -> dict[str, str]:
        leg = dialling.winner or dialling.last or dialling.legs[0]
        ended = leg.phase is Phase.ENDED
        unanswered = CAUSES[leg.cause].status if ended else "cancel"
        return {
            "DialALegUUID": dialling.a.uuid,
            "DialBLegUUID": leg.uuid if dialling.winner is not None else "",
            "DialHangupCause": CAUSES[leg.cause].raw if ended else "ORIGINATOR_CANCEL",
            "DialRingStatus": str(any(each.rang for each in dialling.legs)).lower(),
            "DialStatus": unanswered if dialling.winner is None else "completed",
        }

    def _broken_off(self, now: float, dialling: Dialling) -> None:
        """The caller hung up, or was told something else: the B legs go."""
        if self._by_a.pop(dialling.a.uuid, None) is None:
            return
        result = self._result(dialling)
        audio = self._switch.audio.get(dialling.a.uuid)
        if audio is not None:
            audio.part()
            audio.stop()
        for leg in dialling.legs:
            if leg.uuid in self._by_leg and leg.alive:
                self._switch.end(now, leg, 4000 if leg.answered else 1000, "Caller")
        self._report_hangup(now, dialling, result)

    def _report_hangup(self, now: float, dialling: Dialling, result: dict[str, str]) -> None:
        url = dialling.verb.attributes.get("action")
        over = dialling.a.phase is Phase.ENDED
        if url and over and self._site.knobs.get("action_on_hangup", True):
            form = {**in_progress(dialling.a, self._switch.account.auth_id, "Redirect"), **result}
            self._scripts.note(now, dialling.a, url, dialling.verb.attributes.get("method", "POST"), form)

    def release(self, now: float, leg: Call, finish: bool) -> None:
        """A B leg is told something of its own: it does not belong to the `<Dial>` any more, which ends (`finish`)."""
        dialling = self._by_leg.pop(leg.uuid, None)
        if dialling is not None and finish:
            dialling.last = leg
            self._finish(now, dialling)

    # --- live events ---------------------------------------------------------------------------------------------

    def _report(self, now: float, dialling: Dialling, leg: Call, action: str, more: Mapping[str, str] | None = None) -> None:
        url = dialling.verb.attributes.get("callbackUrl")
        if not url:
            return
        form = {
            **in_progress(dialling.a, self._switch.account.auth_id, _EVENTS[action]),
            "DialAction": action,
            "DialALegUUID": dialling.a.uuid,
            "DialBLegFrom": leg.caller.lstrip("+"),
            "DialBLegStatus": "answer" if action == "digits" else action,
            "DialBLegTo": leg.to.lstrip("+"),
            "DialBLegUUID": leg.uuid,
            **(more or {}),
        }
        self._scripts.note(now, dialling.a, url, dialling.verb.attributes.get("callbackMethod", "POST"), form)


_EVENTS = {"answer": "DialAnswer", "connected": "DialConnected", "hangup": "DialHangup", "digits": "DialDigitsMatch"}


def _length_of(leg: Call) -> dict[str, str]:
    return {
        "DialBLegBillDuration": str(billed_seconds(leg)),
        "DialBLegDuration": str(whole_seconds(leg)),
        "DialBLegHangupCause": CAUSES[leg.cause].raw,
        "DialBLegHangupCauseCode": str(leg.cause),
        "DialBLegHangupCauseName": CAUSES[leg.cause].name,
        "DialBLegHangupSource": leg.source,
        "DialBLegHangupStatus": status_of(leg.cause, leg.answered),
    }
