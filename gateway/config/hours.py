"""Opening hours, wherever config.yaml has them, and the time zones that they may be in."""

from collections.abc import Iterator
from functools import cache
from typing import Annotated, Literal
from zoneinfo import available_timezones

from msgspec import Meta, Struct

from gateway.domain.errors import Problem
from gateway.strict import describe

_NOBODYS = {
    "localtime": "which is another zone on every machine",
    "Factory": "which is what a machine says whose zone nobody has set",
}
"""Files that lie beside the zones, and are none."""


class Hours(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When something is open; a window that ends before it begins goes over midnight."""

    timezone: Annotated[str, Meta(description="IANA name, such as America/New_York.")]
    opens: Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description='Local time in quotes: "09:00".')]
    closes: Annotated[
        str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", description='Local time in quotes: "18:00", or "24:00".')
    ]
    days: Annotated[
        tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...],
        Meta(min_length=1, description="On which the window begins."),
    ] = ("mon", "tue", "wed", "thu", "fri")


@cache
def zones() -> frozenset[str]:
    """Read once: looking through the machine's time zones takes as long as a frame of sound."""
    return frozenset(available_timezones()) - _NOBODYS.keys()


def zone_problems(path: str, zone: object) -> Iterator[Problem]:
    """The fault of text that names no time zone; what is no text is found elsewhere."""
    if not isinstance(zone, str) or zone in zones():
        return
    why = f", {_NOBODYS[zone]}" if zone in _NOBODYS else ""
    yield Problem(path, f"{describe(zone)}{why}", "allowed: an IANA name, such as America/New_York")
