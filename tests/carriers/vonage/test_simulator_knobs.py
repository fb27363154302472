"""Every guess of the simulated Vonage, turned both ways against the adapter: it has to live with either answer."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from carriers.contract import Arrival, Attempt, CarrierSettings, Expectation, Handle, HookRequest, LegAtCarrier
from carriers.lab.contract import CloseSocket, Greeting, OpenSocket, Webhook, WebhookReply
from carriers.lab.lab import Lab
from carriers.vonage import KIND, Credentials, verdicts
from carriers.vonage.api import call_body
from carriers.vonage.markup import NccoMarkup
from carriers.vonage.media import VonageCodec
from carriers.vonage.webhooks import VonageWebhooks
from gateway.domain.errors import BadSignature
from gateway.domain.events import LegAnswered, LegEnded, LegProgressed, StreamFailed
from gateway.domain.media import Digit, MarkPlayed, StreamStarted
from gateway.domain.outcome import Outcome

ATTEMPT = Attempt(
    call_id="call_1",
    leg_id="leg_1",
    to="+15550100001",
    caller_id="+15550190031",
    carrier="vonage",
    public_url="https://gw.example.com",
    media_token="secret",
)
INBOUND = {"address": "https://gw.example.com/carriers/vonage/inbound/answer", "http_method": "POST"}
NEWS = "https://gw.example.com/carriers/vonage/inbound/event"
Make = Callable[..., Any]


class Talk:
    """The adapter at the other end of a stage: it places the call, verifies and parses each webhook, and answers it."""

    def __init__(self, stage: Any, *, hashed: bool = True) -> None:
        own = stage.sim.credentials()
        self.stage, self.markup, self.codec = stage, NccoMarkup(), VonageCodec()
        self.hooks = VonageWebhooks(own["signature_secret"], own["application_id"], require_payload_hash=hashed)
        self.after: Callable[[], Any] = self.markup.hang_up
        self.events: list[Any] = []
        self.arrivals: list[Arrival] = []
        self.asked: list[str] = []
        """Steps whose answer was wanted, in order."""

    def place(self, **changes: Any) -> str:
        return str(self.stage.place(**{**call_body(ATTEMPT), **changes}))

    def answered(self, **changes: Any) -> str:
        """A call that the phone has answered, all its webhooks too."""
        ref = self.place(**changes)
        self.stage.answer_phone(ref)
        self.settle()
        return ref

    def streaming(self, **changes: Any) -> tuple[str, str]:
        """A call whose stream is open."""
        ref = self.answered(**changes)
        (opening,) = self.stage.take(OpenSocket)
        self.hooks.verify_upgrade(opening.url, opening.headers, self.stage.now)
        self.stage.sim.on_socket_open(self.stage.now, opening.stream)
        self.settle()
        return ref, opening.stream

    def settle(self) -> None:
        while webhooks := self.stage.webhooks():
            for webhook in webhooks:
                self.take(webhook)

    def request(self, webhook: Webhook) -> HookRequest:
        call_id, leg_id, step = urlsplit(webhook.url).path.split("/")[-3:]
        return HookRequest(
            method=webhook.method,
            url=webhook.url,
            path=step,
            headers=webhook.headers,
            body=webhook.body,
            call_id=call_id,
            leg_id=leg_id,
        )

    def key(self, webhook: Webhook) -> str:
        return self.hooks.verify(self.request(webhook), self.stage.now).key

    def take(self, webhook: Webhook) -> None:
        request = self.request(webhook)
        self.hooks.verify(request, self.stage.now)
        if request.leg_id == "inbound":
            arrival = self.hooks.parse_arrival(request, self.stage.now)
            if arrival is None:
                return
            self.arrivals.append(arrival)
            hook = arrival.hook
        else:
            hook = self.hooks.parse(request, self.stage.now)
        self.events += hook.events
        if hook.expects is not Expectation.ACKNOWLEDGEMENT:
            self.asked.append(request.path)
        self.reply(webhook, self.document(hook.expects))

    def document(self, expects: Expectation) -> Any:
        documents = {
            Expectation.ACKNOWLEDGEMENT: self.markup.acknowledge,
            Expectation.ANSWER_DOCUMENT: lambda: self.markup.connect(ATTEMPT),
            Expectation.AFTER_STREAM_DOCUMENT: self.after,
        }
        return documents[expects]()

    def reply(self, webhook: Webhook, document: Any) -> None:
        answer = WebhookReply(status=document.status, body=document.body, content_type=document.content_type)
        self.stage.sim.on_webhook_reply(self.stage.now, webhook.id, answer)

    def ended(self) -> list[LegEnded]:
        return [event for event in self.events if isinstance(event, LegEnded)]

    def heard(self) -> list[Any]:
        """What the codec makes of the frames since the last look."""
        return [told for frame in self.stage.frames() for told in self.codec.decode(frame)]


# --- what the carrier signs ----------------------------------------------------------------------------------------


@pytest.mark.knob("vonage", "payload_hash")
@pytest.mark.parametrize("carried", [True, False])
def test_tokens_without_a_hash_pass_only_where_that_is_allowed(make_stage: Make, carried: bool) -> None:
    """The adapter wants the claim unless it is told otherwise."""
    stage = make_stage(payload_hash=carried)
    strict, lenient = Talk(stage), Talk(stage, hashed=False)
    lenient.place()
    stage.pass_time(0.1)
    (webhook,) = stage.webhooks()
    assert lenient.key(webhook)
    if carried:
        assert strict.key(webhook) == lenient.key(webhook)
    else:
        with pytest.raises(BadSignature, match="no-payload-hash"):
            strict.key(webhook)


@pytest.mark.knob("vonage", "get_hash_over")
@pytest.mark.parametrize("covered", ["json", "query"])
def test_a_get_is_verified_over_either_reading_of_its_parameters(make_stage: Make, covered: str) -> None:
    """As JSON of the parameters, or as the raw query."""
    stage = make_stage(get_hash_over=covered)
    talk = Talk(stage)
    talk.place(event_method="GET")
    stage.pass_time(0.1)
    (webhook,) = stage.webhooks()
    assert (webhook.method, bool(talk.key(webhook))) == ("GET", True)


@pytest.mark.knob("vonage", "webhook_retries")
@pytest.mark.knob("vonage", "webhook_retry_after_s")
@pytest.mark.parametrize(("retries", "after_s"), [(1, 1.0), (2, 0.2)])
def test_a_repeated_webhook_is_known_again(make_stage: Make, retries: int, after_s: float) -> None:
    """However often it comes, with whatever new token, its delivery key is the same."""
    stage = make_stage(webhook_retries=retries, webhook_retry_after_s=after_s)
    talk = Talk(stage)
    ref = talk.place()
    stage.answer_phone(ref)
    keys = []
    for _ in range(1 + retries):
        webhook = stage.asked("answer")
        keys.append(talk.key(webhook))
        stage.reply(webhook, status=503)
        stage.pass_time(after_s + 0.01)
    assert (len(keys), len(set(keys)), stage.network.hung_up) == (1 + retries, 1, [ref])


@pytest.mark.knob("vonage", "notify_timestamp")
@pytest.mark.parametrize("stamped", [True, False])
def test_two_questions_are_two_deliveries(make_stage: Make, stamped: bool) -> None:
    """The notify after each of two streams has a key of its own, with a time in its body or without."""
    stage = make_stage(notify_timestamp=stamped, calls_per_second=100)
    talk = Talk(stage)
    _, stream = talk.streaming()
    keys = []
    for _ in range(2):
        stage.pass_time(1)
        stage.sim.on_socket_closed(stage.now, stream, 1006)
        stage.reply(stage.asked("stream"), status=204)
        webhook = stage.asked("after")
        keys.append(talk.key(webhook))
        talk.reply(webhook, talk.markup.connect(ATTEMPT))
        (opening,) = stage.take(OpenSocket)
        stream = opening.stream
        stage.sim.on_socket_open(stage.now, stream)
        stage.webhooks()
    assert keys[0] != keys[1]


# --- what the carrier refuses --------------------------------------------------------------------------------------


def reason(reply: Any) -> str:
    return verdicts.api_verdict(reply.status, reply.headers, reply.body).reason


@pytest.mark.knob("vonage", "error_shape")
@pytest.mark.parametrize("shape", ["problem", "legacy"])
def test_refusals_are_judged_in_either_shape(make_stage: Make, shape: str) -> None:
    """A wrong key is a wrong key, and too much is too much."""
    stage = make_stage(error_shape=shape, requests_per_second=0)
    assert reason(stage.request("GET", "/v1/calls", token="garbage")) == "unauthorized"
    assert reason(stage.request("GET", "/v1/calls")) == "rate-limited"


@pytest.mark.knob("vonage", "calls_per_second")
@pytest.mark.parametrize(("pace", "statuses"), [(3, [201, 201]), (1, [201, 429])])
def test_a_dial_over_the_pace_is_judged_as_haste(make_stage: Make, pace: int, statuses: list[int]) -> None:
    """Whatever the account's pace is."""
    stage = make_stage(calls_per_second=pace)
    replies = [stage.request("POST", "/v1/calls", call_body(ATTEMPT)) for _ in range(2)]
    assert [reply.status for reply in replies] == statuses
    assert all(reason(reply) == "rate-limited" for reply in replies if reply.status == 429)


@pytest.mark.knob("vonage", "requests_per_second")
@pytest.mark.parametrize(("pace", "status"), [(15, 200), (1, 429)])
def test_other_requests_have_a_pace_too(make_stage: Make, pace: int, status: int) -> None:
    """A look-up over it is judged as haste."""
    stage = make_stage(requests_per_second=pace)
    stage.request("GET", "/v1/calls")
    reply = stage.request("GET", "/v1/calls")
    assert reply.status == status
    assert (reason(reply) == "rate-limited") == (status == 429)


@pytest.mark.knob("vonage", "connects_count")
@pytest.mark.parametrize("counts", [True, False])
def test_a_connect_over_the_pace_is_told_and_asked_about(make_stage: Make, counts: bool) -> None:
    """The error is kept for the log, and the flow's last action asks; where connects are free the stream opens."""
    stage = make_stage(connects_count=counts, calls_per_second=1)
    talk = Talk(stage)
    talk.answered()
    assert len(stage.take(OpenSocket)) == (0 if counts else 1)
    errors = [event for event in talk.events if "error" in event.carrier_data]
    assert (len(errors), talk.asked) == ((1, ["answer", "after"]) if counts else (0, ["answer"]))


# --- how calls go ---------------------------------------------------------------------------------------------------


@pytest.mark.knob("vonage", "dial_after_s")
@pytest.mark.parametrize("after_s", [0.05, 2.0])
def test_the_dial_may_be_slow(make_stage: Make, after_s: float) -> None:
    """Until then nothing is told; then the leg makes progress."""
    stage = make_stage(dial_after_s=after_s)
    talk = Talk(stage)
    ref = talk.place()
    stage.pass_time(after_s - 0.01)
    talk.settle()
    assert talk.events == []
    stage.pass_time(0.02)
    talk.settle()
    (event,) = talk.events
    assert (type(event), event.carrier_call_id) == (LegProgressed, ref)


@pytest.mark.knob("vonage", "sip_code_as")
@pytest.mark.knob("vonage", "completed_follows")
@pytest.mark.parametrize(("form", "follows"), [("number", True), ("string", False)])
def test_busy_is_busy(make_stage: Make, form: str, follows: bool) -> None:
    """With its code as a number or as text, and whether `completed` comes after it or not: one end, the first."""
    stage = make_stage(sip_code_as=form, completed_follows=follows)
    talk = Talk(stage)
    ref = talk.place()
    stage.pass_time(0.1)
    stage.phone(ref, "ended", cause="busy", by="phone")
    talk.settle()
    (end,) = talk.ended()
    assert (end.verdict.outcome, end.verdict.code) == (Outcome.BUSY, "busy:486")


@pytest.mark.knob("vonage", "empty_ncco_replaces")
@pytest.mark.parametrize("replaces", [True, False])
def test_our_hang_up_ends_the_call(make_stage: Make, replaces: bool) -> None:
    """An empty flow does, whether it replaces the rest or counts as none."""
    stage = make_stage(empty_ncco_replaces=replaces)
    talk = Talk(stage)
    ref, stream = talk.streaming()
    stage.sim.on_socket_closed(stage.now, stream, 1000)
    talk.settle()
    assert stage.network.hung_up == [ref]
    assert talk.asked == (["answer", "stream"] if replaces else ["answer", "stream", "after"])


@pytest.mark.knob("vonage", "async_connect_blocks")
@pytest.mark.parametrize("blocks", [True, False])
def test_our_flow_waits_for_its_stream(make_stage: Make, blocks: bool) -> None:
    """Our connect is synchronous: nobody is asked what comes after while the stream is open."""
    stage = make_stage(async_connect_blocks=blocks)
    talk = Talk(stage)
    talk.streaming()
    stage.tick(times=50)
    talk.settle()
    assert (talk.asked, stage.network.hung_up) == (["answer"], [])


@pytest.mark.knob("vonage", "standard_detection_waits")
@pytest.mark.parametrize("waits", [True, False])
def test_detection_may_hold_the_flow_back(make_stage: Make, waits: bool) -> None:
    """The answer is known at once, the stream comes sooner or later."""
    stage = make_stage(standard_detection_waits=waits)
    stage.network.greets = Greeting(machine=False, ends_s=0.7)
    talk = Talk(stage)
    talk.answered(machine_detection="continue")
    assert any(isinstance(event, LegAnswered) for event in talk.events)
    assert len(stage.take(OpenSocket)) == (0 if waits else 1)
    stage.pass_time(2)
    talk.settle()
    assert len(stage.take(OpenSocket)) == (1 if waits else 0)


@pytest.mark.knob("vonage", "silence_is")
@pytest.mark.knob("vonage", "machine_events_take_ncco")
@pytest.mark.parametrize(("word", "takes"), [("human", True), ("machine", False)])
def test_what_detection_says_does_not_disturb_the_stream(make_stage: Make, word: str, takes: bool) -> None:
    """Either word proves an answer, and our acknowledgement is no flow."""
    stage = make_stage(silence_is=word, machine_events_take_ncco=takes)
    talk = Talk(stage)
    ref, _ = talk.streaming(advanced_machine_detection={"mode": "default"})
    talk.events.clear()
    stage.pass_time(5)
    talk.settle()
    (told,) = talk.events
    assert (type(told), told.carrier_call_id) == (LegAnswered, ref)
    assert (stage.take(CloseSocket), stage.network.hung_up) == ([], [])


@pytest.mark.knob("vonage", "no_digits_as_null")
@pytest.mark.parametrize("null", [True, False])
def test_an_input_that_nobody_asked_for_is_no_news(make_stage: Make, null: bool) -> None:
    """Our flows have no input; one of somebody else's at our URL tells nothing, whatever its digits are."""
    stage = make_stage(no_digits_as_null=null)
    talk = Talk(stage)
    flow = [{"action": "input", "dtmf": {"timeOut": 1}}]
    ref = talk.place(answer_url=None, answer_method=None, ncco=flow)
    stage.answer_phone(ref)
    talk.settle()
    talk.events.clear()
    stage.pass_time(1.1)
    (webhook,) = stage.webhooks()
    assert json.loads(webhook.body)["dtmf"]["digits"] == (None if null else "")
    talk.take(webhook)
    assert talk.events == []


# --- calls from phones ----------------------------------------------------------------------------------------------


@pytest.mark.knob("vonage", "withheld_as")
@pytest.mark.parametrize("word", ["anonymous", "Unknown", ""])
def test_a_withheld_number_is_no_number(make_stage: Make, word: str) -> None:
    """Whatever the carrier writes instead."""
    stage = make_stage(withheld_as=word)
    talk = Talk(stage)
    stage.configure(answer_url=INBOUND)
    stage.incoming("")
    talk.settle()
    (arrival,) = talk.arrivals
    assert (arrival.caller_id, arrival.to) == ("", "+15550190031")


@pytest.mark.knob("vonage", "inbound_answered")
@pytest.mark.parametrize("when", ["before", "with_flow"])
def test_a_caller_is_answered_sooner_or_later(make_stage: Make, when: str) -> None:
    """Answered before we are asked or with our flow: the stream opens, and the caller is on the line."""
    stage = make_stage(inbound_answered=when)
    talk = Talk(stage)
    stage.configure(answer_url=INBOUND, event_url=NEWS)
    ref = stage.incoming()
    talk.settle()
    assert stage.network.answered == [ref]
    assert len(stage.take(OpenSocket)) == 1
    assert {arrival.carrier_call_id for arrival in talk.arrivals} == {ref}
    assert any(isinstance(event, LegAnswered) for event in talk.events)


@pytest.mark.knob("vonage", "abandoned_as")
@pytest.mark.parametrize("word", ["cancelled", "unanswered"])
def test_a_caller_who_gives_up_ends_the_leg(make_stage: Make, word: str) -> None:
    """In either word it is an end without an answer."""
    stage = make_stage(abandoned_as=word, inbound_answered="with_flow")
    talk = Talk(stage)
    stage.configure(answer_url=INBOUND, event_url=NEWS)
    ref = stage.incoming()
    stage.phone(ref, "ended", cause="canceled", by="phone")
    talk.settle()
    (end,) = talk.ended()
    assert (end.carrier_call_id, end.answered) == (ref, False)


@pytest.mark.knob("vonage", "unlinked_number_hears", no_adapter="the caller hears it; nothing is said to us")
@pytest.mark.parametrize("word", ["declined", "invalid"])
def test_what_the_caller_of_an_unlinked_number_hears(make_stage: Make, word: str) -> None:
    """Nobody is asked; the network is told."""
    stage = make_stage(unlinked_number_hears=word)
    ref = stage.incoming()
    assert stage.network.refused == [(ref, word)]


# --- streams --------------------------------------------------------------------------------------------------------


@pytest.mark.knob("vonage", "older_engine")
@pytest.mark.parametrize("older", [False, True])
def test_both_engines_are_understood(make_stage: Make, older: bool) -> None:
    """A space before the brace, a first message without its event, keys under another name."""
    stage = make_stage(older_engine=older)
    talk = Talk(stage)
    ref, _ = talk.streaming()
    stage.phone(ref, "digit", digit="5")
    assert [type(told) for told in talk.heard()] == [StreamStarted, Digit]


@pytest.mark.knob("vonage", "buffer_messages")
@pytest.mark.parametrize("size", [3072, 3])
def test_a_mark_comes_back_even_if_sound_before_it_was_dropped(make_stage: Make, size: int) -> None:
    """Ten frames and a mark: of a small buffer only three are heard, and the mark is reached sooner."""
    stage = make_stage(buffer_messages=size)
    talk = Talk(stage)
    _, stream = talk.streaming()
    talk.heard()
    for frame in [talk.codec.audio(b"\x11\x22" * 160)] * 10 + [talk.codec.mark("said")]:
        stage.sim.on_socket_frame(stage.now, stream, frame)
    heard_after = []
    for tick in range(1, 12):
        stage.tick()
        heard_after += [tick for told in talk.heard() if told == MarkPlayed("said")]
    assert heard_after == [min(size, 10)]


@pytest.mark.knob("vonage", "strict_frames")
@pytest.mark.parametrize("strict", [True, False])
def test_a_wrong_frame_costs_the_stream_or_nothing(make_stage: Make, strict: bool) -> None:
    """Our codec pads its frames; one that somebody else sent ends the stream, which we are told, or is ignored."""
    stage = make_stage(strict_frames=strict)
    talk = Talk(stage)
    _, stream = talk.streaming()
    stage.sim.on_socket_frame(stage.now, stream, talk.codec.audio(b"\x11\x22"))
    assert stage.ledger.kinds("rejected_frame") == []
    stage.sim.on_socket_frame(stage.now, stream, b"\x11\x22")
    talk.settle()
    assert any(isinstance(event, StreamFailed) for event in talk.events) == strict
    assert bool(stage.take(CloseSocket)) == strict


@pytest.mark.knob("vonage", "clear_answers_notifies")
@pytest.mark.parametrize("answers", [True, False])
def test_a_cleared_mark_may_come_back_or_not(make_stage: Make, answers: bool) -> None:
    """The codec reads what comes; the bridge drops its marks itself, since nothing is promised."""
    stage = make_stage(clear_answers_notifies=answers)
    talk = Talk(stage)
    _, stream = talk.streaming()
    talk.heard()
    for frame in (talk.codec.audio(b"\x11\x22" * 160), talk.codec.mark("said"), talk.codec.clear()):
        stage.sim.on_socket_frame(stage.now, stream, frame)
    assert talk.heard() == ([MarkPlayed("said")] if answers else [])
    assert not KIND.capabilities.clear_returns_marks


@pytest.mark.knob("vonage", "mute_updates_media")
@pytest.mark.parametrize("updates", [True, False])
def test_news_of_muting_is_let_pass(make_stage: Make, updates: bool) -> None:
    """A message that the codec does not know tells nothing and harms nothing."""
    stage = make_stage(mute_updates_media=updates)
    talk = Talk(stage)
    _, stream = talk.streaming()
    talk.heard()
    assert stage.request("PUT", f"/v1/calls/{stream}", {"action": "mute"}).status == 204
    frames = stage.frames()
    assert len(frames) == (1 if updates else 0)
    assert [told for frame in frames for told in talk.codec.decode(frame)] == []


# --- the opened carrier ---------------------------------------------------------------------------------------------


def handle(uuid: str = "", sent_at: float = 0.0) -> Handle:
    return Handle(
        call_id="call_1", leg_id="leg_1", to=ATTEMPT.to, caller_id=ATTEMPT.caller_id, carrier_call_id=uuid, sent_at=sent_at
    )


async def in_lab(work: Callable[[Lab, Any], Any], **knobs: Any) -> Any:
    """Let the adapter, opened on a lab with these knobs, do something."""
    async with Lab(kinds=["vonage"], numbers={"vonage": (ATTEMPT.caller_id,)}, knobs={"vonage": knobs}) as lab:
        given = lab.credentials("vonage")
        own = Credentials(**{name: given[name] for name in Credentials.__struct_fields__})
        carrier = KIND.open(CarrierSettings(name="vonage", credentials=own, base_url=given["base_url"]), time.time)
        try:
            return await work(lab, carrier)
        finally:
            await carrier.aclose()


@pytest.mark.knob("vonage", "ended_call_status")
@pytest.mark.parametrize("status", [404, 400])
async def test_a_second_hang_up_succeeds(status: int) -> None:
    """Whatever a finished call answers, the adapter looks and finds it over."""

    async def work(lab: Lab, carrier: Any) -> Any:
        placed = await carrier.place(ATTEMPT, time.time() + 5, lambda: True)
        for _ in range(2):
            await carrier.hang_up(handle(placed.carrier_call_id))
        return (await carrier.find(handle(placed.carrier_call_id))).state

    assert await in_lab(work, ended_call_status=status) is LegAtCarrier.ENDED


@pytest.mark.knob("vonage", "listed_after_s")
@pytest.mark.parametrize(("after_s", "state"), [(0.0, LegAtCarrier.ACCEPTED), (60.0, LegAtCarrier.MISSING)])
async def test_a_call_that_is_listed_late_is_missing_first(after_s: float, state: LegAtCarrier) -> None:
    """Which is why an empty look-up counts only after `lookup_settles_s`."""

    async def work(lab: Lab, carrier: Any) -> Any:
        sent_at = time.time()
        await carrier.place(ATTEMPT, time.time() + 5, lambda: True)
        return (await carrier.find(handle(sent_at=sent_at))).state

    assert await in_lab(work, listed_after_s=after_s, dial_after_s=5.0) is state


@pytest.mark.knob("vonage", "balance")
@pytest.mark.parametrize(("balance", "well"), [(25.5, True), (0, False)])
async def test_an_empty_account_is_found_out(balance: float, well: bool) -> None:
    """The check says that there is no money."""

    async def work(lab: Lab, carrier: Any) -> Any:
        return {finding.what: finding.ok for finding in await carrier.check()}

    assert (await in_lab(work, balance=balance))["balance"] is well


@pytest.mark.knob("vonage", "number_update_replaces", no_adapter="the adapter changes no numbers")
@pytest.mark.parametrize("replaces", [True, False])
def test_what_an_update_of_a_number_does_not_name(make_stage: Make, replaces: bool) -> None:
    """It is taken away, or stays: whoever links a number names everything at once, to be safe."""
    stage = make_stage(number_update_replaces=replaces)
    own = stage.configure()
    form = "country=US&msisdn=15550190031&moHttpUrl=https://gw.example.com/texts"
    assert stage.account("POST", "/number/update", form=form).status == 200
    number = json.loads(stage.account("GET", "/account/numbers").body)["numbers"][0]
    assert (number.get("app_id"), number["moHttpUrl"]) == (None if replaces else own, "https://gw.example.com/texts")


@pytest.mark.knob("vonage", "undelivered_code", no_adapter="the adapter sends no texts yet")
@pytest.mark.parametrize("code", ["1260", "1330"])
def test_the_code_of_a_text_that_reached_nobody(make_stage: Make, code: str) -> None:
    """It stands in the error, where a customer looks for it."""
    stage = make_stage(undelivered_code=code)
    text = {"channel": "sms", "message_type": "text", "to": "15550100001", "from": "15550190031", "text": "Hello"}
    reply = stage.request("POST", "/v1/messages", text | {"webhook_url": "https://gw.example.com/texts"})
    stage.webhooks()
    stage.phone(json.loads(reply.body)["message_uuid"], "undelivered")
    (body,) = stage.bodies()
    assert body["error"]["title"] == code


# --- the fallback of the application --------------------------------------------------------------------------------


@pytest.mark.parametrize("inbound", [True, False])
def test_the_fallback_saves_a_caller_and_invents_none(make_stage: Make, inbound: bool) -> None:
    """The answer URL is out of reach twice: of a phone's call the fallback is the announcement, of ours it is none."""
    stage = make_stage()
    talk = Talk(stage)
    fallback = {"address": "https://gw.example.com/carriers/vonage/inbound/fallback", "http_method": "POST"}
    stage.configure(answer_url=INBOUND, fallback_answer_url=fallback)
    ref = stage.incoming() if inbound else talk.place()
    if not inbound:
        stage.answer_phone(ref)
    for _ in range(2):
        stage.reply(stage.asked("answer"), status=503)
        stage.pass_time(1)
    talk.settle()
    assert [arrival.carrier_call_id for arrival in talk.arrivals] == ([ref] if inbound else [])
    assert len(stage.take(OpenSocket)) == int(inbound)
