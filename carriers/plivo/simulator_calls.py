"""The lab's Plivo: one call as the carrier keeps it. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from random import Random
from uuid import UUID

from msgspec import Struct

from carriers.plivo.simulator_documents import Verb


class Phase(StrEnum):
    """Where a call is. `QUEUED` waits for its turn under the calls-per-second limit."""

    QUEUED = "queued"
    DIALED = "dialed"
    RINGING = "ringing"
    ANSWERED = "in-progress"
    ENDED = "ended"


class Call(Struct, kw_only=True, eq=False):
    """A call of any direction, or the B leg of a `<Dial>`. Times are unix seconds, 0.0 for not yet."""

    uuid: str
    caller: str
    """E.164 with `+`; empty where a caller withholds it."""
    to: str
    settings: Mapping[str, str] = {}
    """answer_url, answer_method, ring_url, ... as the create-call request or the number's application names them."""
    ring_timeout: int = 120
    time_limit: int = 14400
    accepted_at: float
    direction: str = "outbound"
    caller_name: str = ""
    attestation: str = ""
    parent: str = ""
    """The A leg's id, for a B leg; or what the create-call request named."""
    phase: Phase = Phase.QUEUED
    in_network: bool = False
    rang: bool = False
    answered_at: float = 0.0
    ended_at: float = 0.0
    cause: int = 0
    source: str = ""
    pending_end: tuple[int, str] | None = None
    """(code, source) of an end that the carrier has begun and the phone network has not confirmed."""
    todo: list[Verb] = []
    step: int = 0
    """Counts what the call was told to do, so that a timer or an answer of an older step means nothing."""
    fetching: str = ""
    """Which kind of document is being fetched: answer, action, transfer or redirect."""
    transfer: tuple[str, str] | None = None
    """(URL, method) of a transfer that waits for the stream's end."""
    transfers: int = 0
    stream: str = ""
    """The stream that keeps the call alive."""

    @property
    def answered(self) -> bool:
        """Whether somebody took the call, now or before it ended."""
        return self.answered_at > 0

    @property
    def inbound(self) -> bool:
        """Whether a phone called us."""
        return self.direction == "inbound"

    @property
    def alive(self) -> bool:
        """Not over, and nobody has begun to end it."""
        return self.phase is not Phase.ENDED and self.pending_end is None

    @property
    def person(self) -> str:
        """The number of the phone at the other end."""
        return self.caller if self.inbound else self.to


def new_uuid(random: Random) -> str:
    """A version 4 UUID."""
    return str(UUID(int=random.getrandbits(128), version=4))
