"""The lab's Twilio: phones call the account's numbers."""

import json
from urllib.parse import unquote

import pytest

from carriers.lab.contract import Incoming, WebhookReply

OURS, THEIRS, OTHER = "+15550190001", "+15550100001", "+15550100002"
URLS = {
    "VoiceUrl": "http://gw.test/in",
    "VoiceFallbackUrl": "http://gw.test/fallback",
    "StatusCallback": "http://gw.test/status",
}
CONNECT = '<Response><Connect action="http://gw.test/after"><Stream url="ws://gw.test/m"/></Connect></Response>'
WAIT = "<Response><Say>Hello</Say><Pause length='60'/></Response>"


def acts(world, kind: str) -> list[tuple[str, str]]:
    return [(ref, what) for act, ref, what in world.network_acts if act == kind]


def test_number_that_is_not_ours(world) -> None:
    """A number of somebody else's is not in service."""
    assert world.sim.incoming_ref(world.now, Incoming(to="+15550190099", caller_id=THEIRS)) is None


def test_the_answer_url_is_asked_while_it_rings(world) -> None:
    """The first request says `ringing`, names caller and number, and carries attestation and CallToken; nobody answered yet."""
    world.configure(**URLS)
    sid = world.incoming()
    path, fields = world.asked[-1]
    assert path == "/in"
    assert (fields["CallSid"], fields["CallStatus"], fields["Direction"]) == (sid, "ringing", "inbound")
    assert (fields["From"], fields["To"], fields["Caller"], fields["Called"]) == (THEIRS, OURS, THEIRS, OURS)
    assert fields["StirVerstat"] == "TN-Validation-Passed-A"
    assert set(json.loads(unquote(fields["CallToken"]))) == {"parentCallInfoToken", "identityHeaderTokens"}
    assert "CallerName" not in fields
    assert world.network_acts == []
    shown = world.shown(f"/Calls/{sid}.json")
    assert (shown["status"], shown["direction"], shown["start_time"]) == ("ringing", "inbound", shown["date_created"])
    assert shown["phone_number_sid"].startswith("PN")


def test_no_passport_no_verdict(world) -> None:
    """StirVerstat is absent where the call came without a passport."""
    world.configure(**URLS)
    world.incoming(attestation="")
    assert "StirVerstat" not in world.asked[-1][1]


def test_caller_name_is_looked_up_where_it_is_paid_for(world) -> None:
    """CallerName comes only to a number with VoiceCallerIdLookup."""
    world.configure(**URLS, VoiceCallerIdLookup="true")
    sid = world.incoming(caller_name="Ada")
    assert world.asked[-1][1]["CallerName"] == "Ada"
    assert world.shown(f"/Calls/{sid}.json")["caller_name"] == "Ada"


def test_the_first_talking_verb_answers(world) -> None:
    """`<Say>` answers, the caller hears it, and the only status callback is the last one, numbered 0."""
    world.configure(**URLS)
    sid = world.incoming()
    world.answer(WAIT)
    assert acts(world, "answer") == [(sid, "")]
    assert world.status(sid) == "in-progress"
    world.pass_time(3)
    assert b"".join(world.heard_by[sid]).strip(b"\xff")
    world.phone(sid, "ended", cause="normal", by="phone")
    (last,) = world.told("/status")
    assert (last["CallStatus"], last["SequenceNumber"], last["CallDuration"]) == ("completed", "0", "3")


def test_pause_first_lets_it_ring(world) -> None:
    """A `<Pause>` at the beginning delays the answer."""
    world.configure(**URLS)
    sid = world.incoming()
    world.answer("<Response><Pause length='4'/><Say>Hello</Say></Response>")
    world.pass_time(3.9)
    assert world.status(sid) == "ringing"
    world.pass_time(0.2)
    assert world.status(sid) == "in-progress"


def test_hang_up_answers_first(world) -> None:
    """`<Hangup>` does not prevent the answer (and the bill)."""
    world.configure(**URLS)
    sid = world.incoming()
    world.answer("<Response><Hangup/></Response>")
    assert acts(world, "answer") == [(sid, "")]
    assert world.told("/status")[0]["CallStatus"] == "completed"


@pytest.mark.parametrize(
    ("document", "heard", "status"),
    [
        ('<Reject reason="busy"/>', "busy", "busy"),
        ('<Reject reason="rejected"/>', "invalid", "no-answer"),
        ("<Reject/>", "invalid", "no-answer"),
    ],
)
def test_reject(world, document: str, heard: str, status: str) -> None:
    """`<Reject>` never answers; the call ends as busy or no-answer."""
    world.configure(**URLS)
    sid = world.incoming()
    world.answer(f"<Response>{document}</Response>")
    assert world.network_acts == [("refuse", sid, heard)]
    assert (world.status(sid), world.told("/status")[0]["CallDuration"]) == (status, "0")


def test_connect(world) -> None:
    """A stream answers the call and carries it."""
    world.configure(**URLS)
    sid = world.incoming()
    world.answer(CONNECT)
    world.sim.on_socket_open(world.now, world.stream.stream)
    assert world.status(sid) == "in-progress"
    assert [frame["event"] for frame in world.frames] == ["connected", "start"]
    world.pass_time(0.05)
    assert world.frames[-1]["event"] == "media"


def test_fallback(world) -> None:
    """What is wrong with the answer is told to the fallback URL, while it still rings; its document is obeyed."""
    world.configure(**URLS)
    sid = world.incoming()
    world.answer("", status=500)
    path, fields = world.asked[-1]
    assert (path, fields["ErrorCode"], fields["ErrorUrl"]) == ("/fallback", "11200", "http://gw.test/in")
    assert (fields["CallStatus"], world.status(sid)) == ("ringing", "ringing")
    world.answer(WAIT)
    assert world.status(sid) == "in-progress"


def test_apology(world) -> None:
    """Without a fallback URL the caller is answered with an apology, then hung up."""
    world.configure(VoiceUrl="http://gw.test/in")
    sid = world.incoming()
    world.answer("", status=500)
    world.pass_time(2)
    assert world.status(sid) == "in-progress"
    assert b"".join(world.heard_by[sid]).strip(b"\xff")
    world.pass_time(3)
    assert world.status(sid) == "completed"


def test_caller_gives_up(world) -> None:
    """A caller who hangs up before the answer: nothing is executed any more, and the end is told."""
    world.configure(**URLS)
    sid = world.incoming()
    asked = world.webhooks[-1]
    world.phone(sid, "ended", cause="canceled", by="phone")
    (last,) = world.told("/status")
    assert (last["CallStatus"], last["CallDuration"]) == ("no-answer", "0")
    world.sim.on_webhook_reply(world.now, asked.id, WebhookReply(status=200, body=WAIT.encode(), content_type="text/xml"))
    assert world.network_acts == []


def test_ended_through_the_api_while_it_rings(world) -> None:
    """Status=completed turns a ringing caller away."""
    world.configure(**URLS)
    sid = world.incoming()
    assert world.api("POST", f"/Calls/{sid}.json", {"Status": "completed"}).status == 200
    assert world.status(sid) == "canceled"


def test_application_goes_before_the_numbers_own_urls(world) -> None:
    """A VoiceApplicationSid overrides VoiceUrl, fallback and callback of the number."""
    fields = {"FriendlyName": "app", "VoiceUrl": "http://gw.test/app", "VoiceMethod": "GET"}
    app = json.loads(world.api("POST", "/Applications.json", fields).body)
    world.configure(**URLS, VoiceApplicationSid=app["sid"])
    world.incoming()
    hook = world.webhooks[-1]
    assert (hook.method, hook.url.partition("?")[0]) == ("GET", "http://gw.test/app")
    assert world.api("DELETE", f"/Applications/{app['sid']}.json").status == 204
    world.incoming(caller_id=OTHER)
    assert world.asked[-1][0] == "/in"


def test_call_token_passes_a_callers_number_on(world) -> None:
    """A create may show the number of an inbound caller if it brings that call's CallToken, and not else."""
    world.configure(**URLS)
    world.incoming()
    token = world.asked[-1][1]["CallToken"]
    assert json.loads(world.place(To=OTHER, From=THEIRS).body)["code"] == 21210
    assert json.loads(world.place(To=OTHER, From=OTHER, CallToken=token).body)["code"] == 21210
    assert world.place(To=OTHER, From=THEIRS, CallToken=token).status == 201


def test_urls_survive_a_reset(world) -> None:
    """A reset forgets calls and keeps what was set on numbers and applications."""
    world.configure(**URLS)
    world.incoming()
    world.sim.reset()
    assert world.sim.live_calls() == 0
    world.incoming()
    assert world.asked[-1][0] == "/in"


def test_digits_of_the_caller_reach_the_stream(world) -> None:
    """Keys of a caller arrive as dtmf."""
    world.configure(**URLS)
    sid = world.incoming()
    world.answer(CONNECT)
    world.sim.on_socket_open(world.now, world.stream.stream)
    world.phone(sid, "digit", digit="4")
    assert world.frames[-1]["dtmf"] == {"track": "inbound_track", "digit": "4"}
