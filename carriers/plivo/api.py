"""Plivo's REST API through its official SDK; the only file that imports it.

The SDK (4.63) repeats a create-call up to twice after any 5xx, prints while it does so, and drops status and body of what
failed. None of that is reached: the wire below it raises every answer that is no 2xx before the SDK sees it.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import plivo
from requests import PreparedRequest, RequestException, Response

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
    MediaCodec,
    Placed,
    Setting,
    Sighting,
    Wanted,
    Webhooks,
)
from carriers.messages_left import MessageLeft
from carriers.plivo import CAPABILITIES, lookup, messages, provisioning, verdicts
from carriers.plivo.lookup import AnswerRefused
from carriers.plivo.markup import LASTING_RETRIES, QUICK_RETRIES, PlivoMarkup
from carriers.plivo.media import PlivoMedia
from carriers.plivo.webhooks import PlivoWebhooks
from carriers.requests_wire import Wire, download
from carriers.sdk_threads import SdkThreads
from carriers.shot import HttpAnswer
from gateway.domain.errors import CarrierError
from gateway.domain.outcome import Knowledge
from gateway.domain.verdict import Attribution, Signal, Verdict, next_carrier

T = TypeVar("T")

_ORIGIN = "https://api.plivo.com"
_LOOKUP_TIMEOUT_S = 12.0
"""A look-up is several requests."""
_CALL_ID = re.compile(r"[0-9A-Za-z-]+")
_MAX_NUMBERS = 100


class _TellingWire(Wire):
    """Raises what is no 2xx, so that the SDK can neither repeat it, nor follow it, nor lose what it says."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        response = super().send(request, *args, **kwargs)
        if response.status_code >= 300:
            raise AnswerRefused(response.status_code, error_text(response.content), response.headers.get("retry-after"))
        return response


class Unanswered(CarrierError):
    """A request other than a dial that failed, with its verdict."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason, verdict.detail)
        self.verdict = verdict


class PlivoCarrier(ByDocument):
    """`carriers.contract.Carrier` for one account or subaccount."""

    def __init__(self, settings: CarrierSettings, clock: Callable[[], float]) -> None:
        self.name = settings.name
        self.capabilities = CAPABILITIES
        self.webhooks: Webhooks = PlivoWebhooks(settings.credentials.auth_token)
        self.markup: Markup = PlivoMarkup()
        self._clock, self._base_url = clock, settings.base_url
        self._threads: SdkThreads[Any] = SdkThreads(settings.name, lambda: _client(settings), clock, settings.threads)

    async def place(self, attempt: Attempt, deadline: float, gate: Gate) -> Placed:
        placed = await self._threads.dial(
            lambda client: _create(client, attempt), deadline=deadline, gate=gate, accept=_accepted, judge=_judged
        )
        return _blamed_on_us(placed)

    async def find(self, handle: Handle) -> Sighting:
        if handle.carrier_call_id:
            call_id = _checked(handle.carrier_call_id)
            return await self._ask(lambda client: lookup.by_id(client, call_id), _LOOKUP_TIMEOUT_S)
        return await self._ask(lambda client: lookup.by_numbers(client, handle), _LOOKUP_TIMEOUT_S)

    async def hang_up(self, handle: Handle) -> None:
        call_id = handle.carrier_call_id or await self._searched(handle)
        if call_id:
            # An empty id would make the SDK ask for the end of every call of the account.
            checked = _checked(call_id)
            await self._ask(lambda client: _end(client, checked))

    async def probe(self) -> Health:
        began = self._clock()
        try:
            account = await self._ask(lambda client: client.account.get())
        except CarrierError as error:
            return Health(seconds=self._clock() - began, verdict=_verdict_of(error), detail=str(error))
        verdict = None if _has_credit(account) else verdicts.api_refusal(402)
        return Health(seconds=self._clock() - began, verdict=verdict, detail=_balance(account))

    async def check(self) -> tuple[Finding, ...]:
        try:
            account = await self._ask(lambda client: client.account.get())
        except CarrierError as error:
            return (_no_access(error),)
        access = Finding(what="credentials", ok=True, detail=f"account {_field(account, 'auth_id')} answers")
        return (access, _funds(account), await self._numbers())

    async def survey(self, wanted: Wanted) -> tuple[Setting, ...]:
        return await self._ask(lambda client: tuple(_survey(client, wanted)), _LOOKUP_TIMEOUT_S)

    async def amend(self, wanted: Wanted, settings: tuple[Setting, ...]) -> None:
        wrong = [setting for setting in settings if not setting.right and not setting.cure]
        await self._ask(lambda client: _amend(client, wanted, wrong), _LOOKUP_TIMEOUT_S)

    async def messages_left(self, numbers: tuple[str, ...], since: float) -> tuple[MessageLeft, ...]:
        found: list[dict[str, Any]] = []
        for page_number in range(messages.MOST_PAGES):
            page = await self._ask(partial(_recordings, since=since, offset=page_number * lookup.PAGE))
            found += page
            if len(page) < lookup.PAGE or messages.over(page, since):
                break
        return messages.left(found, numbers, since)

    async def message_of(self, handle: Handle) -> MessageLeft | None:
        call_id = _checked(handle.carrier_call_id)
        return messages.of_call(await self._ask(partial(_recordings_of, call_id=call_id)), call_id)

    async def message_audio(self, message: MessageLeft) -> bytes:
        place = messages.place(message, _ORIGIN, self._base_url)
        return await self._ask(partial(_sound, place=place), messages.DOWNLOAD_S)

    async def forget_message(self, message: MessageLeft) -> None:
        recording_id = _checked(message.recording_id)
        await self._ask(partial(_forget, recording_id=recording_id))

    def media(self) -> MediaCodec:
        return PlivoMedia()

    async def aclose(self) -> None:
        self._threads.close()

    async def _numbers(self) -> Finding:
        try:
            numbers = await self._ask(_voice_numbers)
        except CarrierError as error:
            return Finding(what="numbers", ok=False, detail=str(error), cure="Try again; the account itself answers.")
        if not numbers:
            return Finding(
                what="numbers", ok=False, detail="none that can carry voice", cure="Rent a voice number in Plivo's console."
            )
        return Finding(what="numbers", ok=True, detail=", ".join(numbers))

    async def _searched(self, handle: Handle) -> str:
        """The leg's id, empty if it is over or surely not there; CarrierError while it may still turn up."""
        sighting = await self.find(handle)
        if sighting.state is LegAtCarrier.ENDED:
            return ""
        settled = self._clock() - handle.sent_at > self.capabilities.lookup_settles_s
        if sighting.state is LegAtCarrier.MISSING and not settled:
            raise CarrierError("not-listed-yet", "the call may still turn up")
        return sighting.carrier_call_id

    async def _ask(self, job: Callable[[Any], T], timeout_s: float = 6.0) -> T:
        try:
            return await self._threads.control(job, timeout_s)
        except CarrierError:
            raise
        except Exception as error:
            raise Unanswered(_verdict_of(error)) from error


def error_text(body: bytes) -> str:
    """The carrier's words in an error body: `{"error": ...}`, plain text (401) or the HTML of a proxy."""
    text = body.decode(errors="replace")
    found = re.search(r'"error"\s*:\s*"((?:[^"\\]|\\.)*)"', text)
    return found.group(1) if found else re.sub(r"<[^>]*>", " ", text).strip()


def _client(settings: CarrierSettings) -> Any:
    credentials = settings.credentials
    client = plivo.RestClient(credentials.auth_id, credentials.auth_token)
    client.session.mount("https://", Wire("https://"))  # files of recordings lie elsewhere
    client.session.mount(_ORIGIN, _TellingWire(_ORIGIN, settings.base_url))
    return client


# --- the dial ----------------------------------------------------------------------------------------------------


def _create(client: Any, attempt: Attempt) -> Any:
    """The leg's tag is in every URL. `hangup_url` must be there: without it Plivo tells the end to answer_url."""
    return client.calls.create(
        from_=attempt.caller_id,
        to_=attempt.to,
        answer_url=attempt.hook("answer") + QUICK_RETRIES,
        fallback_url=attempt.hook("fallback") + QUICK_RETRIES,
        ring_url=attempt.hook("ring") + LASTING_RETRIES,
        hangup_url=attempt.hook("hangup") + LASTING_RETRIES,
        ring_timeout=attempt.ring_timeout_s,
        time_limit=attempt.max_duration_s,
    )


def _accepted(created: Any) -> Placed:
    """201: taken into the queue ("call fired" or "call queued"), no more. The id is the later CallUUID."""
    call_id = _field(created, "request_uuid")
    if not isinstance(call_id, str) or not call_id:
        verdict = next_carrier("unreadable-answer", attribution=Attribution.UNKNOWN, detail="a 2xx without request_uuid")
        return Placed(knowledge=Knowledge.UNKNOWN, verdict=verdict)
    return Placed(knowledge=Knowledge.ACCEPTED, carrier_call_id=call_id)


def _judged(answer: HttpAnswer) -> Placed:
    verdict = verdicts.api_refusal(answer.status, error_text(answer.body), answer.headers.get("retry-after"))
    return Placed(knowledge=verdicts.api_knowledge(answer.status), verdict=verdict)


def _blamed_on_us(placed: Placed) -> Placed:
    """What the SDK itself refused to send looks like a network failure from outside; it is ours."""
    verdict = placed.verdict
    if placed.knowledge is not Knowledge.NOT_SENT or verdict is None or verdict.detail not in verdicts.LOCAL_ERRORS:
        return placed
    return Placed(knowledge=Knowledge.NOT_SENT, verdict=verdicts.LOCAL_ERRORS[verdict.detail])


# --- everything else ---------------------------------------------------------------------------------------------


def _end(client: Any, call_id: str) -> None:
    """Hang up, or take back what is still queued; gone either way is success."""
    for request in (client.calls.delete, client.calls.cancel):
        try:
            request(call_id)
            return
        except AnswerRefused as refused:
            if refused.status != 404:
                raise


def _checked(call_id: str) -> str:
    if not _CALL_ID.fullmatch(call_id):
        raise CarrierError("malformed-call-id", "the SDK would put it into a path as it is")
    return call_id


def _verdict_of(error: Exception) -> Verdict:
    if isinstance(error, Unanswered):
        return error.verdict
    if isinstance(error, AnswerRefused):
        return verdicts.api_refusal(error.status, error.message, error.retry_after)
    if isinstance(error, CarrierError):
        return next_carrier(error.reason, attribution=Attribution.NETWORK, detail=error.detail)
    if isinstance(error, RequestException):
        return next_carrier("unreachable", attribution=Attribution.NETWORK, detail=type(error).__name__)
    local = verdicts.LOCAL_ERRORS.get(type(error).__name__)
    return local or next_carrier("unreadable-answer", attribution=Attribution.UNKNOWN, detail=type(error).__name__)


def _field(answer: Any, name: str) -> Any:
    # The SDK's answers raise on a missing key by falling back to a list that is not there.
    return getattr(answer, name, None)


def _has_credit(account: Any) -> bool:
    """Only a prepaid account that is empty for certain has none."""
    if _field(account, "billing_mode") != "prepaid" or _field(account, "auto_recharge"):
        return True
    try:
        return float(_field(account, "cash_credits")) > 0
    except (TypeError, ValueError):
        return True


def _balance(account: Any) -> str:
    return f"{_field(account, 'billing_mode') or 'unknown billing'}, {_field(account, 'cash_credits')} credits"


def _funds(account: Any) -> Finding:
    if _has_credit(account):
        return Finding(what="balance", ok=True, detail=_balance(account))
    return Finding(
        what="balance", ok=False, detail=_balance(account), cure="Add credit in Plivo's console, or turn auto-recharge on."
    )


def _no_access(error: CarrierError) -> Finding:
    ours = _verdict_of(error).signal is Signal.MISCONFIGURED
    cure = "Copy auth_id and auth_token from the first page of Plivo's console." if ours else "Check base_url and the network."
    return Finding(what="credentials", ok=False, detail=str(error), cure=cure)


# --- messages that callers left ----------------------------------------------------------------------------------

_RECORDING = (
    "recording_id",
    "call_uuid",
    "from_number",
    "to_number",
    "recording_format",
    "conference_name",
    "recording_start_ms",
    "recording_duration_ms",
    "recording_url",
)


def _recordings(client: Any, since: float, offset: int) -> list[dict[str, Any]]:
    listed = client.recordings.list(add_time__gte=messages.listed_after(since), limit=lookup.PAGE, offset=offset)
    return _fields_of(listed)


def _recordings_of(client: Any, call_id: str) -> list[dict[str, Any]]:
    return _fields_of(client.recordings.list(call_uuid=call_id, limit=lookup.PAGE))


def _fields_of(listed: Any) -> list[dict[str, Any]]:
    return [{field: _field(one, field) for field in _RECORDING} for one in _field(listed, "objects") or []]


def _sound(client: Any, place: messages.Place) -> bytes:
    auth = tuple(client.session.auth) if place.trusted else _without_credentials
    answer = download(client.session, place.url, auth, messages.LARGEST_BYTES)
    if answer.status != 200:
        raise AnswerRefused(answer.status, error_text(answer.body[:500]), answer.headers.get("retry-after"))
    return answer.body


def _without_credentials(request: PreparedRequest) -> PreparedRequest:
    """The session would add its own to a request without any."""
    return request


def _forget(client: Any, recording_id: str) -> None:
    try:
        client.recordings.delete(recording_id)
    except AnswerRefused as refused:
        if refused.status != 404:
            raise


# --- where callers go ---------------------------------------------------------------------------------------------


def _survey(client: Any, wanted: Wanted) -> Iterator[Setting]:
    owned = {f"+{_field(one, 'number')}": provisioning.app_id_of(_field(one, "application")) for one in _all_numbers(client)}
    yield from provisioning.settings(_application(client, wanted), owned, wanted)


def _application(client: Any, wanted: Wanted) -> dict[str, str] | None:
    name = provisioning.application_name(wanted)
    for offset in range(0, _MAX_NUMBERS, lookup.PAGE):
        page = _field(client.applications.list(limit=lookup.PAGE, offset=offset), "objects") or []
        for one in page:
            if _field(one, "app_name") == name:
                return {field: _field(one, field) or "" for field in ("app_id", *provisioning.wishes(wanted))}
        if len(page) < lookup.PAGE:
            break
    return None


def _amend(client: Any, wanted: Wanted, wrong: list[Setting]) -> None:
    """The application first: its id may be new."""
    application, fields = _application(client, wanted), provisioning.wishes(wanted)
    if application is None:
        created = client.applications.create(provisioning.application_name(wanted), **fields)
        app_id = str(_field(created, "app_id"))
    else:
        app_id = application["app_id"]
        if any("application" in setting.handle for setting in wrong):
            client.applications.update(app_id, **fields)
    for setting in wrong:
        if "number" in setting.handle:
            client.numbers.update(setting.handle["number"], app_id=app_id)


def _all_numbers(client: Any) -> Iterator[Any]:
    for offset in range(0, _MAX_NUMBERS * lookup.PAGE, lookup.PAGE):
        page = _field(client.numbers.list(limit=lookup.PAGE, offset=offset), "objects") or []
        yield from page
        if len(page) < lookup.PAGE:
            return


def _voice_numbers(client: Any) -> list[str]:
    """E.164 with `+`; Plivo writes them without."""
    found: list[str] = []
    for offset in range(0, _MAX_NUMBERS, lookup.PAGE):
        page = _field(client.numbers.list(limit=lookup.PAGE, offset=offset), "objects") or []
        found += [f"+{_field(number, 'number')}" for number in page if _field(number, "voice_enabled") is not False]
        if len(page) < lookup.PAGE:
            break
    return found
