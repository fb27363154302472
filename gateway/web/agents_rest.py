"""Twilio's REST API for calls, as far as an agent needs it: `/twilio/2010-04-01/Accounts/{AC}/Calls/{CA}.json`.

An agent behind `twilio_stream` believes that it talks to Twilio; its own SDK, given this base URL, hangs up and fetches the
call, whatever carrier carries it. Errors are Twilio's, not ours: that is what the SDK understands.
"""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Any
from urllib.parse import parse_qs

import msgspec
from litestar import Request, Response, get, post
from litestar.params import PathParameter

from agent import twilio_stream
from agent.twilio_stream.sids import call_id, call_sid
from gateway.config.structs import AgentConfig
from gateway.domain.errors import IllegalTransition
from gateway.domain.outcome import CallStatus, Direction, Outcome
from gateway.domain.records import Call
from gateway.web.services import GivenServices, Services

ROOT = "/twilio/2010-04-01/Accounts"
_PATH = ROOT + "/{account:str}/Calls/{sid:str}"
_BODY_LIMIT = 64 * 1024

_STATUS: Mapping[CallStatus, str] = {
    CallStatus.SCHEDULED: "queued",
    CallStatus.DIALING: "queued",
    CallStatus.RINGING: "ringing",
    CallStatus.IN_PROGRESS: "in-progress",
    CallStatus.RECONNECTING: "in-progress",
    CallStatus.VOICEMAIL: "in-progress",
}
_ENDED: Mapping[Outcome, str] = {
    Outcome.COMPLETED: "completed",
    Outcome.VOICEMAIL: "completed",
    Outcome.DROPPED: "completed",
    Outcome.BUSY: "busy",
    Outcome.DECLINED: "busy",
    Outcome.NO_ANSWER: "no-answer",
    Outcome.ABANDONED: "no-answer",
    Outcome.CANCELED: "canceled",
}
"""Every other outcome is `failed`."""

Account = Annotated[str, PathParameter(description="The agent's account sid, as its `start` message told it.")]
Sid = Annotated[str, PathParameter(description="`CA....json`: the call, as `start` told it.")]
AgentRequest = Request[Any, Any, Any]


class TwilioRefusal(Exception):
    """Answered as Twilio would: `code` as in its error catalogue."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def twilio_refused(_request: AgentRequest, error: TwilioRefusal) -> Response[bytes]:
    """For the application's table of exception handlers."""
    more = f"https://www.twilio.com/docs/errors/{error.code}"
    body = {"code": error.code, "message": error.message, "more_info": more, "status": error.status}
    headers = {"WWW-Authenticate": 'Basic realm="Holdline"'} if error.status == 401 else {}
    return Response(msgspec.json.encode(body), status_code=error.status, media_type="application/json", headers=headers)


@get(
    _PATH,
    summary="A call, as Twilio shows it",
    response_description="The call, in the fields of Twilio's call resource.",
    security=[{}],
    tags=["agents' own"],
)
async def fetch_twilio_call(account: Account, sid: Sid, request: AgentRequest, services: GivenServices) -> Response[bytes]:
    """For agents behind `twilio_stream`; Basic authentication with the agent's account sid and auth token."""
    call = await _call(account, sid, request, services)
    return _answer(call, account)


@post(
    _PATH,
    status_code=200,
    request_max_body_size=_BODY_LIMIT,
    summary="End a call, as Twilio is asked to",
    response_description="The call as it stands, in the fields of Twilio's call resource.",
    security=[{}],
    tags=["agents' own"],
)
async def update_twilio_call(account: Account, sid: Sid, request: AgentRequest, services: GivenServices) -> Response[bytes]:
    """`Status=completed` ends the call in whatever state, `Status=canceled` one that is not answered."""
    call = await _call(account, sid, request, services)
    form = {name: values[-1] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}
    if set(form) != {"Status"} or form["Status"] not in {"completed", "canceled"}:
        raise TwilioRefusal(400, 20001, "Holdline takes Status=completed or Status=canceled here, and nothing else")
    if call.ended:
        raise TwilioRefusal(400, 21220, "Call is not in-progress. Cannot redirect.")
    try:
        act = services.calls.hang_up if form["Status"] == "completed" else services.calls.cancel
        return _answer(await act(call.id), account)
    except IllegalTransition as error:
        raise TwilioRefusal(400, 21220, "Call is in-progress; end it with Status=completed") from error


async def _call(account: str, sid: str, request: AgentRequest, services: Services) -> Call:
    """The call if it is this agent's; 401 without its credentials, 404 for any other."""
    agent = _agent(account, request, services)
    known = call_id(sid.removesuffix(".json")) if sid.endswith(".json") else None
    call = await services.store.load(known) if known else None
    if call is None or call.agent != agent.name:
        raise TwilioRefusal(404, 20404, f"The requested resource {request.url.path} was not found")
    return call


def _agent(account: str, request: AgentRequest, services: Services) -> AgentConfig:
    user, _, password = _basic(request.headers.get("authorization", "")).partition(":")
    for agent in services.config.agents:
        settings = agent.settings
        if not isinstance(settings, twilio_stream.Settings):
            continue
        theirs = twilio_stream.account_of(agent.name, settings)
        fits = hmac.compare_digest(password.encode(), settings.auth_token.encode())
        if fits and theirs == user == account:
            return agent
    raise TwilioRefusal(401, 20003, "Authenticate")


def _basic(header: str) -> str:
    scheme, _, token = header.partition(" ")
    try:
        return base64.b64decode(token, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _answer(call: Call, account: str) -> Response[bytes]:
    return Response(msgspec.json.encode(twilio_view(call, account)), media_type="application/json")


def twilio_view(call: Call, account: str) -> dict[str, Any]:
    """The fields of Twilio's call resource; what we have nothing for is null, prices among it."""
    sid = call_sid(call.id)
    ended = _ENDED.get(call.outcome, "failed") if call.outcome is not None else None
    talked = call.ended_at - call.answered_at if call.ended_at is not None and call.answered_at is not None else 0.0
    inbound = call.direction is Direction.INBOUND
    return {
        "sid": sid,
        "account_sid": account,
        "api_version": "2010-04-01",
        "to": call.to,
        "to_formatted": call.to,
        "from": (call.leg.caller_id if call.leg else call.from_number) or "",
        "from_formatted": (call.leg.caller_id if call.leg else call.from_number) or "",
        "status": ended or _STATUS[call.status],
        "direction": "inbound" if inbound else "outbound-api",
        "date_created": _rfc2822(call.created_at),
        "date_updated": _rfc2822(call.ended_at or call.answered_at or call.created_at),
        "start_time": _rfc2822(call.answered_at),
        "end_time": _rfc2822(call.ended_at),
        "duration": str(round(talked)) if call.ended else None,
        "answered_by": None,
        "caller_name": call.caller_name or None,
        "forwarded_from": None,
        "group_sid": None,
        "parent_call_sid": None,
        "phone_number_sid": None,
        "price": None,
        "price_unit": None,
        "queue_time": "0",
        "trunk_sid": None,
        "uri": f"/2010-04-01/Accounts/{account}/Calls/{sid}.json",
        "subresource_uris": {},
    }


def _rfc2822(at: float | None) -> str | None:
    return None if at is None else format_datetime(datetime.fromtimestamp(at, UTC))


HANDLERS = (fetch_twilio_call, update_twilio_call)
EXCEPTION_HANDLERS: dict[int | type[Exception], Callable[[AgentRequest, Any], Response[Any]]] = {TwilioRefusal: twilio_refused}
"""For the application."""
