"""Streams that a carrier is told to open: the order is carried out by whichever process has it, and means one leg's state."""

from typing import Any

import pytest

from carriers.contract import Capabilities
from gateway.domain.errors import CarrierError
from gateway.domain.events import LegAnswered, StreamClosed, StreamOpened


@pytest.fixture
async def talking(rig: Any) -> Any:
    """A person on the line through a carrier that opens streams by command."""
    rig.a.capabilities = Capabilities(streams_by_command=True)
    await rig.accept()
    await rig.settle()
    await rig.report(LegAnswered())
    await rig.report(StreamOpened())
    return rig


async def test_a_lost_stream_is_opened_by_another_process(talking: Any) -> None:
    """The order outlives the process that wrote it, and is carried out once."""
    await talking.report(StreamClosed(orphaned=True))
    talking.restart()
    await talking.settle()
    assert talking.a.streamed == [("a-1", 1)]


async def test_an_order_that_the_carrier_did_not_obey_is_repeated(talking: Any) -> None:
    """Under its next number, until the stream is there."""
    talking.a.disobeys.append(CarrierError("unreachable"))
    await talking.report(StreamClosed(orphaned=True))
    await talking.wait(3)
    assert talking.a.streamed == [("a-1", 1), ("a-1", 2)]
    await talking.report(StreamOpened())
    await talking.wait(10)
    assert talking.a.streamed == [("a-1", 1), ("a-1", 2)]
    assert talking.a.hung_up == []


async def test_an_order_that_comes_too_late_does_nothing(talking: Any) -> None:
    """A stream that is there already is not disturbed by it."""
    await talking.report(StreamClosed(orphaned=True))
    await talking.report(StreamOpened())
    await talking.settle()
    assert talking.a.streamed == []


async def test_a_leg_that_gets_no_stream_is_hung_up(talking: Any) -> None:
    """Nobody is left in silence longer than `stream_start_s`."""
    talking.a.disobeys.extend([CarrierError("unreachable")] * 10)
    await talking.report(StreamClosed(orphaned=True))
    await talking.wait(6)
    assert [turn for _, turn in talking.a.streamed] == [1, 2, 3]
    assert talking.a.hung_up
