"""The lab's Twilio: numbers and applications."""

import json

import pytest

OURS = "+15550190001"


def test_nothing_is_set_at_first(world) -> None:
    """A number of a new lab has no URL, and says so as Twilio would."""
    (first, *_rest) = world.shown("/IncomingPhoneNumbers.json")["incoming_phone_numbers"]
    assert (first["voice_url"], first["voice_application_sid"], first["voice_method"]) == (None, None, "POST")


def test_update_changes_what_it_names(world) -> None:
    """Each update changes the parameters given and no others."""
    world.configure(VoiceUrl="http://gw.test/in", VoiceMethod="GET")
    shown = world.configure(FriendlyName="front desk", SmsUrl="http://gw.test/sms")
    assert (shown["voice_url"], shown["voice_method"]) == ("http://gw.test/in", "GET")
    assert (shown["friendly_name"], shown["sms_url"]) == ("front desk", "http://gw.test/sms")
    assert world.shown(f"/IncomingPhoneNumbers/{shown['sid']}.json") == shown
    assert world.configure(VoiceUrl="")["voice_url"] is None
    listed = world.shown("/IncomingPhoneNumbers.json?FriendlyName=front+desk")["incoming_phone_numbers"]
    assert [number["phone_number"] for number in listed] == [OURS]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"VoiceUrl": "in"}, 21205),
        ({"VoiceMethod": "PUT"}, 21209),
        ({"TrunkSid": "TK1"}, 20001),
        ({"VoiceApplicationSid": "AP" + "0" * 32}, 21218),
        ({"VoiceUlr": "http://gw.test/in"}, 20001),
    ],
)
def test_wrong_updates(world, fields: dict[str, str], code: int) -> None:
    """What is wrong or not simulated is refused by name."""
    sid = world.configure()["sid"]
    reply = world.api("POST", f"/IncomingPhoneNumbers/{sid}.json", fields)
    assert (reply.status, json.loads(reply.body)["code"]) == (400, code)


def test_application(world) -> None:
    """Create, fetch, list, change, delete; and one that is gone is 404."""
    made = world.api("POST", "/Applications.json", {"FriendlyName": "a", "VoiceUrl": "http://gw.test/a"})
    assert made.status == 201
    app = json.loads(made.body)
    path = f"/Applications/{app['sid']}.json"
    assert world.shown(path) == app
    assert world.shown("/Applications.json?FriendlyName=a")["applications"] == [app]
    assert world.shown("/Applications.json?FriendlyName=b")["applications"] == []
    assert json.loads(world.api("POST", path, {"VoiceMethod": "GET"}).body)["voice_method"] == "GET"
    assert world.api("POST", path, {"Colour": "blue"}).status == 400
    assert world.api("DELETE", path).status == 204
    assert world.api("GET", path).status == 404


def test_create_with_an_application(world) -> None:
    """A create that names an application uses its URLs; those of the create are ignored."""
    fields = {"VoiceUrl": "http://gw.test/app", "StatusCallback": "http://gw.test/app-status"}
    app = json.loads(world.api("POST", "/Applications.json", fields).body)
    sid = json.loads(world.place(ApplicationSid=app["sid"]).body)["sid"]
    world.pass_time(0.1)
    world.phone(sid, "answered")
    world.pass_time(0.1)
    assert world.asked[-1][0] == "/app"
    world.phone(sid, "ended", cause="normal", by="phone")
    assert [path for path, _ in world.asked] == ["/app", "/app-status"]
