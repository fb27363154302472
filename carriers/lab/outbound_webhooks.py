"""One carrier's webhooks on their way to the customer, and what the faults do to them. Pure.

`send` takes what the simulator emits; what really leaves is ordered as `Deliver`, once, twice, late or never. The reply
finds its way back by key; the second copy's reply is for the ledger only, and a lost webhook looks to the simulator like
a customer who did not answer in time.
"""

from collections.abc import Callable
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from carriers.lab.contract import Effect, Ledger, Webhook, WebhookReply
from carriers.lab.faults import FaultKind, Switchboard
from carriers.lab.fields import e164
from carriers.lab.orders import Deliver
from carriers.lab.timers import Timers

NO_ANSWER = WebhookReply(status=0, failure="timeout")
SHUFFLE_GAP_S = 0.02
"""Between the webhooks of a shuffled batch, so that they also arrive in the shuffled order."""


class InFlight(Struct, frozen=True, kw_only=True):
    """A webhook that left. `copy` is 2 for the second of a pair."""

    webhook: Webhook
    sent_at: float
    copy: int = 1
    faults: tuple[str, ...] = ()


class OutboundWebhooks:
    """Of one carrier."""

    def __init__(
        self,
        *,
        carrier: str,
        faults: Switchboard,
        signature_headers: frozenset[str],
        random: Random,
        timers: Timers,
        ledger: Ledger,
        order: Callable[[Effect], None],
        answered: Callable[[float, str, WebhookReply], None],
    ) -> None:
        self._carrier, self._faults, self._signature_headers = carrier, faults, signature_headers
        self._random, self._timers, self._ledger = random, timers, ledger
        self._order, self._answered = order, answered
        self._in_flight: dict[str, InFlight] = {}
        self._batch: list[tuple[Webhook, tuple[str, ...]]] = []
        self._silenced: set[str] = set()
        self._count = 0

    def send(self, now: float, webhook: Webhook) -> None:
        """Let a webhook of the simulator go out, as far as the faults let it."""
        number = e164(webhook.number) if webhook.number else ""
        webhook, touched = self._unsigned(now, webhook, number)
        late = self._faults.strike(now, FaultKind.WEBHOOKS_LATE, number)
        shuffled = self._faults.strike(now, FaultKind.WEBHOOKS_SHUFFLED, number)
        if late:
            self._timers.add(now + late.s, self._leave_later, (webhook, (*touched, str(late.kind))))
        elif shuffled:
            self._hold(now, webhook, (*touched, str(shuffled.kind)), shuffled.s)
        else:
            self._leave(now, webhook, touched)

    def on_reply(self, now: float, key: str, reply: WebhookReply) -> None:
        """The customer's answer to what was delivered under `key`; unknown keys are of an earlier life."""
        sent = self._in_flight.pop(key, None)
        if sent is None:
            return
        self._record(now, sent, reply)
        if sent.copy == 1:
            self._answered(now, sent.webhook.id, reply)

    def silence(self, carrier_call_id: str) -> None:
        """From now on no webhook of this call leaves."""
        self._silenced.add(carrier_call_id)

    def reset(self) -> None:
        """Forget what is on its way."""
        self._in_flight.clear()
        self._batch.clear()
        self._silenced.clear()

    def _unsigned(self, now: float, webhook: Webhook, number: str) -> tuple[Webhook, tuple[str, ...]]:
        fault = self._faults.strike(now, FaultKind.WEBHOOKS_UNSIGNED, number)
        if fault is None:
            return webhook, ()
        bare = {name: value for name, value in webhook.headers.items() if name.lower() not in self._signature_headers}
        return replace(webhook, headers=bare), (str(fault.kind),)

    def _hold(self, now: float, webhook: Webhook, touched: tuple[str, ...], window_s: float) -> None:
        if not self._batch:
            self._timers.add(now + window_s, self._shuffle, None)
        self._batch.append((webhook, touched))

    def _shuffle(self, now: float, _key: object) -> None:
        batch, self._batch = self._batch, []
        order = list(range(len(batch)))
        while len(order) > 1 and order == sorted(order):
            self._random.shuffle(order)
        for place, index in enumerate(order):
            self._timers.add(now + place * SHUFFLE_GAP_S, self._leave_later, batch[index])

    def _leave_later(self, now: float, key: tuple[Webhook, tuple[str, ...]]) -> None:
        self._leave(now, *key)

    def _leave(self, now: float, webhook: Webhook, touched: tuple[str, ...]) -> None:
        lost = self._lost_to(now, webhook)
        if lost:
            self._lose(now, InFlight(webhook=webhook, sent_at=now, faults=(*touched, lost)))
            return
        twice = self._faults.strike(now, FaultKind.WEBHOOKS_TWICE, e164(webhook.number) if webhook.number else "")
        for copy in (1, 2) if twice else (1,):
            self._count += 1
            key = f"{self._carrier}-{self._count}"
            more = (str(twice.kind),) if twice else ()
            self._in_flight[key] = InFlight(webhook=webhook, sent_at=now, copy=copy, faults=touched + more)
            self._order(Deliver(key=key, webhook=webhook))

    def _lost_to(self, now: float, webhook: Webhook) -> str:
        number = e164(webhook.number) if webhook.number else ""
        if webhook.carrier_call_id in self._silenced:
            return str(FaultKind.LEG_DROP)
        fault = self._faults.down(now) or self._faults.strike(now, FaultKind.WEBHOOKS_LOST, number)
        return str(fault.kind) if fault else ""

    def _lose(self, now: float, sent: InFlight) -> None:
        self._record(now, sent, WebhookReply(status=0, failure="lost"))
        self._timers.add(now + sent.webhook.timeout_s, self._give_up, sent.webhook.id)

    def _give_up(self, now: float, webhook_id: str) -> None:
        self._answered(now, webhook_id, NO_ANSWER)

    def _record(self, now: float, sent: InFlight, reply: WebhookReply) -> None:
        hook = sent.webhook
        more = {"failure": reply.failure} if reply.failure else {}
        more |= {"fault": " ".join(sent.faults)} if sent.faults else {}
        more |= {"copy": str(sent.copy)} if sent.copy > 1 else {}
        self._ledger.write(
            now,
            "webhook",
            carrier=self._carrier,
            number=hook.number,
            carrier_call_id=hook.carrier_call_id,
            url=hook.url,
            method=hook.method,
            attempt=hook.attempt,
            status=reply.status,
            sent_at=sent.sent_at,
            **more,
        )
