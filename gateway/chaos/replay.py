"""From a call's log back to every state that it was in: what a simulated world sees at its store, read off a real one afterwards.

The log holds each event that was applied, with its time, and the core is pure: replaying it from the call as it was accepted
gives every state between. That it gives the stored call in the end is one of the promises that are checked.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from gateway.domain import call as calls
from gateway.domain.errors import IllegalTransition
from gateway.domain.events import AnyCallEvent
from gateway.domain.outcome import LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.runtime.store.contract import Change, LogEntry
from gateway.simulation.watch import Watch, Write

LIVED = (
    "status",
    "outcome",
    "reason",
    "answered_at",
    "ended_at",
    "round",
    "pace_since",
    "promise",
    "promise_attempts",
    "promised_at",
    "retried_as",
    "cancel_wanted",
    "handed_to",
    "voicemail",
    "legs",
    "ladder",
    "resumed",
    "version",
)
"""Fields that a call gets by living; all others it has from its first moment."""


def newborn(call: Call) -> Call:
    """The call as it was before its first event."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(Call)}
    return replace(call, **{name: defaults[name] for name in LIVED})


def states(call: Call, entries: Sequence[LogEntry], policy: Policy) -> Iterator[Write]:
    """One write for each event of the log. Ends at an event that the core does not take: the promises then see the difference."""
    now = newborn(call)
    before: Call | None = None
    for entry in entries:
        if not entry.event:
            continue
        try:
            now = calls.step(now, msgspec.convert(entry.event, AnyCallEvent), entry.at, policy).call
        except IllegalTransition:
            return
        change = Change(call=now, entries=(entry,))
        yield Write(at=entry.at, clock=entry.at, process="", before=before, change=change, after=now)
        before = now


def fill(watch: Watch, known: Mapping[str, Call], entries: Mapping[str, Sequence[LogEntry]], policy: Policy) -> None:
    """Let the watch have seen all that happened, in order of time."""
    found = [write for call_id, call in known.items() for write in states(call, entries[call_id], policy)]
    # A retry is accepted in the write that ends its call, at one and the same time: first the one ends, then the other is.
    watch.writes.extend(sorted(found, key=lambda write: (write.at, not write.after.ended)))
    for write in watch.writes:
        watch.calls[write.after.id] = write.after
        for leg in write.after.legs:
            if leg.phase is LegPhase.CONDEMNED:
                watch.condemned_at.setdefault(leg.id, write.at)
            if leg.alerted_at is not None:
                watch.alerted_at.setdefault(leg.id, write.at)
