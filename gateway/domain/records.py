"""The two records that the store keeps and the API shows: a call, and its legs. Plain data; the rules are in call.py, leg.py.

All times are unix seconds (float), None where it has not happened. Records are stored as JSON with their `schema`
version; fields that a reader does not know are ignored, so that two versions of Holdline can share one store.
"""

from msgspec import Struct

from gateway.domain.outcome import (
    DIALING_PHASES,
    FINAL_PHASES,
    CallStatus,
    Direction,
    Knowledge,
    LegPhase,
    Outcome,
    Priority,
    Role,
)
from gateway.domain.verdict import Verdict
from gateway.domain.voicemail import MessageStage
from gateway.domain.window import Window

SCHEMA = 1


class Leg(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt of a call on one carrier. Its id is our tag at the carrier."""

    id: str
    call_id: str
    carrier: str
    caller_id: str
    media_token: str
    round: int
    """The dialling round in which it was made; in one round each carrier is tried at most once."""
    created_at: float
    role: Role = Role.PERSON
    phase: LegPhase = LegPhase.INTENDED
    knowledge: Knowledge | None = None
    verdict: Verdict | None = None
    carrier_call_id: str = ""
    carrier_data: dict[str, str] = {}
    why: str = ""
    # what the router said of the carrier, for the rest of the leg's life
    probe: bool = False
    breaker_epoch: int = 0
    ringing_events: bool = True
    lookup_settles_s: float = 5.0
    place_timeout_s: float = 8.0
    ring_timeout_s: int = 45
    max_duration_s: int = 3600
    by_command: bool = False
    """Inbound, at a carrier that is told by commands what to do with it."""
    streams_by_command: bool = False
    """Its carrier can be told to open another stream of it."""
    resends_safely: bool = False
    """Its carrier ignores a repeat of a dial that it has."""
    limit_at_carrier: bool = True
    """The carrier was told `max_duration_s` with the dial. Of a caller's leg it knows none: our own timer alone ends it."""
    # how far it came
    fence: int = 0
    deadline: float = 0.0
    sent_at: float | None = None
    unknown_at: float | None = None
    resend_asked: bool = False
    resent_by: float | None = None
    """The dial was sent once more, if at all, until then."""
    accepted_at: float | None = None
    alerted_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    unseen: int = 0
    """Look-ups in a row that did not list it; before the first proof of it, only those after `lookup_settles_s`."""
    watch_at: float = 0.0
    """When the leg's own timer is due; an earlier one that still fires means nothing."""
    hangup_wanted: bool = False
    """It must end, and whatever answers must never reach the agent."""
    given_up: Verdict | None = None
    """Why we ended it ourselves; judges the leg in place of the carrier's word for our own hang-up."""
    hangups: int = 0
    streams: int = 0
    """Media sockets opened so far."""
    stream_open: bool = False
    stream_failures: int = 0
    orphaned: bool = False
    """Its stream was lost with our process, not by the carrier: asked what to do, we connect it again."""
    orphaned_at: float | None = None
    stream_orders: int = 0
    """How often its carrier was told to open a stream."""
    message: MessageStage | None = None
    """Its carrier records a message with its own means."""
    message_until: float | None = None
    """By then that is over, or we end it."""
    signaled: bool = False
    """Its one word to the carrier's breaker has been given."""

    @property
    def live(self) -> bool:
        """It may still ring, or hold a line."""
        return self.phase not in FINAL_PHASES

    @property
    def dialing(self) -> bool:
        """Nobody has been alerted as far as we know."""
        return self.phase in DIALING_PHASES


class Promise(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An open promise to place the call (again) at `due_at`."""

    id: str
    due_at: float
    attempts: int = 0
    reason: str = ""


class Loss(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent that could not take the call, or was lost in it."""

    at: float
    agent: str
    reason: str
    """Kebab-case: `socket-1006`, `no-first-word`, `breaker-open`."""
    began: bool = False
    """It had been ready for the person; else it never took the call."""


class Descent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far down its ladder a call has come (domain/ladder.py)."""

    talking: str = ""
    """Who talks in place of the call's own agent; empty: nobody does."""
    rung: int = -1
    """The place of the last rung taken; the next one lies below it."""
    holds: int = 0
    lost: tuple[Loss, ...] = ()
    """In order."""


class Call(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the user asked for: one conversation with one person, on whatever carrier."""

    id: str
    to: str
    session_id: str
    created_at: float
    expires_at: float
    direction: Direction = Direction.OUTBOUND
    from_number: str | None = None
    """The caller id that the user asked for; None lets each carrier use a number of its own. Inbound: who calls, None if
    the number is withheld.
    """
    caller_name: str = ""
    attestation: str = ""
    """STIR/SHAKEN of an inbound call, as its carrier reports it: A, B, C or empty."""
    language: str = ""
    """What the route says the agent should speak, as BCP 47."""
    agent: str = ""
    route: str = ""
    carriers: tuple[str, ...] = ()
    """Restrict and order; empty: as the route says."""
    metadata: dict[str, str] = {}
    max_duration_s: int = 3600
    ring_timeout_s: int = 45
    on_exhausted: str = "callback"
    not_before: float | None = None
    status: CallStatus = CallStatus.DIALING
    outcome: Outcome | None = None
    reason: str = ""
    answered_at: float | None = None
    ended_at: float | None = None
    round: int = 1
    pace_since: float | None = None
    """When this round first waited for a carrier's pace."""
    promise: Promise | None = None
    promise_attempts: int = 0
    """How often a promise of this call has come due."""
    promised_at: float | None = None
    """When it first became a promise; None: it never was one."""
    purpose: str = ""
    """What for: one of the API's words, or of ours (`callback`); empty: nobody said."""
    note: str = ""
    """To the agent that calls back, from whoever promised it."""
    priority: Priority = Priority.NORMAL
    duplicate: bool = False
    """It may stand beside another open promise for the same number and purpose."""
    window: Window | None = None
    """It is dialled only then."""
    retry_on: tuple[Outcome, ...] = ()
    """Ended so, it is tried again by a new call."""
    retries: int = 0
    """How many calls before it tried the same."""
    retry_of: str = ""
    """The call that it tries again."""
    retried_as: str = ""
    """The call that tries it again."""
    callback_of: str = ""
    """The earlier call that it was promised in."""
    handed_from: str = ""
    """The caller's call, of a call to the colleague who is to have it."""
    handed_to: str = ""
    """The call to the colleague who has, or had, this caller."""
    cancel_wanted: bool = False
    voicemail: str = ""
    """The message that was left in it, once it is sure to be kept: `vm_...`."""
    legs: tuple[Leg, ...] = ()
    ladder: Descent = Descent()
    resumed: int = 0
    schema: int = SCHEMA
    version: int = 0
    """Counts the writes; the store's compare-and-set rests on it."""

    @property
    def leg(self) -> Leg | None:
        """The leg that matters now: the newest."""
        return self.legs[-1] if self.legs else None

    @property
    def talks(self) -> str:
        """The name of the agent that has the conversation now, or is to have it."""
        return self.ladder.talking or self.agent

    @property
    def ended(self) -> bool:
        """Terminal; nothing changes any more."""
        return self.status is CallStatus.ENDED

    def find(self, leg_id: str) -> Leg | None:
        """The leg of this id."""
        return next((leg for leg in self.legs if leg.id == leg_id), None)


class MediaCounters(Struct, frozen=True, kw_only=True):
    """What the bridge counts of a leg's stream."""

    frames_in: int = 0
    frames_out: int = 0
    longest_gap_ms: int = 0
    mos_estimated: float | None = None
