"""The legs of the simulated carrier, and the ways in which they end in the carrier's words."""

from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from carriers.lab.call_audio import CallAudio
from carriers.lab.playback import Playback
from carriers.lab.sound import SILENCE


class End(Struct, frozen=True):
    """How a leg ended, in the carrier's words."""

    status: str
    detail: str = ""
    sip_code: int | None = None


COMPLETED, CANCELLED, RANG_OUT = End("completed"), End("cancelled"), End("timeout")

CAUSES: dict[str, End] = {
    "busy": End("busy", "", 486),
    "timeout": End("unanswered", "timeout", 408),
    "carrier_timeout": End("unanswered", "carrier_timeout", 504),
    "unavailable": End("unanswered", "unavailable", 480),
    "declined": End("rejected", "declined", 603),
    "restricted": End("rejected", "restricted", 403),
    "invalid_number": End("rejected", "invalid_number", 484),
    "cannot_route": End("failed", "cannot_route"),
    "number_out_of_service": End("failed", "number_out_of_service", 404),
    "internal_error": End("failed", "internal_error", 503),
}
"""What the fault `reject` understands: the carrier's `detail` words, and `busy`, which has none."""

FROM_NETWORK: dict[str, End] = {
    "normal": COMPLETED,
    "canceled": CANCELLED,
    "busy": CAUSES["busy"],
    "no_answer": CAUSES["unavailable"],
    "declined": CAUSES["declined"],
    "unreachable": CAUSES["unavailable"],
    "invalid": CAUSES["number_out_of_service"],
}


class MachineWish(Struct, frozen=True, kw_only=True):
    """What was asked of machine detection. `waits`: the flow begins only when the detection is over."""

    hangs_up: bool
    waits: bool
    beep: bool
    beep_timeout_s: float = 45.0


@dataclass(kw_only=True)
class Gather:
    """An `input` action that is collecting keys."""

    most: int
    timeout_s: float
    submits_on_hash: bool
    event_url: str
    event_method: str
    digits: str = ""
    count: int = 0
    """Counts the restarts of its clock; a timer of an older one is void."""


@dataclass(kw_only=True, eq=False)
class Leg:
    """One member of a conversation. Phone numbers are without `+`."""

    uuid: str
    conversation_uuid: str
    application_id: str
    from_: str
    to: str
    event_url: str
    event_method: str
    created_at: float
    direction: str = "outbound"
    parent: "PhoneLeg | None" = None
    """The leg whose `connect` made this one."""
    synchronous: bool = False
    """That `connect` said eventType synchronous: a failure is asked about."""
    frees_flow: bool = False
    """That `connect` waits for the answer only, not for the end."""
    status: str = "started"
    start_time: float | None = None
    end_time: float | None = None
    disconnected_by: str = "user"
    muted: bool = False
    """It is not heard by the others."""
    earmuffed: bool = False
    """It does not hear the others."""
    can_hear: frozenset[str] | None = None
    can_speak: frozenset[str] | None = None
    """By which uuids it may be heard; None: by all."""

    @property
    def answered(self) -> bool:
        return self.start_time is not None

    @property
    def ended(self) -> bool:
        return self.end_time is not None


@dataclass(kw_only=True, eq=False)
class PhoneLeg(Leg):
    """A call to or from a phone. The network knows it under its uuid."""

    answer_url: str = ""
    answer_method: str = "GET"
    ringing_timer: int = 60
    length_timer: int = 7200
    actions: list[dict[str, Any]] = field(default_factory=list)
    """What is left of the flow."""
    reject: End | None = None
    shows_nobody: bool = False
    """The phone is shown no number: `from_` is not the account's."""
    dialled: bool = False
    taken_back: End | None = None
    """Set before the network is asked to hang up, so that its `canceled` gets the right word."""
    step: int = 0
    """Counts the actions; what answers an older step comes too late."""
    idle: bool = False
    """Its flow has come to its end while others are still with it."""
    connecting: Leg | None = None
    """The leg for whose end a `connect` waits."""
    barging: bool = False
    """A talk or stream with bargeIn has begun: keys stop it, until an input comes."""
    gather: Gather | None = None
    audio: CallAudio | None = None
    repeats: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    """Sounds that begin again when they end, by the key of their clip: the sound, and how often (below 0: without end)."""
    machine: MachineWish | None = None
    dtmf_answer: str = ""
    on_answer: str = ""
    """URL of a flow that the called party hears before it is joined."""
    waiting_to_join: bool = False
    """That flow runs: nobody of the conversation hears this leg yet."""
    ends_room: bool = False
    """A named conversation ends with this leg."""

    @property
    def ref(self) -> str:
        return self.uuid

    @property
    def person(self) -> str:
        """The number of the phone, as the ledger has it; empty for a caller who withholds it."""
        number = self.from_ if self.direction == "inbound" else self.to
        return f"+{number}" if number.isdecimal() else ""

    @property
    def voice(self) -> bytes:
        """The last 20 ms that the person said."""
        return SILENCE if self.audio is None or self.waiting_to_join else self.audio.said


@dataclass(kw_only=True, eq=False)
class SocketLeg(Leg):
    """The WebSocket end of a conversation; `to` is its address, `ref` and `person` are of the phone that it was opened for."""

    ref: str
    person: str
    rate: int
    headers: dict[str, Any]
    playback: Playback
    open: bool = False
    said: int = 0
    """Notifies so far, to tell equal payloads apart."""
    notices: dict[str, Any] = field(default_factory=dict)
    voice: bytes = SILENCE
    """The 20 ms of this tick that the customer sent."""


AnyLeg = PhoneLeg | SocketLeg
