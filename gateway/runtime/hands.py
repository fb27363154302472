"""Takes carriers out of service and puts them back, as a person says; all processes on the store obey at once."""

import structlog

from gateway.domain.hand import Hand, ServiceState
from gateway.runtime.callbacks import WAITING_FOR_A_CARRIER
from gateway.runtime.clock import Clock
from gateway.runtime.store.contract import Store
from gateway.runtime.user_webhook_announcing import SILENT, Announcer

log = structlog.get_logger(__name__)

_HASTEN = 1000


async def decide(store: Store, clock: Clock, carrier: str, state: ServiceState, by: str, announcer: Announcer = SILENT) -> Hand:
    """Write the decision; saying the same again changes nothing, not even who said it first. Live calls go on in any case.

    Putting a carrier back makes calls that wait for one due now.
    """
    before = await store.hand(carrier)
    if before.state is state:
        return before
    now = clock.now()
    hand = Hand(state=state, at=now, by=by)
    await store.set_hand(carrier, hand, notices=announcer.of_hand(carrier, hand))
    log.warning("carrier-by-hand", carrier=carrier, was=before.state.value, now=state.value, by=by)
    if hand.in_service:
        await store.hasten_promises(now, WAITING_FOR_A_CARRIER, _HASTEN)
    return hand
