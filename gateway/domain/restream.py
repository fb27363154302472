"""A leg whose stream is missing, at a carrier that opens streams by command: whether it is told to open one. Pure.

Two things can be mended so: a stream that was lost with the process that carried it, and one that never began. A stream
that the carrier or the person ended is neither. Telling is repeated, since a command may be lost as well, until the
stream has been missing for `stream_start_s`; then the leg is ended like one that cannot be heard.
"""

from msgspec.structs import replace

from gateway.domain.commands import OpenStream
from gateway.domain.outcome import LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Leg
from gateway.domain.voicemail import MessageStage


def wanted(leg: Leg) -> bool:
    """The person is on the line, no stream is open, and a command may bring one."""
    listening = leg.phase is LegPhase.ANSWERED and not leg.hangup_wanted and not leg.stream_open
    if leg.message is MessageStage.RECORDING:
        return False
    return leg.streams_by_command and listening and (leg.orphaned or not leg.streams)


def in_time(leg: Leg, now: float, policy: Policy) -> bool:
    """Of a stream that never began one order is made, whenever that is noticed; a lost one has its bound."""
    if not leg.orphaned:
        return leg.stream_orders == 0
    return leg.orphaned_at is not None and now < leg.orphaned_at + policy.stream_start_s - 0.001


def order(leg: Leg, now: float, policy: Policy) -> tuple[Leg, OpenStream, float]:
    """The leg with one more order, its command, and when to look after it."""
    ordered = replace(leg, stream_orders=leg.stream_orders + 1)
    command = OpenStream(call_id=leg.call_id, leg_id=leg.id, turn=ordered.stream_orders)
    if leg.orphaned_at is None:
        return ordered, command, now + policy.stream_start_s
    return ordered, command, min(now + policy.answer_again_s, leg.orphaned_at + policy.stream_start_s)
