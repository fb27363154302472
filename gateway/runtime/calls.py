"""The only writer of calls: load, step, commit, and again if somebody else was first.

Everybody who learns something of a call (dialer, reconciler, inbox, bridge, REST) says it here as an event; what follows
is decided by the core, stored in one write with the commands that it asks for, and then told to the observers.
"""

from collections.abc import Awaitable, Callable, Sequence

import structlog
from msgspec import Struct
from msgspec.structs import replace

from gateway.domain import call as calls
from gateway.domain.call import BreakerWord
from gateway.domain.commands import AnyCommand
from gateway.domain.errors import HoldlineError, StoreUnavailable
from gateway.domain.events import (
    AnyLegEvent,
    CallAccepted,
    CallArrived,
    CallEvent,
    CancelRequested,
    HangupRequested,
    LegReported,
    PromiseFolded,
    RetryFolded,
)
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.runtime import journal
from gateway.runtime.clock import Clock
from gateway.runtime.store.contract import (
    Change,
    CommitResult,
    Committed,
    Conflict,
    DialPermit,
    HookMark,
    IdempotencyRecord,
    LogEntry,
    Store,
)
from gateway.runtime.store.notice_contract import Notice
from gateway.runtime.store.plan import written
from gateway.runtime.store.promise_contract import Taken
from gateway.runtime.user_webhook_announcing import SILENT, Announcer

log = structlog.get_logger(__name__)

_TRIES = 64


class CallNotFound(HoldlineError):
    """No call of this id, or purged."""


class Applied(Struct, frozen=True, kw_only=True):
    """What became of an event: the call as it stands, and the store's word (None: nothing was to be written)."""

    call: Call
    result: CommitResult | None


class News(Struct, frozen=True, kw_only=True):
    """One committed change, told to observers in this process."""

    before: Call | None
    after: Call
    entries: tuple[LogEntry, ...]
    words: tuple[BreakerWord, ...]


Decide = Callable[[Call], Sequence[CallEvent]]
Observer = Callable[[News], Awaitable[None]]


class Calls:
    """See the head of this file. `new_id(prefix)` gives random ids; `announcer` says what the user's systems are told."""

    def __init__(
        self, store: Store, clock: Clock, new_id: Callable[[str], str], policy: Policy, announcer: Announcer = SILENT
    ) -> None:
        self.store, self._clock, self._new_id, self.policy, self.announcer = store, clock, new_id, policy, announcer
        self._observers: list[Observer] = []

    def observe(self, observer: Observer) -> None:
        """Be told of every change that this process commits, after it is stored."""
        self._observers.append(observer)

    async def accept(self, call: Call, idempotency: IdempotencyRecord | None = None, *, succeeds: bool = False) -> CommitResult:
        """Store a new call, its idempotency record and its first command in one write.

        Conflict if its id is known; Taken if it would be a second promise to its number for its purpose. `succeeds`: only
        if that one waits; one that is being dialled already is the number's no more.
        """
        now = self._clock.now()
        step = calls.step(call, CallAccepted(), now, self.policy)
        entries = journal.lines(CallAccepted(), call, step.call, now, self._new_id)
        notices = self.announcer.of_call(None, step.call, CallAccepted(), now)
        change = self._change(step.call, entries, step.commands, idempotency=idempotency, notices=notices)
        result = await self.store.commit(replace(change, succeeds=succeeds), now)
        if isinstance(result, Committed):
            await self._tell(News(before=None, after=result.call, entries=entries, words=()))
        return result

    async def arrive(self, call: Call, event: CallArrived, mark: Callable[[Call], HookMark]) -> Call | None:
        """Store an inbound call with its webhook's mark in one write; None if the call, or the webhook, is known already."""
        now = self._clock.now()
        step = calls.step(call, event, now, self.policy)
        entries = journal.lines(event, call, step.call, now, self._new_id)
        notices = self.announcer.of_call(None, step.call, event, now)
        change = _with(self._change(step.call, entries, step.commands, notices=notices), None, None, mark(step.call))
        result = await self.store.commit(change, now)
        if not isinstance(result, Committed):
            return None
        await self._tell(News(before=None, after=result.call, entries=entries, words=()))
        return result.call

    async def cancel(self, call_id: str) -> Call:
        """Take back what is not answered yet; raise IllegalTransition if it is."""
        return (await self.apply(call_id, lambda _call: (CancelRequested(),))).call

    async def hang_up(self, call_id: str, by: str = "user") -> Call:
        """End the call in whatever state; before the answer that cancels it. An ended call stays as it is."""
        return (await self.apply(call_id, lambda _call: (HangupRequested(by=by),))).call

    async def report(self, call_id: str, leg_id: str, event: AnyLegEvent) -> Call:
        """Say one event of one leg; the call as it stands afterwards."""
        return (await self.apply(call_id, lambda _call: (LegReported(leg_id=leg_id, event=event),))).call

    async def apply(
        self,
        call_id: str,
        decide: Decide,
        *,
        done: tuple[str, str] | None = None,
        permit: DialPermit | None = None,
        mark: Callable[[Call], HookMark] | None = None,
        lease: int | None = None,
        kept: str | None = None,
    ) -> Applied:
        """Apply what `decide` makes of the call as it now stands; it is asked again after every conflict.

        Everything is one write: state, log, commands, permit, the webhook's mark, and the acknowledgement of `done`.
        `lease`: the token under which the writer speaks for the call's session, `kept`: the one under which it keeps the
        call's promise; a stale one gives `Fenced`. What would be a second promise to a number for a purpose is folded.
        Raise CallNotFound, IllegalTransition, StoreUnavailable.
        """
        folds: tuple[CallEvent, ...] = ()
        for _ in range(_TRIES):
            before = await self.store.load(call_id)
            if before is None:
                raise CallNotFound(call_id)
            now = self._clock.now()
            run = self._run(before, (*decide(before), *folds), now)
            if run.silent and done is None and mark is None:
                return Applied(call=before, result=None)
            change = self._change(run.call, run.entries, run.commands, released=run.released, notices=run.notices)
            # a permit belongs to the leg that its event makes; without the event nothing may be taken
            permitted = permit if permit is not None and run.call.find(permit.leg_id) is not None else None
            change = _with(change, done, permitted, mark(run.call) if mark else None, lease)
            change = replace(change, kept=kept, follow=run.follow)
            result = await self.store.commit(change, now)
            folds = _folds(result, run.call) if isinstance(result, Taken) else ()
            if isinstance(result, Conflict | Taken):
                continue
            if isinstance(result, Committed):
                await self._tell(News(before=before, after=result.call, entries=run.entries, words=run.words))
                if run.follow is not None:
                    await self._tell_of_follow(run.follow)
                return Applied(call=result.call, result=result)
            return Applied(call=before, result=result)
        raise StoreUnavailable(f"call {call_id} is being written by too many at once")

    def _run(self, before: Call, events: Sequence[CallEvent], now: float) -> "_Run":
        run = _Run(call=before)
        for event in events:
            step = calls.step(run.call, event, now, self.policy)
            if step.ignored and step.call == run.call:
                continue
            run = _Run(
                call=step.call,
                silent=False,
                entries=(*run.entries, *journal.lines(event, run.call, step.call, now, self._new_id)),
                commands=(*run.commands, *step.commands),
                words=(*run.words, *step.words),
                released=(*run.released, *step.released),
                follow=None if isinstance(event, RetryFolded) else self._follow(step.follow, now) or run.follow,
                notices=(*run.notices, *self.announcer.of_call(run.call, step.call, event, now)),
            )
        return run

    def _change(
        self,
        call: Call,
        entries: tuple[LogEntry, ...],
        commands: tuple[AnyCommand, ...],
        *,
        released: tuple[tuple[str, str], ...] = (),
        idempotency: IdempotencyRecord | None = None,
        notices: tuple[Notice, ...] = (),
    ) -> Change:
        return Change(
            call=call,
            entries=entries,
            commands=commands,
            command_ids=tuple(self._new_id("cmd") for _ in commands),
            released=released,
            idempotency=idempotency,
            notices=notices,
        )

    def _follow(self, call: Call | None, now: float) -> Change | None:
        """The call that takes an ended one's place, as it is accepted in the same write."""
        if call is None:
            return None
        step = calls.step(call, CallAccepted(), now, self.policy)
        entries = journal.lines(CallAccepted(), call, step.call, now, self._new_id)
        notices = self.announcer.of_call(None, step.call, CallAccepted(), now)
        return self._change(step.call, entries, step.commands, notices=notices)

    async def _tell_of_follow(self, follow: Change) -> None:
        await self._tell(News(before=None, after=written(follow), entries=follow.entries, words=()))

    async def _tell(self, news: News) -> None:
        for observer in self._observers:
            try:
                await observer(news)
            except Exception:
                # What is committed stays committed: an observer's failure is its own.
                log.exception("observer-failed", call_id=news.after.id)


class _Run(Struct, frozen=True, kw_only=True):
    call: Call
    silent: bool = True
    entries: tuple[LogEntry, ...] = ()
    commands: tuple[AnyCommand, ...] = ()
    words: tuple[BreakerWord, ...] = ()
    released: tuple[tuple[str, str], ...] = ()
    follow: Change | None = None
    notices: tuple[Notice, ...] = ()


def _folds(taken: Taken, call: Call) -> tuple[CallEvent, ...]:
    """What is said of the call, or of the retry that it would have, when another promise for the same is open."""
    return (PromiseFolded(into=taken.holder) if taken.wanted == call.id else RetryFolded(into=taken.holder),)


def _with(
    change: Change,
    done: tuple[str, str] | None,
    permit: DialPermit | None,
    mark: HookMark | None,
    lease: int | None = None,
) -> Change:
    return Change(
        call=change.call,
        entries=change.entries,
        commands=change.commands,
        command_ids=change.command_ids,
        released=change.released,
        notices=change.notices,
        permit=permit,
        mark=mark,
        done=done,
        lease=lease,
    )
