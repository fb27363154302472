"""Opening hours, wherever config.yaml has them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


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
