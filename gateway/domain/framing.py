"""Sound of any length, cut into frames of 20 ms. Pure."""


class Framer:
    """Keeps what is left over until more comes. A frame that comes whole goes through as the same object."""

    def __init__(self, frame_bytes: int) -> None:
        self._size = frame_bytes
        self._rest = b""

    def cut(self, sound: bytes) -> tuple[bytes, ...]:
        """The frames that are complete now, in order."""
        if not self._rest and len(sound) == self._size:
            return (sound,)
        joined = self._rest + sound
        whole = len(joined) - len(joined) % self._size
        self._rest = joined[whole:]
        return tuple(joined[at : at + self._size] for at in range(0, whole, self._size))
