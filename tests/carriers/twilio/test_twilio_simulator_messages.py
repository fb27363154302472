"""The lab's Twilio: one text message."""

import json

import pytest

from carriers.twilio.simulator_messages import segments

OURS, THEIRS = "+15550190001", "+15550100001"


def send(world, **changes):
    fields = {"To": THEIRS, "From": OURS, "Body": "Hello", "StatusCallback": "http://gw.test/text"} | changes
    return world.api("POST", "/Messages.json", {name: value for name, value in fields.items() if value is not None})


@pytest.mark.parametrize(("kind", "error"), [("delivered", None), ("undelivered", 30003)])
def test_message(world, kind: str, error: int | None) -> None:
    """Queued, sent, then its fate, each told in a callback; the resource shows the same."""
    reply = send(world)
    message = json.loads(reply.body)
    assert (reply.status, message["status"], message["num_segments"], message["date_sent"]) == (201, "queued", "1", None)
    world.pass_time(1)
    assert ("text", message["sid"], "Hello") in world.network_acts
    world.phone(message["sid"], kind)
    assert [fields["MessageStatus"] for fields in world.told("/text")] == ["sending", "sent", kind]
    last = world.told("/text")[-1]
    assert (last["MessageSid"], last["To"], last.get("ErrorCode")) == (message["sid"], THEIRS, str(error) if error else None)
    shown = world.shown(f"/Messages/{message['sid']}.json")
    assert (shown["status"], shown["error_code"]) == (kind, error)
    assert [one["sid"] for one in world.shown("/Messages.json?To=%2B15550100001")["messages"]] == [message["sid"]]
    assert world.api("DELETE", f"/Messages/{message['sid']}.json").status == 204
    assert world.api("GET", f"/Messages/{message['sid']}.json").status == 404


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": None}, 21604),
        ({"To": "5550"}, 21211),
        ({"From": None}, 21213),
        ({"From": "+15550109999"}, 21606),
        ({"Body": None}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"MediaUrl": "http://gw.test/x.jpg"}, 20001),
        ({"MessagingServiceSid": "MG" + "0" * 32}, 20001),
    ],
)
def test_refused(world, changes: dict[str, str | None], code: int) -> None:
    """Each fault has its code; what is not simulated is named."""
    reply = send(world, **changes)
    assert (reply.status, json.loads(reply.body)["code"]) == (400, code)
    world.pass_time(1)
    assert world.network_acts == []


@pytest.mark.parametrize(
    ("body", "count"),
    [("x" * 160, 1), ("x" * 161, 2), ("€" * 80, 1), ("€" * 81, 2), ("ж" * 70, 1), ("ж" * 71, 2), ("x" * 307, 3)],
)
def test_segments(body: str, count: int) -> None:
    """Segments are counted by alphabet."""
    assert segments(body) == count
