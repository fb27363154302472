"""Everything that can happen to a call or to one of its legs.

A `LegEvent` is what a carrier, the dialer, the reconciler or the bridge reports of one leg; a `CallEvent` is what a
user, the router or a timer says to the call as a whole. All are plain data, stored in the call's log, and replaying the
log rebuilds the call. Webhooks come late, twice and out of order: no event assumes that another one came before it.
"""

from msgspec import Struct

from gateway.domain.outcome import Knowledge
from gateway.domain.verdict import Verdict

# --- what happens to a leg ---------------------------------------------------------------------------------------


class LegEvent(Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Base of all events of one leg. `carrier_call_id` is filled wherever the reporter knows it."""

    carrier_call_id: str = ""
    carrier_data: dict[str, str] = {}
    """What later control of the leg needs beside its id (a region's URL); merged into the leg, opaque to the core."""


class DialSending(LegEvent, frozen=True, kw_only=True):
    """One worker won the right to POST; `deadline` is the unix time after which it must not begin."""

    fence: int
    deadline: float


class DialReported(LegEvent, frozen=True, kw_only=True):
    """What the POST told: `knowledge` is NOT_SENT, REFUSED, ACCEPTED or UNKNOWN; a verdict unless accepted."""

    knowledge: Knowledge
    verdict: Verdict | None = None
    fence: int = 0


class DialOrphaned(LegEvent, frozen=True, kw_only=True):
    """A dial was found `sending` by somebody who is not its worker: nobody may POST, the truth must be looked up."""


class DialResending(LegEvent, frozen=True, kw_only=True):
    """One worker won the right to send an unknown dial once more, until `deadline`."""

    fence: int
    deadline: float


class DialResent(LegEvent, frozen=True, kw_only=True):
    """What the second POST told; only ACCEPTED means anything."""

    knowledge: Knowledge


class LegProgressed(LegEvent, frozen=True, kw_only=True):
    """The carrier works on it (queued, initiated, started): proof of placement, not yet of ringing."""


class LegRinging(LegEvent, frozen=True, kw_only=True):
    """Ringing or early media: the phone was alerted."""


class LegAnswered(LegEvent, frozen=True, kw_only=True):
    """Somebody, or a machine, took the call."""


class LegEnded(LegEvent, frozen=True, kw_only=True):
    """Terminal, as the carrier reports it; the verdict is the carrier folder's own judgement of its codes.

    `answered` and `alerted` say what the report itself proves (a duration, an answer time, "user busy"), since the
    webhooks that should have told earlier may be lost.
    """

    verdict: Verdict
    alerted: bool = False
    answered: bool = False


class LegFound(LegEvent, frozen=True, kw_only=True):
    """The reconciler found the leg at the carrier: `phase` is accepted, ringing, answered or ended."""

    phase: str
    verdict: Verdict | None = None


class LegMissing(LegEvent, frozen=True, kw_only=True):
    """One look-up was answered and did not list the leg; whether that means anything yet, the leg decides."""


class LookupFailed(LegEvent, frozen=True, kw_only=True):
    """One look-up was not answered."""

    reason: str


class StreamOpened(LegEvent, frozen=True, kw_only=True):
    """The carrier's media socket sent its start under the leg's own token: proof of the answer."""


class StreamFailed(LegEvent, frozen=True, kw_only=True):
    """The media socket could not be opened, broke, or is reported broken, while the leg may live on."""

    reason: str


class StreamClosed(LegEvent, frozen=True, kw_only=True):
    """The media socket is gone; `by_agent` when the agent ended the conversation, `orphaned` when the process that carried
    it died or let go: the session waits for another one.
    """

    by_agent: bool = False
    orphaned: bool = False


class MessageOrdered(LegEvent, frozen=True, kw_only=True):
    """The leg's carrier is to take a message with its own means; what becomes of the stream means nothing any more."""


class MessageRefused(LegEvent, frozen=True, kw_only=True):
    """The carrier does not: nothing was ordered."""

    reason: str


class MessageSpoken(LegEvent, frozen=True, kw_only=True):
    """The carrier has said the greeting, and waits for the command to record."""


class MessageRecording(LegEvent, frozen=True, kw_only=True):
    """The carrier has all that it needs to greet and record by itself."""


class MessageRecorded(LegEvent, frozen=True, kw_only=True):
    """The carrier's word that the recording is over; `carrier_data` says how to get it, where that is told only once.

    `names` is what the word gives in place of the leg's id: a leg whose own data says otherwise is not meant.
    """

    names: dict[str, str] = {}


AnyLegEvent = (
    DialSending
    | DialReported
    | DialOrphaned
    | DialResending
    | DialResent
    | LegProgressed
    | LegRinging
    | LegAnswered
    | LegEnded
    | LegFound
    | LegMissing
    | LookupFailed
    | StreamOpened
    | StreamFailed
    | StreamClosed
    | MessageOrdered
    | MessageRefused
    | MessageSpoken
    | MessageRecording
    | MessageRecorded
)

# --- what happens to a call --------------------------------------------------------------------------------------


class CallEvent(Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Base of all events of a call as a whole."""


class CallAccepted(CallEvent, frozen=True, kw_only=True):
    """The user's request is stored; from here on the call ends in exactly one outcome."""


class SessionResumed(CallEvent, frozen=True, kw_only=True):
    """Another process has taken the session over, and goes on with it from its stored context."""


class CallArrived(CallEvent, frozen=True, kw_only=True):
    """A caller reached one of our numbers, and the call is stored. `refusal` says why it is turned away (empty: it is
    taken), and `cause` what the caller then hears: busy or rejected.
    """

    leg_id: str
    media_token: str
    carrier: str
    carrier_call_id: str
    carrier_data: dict[str, str] = {}
    by_command: bool = False
    """The carrier wants a command, its webhook's answer is ignored."""
    streams_by_command: bool = False
    refusal: str = ""
    cause: str = "rejected"


class RouteChosen(CallEvent, frozen=True, kw_only=True):
    """The router took a carrier; carries all that the leg needs to know of it for the rest of its life."""

    leg_id: str
    media_token: str
    carrier: str
    caller_id: str
    why: str
    passed: tuple[str, ...] = ()
    """`carrier: reason` of those that were passed over before it."""
    probe: bool = False
    breaker_epoch: int = 0
    ringing_events: bool = True
    lookup_settles_s: float = 5.0
    place_timeout_s: float = 8.0
    streams_by_command: bool = False
    resends_safely: bool = False


class PaceHeld(CallEvent, frozen=True, kw_only=True):
    """The best carrier's pace (calls per second, concurrent calls) is used up; the call waits for its turn."""

    carrier: str
    until: float


class RouteExhausted(CallEvent, frozen=True, kw_only=True):
    """No carrier can take the call now; `retry_at` is the unix time at which one might."""

    passed: tuple[str, ...]
    retry_at: float
    reason: str = "no-carrier"


class DialDenied(CallEvent, frozen=True, kw_only=True):
    """Compliance said no, immediately before the dial: for ever, or until `retry_at`."""

    rule: str
    retry_at: float | None = None


class PromiseDue(CallEvent, frozen=True, kw_only=True):
    """The time of a scheduled call has come, or a carrier came back."""


class RunRequested(CallEvent, frozen=True, kw_only=True):
    """A user wants the promise kept now, whenever it would be due."""


class PromiseFolded(CallEvent, frozen=True, kw_only=True):
    """The call would be a promise now, but one to the same number for the same purpose is open: `into`, a call's id."""

    into: str


class RetryFolded(CallEvent, frozen=True, kw_only=True):
    """The ended call would be tried again, but a promise to the same number for the same purpose is open: `into`."""

    into: str


class CancelRequested(CallEvent, frozen=True, kw_only=True):
    """The user takes the call back before it is answered."""


class HangupRequested(CallEvent, frozen=True, kw_only=True):
    """The user or the agent ends the call, in whatever state it is; `by` is user, agent, agent-failed or agent-unavailable;
    and, of two calls that were handed to each other, caller, colleague or gateway.
    """

    by: str = "user"


class VoicemailStarted(CallEvent, frozen=True, kw_only=True):
    """A message is being recorded on the call's stream; its record and its file are there. `reason` as in the record."""

    voicemail_id: str
    reason: str


class VoicemailTaken(CallEvent, frozen=True, kw_only=True):
    """Enough of the message is on the disk: it is kept from here on, however the call ends."""

    voicemail_id: str


class VoicemailKept(CallEvent, frozen=True, kw_only=True):
    """The recording is over and its record says so; often after the call has ended, since callers hang up to end it.

    `ended_by` is the record's word for what ended the recording.
    """

    voicemail_id: str
    seconds: float
    silent: bool
    ended_by: str


class VoicemailMissing(CallEvent, frozen=True, kw_only=True):
    """The carrier was to record a message, and there is none: `reason` is no-recording, too-short, or why it cannot be asked."""

    reason: str


class AgentLost(CallEvent, frozen=True, kw_only=True):
    """The agent cannot take the call, or is lost in it; and the rung of the ladder that is taken instead.

    `to` is who talks from here on; empty if nobody does: the call is ended, or an agent is started with its next leg.
    """

    agent: str
    reason: str
    """Kebab-case."""
    detail: str = ""
    """In the words of whoever noticed it."""
    began: bool = False
    """It had been ready for the person."""
    rung: str = ""
    place: int = -1
    """The rung's place in the ladder, from 0."""
    to: str = ""
    passed: tuple[str, ...] = ()
    """`rung: why` of those that were passed over."""
    lost_at: float | None = None
    """When, where that is known: it may be told later, and twice."""


class AgentBack(CallEvent, frozen=True, kw_only=True):
    """A lost agent is there again, and goes on with the conversation."""

    agent: str


class HandedOver(CallEvent, frozen=True, kw_only=True):
    """A colleague has the caller from here on: `to` is the call that reaches them."""

    to: str


class TimerFired(CallEvent, frozen=True, kw_only=True):
    """A timer that a step asked for: `name` says which, `leg_id` whose (empty: the call's own)."""

    name: str
    leg_id: str = ""


class LegReported(CallEvent, frozen=True, kw_only=True):
    """Carries one leg's event to the call that owns the leg."""

    leg_id: str
    event: AnyLegEvent


AnyCallEvent = (
    CallAccepted
    | SessionResumed
    | CallArrived
    | RouteChosen
    | PaceHeld
    | RouteExhausted
    | DialDenied
    | PromiseDue
    | RunRequested
    | PromiseFolded
    | RetryFolded
    | CancelRequested
    | HangupRequested
    | VoicemailStarted
    | VoicemailTaken
    | VoicemailKept
    | VoicemailMissing
    | AgentLost
    | AgentBack
    | HandedOver
    | TimerFired
    | LegReported
)
