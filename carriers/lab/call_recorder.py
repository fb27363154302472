"""A carrier's recorder on one call. Pure; formats, links and webhooks are the dialect's."""

import array

from carriers.lab.sound import EXPANDED, FRAME, FRAME_S, SILENCE, is_loud, to_mulaw, to_wav

FULL, QUIET = "max_length", "silence"
"""Why a recorder stops by itself."""


class CallRecorder:
    """Takes frames until it has enough. `sid` is the carrier's own id of the recording.

    `both`: the other side is recorded too, else the person alone. `max_s` and `quiet_s` (so much silence of the person
    at a stretch) end it; 0 means never.
    """

    def __init__(self, sid: str, *, both: bool = True, max_s: float = 0.0, quiet_s: float = 0.0) -> None:
        self.sid, self.both, self.paused = sid, both, False
        self.said, self.heard = bytearray(), bytearray()
        self._max, self._quiet_limit, self._quiet = int(max_s / FRAME_S), int(quiet_s / FRAME_S), 0

    @property
    def seconds(self) -> float:
        """Length so far."""
        return len(self.said) // FRAME * FRAME_S

    def add(self, said: bytes, heard: bytes) -> str:
        """One frame of each side; why it has had enough, empty if it has not."""
        if self.paused:
            return ""
        self.said += said
        self.heard += heard
        self._quiet = 0 if is_loud(said) else self._quiet + 1
        if self._max and len(self.said) >= self._max * FRAME:
            return FULL
        return QUIET if self._quiet_limit and self._quiet >= self._quiet_limit else ""

    def trim(self) -> None:
        """Drop the person's silence at both ends, in both tracks."""
        loud = [index for index in range(0, len(self.said), FRAME) if is_loud(bytes(self.said[index : index + FRAME]))]
        first, after = (loud[0], loud[-1] + FRAME) if loud else (0, 0)
        self.said, self.heard = self.said[first:after], self.heard[first:after]

    def wav(self, *, dual: bool = False) -> bytes:
        """16-bit PCM, 8 kHz: one channel with everything mixed, or (`dual`) the person left and the other side right."""
        if dual:
            return to_wav(bytes(self.said), bytes(self.heard))
        return to_wav(_mixed(bytes(self.said), bytes(self.heard)) if self.both else bytes(self.said))


def _mixed(one: bytes, other: bytes) -> bytes:
    if other == SILENCE * (len(other) // FRAME):
        return one
    sums = (EXPANDED[left] + EXPANDED[right] for left, right in zip(one, other, strict=True))
    return to_mulaw(array.array("h", (max(-32768, min(32767, total)) for total in sums)).tobytes())
