"""What faults do to calls from phones, on every carrier, in virtual time: read in the ledger."""

from typing import Any

import pytest

from carriers.lab.fields import BadField

PERSON, BRITISH = "+15550107001", "+442079460001"


def test_a_caller_is_answered_and_bridged(town: Any) -> None:
    """The measure for the others: one answer, one stream, one bridge, sound both ways, and a hang-up that is the caller's."""
    town.take_caller()
    assert [town.count(kind) for kind in ("call", "answer", "stream_open", "bridge", "hangup")] == [1, 1, 1, 1, 0]
    assert town.speech() > 1.0
    assert sum(town.heard_since(0)) > 50
    town.exchange.as_people(town.now, lambda network, now: network.put_down(now, PERSON))
    town.run(2)
    (ended,) = town.of("hangup")
    assert (ended.more["direction"], ended.more["by"], ended.more["cause"]) == ("inbound", "phone", "normal")
    assert town.exchange.report(town.now)[0].live_calls == 0
    assert (town.forged, town.count("crash")) == ([], 0)


@pytest.mark.parametrize("webhook", [True, False])
def test_leg_drop(town: Any, webhook: bool) -> None:
    """The caller's leg dies in the network so long after the answer, and the customer is told of it, or of nothing."""
    town.set_faults({"kind": "leg_drop", "after_s": 4, "webhook": webhook})
    town.take_caller()
    told = len(town.delivered)
    town.run(60)
    (ended,) = town.of("hangup", PERSON)
    assert (ended.more["by"], ended.more["seconds"]) == ("network", pytest.approx(4.0, abs=0.03))
    assert (len(town.delivered) > told) is webhook
    assert town.exchange.report(town.now)[0].live_calls == 0


@pytest.mark.parametrize(("direction", "agent_hears"), [("to_person", False), ("from_person", True)])
def test_one_way(town: Any, direction: str, agent_hears: bool) -> None:
    """Only the named way carries sound."""
    town.take_caller()
    town.set_faults({"kind": "one_way", "direction": direction})
    began, before = town.now, town.speech()
    town.run(2)
    assert any(town.heard_since(began)) is agent_hears
    assert (town.speech() - before > 1.5) is not agent_hears


def test_stream_refused(town: Any) -> None:
    """No media socket of a caller's is ever connected."""
    town.set_faults({"kind": "stream_refused"})
    town.serve_numbers()
    town.call_us()
    town.run(10)
    assert {entry.more["status"] for entry in town.of("stream_refused", PERSON)} == {0}
    assert (town.count("stream_open"), town.speech()) == (0, 0)


def test_stream_cut(town: Any) -> None:
    """The caller's stream is reset so long after it opened."""
    town.set_faults({"kind": "stream_cut", "after_s": 2.5})
    town.take_caller()
    town.run(2)
    opened, closed = town.of("stream_open", PERSON)[0], town.of("stream_close", PERSON)[0]
    assert closed.at - opened.at == pytest.approx(2.5, abs=0.03)
    assert (closed.more["by"], closed.more["code"]) == ("fault", 1006)


@pytest.mark.parametrize(("fault", "frames"), [({"kind": "stream_silent"}, 0), ({"kind": "stream_burst", "every_s": 0.5}, 75)])
def test_frames_that_are_held(town: Any, fault: dict[str, Any], frames: int) -> None:
    """Silent, nothing comes of two seconds; in bursts, all but the last one, at no more than four or five moments."""
    town.take_caller()
    town.set_faults(fault)
    began = town.now
    town.run(2)
    (socket,) = town.sockets.values()
    since = [at for at, _ in socket.heard if at > began]
    assert frames <= len(since) <= (101 if frames else 0)
    assert len(set(since)) <= 5


def test_webhooks_unsigned(town: Any) -> None:
    """A customer that checks signatures answers no caller."""
    town.set_faults({"kind": "webhooks_unsigned"})
    town.serve_numbers()
    town.call_us(patience_s=20)
    town.run(30)
    assert town.forged == town.delivered != []
    assert (town.count("stream_open"), town.count("bridge")) == (0, 0)


def test_webhooks_lost(town: Any) -> None:
    """Nobody hears of the caller, who is never connected and is gone in the end."""
    town.set_faults({"kind": "webhooks_lost"})
    town.serve_numbers()
    town.call_us(patience_s=30)
    town.run(200)
    assert town.delivered == []
    assert (town.count("stream_open"), town.count("hangup"), town.exchange.report(town.now)[0].live_calls) == (0, 1, 0)


def test_webhooks_late(two_towns: Any) -> None:
    """The first word of a caller leaves so much later than with the same seed and no fault."""
    late, calm = two_towns
    late.set_faults({"kind": "webhooks_late", "s": 2})
    for town in two_towns:
        town.serve_numbers()
        town.call_us()
        town.run(8)
    first, usual = late.of("webhook")[0], calm.of("webhook")[0]
    assert first.more["sent_at"] - usual.more["sent_at"] == pytest.approx(2.0)


def test_webhooks_twice(town: Any) -> None:
    """Each leaves twice, and the caller is connected once."""
    town.set_faults({"kind": "webhooks_twice"})
    town.take_caller()
    assert town.delivered[0::2] == town.delivered[1::2]
    assert [town.count(kind) for kind in ("answer", "stream_open", "bridge")] == [1, 1, 1]


def test_down(town: Any) -> None:
    """Callers in a call drop, new ones do not get through, and afterwards they do again."""
    town.take_caller()
    town.set_faults({"kind": "down", "for_s": 5})
    assert [(entry.more["by"], entry.more["direction"]) for entry in town.of("hangup")] == [("network", "inbound")]
    with pytest.raises(BadField, match="not in service"):
        town.call_us()
    town.run(60)
    town.call_us()
    town.run(3)
    assert town.count("bridge") == 2


def test_a_region_is_the_callers(town: Any) -> None:
    """A fault for British numbers strikes the British caller and spares the American one."""
    town.set_faults({"kind": "leg_drop", "after_s": 1, "region": "GB"})
    town.serve_numbers()
    for caller in (BRITISH, PERSON):
        town.call_us(caller)
        town.run(2)
    town.run(3)
    assert [(entry.number, entry.more["by"]) for entry in town.of("hangup")] == [(BRITISH, "network")]


def test_a_fault_for_a_time_ends_in_mid_call(town: Any) -> None:
    """A caller who was not heard for a second is heard again."""
    town.take_caller()
    town.set_faults({"kind": "one_way", "direction": "to_person", "for_s": 1})
    began = town.now
    town.run(0.9)
    assert not any(town.heard_since(began))
    town.run(1.1)
    assert any(town.heard_since(began + 1))
