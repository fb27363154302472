"""What carriers share that take and refuse inbound calls by the document their webhook is answered with."""

from carriers.contract import Attempt, Handle
from gateway.domain.errors import CarrierError


class ByDocument:
    """The half of `carriers.contract.Carrier` that such a carrier does not have."""

    async def answer(self, attempt: Attempt, handle: Handle) -> None:
        raise CarrierError("answers-by-document", "its webhook's answer takes the call")

    async def reject(self, handle: Handle, cause: str) -> None:
        raise CarrierError("answers-by-document", "its webhook's answer turns the call away")
