"""Sparrow's calling card. Importing this package imports no HTTP client."""

from collections.abc import Callable

from msgspec import Struct

from carriers.contract import Capabilities, Carrier, CarrierSettings, Kind
from carriers.lab.contract import Simulator, Site
from gateway.domain.media import MULAW_8K


class Credentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key for our requests, and a secret for what Sparrow signs."""

    api_key: str
    signing_secret: str


CAPABILITIES = Capabilities(
    lookup_settles_s=1.0, calls_per_second=20.0, place_timeout_s=2.0, stream_format=MULAW_8K, upgrade_signed=True
)


def _open(settings: CarrierSettings, clock: Callable[[], float]) -> Carrier:
    from .api import Sparrow

    return Sparrow(settings, clock)


def _simulator(site: Site) -> Simulator:
    from .simulator import SparrowSimulator

    return SparrowSimulator(site)


KIND = Kind(
    kind="sparrow",
    title="Sparrow",
    credentials=Credentials,
    capabilities=CAPABILITIES,
    open=_open,
    simulator=_simulator,
)
