"""What the store promises, whatever keeps it: Redis or Valkey (production, and the embedded default), or memory (simulation).

Every method is one atomic step. `commit` is the heart: a call's new state, its events, its commands, the permits of a
dial, the dedupe mark of a webhook and the idempotency record of a request are written together, or not at all. The
in-memory store is held to the real one by a test that compares the whole content after every step (`dump`).

All methods raise StoreUnavailable when the store does not answer. `now` is the caller's clock (unix seconds); the store
keeps a high-water mark and never lets time go back, so that a process with a slow clock cannot revive an old lease.
"""

from typing import Any, Protocol

from msgspec import Struct

from gateway.domain.breaker import Breaker
from gateway.domain.commands import AnyCommand
from gateway.domain.hand import Hand
from gateway.domain.records import Call, MediaCounters
from gateway.runtime.store.notice_contract import Notice, NoticeStore
from gateway.runtime.store.promise_contract import PromiseStore, Taken
from gateway.runtime.store.recording_contract import RecordingStore
from gateway.runtime.store.voicemail_contract import VoicemailStore


class LogEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a call's event log, and of the gateway's feed."""

    id: str
    """Random, given by the writer."""
    call_id: str
    at: float
    kind: str
    """Kebab-case, for people: `leg-ringing`, `call-ended`."""
    leg_id: str = ""
    carrier: str = ""
    data: dict[str, Any] = {}
    """For people and dashboards."""
    event: dict[str, Any] = {}
    """The event itself, for replay; never shown by the API, since it may hold a leg's media token."""
    seq: int = 0
    """Position in the gateway's feed; given by the store."""


class DialPermit(Struct, frozen=True, kw_only=True):
    """What a dial needs of its carrier, taken in the write that makes the intent, and refused there if it is not to be had."""

    carrier: str
    leg_id: str
    calls_per_second: float
    concurrent_calls: int
    holds_until: float
    """The concurrency place is free again at this time, even if nobody gives it back."""
    breaker_epoch: int
    probe: Breaker | None = None
    """For a half-open probe: the breaker's record with the probe taken; written only over `breaker_version`."""
    breaker_version: int = 0


class IdempotencyRecord(Struct, frozen=True, kw_only=True):
    """Binds a client's key to the call it made."""

    key: str
    """Includes the scope (API key's id), so that two users' keys never meet."""
    fingerprint: str
    call_id: str
    request: dict[str, Any] = {}
    """Canonical request, to name the fields that differ."""


class HookMark(Struct, frozen=True, kw_only=True):
    """A webhook's dedupe mark, and the answer that every repeat of it gets again."""

    key: str
    answer: bytes
    expires_at: float


class Change(Struct, frozen=True, kw_only=True):
    """One atomic write. `call.version` is the expected version (0: the call must be new); the store stores version + 1."""

    call: Call
    entries: tuple[LogEntry, ...] = ()
    commands: tuple[AnyCommand, ...] = ()
    command_ids: tuple[str, ...] = ()
    """One id each, given by the writer."""
    permit: DialPermit | None = None
    released: tuple[tuple[str, str], ...] = ()
    """(carrier, leg id) of legs that no longer hold a concurrency place."""
    idempotency: IdempotencyRecord | None = None
    mark: HookMark | None = None
    done: tuple[str, str] | None = None
    """(command id, token): acknowledge this claimed command in the same write; a stale token refuses the whole write."""
    lease: int | None = None
    """The writer speaks for the call's session, under this token (0: nobody has leased it); another one stored refuses the
    whole write. None: the write is not about the session.
    """
    kept: str | None = None
    """The writer keeps the call's promise, claimed under this token; a stale one refuses the whole write."""
    follow: "Change | None" = None
    """A new call that takes this one's place, written with it; what is new of it is its call, entries and commands."""
    notices: tuple[Notice, ...] = ()
    """What the user's systems are to be told of it."""
    succeeds: bool = False
    """The call's promise takes the place of an open one that is being dialled already; one that waits stays the one."""


class Committed(Struct, frozen=True, tag=True):
    """Written; the call as it now stands."""

    call: Call


class Conflict(Struct, frozen=True, tag=True):
    """Somebody else wrote the call first: load, step again."""


class Fenced(Struct, frozen=True, tag=True):
    """The claim named in `done`, or the lease of the session, was lost to another worker: drop what you were doing."""


class Repeated(Struct, frozen=True, tag=True):
    """A webhook that was applied before; its first answer."""

    answer: bytes


class Replayed(Struct, frozen=True, tag=True):
    """The idempotency key is known; the record says whose."""

    record: IdempotencyRecord


class Denied(Struct, frozen=True, tag=True):
    """No permit: `why` is `pace` (calls per second), `concurrency`, `breaker`, or `out of service` (a hand was quicker than
    the dial); `retry_at` when it may be had.
    """

    why: str
    retry_at: float


CommitResult = Committed | Conflict | Fenced | Repeated | Replayed | Taken | Denied


class Claim(Struct, frozen=True, kw_only=True):
    """A command that this worker may carry out until its lease ends."""

    command_id: str
    token: str
    """Fencing: the store counts deliveries of the command; an older token can neither acknowledge nor defer it."""
    deliveries: int
    command: AnyCommand


class Process(Struct, frozen=True, kw_only=True):
    """A gateway process, as it tells the others of itself."""

    id: str
    """Another one in every life."""
    address: str = ""
    """Where the others reach it: scheme, host and port. Empty: nobody can."""
    draining: bool = False


class Pulse(Struct, frozen=True, kw_only=True):
    """What a process learns when it says that it is alive."""

    others: tuple[Process, ...] = ()
    """Alive, in the order of their ids."""
    dead: tuple[Process, ...] = ()
    """Not heard of in time, and not buried. Empty for one that was itself not heard of in time: then the store was away, or
    it was paused, and knows nothing of the others.
    """


class Lease(Struct, frozen=True, kw_only=True):
    """Which process a call's session lives in. Tokens of one call only grow."""

    call_id: str
    token: int
    owner: str = ""
    """Its process; empty when it was given up."""
    address: str = ""


class ConsoleSession(Struct, frozen=True, kw_only=True):
    """Somebody who is logged in to the console."""

    id: str
    """SHA-256 of the cookie's secret, which is kept nowhere."""
    key_hash: str
    """The API key's hash: the session ends with the key."""
    expires_at: float


class CallFilter(Struct, frozen=True, kw_only=True):
    """All given fields must match."""

    status: str | None = None
    outcome: str | None = None
    carrier: str | None = None
    to: str | None = None
    direction: str | None = None
    purpose: str | None = None
    callback: str | None = None
    """`any`, or a `CallbackState`: only calls that are or were promises."""


class Page(Struct, frozen=True, kw_only=True):
    """One page of calls, newest first; `next` is the cursor of the following page."""

    items: tuple[Call, ...]
    next: str | None


class Store(RecordingStore, VoicemailStore, NoticeStore, PromiseStore, Protocol):
    """See the head of this file."""

    # calls
    async def commit(self, change: Change, now: float) -> CommitResult:
        """Check everything, then write everything.

        Checks, in this order: idempotency key known -> Replayed; mark known -> Repeated; `done`, `lease` or `kept` stale ->
        Fenced; version -> Conflict; another open promise for the same -> Taken; permit (hand, breaker epoch or version,
        concurrency, pace) -> Denied. When the call has ended, its idempotency key expires 48 h later, and its session's lease
        is nobody's work any more; the promise queue always mirrors `call.promise`.
        """
        ...

    async def load(self, call_id: str) -> Call | None: ...

    async def list_calls(self, wanted: CallFilter, limit: int, cursor: str | None) -> Page: ...

    async def idempotency(self, key: str) -> IdempotencyRecord | None: ...

    async def hook_answer(self, key: str) -> bytes | None:
        """The first answer to this webhook, if it was applied."""
        ...

    async def purge(self, ended_before: float, limit: int) -> int:
        """Remove calls that ended before, with all that belongs to them; how many."""
        ...

    # the log
    async def entries(self, call_id: str) -> tuple[LogEntry, ...]: ...

    async def feed(self, after: int, limit: int) -> tuple[LogEntry, ...]:
        """The gateway's feed after this `seq`, oldest first; it keeps the newest 10,000."""
        ...

    async def feed_end(self) -> int:
        """The newest `seq`."""
        ...

    # the outbox
    async def claim(self, now: float, lease_s: float, limit: int, holder: str = "") -> tuple[Claim, ...]:
        """Commands that are due, leased to the caller; a lease that runs out delivers the command again, with a new token.

        `holder` is the caller's process: when it is found dead, or retires, what it holds is due at once.
        """
        ...

    async def done(self, claim: Claim) -> bool:
        """Acknowledge; False if the token is stale."""
        ...

    async def defer(self, claim: Claim, due: float) -> bool:
        """Give it back, not before `due`; False if the token is stale."""
        ...

    async def next_due(self) -> float | None:
        """When the earliest command or promise is due; None if there is none."""
        ...

    # carriers
    async def breaker(self, carrier: str) -> Breaker: ...

    async def swap_breaker(
        self, carrier: str, expected_version: int, breaker: Breaker, *, notices: tuple[Notice, ...] = ()
    ) -> bool:
        """Compare-and-set on the record's version; stores version + 1."""
        ...

    async def live_legs(self, carrier: str, now: float) -> int:
        """Concurrency places taken."""
        ...

    async def hand(self, carrier: str) -> Hand:
        """What a person decided about the carrier."""
        ...

    async def set_hand(self, carrier: str, hand: Hand, *, notices: tuple[Notice, ...] = ()) -> None:
        """From this write on no dial gets a permit there, also none that was routed before."""
        ...

    # processes, and the sessions that live in them
    async def beat(self, process: Process, now: float, lives_s: float) -> Pulse:
        """The process is alive for `lives_s` from now. The commands of those that are found dead are due again."""
        ...

    async def retire(self, process_id: str, now: float) -> None:
        """The process is no more, by its own word or (buried) another's: the commands that it holds are due again."""
        ...

    async def leases(self, call_ids: tuple[str, ...]) -> dict[str, Lease]:
        """Of these calls, those that have one."""
        ...

    async def leased(self, process_id: str) -> tuple[Lease, ...]:
        """All that the process has of calls that have not ended, by call id."""
        ...

    async def take_lease(self, call_id: str, process: Process, over: int) -> Lease | None:
        """From whoever has it under the token `over` (0: nobody has had it); None if that is not how it stands, or there is
        no such call.
        """
        ...

    async def give_up_lease(self, lease: Lease, context: str | None) -> bool:
        """Nobody has it from here on; `context` is kept for the next. False if the token is stale."""
        ...

    async def keep_context(self, lease: Lease, context: str) -> bool:
        """What another process needs to go on with the session, as JSON; False if the token is stale."""
        ...

    async def context(self, call_id: str) -> str | None:
        """What was kept last; None if nothing was, or the call has ended."""
        ...

    async def shared_secret(self, offered: str) -> str:
        """One secret for all gateways on this store: the first that was ever offered."""
        ...

    # people at the console
    async def put_session(self, session: ConsoleSession, now: float) -> None:
        """Keep it until it expires; the same id again is the same session with a new end."""
        ...

    async def session(self, session_id: str, now: float) -> ConsoleSession | None:
        """None if there is none, or its time has come."""
        ...

    async def drop_session(self, session_id: str) -> None: ...

    # small things
    async def next_fence(self) -> int:
        """A number that no other worker has or had."""
        ...

    async def put_media(self, call_id: str, leg_id: str, counters: MediaCounters, lease: int | None = None) -> bool:
        """Kept as long as the call. `lease` as in `Change`; False if it is stale."""
        ...

    async def media(self, call_id: str) -> dict[str, MediaCounters]: ...

    async def ping(self) -> bool:
        """True if the store answers and may be written to."""
        ...

    async def dump(self) -> dict[str, Any]:
        """The whole content in a neutral shape, for the differential test."""
        ...

    async def aclose(self) -> None: ...
