"""The official SDKs' own clients, pointed at a simulator. Nothing of ours stands between: no adapter, no shot, no retries off."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import plivo
import telnyx
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client as TwilioClient
from vonage import Auth, HttpClientOptions, Vonage

TIMEOUT_S = 10


class Elsewhere(HTTPAdapter):
    """Sends every request to the lab's address, the path as it is."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._lab = urlsplit(base_url)

    def send(self, request: PreparedRequest, *more: Any, **named: Any) -> Response:
        asked = urlsplit(request.url or "")
        request.url = urlunsplit((self._lab.scheme, self._lab.netloc, asked.path, asked.query, ""))
        return super().send(request, *more, **named)


class TwilioElsewhere(TwilioHttpClient):
    """As `Elsewhere`, where Twilio's SDK lets one in."""

    def __init__(self, base_url: str) -> None:
        super().__init__(timeout=TIMEOUT_S)
        self.session.mount("https://", Elsewhere(base_url))


def twilio_client(credentials: Mapping[str, Any]) -> TwilioClient:
    """Twilio's."""
    http = TwilioElsewhere(credentials["base_url"])
    return TwilioClient(credentials["account_sid"], credentials["auth_token"], http_client=http)


def telnyx_client(credentials: Mapping[str, Any]) -> telnyx.Telnyx:
    """Telnyx'."""
    return telnyx.Telnyx(
        api_key=credentials["api_key"],
        public_key=credentials["public_key"],
        base_url=credentials["base_url"],
        timeout=TIMEOUT_S,
        max_retries=0,
    )


def plivo_client(credentials: Mapping[str, Any]) -> plivo.RestClient:
    """Plivo's."""
    client = plivo.RestClient(credentials["auth_id"], credentials["auth_token"], timeout=TIMEOUT_S)
    client.session.mount("https://", Elsewhere(credentials["base_url"]))
    return client


def vonage_client(credentials: Mapping[str, Any]) -> Vonage:
    """Vonage's."""
    auth = Auth(
        application_id=credentials["application_id"],
        private_key=credentials["private_key"],
        api_key=credentials["api_key"],
        api_secret=credentials["api_secret"],
        signature_secret=credentials["signature_secret"],
    )
    client = Vonage(auth, HttpClientOptions(timeout=TIMEOUT_S))
    client.http_client._session.mount("https://", Elsewhere(credentials["base_url"]))
    return client


CLIENTS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "twilio": twilio_client,
    "telnyx": telnyx_client,
    "plivo": plivo_client,
    "vonage": vonage_client,
}
