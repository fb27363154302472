"""What a dead process left open: who keeps it, when, and what happens if the dead come back."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.domain.events import VoicemailStarted
from gateway.domain.outcome import CallStatus, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Leg
from gateway.runtime.calls import Calls
from gateway.runtime.heartbeat import LIVES_S, Heartbeat
from gateway.runtime.store.contract import Change, Process
from gateway.runtime.store.memory_store import MemoryStore
from gateway.runtime.store.voicemail_contract import KEPT, RECORDING, Voicemail
from gateway.runtime.voicemail_files import VoicemailFiles
from gateway.runtime.voicemail_salvage import GONE_S, VoicemailSalvage

NOW = 1_795_314_400.0
SOUND = b"\x10" * 160


class Clock:
    """Moves by hand."""

    time = NOW

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("`once` does not wait")


class Rig:
    """A process `gw_2` that looks after what `gw_1` left."""

    def __init__(self, folder: Path) -> None:
        self.store, self.clock, self.folder = MemoryStore(), Clock(), folder
        self.files = VoicemailFiles(folder, 10)
        ids = (f"x_{number}" for number in range(1000))
        self.calls = Calls(self.store, self.clock, lambda _prefix: next(ids), Policy())
        self.heartbeat = Heartbeat(self.store, self.clock, "gw_2", "", self.inherit)
        self.salvage = VoicemailSalvage(self.calls, self.files, self.heartbeat, self.clock, shortest_s=1.0)

    async def inherit(self, dead: Process) -> bool:
        return True

    async def left(self, seconds: float, *, answered: bool = True) -> Voicemail:
        """What `gw_1` had on the disk of a call's message when it died."""
        leg = Leg(
            id="leg_1", call_id="call_1", carrier="a", caller_id="+15550100001", media_token="t", round=1, created_at=NOW,
            phase=LegPhase.ANSWERED, answered_at=NOW,
        )  # fmt: skip
        status = CallStatus.IN_PROGRESS if answered else CallStatus.ENDED
        call = Call(
            id="call_1", to="+15550190001", session_id="ses_1", created_at=NOW, expires_at=NOW + 9, status=status, legs=(leg,)
        )
        await self.store.commit(Change(call=call), NOW)
        begun = Voicemail(
            id="vm_1",
            carrier="a",
            call_id="call_1",
            left_at=NOW,
            collected_at=NOW,
            seconds=0.0,
            reason="routed",
            status=RECORDING,
        )
        assert await self.store.begin_recording(begun, "gw_1", NOW)
        await self.calls.apply("call_1", lambda _call: (VoicemailStarted(voicemail_id="vm_1", reason="routed"),))
        file = await self.files.grow("vm_1")
        await file.append(SOUND * round(seconds * 50))
        await file.close()
        return begun

    async def later(self, seconds: float) -> None:
        """Time passes, beats go on, and the salvage looks."""
        self.clock.time += seconds
        await self.heartbeat.beat_once()
        await self.salvage.once()

    async def record(self) -> Voicemail | None:
        return await self.store.voicemail("vm_1")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "voicemails")


async def test_what_lies_on_the_disk_is_kept_when_the_owner_is_gone(rig: Rig) -> None:
    """At a start: nobody hears of the owner for a while. Record, call and log say what became of it."""
    await rig.left(4.0)
    await rig.later(0)
    await rig.later(GONE_S - 0.1)
    record = await rig.record()
    assert record is not None
    assert record.status == RECORDING
    await rig.later(0.1)
    record = await rig.record()
    assert record is not None
    assert (record.status, record.seconds, record.silent, record.ended_by) == (KEPT, 4.0, False, "gateway-died")
    assert await rig.store.recordings() == {}
    call = await rig.store.load("call_1")
    assert call is not None
    assert call.voicemail == "vm_1"
    assert [entry.kind for entry in await rig.store.entries("call_1")][-1] == "voicemail-kept"


async def test_an_owner_that_was_found_dead_is_not_waited_for(rig: Rig) -> None:
    """Its heartbeat has run out, and somebody has said so."""
    await rig.left(4.0)
    await rig.store.beat(Process(id="gw_1"), NOW, LIVES_S)
    await rig.later(1.0)
    await rig.later(1.0)
    record = await rig.record()
    assert record is not None
    assert record.status == RECORDING
    await rig.later(LIVES_S - 1.0)
    record = await rig.record()
    assert record is not None
    assert record.status == KEPT


async def test_a_living_owner_is_left_alone(rig: Rig) -> None:
    """However long its message takes."""
    await rig.left(4.0)
    for _ in range(10):
        await rig.store.beat(Process(id="gw_1"), rig.clock.time, LIVES_S)
        await rig.later(2.0)
    record = await rig.record()
    assert record is not None
    assert record.status == RECORDING


async def test_one_whose_beats_were_missed_for_a_moment_is_not_dead(rig: Rig) -> None:
    """After a stall of the store everybody looks gone; who beats again is not."""
    await rig.left(4.0)
    await rig.later(0)
    await rig.later(GONE_S - 1)
    await rig.store.beat(Process(id="gw_1"), rig.clock.time, LIVES_S)
    await rig.later(2.0)
    record = await rig.record()
    assert record is not None
    assert record.status == RECORDING


async def test_what_another_goes_on_with_is_left_alone(rig: Rig) -> None:
    """Its owner is dead, but whoever took its session over lives; not even a first second too short to be kept is dropped."""
    begun = await rig.left(0.5)
    assert await rig.store.reopen_recording(replace(begun, part=2), "gw_2", over=begun)
    await rig.later(0)
    await rig.later(GONE_S)
    await rig.salvage._salvage("vm_1", "gw_1")
    assert await rig.record() == replace(begun, part=2)
    assert (rig.folder / "vm_1.ulaw").exists()


@pytest.mark.parametrize("seconds", [0.0, 0.9])
async def test_too_little_is_no_message(rig: Rig, seconds: float) -> None:
    """Record and file go."""
    await rig.left(seconds)
    await rig.later(0)
    await rig.later(GONE_S)
    assert (await rig.record(), list(rig.folder.glob("vm_*"))) == (None, [])


async def test_a_record_without_sound_is_no_message(rig: Rig) -> None:
    """Nobody may be shown what nobody can hear."""
    await rig.left(4.0)
    (rig.folder / "vm_1.ulaw").unlink()
    await rig.later(0)
    await rig.later(GONE_S)
    assert await rig.record() is None


async def test_a_call_that_is_purged_is_no_obstacle(rig: Rig) -> None:
    """Its message is kept all the same."""
    await rig.left(4.0)
    del rig.store.calls["call_1"]
    await rig.later(0)
    await rig.later(GONE_S)
    record = await rig.record()
    assert record is not None
    assert record.status == KEPT


async def test_two_that_find_the_same_make_it_once(rig: Rig) -> None:
    """The second one is refused by the store and says nothing to the call."""
    begun = await rig.left(4.0)
    await rig.later(0)
    await rig.later(GONE_S)
    assert not await rig.store.end_recording(replace(begun, status=KEPT, seconds=1.0), "gw_1")
    await rig.later(GONE_S)
    kinds = [entry.kind for entry in await rig.store.entries("call_1")]
    assert kinds.count("voicemail-kept") == 1
