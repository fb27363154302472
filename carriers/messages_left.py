"""Messages that a carrier records with its own means, without us or told so by us: a part of `carriers.contract.Carrier`."""

from typing import Any, Protocol

from msgspec import Struct

from gateway.domain.errors import CarrierError

SORRY = "We cannot take your call just now. Please leave a message after the tone, and we will call you back."
THANKS = "Thank you. Goodbye."
MESSAGE_S = 180
"""What callers hear of a fallback document, and how long their message may be."""
LEAVE = "Please leave a message after the tone."
"""What somebody hears in a call that has lost its agent; their message may be as long."""


UNTOLD_S = 1.0
"""The length of a recording that is listed without one: something is there, and its sound tells how much."""


class MessageDeclined(CarrierError):
    """The carrier says no to a recording, and would say it again."""


class MessageLeft(Struct, frozen=True, kw_only=True):
    """A recording at the carrier: what a caller of ours said to a fallback document (`Markup.voicemail`), or to a greeting that
    we ordered. Times are unix seconds, numbers E.164; an empty caller withheld theirs.
    """

    recording_id: str
    to: str
    caller: str
    left_at: float
    seconds: float
    carrier_call_id: str = ""
    """Of the call in which it was said; empty where the carrier does not tell."""
    handle: dict[str, str] = {}
    """The folder's own, for `message_audio`."""


class Messages(Protocol):
    """What every carrier answers; those without `Capabilities.keeps_messages` with nothing."""

    async def messages_left(self, numbers: tuple[str, ...], since: float) -> tuple[MessageLeft, ...]:
        """What callers of these numbers said to a fallback document, begun at `since` or later, oldest first, as far as its
        sound can be had by now. Nothing that this gateway recorded or heard, but perhaps what `message_of` finds. CarrierError.
        """
        ...

    async def begin_message(self, attempt: Any, handle: Any) -> None:
        """Say the greeting to an answered leg (`Attempt`, `Handle`) and close its stream; that it has been said is news on
        `attempt.hook(...)`, MessageSpoken. Done once, however often it is asked within a minute; a leg that is gone is success.
        Only where `takes_messages` and `streams_by_command`; elsewhere `Markup.message` does it. CarrierError if refused.
        """
        ...

    async def record_message(self, attempt: Any, handle: Any) -> None:
        """A tone, and a recording of at most `MESSAGE_S`; its end is news, MessageRecorded. As `begin_message`; MessageDeclined
        where asking again would not help.
        """
        ...

    async def message_of(self, handle: Any) -> MessageLeft | None:
        """What was recorded on this leg, once its sound can be had; without a second of sound if there surely is nothing.
        Numbers are left empty. Only where `takes_messages`. CarrierError.
        """
        ...

    async def message_audio(self, message: MessageLeft) -> bytes:
        """Its sound, a WAV file of whatever format. CarrierError if it cannot be had."""
        ...

    async def forget_message(self, message: MessageLeft) -> None:
        """Delete it at the carrier; gone is success. CarrierError."""
        ...


class NoMessages:
    """`Messages` of a carrier at which none can be asked for."""

    async def messages_left(self, numbers: tuple[str, ...], since: float) -> tuple[MessageLeft, ...]:
        return ()

    async def message_audio(self, message: MessageLeft) -> bytes:
        raise CarrierError("keeps-no-messages", message.recording_id)

    async def forget_message(self, message: MessageLeft) -> None:
        """There is none."""

    async def begin_message(self, attempt: Any, handle: Any) -> None:
        raise CarrierError("takes-no-messages", "")

    async def record_message(self, attempt: Any, handle: Any) -> None:
        raise CarrierError("takes-no-messages", "")

    async def message_of(self, handle: Any) -> MessageLeft | None:
        raise CarrierError("takes-no-messages", "")
