"""The simulated Telnyx' calls: what one is, how it ends, and how both look in answers and webhooks."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

from msgspec import Struct

from carriers.lab.call_audio import CallAudio


class End(Struct, frozen=True):
    """The three words of a `call.hangup`: hangup_cause, hangup_source, sip_hangup_cause."""

    cause: str
    source: str
    sip: str


CANCELED = End("originator_cancel", "caller", "487")
HUNG_UP = End("normal_clearing", "caller", "200")
TIME_LIMIT = End("time_limit", "unknown", "200")
RING_TIMEOUT = {True: End("timeout", "unknown", "487"), False: End("no_answer", "unknown", "487")}
"""By `retry_on_timeout`: "hangup_cause of `no_answer` instead of `timeout`" where it is false."""
LOST = End("unspecified", "unknown", "unspecified")
"""How the media time-out of a live call was seen to be reported."""
NO_COMMAND = End("timeout", "unknown", "480")
"""A call from a phone for which no command came in time; the words are a guess, the first of them a knob."""

AT_PHONE: dict[str, End] = {
    "normal": End("normal_clearing", "callee", "unspecified"),
    "busy": End("user_busy", "callee", "486"),
    "no_answer": End("no_answer", "callee", "480"),
    "declined": End("call_rejected", "callee", "603"),
    "unreachable": End("unspecified", "callee", "480"),
    "invalid": End("not_found", "callee", "404"),
    "canceled": CANCELED,
}
"""What the telephone network says of a call that we dialled, in Telnyx' words."""
BY_CALLER: dict[str, End] = {"normal": End("normal_clearing", "caller", "200"), "canceled": CANCELED}
"""How a person who called us ends it; the first as captured."""
OUR_END_OF_INCOMING = {True: End("normal_clearing", "callee", "200"), False: End("normal_clearing", "callee", "unspecified")}
"""How a hang-up of ours on a call from a phone is told, by whether it was answered; guessed, the second's cause a knob."""
REJECTIONS: dict[str, tuple[str, End]] = {
    "USER_BUSY": ("busy", End("user_busy", "callee", "486")),
    "CALL_REJECTED": ("declined", End("call_rejected", "callee", "603")),
    "NOT_FOUND": ("invalid", End("not_found", "callee", "404")),
    "TEMPORARILY_UNAVAILABLE": ("unreachable", End("unspecified", "callee", "480")),
}
"""The cause of a `reject`: what the caller hears, and how the leg's end is told (the SIP codes are documented)."""

REJECTS: dict[str, End] = {
    "call_rejected": AT_PHONE["declined"],
    "no_answer": AT_PHONE["no_answer"],
    "not_found": AT_PHONE["invalid"],
    "timeout": RING_TIMEOUT[True],
    "unspecified": LOST,
    "user_busy": AT_PHONE["busy"],
    "403": End("call_rejected", "unknown", "403"),
    "404": End("not_found", "unknown", "404"),
    "410": End("not_found", "unknown", "410"),
    "484": End("not_found", "unknown", "484"),
    "486": AT_PHONE["busy"],
    "480": AT_PHONE["unreachable"],
    "600": End("user_busy", "callee", "600"),
    "603": AT_PHONE["declined"],
    "604": End("not_found", "unknown", "604"),
    "607": End("call_rejected", "callee", "607"),
    "608": End("call_rejected", "unknown", "608"),
    **{sip: End("unspecified", "unknown", sip) for sip in ("408", "488", "500", "502", "503", "504")},
}
"""What `reject {cause}` understands: hangup causes, and SIP codes."""


@dataclass(kw_only=True, eq=False)
class Call:
    """One leg. Times are unix seconds; `wish` is the body of its dial, of its transfer, or of its answer."""

    call_control_id: str
    call_leg_id: str
    call_session_id: str
    connection_id: str
    origin: str
    """The calling number, as the events' `from` has it."""
    to: str
    created: float
    incoming: bool = False
    """A phone called us."""
    codec: str = "PCMU"
    """Of the leg itself."""
    tags: list[str] = field(default_factory=list)
    """Of its application."""
    client_state: str | None = None
    wish: dict[str, Any] = field(default_factory=dict)
    hooks: dict[str, Any] = field(default_factory=dict)
    """Those `webhook_*` fields that came with its commands."""
    commanded: bool = False
    """A command for it has come."""
    answered: float | None = None
    ended: float | None = None
    end: End | None = None
    """How it ended, or is about to end."""
    known: bool = False
    """The telephone network knows of it."""
    recording_id: str = ""
    """Of the recording that begins with the answer."""
    audio: CallAudio | None = None
    """Since the answer."""
    heard_packets: int = 0

    @property
    def live(self) -> bool:
        """Not ended yet."""
        return self.ended is None

    @property
    def phone(self) -> str:
        """The number of the person; empty if it is withheld."""
        number = self.origin if self.incoming else self.to
        return number if number.startswith("+") else ""

    def ids(self) -> dict[str, Any]:
        """What every webhook carries."""
        return {
            "call_control_id": self.call_control_id,
            "call_leg_id": self.call_leg_id,
            "call_session_id": self.call_session_id,
            "client_state": self.client_state,
            "connection_id": self.connection_id,
        }

    def parties(self) -> dict[str, Any]:
        """What call events carry besides."""
        return {"from": self.origin, "to": self.to, "start_time": iso(self.created)}


def new_control_id(random: Random) -> str:
    """It holds the characters that real ones hold: `:`, `-` and `_`."""
    return f"v3:{random.getrandbits(192):048x}-{random.getrandbits(64):016x}_T02"


def new_uuid(random: Random) -> str:
    """A version-4 UUID of the given randomness."""
    return str(UUID(int=random.getrandbits(128), version=4))


def iso(at: float) -> str:
    """UTC with microseconds and `Z`, as in every capture."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def as_dialled(call: Call) -> dict[str, Any]:
    """The answer to a dial; `is_alive` is always false there."""
    return {
        "record_type": "call",
        "call_control_id": call.call_control_id,
        "call_leg_id": call.call_leg_id,
        "call_session_id": call.call_session_id,
        "is_alive": False,
        "client_state": call.client_state,
    }


def as_status(call: Call, now: float) -> dict[str, Any]:
    """The answer to a look-up; it has no hang-up cause."""
    status = as_dialled(call) | {"is_alive": call.live, "start_time": iso(call.created)}
    status["call_duration"] = _duration(call, now)
    return status if call.ended is None else status | {"end_time": iso(call.ended)}


def as_active(call: Call, now: float) -> dict[str, Any]:
    """One entry of a connection's active calls; it has no numbers."""
    return {
        "record_type": "call",
        "call_control_id": call.call_control_id,
        "call_leg_id": call.call_leg_id,
        "call_session_id": call.call_session_id,
        "client_state": call.client_state or "",
        "call_duration": _duration(call, now),
    }


def _duration(call: Call, now: float) -> int:
    return int((now if call.ended is None else call.ended) - call.created)


def initiated(call: Call) -> dict[str, Any]:
    """The only event with direction and state; of a call that we dialled."""
    headers = {"custom_headers": call.wish["custom_headers"]} if "custom_headers" in call.wish else {}
    return call.ids() | call.parties() | {"direction": "outgoing", "state": "bridging", "calling_party_type": "pstn"} | headers


def initiated_by_phone(call: Call, caller_name: str, stir: dict[str, Any]) -> dict[str, Any]:
    """The same of a call from a phone; fields and values as captured (no tags, STIR/SHAKEN only where there is any)."""
    return (
        call.ids()
        | call.parties()
        | {
            "direction": "incoming",
            "state": "parked",
            "calling_party_type": "pstn",
            "caller_id_name": caller_name or call.origin,
            "connection_codecs": "PCMU,PCMA",
            "offered_codecs": f"{call.codec},G729",
            "from_sip_uri": f"{call.origin}@sip.telnyx.com",
            "to_sip_uri": f"{call.to}@sip.telnyx.com",
        }
        | stir
    )


def answered(call: Call) -> dict[str, Any]:
    """As captured: neither state nor direction."""
    return call.ids() | call.parties() | {"calling_party_type": "pstn", "codec": call.codec, "sampling_rate": 8000}


def bridged(call: Call) -> dict[str, Any]:
    """Both legs are told, each in its own name."""
    return call.ids() | {"from": call.origin, "to": call.to, "calling_party_type": "pstn"}


def cost(call: Call, per_minute: str) -> dict[str, Any]:
    """What a leg cost; seconds are billed by six."""
    talked_s = (call.ended or call.created) - (call.answered or call.ended or call.created)
    billed_s = math.ceil(talked_s / 6) * 6
    total = f"{float(per_minute) * billed_s / 60:.4f}"
    part = {"billed_duration_secs": billed_s, "call_part": "call-control", "cost": total, "currency": "USD", "rate": per_minute}
    told = {"billed_duration_secs": billed_s, "total_cost": total, "cost_parts": [part], "status": "success"}
    return call.ids() | told | {"occurred_at": iso(call.ended or call.created)}


def hung_up(call: Call, end: End, sip: str) -> dict[str, Any]:
    """As captured: no state, no direction, no tags; the statistics are strings."""
    statistics = {
        "inbound": {
            "mos": "4.50",
            "jitter_max_variance": "0.00",
            "jitter_packet_count": "0",
            "packet_count": str(call.heard_packets),
            "skip_packet_count": "0",
        },
        "outbound": {"packet_count": str(call.heard_packets), "skip_packet_count": "0"},
    }
    return (
        call.ids()
        | call.parties()
        | {
            "end_time": iso(call.ended or call.created),
            "calling_party_type": "pstn",
            "hangup_cause": end.cause,
            "hangup_source": end.source,
            "sip_hangup_cause": sip,
            "call_quality_stats": statistics if call.answered is not None else None,
        }
    )
