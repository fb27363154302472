"""The lab's Twilio: `<Dial>`."""

import json

import pytest

from carriers.lab.sound import tone

OURS, THEIRS, COLLEAGUE, OTHER = "+15550190001", "+15550100001", "+15550100005", "+15550100006"
LOUD = tone(500, 0.02)
BEHIND = "<Redirect>http://gw.test/behind</Redirect>"
ACTION = 'action="http://gw.test/after"'


def response(verbs: str) -> str:
    return f"<Response>{verbs}</Response>"


def dialling(world, dial: str) -> tuple[str, list[str]]:
    """(the call, its children) of an answered call whose document dials."""
    sid = world.answered_call(response(dial + BEHIND))
    return sid, [ref for ref in world.dials if ref != sid]


def plain(attributes: str = ACTION) -> str:
    return f"<Dial {attributes}>{COLLEAGUE}</Dial>"


def test_ring_and_join(world) -> None:
    """The colleague rings with our number, the person hears ringing, then both hear each other."""
    sid, (child,) = dialling(world, plain())
    shown = world.shown(f"/Calls/{child}.json")
    assert (shown["direction"], shown["parent_call_sid"], shown["to"], shown["from"]) == ("outbound-dial", sid, COLLEAGUE, OURS)
    assert [call["sid"] for call in world.shown(f"/Calls.json?ParentCallSid={sid}")["calls"]] == [child]
    world.phone(child, "ringing")
    world.pass_time(0.5)
    assert b"".join(world.heard_by[sid]).strip(b"\xff")
    world.phone(child, "answered")
    world.saying = {sid: LOUD, child: b"\x11" * 160}
    world.heard_by.clear()
    world.pass_time(0.1)
    assert world.heard_by[child][-1] == LOUD
    assert world.heard_by[sid][-1] == b"\x11" * 160
    assert [entry["with"] for kind, entry in world.ledger if kind == "joined"] == [child]


def test_colleague_hangs_up(world) -> None:
    """When the dialled call ends, the action is told its fate and the person's call goes on."""
    sid, (child,) = dialling(world, plain())
    world.phone(child, "answered")
    world.pass_time(12.5)
    world.phone(child, "ended", cause="normal", by="phone")
    path, fields = world.asked[-1]
    assert path == "/after"
    assert (fields["DialCallStatus"], fields["DialCallSid"], fields["DialCallDuration"]) == ("completed", child, "12")
    assert (fields["DialBridged"], fields["CallSid"]) == ("true", sid)
    assert (world.status(sid), world.status(child)) == ("in-progress", "completed")


@pytest.mark.parametrize(
    ("cause", "status"), [("busy", "busy"), ("no_answer", "no-answer"), ("invalid", "failed"), ("declined", "failed")]
)
def test_nobody_comes(world, cause: str, status: str) -> None:
    """Each way of not being reached has its DialCallStatus; without an action the next verb follows."""
    _, (child,) = dialling(world, plain())
    world.phone(child, "ended", cause=cause, by="phone")
    path, fields = world.asked[-1]
    assert (path, fields["DialCallStatus"], fields["DialBridged"]) == ("/after", status, "false")
    world.pass_time(2)
    world.dials.clear()
    _, (child,) = dialling(world, plain(""))
    world.phone(child, "ended", cause=cause, by="phone")
    assert world.asked[-1][0] == "/behind"


def test_time_out(world) -> None:
    """After `timeout` (and Twilio's five seconds) the colleague stops ringing: no-answer."""
    _, (child,) = dialling(world, plain(f'{ACTION} timeout="10"'))
    world.pass_time(14.5)
    assert world.hangups == []
    world.pass_time(1)
    assert world.hangups == [child]
    assert world.asked[-1][1]["DialCallStatus"] == "no-answer"


def test_person_hangs_up(world) -> None:
    """When the person goes, the colleague is hung up: canceled while ringing, completed in talk."""
    for answered, status in ((False, "canceled"), (True, "completed")):
        world.dials.clear()
        sid, (child,) = dialling(world, plain())
        if answered:
            world.phone(child, "answered")
        world.phone(sid, "ended", cause="normal", by="phone")
        assert world.hangups[-1] == child
        assert world.status(child) == status
        assert world.told("/after") == []
        world.pass_time(2)


def test_first_to_answer_wins(world) -> None:
    """Several numbers ring at once; the others are cancelled when one answers."""
    numbers = f"<Number>{COLLEAGUE}</Number><Number>{OTHER}</Number>"
    _, (first, second) = dialling(world, f"<Dial {ACTION}>{numbers}</Dial>")
    world.phone(second, "answered")
    assert world.hangups == [first]
    assert world.status(first) == "canceled"
    world.phone(second, "ended", cause="normal", by="phone")
    assert world.asked[-1][1]["DialCallSid"] == second


def test_one_of_two_is_busy(world) -> None:
    """A number that fails leaves the others ringing; the last one's fate is told."""
    numbers = f"<Number>{COLLEAGUE}</Number><Number>{OTHER}</Number>"
    _, (first, second) = dialling(world, f"<Dial {ACTION}>{numbers}</Dial>")
    world.phone(first, "ended", cause="busy", by="phone")
    assert world.told("/after") == []
    world.phone(second, "ended", cause="no_answer", by="network")
    assert world.told("/after")[0]["DialCallStatus"] == "no-answer"


def test_number_reports_its_events(world) -> None:
    """Each dialled number has status callbacks of its own, with the parent's sid, numbered from 0."""
    number = (
        f'<Number statusCallback="http://gw.test/leg" statusCallbackEvent="initiated ringing answered completed">'
        f"{COLLEAGUE}</Number>"
    )
    sid, (child,) = dialling(world, f"<Dial>{number}</Dial>")
    world.phone(child, "ringing")
    world.phone(child, "answered")
    world.phone(child, "ended", cause="normal", by="phone")
    told = world.told("/leg")
    assert [fields["CallStatus"] for fields in told] == ["initiated", "ringing", "in-progress", "completed"]
    assert [fields["SequenceNumber"] for fields in told] == ["0", "1", "2", "3"]
    assert {fields["ParentCallSid"] for fields in told} == {sid}
    assert {fields["Direction"] for fields in told} == {"outbound-dial"}


def test_whisper(world) -> None:
    """A Number's own document is executed for the colleague alone, before the two are joined."""
    dial = f'<Dial {ACTION}><Number url="http://gw.test/whisper" sendDigits="7">{COLLEAGUE}</Number></Dial>'
    sid, (child,) = dialling(world, dial)
    world.phone(child, "answered")
    assert ("keys", child, "7") in world.network_acts
    world.pass_time(0.3)
    path, fields = world.asked[-1]
    assert (path, fields["CallSid"]) == ("/whisper", child)
    world.answer(response("<Say>A call for you.</Say>"))
    world.pass_time(0.5)
    assert [kind for kind, _ in world.ledger if kind == "joined"] == []
    world.pass_time(1)
    assert [kind for kind, _ in world.ledger if kind == "joined"] == ["joined"]
    assert world.status(sid) == "in-progress"


def test_answer_on_bridge(world) -> None:
    """With answerOnBridge an inbound caller is answered only when the colleague is."""
    world.configure(VoiceUrl="http://gw.test/in")
    sid = world.incoming()
    world.answer(response(plain('answerOnBridge="true"')))
    (child,) = world.dials
    assert world.status(sid) == "ringing"
    assert world.shown(f"/Calls/{child}.json")["from"] == THEIRS
    world.phone(child, "answered")
    assert world.status(sid) == "in-progress"
    world.pass_time(0.1)
    assert world.heard_by[child][-1] == world.said


@pytest.mark.parametrize(
    ("dial", "code"),
    [
        (f'<Dial callerId="+15550109999" {ACTION}>{COLLEAGUE}</Dial>', "13214"),
        (f"<Dial {ACTION}>the boss</Dial>", "13223"),
        (f"<Dial {ACTION}/>", "13223"),
    ],
)
def test_dials_that_cannot_be(world, dial: str, code: str) -> None:
    """A caller id that is not ours, or a number that is none, fails the dial and is loud."""
    sid, children = dialling(world, dial)
    assert children == []
    assert world.refused[-1]["code"] == code
    assert world.told("/after")[0]["DialCallStatus"] == "failed"
    notes = world.shown(f"/Calls/{sid}/Notifications.json")["notifications"]
    assert [note["error_code"] for note in notes] == [code]


def test_time_limit_and_star(world) -> None:
    """A timeLimit ends the talk; so does `*` of the person with hangupOnStar."""
    _, (child,) = dialling(world, plain(f'{ACTION} timeLimit="5"'))
    world.phone(child, "answered")
    world.pass_time(5.1)
    assert world.status(child) == "completed"
    world.dials.clear()
    world.pass_time(1)
    sid, (child,) = dialling(world, plain(f'{ACTION} hangupOnStar="true"'))
    world.phone(child, "answered")
    world.phone(sid, "digit", digit="5")
    assert ("keys", child, "5") in world.network_acts
    world.phone(child, "digit", digit="6")
    assert ("keys", sid, "6") in world.network_acts
    world.phone(sid, "digit", digit="*")
    assert world.status(child) == "completed"


def test_dial_is_recorded(world) -> None:
    """`record-from-answer-dual` records the talk of both; the action gets the file's place."""
    world.said = LOUD
    record = 'record="record-from-answer-dual" recordingStatusCallback="http://gw.test/rec"'
    _, (child,) = dialling(world, plain(f"{ACTION} {record}"))
    world.phone(child, "answered")
    world.pass_time(2)
    world.phone(child, "ended", cause="normal", by="phone")
    url = world.asked[-1][1]["RecordingUrl"]
    world.pass_time(1.1)
    (told,) = world.told("/rec")
    assert (told["RecordingUrl"], told["RecordingSource"], told["RecordingChannels"]) == (url, "DialVerb", "2")


def test_new_instructions_for_the_person(world) -> None:
    """Redirecting the person through the API hangs the colleague up."""
    sid, (child,) = dialling(world, plain())
    world.phone(child, "answered")
    world.api("POST", f"/Calls/{sid}.json", {"Url": "http://gw.test/new"})
    assert world.status(child) == "completed"
    assert world.asked[-1][0] == "/new"
    assert world.told("/after") == []


def test_new_instructions_for_the_colleague(world) -> None:
    """Redirecting the dialled call ends the Dial, and the colleague goes on alone."""
    _, (child,) = dialling(world, plain())
    world.phone(child, "answered")
    assert json.loads(world.api("POST", f"/Calls/{child}.json", {"Url": "http://gw.test/new"}).body)["status"] == "in-progress"
    assert [path for path, _ in world.asked[-2:]] == ["/after", "/new"]
    world.answer(response("<Pause length='60'/>"))
    assert world.status(child) == "in-progress"


def test_dial_is_exempt_from_the_pace(world) -> None:
    """A dialled call rings at once, however many creates wait for their turn."""
    sid = world.answered_call(response("<Pause length='60'/>"))
    for _ in range(3):
        world.place()
    assert world.dials == [sid]
    world.api("POST", f"/Calls/{sid}.json", {"Twiml": response(plain())})
    assert len(world.dials) == 2
