"""What the agent has said and the carrier has not been given yet: sound and marks, in order, bounded. Pure."""

from collections import deque

from msgspec import Struct

from gateway.domain.media import FRAMES_PER_SECOND, AudioFormat
from gateway.domain.transcode import silence


class Mark(Struct, frozen=True):
    """A place in the sound. `name` is the agent's; `farewell` marks the end of the conversation and has no name."""

    name: str = ""
    farewell: bool = False


class Playout:
    """A queue that is filled in pieces of any length and emptied frame by frame.

    A piece that is one frame comes out as the same object. What is shorter than a frame waits for more, and is filled
    up with silence when a mark follows it, or when the person would hear a gap anyway.
    """

    def __init__(self, form: AudioFormat, limit_s: float) -> None:
        self._size = form.frame_bytes
        self._silence = silence(form)
        self._limit = int(limit_s * FRAMES_PER_SECOND) * self._size
        self._items: deque[bytes | Mark] = deque()
        self._offset = 0
        self._waiting = 0

    @property
    def waiting_bytes(self) -> int:
        """Sound not taken yet."""
        return self._waiting

    def add(self, sound: bytes) -> int:
        """Queue sound; the number of bytes that the bound left no room for, which are thrown away."""
        kept = sound if len(sound) <= self._limit - self._waiting else sound[: self._limit - self._waiting]
        if kept:
            self._items.append(kept)
            self._waiting += len(kept)
        return len(sound) - len(kept)

    def mark(self, mark: Mark) -> None:
        """Queue a mark behind all sound."""
        self._items.append(mark)

    def due_marks(self) -> list[Mark]:
        """Take the marks before which no sound waits."""
        marks: list[Mark] = []
        while self._items and isinstance(self._items[0], Mark):
            marks.append(self._items[0])
            self._items.popleft()
        return marks

    def frame(self, *, pad: bool) -> bytes | None:
        """Take 20 ms, or None if there is no frame. `pad`: fill up a last piece rather than keep it."""
        if not self._items:
            return None
        head = self._items[0]
        if type(head) is bytes and not self._offset and len(head) == self._size:
            self._items.popleft()
            self._waiting -= self._size
            return head
        return self._joined(pad)

    def clear(self) -> list[Mark]:
        """Throw the sound away; the marks that waited in it, in order."""
        marks = [item for item in self._items if isinstance(item, Mark)]
        self._items.clear()
        self._offset = self._waiting = 0
        return marks

    def _joined(self, pad: bool) -> bytes | None:
        sound = b""
        while len(sound) < self._size and self._items and not isinstance(self._items[0], Mark):
            sound += self._piece(self._items[0], self._size - len(sound))
        if len(sound) < self._size and not self._items and not pad:
            self._keep(sound)
            return None
        self._waiting -= len(sound)
        return sound + self._silence[len(sound) :] if sound else None

    def _piece(self, head: bytes, wanted: int) -> bytes:
        piece = head[self._offset : self._offset + wanted]
        self._offset += len(piece)
        if self._offset == len(head):
            self._items.popleft()
            self._offset = 0
        return piece

    def _keep(self, sound: bytes) -> None:
        if sound:
            self._items.appendleft(sound)
