"""Phones that call our numbers, in virtual time: who answers, who gives up, and what both hear."""

from typing import Any

import pytest

from carriers.lab import sound
from carriers.lab.fields import BadField
from carriers.lab.orders import TellLine

FROM = "+15550107001"
STREAM = {"incoming": "stream ws://customer.test/media"}


def hook(world: Any, event: str) -> dict[str, Any]:
    """The one webhook of that kind."""
    found = [told for _, told in world.hooks if told["event"] == event]
    assert len(found) == 1, world.hooks
    return dict(found[0])


def ending(world: Any) -> tuple[str, str, bool]:
    """How the one call ended, as the ledger has it."""
    (entry,) = world.ledger.entries("hangup")
    assert entry.more["direction"] == "inbound"
    return entry.more["by"], entry.more["cause"], entry.more["answered"]


def talking(world: Any, **call: Any) -> Any:
    """A phone has called, the customer's stream carries sound both ways."""
    world.serve_number()
    world.documents = dict(STREAM)
    placed = world.call_us(**{"says": "tone", **call})
    world.run(0.1)
    world.speak(sound.tone(800, 0.2))
    world.run(0.5)
    assert world.kinds("bridge") == ["bridge"]
    return placed


def test_a_call_from_a_phone_is_answered_and_bridged(world: Any) -> None:
    """The customer is asked, answers with a stream, both hear each other, and the ledger has the story in order."""
    placed = talking(world)
    assert world.kinds() == ["call", "webhook", "answer", "stream_open", "bridge"]
    called = world.ledger.entries("call")[0]
    assert (called.number, called.more["to"], called.more["caller_id"]) == (FROM, "+15550190001", FROM)
    assert {entry.more["direction"] for entry in world.ledger.entries("answer") + world.ledger.entries("bridge")} == {"inbound"}
    assert any(sound.is_loud(frame) for _, frame in world.frames)
    assert placed.measure(world.now).speech_seconds == pytest.approx(0.2, abs=0.02)
    report = world.exchange.network.phone(FROM).report(world.now)
    assert (report["rings"], report["answers"], report["heard"]["speech_seconds"] > 0.1) == (0, 0, True)
    assert (report["live"][0]["direction"], report["live"][0]["to"]) == ("inbound", "+15550190001")


def test_the_customer_learns_who_calls(world: Any) -> None:
    """Number, name and attestation arrive as the caller chose them."""
    world.serve_number()
    world.call_us(caller_name="Ada", attestation="B")
    told = hook(world, "incoming")
    assert (told["from"], told["name"], told["grade"], told["to"]) == (FROM, "Ada", "B", "+15550190001")


def test_a_withheld_number_is_not_told(world: Any) -> None:
    """The customer sees no number, the ledger knows the phone all the same."""
    world.serve_number()
    world.call_us(withheld=True)
    assert hook(world, "incoming")["from"] == ""
    entry = world.ledger.entries("call")[0]
    assert (entry.number, entry.more["caller_id"]) == (FROM, "")


def test_the_caller_gives_up(world: Any) -> None:
    """Nobody answers: after their patience the caller hangs up, and the carrier hears it."""
    world.serve_number()
    world.call_us(patience_s=7)
    world.run(6.9)
    assert world.kinds("hangup") == []
    world.run(0.2)
    assert ending(world) == ("phone", "canceled", False)
    assert (hook(world, "ended")["cause"], hook(world, "ended")["by"]) == ("canceled", "phone")


def test_patience_ends_with_the_answer(world: Any) -> None:
    """A caller who was answered does not hang up when their patience for ringing would have ended."""
    talking(world, patience_s=2)
    world.run(30)
    assert world.kinds("hangup") == []


def test_the_caller_may_hang_up_while_it_rings(world: Any) -> None:
    """Putting the phone down before the answer cancels the call."""
    world.serve_number()
    world.call_us()
    assert world.people(lambda network, now: network.put_down(now, FROM)) is True
    assert ending(world) == ("phone", "canceled", False)


@pytest.mark.parametrize("cause", ["busy", "declined", "unreachable", "invalid"])
def test_the_customer_may_refuse(world: Any, cause: str) -> None:
    """A refused caller hears why, once, and no answer is written."""
    world.serve_number()
    world.documents = {"incoming": f"refuse {cause}"}
    world.call_us()
    world.run(100)
    assert ending(world) == ("carrier", cause, False)
    assert world.kinds("answer") == []


def test_the_customer_may_hang_up_before_answering(world: Any) -> None:
    """A hang-up of a ringing call cancels it by the carrier."""
    world.serve_number()
    placed = world.call_us()
    world.ask("DELETE", f"/calls/{placed.ref}")
    assert ending(world) == ("carrier", "canceled", False)


def test_the_customer_hangs_up_after_the_answer(world: Any) -> None:
    """The carrier ends the answered call, the stream closes, and what the caller heard stays known."""
    placed = talking(world)
    world.ask("DELETE", f"/calls/{placed.ref}")
    world.run(1)
    assert ending(world) == ("carrier", "normal", True)
    assert world.kinds("stream_close") == ["stream_close"]
    assert world.exchange.network.phone(FROM).report(world.now)["heard"]["speech_seconds"] == pytest.approx(0.2, abs=0.02)
    assert world.exchange.network.phone(FROM).recorded() is placed


def test_the_caller_hangs_up_after_a_time(world: Any) -> None:
    """`hangup_after_s` of the call counts from the answer and is the caller's doing."""
    talking(world, hangup_after_s=3)
    world.run(5)
    assert ending(world) == ("phone", "normal", True)
    assert world.ledger.entries("hangup")[0].more["seconds"] == pytest.approx(3.0)


def test_an_answer_twice_or_after_the_end_means_nothing(world: Any) -> None:
    """Answering is idempotent, and neither an answer nor a refusal wakes a call that has ended."""
    placed = talking(world)
    network = world.exchange.network
    world.people(lambda _network, now: network.answer(now, carrier="fake", ref=placed.ref))
    world.people(lambda _network, now: network.refuse(now, carrier="fake", ref=placed.ref, cause="busy"))
    assert world.kinds("answer", "hangup") == ["answer"]
    world.people(lambda _network, now: network.put_down(now, FROM))
    world.people(lambda _network, now: network.answer(now, carrier="fake", ref=placed.ref))
    assert world.kinds("answer", "hangup") == ["answer", "hangup"]


def test_a_carrier_cannot_answer_for_a_person(world: Any) -> None:
    """`answer` and `refuse` are for calls that phones placed; a call to a phone is answered by its person alone."""
    world.put(behavior="no_answer")
    world.dial()
    world.run(1)
    ref = world.ledger.entries("ring")[0].carrier_call_id
    world.people(lambda network, now: network.answer(now, carrier="fake", ref=ref))
    world.people(lambda network, now: network.refuse(now, carrier="fake", ref=ref, cause="busy"))
    assert world.kinds("answer", "hangup") == []


def test_keys_go_both_ways(world: Any) -> None:
    """The caller's keys reach the customer, the customer's reach the phone, the ledger and its report."""
    placed = talking(world, dtmf="12")
    world.run(1)
    assert [told["digit"] for _, told in world.hooks if told["event"] == "digit"] == ["1", "2"]
    world.ask("POST", f"/calls/{placed.ref}/keys", b'{"digits":"34#"}')
    assert [entry.more["digits"] for entry in world.ledger.entries("keys")] == ["34#"]
    assert world.exchange.network.phone(FROM).report(world.now)["live"][0]["keys_heard"] == "34#"


def test_keys_before_the_answer_reach_nobody(world: Any) -> None:
    """DTMF into a ringing call is lost, as on any line."""
    world.serve_number()
    placed = world.call_us()
    world.ask("POST", f"/calls/{placed.ref}/keys", b'{"digits":"3"}')
    assert (world.kinds("keys"), placed.keys_heard) == ([], "")


def test_what_is_said_in_a_call_does_not_change_the_phone(world: Any) -> None:
    """`says` and `dtmf` of a call are of this call; the set-up of the phone stays."""
    world.put(says="silence")
    talking(world, says="tone", dtmf="5")
    phone = world.exchange.network.phone(FROM)
    assert (phone.setup.speech.word, phone.setup.dtmf) == ("silence", "")


def test_who_is_in_a_call_cannot_call(world: Any) -> None:
    """A phone that rings, calls or talks is refused a second call of its own, by name."""
    world.serve_number()
    world.call_us()
    with pytest.raises(BadField, match="in a call already") as caught:
        world.call_us()
    assert caught.value.code == "conflict"
    assert world.kinds("call") == ["call"]


@pytest.mark.parametrize("answered", [True, False])
def test_a_calling_phone_notices_a_second_caller(world: Any, answered: bool) -> None:
    """Somebody dials a phone that is itself calling: busy for them, a knock for the person, a ring in the ledger."""
    world.people(lambda network, now: network.attend(now, FROM, True))
    if answered:
        talking(world)
    else:
        world.serve_number()
        world.call_us()
    world.dial(FROM)
    world.run(2)
    assert [entry.more.get("while_busy") for entry in world.ledger.entries("ring", number=FROM)] == [True]
    assert [(entry.more["cause"], entry.more["by"]) for entry in world.ledger.entries("hangup")] == [("busy", "phone")]
    notices = [order.notice for order in world.orders if isinstance(order, TellLine) and order.notice.kind != "audio"]
    assert [notice.kind for notice in notices] == ["calling", *(["answered"] if answered else []), "knock"]
    assert (notices[0].called, notices[-1].called) == ("+15550190001", "")
    assert world.exchange.network.phone(FROM).rings == 1


def test_an_attended_phone_speaks_and_listens_in_its_own_call(world: Any) -> None:
    """A person at the line who calls is heard, hears, and may hang up."""
    world.people(lambda network, now: network.attend(now, FROM, True))
    world.serve_number()
    world.documents = dict(STREAM)
    world.call_us()
    world.run(0.1)
    assert world.people(lambda network, _now: network.speak(FROM, sound.tone(500, 0.1))) is True
    world.speak(sound.tone(800, 0.1))
    world.run(0.5)
    world.people(lambda network, now: network.put_down(now, FROM))
    notices = [order.notice for order in world.orders if isinstance(order, TellLine)]
    assert [notice.kind for notice in notices if notice.kind != "audio"] == ["calling", "answered", "ended"]
    assert sum(sound.is_loud(notice.sound) for notice in notices) == 5
    assert sum(sound.is_loud(frame) for _, frame in world.frames) == 5


def test_a_number_without_service_is_refused(world: Any) -> None:
    """A number that nobody takes calls for, one that is nobody's, and a carrier that is down are told apart."""
    with pytest.raises(BadField, match="not in service at fake") as unserved:
        world.call_us()
    world.serve_number()
    with pytest.raises(BadField, match="no carrier's number") as foreign:
        world.call_us(to="+15550199999")
    world.set_faults({"kind": "down"})
    with pytest.raises(BadField, match="not in service at fake"):
        world.call_us()
    assert (unserved.value.code, foreign.value.code) == ("conflict", "invalid-field")
    assert world.kinds("call") == []


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("webhook", [True, False])
def test_an_inbound_leg_drops(world: Any, before: bool, webhook: bool) -> None:
    """`leg_drop` strikes calls that phones placed as well, set before the call or in the middle of it."""
    fault = {"kind": "leg_drop", "after_s": 3, "webhook": webhook}
    if before:
        world.set_faults(fault)
    talking(world)
    if not before:
        world.set_faults(fault)
    world.run(5)
    assert ending(world) == ("network", "normal", True)
    assert world.ledger.entries("hangup")[0].more["seconds"] == pytest.approx(3.0)
    assert ("ended" in [told["event"] for _, told in world.hooks]) is webhook


@pytest.mark.parametrize(("direction", "heard"), [("to_person", False), ("from_person", True)])
def test_one_way_strikes_inbound_calls(world: Any, direction: str, heard: bool) -> None:
    """The named way is the one that still works, whoever called."""
    placed = talking(world)
    before = placed.measure(world.now).speech_seconds
    world.set_faults({"kind": "one_way", "direction": direction})
    world.frames.clear()
    world.speak(sound.tone(800, 0.5))
    world.run(1)
    assert any(sound.is_loud(frame) for _, frame in world.frames) is heard
    assert (placed.measure(world.now).speech_seconds > before) is not heard


def test_a_carrier_that_dies_drops_its_callers(world: Any) -> None:
    """`down` ends ringing and answered calls of phones in the network."""
    talking(world)
    world.documents = {}
    world.call_us("+15550107002")
    world.set_faults({"kind": "down"})
    ends = {entry.number: (entry.more["by"], entry.more["cause"]) for entry in world.ledger.entries("hangup")}
    assert ends == {FROM: ("network", "normal"), "+15550107002": ("network", "unreachable")}


def test_a_reset_forgets_callers(world: Any) -> None:
    """After a reset no caller gives up, nothing is on the line, and the phone may call again."""
    talking(world)
    world.exchange.reset(world.now)
    world.run(100)
    assert world.kinds() == []
    world.call_us()
    assert world.kinds("call") == ["call"]


def test_a_text_reaches_a_phone(world: Any) -> None:
    """The message is in the phone's report, the ledger says so, the carrier hears `delivered`, and an attended phone shows it."""
    world.people(lambda network, now: network.attend(now, FROM, True))
    world.ask("POST", "/texts", b'{"to":"15550107001","from":"+15550190001","body":"hello"}')
    assert world.sim.texts == []
    world.run(1)
    assert [event.kind for event in world.sim.texts] == ["delivered"]
    messages = world.exchange.network.phone(FROM).report(world.now)["messages"]
    assert [(one["caller_id"], one["body"], one["at"]) for one in messages] == [("+15550190001", "hello", 1000.3)]
    assert [entry.more["outcome"] for entry in world.ledger.entries("text", number=FROM)] == ["delivered"]
    notices = [order.notice for order in world.orders if isinstance(order, TellLine)]
    assert [(notice.kind, notice.text, notice.caller_id) for notice in notices] == [("text", "hello", "+15550190001")]


@pytest.mark.parametrize("behavior", ["unreachable", "invalid"])
def test_a_text_to_nobody_is_undelivered(world: Any, behavior: str) -> None:
    """A phone that is off, or none, gets no message, and the carrier hears that."""
    world.put(behavior=behavior)
    world.ask("POST", "/texts", b'{"to":"+15550107001","from":"+15550190001","body":"hello"}')
    world.run(1)
    assert [event.kind for event in world.sim.texts] == ["undelivered"]
    assert world.exchange.network.phone(FROM).messages == []


def test_a_text_of_a_dead_carrier_is_undelivered(world: Any) -> None:
    """A carrier that goes down while a text is on its way delivers it to nobody."""
    world.ask("POST", "/texts", b'{"to":"+15550107001","from":"+15550190001","body":"hello"}')
    world.set_faults({"kind": "down"})
    world.run(1)
    assert [entry.more["outcome"] for entry in world.ledger.entries("text")] == ["undelivered"]


def test_a_fetched_file_is_played(world: Any) -> None:
    """The carrier fetches what the customer names, the person hears it, and the ledger has the fetch beside no webhook."""
    placed = talking(world)
    before = placed.measure(world.now).speech_seconds
    world.files["http://customer.test/hello"] = sound.tone(600, 0.4)
    webhooks = len(world.kinds("webhook"))
    world.ask("POST", f"/calls/{placed.ref}/play", b'{"url":"http://customer.test/hello"}')
    world.run(1)
    assert placed.measure(world.now).speech_seconds - before == pytest.approx(0.4, abs=0.03)
    (entry,) = world.ledger.entries("fetch")
    assert (entry.more, entry.carrier_call_id) == (
        {"url": "http://customer.test/hello", "status": 200, "bytes": 3200},
        placed.ref,
    )
    assert len(world.kinds("webhook")) == webhooks


def test_a_missing_file_is_told_as_it_is(world: Any) -> None:
    """A 404 reaches the simulator and the ledger as one."""
    placed = talking(world)
    world.ask("POST", f"/calls/{placed.ref}/play", b'{"url":"http://customer.test/nothing"}')
    assert world.sim.fetched[-1][1].status == 404
    assert world.ledger.entries("fetch")[0].more["status"] == 404


def test_two_phones_that_are_joined_hear_each_other(world: Any) -> None:
    """A caller and a called phone, joined by the carrier without any stream, hear each other until one hangs up."""
    world.serve_number()
    world.documents = {"incoming": "answer"}
    world.put("+15550107002", says="tone", answer_after_s=0)
    caller = world.call_us(says="tone:600")
    world.dial("+15550107002")
    world.run(0.5)
    other = world.exchange.network.phone("+15550107002").live[0]
    world.ask("POST", f"/calls/{caller.ref}/join", b'{"with":"%s"}' % other.ref.encode())
    world.run(1)
    assert caller.measure(world.now).speech_seconds > 0.9
    assert other.measure(world.now).speech_seconds > 0.9
    world.people(lambda network, now: network.put_down(now, FROM))
    world.run(1)
    assert world.exchange.ticking is False
