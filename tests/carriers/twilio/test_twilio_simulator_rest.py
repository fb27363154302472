"""The lab's Twilio: its API, as Twilio words it."""

import json
from typing import Any

import pytest

from carriers.lab.contract import RestReply, RestRequest

OURS, THEIRS = "+15550190001", "+15550100001"


def body(reply: RestReply) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(reply.body)
    return found


def test_create(world) -> None:
    """A good create is a 201 with a queued call, a ledger entry, and nothing heard of it yet."""
    reply = world.place()
    call = body(reply)
    assert (reply.status, call["status"], call["to"], call["from"], call["queue_time"]) == (201, "queued", THEIRS, OURS, "0")
    assert call["sid"].startswith("CA")
    assert call["date_created"] == "Sun, 22 Nov 2026 11:00:00 +0000"
    assert call["to_formatted"] == "(555) 010-0001"
    assert ("dial", {"carrier": "twilio", "number": THEIRS, "carrier_call_id": call["sid"], "status": 201}) in world.ledger
    assert world.webhooks == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"To": None}, 21201),
        ({"To": ""}, 21201),
        ({"To": "5550100001"}, 21211),
        ({"To": "+1555010000x"}, 21211),
        ({"From": None}, 21213),
        ({"From": "hello"}, 21212),
        ({"From": "+15550190009"}, 21210),
        ({"To": "+15005550001"}, 21217),
        ({"To": "+15005550002"}, 21214),
        ({"To": "+15005550003"}, 21215),
        ({"To": "+15005550004"}, 21216),
        ({"From": "+15005550001"}, 21212),
        ({"Url": None}, 21205),
        ({"Url": "answer"}, 21205),
        ({"Url": None, "Twiml": "<Response>" + "x" * 4000}, 21205),
        ({"StatusCallback": "http://under_score.example/x"}, 21205),
        ({"FallbackUrl": "ftp://gw.test/x"}, 21205),
        ({"Method": "PUT"}, 21209),
        ({"Timeout": "0"}, 21208),
        ({"Timeout": "601"}, 21208),
        ({"Timeout": "soon"}, 21208),
        ({"TimeLimit": "0"}, 21208),
        ({"StatusCallbackEvent": ["answerd"]}, 20001),
        ({"Record": "True"}, 20001),
        ({"CallerId": "+15550190001"}, 20001),
        ({"AsyncAmd": "True", "MachineDetection": "Enable"}, 20001),
        ({"MachineDetection": "Always"}, 20001),
        ({"SendDigits": "call me"}, 21206),
        ({"ApplicationSid": "AP" + "0" * 32}, 21218),
        ({"Tiemout": "20"}, 20001),
    ],
)
def test_refused_create(world, changes: dict[str, Any], code: int) -> None:
    """Each fault of a create has Twilio's code in Twilio's error document, and no phone rings."""
    reply = world.place(**changes)
    document = body(reply)
    assert (reply.status, document["status"], document["code"]) == (400, 400, code)
    assert document["more_info"].endswith(f"/{code}")
    world.pass_time(60)
    assert world.dials == []
    assert world.sim.live_calls() == 0


@pytest.mark.parametrize("login", ["AC:wrong", "", "nobody:nothing"])
def test_authentication(world, login: str) -> None:
    """Wrong credentials are 401 with 20003, and the dial is in the ledger all the same."""
    reply = world.api("POST", "/Calls.json", {"To": THEIRS}, auth=login or ":")
    assert (reply.status, body(reply)["code"]) == (401, 20003)
    assert [kind for kind, _ in world.ledger] == ["dial"]
    bare = world.sim.on_request(world.now, RestRequest(method="GET", path="/2010-04-01/Accounts/AC/Balance.json"))
    assert bare.status == 401


def test_pace(world) -> None:
    """Nothing is refused for pace: the second and third call wait their turn, and `queue_time` says how long."""
    times = [body(world.place())["queue_time"] for _ in range(3)]
    assert times == ["0", "1000", "2000"]
    world.pass_time(0.5)
    assert len(world.dials) == 1
    world.pass_time(1)
    assert len(world.dials) == 2
    world.pass_time(1)
    assert len(world.dials) == 3


def test_concurrency_limit(make_world) -> None:
    """With the knob set, one call too many is 400 with 10004."""
    world = make_world(concurrent_calls=1)
    world.place()
    assert body(world.place())["code"] == 10004


def test_list_and_fetch(world) -> None:
    """The list is newest first and filtered by To, From and Status; a fetch gives the same call."""
    first = body(world.place())["sid"]
    second = body(world.place(To="+15550100002"))["sid"]
    listed = body(world.api("GET", "/Calls.json?PageSize=20"))
    assert [call["sid"] for call in listed["calls"]] == [second, first]
    assert listed["next_page_uri"] is None
    only = body(world.api("GET", f"/Calls.json?To=%2B15550100001&From=%2B{OURS[1:]}&Status=queued"))
    assert [call["sid"] for call in only["calls"]] == [first]
    assert body(world.api("GET", f"/Calls/{first}.json"))["sid"] == first


def test_pages(world) -> None:
    """A list longer than a page links to the next one."""
    sids = [body(world.place())["sid"] for _ in range(3)]
    page = body(world.api("GET", "/Calls.json?PageSize=2&To=%2B15550100001"))
    assert len(page["calls"]) == 2
    rest = page["next_page_uri"].partition("Accounts/")[2].partition("/")[2]
    assert [call["sid"] for call in body(world.api("GET", "/" + rest))["calls"]] == [sids[0]]
    assert world.api("GET", "/Calls.json?Page=x").status == 400


@pytest.mark.parametrize("lag", [0.0, 2.0])
def test_list_lag(make_world, lag: float) -> None:
    """How soon a new call is listed is a guess, and a knob."""
    world = make_world(list_lag_s=lag)
    world.place()
    assert bool(body(world.api("GET", "/Calls.json"))["calls"]) is (lag == 0)
    world.pass_time(2.1)
    assert body(world.api("GET", "/Calls.json"))["calls"]


def test_events_hold_the_create_request(world) -> None:
    """A call's list of requests begins with the POST that created it, its parameters in snake case."""
    sid = body(world.place())["sid"]
    first = body(world.api("GET", f"/Calls/{sid}/Events.json"))["events"][0]["request"]
    assert first["method"] == "POST"
    assert first["parameters"]["status_callback"] == "http://gw.test/status"


def test_notifications(world) -> None:
    """What went wrong with a call is listed with its code."""
    sid = world.answered_call("nonsense", StatusCallback=None)
    notes = body(world.api("GET", f"/Calls/{sid}/Notifications.json"))["notifications"]
    assert [note["error_code"] for note in notes] == ["12100"]


def test_account_balance_and_numbers(make_world) -> None:
    """What probe and check ask for is there, and the knobs turn it."""
    world = make_world(balance="0.05", account_status="suspended")
    assert body(world.api("GET", "/Balance.json"))["balance"] == "0.05"
    assert body(world.api("GET", ".json"))["status"] == "suspended"
    numbers = body(world.api("GET", "/IncomingPhoneNumbers.json"))["incoming_phone_numbers"]
    assert [number["phone_number"] for number in numbers] == ["+15550190001", "+15550190002", "+15550190003"]
    one = body(world.api("GET", "/IncomingPhoneNumbers.json?PhoneNumber=%2B15550190002"))["incoming_phone_numbers"]
    assert len(one) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/Conferences.json"),
        ("DELETE", "/Messages.json"),
        ("DELETE", "/Calls.json"),
        ("GET", "/Calls/CA0.json"),
        ("GET", "/Calls/CA" + "0" * 32 + ".json"),
        ("POST", "/Calls/CA" + "0" * 32 + ".json"),
    ],
)
def test_unknown_paths_are_loud(world, method: str, path: str) -> None:
    """What the lab does not know is 404 with 20404, and the ledger names the request."""
    reply = world.api(method, path)
    assert (reply.status, body(reply)["code"]) == (404, 20404)
    kind, entry = world.ledger[-1]
    assert kind == "refused"
    assert path in entry["request"]


def test_a_call_starts_with_its_dial(world) -> None:
    """`start_time` is empty while a call is queued and set from the dial on, whether or not anybody answers."""
    world.place()
    sid = body(world.place())["sid"]
    world.pass_time(0.5)
    assert world.shown(f"/Calls/{sid}.json")["start_time"] is None
    world.pass_time(1)
    ringing = world.shown(f"/Calls/{sid}.json")
    assert ringing["start_time"] == "Sun, 22 Nov 2026 11:00:01 +0000"
    world.phone(sid, "ended", cause="busy", by="phone")
    assert world.shown(f"/Calls/{sid}.json")["start_time"] == ringing["start_time"]


@pytest.mark.knob("twilio", "end_time_of_unanswered", no_adapter="the adapter reads status and creation alone")
@pytest.mark.parametrize(("knobs", "shown"), [({}, False), ({"end_time_of_unanswered": True}, True)])
def test_the_end_of_what_nobody_answered(make_world, knobs: dict[str, bool], shown: bool) -> None:
    """A call that was not answered has an `end_time`, and is found by it, or neither; an answered one always has both."""
    world = make_world(calls_per_second=50.0, **knobs)
    busy, answered = body(world.place())["sid"], world.answered_call("<Response><Hangup/></Response>")
    world.phone(busy, "ended", cause="busy", by="phone")
    world.pass_time(1)
    ends = {call["sid"]: call["end_time"] is not None for call in world.shown("/Calls.json")["calls"]}
    assert ends == {busy: shown, answered: True}
    found = {call["sid"] for call in world.shown("/Calls.json?EndTime=2026-11-22")["calls"]}
    assert found == {sid for sid, has_end in ends.items() if has_end}


def test_the_last_day_there_is(world) -> None:
    """A filter by the last day of the calendar finds nothing, and breaks nothing."""
    world.place()
    assert world.shown("/Calls.json?StartTime=9999-12-31")["calls"] == []


def test_date_filters_hide_what_was_not_dialled(world) -> None:
    """A filter by StartTime never shows a queued call, for it has no start; EndTime none that is alive."""
    sid = world.answered_call("<Response><Pause length='60'/></Response>")
    world.place()
    started = body(world.api("GET", "/Calls.json?StartTime%3E=2026-11-22T11%3A00%3A00Z"))["calls"]
    assert [call["sid"] for call in started] == [sid]
    assert body(world.api("GET", "/Calls.json?StartTime=2026-11-22"))["calls"] == started
    assert body(world.api("GET", "/Calls.json?StartTime%3C=2026-11-21"))["calls"] == []
    assert body(world.api("GET", "/Calls.json?EndTime=2026-11-22"))["calls"] == []
    assert world.api("GET", "/Calls.json?StartTime=soon").status == 400
    assert world.api("GET", "/Calls.json?Direction=inbound").status == 400


@pytest.mark.parametrize("ending", ["completed", "canceled"])
def test_end_before_the_dial(world, ending: str) -> None:
    """A queued call can be ended either way, and then rings nobody."""
    sid = body(world.place())["sid"]
    assert world.api("POST", f"/Calls/{sid}.json", {"Status": ending}).status == 200
    world.pass_time(60)
    assert world.status(sid) == "canceled"
    assert world.dials == []


@pytest.mark.parametrize("word", ["canceled", "no-answer"])
def test_completed_while_ringing(make_world, word: str) -> None:
    """What Twilio calls a ringing call that was `completed` is not known, so it is a knob."""
    world = make_world(completed_before_answer=word)
    sid = body(world.place())["sid"]
    world.pass_time(0.1)
    world.phone(sid, "ringing")
    world.api("POST", f"/Calls/{sid}.json", {"Status": "completed"})
    assert world.hangups == [sid]
    assert world.status(sid) == word


def test_canceled_does_not_end_an_answered_call(world) -> None:
    """`canceled` is refused after the answer; `completed` ends the call."""
    sid = world.answered_call("<Response><Pause length='60'/></Response>")
    assert world.api("POST", f"/Calls/{sid}.json", {"Status": "canceled"}).status == 400
    assert world.status(sid) == "in-progress"
    assert world.api("POST", f"/Calls/{sid}.json", {"Status": "completed"}).status == 200
    assert world.status(sid) == "completed"


@pytest.mark.parametrize(("knob", "status"), [("refuse", 400), ("accept", 200)])
def test_completed_twice(make_world, knob: str, status: int) -> None:
    """Ending an ended call is 21220 or a success, as the knob says."""
    world = make_world(completed_when_ended=knob)
    sid = body(world.place())["sid"]
    world.api("POST", f"/Calls/{sid}.json", {"Status": "completed"})
    again = world.api("POST", f"/Calls/{sid}.json", {"Status": "completed"})
    assert again.status == status
    assert status == 200 or body(again)["code"] == 21220


def test_redirect_wants_a_call_in_progress(world) -> None:
    """New instructions for a call that is not in progress are 21220; unknown update parameters are refused."""
    sid = body(world.place())["sid"]
    assert body(world.api("POST", f"/Calls/{sid}.json", {"Url": "http://gw.test/new"}))["code"] == 21220
    assert body(world.api("POST", f"/Calls/{sid}.json", {"CallerId": "5"}))["code"] == 20001


@pytest.mark.parametrize(
    ("kind", "status", "code", "expected", "twilio_code"),
    [
        ("auth_error", None, None, 401, 20003),
        ("suspended", None, None, 403, 20005),
        ("rate_limited", None, None, 429, 20429),
        ("http_error", 503, None, 503, 20503),
        ("http_error", 500, None, 500, 20500),
        ("http_error", 400, "21215", 400, 21215),
        ("http_error", None, None, 500, 20500),
    ],
)
def test_faults_are_worded(world, kind, status, code, expected, twilio_code) -> None:
    """Each fault of the lab has Twilio's own words."""
    reply = world.sim.fault_reply(kind, status, code)
    assert (reply.status, body(reply)["code"]) == (expected, twilio_code)


def test_proxy_errors_are_html(world) -> None:
    """A 502 comes from something in front of Twilio, and is no JSON."""
    reply = world.sim.fault_reply("http_error", 502)
    assert (reply.status, reply.content_type) == (502, "text/html")


def test_is_dial(world) -> None:
    """Only the create request is a dial, and it tells the destination."""
    path = f"/2010-04-01/Accounts/{world.credentials['account_sid']}/Calls.json"
    create = RestRequest(method="POST", path=path, body=b"To=%2B15550100001&From=x")
    assert world.sim.is_dial(create) == THEIRS
    assert world.sim.is_dial(RestRequest(method="GET", path=path)) is None
    assert world.sim.is_dial(RestRequest(method="POST", path=path.replace("Calls", "Messages"))) is None


def test_reset_keeps_credentials(world) -> None:
    """After a reset the account is the same and its calls are gone."""
    before = world.sim.credentials()
    world.place()
    world.sim.reset()
    assert world.sim.credentials() == before
    assert world.sim.live_calls() == 0
    assert body(world.api("GET", "/Calls.json"))["calls"] == []
