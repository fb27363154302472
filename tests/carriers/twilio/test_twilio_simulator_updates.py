"""The lab's Twilio: what can be changed of a call, and what becomes of orders at the edges."""

import json

import pytest

WAIT = "<Response><Pause length='300'/></Response>"


def update(world, sid: str, **fields: str):
    return world.api("POST", f"/Calls/{sid}.json", fields)


def test_time_limit(world) -> None:
    """A shorter TimeLimit ends the call earlier, a longer one later than it was ordered."""
    short = world.answered_call(WAIT)
    update(world, short, TimeLimit="5")
    world.pass_time(5)
    assert world.status(short) == "completed"
    long = world.answered_call(WAIT, TimeLimit="3")
    update(world, long, TimeLimit="9")
    world.pass_time(5)
    assert world.status(long) == "in-progress"
    world.pass_time(4.1)
    assert world.status(long) == "completed"


def test_new_places_to_report_to(world) -> None:
    """StatusCallback and FallbackUrl can be changed in mid-call; the events asked for stay."""
    sid = world.answered_call(WAIT)
    assert update(world, sid, StatusCallback="http://gw.test/other", FallbackUrl="http://gw.test/saved").status == 200
    update(world, sid, Url="http://gw.test/broken")
    world.answer("", status=500)
    assert world.asked[-1][0] == "/saved"
    world.phone(sid, "ended", cause="normal", by="phone")
    assert world.told("/other")[-1]["CallStatus"] == "completed"


def test_methods_alone(world) -> None:
    """FallbackMethod and StatusCallbackMethod are changed without their URLs, which stay."""
    sid = world.answered_call(WAIT, FallbackUrl="http://gw.test/fallback")
    assert update(world, sid, FallbackMethod="GET", StatusCallbackMethod="GET").status == 200
    update(world, sid, Url="http://gw.test/broken")
    world.answer("", status=500)
    assert (world.webhooks[-1].method, world.webhooks[-1].url.partition("?")[0]) == ("GET", "http://gw.test/fallback")
    world.phone(sid, "ended", cause="normal", by="phone")
    assert (world.webhooks[-1].method, world.webhooks[-1].url.partition("?")[0]) == ("GET", "http://gw.test/status")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"Status": "busy"}, 20001),
        ({"Url": "nowhere"}, 21205),
        ({"Url": "http://gw.test/x", "Twiml": WAIT}, 20001),
        ({"TimeLimit": "0"}, 21208),
        ({"Status": "completed", "Url": "http://gw.test/x"}, 20001),
        ({"Status": "completed", "Twiml": WAIT}, 20001),
        ({"Method": "GET"}, 20001),
        ({"Twiml": "<Response>" + "x" * 4000}, 21205),
    ],
)
def test_wrong_updates(world, fields: dict[str, str], code: int) -> None:
    """Each fault has its code, and the call goes on."""
    sid = world.answered_call(WAIT)
    reply = update(world, sid, **fields)
    assert (reply.status, json.loads(reply.body)["code"]) == (400, code)
    assert world.status(sid) == "in-progress"


def test_broken_inline_document(world) -> None:
    """A document that came with the request and cannot be executed: the apology, for there is nothing to fall back to."""
    sid = world.answered_call(WAIT)
    assert update(world, sid, Twiml="<Response><Nonsense/></Response>").status == 200
    assert "<Nonsense>" in world.refused[0]["detail"]
    world.pass_time(5)
    assert world.status(sid) == "completed"


def test_delete(world) -> None:
    """A call that has ended can be deleted, one that lives cannot (20409)."""
    sid = world.answered_call(WAIT)
    reply = world.api("DELETE", f"/Calls/{sid}.json")
    assert (reply.status, json.loads(reply.body)["code"]) == (409, 20409)
    world.phone(sid, "ended", cause="normal", by="phone")
    assert world.api("DELETE", f"/Calls/{sid}.json").status == 204
    assert world.api("GET", f"/Calls/{sid}.json").status == 404


def test_full_queue(make_world) -> None:
    """When more than a day of calls waits, the next create is refused with 22005."""
    world = make_world(calls_per_second=0.00002)
    assert [world.place().status for _ in range(2)] == [201, 201]
    assert json.loads(world.place().body)["code"] == 22005


def test_reject_of_an_answered_call(world) -> None:
    """`<Reject>` in a call that was answered can only hang up."""
    assert world.status(world.answered_call("<Response><Reject/></Response>")) == "completed"


@pytest.mark.parametrize(
    "document",
    ["<Hangup>now</Hangup>", "<Connect/>", "<Start><Stream/><Stream/></Start>", "<Gather><Record/></Gather>", "<Stream/>"],
)
def test_loud_about_structure(world, document: str) -> None:
    """What stands where it cannot stand is refused by name."""
    world.answered_call(f"<Response>{document}</Response>")
    assert world.refused[0]["code"] == "12200"
    assert document[1:4] in world.refused[0]["detail"]


def test_dial_recorded_from_ringing(world) -> None:
    """record-from-ringing begins before anybody answers."""
    dial = '<Dial record="record-from-ringing" trim="do-not-trim">+15550100005</Dial>'
    sid = world.answered_call(f"<Response>{dial}</Response>")
    (recording,) = world.shown(f"/Calls/{sid}/Recordings.json")["recordings"]
    assert (recording["status"], recording["source"]) == ("in-progress", "DialVerb")


def test_events_show_the_answers(world) -> None:
    """A call's Events hold each request of Twilio's with what was answered."""
    sid = world.answered_call(WAIT)
    events = world.shown(f"/Calls/{sid}/Events.json")["events"]
    asked = next(event for event in events if event["request"]["url"].endswith("/answer"))
    assert asked["response"]["response_code"] == 200
    assert asked["request"]["parameters"]["CallSid"] == sid
