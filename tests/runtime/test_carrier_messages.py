"""A carrier is told to take a message: in which order, and what becomes of the person where it, or the store, does not."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from agent.contract import CallInfo
from agent.hold import Hold
from carriers.contract import Capabilities
from gateway.domain import call as calls
from gateway.domain.errors import CarrierError, StoreUnavailable
from gateway.domain.events import AnyLegEvent, LegReported
from gateway.domain.outcome import CallStatus, Direction, LegPhase
from gateway.domain.policy import Policy
from gateway.domain.records import Call, Leg
from gateway.domain.voicemail import MessageStage
from gateway.runtime.carrier_messages import NO_LEG, CarrierMessages
from gateway.runtime.casting import Gone
from gateway.runtime.fleet import Fleet, Member
from gateway.runtime.leases import LeaseLost

INFO = CallInfo(call_id="call_1", session_id="s", direction="inbound", from_number="", to_number="", agent="carrier_voicemail")
KEPT = {"kept": {"agent": "bot", "context": {"topic": "boats"}}}


class Rig:
    """One answered leg; `told` is all that happened, in order."""

    def __init__(self, *, by_command: bool = True, takes: bool = True) -> None:
        self.told: list[str] = []
        self.gone: list[Gone] = []
        self.refuses = False
        self.store_is: Exception | None = None
        leg = Leg(
            id="leg_1",
            call_id="call_1",
            carrier="a",
            caller_id="+15550100001",
            media_token="t",
            round=1,
            created_at=0.0,
            phase=LegPhase.ANSWERED,
            answered_at=1.0,
            streams=1,
            stream_open=True,
            streams_by_command=by_command,
        )
        self.now = Call(
            id="call_1",
            to="+15550190001",
            session_id="s",
            created_at=0.0,
            expires_at=99.0,
            direction=Direction.INBOUND,
            status=CallStatus.IN_PROGRESS,
            legs=(leg,),
        )
        carrier: Any = SimpleNamespace(
            name="a", capabilities=Capabilities(takes_messages=takes), begin_message=self._begin_message
        )
        fleet = Fleet([Member(carrier=carrier, kind="x", numbers=(), calls_per_second=1, concurrent_calls=1)], "http://gw.test")
        ours: Any = SimpleNamespace(
            close_stream=lambda call_id: self.told.append(f"close {call_id}"),
            call=self._call,
            descend=self._descend,
            report=self._report,
        )
        self.messages = CarrierMessages(ours, ours, ours, fleet)

    async def take(self) -> None:
        """As when the agent `carrier_voicemail` has got the person."""
        self.messages.began(INFO, KEPT)
        await self.messages._errands.settled()

    async def _begin_message(self, attempt: Any, handle: Any) -> None:
        self.told.append("begin")
        if self.refuses:
            raise CarrierError("out-of-funds", "402")

    async def _call(self, call_id: str) -> Call:
        return self.now

    async def _descend(self, gone: Gone) -> None:
        self.gone.append(gone)

    async def _report(self, call_id: str, leg_id: str, event: AnyLegEvent) -> Call:
        if self.store_is is not None:
            raise self.store_is
        self.told.append(type(event).__name__)
        self.now = calls.step(self.now, LegReported(leg_id=leg_id, event=event), 5.0, Policy()).call
        return self.now


async def test_by_command_the_greeting_is_ordered_before_the_stream_is_closed() -> None:
    """A carrier that refuses would leave us a person without a voice, else."""
    rig = Rig()
    await rig.take()
    assert (rig.told, rig.gone) == (["MessageOrdered", "begin", "close call_1"], [])


async def test_by_document_the_stream_is_closed_and_nothing_is_asked() -> None:
    """The order is stored first: the carrier asks at once, whichever process answers."""
    rig = Rig(by_command=False)
    await rig.take()
    assert (rig.told, rig.gone) == (["MessageOrdered", "close call_1"], [])


async def test_a_carrier_that_refuses_costs_its_rung_only() -> None:
    """The order is taken back, the stream stays, and the next rung knows what the lost agent knew."""
    rig = Rig()
    rig.refuses = True
    await rig.take()
    assert rig.told == ["MessageOrdered", "begin", "MessageRefused"]
    (gone,) = rig.gone
    assert (gone.agent, gone.reason, gone.context) == ("carrier_voicemail", "carrier-refused", KEPT)
    assert "out-of-funds" in gone.detail
    assert rig.now.legs[0].message is None


async def test_without_the_store_nothing_is_ordered() -> None:
    """The answer to the carrier's question would be found nowhere: the next rung, at once."""
    rig = Rig(by_command=False)
    rig.store_is = StoreUnavailable("gone")
    await rig.take()
    assert (rig.told, [gone.reason for gone in rig.gone]) == ([], ["not-stored"])


async def test_a_session_that_another_process_has_orders_nothing() -> None:
    """Whoever has it does."""
    rig = Rig()
    rig.store_is = LeaseLost("moved")
    await rig.take()
    assert (rig.told, rig.gone) == ([], [])


async def test_a_carrier_that_records_already_is_told_nothing_more() -> None:
    """The session was taken over in the middle of it: its stream has nothing to say there."""
    rig = Rig()
    rig.now = replace(rig.now, legs=(replace(rig.now.legs[0], message=MessageStage.RECORDING),))
    await rig.take()
    assert rig.told == ["MessageOrdered", "close call_1"]


@pytest.mark.parametrize(("takes", "why"), [(True, ""), (False, "a takes no messages in a live call")])
async def test_whether_the_carrier_can_is_asked_before(why: str, *, takes: bool) -> None:
    """Of the carrier that has the call; without a leg that lives there is none."""
    rig = Rig(takes=takes)
    assert await rig.messages.obstacle(rig.now) == why
    assert await rig.messages.obstacle(replace(rig.now, legs=())) == NO_LEG


async def test_the_agent_of_the_rung_says_nothing_and_keeps_what_it_was_given() -> None:
    """Only a soft sound, until the carrier speaks."""
    began: list[Mapping[str, Any]] = []
    watch: Any = SimpleNamespace(began=lambda _call, kept: began.append(kept), heard=None, over=lambda _call: None)
    session = Hold("", lambda: watch).session(INFO)
    played: list[bytes] = []
    line: Any = SimpleNamespace(play=played.append, mark=lambda _name: None, clear=lambda: None)
    session.resume(KEPT)
    await session.start(line)
    session.on_answer()
    assert (began, session.context(), len(set(played))) == ([KEPT], KEPT, 1)
