"""What a request says of a call as a promise: when it may be dialled, and what becomes of it if nobody is reached. Pure."""

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.config.hours import zone_problems, zones
from gateway.domain.errors import Problem
from gateway.domain.window import Window, next_opening
from gateway.strict import describe
from gateway.web.times import rfc3339

Purpose = Literal["informational", "telemarketing", "transactional", "emergency"]
RetryOn = Literal["busy", "no_answer", "declined"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class WindowRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the number may be dialled: by the clock on the wall in this time zone, on changing nights as well."""

    timezone: Annotated[str, Meta(description="IANA name, such as America/New_York: the person's, not yours.")]
    opens: Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="Local time, `09:00`.")]
    closes: Annotated[
        str,
        Meta(
            pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
            description="Local time, `18:00`, or `24:00`; before `opens` it is the next morning.",
        ),
    ]
    days: Annotated[tuple[Day, ...], Meta(min_length=1, max_length=7, description="On which it opens; default: all.")] = (
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
        "sat",
        "sun",
    )


def window_of(request: WindowRequest | None) -> Window | None:
    """As the core has it."""
    if request is None:
        return None
    return Window(timezone=request.timezone, opens=request.opens, closes=request.closes, days=request.days)


def first_opening(request: WindowRequest | None, after: float) -> float:
    """When it may first be dialled; `after` itself where no window says otherwise, or none that could be read."""
    if request is None or request.timezone not in zones():
        return after
    opening = next_opening(window_of(request), after)
    return after if opening is None else opening


def window_problems(request: WindowRequest | None, after: float, expires_at: float) -> Iterator[Problem]:
    """A zone that does not exist, and a window that does not open in the time that the call has."""
    if request is None:
        return
    if request.timezone not in zones():
        yield from zone_problems("window.timezone", request.timezone)
        return
    if request.opens == request.closes:
        cure = 'allowed: another time than `opens`; the whole day is "00:00" to "24:00"'
        yield Problem("window.closes", f"{describe(request.closes)}, at which it opens", cure)
        return
    opening = next_opening(window_of(request), after)
    if opening is None:
        yield Problem("window", "a window that never opens", "allowed: one with an hour that the clock there shows")
    elif opening >= expires_at:
        found = f"a window that opens at {rfc3339(opening)}, and the call expires at {rfc3339(expires_at)}"
        yield Problem("window", found, "allowed: one that opens before `expires_at`; or give a later `expires_at`")
