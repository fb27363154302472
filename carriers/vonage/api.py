"""Vonage through its official SDK: the one file that imports it.

The SDK's raw `http_client.get/post/put` are used rather than its typed methods: those validate *answers* with strict
models, so that a call which was placed (201) but described a little differently would look like a client-side error.
"""

import logging
import re
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec.structs import replace
from requests import PreparedRequest, RequestException
from vonage import Auth, HttpClientOptions, Vonage, VonageError

from carriers.by_document import ByDocument
from carriers.contract import (
    Attempt,
    CarrierSettings,
    Finding,
    Gate,
    Handle,
    Health,
    LegAtCarrier,
    Markup,
    Placed,
    Setting,
    Sighting,
    Wanted,
    Webhooks,
)
from carriers.messages_left import MessageLeft, NoMessages
from carriers.requests_wire import Wire, download
from carriers.sdk_threads import SdkThreads
from carriers.shot import HttpAnswer
from carriers.vonage import CAPABILITIES, Credentials, messages, provisioning, records, verdicts
from carriers.vonage.markup import NccoMarkup
from carriers.vonage.media import VonageCodec
from carriers.vonage.webhooks import VonageWebhooks
from gateway.domain.errors import CarrierError, Misconfigured, Problem
from gateway.domain.outcome import Knowledge
from gateway.domain.verdict import Attribution, Verdict, next_carrier

API_HOST = "api.nexmo.com"
REST_HOST = "rest.nexmo.com"
MAX_RING_S, MAX_LENGTH_S = 120, 86400
MAX_PAGES = 3
MAX_NUMBER_PAGES = 20
_REGION_HOST = re.compile(r"api(-[a-z]{2}(-\d+)?)?\.(vonage|nexmo)\.com")
_UNHEARD = frozenset({401, 402, 403, 429})
"""Refusals of a hang-up that say nothing of the call."""

# The SDK logs every refusal with its body (numbers in it) at WARNING, and the bearer token at DEBUG.
logging.getLogger("vonage").setLevel(logging.CRITICAL)


class Refusal(CarrierError):
    """A control request was answered, but not with 2xx."""

    def __init__(self, answer: HttpAnswer) -> None:
        self.verdict = verdicts.api_verdict(answer.status, answer.headers, answer.body)
        super().__init__(self.verdict.reason, f"{answer.status} {self.verdict.detail}".strip())
        self.status = answer.status


class VonageCarrier(ByDocument, NoMessages):
    """Implements `carriers.contract.Carrier`."""

    def __init__(self, settings: CarrierSettings, clock: Callable[[], float]) -> None:
        self.name, self.capabilities = settings.name, CAPABILITIES
        credentials: Credentials = settings.credentials
        self.webhooks: Webhooks = VonageWebhooks(credentials.signature_secret, credentials.application_id)
        self.markup: Markup = NccoMarkup()
        self._clock, self._base_url, self._application_id = clock, settings.base_url, credentials.application_id
        # A key that cannot sign must be known now: in a dial it would look like a carrier out of reach.
        auth = _auth(settings.name, credentials)
        make_client = partial(_client, auth, settings.base_url)
        self._threads: SdkThreads[Any] = SdkThreads(settings.name, make_client, clock, settings.threads)

    async def place(self, attempt: Attempt, deadline: float, gate: Gate) -> Placed:
        body = call_body(attempt)
        return await self._threads.dial(
            lambda client: client.http_client.post(API_HOST, "/v1/calls", body),
            deadline=deadline,
            gate=gate,
            accept=_accepted,
            judge=verdicts.judge,
        )

    async def find(self, handle: Handle) -> Sighting:
        if not handle.carrier_call_id:
            return await self._search(handle)
        try:
            record = await self._send("get", self._host(handle), _path(handle.carrier_call_id))
        except Refusal as refusal:
            if refusal.status == 404:
                return Sighting(state=LegAtCarrier.MISSING)
            raise
        if not isinstance(record, dict):
            raise CarrierError("unreadable-answer", "a call record that is not a JSON object")
        return records.sighting_of(record)

    async def hang_up(self, handle: Handle) -> None:
        uuid = handle.carrier_call_id or await self._live_uuid(handle)
        if not uuid:
            return
        try:
            await self._send("put", self._host(handle), _path(uuid), {"action": "hangup"})
        except Refusal as refusal:
            await self._gone_or_raise(handle, uuid, refusal)

    async def probe(self) -> Health:
        """The list of calls proves the voice plane; the cheaper balance request lives on another host."""
        began = self._clock()
        try:
            await self._send("get", API_HOST, "/v1/calls", {"page_size": "1"})
        except CarrierError as error:
            return Health(seconds=self._clock() - began, verdict=_health_verdict(error), detail=str(error))
        return Health(seconds=self._clock() - began)

    async def check(self) -> tuple[Finding, ...]:
        return (await self._check_calls(), await self._check_balance(), await self._check_numbers())

    async def survey(self, wanted: Wanted) -> tuple[Setting, ...]:
        return tuple(provisioning.settings(await self._application(), await self._owned(), wanted))

    async def amend(self, wanted: Wanted, settings: tuple[Setting, ...]) -> None:
        wrong = [setting for setting in settings if not setting.right and not setting.cure]
        if any("application" in setting.handle for setting in wrong):
            body = provisioning.amended(await self._application(), wanted)
            await self._send("put", API_HOST, self._application_path, body, auth="basic")
        for setting in wrong:
            if "number" in setting.handle:
                await self._link_number(setting.handle["country"], setting.handle["number"])

    async def message_of(self, handle: Handle) -> MessageLeft | None:
        return messages.left(handle)

    async def message_audio(self, message: MessageLeft) -> bytes:
        place = messages.place(message, f"https://{API_HOST}", self._base_url)
        sound: bytes = await self._sent(partial(_sound, url=place), messages.DOWNLOAD_S)
        return sound

    def media(self) -> VonageCodec:
        return VonageCodec()

    async def aclose(self) -> None:
        self._threads.close()

    # --- look-ups ----------------------------------------------------------------------------------------------

    async def _search(self, handle: Handle) -> Sighting:
        found: list[dict[str, Any]] = []
        query = records.window(handle, self._clock())
        for page in range(MAX_PAGES):
            index = {"record_index": str(page * records.PAGE_SIZE)} if page else {}
            calls = records.calls_of(await self._send("get", API_HOST, "/v1/calls", query | index))
            found += calls
            if len(calls) < records.PAGE_SIZE:
                break
        return records.choose(found, handle)

    async def _live_uuid(self, handle: Handle) -> str:
        sighting = await self._search(handle)
        if sighting.state is LegAtCarrier.MISSING and self._clock() < handle.sent_at + self.capabilities.lookup_settles_s:
            raise CarrierError("not-listed-yet", "the call may still appear in the list")
        return "" if sighting.state in {LegAtCarrier.MISSING, LegAtCarrier.ENDED} else sighting.carrier_call_id

    async def _gone_or_raise(self, handle: Handle, uuid: str, refusal: Refusal) -> None:
        # 404 means "over" or "another region's call"; what a finished call answers is not documented. So: look.
        if refusal.status in _UNHEARD or refusal.status >= 500:
            raise refusal
        sighting = await self.find(replace(handle, carrier_call_id=uuid))
        if sighting.state not in {LegAtCarrier.MISSING, LegAtCarrier.ENDED}:
            raise CarrierError("not-obeyed", f"hang-up got {refusal.status} while the call is {sighting.state}")

    def _host(self, handle: Handle) -> str:
        """A live call is controlled in its own region, which the webhooks name (`region_url`); elsewhere it is a 404."""
        region = urlsplit(handle.carrier_data.get("region_url", "")).hostname or ""
        known = self._base_url is None and _REGION_HOST.fullmatch(region)
        return region if known else API_HOST

    # --- where callers go --------------------------------------------------------------------------------------

    @property
    def _application_path(self) -> str:
        return f"/v2/applications/{quote(self._application_id, safe='')}"

    async def _application(self) -> dict[str, Any]:
        shown = await self._send("get", API_HOST, self._application_path, auth="basic")
        if not isinstance(shown, dict):
            raise CarrierError("unreadable-answer", "an application that is not a JSON object")
        return shown

    async def _owned(self) -> dict[str, dict[str, str]]:
        owned: dict[str, dict[str, str]] = {}
        for index in range(1, MAX_NUMBER_PAGES + 1):
            page = await self._send("get", REST_HOST, "/account/numbers", {"size": "100", "index": str(index)}, auth="basic")
            numbers = (page or {}).get("numbers", []) if isinstance(page, dict | None) else []
            for one in numbers:
                owned[f"+{one['msisdn']}"] = {"country": str(one.get("country", "")), "app_id": str(one.get("app_id", ""))}
            if len(numbers) < 100:
                break
        return owned

    async def _link_number(self, country: str, number: str) -> None:
        """An update replaces the whole of a number's settings; for one that answers calls here the application is all."""
        fields = {"country": country, "msisdn": number, "app_id": self._application_id}

        def job(client: Any) -> Any:
            return client.http_client.post(REST_HOST, "/number/update", fields, "basic", "form")

        await self._sent(job)

    # --- requests ----------------------------------------------------------------------------------------------

    async def _send(self, method: str, host: str, path: str, params: dict[str, Any] | None = None, auth: str = "jwt") -> Any:
        def job(client: Any) -> Any:
            return getattr(client.http_client, method)(host, path, params, auth)

        return await self._sent(job)

    async def _sent(self, job: Callable[[Any], Any], timeout_s: float = 6.0) -> Any:
        try:
            return await self._threads.control(job, timeout_s)
        except VonageError as error:
            raise _refusal(error) from error
        except RequestException as error:
            raise CarrierError("unreachable", type(error).__name__) from error

    # --- holdline check ----------------------------------------------------------------------------------------

    async def _check_calls(self) -> Finding:
        health = await self.probe()
        if health.verdict is None:
            return Finding(what="application", ok=True, detail=f"answers in {health.seconds * 1000:.0f} ms")
        cure = "check application_id, private_key and this machine's clock"
        return Finding(what="application", ok=False, detail=health.detail, cure=cure)

    async def _check_balance(self) -> Finding:
        try:
            answer = await self._send("get", REST_HOST, "/account/get-balance", auth="basic")
            value = float(answer["value"])
        except (CarrierError, KeyError, TypeError, ValueError) as error:
            return Finding(what="balance", ok=False, detail=str(error), cure="check api_key and api_secret")
        cure = "" if value > 0 else "top up the account, or switch auto-reload on"
        return Finding(what="balance", ok=value > 0, detail=f"{value:.2f} EUR", cure=cure)

    async def _check_numbers(self) -> Finding:
        try:
            answer = await self._send("get", REST_HOST, "/account/numbers", {"size": "100"}, auth="basic")
            owned = [f"+{number['msisdn']}" for number in (answer or {}).get("numbers", [])]
        except (CarrierError, KeyError, TypeError, AttributeError) as error:
            return Finding(what="numbers", ok=False, detail=str(error), cure="check api_key and api_secret")
        cure = "" if owned else "rent a number with voice and link it to the application"
        return Finding(what="numbers", ok=bool(owned), detail=", ".join(owned) or "none", cure=cure)


def call_body(attempt: Attempt) -> dict[str, Any]:
    """The create-call request. Numbers travel without `+`; call and leg travel in the URLs, the only place for a tag."""
    return {
        "to": [{"type": "phone", "number": attempt.to.removeprefix("+")}],
        "from": {"type": "phone", "number": attempt.caller_id.removeprefix("+")},
        "answer_url": [attempt.hook("answer")],
        # GET is the default, and its signature covers re-encoded parameters instead of a body.
        "answer_method": "POST",
        "event_url": [attempt.hook("event")],
        "event_method": "POST",
        "ringing_timer": min(max(attempt.ring_timeout_s, 1), MAX_RING_S),
        "length_timer": min(max(attempt.max_duration_s, 1), MAX_LENGTH_S),
    }


def _accepted(answer: Any) -> Placed:
    uuid = answer.get("uuid") if isinstance(answer, dict) else None
    if not isinstance(uuid, str) or not uuid:
        verdict = next_carrier("unreadable-answer", attribution=Attribution.UNKNOWN, detail="2xx without a uuid")
        return Placed(knowledge=Knowledge.UNKNOWN, verdict=verdict)
    conversation = answer.get("conversation_uuid")
    data = {"conversation_uuid": conversation} if isinstance(conversation, str) else {}
    return Placed(knowledge=Knowledge.ACCEPTED, carrier_call_id=uuid, carrier_data=data)


def _sound(client: Any, *, url: str) -> bytes:
    """The file wants a token of the application."""

    def signed(request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = client.http_client.auth.create_jwt_auth_string()
        return request

    session = client.http_client._session  # noqa: SLF001 - the SDK's own download writes to a path and knows no bound
    answer = download(session, url, signed, messages.LARGEST_BYTES)
    if answer.status != 200:
        raise Refusal(answer)
    return answer.body


def _path(uuid: str) -> str:
    return f"/v1/calls/{quote(uuid, safe='')}"


def _refusal(error: Exception) -> CarrierError:
    response = getattr(error, "response", None)
    if response is None:
        return CarrierError("sdk-error", type(error).__name__)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Refusal(HttpAnswer(status=response.status_code, headers=headers, body=response.content))


def _health_verdict(error: CarrierError) -> Verdict:
    if isinstance(error, Refusal):
        return error.verdict
    return next_carrier(error.reason, attribution=Attribution.NETWORK, detail=error.detail)


def _auth(name: str, credentials: Credentials) -> Any:
    # Keys out of environment variables often carry their line ends as two characters.
    text = credentials.private_key.replace("\\n", "\n")
    try:
        # The SDK reads a path only if its last part has a dot, and takes any other text for the key itself.
        key = text if "-----BEGIN" in text else Path(text).read_text()
        auth = Auth(
            application_id=credentials.application_id,
            private_key=key,
            api_key=credentials.api_key,
            api_secret=credentials.api_secret,
        )
        # The SDK parses the PEM anew for every token, 115 ms of a held interpreter lock as measured; a parsed key serves as well.
        auth._jwt_client._private_key = _parsed(key)  # noqa: SLF001
        auth.generate_application_jwt()
    except (VonageError, ValueError, TypeError, OSError) as error:
        raise Misconfigured((_bad_key(name),)) from error
    return auth


@lru_cache(maxsize=8)
def _parsed(key: str) -> Any:
    """Once for each key: several carriers of the config may sign with the same, and it takes 60 ms."""
    return load_pem_private_key(key.encode(), password=None)


def _bad_key(name: str) -> Problem:
    allowed = "PKCS#8 PEM text or a file with it (openssl pkcs8 -topk8 -nocrypt -in private.key)"
    return Problem(f"carriers.{name}.private_key", "a key that cannot sign", allowed)


def _client(auth: Any, base_url: str | None) -> Any:
    # pool_maxsize is also how often the SDK repeats a request whose connection was closed without an answer.
    options = HttpClientOptions(timeout=5, pool_connections=1, pool_maxsize=1, max_retries=0)
    client = Vonage(auth, options)
    session = client.http_client._session  # noqa: SLF001 - the SDK hard-codes https:// and offers no other place for an adapter
    # A proxy or a netrc entry from the environment would send the request round the wire's gate, or change its credentials.
    session.trust_env = False
    session.mount("https://", Wire("https://"))
    for host in (API_HOST, REST_HOST):
        session.mount(f"https://{host}", Wire(f"https://{host}", base_url))
    return client
