"""What the API shows, field by field; OpenAPI takes its words from here. Times are RFC 3339 UTC, numbers E.164."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from gateway.domain.breaker import BreakerState
from gateway.domain.hand import ServiceState
from gateway.domain.outcome import CallStatus, Direction, Knowledge, Outcome, Priority, Role
from gateway.domain.records import MediaCounters
from gateway.domain.verdict import Attribution, Disposition
from gateway.domain.window import Window


class VerdictView(Struct, frozen=True, kw_only=True):
    """What the end of a leg means."""

    attribution: Attribution
    disposition: Disposition
    reason: Annotated[str, Meta(description="A word of ours, the same for every carrier: `user-busy`, `rate-limited` ...")]
    code: Annotated[str, Meta(description="The carrier's own code.")] | None


class LegView(Struct, frozen=True, kw_only=True):
    """One attempt of a call on one carrier."""

    id: Annotated[str, Meta(description="`leg_...`")]
    role: Role
    carrier: Annotated[str, Meta(description="The config's name of the carrier.")]
    carrier_call_id: Annotated[str, Meta(description="The carrier's own id of it; null until the carrier has told it.")] | None
    from_: Annotated[str, Meta(description="The caller id, owned on this carrier.")] = field(name="from")
    status: Annotated[str, Meta(description="`dialing`, `ringing`, `answered`, `ended` or `condemned`.")]
    knowledge: Knowledge | None
    verdict: VerdictView | None
    created_at: Annotated[str, Meta(description="When the carrier was chosen.")]
    alerted_at: Annotated[str, Meta(description="When the phone rang.")] | None
    answered_at: Annotated[str, Meta(description="When it was answered.")] | None
    ended_at: Annotated[str, Meta(description="When it ended or was condemned.")] | None
    media: Annotated[MediaCounters, Meta(description="Of its stream, in frames of 20 ms; at most one second old.")]


class CallbackView(Struct, frozen=True, kw_only=True):
    """An open promise to call."""

    id: Annotated[str, Meta(description="`cb_call_...`")]
    due_at: Annotated[str, Meta(description="When it is tried next, at the latest.")]
    attempts: Annotated[int, Meta(description="How often it was tried already.")]
    reason: Annotated[str, Meta(description="Why it is a promise: what stood in the way.")]


class SessionView(Struct, frozen=True, kw_only=True):
    """The agent's conversation; it outlives the legs."""

    id: Annotated[str, Meta(description="`ses_...`")]
    resumed: Annotated[int, Meta(description="How often it went on in another process.")]
    agent: Annotated[str, Meta(description="Who talks now: the call's agent, or who took its place when it was lost.")]


class CallView(Struct, frozen=True, kw_only=True):
    """One conversation with one person, on whatever carrier."""

    id: Annotated[str, Meta(description="`call_...`")]
    direction: Direction
    to: Annotated[str, Meta(description="The number called.")]
    from_: Annotated[str, Meta(description="The current leg's caller id, else the one asked for.")] | None = field(name="from")
    caller_name: Annotated[str, Meta(description="Inbound: as the carrier told it; nobody verified it.")] | None
    attestation: Annotated[str, Meta(description="Inbound: STIR/SHAKEN, `A`, `B` or `C`.")] | None
    status: CallStatus
    outcome: Outcome | None
    reason: Annotated[str, Meta(description="Why it ended, in a word; `no-stream`: answered, and nobody was ever heard.")] | None
    agent: Annotated[str, Meta(description="Who talks.")]
    route: Annotated[str, Meta(description="The route that it took.")]
    metadata: Annotated[dict[str, str], Meta(description="As it was given.")]
    created_at: Annotated[str, Meta(description="When it was accepted.")]
    answered_at: Annotated[str, Meta(description="When the person answered.")] | None
    ended_at: Annotated[str, Meta(description="When it ended.")] | None
    expires_at: Annotated[str, Meta(description="Not placed by then, it is given up.")]
    purpose: Annotated[str, Meta(description="What for, as it was given; `callback` where we promised it.")] | None
    priority: Priority
    window: Window | None
    retry_on: Annotated[tuple[Outcome, ...], Meta(description="Ended so, it is tried again.")]
    retry_of: Annotated[str, Meta(description="The call that this one tries again.")] | None
    retried_as: Annotated[str, Meta(description="The call that tries this one again.")] | None
    callback_of: Annotated[str, Meta(description="The earlier call in which this one was promised.")] | None
    handed_from: Annotated[str, Meta(description="The caller's call, of one that reaches the colleague.")] | None
    handed_to: Annotated[str, Meta(description="The call to the colleague who has, or had, this caller.")] | None
    note: Annotated[str, Meta(description="To the agent, from whoever promised the call.")] | None
    callback: CallbackView | None
    voicemail: Annotated[str, Meta(description="The message that was left in it: see `/v1/voicemails/{id}`.")] | None
    legs: Annotated[tuple[LegView, ...], Meta(description="Every attempt, oldest first.")]
    session: SessionView


class CallPage(Struct, frozen=True, kw_only=True):
    """Calls, newest first."""

    items: Annotated[tuple[CallView, ...], Meta(description="Whole calls.")]
    next: Annotated[str, Meta(description="The cursor of the following page; null on the last.")] | None


class VoicemailView(Struct, frozen=True, kw_only=True):
    """A message that somebody left."""

    id: Annotated[str, Meta(description="`vm_...`")]
    from_: Annotated[str, Meta(description="The caller; null where the number was withheld.")] | None = field(name="from")
    to: Annotated[str, Meta(description="The number called.")]
    carrier: Annotated[str, Meta(description="The config's name of the carrier that brought the caller.")]
    call_id: Annotated[str, Meta(description="Our call; null for a message that was left while no gateway ran.")] | None
    reason: Annotated[str, Meta(description="Why there was nobody: `routed`, `gateway-down`, or why the agent was lost.")]
    left_at: Annotated[str, Meta(description="When the message began.")]
    collected_at: Annotated[str, Meta(description="When it was stored here, as it is now.")]
    seconds: Annotated[float, Meta(description="Its length.")]
    silent: Annotated[bool, Meta(description="Nothing that could be speech is in it.")]
    status: Annotated[str, Meta(description="`kept`; `recording` while the caller speaks: length and silence are not known yet.")]
    ended_by: Annotated[str, Meta(description="What ended our recording: `hung-up`, `key` ...; null for a carrier's.")] | None


class VoicemailPage(Struct, frozen=True, kw_only=True):
    """Voicemails, newest first."""

    items: Annotated[tuple[VoicemailView, ...], Meta(description="Whole voicemails.")]
    next: Annotated[str, Meta(description="The cursor of the following page; null on the last.")] | None


class EventView(Struct, frozen=True, kw_only=True):
    """One line of the event log."""

    id: Annotated[str, Meta(description="`evt_...`")]
    seq: Annotated[int, Meta(description="Its place in the gateway's feed; Last-Event-ID takes it.")]
    at: Annotated[str, Meta(description="When it was written.")]
    kind: Annotated[str, Meta(description="`call-accepted`, `route-chosen`, `leg-ringing`, `call-ended` ...")]
    call_id: Annotated[str, Meta(description="Of which call.")]
    leg_id: Annotated[str, Meta(description="Of which leg.")] | None
    carrier: Annotated[str, Meta(description="That leg's carrier.")] | None
    data: Annotated[dict[str, Any], Meta(description="What this kind tells; in `route-chosen`, `failover` says whence and why.")]


class EventPage(Struct, frozen=True, kw_only=True):
    """Events, oldest first."""

    items: Annotated[tuple[EventView, ...], Meta(description="Whole events.")]
    next: Annotated[str, Meta(description="The cursor of the following page; null on the last.")] | None


class BreakerView(Struct, frozen=True, kw_only=True):
    """Whether calls may be placed there."""

    state: BreakerState
    reason: Annotated[str, Meta(description="Why it is not closed.")] | None
    open_until: Annotated[str, Meta(description="While it is open: when the next probe is due.")] | None


class LimitsView(Struct, frozen=True, kw_only=True):
    """How hard the carrier may be used."""

    calls_per_second: Annotated[float, Meta(description="New calls a second.")]
    concurrent_calls: Annotated[int, Meta(description="Calls at the same time.")]


class CarrierView(Struct, frozen=True, kw_only=True):
    """One account at one provider, and how it fares."""

    name: Annotated[str, Meta(description="As the config names it.")]
    kind: Annotated[str, Meta(description="The provider.")]
    priority: Annotated[int, Meta(description="Its place in the config, counted from 1.")]
    state: Annotated[ServiceState, Meta(description="By hand: `draining` and `disabled` get no new calls, live ones go on.")]
    state_by: Annotated[str, Meta(description="The name of the API key that set the state.")] | None
    state_at: Annotated[str, Meta(description="When it was set.")] | None
    numbers: Annotated[tuple[str, ...], Meta(description="Caller ids owned there.")]
    breaker: Annotated[dict[str, BreakerView], Meta(description="By operation; `place` is placing calls.")]
    well: Annotated[bool, Meta(description="Whether the last health request was answered well.")]
    limits: LimitsView
    live_legs: Annotated[int, Meta(description="Legs that are under way there now, of all gateways.")]


class CarrierPage(Struct, frozen=True, kw_only=True):
    """Carriers in order of priority; they always fit one page."""

    items: Annotated[tuple[CarrierView, ...], Meta(description="Whole carriers.")]
    next: Annotated[str, Meta(description="Always null.")] | None = None


class ExplainedView(Struct, frozen=True, kw_only=True):
    """One carrier of the route, and why it stands where it stands."""

    carrier: Annotated[str, Meta(description="The config's name of the carrier.")]
    place: Annotated[int, Meta(description="In which order it would be tried, from 1; null: it would be passed over.")] | None
    from_: Annotated[str, Meta(description="The caller id that it would show.")] | None = field(name="from")
    reason: Annotated[str, Meta(description="Why it has this place, or why it is passed over.")]
    retry_at: Annotated[str, Meta(description="When a closed way may be open again.")] | None


class RouteExplanation(Struct, frozen=True, kw_only=True):
    """What would happen to a call now; nothing was dialled, and the next moment may be another."""

    to: Annotated[str, Meta(description="The number asked about.")]
    route: Annotated[str, Meta(description="The route that matches it.")]
    agent: Annotated[str, Meta(description="Who would talk.")]
    denied: Annotated[str, Meta(description="The compliance rule that forbids the call now.")] | None
    carriers: Annotated[tuple[ExplainedView, ...], Meta(description="First those that would be tried, in order, then the rest.")]
