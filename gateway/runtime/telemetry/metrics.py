"""What Holdline counts, in a registry of its own. The table below is the whole list; a name or label outside it raises.

No label ever holds a number, a call id or anything else that grows with traffic.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, generate_latest
from prometheus_client.metrics import MetricWrapperBase

# A second series beside each counter, with the time of its making, that nobody asked for.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metric(Struct, frozen=True):
    """One line of the table."""

    kind: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...] = ()


METRICS: Mapping[str, Metric] = {
    "gateway_calls_total": Metric("counter", "Calls that ended, by outcome.", ("outcome",)),
    "gateway_attempts_total": Metric("counter", "Legs that ended, by verdict.", ("carrier", "disposition", "attribution")),
    "failover_total": Metric("counter", "Attempts that followed another carrier's failure.", ("from", "to", "reason")),
    "dials_resent_total": Metric("counter", "Unknown dials sent once more under the same tag.", ("carrier",)),
    "legs_condemned_total": Metric("counter", "Legs given up without knowing their fate.", ("carrier",)),
    "carrier_breaker_state": Metric("gauge", "0 closed, 0.5 half-open, 1 open.", ("carrier",)),
    "agent_breaker_state": Metric("gauge", "0 closed, 0.5 half-open, 1 open; as this process sees it.", ("agent",)),
    "agents_lost_total": Metric("counter", "Agents that could not take a call, or were lost in it.", ("agent",)),
    "ladder_rungs_total": Metric("counter", "Rungs taken instead of an agent that was lost; none: the call ended.", ("rung",)),
    "promises_open": Metric("gauge", "Promises to call that wait, or are being kept.", ("state", "purpose")),
    "promises_overdue_seconds": Metric("gauge", "How long the promise that is latest is overdue; 0 if none is."),
    "webhooks_total": Metric("counter", "Webhooks by what became of them.", ("carrier", "result")),
    "inbound_refused_total": Metric("counter", "Callers turned away before it cost, by why.", ("reason",)),
    "media_sockets_total": Metric("counter", "Media sockets asked for, by what became of them.", ("carrier", "result")),
    "media_frames_malformed_total": Metric("counter", "Frames that no codec could read.", ("carrier",)),
    "media_audio_dropped_total": Metric("counter", "20 ms frames thrown away because a buffer was full.", ("direction",)),
    "user_webhooks_total": Metric("counter", "Tries to tell the user's systems, by result.", ("endpoint", "result")),
    "user_webhooks_waiting": Metric("gauge", "Notices that wait to be delivered.", ("endpoint",)),
    "user_webhooks_oldest_seconds": Metric("gauge", "Age of the oldest that waits; 0 if none does.", ("endpoint",)),
    "user_webhooks_dead": Metric("gauge", "Dead letters that are kept.", ("endpoint",)),
    "user_webhooks_overflowed": Metric("gauge", "Dead letters ever, because too many waited.", ("endpoint",)),
    "user_webhooks_forgotten": Metric("gauge", "Dead letters ever dropped, because there were too many.", ("endpoint",)),
    "user_webhooks_disabled": Metric("gauge", "1 if the endpoint said that it is gone for good.", ("endpoint",)),
    "load_shed_total": Metric("counter", "Requests refused before they were accepted.", ("reason",)),
}


class Metrics:
    """The counters of one gateway process."""

    content_type = "text/plain; version=0.0.4"
    """Without the charset, which the web framework adds to every text."""

    def __init__(self, table: Mapping[str, Metric] = METRICS) -> None:
        self._registry = CollectorRegistry()
        self._table = table
        self._made: dict[str, MetricWrapperBase] = {name: self._make(name, metric) for name, metric in table.items()}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter; ValueError for a name that is no counter or labels that are not its own."""
        counter = self._labelled(name, "counter", labels)
        assert isinstance(counter, Counter)
        counter.inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge; ValueError as above."""
        gauge = self._labelled(name, "gauge", labels)
        assert isinstance(gauge, Gauge)
        gauge.set(value)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self._registry)

    def _make(self, name: str, metric: Metric) -> MetricWrapperBase:
        made = Counter if metric.kind == "counter" else Gauge
        return made(name, metric.help, metric.labels, registry=self._registry)

    def _labelled(self, name: str, kind: str, labels: Mapping[str, str]) -> MetricWrapperBase:
        metric = self._table.get(name)
        if metric is None or metric.kind != kind:
            raise ValueError(f"{name} is no {kind} in the table of metrics")
        if set(labels) != set(metric.labels):
            raise ValueError(f"{name} has the labels {metric.labels}, not {tuple(labels)}")
        made: MetricWrapperBase = self._made[name].labels(**labels) if labels else self._made[name]
        return made
