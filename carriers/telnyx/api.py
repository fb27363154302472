"""Telnyx behind the carriers' interface, through the official SDK (`telnyx` 4.189.0): the only file that imports it.

What is worked round here, each seen by running that version:

- `max_retries` is 2 by default, for `POST /calls` too, and no idempotency key is sent: it is 0 here, and the wire gate
  below the SDK lets one request of a dial pass, whatever the SDK does;
- a client without a key does not complain, it sends unauthenticated requests: the key is checked when the carrier opens;
- the environment (`TELNYX_BASE_URL`, `TELNYX_CLIENT_ID` ...) redirects or re-authenticates every client: all is given;
- the first use of `client.calls` imports 1,375 modules (two seconds of the interpreter's lock): done when we are imported.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, TypeVar

import httpx
import telnyx
import telnyx.resources.calls  # (see above: the slow import, at start and not in the first dial)
import telnyx.resources.phone_numbers
from telnyx import Telnyx
from telnyx.types import CallDialResponse
from telnyx.types.numbers_phone_number_detailed import NumbersPhoneNumberDetailed

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
from carriers.httpx_wire import CONNECT_TIMEOUT_S, Wire
from carriers.sdk_threads import SdkThreads
from carriers.shot import HttpAnswer
from carriers.telnyx import CAPABILITIES, Credentials, provisioning, sightings, verdicts
from carriers.telnyx.markup import TelnyxMarkup
from carriers.telnyx.media import TelnyxMediaCodec
from carriers.telnyx.messages import GONE, TelnyxMessages
from carriers.telnyx.streaming import NOT_STREAMING, RATE, STREAMING_ALREADY, WISH, order_ids
from carriers.telnyx.webhooks import TelnyxWebhooks, tag_of
from gateway.domain.errors import CarrierError, Misconfigured, Problem
from gateway.domain.outcome import Knowledge
from gateway.domain.verdict import Attribution, Signal, Verdict, next_carrier

T = TypeVar("T")

PUBLIC_API = "https://api.telnyx.com/v2"
CONTROL_TIMEOUT_S = 5.0
RING_LIMITS_S = (5, 600)
CALL_LIMITS_S = (30, 14_400)
PAGE_SIZE = 250
MOST_PAGES = 8
CLOCK_SLACK_S = 60.0
"""How much earlier than our own `sent_at` Telnyx' log is asked, for clocks that differ."""


class TelnyxCarrier(TelnyxMessages):
    """One Telnyx account, opened; every method may be called from the event loop at any time."""

    def __init__(self, settings: CarrierSettings, clock: Callable[[], float]) -> None:
        credentials: Credentials = settings.credentials
        self.name, self.capabilities = settings.name, CAPABILITIES
        self.webhooks: Webhooks = _webhooks(settings.name, credentials)
        self.markup: Markup = TelnyxMarkup()
        self._connection_id, self._clock = credentials.connection_id, clock
        self._api_key, self._base_url = credentials.api_key, settings.base_url or PUBLIC_API
        self._wires: list[Wire] = []
        self._threads = SdkThreads(settings.name, self._make_client, clock, settings.threads, self._let_go)

    async def place(self, attempt: Attempt, deadline: float, gate: Gate) -> Placed:
        return await self._threads.dial(
            lambda client: _dial(client, attempt, self._connection_id),
            deadline=deadline,
            gate=gate,
            accept=_accepted,
            judge=verdicts.judge_refusal,
        )

    async def find(self, handle: Handle) -> Sighting:
        return await self._ask(lambda client: _find(client, handle, self._connection_id))

    async def hang_up(self, handle: Handle) -> None:
        await self._ask(lambda client: _hang_up(client, handle, self._connection_id))

    async def answer(self, attempt: Attempt, handle: Handle) -> None:
        await self._ask(lambda client: _answer_call(client, attempt, handle))

    async def reject(self, handle: Handle, cause: str) -> None:
        await self._ask(lambda client: _reject(client, handle, cause))

    async def open_stream(self, attempt: Attempt, handle: Handle, turn: int) -> None:
        await self._ask(lambda client: _open_stream(client, attempt, handle.carrier_call_id, order_ids(handle.leg_id, turn)))

    async def probe(self) -> Health:
        started = self._clock()
        verdict = await self._verdict_of(lambda client: client.balance.retrieve())
        return Health(seconds=self._clock() - started, verdict=verdict, detail=verdict.detail if verdict else "")

    async def check(self) -> tuple[Finding, ...]:
        looks = (("credentials", _check_balance), ("connection", self._check_connection), ("numbers", _check_numbers))
        return tuple([await self._look(what, job) for what, job in looks])

    async def survey(self, wanted: Wanted) -> tuple[Setting, ...]:
        return await self._ask(lambda client: tuple(_survey(client, self._connection_id, wanted)))

    async def amend(self, wanted: Wanted, settings: tuple[Setting, ...]) -> None:
        wrong = [setting for setting in settings if not setting.right and not setting.cure]
        of_application = {one.handle["field"]: one.wanted for one in wrong if "application" in one.handle}
        if of_application:
            await self._ask(lambda client: _set_application(client, self._connection_id, of_application))
        for number in [one.handle["number"] for one in wrong if "number" in one.handle]:
            await self._ask(partial(_bind_number, number_id=number, connection_id=self._connection_id))

    def media(self) -> MediaCodec:
        return TelnyxMediaCodec()

    async def aclose(self) -> None:
        self._threads.close()

    def _let_go(self) -> None:
        for wire in tuple(self._wires):
            wire.close()

    def _make_client(self) -> Telnyx:
        wire = Wire()
        self._wires.append(wire)
        return Telnyx(
            api_key=self._api_key,
            public_key="",
            client_id="",
            client_secret="",
            base_url=self._base_url,
            max_retries=0,
            http_client=httpx.Client(transport=wire, timeout=httpx.Timeout(CONTROL_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)),
        )

    async def _ask(self, job: Callable[[Telnyx], T], timeout_s: float = 6.0) -> T:
        """Run what is not a dial; everything that the SDK raises becomes a CarrierError."""
        try:
            return await self._threads.control(job, timeout_s)
        except telnyx.APIStatusError as error:
            verdict = verdicts.judge_answer(_answer_of(error))
            raise CarrierError(verdict.reason, f"{error.status_code} {verdict.code}") from error
        except telnyx.APITimeoutError as error:
            raise CarrierError("timeout", "no answer in time") from error
        except telnyx.TelnyxError as error:
            raise CarrierError("unreachable", type(error.__cause__ or error).__name__) from error

    async def _verdict_of(self, job: Callable[[Telnyx], object]) -> Verdict | None:
        try:
            await self._ask(job)
        except CarrierError as error:
            if isinstance(error.__cause__, telnyx.APIStatusError):
                return verdicts.judge_answer(_answer_of(error.__cause__))
            return next_carrier(error.reason, attribution=Attribution.NETWORK, signal=Signal.FAILURE, detail=error.detail)
        return None

    async def _look(self, what: str, job: Callable[[Telnyx], Finding]) -> Finding:
        try:
            return await self._ask(job)
        except CarrierError as error:
            return Finding(what=what, ok=False, detail=str(error), cure=_CURES.get(error.reason, _CURES["unreachable"]))

    def _check_connection(self, client: Telnyx) -> Finding:
        application = client.call_control_applications.retrieve(self._connection_id).data
        version = application.webhook_api_version if application else None
        if application is None or application.active is False or version == "1":
            cure = "make the Call Control application active, with webhook API version 2"
            return Finding(what="connection", ok=False, detail=f"webhook API version {version}, or not active", cure=cure)
        return Finding(what="connection", ok=True, detail=application.application_name or self._connection_id)


_CURES = {
    "wrong-credentials": "set api_key to an API v2 key of this account",
    "unknown-resource": "set connection_id to the id of a Call Control application (not a TeXML or SIP one)",
    "out-of-funds": "add funds in the portal",
    "unreachable": "see that this machine reaches the API, and the carrier's status page",
}


def _webhooks(name: str, credentials: Credentials) -> TelnyxWebhooks:
    problems = []
    if not credentials.api_key:
        problems.append(Problem(f"carriers.{name}.api_key", "nothing", "an API v2 key from the portal"))
    try:
        webhooks = TelnyxWebhooks(credentials.public_key)
    except ValueError as error:
        problems.append(Problem(f"carriers.{name}.public_key", str(error), "base64 of 32 bytes, from the portal"))
    if problems:
        raise Misconfigured(tuple(problems))
    return webhooks


def _answer_of(error: telnyx.APIStatusError) -> HttpAnswer:
    response = error.response
    headers = {name.lower(): value for name, value in response.headers.items()}
    return HttpAnswer(status=response.status_code, headers=headers, body=response.content)


# --- the dial ----------------------------------------------------------------------------------------------------


def _dial(client: Telnyx, attempt: Attempt, connection_id: str) -> CallDialResponse:
    """The dial carries the stream, so that no command is needed when the person answers."""
    hook, tag = attempt.hook("events"), tag_of(attempt.leg_id)
    return client.calls.dial(
        connection_id=connection_id,
        from_=attempt.caller_id,
        to=attempt.to,
        client_state=tag,
        command_id=attempt.leg_id,
        webhook_url=hook,
        webhook_url_method="POST",
        timeout_secs=min(max(attempt.ring_timeout_s, RING_LIMITS_S[0]), RING_LIMITS_S[1]),
        retry_on_timeout=False,  # else Telnyx rings on over its next route, beyond our ring time-out
        time_limit_secs=min(max(attempt.max_duration_s, CALL_LIMITS_S[0]), CALL_LIMITS_S[1]),
        stream_url=attempt.media_url,
        **WISH,
        **RATE,
    )


def _accepted(response: CallDialResponse) -> Placed:
    # The SDK validates nothing: a proxy's HTML page with status 200 arrives here as a string.
    data = getattr(response, "data", None)
    call_control_id = getattr(data, "call_control_id", None)
    if not isinstance(call_control_id, str) or not call_control_id:
        verdict = next_carrier("unreadable-answer", attribution=Attribution.UNKNOWN)
        return Placed(knowledge=Knowledge.UNKNOWN, verdict=verdict)
    return Placed(knowledge=Knowledge.ACCEPTED, carrier_call_id=call_control_id)


# --- looking up and hanging up -----------------------------------------------------------------------------------


def _find(client: Telnyx, handle: Handle, connection_id: str) -> Sighting:
    tag = tag_of(handle.leg_id)
    if handle.carrier_call_id:
        return _by_id(client, handle, handle.carrier_call_id)
    active = next(iter(_active_calls(client, connection_id, tag)), None)
    if active is not None:
        return sightings.sighting(active, alive=True, entries=_log(client, handle))
    ended = sightings.of_leg(tag, _log(client, handle))
    if not ended:
        return Sighting(state=LegAtCarrier.MISSING)
    # In the log and not among the active: it has ended, or the list of active calls lags behind the log.
    alive = not any(entry.name == "call.hangup" for entry in ended)
    return sightings.sighting(ended[0].payload.call_control_id or "", alive=alive, entries=ended)


def _by_id(client: Telnyx, handle: Handle, call_control_id: str) -> Sighting:
    try:
        call = client.calls.retrieve_status(call_control_id).data
    except telnyx.APIStatusError as error:
        if not _says(error, GONE):
            raise
        call = None
    entries = [entry for entry in _log(client, handle) if entry.payload.call_control_id == call_control_id]
    if call is None and not entries:
        return Sighting(state=LegAtCarrier.MISSING)
    return sightings.sighting(call_control_id, alive=call is not None and call.is_alive, entries=entries)


def _active_calls(client: Telnyx, connection_id: str, tag: str) -> Iterator[str]:
    """Ids of the connection's live calls with our tag; the list has no numbers, so the tag is all there is to match.

    Pages are asked for one by one, because the SDK's own iterator never ends where the API ignores the page's number.
    """
    seen: set[str] = set()
    for number in range(1, MOST_PAGES + 1):
        page = client.connections.list_active_calls(connection_id, page_number=number, page_size=PAGE_SIZE).data or []
        fresh = [call for call in page if call.call_control_id not in seen]
        yield from (call.call_control_id for call in fresh if call.client_state == tag)
        seen.update(call.call_control_id for call in fresh)
        if len(fresh) < PAGE_SIZE:
            return


def _log(client: Telnyx, handle: Handle) -> list[sightings.Logged]:
    """Telnyx' own log of the webhooks to this number since the dial. A log that does not answer is an empty one."""
    since = f"{datetime.fromtimestamp(max(0.0, handle.sent_at - CLOCK_SLACK_S), UTC):%Y-%m-%dT%H:%M:%SZ}"
    try:
        page = client.call_events.list(
            filter={"to": handle.to, "type": "webhook", "occurred_at": {"gte": since}}, page_size=PAGE_SIZE
        )
    except telnyx.TelnyxError:
        return []
    entries = (sightings.logged(event.name, event.metadata) for event in page.data or [])
    return [entry for entry in entries if entry is not None]


def _hang_up(client: Telnyx, handle: Handle, connection_id: str) -> None:
    calls: Iterable[str] = [handle.carrier_call_id] if handle.carrier_call_id else []
    for call_control_id in calls or list(_active_calls(client, connection_id, tag_of(handle.leg_id))):
        try:
            client.calls.actions.hangup(call_control_id)
        except telnyx.APIStatusError as error:
            if not _says(error, GONE):
                raise


# --- callers -----------------------------------------------------------------------------------------------------

REJECT_CAUSES: Mapping[str, Literal["USER_BUSY", "CALL_REJECTED"]] = {"busy": "USER_BUSY", "rejected": "CALL_REJECTED"}


def _answer_call(client: Telnyx, attempt: Attempt, handle: Handle) -> None:
    """One command answers and opens the stream; a repeat within 60 s is ignored by its `command_id`."""
    with _unless(GONE):
        client.calls.actions.answer(
            handle.carrier_call_id,
            client_state=tag_of(attempt.leg_id),
            command_id=f"answer-{attempt.leg_id}",
            webhook_url=attempt.hook("events"),
            webhook_url_method="POST",
            stream_url=attempt.media_url,
            **WISH,
        )


def _open_stream(client: Telnyx, attempt: Attempt, call_control_id: str, ids: tuple[str, str, str]) -> None:
    """Start it; where a stream is still open (to a process that reads it no more), stop that one first."""
    start, stop, again = ids
    with _unless(GONE):
        try:
            _start_stream(client, attempt, call_control_id, start)
        except telnyx.APIStatusError as error:
            if not _says(error, {STREAMING_ALREADY}):
                raise
            with _unless({NOT_STREAMING}):
                client.calls.actions.stop_streaming(call_control_id, command_id=stop)
            _start_stream(client, attempt, call_control_id, again)


def _start_stream(client: Telnyx, attempt: Attempt, call_control_id: str, command_id: str) -> None:
    client.calls.actions.start_streaming(
        call_control_id,
        client_state=tag_of(attempt.leg_id),
        command_id=command_id,
        stream_url=attempt.media_url,
        **WISH,
        **RATE,
    )


def _reject(client: Telnyx, handle: Handle, cause: str) -> None:
    with _unless(GONE):
        client.calls.actions.reject(
            handle.carrier_call_id, cause=REJECT_CAUSES.get(cause, "CALL_REJECTED"), command_id=f"reject-{handle.leg_id}"
        )


@contextmanager
def _unless(codes: Collection[str]) -> Iterator[None]:
    try:
        yield
    except telnyx.APIStatusError as error:
        if not _says(error, codes):
            raise


def _says(error: telnyx.APIStatusError, codes: Collection[str]) -> bool:
    return error.status_code in {404, 422} and not verdicts.error_codes(error.response.content).isdisjoint(codes)


# --- where callers go ---------------------------------------------------------------------------------------------


def _survey(client: Telnyx, connection_id: str, wanted: Wanted) -> Iterator[Setting]:
    application = client.call_control_applications.retrieve(connection_id).data
    names = provisioning.wishes(wanted)
    fields = {name: provisioning.in_words(getattr(application, name, None)) for name in names}
    owned = {
        number.phone_number: {"id": number.id or "", "connection_id": number.connection_id or ""}
        for number in _all_numbers(client)
        if number.phone_number
    }
    yield from provisioning.settings(connection_id, fields, owned, wanted)


def _all_numbers(client: Telnyx) -> Iterator[NumbersPhoneNumberDetailed]:
    """Page by page, as for the active calls."""
    seen: set[str] = set()
    for page in range(1, MOST_PAGES + 1):
        numbers = client.phone_numbers.list(page_number=page, page_size=PAGE_SIZE).data or []
        fresh = [number for number in numbers if number.id and number.id not in seen]
        yield from fresh
        seen.update(number.id for number in fresh if number.id)
        if len(fresh) < PAGE_SIZE:
            return


def _set_application(client: Telnyx, connection_id: str, fields: Mapping[str, str]) -> None:
    """Name and webhook URL are required with every update."""
    application = client.call_control_applications.retrieve(connection_id).data
    kept = {
        "application_name": application.application_name if application else connection_id,
        "webhook_event_url": (application.webhook_event_url if application else None) or "",
    }
    changed: Any = kept | provisioning.typed(fields)
    client.call_control_applications.update(connection_id, **changed)


def _bind_number(client: Telnyx, *, number_id: str, connection_id: str) -> None:
    client.phone_numbers.update(number_id, connection_id=connection_id)


# --- what `holdline check` looks at ------------------------------------------------------------------------------


def _check_balance(client: Telnyx) -> Finding:
    balance = client.balance.retrieve().data
    if balance is None or balance.available_credit is None:
        return Finding(what="credentials", ok=True, detail="accepted; the balance is not told")
    amount = f"{balance.available_credit} {balance.currency or ''}".strip()
    empty = _amount(balance.available_credit) <= 0
    return Finding(
        what="credentials",
        ok=not empty,
        detail=f"accepted; available credit {amount}",
        cure=_CURES["out-of-funds"] if empty else "",
    )


def _amount(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("inf")  # unreadable is not empty


def _check_numbers(client: Telnyx) -> Finding:
    page = client.phone_numbers.list(page_size=PAGE_SIZE).data or []
    numbers = [number.phone_number for number in page if number.phone_number]
    cure = "" if numbers else "buy a number in the portal, or bind one to the Call Control application"
    return Finding(what="numbers", ok=bool(numbers), detail=", ".join(numbers) or "the account has none", cure=cure)
