"""Messages are brought home from made-up carriers: once, in the right order, and whatever fails is tried again."""

from pathlib import Path
from typing import Any

import pytest

from carriers.contract import Capabilities
from carriers.lab.sound import to_wav
from carriers.messages_left import MessageLeft
from gateway.domain.errors import CarrierError, StoreUnavailable
from gateway.runtime.store.contract import Store
from gateway.runtime.store.memory_store import MemoryStore
from gateway.runtime.store.voicemail_contract import Voicemail, voicemail_id
from gateway.runtime.voicemail_files import NoRoom, VoicemailFiles
from gateway.runtime.voicemail_sound import length_s, listen
from gateway.runtime.voicemails import LOOK_BACK_S, MOST_AT_ONCE, OVERLAP_S, TURN_S, Voicemails

NOW = 1_795_000_000.0
NUMBER = "+15550190001"
LOUD, QUIET = to_wav(b"\x00\x80" * 8000), to_wav(b"\xff" * 16000)
"""Two seconds each."""


class HandClock:
    """Time is what the test says it is."""

    time = NOW

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class Mailbox:
    """A carrier with messages; `broken` are the recordings whose sound cannot be had."""

    def __init__(self, keeps: bool = True) -> None:
        self.capabilities = Capabilities(keeps_messages=keeps)
        self.messages: list[MessageLeft] = []
        self.sounds: dict[str, bytes] = {}
        self.broken: set[str] = set()
        self.away = False
        self.asked_since: list[float] = []
        self.fetched: list[str] = []
        self.forgotten: list[str] = []

    def leave(self, name: str, at: float = NOW, wav: bytes = LOUD) -> None:
        self.messages.append(MessageLeft(recording_id=name, to=NUMBER, caller="+15550100001", left_at=at, seconds=9.0))
        self.sounds[name] = wav

    async def messages_left(self, numbers: tuple[str, ...], since: float) -> tuple[MessageLeft, ...]:
        assert numbers == (NUMBER,)
        self.asked_since.append(since)
        if self.away:
            raise CarrierError("unreachable")
        return tuple(message for message in self.messages if message.left_at >= since)

    async def message_audio(self, message: MessageLeft) -> bytes:
        self.fetched.append(message.recording_id)
        if message.recording_id in self.broken:
            raise CarrierError("not-found")
        return self.sounds[message.recording_id]

    async def forget_message(self, message: MessageLeft) -> None:
        self.forgotten.append(message.recording_id)


class Rig:
    """One collector over two carriers."""

    def __init__(self, folder: Path, store: Store | None = None, **more: Any) -> None:
        self.clock, self.store = HandClock(), store or MemoryStore()
        self.folder, self.files = folder, VoicemailFiles(folder, max_total_mb=1)
        self.alpha, self.beta = Mailbox(), Mailbox()
        self.more = {"keep_days": 30.0, "delete_at_carrier": False} | more
        self.job = self.another()

    def another(self) -> Voicemails:
        carriers: dict[str, Any] = {"alpha": (self.alpha, (NUMBER,)), "beta": (self.beta, (NUMBER,))}
        return Voicemails(carriers, self.store, self.files, self.clock, **self.more)

    def on_disk(self) -> list[int]:
        """Bytes of each file, parts included."""
        return [file.stat().st_size for file in self.folder.glob("*")] if self.folder.exists() else []

    async def kept(self) -> list[Voicemail]:
        return list((await self.store.list_voicemails(200, None)).items)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "voicemails")


async def test_a_message_is_brought_home_once(rig: Rig) -> None:
    """Sound and record; a later look, or another process, finds it known and fetches nothing."""
    rig.alpha.leave("r1", NOW - 50)
    await rig.job.once()
    (kept,) = await rig.kept()
    assert kept == Voicemail(
        id=voicemail_id("alpha", "r1"),
        carrier="alpha",
        recording_id="r1",
        caller="+15550100001",
        to=NUMBER,
        left_at=NOW - 50,
        collected_at=NOW,
        seconds=2.0,
        silent=False,
        reason="gateway-down",
    )
    assert await rig.files.read(kept.id) == LOUD
    await rig.another().once()
    assert (len(await rig.kept()), rig.alpha.fetched) == (1, ["r1"])
    assert rig.alpha.forgotten == []


async def test_each_look_goes_a_little_behind_the_last(rig: Rig) -> None:
    """The first one as far as carriers keep messages: they are told only when they are over."""
    await rig.job.once()
    rig.clock.time += 60
    await rig.job.once()
    assert rig.alpha.asked_since == [NOW - LOOK_BACK_S, NOW - OVERLAP_S]


async def test_one_carriers_failure_is_not_the_others(rig: Rig) -> None:
    """Nothing that was left while it could not be asked is passed over."""
    await rig.job.once()
    rig.alpha.away = True
    rig.alpha.leave("r1", NOW + 10)
    rig.beta.leave("r2", NOW + 10)
    rig.clock.time += 3600
    await rig.job.once()
    assert [one.carrier for one in await rig.kept()] == ["beta"]
    rig.alpha.away = False
    rig.clock.time += 3600
    await rig.job.once()
    assert {one.carrier for one in await rig.kept()} == {"alpha", "beta"}


async def test_a_message_that_cannot_be_had_is_tried_again(rig: Rig) -> None:
    """However late; and it does not keep the others from being brought."""
    rig.alpha.broken = {"r1"}
    rig.alpha.leave("r1", NOW - 5000)
    rig.alpha.leave("r2", NOW - 10)
    await rig.job.once()
    assert [one.recording_id for one in await rig.kept()] == ["r2"]
    rig.alpha.broken = set()
    rig.clock.time += 4000
    await rig.job.once()
    assert rig.alpha.asked_since[-1] == NOW - 5000
    assert [one.recording_id for one in await rig.kept()] == ["r2", "r1"]


async def test_what_is_no_wav_file_is_not_kept(rig: Rig) -> None:
    """A page of a proxy must not become somebody's message."""
    rig.alpha.leave("r1", wav=b"<html>")
    await rig.job.once()
    assert (await rig.kept(), rig.on_disk()) == ([], [])


async def test_many_messages_come_home_in_several_looks(rig: Rig) -> None:
    """One look at a carrier is bounded, and none of its messages is lost for that."""
    for number in range(MOST_AT_ONCE + 3):
        rig.alpha.leave(f"r{number}", NOW - 10_000 + number, wav=to_wav(b"\xff" * 800))
    await rig.job.once()
    assert len(await rig.kept()) == MOST_AT_ONCE
    rig.clock.time += 60
    await rig.job.once()
    assert len(await rig.kept()) == MOST_AT_ONCE + 3


async def test_one_process_at_a_time_looks(rig: Rig) -> None:
    """While one is at it the others pass; one that died is waited for and replaced."""
    assert await rig.store.take_collection("alpha", NOW, TURN_S) == 0.0
    await rig.job.once()
    assert (rig.alpha.asked_since, len(rig.beta.asked_since)) == ([], 1)
    rig.clock.time += TURN_S
    await rig.job.once()
    assert len(rig.alpha.asked_since) == 1


async def test_a_crash_between_sound_and_record_leaves_one_message(tmp_path: Path) -> None:
    """The file alone is no message; the next look writes it again, and then its record."""

    class Dying(MemoryStore):
        dead = True

        async def put_voicemail(self, voicemail: Voicemail, now: float, **more: Any) -> bool:
            if self.dead:
                raise StoreUnavailable("gone")
            return await super().put_voicemail(voicemail, now, **more)

    store = Dying()
    rig = Rig(tmp_path, store)
    rig.alpha.leave("r1")
    await rig.job.once()
    assert (await rig.kept(), len(rig.on_disk())) == ([], 1)
    store.dead = False
    rig.clock.time += TURN_S
    await rig.job.once()
    assert (len(await rig.kept()), len(rig.on_disk())) == (1, 1)


async def test_the_carriers_copy_is_deleted_only_if_told_so_and_only_after(tmp_path: Path) -> None:
    """What could not be stored stays where it is."""
    rig = Rig(tmp_path, delete_at_carrier=True)
    rig.alpha.broken = {"r1"}
    rig.alpha.leave("r1")
    rig.alpha.leave("r2")
    await rig.job.once()
    assert rig.alpha.forgotten == ["r2"]


async def test_a_full_directory_leaves_messages_at_the_carrier(tmp_path: Path) -> None:
    """They are collected when there is room again."""
    rig = Rig(tmp_path, delete_at_carrier=True)
    for number in range(40):
        rig.alpha.leave(f"r{number}")
    await rig.job.once()
    kept = await rig.kept()
    assert 0 < len(kept) < 40
    assert sum(rig.on_disk()) <= 1_000_000
    assert len(rig.alpha.forgotten) == len(kept) == len(rig.alpha.fetched) - 1
    with pytest.raises(NoRoom):
        await rig.files.write("vm_more", LOUD)


async def test_a_carrier_that_keeps_nothing_is_not_asked(tmp_path: Path) -> None:
    """Its answer would be empty anyway, every minute."""
    rig = Rig(tmp_path)
    rig.beta.capabilities = Capabilities()
    await rig.another().once()
    assert (len(rig.alpha.asked_since), rig.beta.asked_since) == (1, [])


async def test_old_voicemails_are_deleted(rig: Rig) -> None:
    """After `keep_days`, with their files; and they are not collected again."""
    rig.alpha.leave("r1", NOW - 5)
    await rig.job.once()
    rig.clock.time += 30 * 86_400 - 10
    await rig.job.once()
    assert len(await rig.kept()) == 1
    rig.clock.time += 10
    await rig.job.once()
    await rig.job.once()
    assert (await rig.kept(), rig.on_disk(), rig.alpha.fetched) == ([], [], ["r1"])


async def test_an_id_that_would_be_a_path_is_refused(rig: Rig) -> None:
    """Whoever asks: no file outside the directory is read, written or removed."""
    for name in ("../x", "vm_a/../b", "x", "vm_", "vm_a.wav"):
        with pytest.raises(ValueError, match="no voicemail"):
            await rig.files.read(name)


def test_silence_is_told_from_sound() -> None:
    """A receiver that clicks once is no message; what cannot be understood is never called silent."""
    click = to_wav(b"\xff" * 8000 + b"\x00\x80" * 80 + b"\xff" * 8000)
    assert [listen(wav).silent for wav in (LOUD, QUIET, click, to_wav(b""), b"RIFF")] == [False, True, True, True, False]
    assert [length_s(listen(wav), 9.0) for wav in (LOUD, to_wav(b""), b"RIFF")] == [2.0, 0.0, 9.0]
    assert listen(QUIET).seconds == pytest.approx(2.0)
    assert listen(to_wav(b"\xff" * 800, b"\xff" * 800)).seconds == pytest.approx(0.1)
