"""What carriers share that are told by documents alone, in the answers to their webhooks, what to do with a leg."""

from carriers.contract import Attempt, Handle
from gateway.domain.errors import CarrierError


class ByDocument:
    """The half of `carriers.contract.Carrier` that such a carrier does not have."""

    async def answer(self, attempt: Attempt, handle: Handle) -> None:
        raise CarrierError("answers-by-document", "its webhook's answer takes the call")

    async def reject(self, handle: Handle, cause: str) -> None:
        raise CarrierError("answers-by-document", "its webhook's answer turns the call away")

    async def open_stream(self, attempt: Attempt, handle: Handle, turn: int) -> None:
        raise CarrierError("streams-by-document", "its webhook's answer connects the stream")

    async def begin_message(self, attempt: Attempt, handle: Handle) -> None:
        raise CarrierError("records-by-document", "its webhook's answer takes the message")

    async def record_message(self, attempt: Attempt, handle: Handle) -> None:
        raise CarrierError("records-by-document", "its webhook's answer takes the message")
