"""The sound of messages in memory, for simulations: what is appended survives its process, and nothing waits."""

from gateway.runtime.voicemail_files import Growing
from gateway.runtime.voicemail_sound import Heard, listen, wav_of


class MemoryMessageFiles:
    """`gateway.runtime.voicemail_files.MessageFiles`."""

    def __init__(self) -> None:
        self.raw: dict[str, bytearray] = {}
        self.wavs: dict[str, bytes] = {}

    async def write(self, voicemail_id: str, wav: bytes) -> None:
        self.wavs[voicemail_id] = wav

    async def grow(self, voicemail_id: str, part: int = 1) -> Growing:
        return _Kept(self.raw.setdefault(voicemail_id, bytearray()))

    async def room(self, needed: int) -> bool:
        return True

    async def heard(self, voicemail_id: str) -> Heard | None:
        wav = await self.read(voicemail_id)
        return None if wav is None else listen(wav)

    async def read(self, voicemail_id: str) -> bytes | None:
        raw = self.raw.get(voicemail_id)
        return self.wavs.get(voicemail_id) if raw is None else wav_of(bytes(raw))

    async def remove(self, voicemail_id: str) -> None:
        self.raw.pop(voicemail_id, None)
        self.wavs.pop(voicemail_id, None)


class _Kept:
    """`Growing`."""

    def __init__(self, sound: bytearray) -> None:
        self._sound = sound

    async def append(self, sound: bytes) -> None:
        self._sound += sound

    async def close(self) -> None:
        """Nothing is open."""
