"""Every fault on every carrier that there is, in virtual time: that it bites, and where, is read in the ledger."""

import json
from itertools import pairwise
from typing import Any

import pytest

from carriers.lab.faults import FaultKind
from carriers.lab.fields import BadField

PERSON = "+15550107001"
OWN_CODES = {"vonage": "low-balance"}
"""Of carriers whose error codes are a closed set of words."""
REFUSING = {"auth_error": {401}, "suspended": {401, 402, 403}, "rate_limited": {429}}


def test_without_a_fault_the_call_goes_through(town: Any) -> None:
    """The measure for all others: one ring, one answer, one bridge, sound both ways, every webhook taken."""
    town.talk()
    town.exchange.as_people(town.now, lambda network, now: network.put_down(now, PERSON))
    town.run(2.0)
    assert [town.count(kind) for kind in ("dial", "ring", "answer", "stream_open", "bridge", "hangup")] == [1] * 6
    assert town.speech() > 1.0
    assert sum(town.heard_since(0)) > 50
    assert {entry.more["status"] // 100 for entry in town.of("webhook")} == {2}
    assert (town.forged, town.count("crash"), town.count("rejected_frame"), town.count("refused")) == ([], 0, 0, 0)


def test_down(town: Any) -> None:
    """The listener closes, the stream breaks, the person's call drops, the end is told to nobody; then it listens again."""
    town.talk()
    told = len(town.delivered)
    town.set_faults({"kind": "down", "for_s": 5})
    assert (town.listening, town.dial()) == (False, None)
    assert [(entry.more["by"], entry.more["code"]) for entry in town.of("stream_close")] == [("fault", 1006)]
    assert [(entry.more["by"], entry.more["cause"]) for entry in town.of("hangup")] == [("network", "normal")]
    town.run(4.9)
    assert len(town.delivered) == told
    assert {entry.more["fault"] for entry in town.of("webhook") if entry.more["status"] == 0} == {"down"}
    town.run(0.2)
    assert town.listening
    town.run(60)
    town.dial()
    town.run(5)
    assert town.count("ring") == 2


def test_flap(town: Any) -> None:
    """Refused in the first period, well in the second, refused in the third."""
    town.set_faults({"kind": "flap", "period_s": 10})
    assert town.dial() is None
    town.run(10.1)
    town.put(answer_after_s=0.5)
    assert town.dial().reply.status < 300
    town.run(5)
    assert (town.count("ring"), town.count("bridge")) == (1, 1)
    town.run(5.1)
    assert (town.listening, town.count("hangup")) == (False, 1)


def test_blackhole(town: Any) -> None:
    """The dial is received and nothing comes of it."""
    town.set_faults({"kind": "blackhole"})
    answer = town.dial()
    town.run(30)
    assert (answer.reply, answer.otherwise) == (None, "held")
    assert [entry.more for entry in town.of("dial", PERSON)] == [{"fault": "blackhole"}]
    assert (town.count("ring"), town.emitted) == (0, [])


def test_slow(town: Any) -> None:
    """The phone rings long before the answer is to be given."""
    town.set_faults({"kind": "slow", "s": 20})
    answer = town.dial()
    town.run(5)
    assert (answer.reply.status < 300, answer.delay_s, town.count("ring")) == (True, 20, 1)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_http_error(town: Any, status: int) -> None:
    """The asked status with a body of the carrier's, and no phone rings."""
    town.set_faults({"kind": "http_error", "status": status})
    answer = town.dial()
    town.run(10)
    assert answer.reply.status == status
    assert answer.reply.body
    assert [entry.more["fault"] for entry in town.of("dial", PERSON)] == ["http_error"]
    assert town.count("ring") == 0


def test_http_error_with_a_code(town: Any) -> None:
    """The code stands where this carrier's errors have theirs."""
    code = OWN_CODES.get(town.kind.kind, "31337")
    town.set_faults({"kind": "http_error", "status": 400, "code": code})
    answer = town.dial()
    assert (answer.reply.status, code in json.dumps(json.loads(answer.reply.body))) == (400, True)


def test_a_code_that_the_carrier_does_not_have_is_refused(town: Any) -> None:
    """A carrier whose codes are a closed set takes no other, and says which there are; the rest take any."""
    codes = getattr(town.exchange.desks[town.kind.kind].simulator, "error_codes", frozenset())
    fault = {"kind": "http_error", "status": 400, "code": "31337"}
    if codes:
        with pytest.raises(BadField, match=min(codes)) as caught:
            town.set_faults(fault)
        assert caught.value.field == "faults[0].code"
    else:
        assert town.set_faults(fault)[0].code == "31337"


def test_http_error_after_placing(town: Any) -> None:
    """The answer is an error, the phone rings all the same, and the call goes on as if all were well."""
    town.set_faults({"kind": "http_error", "after_placing": True})
    assert town.dial().reply.status == 500
    town.run(5)
    assert [town.count(kind) for kind in ("dial", "ring", "answer", "bridge")] == [1] * 4


def test_drop_after_accept(town: Any) -> None:
    """No answer at all, and the call goes on."""
    town.set_faults({"kind": "drop_after_accept"})
    answer = town.dial()
    town.run(5)
    assert (answer.reply, answer.otherwise) == (None, "closed")
    assert [town.count(kind) for kind in ("dial", "ring", "answer", "bridge")] == [1] * 4


@pytest.mark.parametrize("kind", REFUSING)
def test_the_carrier_refuses(town: Any, kind: str) -> None:
    """Each refusal has its own status and the carrier's own words, and nothing is placed."""
    town.set_faults({"kind": kind})
    answer = town.dial()
    town.run(10)
    assert answer.reply.status in REFUSING[kind]
    assert answer.reply.body
    assert [entry.more["fault"] for entry in town.of("dial", PERSON)] == [kind]
    assert (town.count("ring"), town.emitted) == (0, [])


def test_queueing(town: Any) -> None:
    """Accepted at once, and the phone rings so much later than it would have."""
    town.set_faults({"kind": "queueing", "s": 15})
    assert town.dial().reply.status < 300
    town.run(14.9)
    assert town.count("ring") == 0
    assert town.exchange.report(town.now)[0].queue == 1
    town.run(5)
    assert town.count("ring") == 1


def test_reject(town: Any) -> None:
    """Every cause that the carrier knows fails the accepted call without a ring, and the customer is told of its end."""
    causes = sorted(town.exchange.desks[town.kind.kind].simulator.causes)
    assert causes
    for cause in causes:
        town.exchange.reset(town.now)
        town.set_faults({"kind": "reject", "cause": cause})
        assert town.dial().reply.status < 300, cause
        town.run(5)
        assert (town.count("ring"), town.count("answer")) == (0, 0), cause
        assert town.count("webhook", PERSON) >= 1, cause
        assert town.exchange.report(town.now)[0].live_calls == 0, cause


def test_webhooks_lost(town: Any) -> None:
    """The customer hears nothing; the carrier waits its time, tries again as it does, and gives up."""
    town.set_faults({"kind": "webhooks_lost"})
    town.put(hangup_after_s=5)
    town.dial()
    town.run(400)
    assert town.delivered == []
    assert town.count("ring") == 1
    assert {(entry.more["status"], entry.more["failure"], entry.more["fault"]) for entry in town.of("webhook")} == {
        (0, "lost", "webhooks_lost")
    }
    assert town.exchange.report(town.now)[0].live_calls == 0


def test_webhooks_late(two_towns: Any) -> None:
    """The first webhook leaves exactly so much later than in a lab with the same seed and no fault."""
    late, calm = two_towns
    late.set_faults({"kind": "webhooks_late", "s": 3})
    for town in two_towns:
        town.dial()
        town.run(8)
    first, usual = late.of("webhook")[0], calm.of("webhook")[0]
    assert first.more["sent_at"] - usual.more["sent_at"] == pytest.approx(3.0)
    assert (first.more["url"], first.more["fault"]) == (usual.more["url"], "webhooks_late")


def test_webhooks_twice(town: Any) -> None:
    """Each leaves twice, byte for byte the same, and the call is none the worse."""
    town.set_faults({"kind": "webhooks_twice"})
    town.talk()
    assert town.delivered[0::2] == town.delivered[1::2]
    assert len(town.delivered) == 2 * len(town.emitted)
    copies = [entry.more.get("copy", "1") for entry in town.of("webhook")]
    assert copies.count("1") == copies.count("2") == len(town.emitted)
    assert [town.count(kind) for kind in ("ring", "answer", "stream_open", "bridge")] == [1] * 4


def test_webhooks_shuffled(town: Any) -> None:
    """What was due in one window arrives in another order, and nothing is missing."""
    town.put(answer_after_s=0.1, hangup_after_s=0.1)
    town.set_faults({"kind": "webhooks_shuffled", "s": 2})
    town.dial()
    town.run(4)
    arrived = [hook.id for hook in town.delivered]
    emitted = town.emitted[: len(arrived)]
    assert len(arrived) >= 2
    assert sorted(arrived) == sorted(emitted)
    assert arrived != emitted
    assert {entry.more["fault"] for entry in town.of("webhook")} == {"webhooks_shuffled"}


def test_webhooks_unsigned(town: Any) -> None:
    """A customer that checks signatures refuses every one of them, and the ledger has the refusals."""
    town.set_faults({"kind": "webhooks_unsigned"})
    town.dial()
    town.run(10)
    assert town.delivered
    assert town.forged == town.delivered
    assert {(entry.more["status"], entry.more["fault"]) for entry in town.of("webhook")} == {(403, "webhooks_unsigned")}


def test_stream_refused(town: Any) -> None:
    """No media socket is ever connected, and the person hears nothing of the agent."""
    town.set_faults({"kind": "stream_refused"})
    town.put(answer_after_s=0.5)
    town.dial()
    town.run(10)
    assert town.count("answer") == 1
    assert {entry.more["status"] for entry in town.of("stream_refused", PERSON)} == {0}
    assert (town.count("stream_open"), town.sockets, town.speech()) == (0, {}, 0)


def test_stream_cut(town: Any) -> None:
    """Each stream is reset so long after it opened."""
    town.set_faults({"kind": "stream_cut", "after_s": 1.5})
    town.put(answer_after_s=0.5)
    town.dial()
    town.run(4)
    opened, closed = town.of("stream_open", PERSON)[0], town.of("stream_close", PERSON)[0]
    assert closed.at - opened.at == pytest.approx(1.5, abs=0.03)
    assert (closed.more["by"], closed.more["code"]) == ("fault", 1006)


def test_stream_silent(town: Any) -> None:
    """The socket opens and not one message comes; nobody is bridged."""
    town.set_faults({"kind": "stream_silent"})
    town.put(answer_after_s=0.5)
    town.dial()
    town.run(4)
    assert (town.count("stream_open"), town.count("bridge"), town.heard_since(0)) == (1, 0, [])
    town.set_faults()
    town.run(1)
    assert len(town.heard_since(0)) >= 40


def test_stream_burst(town: Any) -> None:
    """Sound comes in bunches of half a second, and none is lost."""
    town.talk()
    town.set_faults({"kind": "stream_burst", "every_s": 0.5})
    began = town.now
    town.run(5)
    (socket,) = town.sockets.values()
    times = sorted({at for at, _ in socket.heard if at > began})
    assert len(times) in {9, 10}
    assert all(later - sooner > 0.45 for sooner, later in pairwise(times))
    assert len(town.heard_since(began)) > 200


@pytest.mark.parametrize(("direction", "agent_hears"), [("to_person", False), ("from_person", True)])
def test_one_way(town: Any, direction: str, agent_hears: bool) -> None:
    """Only the named way carries sound."""
    town.talk()
    town.set_faults({"kind": "one_way", "direction": direction})
    began, before = town.now, town.speech()
    town.run(2)
    assert any(town.heard_since(began)) is agent_hears
    assert (town.speech() - before > 1.5) is not agent_hears


@pytest.mark.parametrize("webhook", [True, False])
def test_leg_drop(town: Any, webhook: bool) -> None:
    """The call dies in the network at its time; the customer is told of it, or of nothing at all."""
    town.set_faults({"kind": "leg_drop", "after_s": 4, "webhook": webhook})
    town.talk()
    town.run(1.0)
    told = len(town.delivered)
    town.run(60)
    (ended,) = town.of("hangup", PERSON)
    assert (ended.more["by"], ended.more["seconds"]) == ("network", pytest.approx(4.0, abs=0.03))
    assert (len(town.delivered) > told) is webhook
    assert town.exchange.report(town.now)[0].live_calls == 0
    if not webhook:
        assert "leg_drop" in {entry.more.get("fault") for entry in town.of("webhook")}


def test_every_kind_is_tried_here() -> None:
    """No fault of the lab is without its test on every carrier."""
    tried = {name.removeprefix("test_") for name in globals() if name.startswith("test_")} | set(REFUSING)
    assert {str(kind) for kind in FaultKind} <= tried
