"""What carriers share at which nothing can be asked for that a caller left there without us."""

from carriers.contract import MessageLeft
from gateway.domain.errors import CarrierError


class NoMessages:
    """The part of `carriers.contract.Carrier` that such a carrier does not have."""

    async def messages_left(self, numbers: tuple[str, ...], since: float) -> tuple[MessageLeft, ...]:
        return ()

    async def message_audio(self, message: MessageLeft) -> bytes:
        raise CarrierError("keeps-no-messages", message.recording_id)

    async def forget_message(self, message: MessageLeft) -> None:
        """There is none."""
