"""Vonage (Voice API v1, NCCO). Start with README.md: what this carrier does differently."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from carriers.contract import Capabilities, Carrier, CarrierSettings, Kind
from carriers.in_memory import Line
from gateway.domain.media import LINEAR_8K


class Credentials(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two planes: calls are made with the application's RS256 key, account questions with the account's key and secret."""

    application_id: str
    private_key: str
    """PKCS#8 PEM text, or the path of the file that holds it."""
    api_key: str
    api_secret: str
    signature_secret: str
    """Signs webhooks and socket upgrades. It is not the API secret; the dashboard shows it per api_key."""


CAPABILITIES = Capabilities(
    # The account's limit. It counts a call's WebSocket `connect` as well: under a steady load a call costs two.
    calls_per_second=3.0,
    # No cap on concurrent calls is published; this is ours, so that a mistake cannot dial without end.
    concurrent_calls=1000,
    stream_format=LINEAR_8K,
    # After a clear no answer to pending notifies is documented.
    clear_returns_marks=False,
    upgrade_signed=True,
    # Vonage has answered before it asks us.
    rejects_unanswered=False,
    # The token carries a hash of the body and no address.
    hooks_sign_url=False,
    takes_messages=True,
)


def _open(settings: CarrierSettings, clock: Callable[[], float]) -> Carrier:
    from carriers.vonage.api import VonageCarrier

    return VonageCarrier(settings, clock)


def _simulator(site: Any) -> Any:
    from carriers.vonage.simulator import VonageSimulator

    return VonageSimulator(site)


def _in_memory(settings: CarrierSettings, clock: Callable[[], float], line: Line) -> Carrier:
    from carriers.vonage.in_memory import VonageInMemory

    return VonageInMemory(settings, clock, line)


SDK_SNIPPET = """\
client = Vonage(Auth(application_id="{application_id}", private_key=KEY), HttpClientOptions(api_host="{host}"))
client.http_client._session.mount("https://", PlainHttp())  # KEY: /lab/credentials; PlainHttp: docs/lab.md\
"""
"""The key is long; and the SDK knows nothing but https://, so that it needs an adapter."""

KIND = Kind(
    kind="vonage",
    title="Vonage",
    credentials=Credentials,
    capabilities=CAPABILITIES,
    open=_open,
    simulator=_simulator,
    in_memory=_in_memory,
    look_up_lags={"listed_after_s": (0.5, 2.0, 4.0)},
    sdk_snippet=SDK_SNIPPET,
)
