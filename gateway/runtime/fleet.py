"""The carriers of this gateway, opened, with what the config says of each."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from carriers.contract import Attempt, Carrier, Handle
from gateway.domain.records import Call, Leg
from gateway.domain.routing import CarrierView
from gateway.runtime.store.contract import Store


class Member(Struct, frozen=True, kw_only=True):
    """One carrier in service: the open adapter, and its place in the config."""

    carrier: Carrier
    kind: str
    numbers: tuple[str, ...]
    calls_per_second: float
    concurrent_calls: int


class Fleet:
    """Carriers by name, in priority order. `public_url` is ours, as carriers reach it."""

    def __init__(self, members: Sequence[Member], public_url: str) -> None:
        self.members: Mapping[str, Member] = {member.carrier.name: member for member in members}
        self.public_url = public_url

    async def views(self, store: Store) -> list[CarrierView]:
        """What the router needs to know of each, now."""
        return await carrier_views(store, {name: member.numbers for name, member in self.members.items()})

    def attempt(self, call: Call, leg: Leg) -> Attempt:
        """The leg in the words of its carrier."""
        return Attempt(
            call_id=call.id,
            leg_id=leg.id,
            to=call.to,
            caller_id=leg.caller_id,
            ring_timeout_s=leg.ring_timeout_s,
            max_duration_s=leg.max_duration_s,
            public_url=self.public_url,
            carrier=leg.carrier,
            media_token=leg.media_token,
        )

    async def aclose(self) -> None:
        """Close every adapter."""
        for member in self.members.values():
            await member.carrier.aclose()


async def carrier_views(store: Store, numbers: Mapping[str, tuple[str, ...]]) -> list[CarrierView]:
    """Breaker and hand of each carrier as the store has them now; `numbers` are the caller ids by name, in order."""
    return [
        CarrierView(name=name, numbers=owned, breaker=await store.breaker(name), hand=await store.hand(name))
        for name, owned in numbers.items()
    ]


def handle_of(call: Call, leg: Leg) -> Handle:
    """By what the carrier can find and end the leg."""
    return Handle(
        call_id=call.id,
        leg_id=leg.id,
        to=call.to,
        caller_id=leg.caller_id,
        carrier_call_id=leg.carrier_call_id,
        carrier_data=leg.carrier_data,
        sent_at=leg.sent_at or 0.0,
    )


NewId = Callable[[str], str]
