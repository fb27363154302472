"""Whether a stream is to be bridged at all."""

from gateway.domain.errors import HoldlineError
from gateway.domain.records import Call, Leg


class Unwanted(HoldlineError):
    """The stream is not to be bridged: its leg is over, condemned or being hung up, or nobody is there to talk."""


def wanted(call: Call, leg_id: str) -> Leg:
    """The leg, if it may be heard; raise Unwanted."""
    leg = call.find(leg_id)
    if leg is None or call.ended or not leg.live or leg.hangup_wanted:
        raise Unwanted("leg-not-wanted")
    return leg
