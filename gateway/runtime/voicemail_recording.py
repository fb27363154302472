"""One message, recorded on the stream of its call: every second of it is on the disk a moment after it was said.

Order: the file, the record in the store, the call's word that it is being recorded; only then READY, and the tone. At the
end the record says what was kept, and only then KEPT, and the confirmation. Enough on the disk to be a message is told to
the call at once, since callers end it by hanging up, and the call's outcome must be known then.

The person's frames come in the event loop; whatever waits (disk, store) is one task of the message's own.
"""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from msgspec import Struct
from msgspec.structs import replace

from agent.contract import CallInfo
from gateway.domain.errors import HoldlineError, StoreUnavailable
from gateway.domain.events import CallEvent, VoicemailKept, VoicemailStarted, VoicemailTaken
from gateway.domain.ladder import lost_agents
from gateway.domain.media import MULAW_8K
from gateway.domain.outcome import CallStatus, Direction
from gateway.domain.records import Call
from gateway.domain.voicemail import RecordingEnd, Told
from gateway.runtime.clock import Clock
from gateway.runtime.errands import Errands
from gateway.runtime.store.contract import Store
from gateway.runtime.store.voicemail_contract import KEPT, RECORDING, Voicemail
from gateway.runtime.user_webhook_announcing import Announcer
from gateway.runtime.voicemail_files import Growing, MessageFiles
from gateway.runtime.voicemail_sound import Heard

log = structlog.get_logger(__name__)

FLUSH_BYTES = MULAW_8K.rate
"""One second."""
SETTLE_S = 5.0
"""How long the end of a call waits for its message to be kept. It is kept all the same, a little later."""
AGAIN_S = 1.0
ROUTED = "routed"
"""Why there was nobody: the route names the voicemail."""
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
            await self._discard(voicemail)
            return
        self._open = True
        self._tell(Told.READY)
        try:
            by = await self._write(sound, voicemail)
        finally:
            self._open = False
            await sound.close()
        await self._finish(voicemail, by)

    async def _record(self) -> Voicemail | None:
        try:
            call = await self._desk.store.load(self._call_id)
        except StoreUnavailable as error:
            log.warning("voicemail-not-begun", call_id=self._call_id, error=str(error))
            call = None
        if call is None or call.leg is None or call.ended:
            self._tell(Told.REFUSED)
            return None
        return record_of(call, self._desk.new_id("vm"), self._desk.clock.now())

    async def _begin(self, voicemail: Voicemail) -> Growing:
        desk = self._desk
        sound = await desk.files.grow(voicemail.id)
        try:
            if not await desk.store.begin_recording(voicemail, desk.owner(), desk.clock.now()):
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

    async def _finish(self, voicemail: Voicemail, by: RecordingEnd) -> None:
        heard = await self._heard(voicemail)
        if self._taking is not None:
            await asyncio.wait({self._taking})
        if not self._enough(heard.seconds):
            await self._discard(voicemail)
            self._tell(Told.NOTHING)
        elif await self._keep(ended(voicemail, heard, by, self._desk.clock.now())):
            self._tell(Told.KEPT)
        else:
            await self._remove(voicemail)  # somebody deleted it while it was recorded
            self._tell(Told.NOTHING)

    async def _heard(self, voicemail: Voicemail) -> Heard:
        try:
            heard = await self._desk.files.heard(voicemail.id)
        except OSError as error:
            log.warning("voicemail-unreadable", voicemail=voicemail.id, error=str(error))
            heard = None
        return heard or Heard(seconds=self._written / MULAW_8K.rate)

    async def _keep(self, voicemail: Voicemail) -> bool:
        # made once, so that a write whose answer was lost tells of nothing twice
        notices = self._desk.announcer.of_voicemail(voicemail, self._desk.clock.now())
        kept = await self._stored(lambda: self._desk.store.end_recording(voicemail, notices=notices), voicemail)
        if kept:
            await self._said(kept_word(voicemail))
            log.info("voicemail-kept", call_id=self._call_id, voicemail=voicemail.id, seconds=voicemail.seconds)
        return kept

    async def _discard(self, voicemail: Voicemail) -> None:
        """Record first, so that none is shown whose sound is gone."""
        await self._stored(lambda: self._desk.store.drop_voicemail(voicemail.id, self._desk.clock.now()), voicemail)
        await self._remove(voicemail)

    async def _remove(self, voicemail: Voicemail) -> None:
        try:
            await self._desk.files.remove(voicemail.id)
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


def record_of(call: Call, voicemail_id: str, now: float) -> Voicemail:
    """As it stands while it is being recorded."""
    leg = call.leg
    ours, theirs = (leg.caller_id if leg else "", call.to)
    if call.direction is Direction.INBOUND:
        ours, theirs = call.to, call.from_number or ""
    return Voicemail(
        id=voicemail_id,
        carrier=leg.carrier if leg else "",
        call_id=call.id,
        caller=theirs,
        to=ours,
        left_at=now,
        collected_at=now,
        seconds=0.0,
        reason=_nobody_because(call),
        status=RECORDING,
    )


def _nobody_because(call: Call) -> str:
    losses = lost_agents(call) or call.ladder.lost
    return losses[-1].reason if losses else ROUTED


def ended(voicemail: Voicemail, heard: Heard, by: RecordingEnd, now: float) -> Voicemail:
    """As it stands from here on."""
    return replace(
        voicemail, status=KEPT, seconds=round(heard.seconds, 3), silent=heard.silent, ended_by=by.value, collected_at=now
    )


def kept_word(voicemail: Voicemail) -> VoicemailKept:
    """What the call is told of it."""
    return VoicemailKept(
        voicemail_id=voicemail.id, seconds=voicemail.seconds, silent=voicemail.silent, ended_by=voicemail.ended_by
    )
