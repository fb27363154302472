"""What a process left behind that died in the middle of a message is kept by another one, or at the next start.

Its sound is on the disk, at most a second short of what was said; its record says whose it is. Whoever has not been heard
of by any heartbeat for a while is gone. Should it come back (it was paused, or its way to the store was broken), it goes on
in the same message, unless another process has.
"""

import structlog

from gateway.domain.errors import HoldlineError, StoreUnavailable
from gateway.domain.voicemail import RecordingEnd
from gateway.runtime.calls import Calls
from gateway.runtime.clock import Clock
from gateway.runtime.heartbeat import LIVES_S, Heartbeat
from gateway.runtime.store.voicemail_contract import Voicemail
from gateway.runtime.supervision import heed_cancellation
from gateway.runtime.voicemail_files import MessageFiles
from gateway.runtime.voicemail_record import ended, kept_word
from gateway.runtime.voicemails import drop

log = structlog.get_logger(__name__)

EVERY_S = 2.0
GONE_S = LIVES_S
"""An owner that no heartbeat knows of is waited for so long, unless it was found dead."""


class VoicemailSalvage:
    """`run` works until cancelled. `shortest_s`: less than that is no message."""

    def __init__(self, calls: Calls, files: MessageFiles, heartbeat: Heartbeat, clock: Clock, *, shortest_s: float) -> None:
        self._calls, self._files, self._heartbeat, self._clock = calls, files, heartbeat, clock
        self._shortest_s = shortest_s
        self._missed: dict[str, float] = {}
        """Owners that nobody hears of, and since when."""

    async def run(self, every_s: float = EVERY_S) -> None:
        """Look again and again; a store or a disk that does not answer is waited for."""
        while True:
            try:
                await self.once()
            except (StoreUnavailable, OSError) as error:
                log.warning("voicemails-not-salvaged", error=str(error))
            heed_cancellation()
            await self._clock.sleep(every_s)

    async def once(self) -> None:
        """Every open recording whose owner is gone."""
        recordings = await self._calls.store.recordings()
        gone = self._gone(frozenset(recordings.values()))
        for voicemail_id, owner in recordings.items():
            if owner in gone:
                await self._salvage(voicemail_id, owner)

    def _gone(self, owners: frozenset[str]) -> frozenset[str]:
        now, alive = self._clock.now(), self._heartbeat.alive()
        self._missed = {owner: self._missed.get(owner, now) for owner in owners - alive}
        dead = self._heartbeat.found_dead
        return frozenset(owner for owner, since in self._missed.items() if dead(owner) or now - since >= GONE_S)

    async def _salvage(self, voicemail_id: str, owner: str) -> None:
        voicemail = await self._calls.store.voicemail(voicemail_id)
        if voicemail is None:
            return
        heard = await self._files.heard(voicemail_id)
        if heard is None or heard.seconds < self._shortest_s or not heard.seconds:
            if await drop(voicemail_id, self._calls.store, self._files, self._clock.now(), owner=owner):
                log.info("voicemail-dropped", voicemail=voicemail_id, owner=owner)
            return
        kept = ended(voicemail, heard, RecordingEnd.GATEWAY_DIED, self._clock.now())
        notices = self._calls.announcer.of_voicemail(kept, self._clock.now())
        if await self._calls.store.end_recording(kept, owner, notices=notices):
            log.warning("voicemail-salvaged", voicemail=voicemail_id, owner=owner, seconds=kept.seconds)
            await self._tell(kept)

    async def _tell(self, kept: Voicemail) -> None:
        try:
            await self._calls.apply(kept.call_id, lambda _call: (kept_word(kept),))
        except HoldlineError as error:
            log.info("voicemail-word-unsaid", voicemail=kept.id, error=str(error))
