"""What nobody could check about Twilio, turned both ways: the adapter lives with either."""

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import pytest

from carriers.contract import Attempt, Handle, HookRequest
from carriers.lab.contract import RestReply, SendFrame, WebhookReply
from carriers.twilio import account, lookup, verdicts
from carriers.twilio.markup import TwilioMarkup
from carriers.twilio.media import TwilioMedia
from carriers.twilio.webhooks import RETRIES, TwilioWebhooks
from gateway.domain.events import LegAnswered, LegEnded, LegProgressed, LegRinging, StreamFailed
from gateway.domain.outcome import Outcome

ATTEMPT = Attempt(
    call_id="c",
    leg_id="leg_1",
    to="+15550100001",
    caller_id="+15550190001",
    public_url="http://gw.test",
    carrier="twilio",
    media_token="t",
)
WAIT = "<Response><Pause length='300'/></Response>"


def connect() -> str:
    """The adapter's own document, whose hooks end in the steps' names."""
    return TwilioMarkup().connect(ATTEMPT).body.decode()


def understood(world) -> list[tuple[str, Any]]:
    """(step, event) of all that the customer was told: verified and parsed by the adapter."""
    webhooks = TwilioWebhooks(world.credentials["auth_token"])
    found = []
    for hook in world.webhooks:
        step = urlsplit(hook.url).path.rpartition("/")[2]
        headers = {name.lower(): value for name, value in hook.headers.items()}
        request = HookRequest(method=hook.method, url=hook.url, path=step, headers=headers, body=hook.body)
        assert webhooks.verify(request, world.now).key
        events = webhooks.parse(request, world.now).events
        found += [(step, event) for event in events] or [(step, None)]
    return found


def events(world, kind: type) -> list[Any]:
    return [event for _, event in understood(world) if isinstance(event, kind)]


def steps(world) -> list[str]:
    return [step for step, _ in understood(world)]


def placed(world, **changes: Any) -> str:
    sid: str = json.loads(world.place(**changes).body)["sid"]
    world.pass_time(0.1)
    return sid


def verdict(reply: RestReply) -> str:
    return verdicts.of_answer(reply.status, reply.headers, reply.body).reason


# --- placing -------------------------------------------------------------------------------------------------------


@pytest.mark.knob("twilio", "calls_per_second")
@pytest.mark.parametrize(("pace", "begun"), [(1.0, 1), (50.0, 2)])
def test_pace(make_world, pace: float, begun: int) -> None:
    """The second call of a moment begins at once, or a second later; both are accepted."""
    world = make_world(calls_per_second=pace)
    placed(world)
    placed(world)
    assert len(events(world, LegProgressed)) == begun
    world.pass_time(1)
    assert len(events(world, LegProgressed)) == 2


@pytest.mark.knob("twilio", "concurrent_calls")
@pytest.mark.parametrize(("limit", "reason"), [(0, None), (1, "concurrency-limit")])
def test_concurrency(make_world, limit: int, reason: str | None) -> None:
    """One call too many is refused with a code that the verdicts know; without a limit it is not."""
    world = make_world(concurrent_calls=limit)
    world.place()
    reply = world.place()
    assert reason == (None if reply.status == 201 else verdict(reply))


@pytest.mark.knob("twilio", "dial_after_s")
@pytest.mark.parametrize("delay", [0.05, 2.0])
def test_time_to_the_dial(make_world, delay: float) -> None:
    """The first callback comes when the dial begins, however late that is."""
    world = make_world(dial_after_s=delay)
    placed(world)
    assert bool(events(world, LegProgressed)) is (delay < 0.1)
    world.pass_time(2)
    assert len(events(world, LegProgressed)) == 1


@pytest.mark.knob("twilio", "suspended_status")
@pytest.mark.parametrize("status", [403, 400])
def test_status_of_a_suspended_account(make_world, status: int) -> None:
    """The code decides, whatever HTTP status it comes with."""
    reply = make_world(suspended_status=status).sim.fault_reply("suspended")
    assert (reply.status, verdict(reply)) == (status, "account-suspended")


@pytest.mark.knob("twilio", "limit_status")
@pytest.mark.parametrize("status", [400, 403, 429])
def test_status_of_a_limit(make_world, status: int) -> None:
    """Too many calls at once are a matter of the code 10004, whatever HTTP status it comes with."""
    world = make_world(limit_status=status, concurrent_calls=1)
    world.place()
    reply, normal = world.place(), make_world(concurrent_calls=1)
    normal.place()
    assert (reply.status, verdict(reply)) == (status, verdict(normal.place()))


# --- ringing and ending --------------------------------------------------------------------------------------------


@pytest.mark.knob("twilio", "ring_extra_s")
@pytest.mark.parametrize("extra", [5.0, 0.0])
def test_patience(make_world, extra: float) -> None:
    """Twilio rings for Timeout, or longer; either way it ends as no-answer."""
    world = make_world(ring_extra_s=extra)
    world.phone(placed(world), "ringing")
    world.pass_time(19.8)
    assert events(world, LegEnded) == []
    world.pass_time(extra + 0.3)
    assert events(world, LegEnded)[0].verdict.outcome is Outcome.NO_ANSWER


@pytest.mark.knob("twilio", "ringing_events")
@pytest.mark.parametrize("told", [True, False])
def test_ringing(make_world, told: bool) -> None:
    """Without a 180 nothing says ringing; the answer is understood all the same."""
    world = make_world(ringing_events=told)
    sid = placed(world)
    world.phone(sid, "ringing")
    world.phone(sid, "answered")
    assert bool(events(world, LegRinging)) is told
    assert len(events(world, LegAnswered)) == 1


@pytest.mark.knob("twilio", "reject_after_s")
@pytest.mark.parametrize("delay", [0.3, 4.0])
def test_time_to_a_reject(make_world, delay: float) -> None:
    """An asynchronous reject comes early or late, with the same verdict."""
    world = make_world(reject_after_s=delay)
    world.reject = "503"
    placed(world)
    world.pass_time(delay)
    (ended,) = events(world, LegEnded)
    assert (ended.verdict.reason, ended.alerted) == ("service-unavailable", False)


@pytest.mark.knob("twilio", "declined_status")
@pytest.mark.parametrize(
    ("word", "outcome"), [("failed", Outcome.DECLINED), ("busy", Outcome.BUSY), ("no-answer", Outcome.NO_ANSWER)]
)
def test_declined(make_world, word: str, outcome: Outcome) -> None:
    """A person who declines is `failed` with 603, or busy, or no-answer: never a reason to try another carrier."""
    world = make_world(declined_status=word)
    sid = placed(world)
    world.phone(sid, "ringing")
    world.phone(sid, "ended", cause="declined", by="phone")
    (ended,) = events(world, LegEnded)
    assert (ended.verdict.outcome, ended.alerted) == (outcome, True)


@pytest.mark.knob("twilio", "completed_before_answer")
@pytest.mark.parametrize(("word", "outcome"), [("canceled", Outcome.CANCELED), ("no-answer", Outcome.NO_ANSWER)])
def test_hung_up_while_ringing(make_world, word: str, outcome: Outcome) -> None:
    """What Twilio calls a ringing call that we ended: canceled or no-answer."""
    world = make_world(completed_before_answer=word)
    sid = placed(world)
    world.phone(sid, "ringing")
    world.api("POST", f"/Calls/{sid}.json", {"Status": "completed"})
    assert events(world, LegEnded)[0].verdict.outcome is outcome


@pytest.mark.knob("twilio", "completed_when_ended")
@pytest.mark.parametrize("answer", ["refuse", "accept"])
def test_hung_up_twice(make_world, answer: str) -> None:
    """Ending an ended call is a success, or a refusal that names a code which the adapter takes for one (21220)."""
    world = make_world(completed_when_ended=answer)
    sid = placed(world)
    world.phone(sid, "ended", cause="busy", by="phone")
    reply = world.api("POST", f"/Calls/{sid}.json", {"Status": "completed"})
    code = verdicts.of_answer(reply.status, {}, reply.body).code
    assert (reply.status, code) == ((400, "21220") if answer == "refuse" else (200, "200"))


@pytest.mark.knob("twilio", "canceled_when_answered", no_adapter="the adapter ends calls with `completed` alone")
@pytest.mark.parametrize(("answer", "status"), [("refuse", 400), ("ignore", 200)])
def test_canceled_when_answered(make_world, answer: str, status: int) -> None:
    """`canceled` leaves an answered call alive; whether it is refused is not known."""
    world = make_world(canceled_when_answered=answer)
    sid = world.answered_call(WAIT)
    assert world.api("POST", f"/Calls/{sid}.json", {"Status": "canceled"}).status == status
    assert world.status(sid) == "in-progress"


@pytest.mark.knob("twilio", "stir_status")
@pytest.mark.parametrize("signed", ["A", ""])
def test_attestation_of_our_calls(make_world, signed: str) -> None:
    """A field that the adapter has no use for is in the signature all the same."""
    world = make_world(stir_status=signed)
    placed(world)
    assert ("StirStatus" in world.asked[0][1]) is bool(signed)
    assert len(events(world, LegProgressed)) == 1


@pytest.mark.knob("twilio", "sign_fragment")
@pytest.mark.parametrize("signed", [True, False])
def test_fragment(make_world, signed: bool) -> None:
    """Signed with the fragment or without, the adapter's own URLs verify."""
    world = make_world(sign_fragment=signed)
    placed(world, StatusCallback="http://gw.test/status" + RETRIES)
    assert "#" not in world.webhooks[0].url
    assert len(events(world, LegProgressed)) == 1


# --- documents and streams -----------------------------------------------------------------------------------------


@pytest.mark.knob("twilio", "answer_fetch_s")
@pytest.mark.parametrize("delay", [0.075, 1.0])
def test_time_to_the_document(make_world, delay: float) -> None:
    """The answer is told before the document is asked for; both requests say the same."""
    world = make_world(answer_fetch_s=delay)
    sid = placed(world)
    world.phone(sid, "answered")
    assert steps(world)[-1] == "status"
    world.pass_time(delay + 0.01)
    assert steps(world)[-1] == "answer"
    assert len(events(world, LegAnswered)) == 2


@pytest.mark.knob("twilio", "require_wss")
@pytest.mark.parametrize("strict", [True, False])
def test_plain_websocket(make_world, strict: bool) -> None:
    """The adapter's document opens its socket, or the refused one leads to its `after` hook."""
    world = make_world(require_wss=strict)
    world.answered_call(connect())
    assert steps(world)[-1] == ("after" if strict else "answer")


@pytest.mark.knob("twilio", "refusal_is_reported")
@pytest.mark.parametrize("told", [True, False])
def test_refused_socket_reported(make_world, told: bool) -> None:
    """A refused socket may be told as a stream error; the `after` hook is asked either way."""
    world = make_world(refusal_is_reported=told)
    world.answered_call(connect())
    world.sim.on_socket_refused(world.now, world.stream.stream, 503)
    assert [event.reason for event in events(world, StreamFailed)] == (["stream-error-31920"] if told else [])
    assert steps(world)[-1] == "after"


@pytest.mark.knob("twilio", "refusal_falls_through")
@pytest.mark.parametrize("asked", [True, False])
def test_refused_socket_falls_through(make_world, asked: bool) -> None:
    """A refused socket leads to the `after` hook, or ends the call: a completed one of no time."""
    world = make_world(refusal_falls_through=asked)
    world.answered_call(connect())
    world.sim.on_socket_refused(world.now, world.stream.stream, 0)
    assert ("after" in steps(world)) is asked
    assert bool(events(world, LegEnded)) is not asked


@pytest.mark.knob("twilio", "connect_action_fields")
@pytest.mark.parametrize("more", [{}, {"StreamSid": "MZ1", "StreamEvent": "stream-stopped"}])
def test_fields_of_the_action(make_world, more: dict[str, str]) -> None:
    """Whatever the `after` request carries beside the call's fields, it verifies and asks for a document."""
    world = make_world(connect_action_fields=more)
    world.answered_call(connect())
    world.sim.on_socket_open(world.now, world.stream.stream)
    world.sim.on_socket_closed(world.now, world.stream.stream, 1000)
    assert steps(world)[-1] == "after"
    assert set(more.items()) <= set(world.asked[-1][1].items())


@pytest.mark.knob("twilio", "close_is_reported")
@pytest.mark.parametrize("told", [True, False])
def test_our_close_reported(make_world, told: bool) -> None:
    """Our own close may come back as a stream error (31921), before the stream's end is asked about."""
    world = make_world(close_is_reported=told)
    world.answered_call(connect())
    world.sim.on_socket_open(world.now, world.stream.stream)
    world.sim.on_socket_closed(world.now, world.stream.stream, 1000)
    assert [event.reason for event in events(world, StreamFailed)] == (["stream-error-31921"] if told else [])


@pytest.mark.knob("twilio", "half_open_after_s")
@pytest.mark.parametrize("after_s", [0.0, 1.0])
def test_half_open(make_world, after_s: float) -> None:
    """31924: the stream is told as broken and goes silent, while its socket stays open; the `after` hook comes at once."""
    world = make_world(half_open_after_s=after_s)
    world.answered_call(connect())
    world.sim.on_socket_open(world.now, world.stream.stream)
    world.pass_time(1.1)
    sent = len(world.frames)
    world.pass_time(1)
    codec = TwilioMedia()
    assert [event for frame in world.of(SendFrame) for event in codec.decode(frame.data)]
    assert [event.reason for event in events(world, StreamFailed)] == (["stream-error-31924"] if after_s else [])
    assert world.closed_streams == []
    assert (len(world.frames) == sent, "after" in steps(world)) == (bool(after_s), bool(after_s))


@pytest.mark.knob("twilio", "bad_frame_breaks_stream")
@pytest.mark.parametrize("breaks", [True, False])
def test_wrong_frames(make_world, breaks: bool) -> None:
    """What the adapter's codec writes harms no stream; a wrong message is dropped, or breaks it with 31924."""
    world = make_world(bad_frame_breaks_stream=breaks)
    world.answered_call(connect())
    stream = world.stream.stream
    world.sim.on_socket_open(world.now, stream)
    codec = TwilioMedia()
    codec.decode(world.of(SendFrame)[1].data)
    for frame in (codec.audio(b"\x11" * 160), codec.mark("m"), codec.clear()):
        world.sim.on_socket_frame(world.now, stream, frame)
    assert events(world, StreamFailed) == []
    world.sim.on_socket_frame(world.now, stream, b"\x11" * 160)
    assert [event.reason for event in events(world, StreamFailed)] == (["stream-error-31924"] if breaks else [])
    assert ("after" in steps(world)) is breaks


@pytest.mark.knob("twilio", "action_after_hangup")
@pytest.mark.parametrize("asked", [True, False])
def test_action_after_a_hang_up(make_world, asked: bool) -> None:
    """When the person hangs up, `after` may be asked with a final status: the leg's end, told once more."""
    world = make_world(action_after_hangup=asked)
    sid = world.answered_call(connect())
    world.sim.on_socket_open(world.now, world.stream.stream)
    world.phone(sid, "ended", cause="normal", by="phone")
    ended = [step for step, event in understood(world) if isinstance(event, LegEnded)]
    assert ended == (["after", "status"] if asked else ["status"])


@pytest.mark.knob("twilio", "play_failure")
@pytest.mark.parametrize(("word", "asked"), [("fail", True), ("skip", False)])
def test_missing_file(make_world, word: str, asked: bool) -> None:
    """A file that cannot be had brings the fallback hook, or is passed over."""
    world = make_world(play_failure=word)
    document = "<Response><Play>x.wav</Play><Pause length='60'/></Response>"
    sid = world.answered_call(document, FallbackUrl="http://gw.test/fallback")
    world.fetched(b"", 404)
    assert ("fallback" in steps(world)) is asked
    assert world.status(sid) == "in-progress"


@pytest.mark.knob("twilio", "key_s", no_adapter="the person hears the keys; nothing is said to us")
@pytest.mark.parametrize(("pause", "pressed"), [(0.2, 3), (1.0, 1)])
def test_length_of_keys(make_world, pause: float, pressed: int) -> None:
    """Keys follow each other faster or slower."""
    world = make_world(key_s=pause)
    world.answered_call('<Response><Play digits="123"/></Response>')
    world.pass_time(0.5)
    assert len([act for act, _, _ in world.network_acts if act == "keys"]) == pressed


# --- callers -------------------------------------------------------------------------------------------------------


@pytest.mark.knob("twilio", "unset_number", no_adapter="the caller hears it; a number without a URL asks nobody")
@pytest.mark.parametrize(("word", "status"), [("refuse", "failed"), ("apology", "completed")])
def test_number_without_a_url(make_world, word: str, status: str) -> None:
    """A caller of an unset number is refused, or answered with an apology; the ledger is loud."""
    world = make_world(unset_number=word)
    sid = world.incoming()
    world.pass_time(5)
    assert world.status(sid) == status
    assert "VoiceUrl" in world.refused[0]["detail"]


@pytest.mark.knob("twilio", "withheld_from")
@pytest.mark.parametrize("word", ["+266696687", "anonymous"])
def test_withheld_number(make_world, word: str) -> None:
    """A caller who withholds the number has a From that is no number; the request verifies and asks for a document."""
    world = make_world(withheld_from=word)
    world.configure(VoiceUrl="http://gw.test/answer")
    world.incoming(caller_id="")
    assert world.asked[-1][1]["From"] == word
    assert [type(event) for event in events(world, LegRinging)] == [LegRinging]


@pytest.mark.knob("twilio", "abandoned_status")
@pytest.mark.parametrize(("word", "outcome"), [("no-answer", Outcome.NO_ANSWER), ("canceled", Outcome.CANCELED)])
def test_abandoned(make_world, word: str, outcome: Outcome) -> None:
    """A caller who gives up before the answer ends the call, under either word."""
    world = make_world(abandoned_status=word)
    world.configure(VoiceUrl="http://gw.test/answer", StatusCallback="http://gw.test/status")
    sid = world.incoming()
    world.phone(sid, "ended", cause="canceled", by="phone")
    assert events(world, LegEnded)[0].verdict.outcome is outcome


# --- looking -------------------------------------------------------------------------------------------------------


def listed(world) -> list[lookup.Seen]:
    calls: Iterable[dict[str, Any]] = world.shown("/Calls.json")["calls"]
    return [lookup.Seen(sid=call["sid"], status=call["status"], created=None) for call in calls]


@pytest.mark.knob("twilio", "list_lag_s")
@pytest.mark.parametrize("lag", [0.0, 2.0])
def test_list_lag(make_world, lag: float) -> None:
    """A new call is listed at once or later: an early look-up finds it, or nothing."""
    world = make_world(list_lag_s=lag)
    sid = placed(world)
    handle = Handle(call_id="c", leg_id="l", to="", caller_id="", sent_at=world.now)
    found = lookup.choose([(seen, lookup.Trace.NONE) for seen in listed(world)], handle)
    assert (found.sid if found else None) == (None if lag else sid)
    world.pass_time(2)
    assert [lookup.sighting(seen).carrier_call_id for seen in listed(world)] == [sid]


@pytest.mark.knob("twilio", "events_lag_s")
@pytest.mark.parametrize("lag", [0.0, 2.0])
def test_events_lag(make_world, lag: float) -> None:
    """The create POST, with our URLs, stands in a call's Events at once or later: then its origin is not known yet."""
    world = make_world(events_lag_s=lag)
    sid = placed(world, Url=ATTEMPT.hook("answer"))
    traces = []
    for _ in range(2):
        requests = [event["request"] for event in world.shown(f"/Calls/{sid}/Events.json")["events"]]
        traces.append(lookup.trace(requests, "leg_1"))
        world.pass_time(2)
    assert traces == [lookup.Trace.NONE if lag else lookup.Trace.OURS, lookup.Trace.OURS]


@pytest.mark.knob("twilio", "account_status")
@pytest.mark.knob("twilio", "account_type")
@pytest.mark.knob("twilio", "balance")
@pytest.mark.parametrize(
    ("knobs", "wrong"),
    [
        ({}, []),
        ({"account_status": "suspended"}, ["account"]),
        ({"account_type": "Trial"}, ["account"]),
        ({"balance": "0.05"}, ["balance"]),
    ],
)
def test_account(make_world, knobs: dict[str, str], wrong: list[str]) -> None:
    """What `check` finds wrong with an account is what is wrong with it."""
    world = make_world(**knobs)
    owner, funds = world.shown(".json"), world.shown("/Balance.json")
    found = account.findings(owner["status"], owner["type"], funds["balance"], funds["currency"], ["+15550190001"])
    assert [finding.what for finding in found if not finding.ok] == wrong


# --- recordings ----------------------------------------------------------------------------------------------------

NOT_YET = "the adapter records nothing yet"


@pytest.mark.knob("twilio", "recording_ready_s", no_adapter=NOT_YET)
@pytest.mark.parametrize("ready_s", [1.0, 3.0])
def test_processing(make_world, ready_s: float) -> None:
    """A recording's file is there a second or several after its end."""
    world = make_world(recording_ready_s=ready_s)
    sid = world.answered_call(WAIT, Record="true", Trim="do-not-trim", RecordingStatusCallback="http://gw.test/rec")
    world.pass_time(1)
    world.phone(sid, "ended", cause="normal", by="phone")
    world.pass_time(2)
    assert len(world.told("/rec")) == (1 if ready_s < 2 else 0)
    world.pass_time(2)
    assert len(world.told("/rec")) == 1


@pytest.mark.knob("twilio", "record_during_connect", no_adapter=NOT_YET)
@pytest.mark.parametrize(("allowed", "status"), [(True, 201), (False, 404)])
def test_recording_beside_a_stream(make_world, allowed: bool, status: int) -> None:
    """A recording can be begun during `<Connect>`, or is refused with 404."""
    world = make_world(record_during_connect=allowed)
    sid = world.answered_call(connect())
    assert world.api("POST", f"/Calls/{sid}/Recordings.json", {}).status == status


@pytest.mark.knob("twilio", "recording_auth", no_adapter=NOT_YET)
@pytest.mark.parametrize(("secret", "status"), [(True, 401), (False, 200)])
def test_access_to_recordings(make_world, secret: bool, status: int) -> None:
    """A file wants the account's credentials, or whoever has its URL may have it."""
    world = make_world(recording_auth=secret)
    sid = world.answered_call(WAIT, Record="true", Trim="do-not-trim", RecordingStatusCallback="http://gw.test/rec")
    world.pass_time(1)
    world.phone(sid, "ended", cause="normal", by="phone")
    world.pass_time(2)
    path = urlsplit(world.told("/rec")[0]["RecordingUrl"]).path.partition(world.credentials["account_sid"])[2]
    assert world.api("GET", path, auth="nobody:nothing").status == status


# --- what our own URLs ask for ------------------------------------------------------------------------------------


def test_our_retries_fit_into_twilios_time(world) -> None:
    """A callback that we do not answer is repeated twice within Twilio's 15 s for all attempts together."""
    placed(world, StatusCallback="http://gw.test/status" + RETRIES)
    began = world.now
    for _ in range(5):
        hook = world.webhooks[-1]
        world.now += hook.timeout_s
        world.sim.on_webhook_reply(world.now, hook.id, WebhookReply(status=0, failure="timeout"))
    assert len(world.webhooks) == 3
    assert sum(hook.timeout_s for hook in world.webhooks) <= 15.0
    assert world.now > began
