"""Telnyx, through Call Control (JSON REST and JSON webhooks), never TeXML: the two do not mix on one call."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from carriers.contract import Capabilities, Carrier, CarrierSettings, Kind
from carriers.in_memory import Line

if TYPE_CHECKING:
    from carriers.lab.contract import Simulator, Site


class Credentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the portal shows: an API v2 key, the account's webhook key, and the id of a Call Control application."""

    api_key: str
    public_key: str
    """Base64 of 32 bytes (Ed25519); the account's, under "Keys & Credentials"."""
    connection_id: str


CAPABILITIES = Capabilities(
    ringing_events=False,  # no captured or typed webhook says "ringing"; only TeXML has one
    lookup_settles_s=5.0,
    resends_safely=True,  # a second Dial with the same command_id is ignored for 60 s
    calls_per_second=30.0,  # 150 in any 5 s, above that 429 and no queue
    concurrent_calls=10,  # a level-2 account; support raises it
    clear_returns_marks=True,
    upgrade_signed=False,
    hooks_sign_url=False,  # timestamp and body only; beside the call's id the leg's tag comes back in the body
    answers_by_command=True,
    streams_by_command=True,  # streaming_start; a stream that is lost is not asked for
    takes_messages=True,  # speak, then record_start
    stream_loss_ends_leg=False,  # the stream is a fork: the person stays on the line without it
)


def _open(settings: CarrierSettings, clock: Callable[[], float]) -> Carrier:
    from carriers.telnyx.api import TelnyxCarrier

    return TelnyxCarrier(settings, clock)


def _simulator(site: "Site") -> "Simulator":
    from carriers.telnyx.simulator import TelnyxSimulator

    return TelnyxSimulator(site)


def _in_memory(settings: CarrierSettings, clock: Callable[[], float], line: Line) -> Carrier:
    from carriers.telnyx.in_memory import TelnyxInMemory

    return TelnyxInMemory(settings, clock, line)


SDK_SNIPPET = """\
client = telnyx.Telnyx(api_key="{api_key}", base_url="{base_url}",
                       public_key="{public_key}")  # connection_id="{connection_id}"\
"""

KIND = Kind(
    kind="telnyx",
    title="Telnyx",
    credentials=Credentials,
    capabilities=CAPABILITIES,
    open=_open,
    simulator=_simulator,
    in_memory=_in_memory,
    look_up_lags={"active_calls_lag_s": (0.0, 1.0, 4.0)},
    sdk_snippet=SDK_SNIPPET,
)
