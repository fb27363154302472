"""One message on its way to the disk: what is there when, whatever fails."""

import asyncio
import errno
import threading
from pathlib import Path
from typing import Any

import pytest

from agent.contract import CallInfo
from gateway.domain.errors import StoreUnavailable
from gateway.domain.events import CallEvent, SessionResumed, VoicemailKept, VoicemailStarted, VoicemailTaken
from gateway.domain.media import MULAW_SILENCE
from gateway.domain.outcome import CallStatus, Direction, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Descent, Leg, Loss
from gateway.domain.voicemail import RecordingEnd, Told
from gateway.runtime.calls import Calls
from gateway.runtime.store.contract import Change, Committed
from gateway.runtime.store.memory_store import MemoryStore
from gateway.runtime.store.voicemail_contract import KEPT, RECORDING, Voicemail
from gateway.runtime.voicemail_desk import VoicemailDesk
from gateway.runtime.voicemail_files import Growing, VoicemailFiles
from gateway.runtime.voicemail_record import ended
from gateway.runtime.voicemail_recording import FLUSH_BYTES, Lengths, MessageRecording
from gateway.runtime.voicemail_sound import Heard, wav_of
from gateway.runtime.voicemails import drop

NOW = 1_795_314_400.0
FRAME = b"\x10" * 160
CALL = CallInfo(
    call_id="call_1",
    session_id="ses_1",
    direction="inbound",
    from_number="+15550100001",
    to_number="+15550190001",
    agent="voicemail",
)


class Clock:
    """Moves by hand; a sleep lets the others run."""

    time = NOW

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


class Disk(VoicemailFiles):
    """Takes so many bytes, and no more; `written` is told how many it has taken."""

    def __init__(self, folder: Path, left: int = 10_000_000, code: int = errno.ENOSPC) -> None:
        super().__init__(folder, 10)
        self.left, self.code, self.taken = left, code, 0
        self.written: asyncio.Queue[int] = asyncio.Queue()

    async def grow(self, voicemail_id: str, part: int = 1) -> Growing:
        return Watched(await super().grow(voicemail_id, part), self)


class Watched:
    """A growing file of that disk."""

    def __init__(self, file: Growing, disk: Disk) -> None:
        self.file, self.disk, self.close = file, disk, file.close

    async def append(self, sound: bytes) -> None:
        fits = sound[: self.disk.left]
        await self.file.append(fits)
        self.disk.left -= len(fits)
        self.disk.taken += len(fits)
        self.disk.written.put_nowait(self.disk.taken)
        if len(fits) < len(sound):
            raise OSError(self.disk.code, "no")


class NoMore(VoicemailFiles):
    """Takes no new file."""

    async def grow(self, voicemail_id: str, part: int = 1) -> Growing:
        raise OSError(errno.ENOSPC, "no")


class Away(MemoryStore):
    """A store whose writes of recordings fail while `away`."""

    def __init__(self) -> None:
        super().__init__()
        self.away, self.refused = False, asyncio.Event()

    async def end_recording(self, voicemail: Voicemail, owner: str, **more: Any) -> bool:
        if self.away:
            self.refused.set()
            raise StoreUnavailable("away")
        return await super().end_recording(voicemail, owner, **more)

    async def begin_recording(self, voicemail: Voicemail, owner: str, now: float) -> bool:
        if self.away:
            raise StoreUnavailable("away")
        return await super().begin_recording(voicemail, owner, now)


class Rig:
    """A call in progress, and the desk of one process."""

    def __init__(
        self, folder: Path, files: VoicemailFiles | None = None, store: MemoryStore | None = None, process: str = "gw_1"
    ) -> None:
        self.store, self.files, self.folder, self.clock = store or Away(), files or Disk(folder), folder, Clock()
        ids = (f"x_{process}_{number}" for number in range(1000))
        self.calls = Calls(self.store, self.clock, lambda _prefix: next(ids), Policy())
        self.said: list[CallEvent] = []
        self.news: asyncio.Queue[Told] = asyncio.Queue()
        self.desk = VoicemailDesk(
            self.store,
            self.files,
            self.clock,
            Lengths(longest_s=60.0, shortest_s=1.0),
            say=self.say,
            owner=lambda: process,
            new_id=lambda prefix: f"{prefix}_{process[-1]}",
        )
        self.recording: MessageRecording = self.desk.recording(CALL)

    async def put_call(self, **more: Any) -> None:
        leg = Leg(
            id="leg_1",
            call_id="call_1",
            carrier="alpha",
            caller_id="+15550100001",
            media_token="t",
            round=1,
            created_at=NOW,
            phase=LegPhase.ANSWERED,
            answered_at=NOW,
        )
        fields: dict[str, Any] = {"direction": Direction.INBOUND, "status": CallStatus.IN_PROGRESS, "legs": (leg,)} | more
        call = Call(
            id="call_1",
            to="+15550190001",
            from_number="+15550100001",
            session_id="ses_1",
            created_at=NOW,
            expires_at=NOW + 9,
            answered_at=NOW,
            **fields,
        )
        assert isinstance(await self.store.commit(Change(call=call), NOW), Committed)

    async def say(self, call_id: str, event: CallEvent) -> Call:
        self.said.append(event)
        return (await self.calls.apply(call_id, lambda _call: (event,))).call

    async def told(self, what: Told) -> None:
        """The next word of the recording must be this one."""
        assert await asyncio.wait_for(self.news.get(), 5) is what

    async def begun(self) -> "Rig":
        await self.put_call()
        self.recording.begin(self.news.put_nowait)
        await self.told(Told.READY)
        return self

    async def begun_call(self) -> Call:
        await self.begun()
        call = await self.store.load("call_1")
        assert call is not None
        return call

    async def next_process(self) -> "Rig":
        """Another one that has taken the session over, and been told that it may record."""
        await self.calls.apply("call_1", lambda _call: (SessionResumed(),))
        other = Rig(self.folder, store=self.store, process="gw_2")
        other.recording.begin(other.news.put_nowait)
        await other.told(Told.READY)
        return other

    async def salvaged(self, seconds: float) -> None:
        """Somebody held this process for dead."""
        begun = await self.record()
        assert begun is not None
        over = ended(begun, Heard(seconds=seconds), RecordingEnd.GATEWAY_DIED, NOW)
        assert await self.store.end_recording(over, "gw_1")

    def hears(self, seconds: float, frame: bytes = FRAME) -> None:
        for _ in range(round(seconds * 50)):
            self.recording.append(frame)

    async def on_disk(self, count: int) -> bytes:
        """The raw file, once it has so many bytes."""
        assert isinstance(self.files, Disk)
        while await asyncio.wait_for(self.files.written.get(), 5) < count:
            pass
        return (self.folder / "vm_1.ulaw").read_bytes()

    async def record(self) -> Voicemail | None:
        return await self.store.voicemail("vm_1")

    def words(self) -> list[type]:
        return [type(event) for event in self.said]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "voicemails")


async def test_the_record_is_there_before_the_tone(rig: Rig) -> None:
    """With caller, number, carrier and call, the status of the call, and an empty file."""
    await rig.begun()
    record = await rig.record()
    assert record is not None
    assert (record.status, record.call_id, record.carrier, record.reason) == (RECORDING, "call_1", "alpha", "routed")
    assert (record.caller, record.to, record.left_at) == ("+15550100001", "+15550190001", NOW)
    assert await rig.store.recordings() == {"vm_1": "gw_1"}
    assert (rig.folder / "vm_1.ulaw").read_bytes() == b""
    call = await rig.store.load("call_1")
    assert call is not None
    assert call.status is CallStatus.VOICEMAIL


async def test_every_second_is_on_the_disk(rig: Rig) -> None:
    """While the person still speaks; and the call knows of a message as soon as there is enough of one."""
    await rig.begun()
    rig.hears(0.98)
    assert (rig.folder / "vm_1.ulaw").stat().st_size == 0
    rig.hears(0.02)
    assert await rig.on_disk(FLUSH_BYTES) == FRAME * 50
    rig.hears(1.5)
    await rig.on_disk(2 * FLUSH_BYTES)
    assert rig.words() == [VoicemailStarted, VoicemailTaken]
    part = await rig.files.read("vm_1")
    assert part == wav_of(FRAME * 125)


async def test_what_is_kept_is_what_was_said(rig: Rig) -> None:
    """Sample for sample; the record says how long it is and what ended it, before KEPT is told."""
    await rig.begun()
    said = [bytes([at % 250]) * 160 for at in range(135)]
    for frame in said:
        rig.recording.append(frame)
    rig.recording.end(RecordingEnd.KEY)
    rig.hears(1.0)
    await rig.told(Told.KEPT)
    record = await rig.record()
    assert record is not None
    assert (record.status, record.seconds, record.silent, record.ended_by) == (KEPT, 2.7, False, "key")
    assert (rig.folder / "vm_1.ulaw").read_bytes() == b"".join(said)
    assert await rig.store.recordings() == {}
    assert rig.said[-1] == VoicemailKept(voicemail_id="vm_1", seconds=2.7, silent=False, ended_by="key")
    call = await rig.store.load("call_1")
    assert call is not None
    assert call.voicemail == "vm_1"


async def test_a_silent_message_is_marked(rig: Rig) -> None:
    """It is kept, since our ear may be wrong."""
    await rig.begun()
    rig.hears(3.0, MULAW_SILENCE)
    rig.recording.end(RecordingEnd.SILENCE)
    await rig.told(Told.KEPT)
    record = await rig.record()
    assert record is not None
    assert (record.silent, record.ended_by) == (True, "silence")


@pytest.mark.parametrize("seconds", [0.0, 0.9])
async def test_too_little_is_no_message(rig: Rig, seconds: float) -> None:
    """Whoever hangs up into the tone leaves neither record nor file, and the call has no message."""
    await rig.begun()
    rig.hears(seconds)
    rig.recording.end(RecordingEnd.HUNG_UP)
    await rig.told(Told.NOTHING)
    assert (await rig.record(), list(rig.folder.glob("vm_*")), await rig.store.recordings()) == (None, [], {})
    assert rig.words() == [VoicemailStarted]


@pytest.mark.parametrize(("code", "word"), [(errno.ENOSPC, "disk-full"), (errno.EIO, "write-failed")])
async def test_a_disk_that_takes_no_more_leaves_what_it_took(tmp_path: Path, code: int, word: str) -> None:
    """CUT is told at once, what was written is kept, and the record says why it is short."""
    folder = tmp_path / "voicemails"
    rig = await Rig(folder, Disk(folder, 12_000, code)).begun()
    rig.hears(2.0)
    await rig.told(Told.CUT)
    rig.hears(1.0)
    await rig.told(Told.KEPT)
    record = await rig.record()
    assert record is not None
    assert (record.seconds, record.ended_by, record.status) == (1.5, word, KEPT)
    assert (folder / "vm_1.ulaw").read_bytes() == FRAME * 75


async def test_a_disk_that_took_nothing_leaves_nothing(tmp_path: Path) -> None:
    """No record of a message that nobody can hear."""
    folder = tmp_path / "voicemails"
    rig = await Rig(folder, Disk(folder, 100, errno.ENOSPC)).begun()
    rig.hears(1.0)
    await rig.told(Told.CUT)
    await rig.told(Told.NOTHING)
    assert await rig.record() is None


async def test_a_store_that_is_away_at_the_end_is_waited_for(rig: Rig) -> None:
    """Nothing is confirmed before the record says so; the sound was safe all the time."""
    store = rig.store
    assert isinstance(store, Away)
    await rig.begun()
    rig.hears(1.0)
    await rig.on_disk(FLUSH_BYTES)
    store.away = True
    rig.recording.end(RecordingEnd.KEY)
    await asyncio.wait_for(store.refused.wait(), 5)
    assert rig.news.empty()
    store.away = False
    await rig.told(Told.KEPT)
    record = await rig.record()
    assert record is not None
    assert record.status == KEPT


async def test_without_a_store_no_message_is_begun(rig: Rig) -> None:
    """Refused, and no file is left when it is back."""
    store = rig.store
    assert isinstance(store, Away)
    await rig.put_call()
    store.away = True
    rig.recording.begin(rig.news.put_nowait)
    await rig.told(Told.REFUSED)
    store.away = False
    await rig.recording.settled()
    assert list(rig.folder.glob("vm_*")) == []


async def test_a_call_that_is_over_leaves_no_message(rig: Rig) -> None:
    """The recorder was slower than the hang-up."""
    await rig.put_call(status=CallStatus.ENDED, ended_at=NOW)
    rig.recording.begin(rig.news.put_nowait)
    await rig.told(Told.REFUSED)
    assert await rig.record() is None


async def test_a_message_that_was_salvaged_and_deleted_stays_away(rig: Rig) -> None:
    """Neither its record nor its file comes back, and nothing is confirmed."""
    await rig.begun()
    rig.hears(2.0)
    await rig.on_disk(FLUSH_BYTES)
    await rig.salvaged(1.0)
    assert await drop("vm_1", rig.store, rig.files, NOW)
    rig.recording.end(RecordingEnd.HUNG_UP)
    await rig.told(Told.NOTHING)
    await rig.recording.settled()
    assert (await rig.record(), list(rig.folder.glob("vm_*"))) == (None, [])


# --- whoever was taken for dead, and who goes on -----------------------------------------------------------------------


async def test_who_was_frozen_goes_on_in_the_same_message(rig: Rig) -> None:
    """It was salvaged meanwhile: the record says again that it is being recorded, and at the end how long it became."""
    await rig.begun()
    rig.hears(1.0)
    await rig.on_disk(FLUSH_BYTES)
    await rig.salvaged(1.0)
    rig.clock.time += 11
    rig.hears(1.0)
    await rig.on_disk(2 * FLUSH_BYTES)
    record = await rig.record()
    assert record is not None
    assert (record.status, await rig.store.recordings()) == (RECORDING, {"vm_1": "gw_1"})
    rig.recording.end(RecordingEnd.KEY)
    await rig.told(Told.KEPT)
    record = await rig.record()
    assert record is not None
    assert (record.status, record.seconds, record.ended_by) == (KEPT, 2.0, "key")


async def test_who_was_cut_off_from_the_store_alone_has_its_message_too(rig: Rig) -> None:
    """It wrote on without a pause, so that only the end tells it that it was salvaged."""
    await rig.begun()
    rig.hears(3.0)
    await rig.salvaged(1.0)
    rig.recording.end(RecordingEnd.KEY)
    await rig.told(Told.KEPT)
    record = await rig.record()
    assert record is not None
    assert (record.seconds, record.ended_by) == (3.0, "key")


@pytest.mark.parametrize("salvaged", [False, True])
async def test_another_process_goes_on_with_a_message(rig: Rig, salvaged: bool) -> None:
    """One record, and one sound: what the dead one wrote, and then what the caller said to the other."""
    await rig.begun()
    rig.hears(2.0)
    await rig.on_disk(2 * FLUSH_BYTES)
    if salvaged:
        await rig.salvaged(2.0)
    other = await rig.next_process()
    assert await rig.store.recordings() == {"vm_1": "gw_2"}
    other.hears(3.0, b"\x20" * 160)
    other.recording.end(RecordingEnd.KEY)
    await other.told(Told.KEPT)
    (record,) = (await rig.store.list_voicemails(9, None)).items
    assert (record.id, record.status, record.seconds, record.ended_by, record.left_at) == ("vm_1", KEPT, 5.0, "key", NOW)
    assert await rig.files.read("vm_1") == wav_of(FRAME * 100 + b"\x20" * 160 * 150)
    assert other.words() == [VoicemailStarted, VoicemailTaken, VoicemailKept]
    await other.files.remove("vm_1")
    assert list(rig.folder.glob("vm_*")) == []


@pytest.mark.parametrize("over", [False, True], ids=["still-recording", "kept"])
async def test_who_was_frozen_lets_go_of_what_another_goes_on_with(rig: Rig, over: bool) -> None:
    """Thawed, it stops, and neither its late sound nor its word stands in the other's message."""
    await rig.begun()
    rig.hears(2.0)
    await rig.on_disk(2 * FLUSH_BYTES)
    other = await rig.next_process()
    other.hears(2.0)
    if over:
        other.recording.end(RecordingEnd.KEY)
        await other.told(Told.KEPT)
    before = await rig.record()
    rig.clock.time += 11
    rig.hears(1.0)
    await rig.told(Told.NOTHING)
    assert await rig.record() == before
    assert (rig.folder / "vm_1.ulaw").stat().st_size == 2 * FLUSH_BYTES
    if not over:
        other.recording.end(RecordingEnd.KEY)
        await other.told(Told.KEPT)
    record = await rig.record()
    assert record is not None
    assert (record.seconds, record.ended_by) == (4.0, "key")


async def test_a_message_that_its_caller_had_ended_is_left_as_it_is(rig: Rig) -> None:
    """The process died before it could say so: what is said to the other one is another message."""
    await rig.begun()
    rig.hears(2.0)
    rig.recording.end(RecordingEnd.KEY)
    await rig.told(Told.KEPT)
    other = await rig.next_process()
    other.hears(1.0)
    other.recording.end(RecordingEnd.KEY)
    await other.told(Told.KEPT)
    assert [(one.id, one.seconds) for one in (await rig.store.list_voicemails(9, None)).items] == [("vm_2", 1.0), ("vm_1", 2.0)]


async def test_who_goes_on_and_hears_nothing_more_leaves_the_message_as_long_as_it_was(rig: Rig) -> None:
    """The caller had gone: the second part is empty, and the first one is kept."""
    await rig.begun()
    rig.hears(2.0)
    await rig.on_disk(2 * FLUSH_BYTES)
    other = await rig.next_process()
    other.recording.end(RecordingEnd.HUNG_UP)
    await other.told(Told.KEPT)
    record = await rig.record()
    assert record is not None
    assert (record.seconds, record.ended_by, await rig.store.recordings()) == (2.0, "hung-up", {})


async def test_who_cannot_go_on_keeps_what_there_is(rig: Rig) -> None:
    """The disk takes no other file: the caller is told so, and what was said before is not lost."""
    await rig.begun()
    rig.hears(2.0)
    await rig.on_disk(2 * FLUSH_BYTES)
    await rig.calls.apply("call_1", lambda _call: (SessionResumed(),))
    other = Rig(rig.folder, NoMore(rig.folder, 10), rig.store, "gw_2")
    other.recording.begin(other.news.put_nowait)
    await other.told(Told.REFUSED)
    await other.recording.settled()
    record = await rig.record()
    assert record is not None
    assert (record.status, record.seconds, record.ended_by) == (KEPT, 2.0, "gateway-died")


async def test_the_end_of_a_session_waits_for_its_message(rig: Rig) -> None:
    """After `settled` everything is on the disk and in the store, though nobody listens to the news any more."""
    await rig.begun()
    rig.hears(1.5)
    rig.recording.end(RecordingEnd.HUNG_UP)
    await rig.recording.settled()
    record = await rig.record()
    assert record is not None
    assert (record.status, record.seconds) == (KEPT, 1.5)


async def test_a_session_that_never_recorded_has_nothing_to_settle(rig: Rig) -> None:
    """And begins nothing any more."""
    rig.recording.end(RecordingEnd.HUNG_UP)
    await rig.recording.settled()
    rig.recording.begin(rig.news.put_nowait)
    assert len(rig.desk.errands) == 0


async def test_an_outbound_calls_message_is_the_called_persons(rig: Rig) -> None:
    """`caller` is who speaks, `to` our number; the reason is what the agent was lost for, and not what came after it."""
    hold = Loss(at=NOW, agent="hold", reason="nobody-came-back", began=False)
    lost = Descent(lost=(Loss(at=NOW, agent="bot", reason="agent-silent", began=True), hold))
    await rig.put_call(direction=Direction.OUTBOUND, ladder=lost)
    rig.recording.begin(rig.news.put_nowait)
    await rig.told(Told.READY)
    record = await rig.record()
    assert record is not None
    assert (record.caller, record.to, record.reason) == ("+15550190001", "+15550100001", "agent-silent")


async def test_room_is_asked_for_before_it_is_used(tmp_path: Path) -> None:
    """For one message of full length beside those that are being recorded, below `max_total_mb`."""
    rig = Rig(tmp_path / "voicemails", VoicemailFiles(tmp_path / "voicemails", 1))
    assert await rig.recording.room()
    (rig.folder / "vm_other.ulaw").write_bytes(bytes(600_000))
    assert not await rig.recording.room()
    (rig.folder / "vm_other.ulaw").write_bytes(bytes(500_000))
    assert await rig.recording.room()
    call = await rig.begun_call()
    assert not await rig.desk.room()
    assert await rig.desk.obstacle(call) == "no room for a message"


async def test_a_directory_that_cannot_be_used_has_no_room(tmp_path: Path) -> None:
    """A file stands where it should be."""
    (tmp_path / "voicemails").write_bytes(b"")
    rig = Rig(tmp_path / "voicemails")
    assert not await rig.recording.room()
    await rig.put_call()
    call = await rig.store.load("call_1")
    assert call is not None
    assert "storage.dir" in await rig.desk.obstacle(call)


async def test_a_disk_that_hangs_keeps_nobody_else_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many messages as there may be calls: the event loop's own threads, which look up carriers' addresses, are free."""
    back = threading.Event()
    files = VoicemailFiles(tmp_path, 1)
    monkeypatch.setattr(files, "_has_room", lambda _needed: back.wait(30))
    asked = [asyncio.create_task(files.room(1)) for _ in range(100)]
    try:
        await asyncio.sleep(0)
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 5) == "free"
    finally:
        back.set()
        assert all(await asyncio.gather(*asked))
