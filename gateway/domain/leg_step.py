"""What a step of a leg is made of."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.commands import AnyCommand, Timer
from gateway.domain.policy import Policy
from gateway.domain.records import Leg

WATCH = "watch"


class LegStep(Struct, frozen=True, kw_only=True):
    """The leg after the event, and what the world must do. `ignored`: late or repeated, nothing changed."""

    leg: Leg
    commands: tuple[AnyCommand, ...] = ()
    ignored: bool = False


Handler = Callable[[Leg, Any, float, Policy], LegStep]


def armed(leg: Leg, at: float, *commands: AnyCommand) -> LegStep:
    """With the leg's own timer set; an earlier one that still fires means nothing."""
    timer = Timer(call_id=leg.call_id, leg_id=leg.id, name=WATCH, due=at)
    return LegStep(leg=replace(leg, watch_at=at), commands=(*commands, timer))
