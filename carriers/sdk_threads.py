"""Blocking SDKs behind an event loop: threads that belong to one carrier, and a deadline that belongs to us.

Dials, what may take long (downloads, long lists) and everything else have threads of their own, so that a hang-up never waits
behind hanging dials or downloads; all are bounded, so that a hanging carrier costs no other carrier a thread. Each thread makes
its own SDK client: not one of the SDKs is safe to share.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from carriers import shot
from carriers.contract import Placed
from carriers.shot import HttpAnswer, Shot
from gateway.domain.errors import CarrierError, NotSent
from gateway.domain.outcome import Knowledge
from gateway.domain.verdict import Attribution, Signal, Verdict, next_carrier

UNREACHABLE = "unreachable"
QUICK_S = 15.0
"""Whoever gives a job longer than this does not need its answer while somebody is on the line."""
_RACE_S = 0.2
"""At the deadline the socket's time-out and ours come together; both mean the same."""

C = TypeVar("C")
T = TypeVar("T")


class SdkThreads(Generic[C]):
    """`make_client` is called once in each thread that needs a client. `let_go` closes what lies open below the clients; it is
    called by `close`, and again by each thread that was still busy then: what it used comes back open.
    """

    def __init__(
        self,
        name: str,
        make_client: Callable[[], C],
        clock: Callable[[], float],
        size: int = 4,
        let_go: Callable[[], None] = lambda: None,
    ) -> None:
        self._make_client, self._clock, self._let_go, self._closed = make_client, clock, let_go, False
        self._dials = ThreadPoolExecutor(size, thread_name_prefix=f"{name}-dial")
        self._controls = ThreadPoolExecutor(size, thread_name_prefix=f"{name}-control")
        self._lasting = ThreadPoolExecutor(size, thread_name_prefix=f"{name}-lasting")
        self._own = threading.local()

    async def control(self, job: Callable[[C], T], timeout_s: float = 6.0) -> T:
        """Run anything but a dial; raise CarrierError("timeout") if it is not done in time, else what the job raises."""
        threads = self._controls if timeout_s <= QUICK_S else self._lasting
        future = threads.submit(self._with_client, job)
        try:
            # Not wait_for: up to Python 3.11 it drops a cancellation that comes together with the answer, and a job that
            # asks for ever would then go on for ever.
            async with asyncio.timeout(timeout_s):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            future.cancel()
            raise CarrierError("timeout", f"no answer within {timeout_s:g} s") from error

    async def dial(
        self,
        job: Callable[[C], T],
        *,
        deadline: float,
        gate: Callable[[], bool],
        accept: Callable[[T], Placed],
        judge: Callable[[HttpAnswer], Placed],
    ) -> Placed:
        """Run the one dial. `accept` reads the SDK's answer to a 2xx, `judge` a refusal (status, headers, body)."""
        ticket = Shot(deadline, gate, self._clock)
        future = self._dials.submit(self._armed, job, ticket)
        try:
            async with asyncio.timeout(ticket.remaining):
                value = await _wrapped(future)
        except TimeoutError:
            future.cancel()
            return unsent("deadline-passed") if ticket.call_off() else unknown("no-answer-in-time")
        except Exception as error:
            return _failed(ticket, error, judge)
        return accept(value)

    def close(self) -> None:
        """Let go; a thread that hangs in an SDK ends with its socket's time-out."""
        self._closed = True
        self._dials.shutdown(wait=False, cancel_futures=True)
        self._controls.shutdown(wait=False, cancel_futures=True)
        self._lasting.shutdown(wait=False, cancel_futures=True)
        self._let_go()

    def _with_client(self, job: Callable[[C], T]) -> T:
        if not hasattr(self._own, "client"):
            self._own.client = self._make_client()
        try:
            return job(self._own.client)
        finally:
            if self._closed:
                self._let_go()

    def _armed(self, job: Callable[[C], T], ticket: Shot) -> T:
        shot.load(ticket)
        try:
            return self._with_client(job)
        finally:
            shot.load(None)


def _wrapped(future: "Future[T]") -> "asyncio.Future[T]":
    return asyncio.wrap_future(future)


def _failed(ticket: Shot, error: Exception, judge: Callable[[HttpAnswer], Placed]) -> Placed:
    answer = ticket.answer
    if answer is not None and answer.status >= 300:
        return judge(answer)
    if answer is not None:
        return unknown("unreadable-answer", f"{answer.status} {type(error).__name__}")
    if ticket.call_off():
        return unsent(_why_unsent(error), type(error).__name__)
    late = ticket.remaining <= _RACE_S
    return unknown("no-answer-in-time" if late else "connection-lost", type(error).__name__)


def _why_unsent(error: BaseException) -> str:
    """Some SDKs wrap what the wire raised: the reason is looked for in the whole chain."""
    chain = list(_chain(error))
    ours = next((link for link in chain if isinstance(link, NotSent)), None)
    if ours is not None:
        return ours.reason
    return UNREACHABLE if any(isinstance(link, OSError) for link in chain) else "refused-by-sdk"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:  # a cause that is raised again in its own handler makes a ring
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def unsent(reason: str, detail: str = "") -> Placed:
    """No byte left. Only the network speaks against the carrier; a request that its SDK refused is ours."""
    if reason == UNREACHABLE:
        verdict = next_carrier(reason, attribution=Attribution.NETWORK, signal=Signal.FAILURE, detail=detail)
    else:
        verdict = next_carrier(reason, attribution=Attribution.US, signal=Signal.RELEASE, detail=detail)
    return Placed(knowledge=Knowledge.NOT_SENT, verdict=verdict)


def unknown(reason: str, detail: str = "") -> Placed:
    """Bytes left, and nothing tells what became of them."""
    verdict: Verdict = next_carrier(reason, attribution=Attribution.UNKNOWN, signal=Signal.FAILURE, detail=detail)
    return Placed(knowledge=Knowledge.UNKNOWN, verdict=verdict)
