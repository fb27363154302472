"""Who may open a media socket: decided before the upgrade is accepted, in words that name the refusal.

A socket is a leg's own when its path names carrier, call and leg and holds the leg's token, the leg may still be heard,
and the carrier's signature is right where the carrier signs. Nothing of a refused path but its ids is ever logged.
"""

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct

from carriers.contract import Carrier
from gateway.domain.errors import BadSignature, StoreUnavailable
from gateway.domain.media import StreamStarted
from gateway.domain.records import Call, Leg

_PATH = re.compile(
    r"/carriers/(?P<carrier>[A-Za-z0-9_-]{1,64})/media/(?P<call>\w{1,64})/(?P<leg>\w{1,64})/(?P<token>[A-Za-z0-9_-]{1,256})",
    re.ASCII,
)

STATUS: Mapping[str, int] = {
    "malformed-path": 404,
    "unknown-carrier": 404,
    "unknown-call": 404,
    "unknown-leg": 404,
    "bad-token": 403,
    "leg-over": 403,
    "bad-signature": 403,
    "already-bound": 409,
    "bound-too-often": 409,
    "store-unavailable": 503,
    "not-here": 409,
    "bad-relay": 403,
    "relay-full": 503,
}
"""Every reason for which a socket is refused, and the HTTP status that says so."""

Load = Callable[[str], Awaitable[Call | None]]


class Refused(Exception):
    """The upgrade is refused; `reason` is a key of `STATUS`. `carrier` is empty unless it is one of ours."""

    def __init__(self, reason: str, carrier: str = "", call_id: str = "", leg_id: str = "") -> None:
        super().__init__(reason)
        self.reason, self.carrier, self.call_id, self.leg_id = reason, carrier, call_id, leg_id


class Knock(Struct, frozen=True, kw_only=True):
    """An upgrade request, reduced to what is checked. Header names are in lower case."""

    path: str
    headers: Mapping[str, str]


class Admitted(Struct, frozen=True, kw_only=True):
    """An upgrade that may be accepted, if the binding rule allows it too."""

    carrier: Carrier
    call_id: str
    leg: Leg
    signed: bool


class Admission:
    """The checks. `public_url` as configured: what the carriers were given, and what they sign."""

    def __init__(self, carriers: Mapping[str, Carrier], load: Load, public_url: str, clock: Callable[[], float]) -> None:
        self._carriers, self._load, self._clock = carriers, load, clock
        scheme, _, rest = public_url.rstrip("/").partition("://")
        self._socket_url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}"

    async def admit(self, knock: Knock) -> Admitted:
        """Raise Refused, or say whose socket it is."""
        found = _PATH.fullmatch(knock.path)
        if found is None:
            raise Refused("malformed-path")
        carrier = self._carriers.get(found["carrier"])
        if carrier is None:
            raise Refused("unknown-carrier")
        try:
            return await self._admit(knock, carrier, found["call"], found["leg"], found["token"])
        except Refused as refused:
            raise Refused(refused.reason, carrier.name, found["call"], found["leg"]) from None

    async def relayed(self, name: str, call_id: str, leg_id: str, *, signed: bool) -> Admitted:
        """What another gateway has admitted, looked at once more; raise Refused."""
        carrier = self._carriers.get(name)
        if carrier is None:
            raise Refused("unknown-carrier")
        leg = await self.leg(call_id, leg_id, name)
        may_be_heard(leg)
        return Admitted(carrier=carrier, call_id=call_id, leg=leg, signed=signed)

    async def leg(self, call_id: str, leg_id: str, carrier: str) -> Leg:
        """The leg as it stands now, if it is this carrier's and may be heard."""
        try:
            call = await self._load(call_id)
        except StoreUnavailable:
            raise Refused("store-unavailable") from None
        if call is None:
            raise Refused("unknown-call")
        leg = call.find(leg_id)
        if leg is None or leg.carrier != carrier:
            raise Refused("unknown-leg")
        return leg

    async def _admit(self, knock: Knock, carrier: Carrier, call_id: str, leg_id: str, token: str) -> Admitted:
        leg = await self.leg(call_id, leg_id, carrier.name)
        # An empty token would be equal to an empty path part, were the path ever to allow one.
        if not leg.media_token or not hmac.compare_digest(leg.media_token.encode(), token.encode()):
            raise Refused("bad-token")
        may_be_heard(leg)
        try:
            signed = carrier.webhooks.verify_upgrade(self._socket_url + knock.path, knock.headers, self._clock())
        except BadSignature:
            raise Refused("bad-signature") from None
        return Admitted(carrier=carrier, call_id=call_id, leg=leg, signed=signed)


def may_be_heard(leg: Leg) -> None:
    """Raise Refused for a leg that is over, condemned, or about to be hung up."""
    if not leg.live or leg.hangup_wanted:
        raise Refused("leg-over")


def start_belongs(leg: Leg, started: StreamStarted, *, again: bool, signed: bool) -> bool:
    """Whether a stream's `start` is this leg's. `again`: the leg had a socket before, and this one must prove itself."""
    told, known = started.carrier_call_id, leg.carrier_call_id
    if told and known:
        return told == known
    return signed or not again
