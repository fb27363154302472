"""Messages that callers left at a carrier, with a fallback document and without us: a part of `carriers.contract.Carrier`."""

from typing import Protocol

from msgspec import Struct

from gateway.domain.errors import CarrierError


class MessageLeft(Struct, frozen=True, kw_only=True):
    """A recording at the carrier: what a caller of ours said to a fallback document (`Markup.voicemail`). Times are unix
    seconds, numbers E.164; an empty caller withheld theirs.
    """

    recording_id: str
    to: str
    caller: str
    left_at: float
    seconds: float
    handle: dict[str, str] = {}
    """The folder's own, for `message_audio`."""


class Messages(Protocol):
    """What every carrier answers; those without `Capabilities.keeps_messages` with nothing."""

    async def messages_left(self, numbers: tuple[str, ...], since: float) -> tuple[MessageLeft, ...]:
        """What callers of these numbers said to a fallback document, begun at `since` or later, oldest first, as far as its
        sound can be had by now. Nothing that this gateway recorded or heard. CarrierError.
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
