"""Twilio: Programmable Voice with bidirectional Media Streams. The quirks and their sources are in README.md."""

from collections.abc import Callable

from msgspec import Struct

from carriers.contract import Capabilities, Carrier, CarrierSettings, Kind
from carriers.in_memory import Line
from carriers.lab.contract import Simulator, Site


class Credentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From the first page of the Twilio console. Webhooks are signed with the same `auth_token`."""

    account_sid: str
    auth_token: str


CAPABILITIES = Capabilities(
    ringing_events=True,
    # An accepted call may wait for the account's pace before anything is heard of it, but it is listed at once.
    lookup_settles_s=5.0,
    resends_safely=False,
    # Twilio never refuses for pace: it queues in silence (default one call a second), so we must keep the pace for it.
    calls_per_second=1.0,
    concurrent_calls=100,
    place_timeout_s=8.0,
    clear_returns_marks=True,
    upgrade_signed=True,
    # The stream is a step of the call's document; when it is lost, Twilio asks `hook("after")` what to do.
    stream_loss_ends_leg=False,
    takes_messages=True,
    keeps_messages=True,
)


def _open(settings: CarrierSettings, clock: Callable[[], float]) -> Carrier:
    from carriers.twilio.api import Twilio

    return Twilio(settings, clock)


def _simulator(site: Site) -> Simulator:
    from carriers.twilio.simulator import TwilioSimulator

    return TwilioSimulator(site)


def _in_memory(settings: CarrierSettings, clock: Callable[[], float], line: Line) -> Carrier:
    from carriers.twilio.in_memory import TwilioInMemory

    return TwilioInMemory(settings, clock, line)


SDK_SNIPPET = """\
client = twilio.rest.Client("{account_sid}", "{auth_token}")
client.api.base_url = "{base_url}"\
"""

KIND = Kind(
    kind="twilio",
    title="Twilio",
    credentials=Credentials,
    capabilities=CAPABILITIES,
    open=_open,
    simulator=_simulator,
    in_memory=_in_memory,
    look_up_lags={"list_lag_s": (0.0, 1.0, 4.0), "events_lag_s": (0.0, 1.0, 4.0)},
    sdk_snippet=SDK_SNIPPET,
)
