"""One endpoint's deliveries in this process: claims what is due, a few at a time, sends it, and says what came of it.

Other processes on the store do the same; leases and tokens keep them apart. What a process leaves unsettled is delivered
again when its lease ends: at least once, never exactly once, which is what `webhook-id` is for.
"""

import hashlib
import random
from collections.abc import Awaitable, Callable, Mapping

import structlog
from msgspec import Struct

from gateway.domain.errors import StoreUnavailable
from gateway.domain.happenings import Happening
from gateway.runtime.clock import Clock
from gateway.runtime.rounds import Rounds
from gateway.runtime.store.contract import Store
from gateway.runtime.store.notice_contract import NoticeClaim, Settlement
from gateway.runtime.user_webhook_signing import signed_headers
from gateway.runtime.user_webhook_verdicts import Reply, judged

log = structlog.get_logger(__name__)

AT_ONCE = 10
"""Of one endpoint in one process."""
LEASE_S = 20.0
"""Longer than a try may take (15 s and a write), and as short as that allows: a dead process' notices wait for its end."""
POLL_S = 1.0
"""For what another process wrote, or whose time has come."""
_SETTLE_PAUSES_S = (0.25, 0.5, 1.0, 2.0)

Send = Callable[[str, Mapping[str, str], bytes], Awaitable[Reply]]
"""(url, headers, body): one try; raises nothing of the network's."""


async def unsent(_url: str, _headers: Mapping[str, str], _body: bytes) -> Reply:
    """A `Send` where nothing is ever sent."""
    return Reply(error="nothing is sent from here")


Count = Callable[..., None]


class Endpoint(Struct, frozen=True, kw_only=True):
    """One of the user's systems."""

    name: str
    url: str
    secrets: tuple[bytes, ...]
    """The newer first."""
    wanted: frozenset[Happening]

    @property
    def url_mark(self) -> str:
        """Tells one URL from another without keeping it: it may hold a token."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]


class Deliveries:
    """`run` until cancelled; `awake` is set when there may be something to do."""

    def __init__(
        self,
        endpoint: Endpoint,
        store: Store,
        clock: Clock,
        send: Send,
        *,
        chance: random.Random,
        count: Count,
        at_once: int = AT_ONCE,
    ) -> None:
        self._endpoint, self._store, self._clock, self._send = endpoint, store, clock, send
        self._chance, self._count, self._at_once = chance, count, at_once
        self._rounds = Rounds(clock, POLL_S)
        self.awake = self._rounds.awake

    async def run(self) -> None:
        """Work for ever; a store that does not answer is waited for."""
        await self._rounds.run(self.work_once, self._wait_for_store)

    def _wait_for_store(self, error: StoreUnavailable) -> None:
        log.warning("user-webhooks-store-unavailable", endpoint=self._endpoint.name, error=str(error))

    async def work_once(self) -> int:
        """Claim what is due, as far as there is room, and begin it; how many."""
        self.awake.clear()
        room = self._at_once - len(self._rounds.in_hand)
        if room <= 0:
            return 0  # the end of any of them wakes us
        endpoint = self._endpoint
        claims = await self._store.claim_notices(endpoint.name, endpoint.url_mark, self._clock.now(), LEASE_S, room)
        for claim in claims:
            task = self._rounds.begin(self._deliver(claim), f"user-webhook-{claim.notice.id}")
            task.add_done_callback(lambda _task: self.awake.set())  # what stood behind it in its line is due now
        return len(claims)

    async def idle(self) -> None:
        """Wait until nothing is in hand."""
        await self._rounds.idle()

    async def _deliver(self, claim: NoticeClaim) -> None:
        notice, endpoint = claim.notice, self._endpoint
        headers = signed_headers(notice.id, notice.payload, endpoint.secrets, self._clock.now())
        try:
            reply = await self._send(endpoint.url, headers | CONTENT, notice.payload.encode())
        except Exception as error:
            log.exception("user-webhook-not-sent", endpoint=endpoint.name, notice=notice.id)
            reply = Reply(error=repr(error)[:200])
        settlement = judged(reply, claim.attempts, claim.age_s, endpoint.url_mark, self._clock.now(), self._chance)
        self._tell(claim, settlement, settled=await self._settled(claim, settlement))

    async def _settled(self, claim: NoticeClaim, settlement: Settlement) -> bool:
        """A store that is away for a moment is waited for; after that the lease runs out, and it is delivered again."""
        for pause_s in (*_SETTLE_PAUSES_S, None):
            try:
                return await self._store.settle_notice(claim, settlement, self._clock.now())
            except StoreUnavailable:
                if pause_s is not None:
                    await self._clock.sleep(pause_s)
        return False

    def _tell(self, claim: NoticeClaim, settlement: Settlement, *, settled: bool) -> None:
        result = _result(settlement) if settled else "unsettled"
        self._count("user_webhooks_total", endpoint=self._endpoint.name, result=result)
        words = {"endpoint": self._endpoint.name, "notice": claim.notice.id, "type": claim.notice.type, "tries": claim.attempts}
        if result != "delivered":
            log.warning("user-webhook-failed", result=result, error=settlement.error, retry_in_s=settlement.retry_in_s, **words)


CONTENT = {"content-type": "application/json"}


def _result(settlement: Settlement) -> str:
    if settlement.delivered:
        return "delivered"
    if settlement.disable:
        return "disabled"
    return "failed" if settlement.retry_in_s is not None else "dead"
