"""One message, recorded on the stream of its call: every second of it is on the disk a moment after it was said.

Order: the file, the record in the store, the call's word that it is being recorded; only then READY, and the tone. At the
end the record says what was kept, and only then KEPT, and the confirmation. Enough on the disk to be a message is told to
the call at once, since callers end it by hanging up, and the call's outcome must be known then.

A call leaves one message, whatever dies: whoever takes the session over goes on with the record, and writes its sound into
a file of its own, so that a process that was only frozen writes into nobody's. Such a one finds out that it was taken for
dead, by the record: it goes on in it, or lets go of it if another has.

The person's frames come in the event loop; whatever waits (disk, store) is one task of the message's own.
"""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from msgspec import Struct

from agent.contract import CallInfo
from gateway.domain.errors import HoldlineError, StoreUnavailable
from gateway.domain.events import CallEvent, VoicemailStarted, VoicemailTaken
from gateway.domain.media import MULAW_8K
from gateway.domain.outcome import CallStatus
from gateway.domain.records import Call
from gateway.domain.voicemail import RecordingEnd, Told
from gateway.runtime.clock import Clock
from gateway.runtime.errands import Errands
from gateway.runtime.store.contract import Store
from gateway.runtime.store.voicemail_contract import RECORDING, Voicemail
from gateway.runtime.user_webhook_announcing import Announcer
from gateway.runtime.voicemail_files import Growing, MessageFiles
from gateway.runtime.voicemail_record import begun_in, ended, gone_on_with, kept_word, record_of, salvaged, unfinished
from gateway.runtime.voicemail_sound import Heard
from gateway.runtime.voicemails import drop

log = structlog.get_logger(__name__)

FLUSH_BYTES = MULAW_8K.rate
"""One second."""
SETTLE_S = 5.0
"""How long the end of a call waits for its message to be kept. It is kept all the same, a little later."""
AGAIN_S = 1.0
_TRIES = 3
FROZEN_S = 3.0
"""Nothing was written for so long: the line was lost, or we were frozen, and may have been taken for dead."""
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

Say = Callable[[str, CallEvent], Awaitable[Call]]
"""(call id, event): said in the name of the call's session."""


class NotRecorded(HoldlineError):
    """There is no call any more whose message this could be."""


class Lengths(Struct, frozen=True, kw_only=True):
    """In seconds: the longest message, and the shortest that is kept."""

    longest_s: float
    shortest_s: float


class Desk(Protocol):
    """What the messages of one process share (voicemail_desk.py)."""

    store: Store
    files: MessageFiles
    clock: Clock
    say: Say
    owner: Callable[[], str]
    new_id: Callable[[str], str]
    lengths: Lengths
    errands: Errands
    announcer: Announcer

    async def room(self) -> bool:
        """For one message more."""
        ...


class MessageRecording:
    """`agent.voicemail.Recording`."""

    def __init__(self, call: CallInfo, desk: Desk) -> None:
        self._call_id, self._desk = call.call_id, desk
        self._waiting = bytearray()
        """Heard and not written."""
        self._written, self._open = 0, False
        self._ended_by: RecordingEnd | None = None
        self._wake, self._over = asyncio.Event(), asyncio.Event()
        self._told: Callable[[Told], None] | None = None
        self._taking: asyncio.Task[None] | None = None
        self._taken = False
        self._wrote_at = 0.0
        self._reopening: Voicemail | None = None
        """In our hands, unless the store said no: its answer may have been lost."""

    # --- the agent's side ---

    async def room(self) -> bool:
        try:
            return await self._desk.room()
        except OSError as error:
            log.warning("voicemail-room-unknown", call_id=self._call_id, error=str(error))
            return False

    def begin(self, told: Callable[[Told], None]) -> None:
        if self._told is None and self._ended_by is None:
            self._told = told
            self._desk.errands.run("voicemail", self._work())

    def append(self, frame: bytes) -> None:
        if self._open and self._ended_by is None:
            self._waiting += frame
            if len(self._waiting) >= FLUSH_BYTES:
                self._wake.set()

    def end(self, by: RecordingEnd) -> None:
        self._ended_by = self._ended_by or by
        self._wake.set()

    async def settled(self) -> None:
        if self._told is None:
            return
        try:
            await asyncio.wait_for(self._over.wait(), SETTLE_S)
        except TimeoutError:
            log.warning("voicemail-not-settled", call_id=self._call_id)

    # --- the work ---

    async def _work(self) -> None:
        try:
            voicemail = await self._record()
            if voicemail is not None:
                await self._take(voicemail)
        finally:
            self._over.set()

    async def _take(self, voicemail: Voicemail) -> None:
        try:
            sound = await self._begin(voicemail)
        except (OSError, HoldlineError) as error:
            log.warning("voicemail-not-begun", call_id=self._call_id, voicemail=voicemail.id, error=str(error))
            self._tell(Told.REFUSED)
            await (self._discard(voicemail) if voicemail.part == 1 else self._settle(voicemail, RecordingEnd.GATEWAY_DIED))
            return
        self._open, self._wrote_at = True, self._desk.clock.now()
        self._tell(Told.READY)
        try:
            by = await self._write(sound, voicemail)
        finally:
            self._open = False
            await sound.close()
        self._tell(await self._settle(voicemail, by))

    async def _record(self) -> Voicemail | None:
        try:
            call = await self._desk.store.load(self._call_id)
            if call is None or call.leg is None or call.ended:
                raise NotRecorded("the call is over")
            cut_off = await self._cut_off(call)
        except (OSError, StoreUnavailable, NotRecorded) as error:
            log.warning("voicemail-not-begun", call_id=self._call_id, error=str(error))
            self._tell(Told.REFUSED)
            if self._reopening is not None:
                await self._settle(self._reopening, RecordingEnd.GATEWAY_DIED)
            return None
        return cut_off or record_of(call, self._desk.new_id("vm"), self._desk.clock.now())

    async def _cut_off(self, call: Call) -> Voicemail | None:
        """The message that another process had to leave, in our hands from here on."""
        store = self._desk.store
        begun = begun_in(await store.entries(call.id)) if call.resumed else ""
        for _ in range(_TRIES if begun else 0):
            earlier = await store.voicemail(begun)
            if earlier is None or not unfinished(earlier):
                break
            heard = await self._desk.files.heard(begun)
            self._written = round(heard.seconds * MULAW_8K.rate) if heard else 0
            ours = self._reopening = gone_on_with(earlier)
            if await store.reopen_recording(ours, self._desk.owner(), over=earlier):
                log.info("voicemail-goes-on", call_id=call.id, voicemail=ours.id, part=ours.part)
                return ours
        return None

    async def _begin(self, voicemail: Voicemail) -> Growing:
        desk = self._desk
        sound = await desk.files.grow(voicemail.id, voicemail.part)
        try:
            if voicemail.part == 1 and not await desk.store.begin_recording(voicemail, desk.owner(), desk.clock.now()):
                raise NotRecorded(f"{voicemail.id} is known")
            call = await desk.say(self._call_id, VoicemailStarted(voicemail_id=voicemail.id, reason=voicemail.reason))
            if call.status is not CallStatus.VOICEMAIL:
                raise NotRecorded(f"{self._call_id} is {call.status.value}")
        except BaseException:
            await sound.close()
            raise
        log.info("voicemail-started", call_id=self._call_id, voicemail=voicemail.id)
        return sound

    async def _write(self, sound: Growing, voicemail: Voicemail) -> RecordingEnd:
        """What was heard, a second at a time, until the end or until the disk takes no more."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if await self._taken_for_dead(voicemail):
                return RecordingEnd.HUNG_UP
            piece = bytes(self._waiting)
            self._waiting.clear()
            try:
                await sound.append(piece)
            except OSError as error:
                return self._cut(voicemail, error)
            self._written += len(piece)
            self._say_taken(voicemail)
            if self._ended_by is not None and not self._waiting:
                return self._ended_by

    async def _taken_for_dead(self, voicemail: Voicemail) -> bool:
        """Whether another process has gone on with it, or somebody deleted what was kept of it."""
        last, self._wrote_at = self._wrote_at, self._desk.clock.now()
        if self._wrote_at - last < FROZEN_S:
            return False
        try:
            found = await self._desk.store.voicemail(voicemail.id)
            still_ours = found is not None and found.part == voicemail.part and found.status == RECORDING
            return not still_ours and not await self._regained(voicemail)
        except StoreUnavailable:
            return False  # its end will find out

    async def _regained(self, voicemail: Voicemail) -> bool:
        """What was kept of it for us is ours again, unless somebody has gone on with it or deleted it."""
        desk = self._desk
        found = await desk.store.voicemail(voicemail.id)
        if found is None or not salvaged(found, voicemail.part):
            return False
        return await desk.store.reopen_recording(voicemail, desk.owner(), over=found)

    def _cut(self, voicemail: Voicemail, error: OSError) -> RecordingEnd:
        self._open = False
        log.warning("voicemail-cut", call_id=self._call_id, voicemail=voicemail.id, error=str(error))
        self._tell(Told.CUT)
        return RecordingEnd.DISK_FULL if error.errno in _NO_SPACE else RecordingEnd.WRITE_FAILED

    def _enough(self, seconds: float) -> bool:
        return seconds >= self._desk.lengths.shortest_s and seconds > 0

    def _say_taken(self, voicemail: Voicemail) -> None:
        """Beside the writing, which must not wait for the store."""
        if self._taken or not self._enough(self._written / MULAW_8K.rate) or (self._taking and not self._taking.done()):
            return
        self._taking = asyncio.get_running_loop().create_task(self._saying_taken(voicemail))

    async def _saying_taken(self, voicemail: Voicemail) -> None:
        self._taken = await self._said(VoicemailTaken(voicemail_id=voicemail.id))

    # --- the end ---

    async def _settle(self, voicemail: Voicemail, by: RecordingEnd) -> Told:
        """Its record says what is there, unless it is not ours any more: then others have seen to it."""
        heard = await self._heard(voicemail)
        if self._taking is not None:
            await asyncio.wait({self._taking})
        if not self._enough(heard.seconds):
            await self._discard(voicemail)
            return Told.NOTHING
        return Told.KEPT if await self._keep(ended(voicemail, heard, by, self._desk.clock.now()), voicemail) else Told.NOTHING

    async def _heard(self, voicemail: Voicemail) -> Heard:
        try:
            heard = await self._desk.files.heard(voicemail.id)
        except OSError as error:
            log.warning("voicemail-unreadable", voicemail=voicemail.id, error=str(error))
            heard = None
        return heard or Heard(seconds=self._written / MULAW_8K.rate)

    async def _keep(self, kept: Voicemail, begun: Voicemail) -> bool:
        # made once, so that a write whose answer was lost tells of nothing twice
        desk = self._desk
        notices = desk.announcer.of_voicemail(kept, desk.clock.now())

        async def end() -> bool:
            if await desk.store.end_recording(kept, desk.owner(), notices=notices):
                return True
            return await self._regained(begun) and await desk.store.end_recording(kept, desk.owner(), notices=notices)

        if not await self._stored(end, kept):
            log.info("voicemail-is-anothers", call_id=self._call_id, voicemail=kept.id)
            return False
        await self._said(kept_word(kept))
        log.info("voicemail-kept", call_id=self._call_id, voicemail=kept.id, seconds=kept.seconds)
        return True

    async def _discard(self, voicemail: Voicemail) -> None:
        desk = self._desk

        async def dropped() -> bool:
            return await drop(voicemail.id, desk.store, desk.files, desk.clock.now(), owner=desk.owner())

        try:
            await self._stored(dropped, voicemail)
        except OSError as error:
            log.warning("voicemail-not-removed", voicemail=voicemail.id, error=str(error))

    async def _stored(self, write: Callable[[], Awaitable[bool]], voicemail: Voicemail) -> bool:
        """However long the store is away: the sound is on the disk, and the record says at least that it is being recorded.
        If we do not live to see the store again, salvage does the same.
        """
        while True:
            try:
                return await write()
            except StoreUnavailable as error:
                log.warning("voicemail-waits-for-store", voicemail=voicemail.id, error=str(error))
            await self._desk.clock.sleep(AGAIN_S)

    # --- words ---

    async def _said(self, event: CallEvent) -> bool:
        """To the call; True if there is no need to say it again. A session that moved has nothing to say any more."""
        try:
            await self._desk.say(self._call_id, event)
        except StoreUnavailable:
            return False
        except HoldlineError as error:
            log.info("voicemail-word-unsaid", call_id=self._call_id, word=type(event).__name__, error=str(error))
        return True

    def _tell(self, what: Told) -> None:
        if self._told is not None:
            self._told(what)
