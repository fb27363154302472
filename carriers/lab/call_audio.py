"""What a carrier's media server does for one answered call, 20 ms at a time. Pure; the dialects say when, not how.

What the person hears is the first of these that has sound: a clip (Say, Play, a beep), the call that this one is joined
with, the media stream's playback. What the person says goes to the stream, to the joined call and to every recorder.

A simulator keeps one CallAudio for each answered call, calls `tick` for all of them in `on_tick`, and answers `ticking`
with whether any of them is `busy`.
"""

from collections import deque
from collections.abc import Callable, Iterable

from msgspec import Struct

from carriers.lab.call_recorder import CallRecorder
from carriers.lab.contract import Network
from carriers.lab.sound import SILENCE, frames


class Clip(Struct, kw_only=True, eq=False):
    """Sound that is being played. `key` is the simulator's own word for what comes after it."""

    key: str
    frames: deque[bytes]


class Ticked(Struct, frozen=True, kw_only=True):
    """What 20 ms brought: the person's frame, clips that have ended, recorders that have had enough (with the reason)."""

    said: bytes
    played: tuple[str, ...] = ()
    recorded: tuple[tuple[CallRecorder, str], ...] = ()


class CallAudio:
    """Of one answered call."""

    def __init__(self, network: Network, carrier: str, ref: str) -> None:
        self._network, self.carrier, self.ref = network, carrier, ref
        self._clips: deque[Clip] = deque()
        self.partner: CallAudio | None = None
        """The call that this one is joined with; `join` and `part` keep both sides alike."""
        self.said = SILENCE
        """The person's last frame, for the partner; one tick late at most."""
        self.heard = SILENCE
        """What the person was last given."""
        self.playback: Callable[[], bytes] | None = None
        """The media stream's next 20 ms towards the person; None while there is no stream."""
        self.recorders: list[CallRecorder] = []
        self.muted = False
        """The person is not heard by the others."""

    @property
    def busy(self) -> bool:
        """Whether this call wants ticks."""
        return bool(self._clips or self.partner or self.playback or self.recorders)

    @property
    def playing(self) -> bool:
        """Whether a clip is being played."""
        return bool(self._clips)

    def play(self, mulaw: bytes, key: str = "") -> None:
        """Queue a clip behind the others; `key` comes back in the tick after its last frame. Empty sound ends at once."""
        self._clips.append(Clip(key=key, frames=deque(frames(mulaw))))

    def stop(self, prefix: str = "") -> tuple[str, ...]:
        """Drop every clip whose key begins so; their keys, in order."""
        keys = tuple(clip.key for clip in self._clips if clip.key.startswith(prefix))
        self._clips = deque(clip for clip in self._clips if not clip.key.startswith(prefix))
        return keys

    def join(self, other: "CallAudio") -> None:
        """Let both hear each other, instead of whomever they were joined with."""
        self.part()
        other.part()
        self.partner, other.partner = other, self

    def part(self) -> None:
        """Undo `join`, on both sides."""
        if self.partner is not None:
            other, self.partner = self.partner, None
            other.partner = None

    def tick(self) -> Ticked:
        """One frame each way."""
        person = self._network.say(self.carrier, self.ref)
        self.said = SILENCE if self.muted else person
        self.heard = self._heard()
        self._network.hear(self.carrier, self.ref, self.heard)
        recorded = tuple(self._record(self.heard))
        return Ticked(said=self.said, played=tuple(self._ended_clips()), recorded=recorded)

    def _heard(self) -> bytes:
        # A stream's playback runs on under a clip: its clock does not stop because something else is heard.
        streamed = self.playback() if self.playback is not None else SILENCE
        clip = next((clip for clip in self._clips if clip.frames), None)
        if clip is not None:
            return clip.frames.popleft()
        return self.partner.said if self.partner is not None else streamed

    def _ended_clips(self) -> Iterable[str]:
        while self._clips and not self._clips[0].frames:
            yield self._clips.popleft().key

    def _record(self, heard: bytes) -> Iterable[tuple[CallRecorder, str]]:
        for recorder in list(self.recorders):
            reason = recorder.add(self.said, heard)
            if reason:
                self.recorders.remove(recorder)
                yield recorder, reason
