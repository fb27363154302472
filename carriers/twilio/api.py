"""Twilio's REST API through the official SDK (twilio 9.13.0): the only file that imports it.

What of the SDK is worked round here, and why:
- it waits for ever by default: the wire below it has time-outs of its own, and a dial has its shot's deadline;
- it reads TWILIO_EDGE and TWILIO_REGION from the environment and rewrites host names by them: it is given an environment;
- its async client ignores its time-out and, with retries on, sends a POST three times: the blocking one runs on our threads.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

import msgspec
import requests
from twilio.base.exceptions import TwilioException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from twilio.rest.api.v2010.account.call import CallInstance
from twilio.rest.api.v2010.account.recording import RecordingInstance

from carriers.by_document import ByDocument
from carriers.contract import (
    Attempt,
    CarrierSettings,
    Finding,
    Gate,
    Handle,
    Health,
    Markup,
    Placed,
    Setting,
    Sighting,
    Wanted,
    Webhooks,
)
from carriers.messages_left import MessageLeft
from carriers.requests_wire import Wire, download
from carriers.sdk_threads import SdkThreads
from carriers.shot import HttpAnswer
from carriers.twilio import CAPABILITIES, Credentials, account, lookup, messages, provisioning, verdicts
from carriers.twilio.markup import TwilioMarkup
from carriers.twilio.media import TwilioMedia
from carriers.twilio.webhooks import RETRIES, TwilioWebhooks
from gateway.domain.errors import CarrierError
from gateway.domain.outcome import Knowledge
from gateway.domain.verdict import Attribution, Verdict, next_carrier

ORIGIN = "https://api.twilio.com"
MOST_NUMBERS = 2000
MOST_RECORDINGS = 5000
LISTING_S = 30.0
"""Of the recordings: several pages, of all that the account records."""
STATUS_EVENTS = ["initiated", "ringing", "answered", "completed"]
_GONE = frozenset({"20404", "20409", "21220"})
"""Answers to a hang-up that mean: not known any more, or not in progress any more."""
_NO_ENVIRONMENT = {"TWILIO_IGNORED": "1"}  # not empty, because the SDK takes os.environ in place of an empty one

T = TypeVar("T")


class Refusal(CarrierError):
    """A CarrierError that keeps its verdict, so that `probe` need not judge twice."""

    def __init__(self, reason: str, detail: str, verdict: Verdict) -> None:
        super().__init__(reason, detail)
        self.verdict = verdict


class Twilio(ByDocument):
    """One Twilio account. See `carriers.contract.Carrier` for what each method promises."""

    def __init__(self, settings: CarrierSettings, clock: Callable[[], float]) -> None:
        self.name = settings.name
        self.capabilities = CAPABILITIES
        self._credentials: Credentials = settings.credentials
        self._base_url, self._clock = settings.base_url, clock
        self.webhooks: Webhooks = TwilioWebhooks(self._credentials.auth_token)
        self.markup: Markup = TwilioMarkup()
        self._calls: dict[str, messages.Called] = {}
        """Of recordings that were listed lately, by call SID."""
        self._threads: SdkThreads[Client] = SdkThreads(settings.name, self._client, clock, settings.threads)

    async def place(self, attempt: Attempt, deadline: float, gate: Gate) -> Placed:
        def post(client: Client) -> CallInstance:
            return client.calls.create(
                to=attempt.to,
                from_=attempt.caller_id,
                url=attempt.hook("answer") + RETRIES,
                method="POST",
                fallback_url=attempt.hook("fallback"),
                fallback_method="POST",
                status_callback=attempt.hook("status") + RETRIES,
                status_callback_method="POST",
                status_callback_event=STATUS_EVENTS,
                timeout=attempt.ring_timeout_s,
                time_limit=attempt.max_duration_s,
            )

        return await self._threads.dial(post, deadline=deadline, gate=gate, accept=_accepted, judge=_judged)

    async def find(self, handle: Handle) -> Sighting:
        if handle.carrier_call_id:
            return await self._ask(lambda client: _by_id(client, handle.carrier_call_id))
        return await self._ask(lambda client: _by_tag(client, handle))

    async def hang_up(self, handle: Handle) -> None:
        """Status `completed` ends a call in any state; `canceled` would leave an answered one alive."""
        call_sid = handle.carrier_call_id or (await self.find(handle)).carrier_call_id
        if call_sid:
            await self._ask(lambda client: _complete(client, call_sid))

    async def probe(self) -> Health:
        began = self._clock()
        try:
            balance = await self._ask(lambda client: client.api.v2010.account.balance.fetch())
        except CarrierError as error:
            return Health(seconds=self._clock() - began, verdict=_verdict_of(error), detail=error.detail)
        return Health(seconds=self._clock() - began, detail=f"balance {balance.balance} {balance.currency}")

    async def check(self) -> tuple[Finding, ...]:
        try:
            return await self._ask(_findings)
        except CarrierError as error:
            return (account.refused(error.reason, error.detail),)

    async def survey(self, wanted: Wanted) -> tuple[Setting, ...]:
        owned = await self._ask(lambda client: _owned(client, wanted))
        return tuple(provisioning.settings(owned, wanted))

    async def amend(self, wanted: Wanted, settings: tuple[Setting, ...]) -> None:
        for sid, fields in provisioning.changes(settings).items():
            await self._ask(partial(_set_number, sid=sid, fields=fields))

    async def messages_left(self, numbers: tuple[str, ...], since: float) -> tuple[MessageLeft, ...]:
        """A recording names its call, and only the call its numbers: each is asked for once."""
        recordings = await self._ask(partial(_recordings, since=since), LISTING_S)
        self._calls = {one.call_sid: self._calls[one.call_sid] for one in recordings if one.call_sid in self._calls}
        for one in recordings:
            if one.call_sid not in self._calls:
                self._calls[one.call_sid] = await self._ask(partial(_called, call_sid=one.call_sid))
        return tuple(messages.left(recordings, self._calls, numbers))

    async def message_of(self, handle: Handle) -> MessageLeft | None:
        if not handle.carrier_call_id:
            raise CarrierError("unknown-call", "its recordings are listed by its SID")
        return messages.of_call(await self._ask(partial(_recordings_of, call_sid=handle.carrier_call_id)))

    async def message_audio(self, message: MessageLeft) -> bytes:
        return await self._ask(partial(_sound, sid=messages.checked(message.recording_id)), messages.DOWNLOAD_S)

    async def forget_message(self, message: MessageLeft) -> None:
        await self._ask(partial(_forget, sid=messages.checked(message.recording_id)))

    def media(self) -> TwilioMedia:
        return TwilioMedia()

    async def aclose(self) -> None:
        self._threads.close()

    def _client(self) -> Client:
        http = TwilioHttpClient()
        http.session.mount(ORIGIN, Wire(ORIGIN, self._base_url))
        account_sid, auth_token = self._credentials.account_sid, self._credentials.auth_token
        return Client(account_sid, auth_token, http_client=http, environment=_NO_ENVIRONMENT)

    async def _ask(self, job: Callable[[Client], T], timeout_s: float = 6.0) -> T:
        """Run anything but a dial; every way of failing becomes a CarrierError."""
        try:
            return await self._threads.control(job, timeout_s)
        except TwilioException as error:
            raise _refusal(error) from error
        except requests.RequestException as error:
            verdict = next_carrier("unreachable", attribution=Attribution.NETWORK)
            raise Refusal("unreachable", type(error).__name__, verdict) from error


# --- the dial ----------------------------------------------------------------------------------------------------


def _accepted(call: CallInstance) -> Placed:
    """201: queued, which is not yet dialled (Twilio keeps the account's pace in silence)."""
    if not call.sid:
        verdict = next_carrier("unreadable-answer", attribution=Attribution.UNKNOWN)
        return Placed(knowledge=Knowledge.UNKNOWN, verdict=verdict)
    return Placed(knowledge=Knowledge.ACCEPTED, carrier_call_id=call.sid)


def _judged(answer: HttpAnswer) -> Placed:
    """4xx: surely not placed. All else (3xx of something in between, 5xx) may have been."""
    verdict = verdicts.of_answer(answer.status, answer.headers, answer.body)
    knowledge = Knowledge.REFUSED if 400 <= answer.status < 500 else Knowledge.UNKNOWN
    return Placed(knowledge=knowledge, verdict=verdict)


# --- looking, ending, checking -----------------------------------------------------------------------------------


def _by_id(client: Client, call_sid: str) -> Sighting:
    try:
        return lookup.sighting(_seen(client.calls(call_sid).fetch()))
    except TwilioException as error:
        if _refusal(error).verdict.code in _GONE:
            return lookup.MISSING
        raise


def _by_tag(client: Client, handle: Handle) -> Sighting:
    """A call resource shows no tag of ours, but the list of its requests does: the create POST is there with our URLs.

    No StartTime filter: `start_time` is null while a call is queued, and the filter would hide it.
    """
    calls = client.calls.list(to=handle.to, from_=handle.caller_id, limit=lookup.NEWEST, page_size=lookup.NEWEST)
    seen = [call for call in map(_seen, calls) if call.sid not in handle.foreign]
    plausible = [call for call in seen if lookup.plausible(call, handle.sent_at)]
    traced = [(call, lookup.trace(_requests(client, call.sid), handle.leg_id)) for call in plausible]
    chosen = lookup.choose(traced, handle)
    return lookup.sighting(chosen) if chosen is not None else lookup.MISSING


def _requests(client: Client, call_sid: str) -> list[object]:
    return [event.request for event in client.calls(call_sid).events.list(limit=50)]


def _seen(call: CallInstance) -> lookup.Seen:
    created: datetime | None = call.date_created
    return lookup.Seen(sid=call.sid, status=str(call.status), created=created.timestamp() if created else None)


def _complete(client: Client, call_sid: str) -> None:
    try:
        client.calls(call_sid).update(status="completed")
    except TwilioException as error:
        if _refusal(error).verdict.code not in _GONE:
            raise


def _findings(client: Client) -> tuple[Finding, ...]:
    owner = client.api.v2010.account.fetch()
    balance = client.api.v2010.account.balance.fetch()
    numbers = [number.phone_number for number in client.incoming_phone_numbers.list(limit=account.NUMBERS_SHOWN)]
    return account.findings(str(owner.status), str(owner.type), str(balance.balance), str(balance.currency), numbers)


def _owned(client: Client, wanted: Wanted) -> dict[str, dict[str, str]]:
    """A missing value is shown as null."""
    numbers = client.incoming_phone_numbers.list(limit=MOST_NUMBERS)
    fields = ("sid", *provisioning.wishes(wanted))
    return {number.phone_number: {name: getattr(number, name, None) or "" for name in fields} for number in numbers}


def _set_number(client: Client, *, sid: str, fields: dict[str, str]) -> None:
    client.incoming_phone_numbers(sid).update(**fields)


# --- messages that callers left --------------------------------------------------------------------------------


def _recordings(client: Client, since: float) -> list[messages.Recorded]:
    """Newest first as they come, so the first that is too old is the last that is looked at. The list's own filter goes by the
    time of the file, and compares dates in one spelling and times in another: it is left alone.
    """
    found: list[messages.Recorded] = []
    for one in client.recordings.stream(limit=MOST_RECORDINGS, page_size=100):
        began: datetime | None = one.start_time or one.date_created
        if began is None or began.timestamp() < since - messages.LONGEST_S:
            break
        recorded = _recorded(one, began)
        if messages.is_message(recorded) and recorded.began >= since:
            found.append(recorded)
    return found[::-1]


def _recordings_of(client: Client, call_sid: str) -> list[messages.Recorded]:
    found = client.recordings.list(call_sid=call_sid, limit=20)
    return [_recorded(one, began) for one in found if (began := one.start_time or one.date_created) is not None]


def _recorded(one: RecordingInstance, began: datetime) -> messages.Recorded:
    return messages.Recorded(
        sid=str(one.sid),
        call_sid=str(one.call_sid),
        status=str(one.status),
        source=str(one.source),
        began=began.timestamp(),
        seconds=float(one.duration or 0),
    )


def _called(client: Client, call_sid: str) -> messages.Called:
    """A call that Twilio has forgotten has no numbers, and its recording is nobody's."""
    try:
        call = client.calls(call_sid).fetch()
    except TwilioException as error:
        if _refusal(error).verdict.code in _GONE:
            return messages.Called()
        raise
    caller = getattr(call, "_from", None) or ""  # `from` is a keyword, and the SDK shows the field under no other public name
    return messages.Called(to=str(call.to or ""), caller=str(caller), inbound=call.direction == "inbound")


def _sound(client: Client, sid: str) -> bytes:
    url = f"{ORIGIN}/2010-04-01/Accounts/{client.account_sid}/Recordings/{sid}.wav"
    answer = download(client.http_client.session, url, client.auth, messages.LARGEST_BYTES)
    if answer.status != 200:
        verdict = verdicts.of_answer(answer.status, answer.headers, answer.body)
        raise Refusal(verdict.reason, verdict.detail, verdict)
    return answer.body


def _forget(client: Client, sid: str) -> None:
    try:
        client.recordings(sid).delete()
    except TwilioException as error:
        if _refusal(error).verdict.code not in _GONE:
            raise


# --- failures ----------------------------------------------------------------------------------------------------


def _refusal(error: TwilioException) -> Refusal:
    """The SDK raises three shapes: TwilioRestException, TwilioServiceException, and from lists a plain one with the response
    as its second argument.
    """
    response = error.args[1] if len(error.args) > 1 else None
    if response is not None and hasattr(response, "status_code"):
        status, body = int(response.status_code), str(response.text).encode()
    else:
        status = int(getattr(error, "status", 0) or 0)
        # `code` is the HTTP status where the body was no JSON; no table knows such a code, so the status decides.
        body = msgspec.json.encode({"code": getattr(error, "code", None), "message": str(getattr(error, "msg", ""))})
    verdict = verdicts.of_answer(status, {}, body)
    return Refusal(verdict.reason, verdict.detail, verdict)


def _verdict_of(error: CarrierError) -> Verdict:
    if isinstance(error, Refusal):
        return error.verdict
    return next_carrier(error.reason, detail=error.detail)
