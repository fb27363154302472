"""A carrier's own recording on its way home: to our list, to the call's outcome, or to an honest word that there is none."""

import errno
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from carriers.contract import Capabilities
from carriers.lab.sound import to_wav
from carriers.messages_left import MessageDeclined, MessageLeft
from gateway.domain.commands import AnyCommand, CollectMessage, RecordMessage, Timer
from gateway.domain.errors import CarrierError
from gateway.domain.inbound import ids_of
from gateway.domain.outcome import CallStatus, Direction, LegPhase, Outcome
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Descent, Leg, Loss
from gateway.domain.verdict import stop
from gateway.domain.voicemail import MessageStage
from gateway.runtime import carrier_recordings
from gateway.runtime.calls import Calls
from gateway.runtime.carrier_recordings import AGAIN_S, COLLECT_FOR_S, LATER_S, RECORD_AGAIN_S, SEATS, CarrierRecordings
from gateway.runtime.fleet import Fleet, Member
from gateway.runtime.store.contract import Change, Claim
from gateway.runtime.store.memory_store import MemoryStore
from gateway.runtime.store.voicemail_contract import Voicemail, voicemail_id
from gateway.runtime.voicemail_files import VoicemailFiles
from gateway.runtime.voicemails import LOOK_BACK_S, Voicemails

NOW = 1_795_000_000.0
CALLER, NUMBER = "+15550100001", "+15550190001"
LOUD, SHORT, EMPTY = to_wav(b"\x00\x80" * 8000), to_wav(b"\x00\x80" * 2000), to_wav(b"")
"""Two seconds, half a second, and none."""
ID = voicemail_id("a", "r1")


LOST = Loss(at=NOW - 10, agent="bot", reason="killed", began=True)


class Booth:
    """A carrier that records; what it is asked for and what it refuses."""

    def __init__(self) -> None:
        self.name, self.capabilities = "a", Capabilities(takes_messages=True, keeps_messages=True, streams_by_command=True)
        self.message: MessageLeft | None = None
        self.wav = LOUD
        self.refuses: str = ""
        self.breaks: Exception | None = None
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.asked: list[str] = []

    def leave(self, seconds: float = 2.0, wav: bytes = LOUD) -> None:
        self.wav = wav
        self.message = MessageLeft(recording_id="r1", to="", caller="", left_at=NOW - 9, seconds=seconds, carrier_call_id="CA1")

    async def record_message(self, attempt: Any, handle: Any) -> None:
        self._ask(f"record {handle.carrier_call_id}")

    async def message_of(self, handle: Any) -> MessageLeft | None:
        self._ask(f"list {handle.carrier_call_id}")
        return self.message

    async def message_audio(self, message: MessageLeft) -> bytes:
        self._ask("fetch")
        if self.meanwhile is not None:
            await self.meanwhile()
        return self.wav

    async def forget_message(self, message: MessageLeft) -> None:
        self._ask("forget")

    async def messages_left(self, numbers: tuple[str, ...], since: float) -> tuple[MessageLeft, ...]:
        return (self.message,) if self.message else ()

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.breaks is not None:
            raise self.breaks
        if self.refuses and what.startswith(self.refuses):
            raise CarrierError("refused-by-test")


class HandClock:
    """Time is what the test says it is."""

    time = NOW

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class Rig:
    """One call on the carrier, and its command."""

    def __init__(self, folder: Path, *, delete: bool = False) -> None:
        self.clock = clock = HandClock()
        self.store, self.booth, self.files = MemoryStore(), Booth(), VoicemailFiles(folder, max_total_mb=1)
        numbers = count(1)
        self.calls = Calls(self.store, clock, lambda prefix: f"{prefix}_{next(numbers)}", Policy())
        carrier: Any = self.booth
        self.fleet = Fleet(
            [Member(carrier=carrier, kind="x", numbers=(NUMBER,), calls_per_second=1, concurrent_calls=1)], "http://gw.test"
        )
        self.work = CarrierRecordings(self.calls, self.fleet, self.files, clock, shortest_s=1.0, delete_at_carrier=delete)
        self.collector = Voicemails(
            {"a": (carrier, (NUMBER,))}, self.store, self.files, clock, keep_days=30, delete_at_carrier=False
        )
        self.call_id, self.leg_id = ids_of("a", "CA1")

    async def begin(self, command: type[CollectMessage | RecordMessage] = CollectMessage, **of_leg: Any) -> None:
        over: dict[str, Any] = {"carrier": "a", "phase": LegPhase.ENDED, "ended_at": NOW, "message": MessageStage.RECORDING}
        over["verdict"] = stop("normal-clearing", Outcome.COMPLETED)
        leg = Leg(
            id=self.leg_id,
            call_id=self.call_id,
            caller_id=CALLER,
            carrier_call_id="CA1",
            media_token="t",
            round=1,
            created_at=NOW - 30,
            answered_at=NOW - 20,
            streams=1,
            streams_by_command=True,
            **(over | of_leg),
        )
        call = Call(
            id=self.call_id,
            to=NUMBER,
            from_number=CALLER,
            session_id="s",
            created_at=NOW - 30,
            expires_at=NOW + 60,
            direction=Direction.INBOUND,
            status=CallStatus.VOICEMAIL,
            answered_at=NOW - 20,
            agent="bot",
            legs=(leg,),
            ladder=Descent(
                talking="carrier_voicemail", rung=0, lost=(Loss(at=NOW - 10, agent="bot", reason="killed", began=True),)
            ),
        )
        told: AnyCommand = command(call_id=call.id, leg_id=leg.id)
        await self.store.commit(Change(call=call, commands=(told,), command_ids=("cmd",)), NOW)

    async def turn(self, after_s: float = 0.0) -> bool:
        """The command's next delivery, if it is due by then."""
        self.clock.time += after_s
        claims: tuple[Claim, ...] = await self.store.claim(self.clock.time, 15.0, 10)
        for claim in claims:
            await (self.work.record if isinstance(claim.command, RecordMessage) else self.work.collect)(claim)
        return bool(claims)

    def outlast(self) -> list[Claim]:
        """A fetch takes longer than the lease: the command is another worker's when it is over, and found in the list."""
        others: list[Claim] = []

        async def redelivered() -> None:
            self.clock.time += 20.0
            others.extend(await self.store.claim(self.clock.time, 15.0, 10))

        self.booth.meanwhile = redelivered
        return others

    async def words(self, kind: str) -> list[dict[str, Any]]:
        """What the call's log says of this kind."""
        return [entry.data for entry in await self.store.entries(self.call_id) if entry.kind == kind]

    async def call(self) -> Call:
        call = await self.store.load(self.call_id)
        assert call is not None
        return call

    async def kept(self) -> tuple[Voicemail, ...]:
        return (await self.store.list_voicemails(10, None)).items


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def test_a_message_comes_home_with_its_call(rig: Rig) -> None:
    """Sound, record and outcome; once, and at the carrier it stays."""
    await rig.begin()
    rig.booth.leave()
    await rig.turn()
    (kept,) = await rig.kept()
    assert (kept.id, kept.call_id, kept.carrier, kept.recording_id, kept.status) == (ID, rig.call_id, "a", "r1", "kept")
    assert (kept.caller, kept.to, kept.reason, kept.left_at, kept.seconds) == (CALLER, NUMBER, "killed", NOW - 9, 2.0)
    assert await rig.files.read(ID) == LOUD
    call = await rig.call()
    assert (call.outcome, call.voicemail) == (Outcome.VOICEMAIL, ID)
    assert not await rig.turn(COLLECT_FOR_S)
    assert rig.booth.asked == ["list CA1", "fetch"]


async def test_it_is_waited_for(rig: Rig) -> None:
    """Not listed yet, or a carrier that does not answer: asked again a little later, and the call waits."""
    await rig.begin()
    rig.booth.refuses = "list"
    await rig.turn()
    rig.booth.refuses = ""
    assert not await rig.turn(AGAIN_S / 2)
    await rig.turn(AGAIN_S)
    assert (await rig.call()).status is CallStatus.VOICEMAIL
    rig.booth.leave()
    await rig.turn(AGAIN_S)
    assert (await rig.call()).outcome is Outcome.VOICEMAIL


async def test_a_carrier_that_cannot_be_asked_is_asked_for_longer_than_its_call_waits(rig: Rig) -> None:
    """The call has failed and says why; a message that was there all the time comes home with it in the end."""
    await rig.begin()
    rig.booth.leave()
    rig.booth.refuses = "list"
    await rig.turn()
    await rig.turn(COLLECT_FOR_S)
    call = await rig.call()
    assert (call.outcome, [word["reason"] for word in await rig.words("voicemail-missing")]) == (
        Outcome.FAILED,
        ["refused-by-test"],
    )
    assert not await rig.turn(LATER_S - 1)
    await rig.turn(1.0)
    rig.booth.refuses = ""
    await rig.turn(LATER_S)
    (kept,) = await rig.kept()
    assert (kept.id, kept.call_id, (await rig.call()).outcome) == (ID, rig.call_id, Outcome.FAILED)
    assert (len(await rig.words("voicemail-kept")), len(await rig.words("voicemail-missing"))) == (1, 1)
    assert not await rig.turn(LATER_S)


async def test_a_carrier_that_does_not_answer_is_asked_ever_more_seldom(rig: Rig) -> None:
    """Its threads are wanted for hang-ups; one that answers "nothing yet" is asked every two seconds."""
    await rig.begin()
    rig.booth.refuses = "list"
    await rig.turn(40.0)
    assert not await rig.turn(9.0)
    rig.booth.refuses = ""
    await rig.turn(1.0)
    assert not await rig.turn(AGAIN_S / 2)
    assert await rig.turn(AGAIN_S / 2)


async def test_a_carrier_that_can_never_be_asked_is_given_up(rig: Rig) -> None:
    """After four weeks, when none has it any more."""
    await rig.begin()
    rig.booth.refuses = "list"
    await rig.turn(LOOK_BACK_S)
    assert (await rig.call()).outcome is Outcome.FAILED
    assert not await rig.turn(LATER_S)


@pytest.mark.parametrize(
    ("seconds", "wav", "why"),
    [(0.0, LOUD, "no-recording"), (0.5, SHORT, "too-short"), (1.0, EMPTY, "too-short"), (None, LOUD, "no-recording")],
    ids=["nothing", "short", "empty", "never-listed"],
)
async def test_what_is_none_is_told(rig: Rig, seconds: float | None, wav: bytes, why: str) -> None:
    """Nothing recorded, too little, or never listed: the log says which, the call has failed, and nobody asks again."""
    await rig.begin()
    if seconds is not None:
        rig.booth.leave(seconds, wav)
    await rig.turn(0.0 if seconds is not None else COLLECT_FOR_S)
    call = await rig.call()
    assert (call.status, call.outcome, call.voicemail) == (CallStatus.ENDED, Outcome.FAILED, "")
    (word,) = [entry for entry in await rig.store.entries(rig.call_id) if entry.kind == "voicemail-missing"]
    assert word.data["reason"] == why
    assert await rig.kept() == ()
    assert not await rig.turn(LATER_S)


async def test_a_fetch_that_outlasts_its_lease_is_told_all_the_same(rig: Rig) -> None:
    """Else the next delivery would be as slow, and the call wait for ever; that one finds it told, and fetches nothing."""
    await rig.begin()
    rig.booth.leave()
    others = rig.outlast()
    await rig.turn()
    call = await rig.call()
    assert (call.outcome, call.voicemail) == (Outcome.VOICEMAIL, ID)
    (late,) = others
    await rig.work.collect(late)
    assert (rig.booth.asked.count("fetch"), len(await rig.words("voicemail-kept"))) == (1, 1)
    assert not await rig.turn(LATER_S)


async def test_a_short_one_that_outlasts_its_lease_is_told_too(rig: Rig) -> None:
    """That there is none is as much of a word."""
    await rig.begin()
    rig.booth.leave(0.5, SHORT)
    rig.outlast()
    await rig.turn()
    assert [word["reason"] for word in await rig.words("voicemail-missing")] == ["too-short"]


async def test_a_command_that_comes_again_while_we_are_at_it_waits(rig: Rig) -> None:
    """The same sound is not fetched by two at once in one process."""
    await rig.begin()
    rig.booth.leave()

    async def redelivered() -> None:
        assert await rig.turn(20.0)
        assert not await rig.turn(1.0)

    rig.booth.meanwhile = redelivered
    await rig.turn()
    assert (rig.booth.asked.count("fetch"), (await rig.call()).outcome) == (1, Outcome.VOICEMAIL)


async def test_what_is_here_already_is_told_and_not_fetched(rig: Rig) -> None:
    """Whoever brought it died before it could say so."""
    await rig.begin()
    rig.booth.leave()
    kept = Voicemail(id=ID, carrier="a", recording_id="r1", left_at=NOW, collected_at=NOW, seconds=2.0, reason="killed")
    await rig.store.put_voicemail(kept, NOW)
    await rig.turn()
    call = await rig.call()
    assert (call.outcome, call.voicemail, rig.booth.asked) == (Outcome.VOICEMAIL, ID, ["list CA1"])
    assert [word["seconds"] for word in await rig.words("voicemail-kept")] == [2.0]


async def test_the_carriers_copy_of_what_is_here_already_is_deleted_too(tmp_path: Path) -> None:
    """Whoever brought it died before that as well."""
    rig = Rig(tmp_path, delete=True)
    await rig.begin()
    rig.booth.leave()
    kept = Voicemail(id=ID, carrier="a", recording_id="r1", left_at=NOW, collected_at=NOW, seconds=2.0, reason="killed")
    await rig.store.put_voicemail(kept, NOW)
    await rig.turn()
    assert rig.booth.asked == ["list CA1", "forget"]


async def test_what_was_deleted_does_not_come_back(rig: Rig) -> None:
    """Somebody was quicker than the word of it: it was left all the same."""
    await rig.begin()
    rig.booth.leave()
    kept = Voicemail(id=ID, carrier="a", recording_id="r1", left_at=NOW, collected_at=NOW, seconds=2.0, reason="killed")
    await rig.store.put_voicemail(kept, NOW)
    await rig.store.drop_voicemail(ID, NOW)
    await rig.turn()
    assert ((await rig.call()).outcome, rig.booth.asked, await rig.files.read(ID)) == (Outcome.VOICEMAIL, ["list CA1"], None)


async def test_a_defect_does_not_keep_the_call_waiting(rig: Rig) -> None:
    """Nobody knows what an SDK makes of a strange answer: after the usual time the call is told."""
    await rig.begin()
    rig.booth.breaks = KeyError("recording_id")
    await rig.turn()
    assert (await rig.call()).status is CallStatus.VOICEMAIL
    await rig.turn(COLLECT_FOR_S)
    assert (await rig.call()).outcome is Outcome.FAILED
    assert [word["reason"] for word in await rig.words("voicemail-missing")] == ["defect"]


async def test_what_the_disk_cannot_take_stays_at_the_carrier_until_it_can(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome is a voicemail as soon as waiting is over; the sound comes when there is room again."""
    await rig.begin()
    rig.booth.leave()

    async def full(_voicemail_id: str, _wav: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(rig.files, "write", full)
        await rig.turn()
        assert (await rig.call()).status is CallStatus.VOICEMAIL
        await rig.turn(COLLECT_FOR_S)
        call = await rig.call()
        assert (call.outcome, call.voicemail) == (Outcome.VOICEMAIL, ID)
        assert await rig.kept() == ()
    await rig.turn(LATER_S)
    assert [one.id for one in await rig.kept()] == [ID]
    assert await rig.files.read(ID) == LOUD


async def test_what_the_disk_cannot_take_is_not_even_fetched(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The carrier is asked ever more seldom, and its message comes when there is room."""
    await rig.begin()
    rig.booth.leave()
    asked: list[int] = []

    async def full(needed: int) -> bool:
        asked.append(needed)
        return False

    with monkeypatch.context() as patch:
        patch.setattr(rig.files, "room", full)
        await rig.turn()
        await rig.turn(COLLECT_FOR_S)
        assert not await rig.turn(COLLECT_FOR_S / 4 - 1)
        assert await rig.turn(1.0)
    assert (asked, "fetch" in rig.booth.asked) == ([32_000] * 3, False)
    assert ((await rig.call()).voicemail, await rig.kept()) == (ID, ())
    await rig.turn(LATER_S)
    assert [one.id for one in await rig.kept()] == [ID]


async def test_few_are_fetched_from_a_carrier_at_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who finds no seat in time comes again: neither it nor its lease waits for the others' downloads."""
    monkeypatch.setattr(carrier_recordings, "SEAT_WITHIN_S", 0.01)
    await rig.begin()
    rig.booth.leave()
    seats = rig.work._seats["a"]
    for _ in range(SEATS):
        await seats.acquire()
    await rig.turn()
    assert (rig.booth.asked, (await rig.call()).status) == (["list CA1"], CallStatus.VOICEMAIL)
    seats.release()
    await rig.turn(AGAIN_S)
    assert ((await rig.call()).outcome, seats.locked()) == (Outcome.VOICEMAIL, False)


async def test_nobody_tries_for_ever(rig: Rig) -> None:
    """After four weeks no carrier has it any more."""
    await rig.begin()
    rig.booth.leave()
    rig.booth.refuses = "fetch"
    await rig.turn(LOOK_BACK_S)
    assert not await rig.turn(LATER_S)


async def test_the_carriers_copy_is_deleted_where_that_is_wished(tmp_path: Path) -> None:
    """After ours is kept; a carrier that does not obey costs nothing."""
    rig = Rig(tmp_path, delete=True)
    await rig.begin()
    rig.booth.leave()
    rig.booth.refuses = "forget"
    await rig.turn()
    assert rig.booth.asked[-1] == "forget"
    assert (await rig.call()).outcome is Outcome.VOICEMAIL


async def test_a_carrier_that_is_not_configured_any_more_is_not_waited_for(rig: Rig) -> None:
    """Nobody can ask it: the call ends, and says so."""
    await rig.begin(carrier="gone")
    await rig.turn()
    assert (await rig.call()).outcome is Outcome.FAILED


async def test_who_collects_what_callers_left_leaves_this_to_us_while_it_is_ours(rig: Rig) -> None:
    """Two would tell two stories of one message. One that came too late for its call is a message all the same."""
    await rig.begin()
    rig.booth.leave()
    await rig.collector.once()
    assert await rig.kept() == ()
    rig.booth.message = None
    await rig.turn(COLLECT_FOR_S)
    assert (await rig.call()).outcome is Outcome.FAILED
    rig.booth.leave()
    await rig.collector.once()
    assert [(one.id, one.reason) for one in await rig.kept()] == [(ID, "gateway-down")]


async def test_another_message_of_the_call_does_not_hide_this_one(rig: Rig) -> None:
    """Our own voicemail kept one, and was lost; what the carrier took then, and listed late, is no part of it."""
    await rig.begin()
    await rig.turn(COLLECT_FOR_S)
    ended = await rig.call()
    await rig.store.commit(Change(call=replace(ended, voicemail="vm_ours")), rig.clock.time)
    rig.booth.leave()
    await rig.collector.once()
    assert [one.id for one in await rig.kept()] == [ID]


async def test_a_message_that_its_call_names_is_left_to_whoever_fetches_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """There was no room for it: the call's own command brings it, with the call."""
    await rig.begin()
    rig.booth.leave()

    async def full(_needed: int) -> bool:
        return False

    monkeypatch.setattr(rig.files, "room", full)
    await rig.turn(COLLECT_FOR_S)
    assert (await rig.call()).voicemail == ID
    await rig.collector.once()
    assert (await rig.kept(), "fetch" in rig.booth.asked) == ((), False)


async def test_what_was_too_short_for_its_call_is_no_message_of_others(rig: Rig) -> None:
    """The carrier's seconds are whole, and the call knows better: it is not brought home behind its back."""
    await rig.begin()
    rig.booth.leave(1.0, SHORT)
    await rig.turn()
    assert [word["reason"] for word in await rig.words("voicemail-missing")] == ["too-short"]
    await rig.collector.once()
    assert await rig.kept() == ()


# --- the order to record ----------------------------------------------------------------------------------------------

ALIVE: dict[str, Any] = {"phase": LegPhase.ANSWERED, "ended_at": None, "verdict": None, "message": MessageStage.ORDERED}
ALIVE["watch_at"] = NOW + Policy().message_order_s


async def test_the_carrier_is_told_to_record_once(rig: Rig) -> None:
    """From then on it has all that it needs; a repeat of the command finds that."""
    await rig.begin(RecordMessage, **ALIVE)
    await rig.turn()
    assert (await rig.call()).legs[0].message is MessageStage.RECORDING
    assert rig.booth.asked == ["record CA1"]


async def test_a_carrier_that_does_not_record_ends_the_leg(rig: Rig) -> None:
    """Its stream is closed and nobody could talk: the leg's timer is due at once."""
    await rig.begin(RecordMessage, **ALIVE)
    rig.booth.breaks = MessageDeclined("not-permitted")
    await rig.turn()
    leg = (await rig.call()).legs[0]
    assert (leg.message, leg.watch_at) == (None, NOW)


async def test_a_carrier_that_stumbles_is_told_again_while_the_person_waits(rig: Rig) -> None:
    """Too many requests, or no answer: nobody who was just asked to speak is hung up on for that."""
    await rig.begin(RecordMessage, **ALIVE)
    rig.booth.refuses = "record"
    await rig.turn()
    assert (await rig.call()).legs[0].message is MessageStage.ORDERED
    assert not await rig.turn(RECORD_AGAIN_S / 2)
    rig.booth.refuses = ""
    await rig.turn(RECORD_AGAIN_S / 2)
    assert ((await rig.call()).legs[0].message, len(rig.booth.asked)) == (MessageStage.RECORDING, 2)


@pytest.mark.parametrize("stumbles", [CarrierError("timeout"), KeyError("data")], ids=["carrier", "defect"])
async def test_a_carrier_that_stumbles_for_too_long_has_refused(rig: Rig, stumbles: Exception) -> None:
    """Before the leg's timer would order the same once more; what an SDK stumbles over is no better."""
    await rig.begin(RecordMessage, **ALIVE)
    rig.booth.breaks = stumbles
    await rig.turn(Policy().message_order_s - 1.5 * RECORD_AGAIN_S)
    assert (await rig.call()).legs[0].message is MessageStage.ORDERED
    await rig.turn(RECORD_AGAIN_S)
    assert (await rig.call()).legs[0].message is None


async def test_a_carrier_that_is_not_configured_any_more_records_nothing(rig: Rig) -> None:
    """The order is taken back, or the leg's timer would repeat it for ever."""
    await rig.begin(RecordMessage, **(ALIVE | {"carrier": "gone"}))
    await rig.turn()
    assert (await rig.call()).legs[0].message is None
    left = await rig.store.claim(NOW + RECORD_AGAIN_S, 15.0, 10)
    assert [type(claim.command) for claim in left] == [Timer]


@pytest.mark.parametrize("changed", [{"hangup_wanted": True}, {"message": MessageStage.RECORDING}], ids=str)
async def test_nobody_records_what_is_over_or_recorded(rig: Rig, changed: dict[str, Any]) -> None:
    """A late delivery of the command asks the carrier for nothing."""
    await rig.begin(RecordMessage, **(ALIVE | changed))
    await rig.turn()
    assert (rig.booth.asked, await rig.turn(60.0)) == ([], False)
