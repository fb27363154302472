"""Tells operators what happened: one log line per event, and the counters."""

from typing import Any

import structlog

from gateway.domain.breaker import Breaker
from gateway.runtime.calls import News
from gateway.runtime.store.contract import LogEntry
from gateway.runtime.telemetry.counting import BREAKER_VALUES, count_change
from gateway.runtime.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)


class CallLog:
    """An observer of commits, and of breakers. Numbers are masked by the log's own processor."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def heed(self, news: News) -> None:
        """Observer of commits."""
        for entry in news.entries:
            log.info(entry.kind, **_told(entry, news.after.to))
        count_change(news.before, news.after, news.entries, self._metrics.count)

    def breaker_changed(self, carrier: str, _before: Breaker, after: Breaker) -> None:
        """Observer of breakers."""
        self._metrics.gauge("carrier_breaker_state", BREAKER_VALUES[after.state], carrier=carrier)


def _told(entry: LogEntry, to: str) -> dict[str, Any]:
    """The line's fields; an event that names a carrier or a leg itself (a held pace, a timer) does so once."""
    data = {key: value for key, value in entry.data.items() if value not in (None, "", [])}
    return {"call_id": entry.call_id, "leg_id": entry.leg_id, "carrier": entry.carrier, "to": to, **data}
