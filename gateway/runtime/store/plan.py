"""A `Change` made ready for writing: every body encoded, every index named, so that a store only has to check and to put.

Pure, and shared by both stores. What is built here before the first byte is written cannot fail half-way: an entry that
does not encode, or a command without an id, raises before anything has changed. `Plan` travels to the Lua scripts as
MessagePack, which keeps floats exact (`cjson` and Lua's own `tostring` round to 14 digits; unix times need 17); its Lua
reader knows no binary, so bodies are text.
"""

import math
import struct

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.callback import PURPOSES, is_open, slot_of, state_of
from gateway.domain.commands import AnyCommand
from gateway.domain.outcome import CallbackState, Priority
from gateway.domain.records import Call
from gateway.runtime.store.codec import encode
from gateway.runtime.store.contract import CallFilter, Change, DialPermit, HookMark, LogEntry
from gateway.runtime.store.notice_contract import DEAD_KEPT, NOTICES_KEPT
from gateway.runtime.store.notice_plan import PlannedNotice, planned_notices
from gateway.runtime.store.promise_contract import LONGEST_CONTEXT, OTHER

IDEMPOTENCY_S = 48 * 3600.0
"""How long a client's key lives on after its call has ended."""
FEED_KEPT = 10_000
"""Lines of the gateway's feed that stay readable."""
CONCURRENCY_RETRY_S = 1.0
"""A taken place mostly comes free when its call ends, long before `holds_until`: ask again this soon."""


class PlannedCommand(Struct, frozen=True, kw_only=True):
    """One line of the outbox."""

    id: str
    due: float
    body: str


class PlannedPermit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A `DialPermit` with the pace as seconds between two dials. `probe` is set for half-open probes only."""

    carrier: str
    leg_id: str
    spacing: float
    concurrent: int
    holds_until: float
    epoch: int
    version: int = 0
    probe: str | None = None
    probe_epoch: int = 0


class PlannedPromise(Struct, frozen=True, kw_only=True):
    """The promise queue's line for a call; another `body` is another promise, and ends the old one's lease."""

    due: float
    reason: str
    body: str
    priority: Priority


class PlannedMark(Struct, frozen=True, kw_only=True):
    """A `HookMark` without its answer, which travels beside the plan: it may be any bytes."""

    key: str
    expires_at: float


class Plan(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One atomic write, in the words of a store. What has its default is left out, so that Lua sees nil and not null."""

    now: float
    call_id: str
    expected: int
    body: str
    position: str
    indexes: tuple[str, ...]
    ended_at: float | None = None
    entries: tuple[str, ...] = ()
    commands: tuple[PlannedCommand, ...] = ()
    permit: PlannedPermit | None = None
    released: tuple[tuple[str, str], ...] = ()
    key: str | None = None
    record: str = ""
    mark: PlannedMark | None = None
    done_id: str | None = None
    done_token: str = ""
    lease: int | None = None
    promise: PlannedPromise | None = None
    kept: str | None = None
    slot: str | None = None
    """What there is one open promise of; None: the call has never been one."""
    holds: bool = False
    """It is open, and so may be the one."""
    shared: bool = False
    """It may stand beside the one."""
    succeeds: bool = False
    """It becomes the one in place of a promise that is being dialled."""
    follow: "Plan | None" = None
    longest_context: int
    notices: tuple[PlannedNotice, ...] = ()
    feed_kept: int
    idempotency_s: float
    concurrency_retry_s: float


def written(change: Change) -> Call:
    """The call as it stands once the change is written."""
    return replace(change.call, version=change.call.version + 1)


def plan(
    change: Change, now: float, feed_kept: int = FEED_KEPT, notices_kept: int = NOTICES_KEPT, dead_kept: int = DEAD_KEPT
) -> Plan:
    """Encode everything, or raise (TypeError, ValueError) before anything is written."""
    call = written(change)
    _check_times(change, now)
    return Plan(
        now=now,
        call_id=call.id,
        expected=change.call.version,
        body=encode(call),
        position=position(call),
        indexes=indexes(call),
        ended_at=_ended_at(call, now),
        entries=tuple(encode(_unnumbered(entry)) for entry in change.entries),
        commands=_commands(change),
        permit=_permit(change.permit) if change.permit else None,
        released=change.released,
        key=change.idempotency.key if change.idempotency else None,
        record=encode(change.idempotency) if change.idempotency else "",
        mark=_mark(change.mark) if change.mark else None,
        done_id=change.done[0] if change.done else None,
        done_token=change.done[1] if change.done else "",
        lease=change.lease,
        promise=_promise(call),
        kept=change.kept,
        slot=slot_of(call),
        holds=is_open(call),
        shared=call.duplicate,
        succeeds=change.succeeds,
        follow=None if change.follow is None else plan(change.follow, now, feed_kept, notices_kept, dead_kept),
        longest_context=LONGEST_CONTEXT,
        notices=planned_notices(change.notices, notices_kept, dead_kept),
        feed_kept=feed_kept,
        idempotency_s=IDEMPOTENCY_S,
        concurrency_retry_s=CONCURRENCY_RETRY_S,
    )


def position(call: Call) -> str:
    """Where a call stands in every list: sorts like (created_at, id), byte by byte; it is also the page cursor."""
    return position_of(call.created_at, call.id)


def position_of(time: float, name: str) -> str:
    """Sorts like (time, name), byte by byte: the bits of a non-negative double, read as big-endian bytes, sort as it does."""
    if not math.isfinite(time):
        raise ValueError(f"a time of {name} is not finite")
    return f"{struct.pack('>d', max(time, 0.0)).hex()}:{name}"


def indexes(call: Call) -> tuple[str, ...]:
    """The lists that a call is in: all calls, and one for each value that it can be filtered by."""
    names = {"all", f"status:{call.status}", f"to:{call.to}", f"direction:{call.direction}"}
    names |= {f"carrier:{leg.carrier}" for leg in call.legs}
    if call.outcome is not None:
        names.add(f"outcome:{call.outcome}")
    if call.purpose:
        names.add(f"purpose:{call.purpose}")
    if call.promised_at is not None:
        names |= {"callback:any", f"callback:{state_of(call)}"}
        names |= set() if call.ended else {open_index(state_of(call), call.purpose)}
    return tuple(sorted(names))


def open_index(state: CallbackState, purpose: str) -> str:
    """The list whose length is counted for the metrics."""
    return f"open:{state}:{purpose if purpose in PURPOSES else OTHER}"


def wanted_indexes(wanted: CallFilter) -> tuple[str, ...]:
    """The lists that a call must all be in to pass the filter; a carrier is that of any of its legs."""
    given = ((name, getattr(wanted, name)) for name in CallFilter.__struct_fields__)
    return tuple(f"{name}:{value}" for name, value in given if value is not None) or ("all",)


def _ended_at(call: Call, now: float) -> float | None:
    if not call.ended:
        return None
    return now if call.ended_at is None else call.ended_at


def _check_times(change: Change, now: float) -> None:
    """A time that is no number would be refused by a sorted set, in the middle of the write."""
    times = [now, change.call.created_at, change.call.ended_at or 0.0, *(command.due for command in change.commands)]
    times += [change.permit.holds_until] if change.permit else []
    times += [change.mark.expires_at] if change.mark else []
    times += [change.call.promise.due_at] if change.call.promise else []
    if not all(math.isfinite(time) for time in times):
        raise ValueError(f"a time of call {change.call.id} is not finite")


def _unnumbered(entry: LogEntry) -> LogEntry:
    return replace(entry, seq=0)


def _commands(change: Change) -> tuple[PlannedCommand, ...]:
    pairs = zip(change.command_ids, change.commands, strict=True)
    return tuple(_command(command_id, command) for command_id, command in pairs)


def _command(command_id: str, command: AnyCommand) -> PlannedCommand:
    return PlannedCommand(id=command_id, due=command.due, body=encode(command))


def _permit(permit: DialPermit) -> PlannedPermit:
    if permit.calls_per_second <= 0:
        raise ValueError(f"{permit.carrier} may place {permit.calls_per_second:g} calls a second, which is none")
    probe = None if permit.probe is None else replace(permit.probe, version=permit.breaker_version + 1)
    return PlannedPermit(
        carrier=permit.carrier,
        leg_id=permit.leg_id,
        spacing=1.0 / permit.calls_per_second,
        concurrent=permit.concurrent_calls,
        holds_until=permit.holds_until,
        epoch=permit.breaker_epoch,
        version=permit.breaker_version,
        probe=None if probe is None else encode(probe),
        probe_epoch=0 if probe is None else probe.epoch,
    )


def _mark(mark: HookMark) -> PlannedMark:
    return PlannedMark(key=mark.key, expires_at=mark.expires_at)


def _promise(call: Call) -> PlannedPromise | None:
    if call.promise is None:
        return None
    return PlannedPromise(due=call.promise.due_at, reason=call.promise.reason, body=encode(call.promise), priority=call.priority)
