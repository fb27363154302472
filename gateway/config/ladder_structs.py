"""The shape of a ladder in config.yaml: a list of rungs, each a word or a mapping. What is wrong with one: `ladder_checks`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.config.hours import Hours

Word = Literal["hold", "voicemail", "carrier_voicemail", "callback", "goodbye"]


class Plain(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rung that needs to be told nothing: `{}`."""


class HoldRung(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask the person to wait."""

    for_s: Annotated[float, Meta(ge=1, le=600, description="So long.")] = 20.0
    retry: Annotated[bool, Meta(description="Call the lost agent again meanwhile; it goes on with its context.")] = True


class HumanRung(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hand the person to a colleague, who is called through any carrier."""

    to: Annotated[str, Meta(description="The colleague's number, E.164 and in quotes; an outbound route must reach it.")]
    ring_s: Annotated[int, Meta(ge=5, le=120, description="So long it rings at theirs; then the next rung is taken.")] = 20
    whisper: Annotated[
        Literal["press_1", "announce", "none"],
        Meta(description="What they hear first: who calls, and that 1 takes the call; who calls; or nothing."),
    ] = "press_1"


class CallbackRung(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Offer to call back."""

    by_default_after_s: (
        Annotated[float, Meta(ge=1, le=60, description="Silent so long, they are called back; null: only who presses 1.")] | None
    ) = None


class RungConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rung: exactly one of its kinds, and, if need be, for which calls and at what hours."""

    agent: Annotated[str, Meta(description="Another one of `agents`.")] | None = None
    hold: HoldRung | None = None
    human: Annotated[str | HumanRung, Meta(description="A colleague: their number, or a mapping.")] | None = None
    voicemail: Annotated[Plain, Meta(description="Take a message; {}.")] | None = None
    carrier_voicemail: (
        Annotated[Plain, Meta(description="Have the call's carrier take a message with its own means; {}.")] | None
    ) = None
    callback: CallbackRung | None = None
    goodbye: Annotated[Plain, Meta(description="Say that the call has to end; {}.")] | None = None
    direction: Annotated[Literal["inbound", "outbound"], Meta(description="Only for these calls; null: for all.")] | None = None
    hours: Annotated[Hours, Meta(description="Only then; null: always.")] | None = None


LadderConfig = Annotated[tuple[Word | RungConfig, ...], Meta(max_length=10)]

SHIPPED: tuple[Word | RungConfig, ...] = (RungConfig(hold=HoldRung(for_s=10.0)), "voicemail", "callback")
"""What holds where a config says nothing; config.yaml shows it."""
