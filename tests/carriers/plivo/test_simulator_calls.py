"""The life of a simulated call: signed webhooks, retries, documents, and how it ends."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest
from plivo.utils import validate_v3_signature

from carriers.contract import HookRequest
from carriers.plivo.webhooks import PlivoWebhooks
from gateway.domain.errors import BadSignature

HOOKS = "https://gw.example.com/hooks"
RETRYING = "#ct=1000&rt=2000&rc=2&rp=ct,rt,5xx"


def _form(hook: Any) -> dict[str, str]:
    return dict(parse_qsl(hook.body.decode(), keep_blank_values=True))


def _headers(hook: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in hook.headers.items()}


def _ended(world: Any, ref: str) -> tuple[int, str]:
    call = world.simulator.calls[ref]
    return call.cause, call.source


# --- webhooks ----------------------------------------------------------------------------------------------------


def test_life_of_an_answered_call(world: Any) -> None:
    """Ring, StartApp and Hangup arrive in order, with the fields and oddities of recorded ones."""
    ref = world.answered()
    world.obey("<Hangup/>")
    world.run(65.0)
    world.phone(ref, "ended", cause="normal", by="carrier")
    ring, start, hangup = (_form(hook) for hook in world.sent())
    assert [ring["Event"], start["Event"], hangup["Event"]] == ["Ring", "StartApp", "Hangup"]
    assert [ring["CallStatus"], start["CallStatus"], hangup["CallStatus"]] == ["ringing", "in-progress", "completed"]
    assert {ring["CallUUID"], start["ALegUUID"], hangup["RequestUUID"]} == {ref}
    assert (ring["From"], start["From"], hangup["From"]) == ("+15550190021", "15550190021", "15550190021")
    assert (hangup["Duration"], hangup["BillDuration"], hangup["HangupCauseCode"]) == ("66", "120", "4000")
    assert "ALegUUID" not in ring


def test_end_mixes_time_zones(world: Any) -> None:
    """SessionStart is UTC, the other times are the account's own, hours apart and unmarked."""
    ref = world.answered()
    world.phone(ref, "ended", cause="normal", by="phone")
    hangup = _form(world.sent("Hangup")[0])
    assert hangup["SessionStart"].startswith("2026-11-18 11:06:40")
    assert hangup["StartTime"] == "2026-11-18 16:36:40"


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_signatures_are_true(world: Any, method: str) -> None:
    """The SDK's validator and our own check accept what the simulator signs, and refuse it once it is touched."""
    ref = world.answered(answer_method=method, answer_url=f"{HOOKS}/answer?b=2&a=1")
    hook = world.sent()[-1]
    token = world.simulator.credentials()["auth_token"]
    headers = _headers(hook)
    signature, nonce = headers["x-plivo-signature-v3"], headers["x-plivo-signature-v3-nonce"]
    assert validate_v3_signature(method, hook.url, nonce, token, signature, _form(hook))
    assert not validate_v3_signature(method, hook.url + "&c=3", nonce, token, signature, _form(hook))
    request = HookRequest(method=method, url=hook.url, path="answer", headers=headers, body=hook.body)
    assert PlivoWebhooks(token).verify(request, world.now).key
    assert PlivoWebhooks(token).parse(request, world.now).events[0].carrier_call_id == ref
    with pytest.raises(BadSignature):
        PlivoWebhooks(token + "x").verify(request, world.now)


@pytest.mark.knob("plivo", "upgrade_signed_as")
@pytest.mark.parametrize("scheme", ["http", "https", "wss"])
def test_upgrades_are_signed(world_with: Callable[..., Any], scheme: str) -> None:
    """The media socket's request is signed as a GET of its URL, however its scheme is spelled, and our check sees it."""
    world = world_with(upgrade_signed_as=scheme)
    world.streaming()
    (opened,) = [effect for effect in world.effects if type(effect).__name__ == "OpenSocket"]
    token = world.simulator.credentials()["auth_token"]
    assert PlivoWebhooks(token).verify_upgrade(opened.url, _headers(opened), world.now)
    with pytest.raises(BadSignature):
        PlivoWebhooks(token).verify_upgrade(opened.url + "x", _headers(opened), world.now)


@pytest.mark.knob("plivo", "sign_upgrade")
def test_upgrades_may_be_unsigned(world_with: Callable[..., Any]) -> None:
    """The other guess is played as well."""
    world = world_with(sign_upgrade=False)
    world.streaming()
    (opened,) = [effect for effect in world.effects if type(effect).__name__ == "OpenSocket"]
    assert not PlivoWebhooks("token").verify_upgrade(opened.url, _headers(opened), world.now)
    signing = world_with(sign_upgrade=True)
    signing.streaming()
    (opened,) = [effect for effect in signing.effects if type(effect).__name__ == "OpenSocket"]
    assert PlivoWebhooks(signing.simulator.credentials()["auth_token"]).verify_upgrade(opened.url, _headers(opened), 0.0)


def test_fragment_is_policy_and_is_not_sent(world: Any) -> None:
    """The fragment sets time-outs and retries, and never reaches the customer."""
    world.answered(answer_url=f"{HOOKS}/answer{RETRYING}")
    hook = world.sent("StartApp")[0]
    assert (hook.url, hook.connect_timeout_s, hook.timeout_s) == (f"{HOOKS}/answer", 1.0, 3.0)


@pytest.mark.parametrize(
    ("url", "reply", "tries"),
    [
        (f"{HOOKS}/ring", {"status": 0, "failure": "timeout"}, 2),
        (f"{HOOKS}/ring", {"status": 500}, 1),
        (f"{HOOKS}/ring{RETRYING}", {"status": 500}, 3),
        (f"{HOOKS}/ring{RETRYING}", {"status": 0, "failure": "connect"}, 3),
        (f"{HOOKS}/ring{RETRYING}", {"status": 404}, 1),
        (f"{HOOKS}/ring#rc=5&rp=all", {"status": 404}, 6),
        (f"{HOOKS}/ring#rc=0", {"status": 0, "failure": "connect"}, 1),
        (f"{HOOKS}/ring{RETRYING}", {"status": 200}, 1),
    ],
)
def test_retries(world: Any, url: str, reply: dict[str, Any], tries: int) -> None:
    """A webhook is tried as often as its fragment says, else once more after a time-out and never after a 5xx."""
    ref = world.place(ring_url=url)
    world.run(1.0)
    world.phone(ref, "ringing")
    for _ in range(10):
        world.reply(world.sent("Ring")[-1], **reply)
        world.run(0.2)
    sent = world.sent("Ring")
    assert [hook.attempt for hook in sent] == list(range(1, tries + 1))
    assert len({hook.body for hook in sent}) == 1


@pytest.mark.knob("plivo", "retry_renews_nonce")
@pytest.mark.parametrize(("renews", "nonces"), [(True, 2), (False, 1)])
def test_nonce_of_a_retry(world_with: Callable[..., Any], renews: bool, nonces: int) -> None:
    """Whether a retry is signed anew is not known: either way it has the same key for us."""
    world = world_with(retry_renews_nonce=renews)
    ref = world.place()
    world.run(1.0)
    world.phone(ref, "ringing")
    world.reply(world.sent("Ring")[0], status=0, failure="timeout")
    world.run(0.2)
    token = world.simulator.credentials()["auth_token"]
    tries = [
        HookRequest(method="POST", url=hook.url, path="ring", headers=_headers(hook), body=hook.body)
        for hook in world.sent("Ring")
    ]
    assert len({request.headers["x-plivo-signature-v3-nonce"] for request in tries}) == nonces
    assert len({PlivoWebhooks(token).verify(request, world.now).key for request in tries}) == 1


# --- documents ---------------------------------------------------------------------------------------------------


def test_fallback_is_asked_when_the_answer_fails(world: Any) -> None:
    """When answer_url fails, fallback_url is asked the same, and its document is obeyed."""
    ref = world.answered(fallback_url=f"{HOOKS}/fallback")
    world.reply(world.sent()[-1], status=503)
    asked = world.sent("StartApp")
    assert [hook.url for hook in asked] == [f"{HOOKS}/answer", f"{HOOKS}/fallback"]
    world.obey("<Hangup/>")
    assert world.hung_up == [ref]


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (503, "", 7011),
        (200, "", 8011),
        (200, "{}", 8011),
        (200, "<html/>", 8011),
        (200, "<Response><Reject/></Response>", 8011),
        (200, "<Response><Stream>https://gw.example.com/media</Stream></Response>", 8011),
        (200, "<!DOCTYPE a><Response/>", 8011),
        (200, "<Response/>", 4010),
        (200, "<Response><Redirect>nowhere</Redirect></Response>", 7024),
    ],
)
def test_bad_documents_end_the_call(world: Any, status: int, body: str, code: int) -> None:
    """What cannot be fetched or read ends the call with the code that says so."""
    ref = world.answered()
    world.reply(world.sent()[-1], status=status, body=body)
    world.phone(ref, "ended", cause="normal", by="carrier")
    assert _ended(world, ref)[0] == code


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ("<Conference>room</Conference>", "<Conference>"),
        ("<MultiPartyCall role='Agent'>room</MultiPartyCall>", "<MultiPartyCall>"),
        ("<Dial><User>sip:a@phone.plivo.com</User></Dial>", "<User>"),
        ("<Dial sipHeaders='a=1'><Number>15550101001</Number></Dial>", "sipHeaders of <Dial>"),
        ("<Record transcriptionType='auto'/>", "transcriptionType of <Record>"),
        ("<Wait tune='jazz'/>", "tune of <Wait>"),
        (f"<GetInput action='{HOOKS}/in' inputType='dtmf speech'/>", "<GetInput> with inputType dtmf speech"),
        ("<Stream noiseCancellation='true'>wss://gw.example.com/m</Stream>", "noiseCancellation of <Stream>"),
    ],
)
def test_what_is_not_played_of_documents_is_refused_aloud(world: Any, document: str, named: str) -> None:
    """An element or attribute that the lab does not obey is named in the ledger, and ends the call."""
    ref = world.answered()
    world.obey(document)
    assert named in world.refusals("refused")[0]["what"]
    assert world.hung_up == [ref]


def test_verbs_take_their_time(world: Any) -> None:
    """Speak lasts as long as its text and Wait as long as it says; then the next verb has its turn."""
    ref = world.answered()
    world.obey('<Wait length="3"/><Speak>thirty characters, two seconds</Speak><Hangup/>')
    world.tick(4.9)
    assert not world.hung_up
    world.tick(0.2)
    assert world.hung_up == [ref]
    assert 95 <= sum(frame != b"\xff" * 160 for frame in world.ears[ref]) <= 101


def test_redirect_asks_for_the_next_document(world: Any) -> None:
    """Redirect fetches with Event=Redirect; if that fails the code says so."""
    ref = world.answered()
    world.obey(f"<Redirect>{HOOKS}/after#rc=0</Redirect>")
    (asked,) = world.sent("Redirect")
    assert (asked.url, _form(asked)["CallStatus"]) == (f"{HOOKS}/after", "in-progress")
    world.reply(asked, status=500)
    world.phone(ref, "ended", cause="normal", by="carrier")
    assert _ended(world, ref)[0] == 7014


def test_late_answer_of_a_dead_call_is_ignored(world: Any) -> None:
    """A document that comes after the end does nothing."""
    ref = world.answered()
    world.phone(ref, "ended", cause="normal", by="phone")
    world.reply(world.sent("StartApp")[0], body="<Response><Hangup/></Response>")
    assert not world.hung_up
    assert _ended(world, ref) == (4000, "Callee")


# --- ends --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "by", "code", "status"),
    [
        ("busy", "phone", 3010, "busy"),
        ("no_answer", "network", 3000, "no-answer"),
        ("declined", "phone", 3020, "busy"),
        ("unreachable", "network", 3000, "no-answer"),
        ("invalid", "network", 3050, "failed"),
    ],
)
def test_unanswered_ends(world: Any, cause: str, by: str, code: int, status: str) -> None:
    """What the phone network says becomes the carrier's own code, on hangup_url alone."""
    ref = world.place()
    world.run(1.0)
    world.phone(ref, "ended", cause=cause, by=by)
    (hook,) = world.sent()
    form = _form(hook)
    assert (form["Event"], form["HangupCauseCode"], form["CallStatus"]) == ("Hangup", str(code), status)
    assert (form["AnswerTime"], form["BillDuration"], form["Duration"]) == ("", "0", "0")


def test_rejections_are_asynchronous(world: Any) -> None:
    """An injected cause lets the 201 pass and ends the call before any phone rings."""
    world.reject = "5020"
    ref = world.place()
    world.run(1.0)
    assert not world.dialed
    assert _ended(world, ref) == (5020, "Plivo")
    assert _form(world.sent("Hangup")[0])["HangupCauseName"] == "Routing Error"


def test_every_rejection_is_known(world: Any) -> None:
    """Whatever `reject` understands can be played to its end."""
    for cause in sorted(world.simulator.causes):
        world.reject = cause
        world.place()
        world.run(2.0)
    assert sorted(_form(hook)["HangupCauseCode"] for hook in world.sent("Hangup")) == sorted(world.simulator.causes)


def test_ring_timeout(world: Any) -> None:
    """A phone that rings too long is given up with 6010."""
    ref = world.place(ring_timeout=20)
    world.run(1.0)
    world.phone(ref, "ringing")
    world.run(20.0)
    assert world.hung_up == [ref]
    world.phone(ref, "ended", cause="canceled", by="carrier")
    assert _ended(world, ref) == (6010, "Plivo")


def test_time_limit(world: Any) -> None:
    """A call that lasts too long is ended with 6000."""
    ref = world.answered(time_limit=30)
    world.run(30.0)
    assert world.hung_up == [ref]
    world.phone(ref, "ended", cause="normal", by="carrier")
    assert _ended(world, ref) == (6000, "Plivo")


def test_lost_leg(world: Any) -> None:
    """A leg that the network loses after the answer is a network error, not somebody's hang-up."""
    ref = world.answered()
    world.phone(ref, "ended", cause="normal", by="network")
    assert _ended(world, ref) == (5000, "Carrier")


def test_reset_forgets_calls_and_keeps_credentials(world: Any) -> None:
    """After a reset nothing is live, old timers mean nothing, and the account is the same."""
    before = world.simulator.credentials()
    ref = world.place()
    world.simulator.reset()
    world.run(200.0)
    world.phone(ref, "ringing")
    assert (world.simulator.live_calls(), world.dialed, world.sent()) == (0, [], [])
    assert world.simulator.credentials() == before
