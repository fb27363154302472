"""Brings a media socket to its session: carries it to the process that has it, or seats the session here."""

from gateway.domain.errors import StoreUnavailable
from gateway.runtime.calls import CallNotFound
from gateway.runtime.leases import LeaseLost
from gateway.runtime.seats import Seats
from gateway.web.media_admission import Admitted, Refused
from gateway.web.media_port import Send
from gateway.web.media_socket import Receive
from gateway.web.relay import Relay

_TRIES = 3
"""Two processes may want the same session at once; the one that lost looks again, and finds where it is."""


class Places:
    """`media.Place` for gateways that share a store."""

    def __init__(self, seats: Seats, relay: Relay) -> None:
        self._seats, self._relay = seats, relay

    async def elsewhere(self, admitted: Admitted, receive: Receive, send: Send) -> bool:
        """True if the connection was carried away; False if its session is here now. Raise Refused."""
        try:
            for _ in range(_TRIES):
                lease = await self._seats.elsewhere(admitted.call_id)
                if lease is not None and await self._relay.carry(lease, admitted, receive, send):
                    return True
                if await self._seats.sit(admitted.call_id, lease):
                    return False
        except (StoreUnavailable, LeaseLost, CallNotFound):
            pass  # whoever comes back finds it settled
        raise Refused("store-unavailable", admitted.carrier.name, admitted.call_id, admitted.leg.id)
