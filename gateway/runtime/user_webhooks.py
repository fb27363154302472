"""Tells the user's own systems what happens here: every endpoint has its own queue, its own pace and its own troubles.

What is to be told is in the store already, written together with what it tells of (user_webhook_announcing.py).
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence

import structlog
from msgspec import Struct

from gateway.domain.errors import StoreUnavailable
from gateway.domain.happenings import Happening
from gateway.runtime.calls import News
from gateway.runtime.clock import Clock
from gateway.runtime.store.contract import Store
from gateway.runtime.store.notice_contract import EndpointState
from gateway.runtime.supervision import for_ever, heed_cancellation
from gateway.runtime.user_webhook_announcing import Announcer, payload_of
from gateway.runtime.user_webhook_deliveries import CONTENT, Deliveries, Endpoint, Send
from gateway.runtime.user_webhook_signing import signed_headers
from gateway.runtime.user_webhook_verdicts import Reply

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 10.0
PING_S = 8.0
"""Shorter than a notice may take: somebody waits for it."""
REPLAY_BATCH = 200


class Pinged(Struct, frozen=True, kw_only=True):
    """What came of a ping."""

    id: str
    delivered: bool
    status: int | None
    """HTTP; null if nothing came back."""
    error: str | None
    seconds: float


class UserWebhooks:
    """`run` until cancelled. `count` and `gauge` are the metrics'."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        store: Store,
        clock: Clock,
        send: Send,
        *,
        chance: random.Random,
        new_id: Callable[[str], str],
        count: Callable[..., None],
        gauge: Callable[..., None],
    ) -> None:
        self.endpoints: Mapping[str, Endpoint] = {endpoint.name: endpoint for endpoint in endpoints}
        self._store, self._clock, self._send, self._new_id, self._gauge = store, clock, send, new_id, gauge
        self.deliveries = {
            name: Deliveries(endpoint, store, clock, send, chance=chance, count=count)
            for name, endpoint in self.endpoints.items()
        }
        self.announcer = Announcer({one.name: one.wanted for one in endpoints}, new_id)
        self._overflowed: dict[str, tuple[int, int]] = {}

    async def heed(self, news: News) -> None:
        """Observer of commits: look at once instead of at the next poll, if it may have been told of."""
        if any(entry.kind.startswith("call-") or "failover" in entry.data for entry in news.entries):
            self.wake()

    def wake(self) -> None:
        """There may be something to deliver."""
        for deliveries in self.deliveries.values():
            deliveries.awake.set()

    async def run(self) -> None:
        """Deliver, each endpoint by itself, and keep the gauges."""
        async with asyncio.TaskGroup() as group:
            for name, deliveries in self.deliveries.items():
                group.create_task(for_ever(f"user-webhooks-{name}", deliveries.run, self._clock))
            group.create_task(for_ever("user-webhooks-gauges", self._keep_looking, self._clock))

    async def ping(self, name: str) -> Pinged:
        """One try, at once, beside the queue: nothing of it is kept."""
        endpoint, began, notice_id = self.endpoints[name], self._clock.now(), self._new_id("msg")
        payload = payload_of(Happening.PING, {"endpoint": name}, began)
        headers = signed_headers(notice_id, payload, endpoint.secrets, began)
        try:
            async with asyncio.timeout(PING_S):
                reply = await self._send(endpoint.url, headers | CONTENT, payload.encode())
        except TimeoutError:
            reply = Reply(error=f"no answer within {PING_S:g} s")
        return Pinged(
            id=notice_id,
            delivered=200 <= reply.status < 300,
            status=reply.status or None,
            error=reply.error or None,
            seconds=round(max(self._clock.now() - began, 0.0), 3),
        )

    async def enable(self, name: str) -> int:
        """Deliver to it again, beginning with what waits; how many lines were not due yet."""
        hastened = await self._store.enable_endpoint(name, self._clock.now())
        self.wake()
        return hastened

    async def replay(self, name: str, notice_id: str | None = None) -> int:
        """One dead letter, or all that are dead now; how many."""
        left = 1 if notice_id is not None else (await self._store.endpoint_state(name)).dead
        replayed = 0
        while left > 0:
            done = await self._store.replay_notices(name, self._clock.now(), min(left, REPLAY_BATCH), notice_id)
            replayed, left = replayed + done, (left - done if done else 0)
        self.wake()
        return replayed

    async def look(self) -> None:
        """Set the gauges from the store, and say what was given up to keep its bounds."""
        for name in self.endpoints:
            self._show(name, await self._store.endpoint_state(name))

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self.look()
            except StoreUnavailable as error:
                log.warning("user-webhooks-store-unavailable", error=str(error))
            heed_cancellation()
            await self._clock.sleep(LOOK_EVERY_S)

    def _show(self, name: str, state: EndpointState) -> None:
        oldest_s = max(self._clock.now() - state.oldest.at, 0.0) if state.oldest else 0.0
        disabled = state.disabled == self.endpoints[name].url_mark
        for gauge, value in (
            ("user_webhooks_waiting", state.backlog),
            ("user_webhooks_oldest_seconds", oldest_s),
            ("user_webhooks_dead", state.dead),
            ("user_webhooks_overflowed", state.overflowed),
            ("user_webhooks_forgotten", state.forgotten),
            ("user_webhooks_disabled", float(disabled)),
        ):
            self._gauge(gauge, value, endpoint=name)
        given_up = (state.overflowed, state.forgotten)
        if self._overflowed.get(name, given_up) != given_up:
            log.warning("user-webhook-backlog-full", endpoint=name, overflowed=state.overflowed, forgotten=state.forgotten)
        self._overflowed[name] = given_up
