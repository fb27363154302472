"""`twilio_stream`: an agent of your own, behind a WebSocket that speaks Twilio Media Streams, whatever carrier carries the call.

Holdline opens the socket, as Twilio would, signed as Twilio signs it; the agent need not know that there is no Twilio.
`account_sid` and `auth_token` are yours to choose: they stand for Twilio's in the signature, in `start`, and in the REST
endpoint under `/twilio` with which the agent's own SDK hangs up and fetches the call.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from agent.contract import CallInfo, LostAgent
from agent.socket import DEAF_AFTER_S, AgentSocket
from agent.twilio_stream.messages import Told
from agent.twilio_stream.session import TwilioStreamSession
from agent.twilio_stream.sids import call_sid, stream_sid

_LONGEST_PARAMETER = 480
"""Characters of name and value together, as Twilio has it; a little less for the name."""


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What config.yaml says of such an agent."""

    url: Annotated[str, Meta(pattern=r"^wss?://[^?#\s]+$", description="Its WebSocket; no query, as with Twilio.")]
    auth_token: Annotated[str, Meta(min_length=16, description="Signs the upgrade; the agent's REST password. As ${ENV}.")]
    account_sid: (
        Annotated[str, Meta(pattern=r"^AC[0-9a-f]{32}$", description="The agent's REST user name; null: made up.")] | None
    ) = None
    parameters: Annotated[
        dict[str, str], Meta(description="Custom parameters of every `start`, beside ours.", max_length=50)
    ] = {}
    connect_timeout_s: Annotated[float, Meta(ge=0.1, le=10, description="For the upgrade.")] = 3.0
    deaf_after_s: Annotated[float, Meta(ge=0.5, le=60, description="Without an answer to a ping.")] = DEAF_AFTER_S


def account_of(name: str, settings: Settings) -> str:
    """The account sid that this agent is told of: as configured, else the same for the same name for ever."""
    return settings.account_sid or f"AC{hashlib.blake2b(name.encode(), digest_size=16).hexdigest()}"


def signature(auth_token: str, url: str) -> str:
    """Twilio's `X-Twilio-Signature` of a WebSocket upgrade: HMAC-SHA1 of the URL exactly as it stands, no parameters."""
    return base64.b64encode(hmac.new(auth_token.encode(), url.encode(), hashlib.sha1).digest()).decode()


class TwilioStream:
    """`agent.contract.Agent`; `name` as in the config."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._name, self._settings = name, settings

    def session(self, call: CallInfo) -> TwilioStreamSession:
        told = Told(stream_sid(call.session_id), call_sid(call.call_id), account_of(self._name, self._settings))
        return TwilioStreamSession(call, told, self._connect, parameters(call, self._settings))

    def _connect(self, session: TwilioStreamSession) -> tuple[AgentSocket, str, dict[str, str], float]:
        settings = self._settings
        headers = {"X-Twilio-Signature": signature(settings.auth_token, settings.url)}
        return AgentSocket(session, deaf_after_s=settings.deaf_after_s), settings.url, headers, settings.connect_timeout_s


def _context(lost: tuple[LostAgent, ...]) -> str:
    """What the last of them knew, as JSON; nothing if it is longer than a parameter may be."""
    known = next((one.context for one in reversed(lost) if one.context), None)
    return _short_json(known or {})


def _short_json(context: Mapping[str, Any]) -> str:
    text = json.dumps(context, separators=(",", ":")) if context else ""
    return text if len(text) <= _LONGEST_PARAMETER else ""


def parameters(call: CallInfo, settings: Settings) -> dict[str, str]:
    """`start.customParameters`: the config's, then the call's metadata, then what we say; the later wins."""
    ours = {
        "call_id": call.call_id,
        "session_id": call.session_id,
        "direction": call.direction,
        "from_number": call.from_number,
        "to_number": call.to_number,
        "caller_name": call.caller_name,
        "attestation": call.attestation,
        "language": call.language,
        "resumed": str(call.resumed) if call.resumed else "",
        "purpose": call.purpose,
        "callback_of": call.callback_of,
        "retry_of": call.retry_of,
        "note": call.note[:_LONGEST_PARAMETER],
        "earlier_context": _short_json(call.earlier),
        "lost_agents": ",".join(lost.agent for lost in call.lost),
        "lost_because": ",".join(lost.reason for lost in call.lost),
        "lost_context": _context(call.lost),
    }
    return {**settings.parameters, **call.metadata, **{name: value for name, value in ours.items() if value}}
