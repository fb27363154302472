"""What the store promises of notices: what the user's own systems are to be told, and how far that has come.

A notice is written in the same step as what it tells of (`Change.notices`, and the `notices` of other methods), or not
at all. Notices about the same thing stand in one line of their endpoint: only the head of a line is ever in somebody's
hands, so that they arrive in order, and a line whose head waits for another try holds up no other line. An endpoint keeps
so many notices; when one more comes, the oldest goes to the dead letters, of which so many are kept, too. Both are
counted.
"""

from typing import Protocol

from msgspec import Struct

NOTICES_KEPT = 10_000
"""Of one endpoint; a notice is one to two kilobytes."""
DEAD_KEPT = 10_000
HASTENED = 2
"""So many lines each delivery makes due: an endpoint that is well again gets what waited at the pace of its own answers."""
LONG_S = 60.0
"""A try that is to come within this time is not hastened."""
LOOKED_AT = 100
"""Lines, to find those."""
BACKLOG_FULL = "backlog-full"
"""Why a notice is dead that was never refused."""


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that one endpoint is to be told."""

    endpoint: str
    """The config's name of it."""
    id: str
    """`msg_...`, the same for all endpoints and in all tries."""
    type: str
    about: str
    """What it tells of: a call's id, a carrier's name. Notices about the same thing keep their order."""
    at: float
    """When that happened."""
    payload: str
    """The body as it is sent, byte for byte (UTF-8)."""


class NoticeClaim(Struct, frozen=True, kw_only=True):
    """A notice that this worker may deliver until its lease ends."""

    notice: Notice
    token: str
    """Fencing: an older token settles nothing."""
    attempts: int
    """With this one."""
    age_s: float
    """Since it was written, or last replayed, by the store's clock."""


class Settlement(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a delivery. Times are spans, because the clocks of gateways differ and the store's is one."""

    delivered: bool = False
    retry_in_s: float | None = None
    """None: there is no other try, the notice is dead (or delivered)."""
    error: str = ""
    pause_s: float = 0.0
    """The endpoint wants to be left alone for so long, with everything."""
    disable: str = ""
    """The endpoint is to be told nothing more at the URL of this mark."""


class DeadNotice(Struct, frozen=True, kw_only=True):
    """A notice that nobody tries to deliver any more."""

    notice: Notice
    why: str
    """The last error, or BACKLOG_FULL."""
    attempts: int
    dead_at: float


class DeadPage(Struct, frozen=True, kw_only=True):
    """One page, the newest dead first; `next` is the cursor of the following page."""

    items: tuple[DeadNotice, ...]
    next: str | None


class EndpointState(Struct, frozen=True, kw_only=True):
    """How an endpoint stands; counts are of its whole life in this store, times None where it has not happened."""

    backlog: int = 0
    oldest: Notice | None = None
    """Of the backlog."""
    dead: int = 0
    delivered: int = 0
    overflowed: int = 0
    """Notices that became dead letters because the backlog was full."""
    forgotten: int = 0
    """Dead letters that were dropped because there were too many."""
    delivered_at: float | None = None
    failures: int = 0
    """In a row."""
    failing_since: float | None = None
    error: str = ""
    error_at: float | None = None
    paused_until: float | None = None
    disabled: str = ""
    """The mark of the URL that said it is gone for good."""
    disabled_at: float | None = None


class NoticeStore(Protocol):
    """A part of `gateway.runtime.store.contract.Store`. Every method is one atomic step."""

    async def put_notices(self, notices: tuple[Notice, ...]) -> None:
        """Notices that tell of nothing else that is written; an id that its endpoint has already changes nothing."""
        ...

    async def claim_notices(
        self, endpoint: str, url_mark: str, now: float, lease_s: float, limit: int
    ) -> tuple[NoticeClaim, ...]:
        """The heads of lines that are due, leased to the caller; none while the endpoint is paused, or disabled at this URL."""
        ...

    async def settle_notice(self, claim: NoticeClaim, settlement: Settlement, now: float) -> bool:
        """False if the token is stale; then nothing is written.

        A delivery makes `HASTENED` lines due whose head waits longer than `LONG_S` for another try. That try is not counted,
        and comes to a notice once: one that its endpoint refuses though it is well takes as long to die as before.
        """
        ...

    async def endpoint_state(self, endpoint: str) -> EndpointState: ...

    async def enable_endpoint(self, endpoint: str, now: float) -> int:
        """Neither disabled nor paused; what waits for another try is due now. How many lines were not yet."""
        ...

    async def dead_notices(self, endpoint: str, limit: int, cursor: str | None) -> DeadPage: ...

    async def replay_notices(self, endpoint: str, now: float, limit: int, notice_id: str | None = None) -> int:
        """Dead letters (the one of this id, or the oldest) are to be delivered again, as if they were new; how many."""
        ...
