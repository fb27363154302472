"""What is counted of one stream. Pure; `now` in seconds."""

from gateway.domain.records import MediaCounters


class StreamCounts:
    """Frames both ways, and the longest time for which nothing was heard, a silence that still lasts included."""

    def __init__(self, now: float) -> None:
        self.frames_in = self.frames_out = 0
        self._longest_gap = 0.0
        self._heard_at = now

    def heard(self, frames: int, now: float) -> None:
        """Sound came in."""
        self.frames_in += frames
        gap = now - self._heard_at
        self._heard_at = now
        if gap > self._longest_gap:
            self._longest_gap = gap

    def silent_for(self, now: float) -> float:
        """Seconds since the last sound, or since the start."""
        return now - self._heard_at

    def snapshot(self, now: float) -> MediaCounters:
        """As the API shows it. `mos_estimated` stays empty: nothing is estimated yet."""
        gap = max(self._longest_gap, self.silent_for(now))
        return MediaCounters(frames_in=self.frames_in, frames_out=self.frames_out, longest_gap_ms=round(gap * 1000))
