"""The exchange in virtual time, through the fake carrier: every fault, seen where it bites."""

from itertools import pairwise
from typing import Any

import pytest

from carriers.lab import sound
from carriers.lab.contract import CloseSocket, WebhookReply
from carriers.lab.fields import BadField
from carriers.lab.orders import Listen, TellLine

TO = "+15550107001"
STREAM = {"answered": "stream ws://customer.test/media"}


def events(world: Any) -> list[str]:
    return [hook["event"] for _, hook in world.hooks]


def bridged(world: Any) -> None:
    """Put the world into a call whose stream carries sound both ways."""
    world.documents = dict(STREAM)
    world.put(says="tone")
    world.dial()
    world.run(1.5)
    world.speak(sound.tone(800, 0.2))
    world.run(0.5)
    assert world.kinds("bridge") == ["bridge"]


def test_a_call_from_dial_to_bridge(world: Any) -> None:
    """The ledger has the whole story in order, and time comes only from the driver."""
    bridged(world)
    assert world.kinds() == ["dial", "ring", "webhook", "answer", "webhook", "stream_open", "bridge"]
    assert [entry.at for entry in world.ledger.entries("answer")] == [pytest.approx(1001.1)]
    assert len(world.frames) > 30


def test_the_same_seed_gives_the_same_world(fake_kind: Any, world: Any) -> None:
    """Two worlds with one seed have the same ids and the same ledger, to the byte."""
    other = type(world)(fake_kind)
    for each in (world, other):
        each.set_faults({"kind": "webhooks_lost", "rate": 0.5})
        each.dial()
        each.run(20)
    assert [entry.flat() for entry in world.ledger.entries()] == [entry.flat() for entry in other.ledger.entries()]


def test_time_that_goes_back_is_held(world: Any) -> None:
    """A driver whose clock steps back does not rewind the ledger."""
    world.dial()
    world.run(5)
    world.exchange.on_time(10.0)
    assert world.exchange.now == 1005.0


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ({"kind": "http_error", "status": 503}, 503),
        ({"kind": "http_error"}, 500),
        ({"kind": "auth_error"}, 401),
        ({"kind": "suspended"}, 403),
        ({"kind": "rate_limited"}, 429),
    ],
)
def test_refusals_place_nothing_and_hit_every_request(world: Any, fault: dict[str, Any], status: int) -> None:
    """The carrier's own wording is answered, no phone rings, look-ups are hit too, and the dial is in the ledger."""
    world.set_faults(fault)
    assert world.dial().reply.status == status
    assert world.ask("GET", "/calls/x").reply.status == status
    world.run(10)
    assert world.kinds("dial", "ring") == ["dial"]
    assert world.ledger.entries("dial")[0].more == {"fault": fault["kind"]}


@pytest.mark.parametrize("fault", [{"kind": "http_error", "after_placing": True, "code": "20500"}, {"kind": "drop_after_accept"}])
def test_faults_after_placing_ring_and_spare_look_ups(world: Any, fault: dict[str, Any]) -> None:
    """The dial is placed though its answer is lost or an error; a look-up works and finds it."""
    world.set_faults(fault)
    answer = world.dial()
    assert (answer.reply and answer.reply.status, answer.otherwise) in {(500, "closed"), (None, "closed")}
    placed = world.ledger.entries("dial")
    assert world.ask("GET", f"/calls/{placed[0].carrier_call_id}").reply.status == 200
    world.run(5)
    assert world.kinds("dial", "ring") == ["dial", "ring"]


def test_slow_holds_the_answer_and_not_the_call(world: Any) -> None:
    """The answer is to be held back while the phone rings at once."""
    world.set_faults({"kind": "slow", "s": 30})
    assert world.dial().delay_s == 30
    world.run(1)
    assert world.kinds("ring") == ["ring"]


def test_a_prefix_spares_other_destinations(world: Any) -> None:
    """A fault for one prefix lets other dials through."""
    world.set_faults({"kind": "blackhole", "prefix": "+1555010700"})
    assert world.dial("+15550107001").otherwise == "held"
    assert world.dial("+15550108001").reply.status == 201


def test_reject_fails_later_with_the_given_cause(world: Any) -> None:
    """The dial is accepted, then fails with the carrier's cause, and no phone rings."""
    world.set_faults({"kind": "reject", "cause": "congestion"})
    assert world.dial().reply.status == 201
    world.run(5)
    assert [(hook["event"], hook["cause"]) for _, hook in world.hooks] == [("failed", "congestion")]
    assert world.kinds("ring") == []


def test_queueing_dials_late(world: Any) -> None:
    """The dial is accepted at once and rings after the queue."""
    world.set_faults({"kind": "queueing", "s": 20})
    assert world.dial().reply.status == 201
    world.run(1)
    assert world.exchange.report(world.now)[0].queue == 1
    world.run(30)
    assert [entry.at for entry in world.ledger.entries("ring")] == [pytest.approx(1020.1)]


def test_down_closes_drops_and_silences(world: Any) -> None:
    """Going down closes the listener, resets the stream, drops the phone's call, and no webhook leaves until it is over."""
    bridged(world)
    before = len(world.hooks)
    world.set_faults({"kind": "down", "for_s": 10})
    assert Listen(open=False) in world.orders
    assert any(isinstance(order, CloseSocket) and order.abrupt for order in world.orders)
    assert world.sim.sockets[-1][2] == 1006
    assert world.ledger.entries("hangup")[0].more["by"] == "network"
    world.run(5)
    assert len(world.hooks) == before
    assert [entry.more["fault"] for entry in world.ledger.entries("webhook") if entry.more["status"] == 0] == ["down"]
    world.run(6)
    assert world.orders[-1] == Listen(open=True)
    assert world.sim.replies[-1][1].failure == "timeout"


def test_down_may_leave_the_calls_alone(world: Any) -> None:
    """With drop_calls false only the API and the sockets go; the person stays on the line."""
    bridged(world)
    world.set_faults({"kind": "down", "drop_calls": False})
    assert world.kinds("hangup", "stream_close") == ["stream_close"]


def test_a_flap_opens_and_closes_by_itself(world: Any) -> None:
    """The listener follows the flap's periods without anybody asking, and stops when the fault is cleared."""
    world.set_faults({"kind": "flap", "period_s": 2})
    world.run(7)
    world.set_faults()
    world.run(10)
    assert [order.open for order in world.orders if isinstance(order, Listen)] == [False, True, False, True]


def test_lost_webhooks_look_like_a_silent_customer(world: Any) -> None:
    """Nothing leaves; the simulator learns after its own time-out that nobody answered."""
    world.set_faults({"kind": "webhooks_lost"})
    world.dial()
    world.run(1)
    assert (world.hooks, world.sim.replies) == ([], [])
    world.run(5)
    assert [reply.failure for _, reply in world.sim.replies] == ["timeout", "timeout"]
    assert [entry.more["failure"] for entry in world.ledger.entries("webhook")] == ["lost", "lost"]


def test_late_webhooks_come_late(world: Any) -> None:
    """Each leaves the given time after it was due."""
    world.set_faults({"kind": "webhooks_late", "s": 4})
    world.dial()
    world.run(10)
    assert [(round(at - 1000, 2), hook["event"]) for at, hook in world.hooks] == [(4.1, "ringing"), (5.1, "answered")]


def test_webhooks_twice_are_the_same_twice(world: Any) -> None:
    """Two equal deliveries leave; the simulator hears of one answer, the ledger of both."""
    world.set_faults({"kind": "webhooks_twice"})
    world.dial()
    world.run(0.5)
    assert events(world) == ["ringing", "ringing"]
    assert world.delivered[0].webhook == world.delivered[1].webhook
    assert len(world.sim.replies) == 1
    assert [entry.more.get("copy") for entry in world.ledger.entries("webhook")] == [None, "2"]


def test_shuffled_webhooks_change_their_order(world: Any) -> None:
    """What was due within the window leaves in another order, and nothing is lost."""
    world.put(answer_after_s=0.1, hangup_after_s=0.1)
    world.set_faults({"kind": "webhooks_shuffled", "s": 1})
    world.dial()
    world.run(5)
    assert sorted(events(world)) == ["answered", "ended", "ringing"]
    assert events(world) != ["ringing", "answered", "ended"]


def test_unsigned_webhooks_lack_only_the_signature(world: Any) -> None:
    """The signature's header is gone in whatever case it was written; the rest is as it was."""
    world.set_faults({"kind": "webhooks_unsigned"})
    world.dial()
    world.run(1)
    assert dict(world.delivered[0].webhook.headers) == {"content-type": "application/json"}


def test_a_refused_stream_never_connects(world: Any) -> None:
    """The simulator learns that its socket was refused; no connection was attempted."""
    world.documents = dict(STREAM)
    world.set_faults({"kind": "stream_refused"})
    world.dial()
    world.run(3)
    assert [(word, status) for word, _, status in world.sim.sockets] == [("refused", 0)]
    assert world.kinds("stream_open", "stream_refused") == ["stream_refused"]


def test_a_cut_stream_breaks_after_its_time(world: Any) -> None:
    """Each stream is reset the given time after it opened, and the simulator sees 1006."""
    world.set_faults({"kind": "stream_cut", "after_s": 2})
    bridged(world)
    world.run(3)
    closed = world.ledger.entries("stream_close")[0]
    opened = world.ledger.entries("stream_open")[0]
    assert closed.at - opened.at == pytest.approx(2.0, abs=0.03)
    assert (closed.more["by"], closed.more["code"], world.sim.sockets[-1][0]) == ("fault", 1006, "closed")


def test_a_cut_that_is_set_in_mid_call_strikes_the_open_stream(world: Any) -> None:
    """A stream older than the cut's time breaks at once."""
    bridged(world)
    world.set_faults({"kind": "stream_cut", "after_s": 0})
    world.run(0.1)
    assert world.kinds("stream_close") == ["stream_close"]


def test_a_cut_that_is_cleared_in_time_does_nothing(world: Any) -> None:
    """A planned cut asks again before it strikes."""
    bridged(world)
    world.set_faults({"kind": "stream_cut", "after_s": 5})
    world.set_faults()
    world.run(10)
    assert world.kinds("stream_close") == []


def test_a_silent_stream_is_open_and_empty(world: Any) -> None:
    """No frame leaves while the socket stays open; cleared, frames flow again."""
    world.documents = dict(STREAM)
    world.set_faults({"kind": "stream_silent"})
    world.dial()
    world.run(3)
    assert (world.frames, world.kinds("stream_open", "stream_close")) == ([], ["stream_open"])
    world.set_faults()
    world.run(1)
    assert len(world.frames) >= 49


def test_a_burst_holds_frames_and_sends_them_together(world: Any) -> None:
    """Frames leave in bunches of half a second, none lost."""
    world.documents = dict(STREAM)
    world.set_faults({"kind": "stream_burst", "every_s": 0.5})
    world.dial()
    world.run(4)
    times = sorted({at for at, _ in world.frames})
    assert len(times) <= 6
    assert all(later - sooner >= 0.49 for sooner, later in pairwise(times))
    assert len(world.frames) > 100


@pytest.mark.parametrize(
    ("direction", "person_is_heard", "person_hears"), [("to_person", False, True), ("from_person", True, False)]
)
def test_one_way_lets_one_direction_live(world: Any, direction: str, person_is_heard: bool, person_hears: bool) -> None:
    """`direction` names the way that still works."""
    bridged(world)
    world.set_faults({"kind": "one_way", "direction": direction})
    heard_before = world.exchange.network.phone(TO).calls[0].measure(world.now).speech_seconds
    world.frames.clear()
    world.speak(sound.tone(800, 0.5))
    world.run(1)
    assert any(sound.is_loud(frame) for _, frame in world.frames) is person_is_heard
    heard = world.exchange.network.phone(TO).calls[0].measure(world.now).speech_seconds - heard_before
    assert (heard > 0.4) is person_hears


@pytest.mark.parametrize("webhook", [True, False])
def test_a_dropped_leg_dies_in_the_network(world: Any, webhook: bool) -> None:
    """The call ends by the network after its time, with or without a webhook that says so."""
    world.set_faults({"kind": "leg_drop", "after_s": 3, "webhook": webhook})
    bridged(world)
    world.run(5)
    ended = world.ledger.entries("hangup")[0]
    assert (ended.more["by"], ended.more["seconds"]) == ("network", pytest.approx(3.0))
    assert ("ended" in events(world)) is webhook


def test_faults_of_one_carrier_spare_the_other(two_carriers: Any) -> None:
    """With one carrier down the other reaches the same phone."""
    two_carriers.set_faults({"kind": "down"})
    assert two_carriers.dial(carrier="other").reply.status == 201
    two_carriers.run(2)
    assert [entry.carrier for entry in two_carriers.ledger.entries("ring")] == ["other"]


def test_double_ringing_is_visible(two_carriers: Any) -> None:
    """A gateway that dials one person through two carriers at once is found out."""
    two_carriers.dial()
    two_carriers.dial(carrier="other")
    two_carriers.run(5)
    rings = two_carriers.ledger.entries("ring", number=TO)
    assert [(entry.carrier, entry.more.get("while_busy")) for entry in rings] == [("fake", None), ("other", True)]


def test_reset_forgets_all_but_the_carrier(world: Any) -> None:
    """Calls, phones, faults and ledger are gone, nothing old comes back, and a new call works."""
    credentials = world.exchange.credentials()
    world.put(behavior="busy")
    world.set_faults({"kind": "down"})
    world.dial()
    world.exchange.reset(world.now)
    world.run(20)
    assert (world.kinds(), world.exchange.report(world.now)[0].listening) == ([], True)
    assert world.exchange.credentials() == credentials
    world.dial()
    world.run(2)
    assert world.kinds("ring", "answer") == ["ring", "answer"]


def test_reset_closes_streams(world: Any) -> None:
    """An open stream is closed and its late messages mean nothing."""
    bridged(world)
    stream = world.sim.sockets[0][1]
    world.exchange.reset(world.now)
    world.exchange.on_socket_frame(world.now, "fake", stream, sound.SILENCE)
    assert world.exchange.ticking is False
    assert [order.code for order in world.exchange.take_orders()[0:1] for order in [order.effect]] == [1001]


def test_late_replies_to_unknown_webhooks_mean_nothing(world: Any) -> None:
    """A reply to a webhook of an earlier life changes nothing and writes nothing."""
    world.exchange.on_webhook_reply(world.now, "fake", "fake-99", WebhookReply(status=200))
    assert (world.kinds(), world.sim.replies) == ([], [])


def test_an_unknown_carrier_is_named(world: Any) -> None:
    """Faults for a carrier that is not there are refused with the list of those that are."""
    with pytest.raises(BadField, match="there are: fake"):
        world.exchange.set_faults(world.now, "nope", [])


def test_a_persons_line_hears_and_speaks(world: Any) -> None:
    """With somebody at the line, what the agent says comes out as notices, and what they say goes to the stream."""
    world.documents = dict(STREAM)
    world.exchange.as_people(world.now, lambda network, now: network.attend(now, TO, True))
    world.dial()
    world.run(5)
    assert world.kinds("answer") == []
    world.exchange.as_people(world.now, lambda network, now: network.pick_up(now, TO))
    world.run(0.1)
    world.exchange.as_people(world.now, lambda network, now: network.speak(TO, sound.tone(500, 0.1)))
    world.speak(sound.tone(800, 0.1))
    world.run(1)
    notices = [order.notice for order in world.orders if isinstance(order, TellLine)]
    assert [notice.kind for notice in notices if notice.kind != "audio"] == ["ring", "answered"]
    assert sum(sound.is_loud(notice.sound) for notice in notices if notice.kind == "audio") == 5
    assert sum(sound.is_loud(frame) for _, frame in world.frames) == 5
