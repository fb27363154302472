"""Sound of the simulated carrier: what is played into a leg, and the 20 ms in which everybody speaks and hears.

One tick: customers' sockets give their frame, phones hear and speak, sockets get what was said. So a customer hears a
person in the tick in which they speak, and two phones hear each other one tick later.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from carriers.lab.call_audio import CallAudio
from carriers.lab.contract import Fetch, WebhookReply
from carriers.lab.sound import NotWav, from_wav
from carriers.lab.speaking import spoken
from carriers.vonage.simulator_legs import PhoneLeg
from carriers.vonage.simulator_ncco import plain
from carriers.vonage.simulator_parts import Parts
from carriers.vonage.simulator_rooms import louder


class Wanted(Struct, frozen=True, kw_only=True):
    """A file on its way: for which leg, under which key it is to be played, how often and how loud."""

    ref: str
    key: str
    url: str
    loops: int
    level: float


class Sounds:
    """Clips have keys: what it is, and who waits for it. `talk:flow:3` is of a flow's third step; others only have to differ."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._count = 0
        self._wanted: dict[str, Wanted] = {}

    def answered(self, leg: PhoneLeg) -> None:
        """The leg has sound from now on."""
        site = self._parts.site
        leg.audio = CallAudio(site.network, site.name, leg.uuid)

    # --- playing -------------------------------------------------------------------------------------------------

    def new_key(self, word: str) -> str:
        """A key for a sound that no action waits for."""
        self._count += 1
        return f"{word}:{self._count}"

    def say(self, leg: PhoneLeg, key: str, given: Mapping[str, Any]) -> None:
        """Read a text out; `given` has text, loop and level."""
        self.play(leg, key, spoken(plain(given["text"])), given.get("loop", 1), float(given.get("level", 0)))

    def fetch(self, leg: PhoneLeg, key: str, url: str, given: Mapping[str, Any]) -> None:
        """Get a file and play it; `given` has loop and level."""
        fetch_id = f"file-{self._parts.site.random.getrandbits(64):016x}"
        loops, level = given.get("loop", 1), float(given.get("level", 0))
        self._wanted[fetch_id] = Wanted(ref=leg.uuid, key=key, url=url, loops=loops, level=level)
        self._parts.site.emit(Fetch(id=fetch_id, url=url, carrier_call_id=leg.uuid, number=leg.person))

    def play(self, leg: PhoneLeg, key: str, mulaw: bytes, loops: int = 1, level: float = 0.0) -> None:
        """Play sound, `loops` times or (0) until somebody stops it."""
        if leg.audio is None:
            return
        once = louder(mulaw, level)
        if loops != 1:
            leg.repeats[key] = (once, loops - 1)
        leg.audio.play(once, key)

    def stop(self, leg: PhoneLeg, kind: str = "") -> tuple[str, ...]:
        """Nothing of this kind is played any more, and what is still on its way will not be; the keys that were cut off."""
        leg.repeats = {key: sound for key, sound in leg.repeats.items() if not key.startswith(kind)}
        late = [(fetch_id, file.key) for fetch_id, file in self._wanted.items() if _is(file, leg, kind)]
        for fetch_id, _ in late:
            del self._wanted[fetch_id]
        return (*(leg.audio.stop(kind) if leg.audio is not None else ()), *(key for _, key in late))

    def cut(self, now: float, leg: PhoneLeg, kind: str) -> None:
        """The customer stops what is played; an action of the flow that waited for it is done."""
        for key in self.stop(leg, kind):
            self._parts.flow.on_played(now, leg, key)

    def on_fetched(self, now: float, fetch_id: str, reply: WebhookReply) -> None:
        """A file came, or did not; what cannot be played is skipped with an error webhook."""
        wanted = self._wanted.pop(fetch_id, None)
        leg = self._parts.rooms.phone(wanted.ref) if wanted else None
        if wanted is None or leg is None or leg.ended:
            return
        try:
            if reply.status != 200:
                raise NotWav(f"{reply.failure or reply.status}")
            self.play(leg, wanted.key, from_wav(reply.body), wanted.loops, wanted.level)
        except NotWav as error:
            # Another format than WAV is the lab's limit, a missing file the customer's: the ledger tells them apart.
            self._parts.refused(now, f"stream of {wanted.url}: {error}", leg)
            self._parts.post.complain(now, leg, f"The audio file could not be played. {error}")
            self._parts.flow.on_played(now, leg, wanted.key)

    # --- every 20 ms ---------------------------------------------------------------------------------------------

    @property
    def wanted(self) -> bool:
        """Whether anybody would notice the next 20 ms."""
        return any(map(self._busy, self._parts.rooms.live.values()))

    def _busy(self, leg: PhoneLeg) -> bool:
        return leg.audio is not None and (leg.audio.busy or bool(self._parts.rooms.companions(leg)))

    def tick(self, now: float) -> None:
        """One frame each way for everybody."""
        self._parts.sockets.give()
        for leg in list(self._parts.rooms.live.values()):
            if not leg.ended and self._busy(leg):
                self._tick(now, leg)
        self._parts.sockets.take()

    def _tick(self, now: float, leg: PhoneLeg) -> None:
        if leg.audio is None:
            return
        leg.audio.muted = leg.muted
        leg.audio.playback = lambda: self._parts.rooms.heard_by(leg)
        ticked = leg.audio.tick()
        leg.audio.playback = None
        for recorder, _reason in ticked.recorded:
            self._parts.recordings.on_full(now, recorder)
        for key in ticked.played:
            self._ended(now, leg, key)

    def _ended(self, now: float, leg: PhoneLeg, key: str) -> None:
        sound, again = leg.repeats.pop(key, (b"", 0))
        if not sound or not again or leg.audio is None:
            self._parts.flow.on_played(now, leg, key)
            return
        leg.repeats[key] = (sound, again - 1)
        leg.audio.play(sound, key)

    def reset(self) -> None:
        """Forget files on their way."""
        self._wanted.clear()


def _is(file: Wanted, leg: PhoneLeg, kind: str) -> bool:
    return file.ref == leg.uuid and file.key.startswith(kind)
