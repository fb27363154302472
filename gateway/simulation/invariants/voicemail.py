"""Promises about messages: what a person was told is kept is there, whole, theirs, and said once."""

from collections import Counter

from gateway.domain.outcome import Outcome
from gateway.domain.voicemail import RecordingEnd
from gateway.runtime.store.voicemail_contract import KEPT
from gateway.simulation.invariants.evidence import Checks, Evidence

_CUT_OFF = frozenset({RecordingEnd.HUNG_UP, RecordingEnd.GATEWAY_DIED})
_QUIET = frozenset({0x7F, 0xFF})


def messages_kept(evidence: Evidence, check: Checks) -> None:
    """Whoever was told that their message is taken has it kept; no recording is left open by a dead process."""
    for call in evidence.calls.values():
        if call.voicemail:
            kept = evidence.voicemails.get(call.voicemail)
            check(kept is not None and kept.call_id == call.id and kept.status == KEPT, f"call {call.id}: its message is {kept}")
        elif call.outcome is Outcome.VOICEMAIL:
            check(False, f"call {call.id} ended as a message that is not there")
    check(not evidence.recording, lambda: f"still being recorded, by nobody: {list(evidence.recording)}")


def messages_whole(evidence: Evidence, check: Checks) -> None:
    """Every kept message has its sound, as long as its record says, and nobody else's voice is in it. A call has one, whatever
    dies while it is recorded; one more only where a process died after the end of the first and before its caller was told.
    """
    phones = {(leg.carrier, leg.carrier_call_id): call.id for call, leg in evidence.legs}
    voices = {call_id: evidence.tones.of_people[phone] for phone, call_id in phones.items() if phone in evidence.tones.of_people}
    for voicemail in evidence.voicemails.values():
        sound = evidence.messages.get(voicemail.id, b"")
        check(
            abs(len(sound) / 8000.0 - voicemail.seconds) < 0.5, f"{voicemail.id} of {voicemail.seconds} s has {len(sound)} bytes"
        )
        strange = set(sound) - _QUIET - {voices.get(voicemail.call_id, -1)}
        check(not strange, f"in {voicemail.id} of call {voicemail.call_id} are the voices {sorted(strange)}")
    for call_id, count in Counter(voicemail.call_id for voicemail in evidence.voicemails.values()).items():
        takeovers = evidence.calls[call_id].resumed if call_id in evidence.calls else 0
        check(count <= 1 + takeovers, f"call {call_id} left {count} messages, and was taken over {takeovers} times")
    for call_id, count in Counter(one.call_id for one in evidence.voicemails.values() if one.ended_by in _CUT_OFF).items():
        check(count == 1, f"{count} messages of call {call_id} were cut off, and nobody went on with them")
