"""Plivo. Importing this package imports no SDK."""

from collections.abc import Callable

from msgspec import Struct

from carriers.contract import Capabilities, Carrier, CarrierSettings, Kind
from carriers.in_memory import Line
from carriers.lab.contract import Simulator, Site
from gateway.domain.media import MULAW_8K


class PlivoCredentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From the console's home page. `auth_id` is `MA` (account) or `SA` (subaccount) and 18 more characters."""

    auth_id: str
    auth_token: str


CAPABILITIES = Capabilities(
    # Live and queued calls are listed at once, finished ones "some seconds" later.
    lookup_settles_s=6.0,
    # The account's default. Plivo does not refuse what exceeds it, it dials it late; so our own pace must hold it back.
    calls_per_second=2.0,
    stream_format=MULAW_8K,
    # Checkpoints that wait when the buffer is cleared are dropped without a word.
    clear_returns_marks=False,
    # Signed upgrades are described by one source only: a signature is checked where there is one, and not demanded.
    upgrade_signed=False,
    # `keepCallAlive` and a `<Redirect>` behind the stream: the leg asks us what to do when its socket is gone.
    stream_loss_ends_leg=False,
    takes_messages=True,
    keeps_messages=True,
)


def _open(settings: CarrierSettings, clock: Callable[[], float]) -> Carrier:
    from carriers.plivo.api import PlivoCarrier

    return PlivoCarrier(settings, clock)


def _simulator(site: Site) -> Simulator:
    from carriers.plivo.simulator import PlivoSimulator

    return PlivoSimulator(site)


def _in_memory(settings: CarrierSettings, clock: Callable[[], float], line: Line) -> Carrier:
    from carriers.plivo.in_memory import PlivoInMemory

    return PlivoInMemory(settings, clock, line)


SDK_SNIPPET = """\
plivo.rest.client.PLIVO_API_BASE_URI = plivo.rest.client.API_VOICE_BASE_URI = "{base_url}/v1/Account"
client = plivo.RestClient("{auth_id}", "{auth_token}")\
"""

KIND = Kind(
    kind="plivo",
    title="Plivo",
    credentials=PlivoCredentials,
    capabilities=CAPABILITIES,
    open=_open,
    simulator=_simulator,
    in_memory=_in_memory,
    look_up_lags={"listing_lag_s": (0.0, 1.0, 5.0), "cdr_lag_s": (2.0, 5.0)},
    sdk_snippet=SDK_SNIPPET,
)
