"""What the record of a message says: while it is being recorded, while another process goes on with it, and at its end. Pure."""

from collections.abc import Sequence

from msgspec.structs import replace

from gateway.domain.events import VoicemailKept
from gateway.domain.ladder import lost_agents
from gateway.domain.outcome import Direction
from gateway.domain.records import Call
from gateway.domain.voicemail import RecordingEnd
from gateway.runtime.store.contract import LogEntry
from gateway.runtime.store.voicemail_contract import KEPT, RECORDING, Voicemail
from gateway.runtime.voicemail_sound import Heard

ROUTED = "routed"
"""Why there was nobody: the route names the voicemail."""
_CUT_OFF = frozenset({RecordingEnd.HUNG_UP, RecordingEnd.GATEWAY_DIED})
"""Ends that a process makes of a message when it goes; any other was the person's, the limit's or the disk's."""


def record_of(call: Call, voicemail_id: str, now: float) -> Voicemail:
    """As it stands while it is being recorded."""
    leg = call.leg
    ours, theirs = (leg.caller_id if leg else "", call.to)
    if call.direction is Direction.INBOUND:
        ours, theirs = call.to, call.from_number or ""
    return Voicemail(
        id=voicemail_id,
        carrier=leg.carrier if leg else "",
        call_id=call.id,
        caller=theirs,
        to=ours,
        left_at=now,
        collected_at=now,
        seconds=0.0,
        reason=_nobody_because(call),
        status=RECORDING,
    )


def _nobody_because(call: Call) -> str:
    losses = lost_agents(call) or call.ladder.lost
    return losses[-1].reason if losses else ROUTED


def ended(voicemail: Voicemail, heard: Heard, by: RecordingEnd, now: float) -> Voicemail:
    """As it stands from here on."""
    return replace(
        voicemail, status=KEPT, seconds=round(heard.seconds, 3), silent=heard.silent, ended_by=by.value, collected_at=now
    )


def kept_word(voicemail: Voicemail) -> VoicemailKept:
    """What the call is told of it."""
    return VoicemailKept(
        voicemail_id=voicemail.id, seconds=voicemail.seconds, silent=voicemail.silent, ended_by=voicemail.ended_by
    )


def begun_in(entries: Sequence[LogEntry]) -> str:
    """The message that was begun last, by the call's log; empty if none was."""
    begun = (entry for entry in reversed(entries) if entry.kind == "voicemail-started")
    return next((str(entry.data.get("voicemail_id", "")) for entry in begun), "")


def unfinished(voicemail: Voicemail) -> bool:
    """Another process may go on with it: it is being recorded (by one that is gone), or was cut off."""
    return voicemail.status == RECORDING or voicemail.ended_by in _CUT_OFF


def gone_on_with(earlier: Voicemail) -> Voicemail:
    """As it stands while another process records the rest."""
    return replace(earlier, status=RECORDING, seconds=0.0, silent=False, ended_by="", part=earlier.part + 1)


def salvaged(voicemail: Voicemail, part: int) -> bool:
    """Somebody took the process of this part for dead, and nobody has gone on."""
    return voicemail.ended_by == RecordingEnd.GATEWAY_DIED and voicemail.part == part
