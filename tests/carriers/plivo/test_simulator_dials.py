"""Dial: other people are called, joined with the caller, and reported on."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from carriers.contract import HookRequest
from carriers.lab.sound import tone
from carriers.plivo.webhooks import PlivoWebhooks

HOOKS = "https://gw.example.com/hooks"
QUIET = b"\xff" * 160
A_SAYS, B_SAYS = tone(300, 0.02), tone(500, 0.02)


def _form(hook: Any) -> dict[str, str]:
    return dict(parse_qsl(hook.body.decode(), keep_blank_values=True))


def _at(world: Any, end: str) -> list[dict[str, str]]:
    return [_form(hook) for hook in world.sent() if hook.url == f"{HOOKS}/{end}"]


def _dialling(world: Any, attributes: str = "", numbers: int = 1, number: str = "") -> tuple[str, list[str]]:
    """A call in a Dial: its id and the legs'."""
    a = world.answered()
    legs = "".join(f"<Number {number}>+1555010200{index}</Number>" for index in range(numbers))
    told = f"action='{HOOKS}/done' callbackUrl='{HOOKS}/live' callbackMethod='POST'"
    world.obey(f"<Dial {told} {attributes}>{legs}</Dial>")
    world.run(0.2)
    return str(a), [str(ref) for ref in world.dialed[1:]]


def _joined(world: Any, attributes: str = "", number: str = "") -> tuple[str, str]:
    a, (b,) = _dialling(world, attributes, number=number)
    world.phone(b, "ringing")
    world.phone(b, "answered")
    world.saying.update({a: A_SAYS, b: B_SAYS})
    return a, b


def test_both_hear_each_other(world: Any) -> None:
    """Once the other person answers, each hears what the other says."""
    a, b = _joined(world)
    world.tick(0.1)
    assert world.ears[a][-1] == B_SAYS
    assert world.ears[b][-1] == A_SAYS
    assert [entry["with"] for entry in world.refusals("joined")] == [b]


def test_live_events_and_the_result(world: Any) -> None:
    """answer, connected and hangup go to callbackUrl as they happen; the action gets the result and takes over."""
    a, b = _joined(world)
    world.run(10.0)
    world.phone(b, "ended", cause="normal", by="phone")
    live = _at(world, "live")
    assert [event["DialAction"] for event in live] == ["answer", "connected", "hangup"]
    assert {(event["DialALegUUID"], event["DialBLegUUID"]) for event in live} == {(a, b)}
    end = live[-1]
    assert (end["DialBLegDuration"], end["DialBLegBillDuration"], end["DialBLegHangupCauseCode"]) == ("11", "60", "4000")
    (done,) = _at(world, "done")
    assert (done["DialStatus"], done["DialHangupCause"], done["DialRingStatus"]) == ("completed", "NORMAL_CLEARING", "true")
    assert (done["DialALegUUID"], done["DialBLegUUID"], done["CallUUID"]) == (a, b, a)
    world.obey("<Wait length='5'/>")
    world.tick(0.1)
    assert world.simulator.calls[a].alive


@pytest.mark.parametrize(
    ("cause", "by", "status", "raw"),
    [
        ("busy", "phone", "busy", "USER_BUSY"),
        ("no_answer", "network", "no-answer", "NO_ANSWER"),
        ("declined", "phone", "busy", "CALL_REJECTED"),
        ("invalid", "network", "failed", "UNALLOCATED_NUMBER"),
    ],
)
def test_nobody_answers(world: Any, cause: str, by: str, status: str, raw: str) -> None:
    """The result says why, names no B leg, and the caller is still there."""
    a, (b,) = _dialling(world)
    world.phone(b, "ended", cause=cause, by=by)
    (done,) = _at(world, "done")
    assert (done["DialStatus"], done["DialHangupCause"], done["DialBLegUUID"]) == (status, raw, "")
    assert world.simulator.calls[a].alive


def test_time_out_of_the_ringing(world: Any) -> None:
    """A person who does not answer within the timeout is given up."""
    _, (b,) = _dialling(world, "timeout='10'")
    world.phone(b, "ringing")
    world.run(10.2)
    assert world.hung_up == [b]
    world.phone(b, "ended", cause="canceled", by="carrier")
    (done,) = _at(world, "done")
    assert (done["DialStatus"], done["DialRingStatus"]) == ("no-answer", "true")


def test_first_to_answer_wins(world: Any) -> None:
    """Several numbers ring at once; the losers are hung up and told so."""
    _, legs = _dialling(world, numbers=3)
    assert len(legs) == 3
    world.phone(legs[1], "answered")
    assert sorted(world.hung_up) == sorted([legs[0], legs[2]])
    for leg in (legs[0], legs[2]):
        world.phone(leg, "ended", cause="canceled", by="carrier")
        assert world.simulator.calls[leg].cause == 9000
    assert not _at(world, "done")


@pytest.mark.knob("plivo", "action_on_hangup")
@pytest.mark.parametrize(("guess", "statuses"), [(True, ["cancel"]), (False, [])])
def test_caller_hangs_up_while_it_rings(world_with: Callable[..., Any], guess: bool, statuses: list[str]) -> None:
    """The other phone stops ringing; whether the action of a call that is over is asked is told both ways, signed."""
    world = world_with(action_on_hangup=guess)
    a, (b,) = _dialling(world)
    world.phone(a, "ended", cause="normal", by="phone")
    assert world.hung_up == [b]
    assert [form["DialStatus"] for form in _at(world, "done")] == statuses
    webhooks = PlivoWebhooks(world.simulator.credentials()["auth_token"])
    for hook in world.sent():
        headers = {name.lower(): value for name, value in hook.headers.items()}
        request = HookRequest(method=hook.method, url=hook.url, path="after", headers=headers, body=hook.body)
        assert webhooks.verify(request, world.now).key


def test_caller_hangs_up_in_the_talk(world: Any) -> None:
    """The other side is hung up too."""
    a, b = _joined(world)
    world.phone(a, "ended", cause="normal", by="phone")
    assert world.hung_up == [b]
    world.phone(b, "ended", cause="normal", by="carrier")
    assert (world.simulator.calls[b].cause, world.simulator.calls[b].source) == (4000, "Caller")


def test_star_ends_the_other_leg(world: Any) -> None:
    """With hangupOnStar the caller gets rid of the other side and goes on."""
    a, b = _joined(world, "hangupOnStar='true'")
    world.phone(a, "digit", digit="*")
    assert world.hung_up == [b]


def test_digits_are_matched(world: Any) -> None:
    """Patterns of either side are reported, with who pressed them."""
    a, b = _joined(world, "digitsMatch='12,99' digitsMatchBLeg='5'")
    for ref, key in ((a, "1"), (a, "2"), (b, "5"), (b, "6")):
        world.phone(ref, "digit", digit=key)
    pressed = [form for form in _at(world, "live") if form["DialAction"] == "digits"]
    assert [(form["DialDigitsMatch"], form["DialDigitsPressedBy"]) for form in pressed] == [("12", "ALeg"), ("5", "BLeg")]


def test_limit_of_the_talk(world: Any) -> None:
    """TimeLimit ends the other leg; the caller goes on."""
    a, b = _joined(world, "timeLimit='20'")
    world.run(20.1)
    assert world.hung_up == [b]
    world.phone(b, "ended", cause="normal", by="carrier")
    assert world.simulator.calls[b].cause == 6000
    assert world.simulator.calls[a].alive


def test_extension_is_dialled_before_they_are_joined(world: Any) -> None:
    """SendDigits reaches the answering phone first."""
    _, b = _joined(world, number="sendDigits='w42'")
    assert not world.refusals("joined")
    world.run(1.0)
    assert world.keys == [(b, "42")]
    assert len(world.refusals("joined")) == 1


def test_ringing_tone_for_the_caller(world: Any) -> None:
    """DialMusic real lets the caller hear ringing, until somebody answers."""
    a, (b,) = _dialling(world, "dialMusic='real'")
    world.tick(0.5)
    assert world.ears[a][-1] != QUIET
    world.phone(b, "answered")
    world.saying.update({a: A_SAYS, b: B_SAYS})
    world.tick(0.1)
    assert world.ears[a][-1] == B_SAYS


def test_music_for_the_caller(world: Any) -> None:
    """DialMusic asks for what the caller hears, again and again, until somebody answers."""
    a, (b,) = _dialling(world, f"dialMusic='{HOOKS}/music'")
    hook = next(hook for hook in world.sent() if hook.url == f"{HOOKS}/music")
    assert (_form(hook)["Event"], _form(hook)["CallUUID"]) == ("DialRemoteSounds", a)
    world.reply(hook, body="<Response><Speak>fifteen letters</Speak><Hangup/></Response>")
    world.tick(2.5)
    assert sum(frame != QUIET for frame in world.ears[a]) > 100
    world.phone(b, "answered")
    world.saying.update({a: A_SAYS, b: B_SAYS})
    world.tick(1.5)
    assert world.ears[a][-1] == B_SAYS


@pytest.mark.parametrize("body", ["<Speak/>", "<Wait length='0'/>", "<Hangup/>", ""])
def test_music_with_nothing_in_it(world: Any, body: str) -> None:
    """Nothing to hear is heard once, not for ever."""
    a, _ = _dialling(world, f"dialMusic='{HOOKS}/music'")
    world.reply(next(hook for hook in world.sent() if hook.url == f"{HOOKS}/music"), body=f"<Response>{body}</Response>")
    world.tick(1.0)
    assert all(frame == QUIET for frame in world.ears.get(a, []))


def _confirming(world: Any) -> tuple[str, str]:
    a, (b,) = _dialling(world, f"confirmSound='{HOOKS}/question' confirmKey='1' confirmTimeout='10'")
    world.phone(b, "answered")
    hook = next(hook for hook in world.sent() if hook.url == f"{HOOKS}/question")
    assert _form(hook)["CallUUID"] == b
    world.reply(hook, body="<Response><Speak>press one to take the call</Speak></Response>")
    return a, b


def test_confirmed_by_a_key(world: Any) -> None:
    """The person who was called hears the question alone, and talks with the caller after the right key."""
    a, b = _confirming(world)
    world.tick(0.5)
    assert world.ears[b][-1] != QUIET
    assert not world.refusals("joined")
    world.phone(b, "digit", digit="5")
    assert not world.refusals("joined")
    world.phone(b, "digit", digit="1")
    assert [entry["with"] for entry in world.refusals("joined")] == [b]
    assert [form["DialAction"] for form in _at(world, "live")] == ["answer", "connected"]
    assert world.simulator.calls[a].alive


def test_not_confirmed(world: Any) -> None:
    """Without the key the leg is hung up with 9110, and the result says that nobody answered."""
    _, b = _confirming(world)
    world.tick(3.0)
    world.run(8.0)
    assert world.hung_up == [b]
    world.phone(b, "ended", cause="normal", by="carrier")
    assert world.simulator.calls[b].cause == 9110
    (done,) = _at(world, "done")
    assert (done["DialStatus"], done["DialBLegUUID"]) == ("no-answer", "")


def test_question_without_a_key(world: Any) -> None:
    """ConfirmSound alone is heard, and then they are joined; without a document they are joined at once."""
    for status, waited in ((200, 1.2), (500, 0.0)):
        _, (b,) = _dialling(world, f"confirmSound='{HOOKS}/question'")[0], world.dialed[-1:]
        world.phone(b, "answered")
        hook = [hook for hook in world.sent() if hook.url == f"{HOOKS}/question"][-1]
        before = len(world.refusals("joined"))
        world.reply(hook, status=status, body="<Response><Speak>fifteen letters</Speak></Response>")
        assert len(world.refusals("joined")) == before + (status == 500)
        world.tick(waited)
        assert len(world.refusals("joined")) == before + 1


def test_recording_from_the_answer_on(world: Any) -> None:
    """StartOnDialAnswer records nothing of the ringing."""
    a = world.answered()
    world.obey(f"<Record startOnDialAnswer='true' callbackUrl='{HOOKS}/ready'/><Dial><Number>15550102000</Number></Dial>")
    world.tick(1.0)
    b = world.dialed[-1]
    world.phone(b, "answered")
    world.tick(2.0)
    world.phone(a, "ended", cause="normal", by="phone")
    world.run(1.0)
    assert [form["RecordingDuration"] for form in _at(world, "ready")] == ["2"]


def test_caller_id_of_the_other_leg(world: Any) -> None:
    """CallerId is shown; a foreign one fails the leg as 3030."""
    _, (b,) = _dialling(world, "callerId='+15550190022'")
    assert world.simulator.calls[b].caller == "+15550190022"
    a = world.answered()
    world.obey(f"<Dial callerId='+15550199999' action='{HOOKS}/done'><Number>15550102000</Number></Dial>")
    world.run(1.0)
    done = _at(world, "done")[-1]
    assert (done["DialALegUUID"], done["DialStatus"]) == (a, "failed")


def test_legs_are_listed_with_their_parent(world: Any) -> None:
    """The B leg has a record of its own."""
    a, b = _joined(world)
    world.phone(b, "ended", cause="normal", by="phone")
    world.run(3.0)
    (record,) = json.loads(world.request("GET", "Call/", parent_call_uuid=a).body)["objects"]
    assert (record["call_uuid"], record["parent_call_uuid"]) == (b, a)


# --- transfer ----------------------------------------------------------------------------------------------------


def test_transfer_replaces_what_is_going_on(world: Any) -> None:
    """The call gets another document at once; the other leg of its Dial is hung up."""
    a, b = _joined(world)
    reply = world.request("POST", f"Call/{a}/", {"legs": "aleg", "aleg_url": f"{HOOKS}/new"})
    assert (reply.status, json.loads(reply.body)["message"]) == (202, "call transfered")
    assert world.hung_up == [b]
    assert world.sent()[-1].url == f"{HOOKS}/new"
    world.obey("<Wait length='9'/>")
    assert not _at(world, "done")
    assert world.simulator.calls[a].alive


def test_transfer_of_the_other_leg(world: Any) -> None:
    """The other person gets a document, and the caller's Dial is done."""
    a, b = _joined(world)
    assert world.request("POST", f"Call/{a}/", {"legs": "bleg", "bleg_url": f"{HOOKS}/new"}).status == 202
    asked = [_form(hook)["CallUUID"] for hook in world.sent() if hook.url == f"{HOOKS}/new"]
    assert asked == [b]
    assert len(_at(world, "done")) == 1
    assert not world.hung_up


def test_transfer_of_both(world: Any) -> None:
    """Each gets a document of its own, and neither is hung up."""
    a, b = _joined(world)
    body = {"legs": "both", "aleg_url": f"{HOOKS}/one", "bleg_url": f"{HOOKS}/two"}
    assert world.request("POST", f"Call/{a}/", body).status == 202
    asked = {hook.url: _form(hook)["CallUUID"] for hook in world.sent()}
    assert (asked[f"{HOOKS}/one"], asked[f"{HOOKS}/two"]) == (a, b)
    assert not world.hung_up
    assert not _at(world, "done")


@pytest.mark.parametrize(
    ("body", "status"),
    [({"legs": "aleg"}, 400), ({"legs": "bleg", "bleg_url": f"{HOOKS}/x"}, 404), ({"legs": "none", "aleg_url": HOOKS}, 400)],
)
def test_transfer_that_makes_no_sense(world: Any, body: dict[str, str], status: int) -> None:
    """Without a URL, without another leg, with a strange leg."""
    a = world.answered()
    assert world.request("POST", f"Call/{a}/", body).status == status


@pytest.mark.parametrize(("status", "code"), [(500, 7013), (200, 8013)])
def test_transfer_without_a_document(world: Any, status: int, code: int) -> None:
    """A transfer URL that fails ends the call with its own code."""
    a = world.answered()
    world.obey("<Wait length='9'/>")
    world.request("POST", f"Call/{a}/", {"aleg_url": f"{HOOKS}/new"})
    world.reply(world.sent()[-1], status=status)
    world.phone(a, "ended", cause="normal", by="carrier")
    assert world.simulator.calls[a].cause == code


def test_too_many_transfers(world: Any) -> None:
    """After 70 transfers the call is taken for a loop."""
    a = world.answered()
    world.obey("<Wait length='9'/>")
    for _ in range(71):
        world.request("POST", f"Call/{a}/", {"aleg_url": f"{HOOKS}/new"})
    world.phone(a, "ended", cause="normal", by="carrier")
    assert world.simulator.calls[a].cause == 2060
