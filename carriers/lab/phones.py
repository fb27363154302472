"""A phone in the lab: how it behaves when it is called, and what became of its calls. Pure."""

from enum import StrEnum
from typing import Any

from msgspec import Struct, field, to_builtins
from msgspec.structs import replace

from carriers.lab.fields import BadField, Rule, flag, number_between, one_of, optional, phone_number, read_fields, text_of
from carriers.lab.recording import Heard, Recording
from carriers.lab.says import Speech, read_says
from carriers.lab.voices import Voice

KEPT_CALLS = 1000
KEPT_RECORDINGS = 5
"""A recording takes up to 9.6 MB; older calls of a phone keep their measures only."""


class Behavior(StrEnum):
    """What a phone does with a call."""

    ANSWER = "answer"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINE = "decline"
    MACHINE = "machine"
    """Answers, says its greeting and a beep, then only listens."""
    UNREACHABLE = "unreachable"
    INVALID = "invalid"


class PhoneSetup(Struct, frozen=True, kw_only=True):
    """Times in seconds. The default is the phone that nobody set up."""

    behavior: Behavior = Behavior.ANSWER
    answer_after_s: float = 1.0
    """How long it rings before it answers or declines."""
    hangup_after_s: float | None = None
    """How long after the answer the person hangs up; None: never."""
    speech: Speech = field(default_factory=lambda: read_says("speech"))
    dtmf: str = ""
    """Keys pressed after the answer: the first after 0.5 s, then one each 0.3 s; `w` waits 0.5 s more."""


class CallState(StrEnum):
    """Where one call to a phone is."""

    DIALED = "dialed"
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


class PhoneCall(Struct, kw_only=True, eq=False):
    """One call of one carrier to this phone. Times are unix seconds, 0 where it never came to that."""

    carrier: str
    ref: str
    number: str
    caller_id: str
    """Who calls: ours where the carrier dialled, the phone's own where it did; empty where it is withheld."""
    setup: PhoneSetup
    called: str = ""
    """Our number, if the phone placed the call; empty if it was called."""
    state: CallState = CallState.DIALED
    rang_at: float = 0.0
    answered_at: float = 0.0
    ended_at: float = 0.0
    cause: str = ""
    by: str = ""
    while_busy: bool = False
    """It reached a phone that was ringing or talking: the person noticed, the caller got `busy`."""
    voice: Voice | None = None
    recording: Recording | None = None
    heard: Heard = Heard()
    """The final measure, once the call has ended."""
    person_flows: bool = False
    customer_flows: bool = False
    bridged: bool = False
    keys_heard: str = ""
    """DTMF that the other side sent."""

    @property
    def placed_here(self) -> bool:
        """The phone placed it."""
        return bool(self.called)

    def measure(self, now: float) -> Heard:
        """What the ear got so far."""
        live = self.state is CallState.ANSWERED and self.recording is not None
        return self.recording.measure(now) if live and self.recording else self.heard

    def report(self, now: float) -> dict[str, Any]:
        """As the control surface shows it."""
        return {
            "carrier": self.carrier,
            "carrier_call_id": self.ref,
            "from": self.caller_id,
            "to": self.called or self.number,
            "direction": "inbound" if self.placed_here else "outbound",
            "state": self.state.value,
            "rang_at": self.rang_at,
            "answered_at": self.answered_at,
            "ended_at": self.ended_at,
            "cause": self.cause,
            "by": self.by,
            "while_busy": self.while_busy,
            "bridged": self.bridged,
            "keys_heard": self.keys_heard,
            "heard": _heard_report(self.measure(now)),
        }


class CallPlan(Struct, frozen=True, kw_only=True):
    """How a person calls one of our numbers."""

    to: str
    setup: PhoneSetup | None = None
    """How they behave in this call; None: as the phone is set up."""
    patience_s: float = 60.0
    """How long they let it ring."""
    caller_name: str = ""
    attestation: str = "A"
    withheld: bool = False


class TextMessage(Struct, frozen=True, kw_only=True):
    """A text that reached a phone."""

    at: float
    carrier: str
    ref: str
    caller_id: str
    body: str


class Phone(Struct, kw_only=True, eq=False):
    """A number, its set-up and its history. `attended`: a client of the line answers, the set-up does not."""

    number: str
    setup: PhoneSetup = field(default_factory=PhoneSetup)
    attended: bool = False
    rings: int = 0
    """Every ring that a person would notice, the call waiting tone of a second call included."""
    answers: int = 0
    calls: list[PhoneCall] = []
    messages: list[TextMessage] = []

    @property
    def live(self) -> list[PhoneCall]:
        """Calls that have not ended, oldest first."""
        return [call for call in self.calls if call.state is not CallState.ENDED]

    @property
    def occupied(self) -> bool:
        """Ringing or talking: a second caller gets busy."""
        return any(call.state in {CallState.RINGING, CallState.ANSWERED} for call in self.calls)

    def keep(self, call: PhoneCall) -> None:
        """Remember the call; forget the oldest sounds and, much later, the oldest calls."""
        self.calls.append(call)
        del self.calls[:-KEPT_CALLS]
        finished = [past for past in self.calls if past.recording is not None and past.state is CallState.ENDED]
        for old in finished[:-KEPT_RECORDINGS]:
            if old.recording is not None:
                old.recording.forget()
            old.recording = None

    def recorded(self, index: int = -1) -> PhoneCall | None:
        """The index-th answered call whose sound is kept; -1 is the last one."""
        kept = [call for call in self.calls if call.recording is not None]
        return kept[index] if -len(kept) <= index < len(kept) else None

    def report(self, now: float) -> dict[str, Any]:
        """As the control surface shows it; `heard` is of the last answered call."""
        answered = [call for call in self.calls if call.answered_at]
        return {
            "number": self.number,
            "behavior": self.setup.behavior.value,
            "says": self.setup.speech.word,
            "attended": self.attended,
            "rings": self.rings,
            "answers": self.answers,
            "live": [call.report(now) for call in self.live],
            "heard": _heard_report(answered[-1].measure(now) if answered else Heard()),
            "calls": [call.report(now) for call in self.calls],
            "messages": [to_builtins(message) for message in self.messages],
        }


def _heard_report(heard: Heard) -> dict[str, float]:
    return {
        "seconds": heard.seconds,
        "speech_seconds": heard.speech_seconds,
        "longest_silence_s": heard.longest_silence_s,
    }


def _spoken(value: Any) -> Speech:
    if not isinstance(value, str):
        raise BadField("says", f"must be a string, not {value!r}")
    return read_says(value)


def _number(value: Any) -> str:
    if not isinstance(value, str):
        raise BadField("to", f"must be a number as a string, not {value!r}")
    return phone_number(value, "to")


def _name(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 100 or not value.isprintable():
        raise BadField("caller_name", "must be a string of at most 100 printable characters")
    return value


_RULES: dict[str, Rule] = {
    "behavior": one_of(Behavior),
    "answer_after_s": number_between(0, 600),
    "hangup_after_s": optional(number_between(0, 86400)),
    "says": _spoken,
    "dtmf": text_of("0123456789*#ABCDw", "keys 0-9 * # A-D, with w for a pause"),
}


def read_phone(data: Any) -> PhoneSetup:
    """A set-up from the user's words; raise BadField naming field and cure."""
    return _set_up(read_fields(data, _RULES))


_CALL_RULES: dict[str, Rule] = {
    "to": _number,
    "patience_s": number_between(0.1, 600),
    "caller_name": _name,
    "attestation": one_of(("A", "B", "C", "")),
    "withheld": flag,
}
_IN_CALL = ("says", "dtmf", "hangup_after_s")


def read_call(data: Any, usual: PhoneSetup) -> CallPlan:
    """What `POST /lab/phones/{number}/call` asks for; `usual` is the phone's set-up, which `says`, `dtmf` and
    `hangup_after_s` replace for this call. Raise BadField naming field and cure.
    """
    read = read_fields(data, {**_CALL_RULES, **{name: _RULES[name] for name in _IN_CALL}})
    if "to" not in read:
        raise BadField("to", "name the number to call: one of the carriers' own, see /lab/credentials")
    talk = {name: read.pop(name) for name in _IN_CALL if name in read}
    if "says" in talk:
        talk["speech"] = talk.pop("says")
    return CallPlan(setup=replace(usual, **talk), **read)


def _set_up(read: dict[str, Any]) -> PhoneSetup:
    behavior = Behavior(read.get("behavior", "answer"))
    speech = read.get("says") or read_says("machine" if behavior is Behavior.MACHINE else "speech")
    return PhoneSetup(
        behavior=behavior,
        answer_after_s=read.get("answer_after_s", 1.0),
        hangup_after_s=read.get("hangup_after_s"),
        speech=speech,
        dtmf=read.get("dtmf", ""),
    )
