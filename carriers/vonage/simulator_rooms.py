"""Conversations of the simulated carrier: who is in one, and who hears whom. Pure but for the events of a move.

A leg is a member of the conversation whose uuid it carries, from its answer to its end. Everybody hears the sum of the
others.
"""

from dataclasses import dataclass
from typing import Any

from carriers.lab.sound import EXPANDED, SILENCE, to_linear, to_mulaw
from carriers.vonage.simulator_events import transfer_event
from carriers.vonage.simulator_legs import AnyLeg, PhoneLeg, SocketLeg
from carriers.vonage.simulator_ncco import file_url
from carriers.vonage.simulator_parts import Parts

MOST_MEMBERS = 50


@dataclass
class NamedRoom:
    """A conversation that has a name in its application. Until it has `started` nobody hears anybody."""

    uuid: str
    started: bool = False


class Rooms:
    """All legs of the account, by uuid, those that have ended included."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.legs: dict[str, AnyLeg] = {}
        self.live: dict[str, PhoneLeg] = {}
        """The phone legs that have not ended."""
        self._rooms: dict[str, list[AnyLeg]] = {}
        self._named: dict[tuple[str, str], NamedRoom] = {}

    def phone(self, ref: str) -> PhoneLeg | None:
        """A phone leg by its uuid."""
        leg = self.legs.get(ref)
        return leg if isinstance(leg, PhoneLeg) else None

    def add(self, leg: AnyLeg) -> None:
        """A new leg, in the conversation that it names."""
        self.legs[leg.uuid] = leg
        self._rooms.setdefault(leg.conversation_uuid, []).append(leg)
        if isinstance(leg, PhoneLeg):
            self.live[leg.uuid] = leg

    def remove(self, leg: AnyLeg) -> list[AnyLeg]:
        """The leg has ended: out of its conversation, but not out of the list of calls. Who stays behind."""
        self.live.pop(leg.uuid, None)
        left = self._rooms.get(leg.conversation_uuid, [])
        if leg in left:
            left.remove(leg)
        if not left:
            self._rooms.pop(leg.conversation_uuid, None)
        return list(left)

    def companions(self, leg: AnyLeg) -> list[AnyLeg]:
        """Who is in the leg's conversation beside it, answered and not ended."""
        return [other for other in self._rooms.get(leg.conversation_uuid, ()) if other is not leg and _present(other)]

    def connected_by(self, leg: AnyLeg) -> list[AnyLeg]:
        """The legs that the leg's flow connected, dialling or talking, in its conversation."""
        return [other for other in self._rooms.get(leg.conversation_uuid, ()) if other.parent is leg]

    def heard_by(self, leg: AnyLeg) -> bytes:
        """20 ms of everybody whom the leg can hear."""
        apart = leg.earmuffed or (isinstance(leg, PhoneLeg) and leg.waiting_to_join)
        if apart or not self._started(leg.conversation_uuid):
            return SILENCE
        voices = [other.voice for other in self.companions(leg) if _hears(leg, other)]
        return mixed([voice for voice in voices if voice != SILENCE])

    def _started(self, conversation_uuid: str) -> bool:
        return all(room.started for room in self._named.values() if room.uuid == conversation_uuid)

    # --- moving --------------------------------------------------------------------------------------------------

    def leave(self, now: float, leg: AnyLeg, conversation_uuid: str = "") -> None:
        """Move a leg alone into another conversation, or into a new one; whoever stays behind alone is hung up."""
        self.clear_up(now, self._move(now, leg, conversation_uuid or f"CON-{self._parts.new_uuid()}"))

    def _move(self, now: float, leg: AnyLeg, conversation_uuid: str) -> list[AnyLeg]:
        before, left = leg.conversation_uuid, self.remove(leg)
        leg.conversation_uuid = conversation_uuid
        self.add(leg)
        self._parts.post.tell(now, leg, transfer_event(leg, before, now))
        return left

    def clear_up(self, now: float, left: list[AnyLeg]) -> None:
        """Somebody is gone: legs that only a `connect` brought do not stay alone."""
        for leg in left:
            if leg.parent is not None and not leg.ended and not self.companions(leg):
                self._parts.connects.dismiss(now, leg)

    def join(self, now: float, leg: PhoneLeg, action: dict[str, Any]) -> bool:
        """Carry out a `conversation` action: its flow has come to its end, whatever else it has. False if it is full."""
        key = (leg.application_id, action["name"])
        room = self._named.setdefault(key, NamedRoom(uuid=f"CON-{self._parts.new_uuid()}"))
        if len(self._rooms.get(room.uuid, ())) >= MOST_MEMBERS:
            return False
        self._start_or_hold(leg, room, action)
        leg.ends_room = bool(action.get("endOnExit", False))
        self.set_hearing(leg, action)
        leg.actions, leg.idle = [], True
        self.leave(now, leg, room.uuid)
        return True

    def _start_or_hold(self, leg: PhoneLeg, room: NamedRoom, action: dict[str, Any]) -> None:
        if action.get("startOnEnter", True):
            room.started = True
            for member in self._rooms.get(room.uuid, ()):
                if isinstance(member, PhoneLeg):
                    self._parts.sounds.stop(member, "hold:")
        music = file_url(action.get("musicOnHoldUrl"))
        if music and not room.started:
            self._parts.sounds.fetch(leg, self._parts.sounds.new_key("hold"), music, {"loop": 0})

    def move_all(self, now: float, leg: PhoneLeg, action: dict[str, Any]) -> bool:
        """Carry out a `transfer` action; False if there is no such conversation."""
        target = action["conversationId"]
        if target == leg.conversation_uuid or not any(map(_present, self._rooms.get(target, ()))):
            return False
        self.set_hearing(leg, action)
        for member in [leg, *self.companions(leg)]:
            self._move(now, member, target)
        leg.actions, leg.idle = [], True
        return True

    def set_hearing(self, leg: PhoneLeg, action: dict[str, Any]) -> None:
        """Who may hear whom, as the action says; what it does not say is everybody."""
        leg.can_hear = frozenset(action["canHear"]) if "canHear" in action else None
        leg.can_speak = frozenset(action["canSpeak"]) if "canSpeak" in action else None
        leg.muted = bool(action.get("mute", False))

    def reset(self) -> None:
        """Forget all legs and conversations."""
        for known in (self.legs, self.live, self._rooms, self._named):
            known.clear()


def _present(leg: AnyLeg) -> bool:
    if isinstance(leg, PhoneLeg) and leg.waiting_to_join:
        return False
    return leg.answered and not leg.ended


def _hears(leg: AnyLeg, other: AnyLeg) -> bool:
    if other.muted or (isinstance(other, SocketLeg) and not other.open):
        return False
    may_hear = leg.can_hear is None or other.uuid in leg.can_hear
    return may_hear and (other.can_speak is None or leg.uuid in other.can_speak)


def mixed(voices: list[bytes]) -> bytes:
    """The sum of some frames of mu-law; one alone stays as it is, bit by bit."""
    if len(voices) < 2:
        return voices[0] if voices else SILENCE
    sums = (sum(EXPANDED[code] for code in codes) for codes in zip(*voices, strict=True))
    return to_mulaw(b"".join(max(-32768, min(32767, total)).to_bytes(2, "little", signed=True) for total in sums))


def louder(mulaw: bytes, level: float) -> bytes:
    """Sound at a `level` from -1 (nothing) over 0 (as it is) to 1 (twice as loud): the lab's reading of the scale."""
    if level == 0:
        return mulaw
    table = bytes(to_mulaw(_scaled(code, 1 + level))[0] for code in range(256))
    return mulaw.translate(table)


def _scaled(code: int, factor: float) -> bytes:
    sample = int.from_bytes(to_linear(bytes([code])), "little", signed=True)
    return max(-32768, min(32767, int(sample * factor))).to_bytes(2, "little", signed=True)
