"""What each action of a flow does, but for those that have a file of their own."""

from collections.abc import Callable, Mapping
from typing import Any

from carriers.vonage.simulator_events import stamp
from carriers.vonage.simulator_legs import PhoneLeg
from carriers.vonage.simulator_ncco import first
from carriers.vonage.simulator_parts import Parts

Action = dict[str, Any]


def _talk(parts: Parts, now: float, leg: PhoneLeg, action: Action) -> None:
    leg.barging = leg.barging or bool(action.get("bargeIn"))
    parts.sounds.say(leg, _key(parts, leg, "talk"), action)
    _go_on_if_barging(parts, now, leg)


def _stream(parts: Parts, now: float, leg: PhoneLeg, action: Action) -> None:
    leg.barging = leg.barging or bool(action.get("bargeIn"))
    parts.sounds.fetch(leg, _key(parts, leg, "stream"), first(action["streamUrl"], ""), action)
    _go_on_if_barging(parts, now, leg)


def _key(parts: Parts, leg: PhoneLeg, kind: str) -> str:
    # Nobody waits for a sound that may be interrupted: it ends under a key that is no step's.
    return parts.sounds.new_key(kind) if leg.barging else f"{kind}:flow:{leg.step}"


def _go_on_if_barging(parts: Parts, now: float, leg: PhoneLeg) -> None:
    if leg.barging:
        parts.flow.next(now, leg)


def _wait(parts: Parts, now: float, leg: PhoneLeg, action: Action) -> None:
    seconds = min(max(float(action.get("timeout", 10)), 0.1), 7200.0)
    parts.wake(now + seconds, "action", leg.uuid, str(leg.step))


def _notify(parts: Parts, now: float, leg: PhoneLeg, action: Action) -> None:
    body: dict[str, Any] = {"payload": action["payload"], "conversation_uuid": leg.conversation_uuid}
    if parts.knob("notify_timestamp", True):
        body["timestamp"] = stamp(now)
    parts.post.ask(now, leg, "flow", first(action["eventUrl"], ""), action.get("eventMethod", "POST"), body)


def _conversation(parts: Parts, now: float, leg: PhoneLeg, action: Action) -> None:
    if not parts.rooms.join(now, leg, action):
        _skip(parts, now, leg, f"The conversation {action['name']} is full.")


def _transfer(parts: Parts, now: float, leg: PhoneLeg, action: Action) -> None:
    if not parts.rooms.move_all(now, leg, action):
        _skip(parts, now, leg, f"There is no conversation {action['conversationId']}.")


def _skip(parts: Parts, now: float, leg: PhoneLeg, reason: str) -> None:
    parts.refused(now, reason, leg)
    parts.post.complain(now, leg, reason)
    parts.flow.next(now, leg)


def _connect(parts: Parts, now: float, leg: PhoneLeg, action: Action) -> None:
    parts.connects.connect(now, leg, action)


def _input(parts: Parts, now: float, leg: PhoneLeg, action: Action) -> None:
    parts.gathers.begin(now, leg, action)


def _record(parts: Parts, now: float, leg: PhoneLeg, action: Action) -> None:
    parts.recordings.begin(now, leg, action)


VERBS: Mapping[str, Callable[[Parts, float, PhoneLeg, Action], None]] = {
    "connect": _connect,
    "conversation": _conversation,
    "input": _input,
    "notify": _notify,
    "record": _record,
    "stream": _stream,
    "talk": _talk,
    "transfer": _transfer,
    "wait": _wait,
}
