"""The simulated Telnyx' calls: what a dial asked for, how a leg ended, and how both look in answers and webhooks."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID

from msgspec import Struct

from carriers.telnyx.simulator_streams import Stream


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

AT_PHONE: dict[str, End] = {
    "normal": End("normal_clearing", "callee", "unspecified"),
    "busy": End("user_busy", "callee", "486"),
    "no_answer": End("no_answer", "callee", "480"),
    "declined": End("call_rejected", "callee", "603"),
    "unreachable": End("unspecified", "callee", "480"),
    "invalid": End("not_found", "callee", "404"),
    "canceled": CANCELED,
}
"""What the telephone network says, in Telnyx' words."""

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


@dataclass(kw_only=True)
class Call:
    """One leg. Times are unix seconds; `wish` is the body of its dial."""

    call_control_id: str
    call_leg_id: str
    call_session_id: str
    wish: dict[str, Any]
    created: float
    answered: float | None = None
    ended: float | None = None
    end: End | None = None
    """How it ended, or is about to end."""
    dialled: bool = False
    """The telephone network knows of it."""
    stream: Stream | None = None
    heard_packets: int = 0
    streamed: bool = field(default=False)
    """It has had a stream."""

    @property
    def live(self) -> bool:
        """Not ended yet."""
        return self.ended is None

    def ids(self) -> dict[str, Any]:
        """What every webhook carries."""
        return {
            "call_control_id": self.call_control_id,
            "call_leg_id": self.call_leg_id,
            "call_session_id": self.call_session_id,
            "client_state": self.wish.get("client_state"),
            "connection_id": self.wish["connection_id"],
        }

    def parties(self) -> dict[str, Any]:
        """What call events carry besides."""
        return {"from": self.wish["from"], "to": self.wish["to"], "start_time": iso(self.created)}


def new_call(random: Random, wish: dict[str, Any], now: float) -> Call:
    """A call with ids of its own; the control id holds the characters that real ones hold: `:`, `-` and `_`."""
    return Call(
        call_control_id=f"v3:{random.getrandbits(192):048x}-{random.getrandbits(64):016x}_T02",
        call_leg_id=new_uuid(random),
        call_session_id=new_uuid(random),
        wish=wish,
        created=now,
    )


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
        "client_state": call.wish.get("client_state"),
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
        "client_state": call.wish.get("client_state") or "",
        "call_duration": _duration(call, now),
    }


def _duration(call: Call, now: float) -> int:
    return int((now if call.ended is None else call.ended) - call.created)


def initiated(call: Call) -> dict[str, Any]:
    """The only event with direction and state."""
    return call.ids() | call.parties() | {"direction": "outgoing", "state": "bridging", "calling_party_type": "pstn"}


def answered(call: Call) -> dict[str, Any]:
    """As captured: neither state nor direction."""
    return call.ids() | call.parties() | {"calling_party_type": "pstn", "codec": "PCMU", "sampling_rate": 8000}


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
