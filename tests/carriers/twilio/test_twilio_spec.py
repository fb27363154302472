"""The lab's answers and the SDK's dial, against Twilio's published API description where it lies beside the project."""

import json
import re
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from carriers.twilio import simulator_messages, simulator_numbers, simulator_order, simulator_recording_api

SPEC = Path(__file__).parents[4] / "shared" / "specs" / "twilio_api_v2010.subset.json"
pytestmark = pytest.mark.skipif(not SPEC.is_file(), reason="needs ../shared/specs, which is read there and never copied")

PYTHON = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}


@cache
def spec() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SPEC.read_text())
    return found


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = spec()["components"]["schemas"][name]
    return found


def problems(name: str, document: dict[str, Any]) -> list[str]:
    """What the description says otherwise: missing fields, wrong types, patterns, words and dates."""
    found = []
    for field, rule in schema(name)["properties"].items():
        rule = schema(rule["$ref"].rpartition("/")[2]) if "$ref" in rule else rule
        if field not in document:
            found.append(f"{field}: missing")
        elif document[field] is not None:
            found += [f"{field}: {problem}" for problem in wrong(document[field], rule)]
    return found


def wrong(value: Any, rule: dict[str, Any]) -> list[str]:
    found = []
    if "type" in rule and not isinstance(value, PYTHON[rule["type"]]):
        found.append(f"{value!r} is no {rule['type']}")
    if "pattern" in rule and not re.search(rule["pattern"], value):
        found.append(f"{value!r} does not match {rule['pattern']}")
    if "enum" in rule and value not in rule["enum"]:
        found.append(f"{value!r} is not in {rule['enum']}")
    if rule.get("format") == "date-time-rfc-2822":
        parsedate_to_datetime(value)
    return found


@pytest.mark.parametrize("state", ["queued", "ringing", "in-progress", "completed", "busy"])
def test_call_resource(world, state: str) -> None:
    """A call in each state is shown as the description says."""
    sid = json.loads(world.place().body)["sid"]
    world.pass_time(0.1)
    steps = {
        "queued": [],
        "ringing": [("ringing", "")],
        "in-progress": [("ringing", ""), ("answered", "")],
        "completed": [("answered", ""), ("ended", "normal")],
        "busy": [("ended", "busy")],
    }[state]
    for kind, cause in steps:
        world.phone(sid, kind, cause=cause)
    document = json.loads(world.api("GET", f"/Calls/{sid}.json").body)
    assert document["status"] == state
    assert problems("api.v2010.account.call", document) == []


@pytest.mark.parametrize(("path", "name"), [("/Balance.json", "api.v2010.account.balance"), (".json", "api.v2010.account")])
def test_account_resources(world, path: str, name: str) -> None:
    """Account and balance are whole."""
    assert problems(name, json.loads(world.api("GET", path).body)) == []


@pytest.mark.parametrize(
    ("path", "key", "name"),
    [
        ("/Calls.json", "calls", "api.v2010.account.call"),
        ("/IncomingPhoneNumbers.json", "incoming_phone_numbers", "api.v2010.account.incoming_phone_number"),
        ("/Calls/{sid}/Events.json", "events", "api.v2010.account.call.call_event"),
        ("/Calls/{sid}/Notifications.json", "notifications", "api.v2010.account.call.call_notification"),
    ],
)
def test_lists(world, path: str, key: str, name: str) -> None:
    """Each list has the envelope and the items that the description gives it."""
    sid = world.answered_call("nonsense")
    answered = json.loads(world.api("GET", path.format(sid=sid)).body)
    described = spec()["paths"]["/2010-04-01/Accounts/{AccountSid}" + path.format(sid="{CallSid}")]["get"]
    envelope = described["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    assert set(answered) == set(envelope)
    assert answered[key]
    for item in answered[key]:
        assert problems(name, item) == []


def test_what_the_lab_obeys_is_described(world) -> None:
    """Every parameter of a create that the lab takes is one of the description's."""
    create = spec()["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls.json"]["post"]
    known = create["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]["properties"]
    assert list(create["responses"]) == ["201"]
    for name in known:
        values = {
            "Timeout": "20",
            "TimeLimit": "600",
            "StatusCallbackEvent": "completed",
            "To": "+15550100001",
            "From": "+15550190001",
            "SendDigits": "1w2",
            "MachineDetection": "Enable",
            "MachineDetectionTimeout": "30",
            "MachineDetectionSpeechThreshold": "2400",
            "MachineDetectionSpeechEndThreshold": "1200",
            "MachineDetectionSilenceTimeout": "5000",
            "AsyncAmd": "true",
            "Record": "true",
            "RecordingChannels": "dual",
            "RecordingTrack": "both",
            "RecordingStatusCallbackEvent": "completed",
            "Trim": "trim-silence",
        }
        value = values.get(name, "POST" if name.endswith("Method") else "http://gw.test/x")
        reply = world.place(**{name: value})
        assert reply.status == 201 or name == "ApplicationSid" or "not simulated" in reply.body.decode()
    assert world.place(NotInTheDescription="x").status == 400


def recorded_call(world) -> tuple[str, str]:
    """(call, recording), the call over and its file ready."""
    world.said = b"\x10" * 160
    sid = world.answered_call("<Response><Pause length='60'/></Response>", Record="true", RecordingChannels="dual")
    world.pass_time(1)
    world.phone(sid, "ended", cause="normal", by="phone")
    world.pass_time(2)
    return sid, json.loads(world.api("GET", "/Recordings.json").body)["recordings"][0]["sid"]


def test_recordings(world) -> None:
    """A recording is shown as described, below its call and below the account, alone and in lists."""
    call, recording = recorded_call(world)
    below_call = json.loads(world.api("GET", f"/Calls/{call}/Recordings/{recording}.json").body)
    below_account = json.loads(world.api("GET", f"/Recordings/{recording}.json").body)
    assert problems("api.v2010.account.call.call_recording", below_call) == []
    assert problems("api.v2010.account.recording", below_account) == []
    assert set(below_account) <= set(schema("api.v2010.account.recording")["properties"])
    path = "/Calls/{CallSid}/Recordings.json"
    described = spec()["paths"]["/2010-04-01/Accounts/{AccountSid}" + path]["get"]["responses"]["200"]
    envelope = described["content"]["application/json"]["schema"]["properties"]
    assert set(json.loads(world.api("GET", f"/Calls/{call}/Recordings.json").body)) == set(envelope)


def test_message_and_stream(world) -> None:
    """A text, a one-way stream and a number's update are shown as described."""
    message = world.api("POST", "/Messages.json", {"To": "+15550100001", "From": "+15550190001", "Body": "Hello"})
    assert problems("api.v2010.account.message", json.loads(message.body)) == []
    call = world.answered_call("<Response><Pause length='60'/></Response>")
    stream = world.api("POST", f"/Calls/{call}/Streams.json", {"Url": "ws://gw.test/x"})
    assert problems("api.v2010.account.call.stream", json.loads(stream.body)) == []
    shown = world.configure(VoiceUrl="http://gw.test/in", FriendlyName="desk")
    assert problems("api.v2010.account.incoming_phone_number", shown) == []


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("/Calls/{CallSid}/Recordings.json", "recordings"),
        ("/Calls/{Sid}.json", "update"),
        ("/Messages.json", "messages"),
        ("/IncomingPhoneNumbers/{Sid}.json", "numbers"),
    ],
)
def test_other_parameters_are_described(path: str, group: str) -> None:
    """What the lab takes elsewhere is in the description too."""
    taken = {
        "recordings": simulator_recording_api.CREATE,
        "update": simulator_order.UPDATE,
        "messages": simulator_messages.CREATE,
        "numbers": simulator_numbers.NUMBER,
    }[group]
    post = spec()["paths"]["/2010-04-01/Accounts/{AccountSid}" + path]["post"]
    known = post["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]["properties"]
    assert taken <= set(known)
