"""Authentic webhooks at the wrong leg's address: another call's, where only the body is signed; another carrier's."""

from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from carriers.contract import Attempt, Capabilities, Document, Expectation, Hook, HookRequest, Verified
from gateway.domain.errors import StoreUnavailable
from gateway.domain.events import LegAnswered, LegEnded, LegEvent, MessageOrdered, MessageRecorded
from gateway.domain.outcome import CallStatus, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Leg
from gateway.domain.verdict import ended_normally
from gateway.domain.voicemail import MessageStage
from gateway.runtime.calls import Calls, News
from gateway.runtime.fleet import Fleet, Member
from gateway.runtime.inbox import Inbox, UnknownHook
from gateway.runtime.live import LiveCalls
from gateway.runtime.store.contract import Change
from gateway.runtime.store.memory_store import MemoryStore

NOW = 1000.0
LEG = Leg(
    id="leg_1",
    call_id="call_1",
    carrier="a",
    caller_id="+15550190001",
    media_token="secret-token",
    round=1,
    created_at=NOW,
    phase=LegPhase.RINGING,
    sent_at=NOW,
    accepted_at=NOW,
    alerted_at=NOW,
    carrier_call_id="ours",
)
CALL = Call(
    id="call_1",
    to="+15550100001",
    session_id="s",
    created_at=NOW,
    expires_at=NOW + 60,
    status=CallStatus.RINGING,
    legs=(LEG,),
)


class Clock:
    """Stands still."""

    def now(self) -> float:
        return NOW

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here waits")


class Folder:
    """A carrier whose every webhook is authentic, and says what `hook` is."""

    def __init__(self, name: str, *, hooks_sign_url: bool) -> None:
        self.name = name
        self.capabilities = Capabilities(hooks_sign_url=hooks_sign_url)
        self.webhooks = self.markup = self
        self.hook = Hook()

    def verify(self, request: HookRequest, now: float) -> Verified:
        return Verified(key=request.body.decode())

    def parse(self, request: HookRequest, now: float) -> Hook:
        return self.hook

    def connect(self, attempt: Attempt) -> Document:
        return Document(body=attempt.media_url.encode())

    def hang_up(self) -> Document:
        return Document(body=b"hang up")

    def acknowledge(self) -> Document:
        return Document()


class Gone(MemoryStore):
    """A store that does not answer once it is gone."""

    gone = False

    async def hook_answer(self, key: str) -> bytes | None:
        if self.gone:
            raise StoreUnavailable("gone")
        return await super().hook_answer(key)


class Office:
    """One ringing call on carrier `a`, which signs bodies alone or URLs as well; and a carrier `b`."""

    def __init__(self, *, signs_url: bool) -> None:
        self.store, numbers = Gone(), count(1)
        self.a, self.b = Folder("a", hooks_sign_url=signs_url), Folder("b", hooks_sign_url=True)
        calls = Calls(self.store, Clock(), lambda prefix: f"{prefix}_{next(numbers)}", Policy())
        members = [
            Member(carrier=folder, kind="k", numbers=("+15550190001",), calls_per_second=1, concurrent_calls=1)  # type: ignore[arg-type]
            for folder in (self.a, self.b)
        ]
        self.live = LiveCalls()
        self.inbox = Inbox(calls, Fleet(members, "http://gw.test"), self.live, Clock(), lambda *_, **__: None)

    async def begin(self) -> None:
        await self.store.commit(Change(call=CALL), NOW)
        await self.live.heed(News(before=None, after=CALL, entries=(), words=()))

    async def post(
        self,
        folder: Folder,
        *events: LegEvent,
        expects: Expectation = Expectation.ACKNOWLEDGEMENT,
        body: bytes = b"one delivery",
    ) -> Document:
        folder.hook = Hook(events=events, expects=expects)
        request = HookRequest(method="POST", url="", path="event", headers={}, body=body, call_id="call_1", leg_id="leg_1")
        return await self.inbox.receive(folder.name, request)

    async def stored(self) -> Any:
        return await self.store.load("call_1")


async def test_another_call_s_end_does_not_end_ours() -> None:
    """Where the signature covers the body alone, a body that names another call is refused, and leaves no trace."""
    office = Office(signs_url=False)
    await office.begin()
    before = await office.stored()
    with pytest.raises(UnknownHook):
        await office.post(office.a, LegEnded(carrier_call_id="another", verdict=ended_normally()))
    assert await office.stored() == before
    assert await office.store.hook_answer("a:one delivery") is None


@pytest.mark.parametrize("told", ["ours", "another"])
async def test_another_call_s_recording_is_none_of_ours(told: str) -> None:
    """It names no leg, but the conversation: only ours says that what was ordered here has been recorded."""
    office = Office(signs_url=False)
    await office.begin()
    await office.post(office.a, LegAnswered(carrier_data={"conversation": "ours"}), MessageOrdered())
    word = MessageRecorded(names={"conversation": told})
    if told == "another":
        with pytest.raises(UnknownHook):
            await office.post(office.a, word, body=b"another delivery")
    else:
        await office.post(office.a, word, body=b"another delivery")
    stage = MessageStage.RECORDING if told == "ours" else MessageStage.ORDERED
    assert (await office.stored()).leg.message is stage


@pytest.mark.parametrize("told", ["ours", ""])
async def test_our_own_call_s_word_is_taken(told: str) -> None:
    """Also where the body names no call."""
    office = Office(signs_url=False)
    await office.begin()
    await office.post(office.a, LegAnswered(carrier_call_id=told))
    assert (await office.stored()).leg.phase is LegPhase.ANSWERED


async def test_a_signed_address_is_proof_enough() -> None:
    """Where the URL is signed the leg is named by it, whatever id was found for it before."""
    office = Office(signs_url=True)
    await office.begin()
    await office.post(office.a, LegAnswered(carrier_call_id="another"))
    assert (await office.stored()).leg.phase is LegPhase.ANSWERED


async def test_another_carrier_is_not_told_our_token_while_the_store_is_gone() -> None:
    """What is answered from memory is checked like what is stored: the leg must be this carrier's."""
    office = Office(signs_url=True)
    await office.begin()
    office.store.gone = True
    ours = await office.post(office.a, LegAnswered(), expects=Expectation.ANSWER_DOCUMENT)
    assert b"secret-token" in ours.body
    theirs = await office.post(office.b, LegAnswered(), expects=Expectation.ANSWER_DOCUMENT)
    assert theirs.body == b"hang up"
    assert replace(CALL, version=1) == await office.stored()
