"""What must be done now and then: ended calls are purged, and a dead embedded server is started again."""

import structlog

from gateway.domain.errors import StoreUnavailable
from gateway.runtime.clock import Clock
from gateway.runtime.store.contract import Store
from gateway.runtime.store.embedded import EmbeddedServer
from gateway.runtime.supervision import heed_cancellation

log = structlog.get_logger(__name__)

DAY_S = 86_400.0


class Upkeep:
    """`run_purge` and `run_server` work until cancelled."""

    def __init__(self, store: Store, clock: Clock, keep_days: float, server: EmbeddedServer | None) -> None:
        self._store, self._clock, self._keep_s, self._server = store, clock, keep_days * DAY_S, server

    async def run_purge(self, every_s: float = 3600.0, batch: int = 500) -> None:
        """Remove calls that ended more than `keep_days` ago."""
        while True:
            try:
                while await self._store.purge(self._clock.now() - self._keep_s, batch) == batch:
                    pass
            except StoreUnavailable as error:
                log.warning("purge-store-unavailable", error=str(error))
            heed_cancellation()
            await self._clock.sleep(every_s)

    async def run_server(self, every_s: float = 1.0) -> None:
        """Start the embedded server again if it died; clients find it on the same socket."""
        while self._server is not None:
            heed_cancellation()
            await self._clock.sleep(every_s)
            try:
                if not await self._store.ping():
                    await self._server.ensure_running()
            except StoreUnavailable:
                await self._revive()

    async def _revive(self) -> None:
        assert self._server is not None
        try:
            await self._server.ensure_running()
            log.warning("store-server-restarted")
        except StoreUnavailable as error:
            log.error("store-server-down", error=str(error))
