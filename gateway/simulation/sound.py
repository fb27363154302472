"""Sound that says whose it is: every agent and every person of a world speaks in a tone of their own, a constant byte of
mu-law, which every codec on the way gives back as it was. What anybody hears is noted by that byte.

So a frame that crosses over to another call is seen, and so is a time in which a person hears nothing.
"""

from collections.abc import Callable

from msgspec import Struct

from carriers.lab.network import PhoneNetwork
from carriers.lab.sound import SILENCE

FRAME = len(SILENCE)
_QUIET = frozenset({0x7F, 0xFF})
_TONES = 127


class Ear(Struct, kw_only=True, eq=False):
    """What one phone heard in one call. Unix seconds."""

    tones: set[int] = set()
    first_at: float | None = None
    last_at: float | None = None
    pauses: list[tuple[float, float]] = []
    """(from, until) longer than `PAUSE_S` between two sounds."""


PAUSE_S = 1.0
"""Shorter ones are breath."""


class Tones:
    """Which byte is whose. Agents have 0x00 to 0x7e, people 0x80 to 0xfe."""

    def __init__(self) -> None:
        self.of_agents: dict[str, int] = {}
        """Call id -> tone of its agent."""
        self.of_people: dict[tuple[str, str], int] = {}
        """(carrier, carrier's id of the call) -> tone of the person in it."""
        self.ears: dict[tuple[str, str], Ear] = {}
        self.heard_by_agents: dict[str, set[int]] = {}

    def agent(self, call_id: str) -> bytes:
        """One frame of this call's agent."""
        tone = self.of_agents.setdefault(call_id, len(self.of_agents) % _TONES)
        return bytes((tone,)) * FRAME

    def person(self, carrier: str, ref: str) -> bytes:
        """One frame of the person in this call."""
        tone = self.of_people.setdefault((carrier, ref), 0x80 + len(self.of_people) % _TONES)
        return bytes((tone,)) * FRAME

    def agent_hears(self, call_id: str, frame: bytes) -> None:
        """The agent of this call was given this frame."""
        tone = frame[len(frame) // 2]
        if tone not in _QUIET:
            self.heard_by_agents.setdefault(call_id, set()).add(tone)

    def person_hears(self, carrier: str, ref: str, frame: bytes, now: float) -> None:
        """The phone in this call was given this frame, whether or not a fault mutes it there."""
        tone = frame[len(frame) // 2]
        if tone in _QUIET:
            return
        ear = self.ears.setdefault((carrier, ref), Ear(tones=set(), pauses=[]))
        if frame.count(tone) == len(frame):  # else a carrier speaks, which says that our application does not answer
            ear.tones.add(tone)
        if ear.last_at is not None and now - ear.last_at > PAUSE_S:
            ear.pauses.append((ear.last_at, now))
        ear.first_at = now if ear.first_at is None else ear.first_at
        ear.last_at = now

    def tap(self, network: PhoneNetwork) -> None:
        """From now on the phones of this network speak in their tones, and what they hear is noted."""
        say, hear = network.say, network.hear
        network.say = self._saying(say)  # type: ignore[method-assign,assignment]

        def heard(carrier: str, ref: str, frame: bytes) -> None:
            self.person_hears(carrier, ref, frame, network.now)
            hear(carrier, ref, frame)

        network.hear = heard  # type: ignore[method-assign]

    def _saying(self, say: Callable[[str, str], bytes]) -> Callable[[str, str], bytes]:
        def said(carrier: str, ref: str) -> bytes:
            frame = say(carrier, ref)
            return frame if frame == SILENCE else self.person(carrier, ref)

        return said
