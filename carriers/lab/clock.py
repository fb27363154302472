"""Unix time that never jumps: read once, carried on by the event loop's own clock."""

import asyncio
import time


class LabClock:
    """Unix seconds. `at` turns them back into the loop's time for `call_at`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._offset = time.time() - self._loop.time()

    def now(self) -> float:
        """Unix time."""
        return self._loop.time() + self._offset

    def loop_time(self, unix: float) -> float:
        """The same moment on the loop's clock."""
        return unix - self._offset
