"""The lab's Twilio is given what cannot even be read: it refuses with a code, and never falls over."""

import json

import pytest

from carriers.lab.contract import OpenSocket, WebhookReply
from carriers.twilio.webhooks import RETRIES

NO_ADDRESS = ("http://[", "http://gw.test:99999/", "http://gw.test:abc/", "http://gw.test:0/")
STREAM = "<Response><Connect><Stream url='{}'/></Connect></Response>"


def code(reply) -> tuple[int, int]:
    return reply.status, json.loads(reply.body)["code"]


@pytest.mark.parametrize("url", NO_ADDRESS)
@pytest.mark.parametrize("name", ["Url", "StatusCallback", "FallbackUrl"])
def test_a_url_that_is_none(world, name: str, url: str) -> None:
    """Brackets that do not close and ports that no machine has are 21205, not a crash."""
    assert code(world.place(**{name: url})) == (400, 21205)


@pytest.mark.parametrize("url", ["ws://[", "wss://gw.test:99999/m", "wss://gw.test:abc/m"])
def test_a_stream_to_nowhere(world, url: str) -> None:
    """A malformed stream URL is 31923: no socket is tried, and the document goes on."""
    sid = world.answered_call(STREAM.format(url))
    assert [entry["code"] for entry in world.refused] == ["31923"]
    assert (world.of(OpenSocket), world.status(sid)) == ([], "completed")


@pytest.mark.parametrize("verb", ["<Redirect>http://[</Redirect>", "<Redirect method='GET'>http://[#rc=1</Redirect>"])
def test_a_document_at_no_address(world, verb: str) -> None:
    """A verb that names no address leads to the fallback URL like any address that cannot be reached."""
    world.answered_call(f"<Response>{verb}</Response>", FallbackUrl="http://gw.test/fallback")
    for _ in range(2):
        world.sim.on_webhook_reply(world.now, world.webhooks[-1].id, WebhookReply(status=0, failure="connect"))
    assert world.webhooks[-1].url == "http://gw.test/fallback"


@pytest.mark.parametrize("name", ["Timeout", "TimeLimit", "MachineDetectionTimeout"])
def test_digits_of_another_alphabet(world, name: str) -> None:
    """A raised two is a digit to some, and no number: refused."""
    assert code(world.place(**{name: "²", "MachineDetection": "Enable"})) == (400, 21208)


def test_an_override_of_another_alphabet(world) -> None:
    """What the fragment says in digits that are none falls back to the default: one repeat."""
    world.answered_call("<Response><Hangup/></Response>", StatusCallback="http://gw.test/status#rc=²")
    world.pass_time(1)
    told = [hook for hook in world.webhooks if hook.url == "http://gw.test/status"]
    for attempt in (1, 2):
        assert [hook.attempt for hook in world.webhooks if hook.body == told[-1].body] == list(range(1, attempt + 1))
        last = [hook for hook in world.webhooks if hook.body == told[-1].body][-1]
        world.sim.on_webhook_reply(world.now, last.id, WebhookReply(status=0, failure="connect"))
    assert len([hook for hook in world.webhooks if hook.body == told[-1].body]) == 2


@pytest.mark.parametrize("body", ["<Response>" + "<Say>" * 5000 + "</Say>" * 5000 + "</Response>"])
def test_a_document_without_a_floor(world, body: str) -> None:
    """Elements within elements by the thousand are no TwiML."""
    world.answered_call(body)
    assert [entry["code"] for entry in world.refused] == ["12100"]


@pytest.mark.parametrize(
    "body",
    ["<Response>Hello</Response>", "<Response><Hangup/>Hello</Response>", "<Response><Gather><Say/>Hello</Gather></Response>"],
)
def test_text_beside_the_verbs(world, body: str) -> None:
    """Words that no verb would say are refused with themselves, and not lost."""
    world.answered_call(body)
    assert [(entry["code"], entry["detail"]) for entry in world.refused] == [
        ("12200", "text outside of a verb is not simulated: Hello")
    ]


def test_a_message_without_a_floor(world) -> None:
    """A media message of brackets alone is dropped with 31951."""
    world.answered_call(STREAM.format("ws://gw.test/m"))
    stream = world.stream.stream
    world.sim.on_socket_open(world.now, stream)
    world.sim.on_socket_frame(world.now, stream, "[" * 200_000)
    assert [more["code"] for kind, more in world.ledger if kind == "rejected_frame"] == ["31951"]


@pytest.mark.parametrize(
    ("fragment", "words"),
    [
        ("rc=9&rt=5000", "rc=9"),
        ("tc=3&rp=5xx,timeout", "tc=3, rp=5xx,timeout"),
        ("answer", "answer="),
        ("ct=100&rt=15000&tt=15000&rc=5&rp=4xx,5xx,ct,rt&e=dublin", ""),
        (RETRIES.lstrip("#"), ""),
    ],
)
def test_overrides_without_effect(world, fragment: str, words: str) -> None:
    """What a URL's fragment asks for in vain stands in the ledger once; what is obeyed, ours included, does not."""
    for _ in range(2):
        world.answered_call("<Response><Pause length='9'/></Response>", StatusCallback=f"http://gw.test/status#{fragment}")
        world.pass_time(1)
    assert [entry["detail"] for entry in world.refused] == ([f"connection override without effect: {words}"] if words else [])


@pytest.mark.parametrize("address", ["sip:ada@example.com", "sips:ada@example.com", "client:ada"])
@pytest.mark.parametrize("name", ["To", "From"])
def test_an_address_of_another_network(world, name: str, address: str) -> None:
    """What is good at Twilio and not simulated is refused by name, not called a bad number."""
    assert code(world.place(**{name: address})) == (400, 20001)
    assert world.refused[-1]["detail"] == f"not simulated: {name}={address}"


def test_a_text_to_another_network(world) -> None:
    """The same for texts."""
    reply = world.api("POST", "/Messages.json", {"To": "whatsapp:+15550100001", "From": "+15550190001", "Body": "Hello"})
    assert (code(reply), world.refused[-1]["detail"]) == ((400, 20001), "not simulated: To=whatsapp:+15550100001")


def test_a_resource_that_is_not_simulated(world) -> None:
    """Whoever asks for conferences learns that the lab has none, and not that a sid is wrong."""
    reply = world.api("GET", "/Conferences.json")
    assert "not simulated: GET" in json.loads(reply.body)["message"]
    assert world.refused[-1]["detail"].startswith("not simulated: GET")
