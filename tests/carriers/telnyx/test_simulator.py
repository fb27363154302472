"""The simulated Telnyx in memory: its REST manners, a leg's life, its webhooks."""

import base64
import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from telnyx.lib import WebhookVerificationError, verify_webhook_signature
from telnyx.types import (
    BalanceRetrieveResponse,
    CallControlApplicationRetrieveResponse,
    CallDialResponse,
    CallEventListResponse,
    CallRetrieveStatusResponse,
    ConnectionListActiveCallsResponse,
)
from telnyx.types.call_answered_webhook_event import CallAnsweredWebhookEvent
from telnyx.types.call_hangup_webhook_event import CallHangupWebhookEvent
from telnyx.types.call_initiated_webhook_event import CallInitiatedWebhookEvent
from telnyx.types.call_streaming_failed_webhook_event import CallStreamingFailedWebhookEvent
from telnyx.types.call_streaming_started_webhook_event import CallStreamingStartedWebhookEvent
from telnyx.types.call_streaming_stopped_webhook_event import CallStreamingStoppedWebhookEvent

from carriers.lab.contract import (
    CloseSocket,
    Effect,
    OpenSocket,
    PhoneEvent,
    RestReply,
    RestRequest,
    SendFrame,
    Site,
    Wake,
    Webhook,
    WebhookReply,
)
from carriers.telnyx.simulator import TelnyxSimulator

NOW = 1_795_000_000.0
FROM, TO = "+15550190011", "+15550100001"
OURS = ("+15550190011", "+15550190012")


class World:
    """A site, and all that its simulator did to it; it is network and ledger at once."""

    def __init__(self, now: float = NOW, **knobs: Any) -> None:
        self.now, self.effects, self.entries, self.cause = now, [], [], ""  # type: ignore[var-annotated]
        self.dialled: dict[str, str] = {}
        self.heard: list[bytes] = []
        self.site = Site(
            name="telnyx",
            base_url="http://127.0.0.1:4012",
            numbers=OURS,
            random=Random(7),
            network=self,
            ledger=self,
            emit=self.effects.append,
            reject_cause=lambda _now, _to: self.cause or None,
            knobs=knobs,
        )
        self.telnyx = TelnyxSimulator(self.site)
        self.credentials = self.telnyx.credentials()

    # The network and the ledger, as far as a simulator sees them.

    def dial(self, now: float, *, carrier: str, ref: str, to: str, caller_id: str) -> None:
        self.dialled[ref] = to

    def hang_up(self, now: float, *, carrier: str, ref: str) -> None:
        self.phone(ref, "ended", cause="normal", by="carrier")

    def say(self, carrier: str, ref: str) -> bytes:
        return b"\x11" * 160

    def hear(self, carrier: str, ref: str, frame: bytes) -> None:
        self.heard.append(frame)

    def write(self, now: float, kind: str, **more: Any) -> None:
        self.entries.append((kind, more))

    # What a test does.

    def ask(self, method: str, path: str, body: Any = None, query: str = "", key: str | None = None) -> RestReply:
        given = self.credentials["api_key"] if key is None else key
        headers = {"authorization": f"Bearer {given}"} if given else {}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        request = RestRequest(method=method, path=path, query=query, headers=headers, body=raw)
        return self.telnyx.on_request(self.now, request)

    def wish(self, **more: Any) -> dict[str, Any]:
        plain = {
            "connection_id": self.credentials["connection_id"],
            "from": FROM,
            "to": TO,
            "webhook_url": "http://127.0.0.1:1/hook",
            "stream_url": "ws://127.0.0.1:1/media",
            "stream_bidirectional_mode": "rtp",
        }
        return {name: value for name, value in (plain | more).items() if value is not None}

    def place(self, **more: Any) -> str:
        reply = self.ask("POST", "/v2/calls", self.wish(**more))
        assert reply.status == 200, reply.body
        return str(json.loads(reply.body)["data"]["call_control_id"])

    def phone(self, ref: str, kind: str, **more: str) -> None:
        self.telnyx.on_phone(self.now, PhoneEvent(carrier="telnyx", ref=ref, kind=kind, **more))

    def wake(self, word: str) -> None:
        """Let the first timer of this kind come."""
        wake = next(effect for effect in self.effects if isinstance(effect, Wake) and effect.key.startswith(word))
        self.effects.remove(wake)
        self.now = max(self.now, wake.at)
        self.telnyx.on_timer(self.now, wake.key)

    def all(self, kind: type[Effect]) -> Iterator[Any]:
        return (effect for effect in self.effects if isinstance(effect, kind))

    @property
    def hooks(self) -> list[Webhook]:
        return list(self.all(Webhook))

    def told(self) -> list[str]:
        return [json.loads(hook.body)["data"]["event_type"] for hook in self.hooks]

    def payload(self, event_type: str) -> dict[str, Any]:
        bodies = [json.loads(hook.body)["data"] for hook in self.hooks]
        found: dict[str, Any] = next(data["payload"] for data in bodies if data["event_type"] == event_type)
        return found

    def hangup(self) -> tuple[str, str, str]:
        payload = self.payload("call.hangup")
        return payload["hangup_cause"], payload["hangup_source"], payload["sip_hangup_cause"]

    def streaming(self) -> tuple[str, str]:
        """A call that is answered, and its open stream."""
        ref = self.place()
        self.phone(ref, "answered")
        stream = next(self.all(OpenSocket)).stream
        self.telnyx.on_socket_open(self.now, stream)
        return ref, stream

    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(effect.data) for effect in self.all(SendFrame)]


def error(reply: RestReply) -> tuple[int, str, str]:
    first = json.loads(reply.body)["errors"][0]
    return reply.status, first["code"], first.get("source", {}).get("pointer", "")


# --- REST --------------------------------------------------------------------------------------------------------


def test_a_wrong_key_is_refused_and_a_missing_one_hidden_from() -> None:
    """401 for a bad key; without any the API answers 404, as Telnyx does."""
    world = World()
    assert error(world.ask("GET", "/v2/balance", key="KEYwrong")) == (401, "10009", "")
    assert error(world.ask("GET", "/v2/balance", key="")) == (404, "10005", "")
    assert world.ask("GET", "/v2/balance").status == 200


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"to": None}, (422, "10004", "/to")),
        ({"from": None}, (422, "10004", "/from")),
        ({"to": "5550100001"}, (422, "10016", "/to")),
        ({"to": "+0123"}, (422, "10016", "/to")),
        ({"from": "anonymous"}, (422, "10016", "/from")),
        ({"connection_id": "1"}, (422, "10015", "/connection_id")),
        ({"client_state": "not base64!"}, (422, "90017", "/client_state")),
        ({"timeout_secs": 4}, (422, "10015", "/timeout_secs")),
        ({"timeout_secs": 601}, (422, "10015", "/timeout_secs")),
        ({"timeout_secs": True}, (422, "10015", "/timeout_secs")),
        ({"time_limit_secs": 14_401}, (422, "10015", "/time_limit_secs")),
        ({"stream_url": "https://x"}, (422, "10015", "/stream_url")),
        ({"stream_url": "wss://" + "x" * 2000}, (422, "10015", "/stream_url")),
        ({"stream_bidirectional_codec": "pcmu"}, (422, "10015", "/stream_bidirectional_codec")),
        ({"webhook_url": "ftp://x"}, (422, "10015", "/webhook_url")),
        ({"record": "record-from-answer"}, (422, "10015", "/record")),
    ],
)
def test_a_malformed_dial_is_refused_where_it_is_wrong(change: dict[str, Any], expected: tuple[int, str, str]) -> None:
    """Each bad field gets its code and a pointer to it, rings nobody, and stands in the ledger as a dial all the same."""
    world = World()
    assert error(world.ask("POST", "/v2/calls", world.wish(**change))) == expected
    assert not world.dialled
    assert [kind for kind, _ in world.entries] == ["dial"]


@pytest.mark.parametrize("body", [b"garbage", b"[]", b"\xff", b"[" * 100_000])
def test_a_dial_that_is_no_json_object_is_refused(body: bytes) -> None:
    """Bad input never raises."""
    world = World()
    assert error(world.ask("POST", "/v2/calls", body))[0] == 400
    assert world.telnyx.is_dial(RestRequest(method="POST", path="/v2/calls", body=body)) is None


def test_what_is_not_simulated_is_refused_loudly() -> None:
    """An unknown path is named in the answer and in the ledger."""
    world = World()
    ref = world.place()
    for method, path in (
        ("POST", f"/v2/calls/{ref}/actions/speak"),
        ("GET", "/v2/messages"),
        ("DELETE", "/v2/calls"),
        ("GET", "/"),
    ):
        reply = world.ask(method, path)
        assert (reply.status, path.encode() in reply.body) == (501, True)
        assert world.entries[-1][0] == "refused"
        assert world.entries[-1][1]["path"] == path


def test_answers_are_what_the_sdks_models_promise() -> None:
    """Every answer is validated by the SDK's own types, generated from Telnyx' API description."""
    world = World()
    reply = world.ask("POST", "/v2/calls", world.wish(client_state="bGVn"))
    CallDialResponse.model_validate_json(reply.body, strict=True)
    ref = json.loads(reply.body)["data"]["call_control_id"]
    assert json.loads(reply.body)["data"]["is_alive"] is False
    CallRetrieveStatusResponse.model_validate_json(world.ask("GET", f"/v2/calls/{ref}").body, strict=True)
    BalanceRetrieveResponse.model_validate_json(world.ask("GET", "/v2/balance").body, strict=True)
    application = world.ask("GET", f"/v2/call_control_applications/{world.credentials['connection_id']}")
    CallControlApplicationRetrieveResponse.model_validate_json(application.body, strict=True)
    active = json.loads(world.ask("GET", f"/v2/connections/{world.credentials['connection_id']}/active_calls").body)
    assert [ConnectionListActiveCallsResponse.model_validate(item, strict=True).client_state for item in active["data"]] == [
        "bGVn"
    ]
    log = json.loads(world.ask("GET", "/v2/call_events").body)
    assert [CallEventListResponse.model_validate(item, strict=True).name for item in log["data"]] == ["call.initiated"]


def test_a_call_is_known_while_it_lives_and_after() -> None:
    """The look-up tells life and end, never the cause; the list of active calls forgets what has ended."""
    world = World()
    ref = world.place()
    active = f"/v2/connections/{world.credentials['connection_id']}/active_calls"
    assert json.loads(world.ask("GET", f"/v2/calls/{ref}").body)["data"]["is_alive"] is True
    assert len(json.loads(world.ask("GET", active).body)["data"]) == 1
    world.phone(ref, "ended", cause="busy", by="phone")
    data = json.loads(world.ask("GET", f"/v2/calls/{ref}").body)["data"]
    assert (data["is_alive"], "end_time" in data, "hangup_cause" in data) == (False, True, False)
    assert json.loads(world.ask("GET", active).body)["data"] == []
    assert error(world.ask("GET", "/v2/calls/v3:none")) == (404, "10005", "")


def test_the_list_of_active_calls_may_lag() -> None:
    """A knob keeps young calls out of the list, as an eventually consistent index would."""
    world = World(active_calls_lag_s=2.0)
    world.place()
    active = f"/v2/connections/{world.credentials['connection_id']}/active_calls"
    assert json.loads(world.ask("GET", active).body)["data"] == []
    world.now += 2
    assert len(json.loads(world.ask("GET", active).body)["data"]) == 1


def test_lists_come_in_pages() -> None:
    """page[number] and page[size] cut a list, and meta counts it."""
    world = World()
    page = json.loads(world.ask("GET", "/v2/phone_numbers", query="page%5Bnumber%5D=2&page%5Bsize%5D=1").body)
    assert [item["phone_number"] for item in page["data"]] == [OURS[1]]
    assert page["meta"] == {"page_number": 2, "page_size": 1, "total_pages": 2, "total_results": 2}


def test_more_than_150_dials_in_five_seconds_are_refused() -> None:
    """Telnyx refuses with 429/90103 and queues nothing; five seconds later it takes dials again."""
    world = World()
    for _ in range(150):
        world.place()
    assert error(world.ask("POST", "/v2/calls", world.wish())) == (429, "90103", "")
    world.now += 5.0
    world.place()


@pytest.mark.parametrize(("knob", "status"), [("first_answer", 200), ("refused", 422)])
def test_a_command_id_is_good_for_one_call_a_minute(knob: str, status: int) -> None:
    """The second dial with the same command_id places nothing, whatever it is answered; after 60 s it is a new one."""
    world = World(duplicate_dial=knob)
    first = world.ask("POST", "/v2/calls", world.wish(command_id="leg_1"))
    again = world.ask("POST", "/v2/calls", world.wish(command_id="leg_1"))
    assert (len(world.dialled), again.status) == (1, status)
    assert (again.body == first.body) is (knob == "first_answer")
    assert [kind for kind, _ in world.entries] == ["dial", "dial"]
    world.now += 60
    world.ask("POST", "/v2/calls", world.wish(command_id="leg_1"))
    assert len(world.dialled) == 2


@pytest.mark.parametrize("answer", ["hangup", "refusal"])
def test_too_many_calls_at_once(answer: str) -> None:
    """By default a dial too many is accepted and hung up with 403 (D1); a knob refuses it at once with 90041."""
    world = World(concurrent_calls=1, concurrency_answer=answer)
    world.place()
    reply = world.ask("POST", "/v2/calls", world.wish())
    if answer == "refusal":
        assert error(reply) == (403, "90041", "")
    else:
        world.wake("end")
        assert world.hangup() == ("call_rejected", "unknown", "403")
    assert len(world.dialled) == 1


def test_faults_are_worded_as_telnyx_words_them() -> None:
    """The lab's faults come in Telnyx' envelope, with codes that are strings."""
    world = World()
    assert error(world.telnyx.fault_reply("auth_error")) == (401, "10009", "")
    assert error(world.telnyx.fault_reply("suspended")) == (403, "20012", "")
    limited = world.telnyx.fault_reply("rate_limited")
    assert (error(limited), limited.headers["x-ratelimit-remaining"]) == ((429, "10011", ""), "0")
    assert error(world.telnyx.fault_reply("http_error", 503)) == (503, "10007", "")
    assert error(world.telnyx.fault_reply("http_error", 403, "90043")) == (403, "90043", "")


# --- a leg's life ------------------------------------------------------------------------------------------------


def test_a_call_that_is_answered_and_hung_up_by_the_person() -> None:
    """Initiated, answered, streaming.started, then streaming.stopped and hangup; never a word of ringing."""
    world = World()
    ref = world.place()
    world.phone(ref, "ringing")
    world.phone(ref, "answered")
    world.phone(ref, "ended", cause="normal", by="phone")
    assert world.told() == ["call.initiated", "call.answered", "streaming.started", "streaming.stopped", "call.hangup"]
    assert world.hangup()[:2] == ("normal_clearing", "callee")
    assert world.telnyx.live_calls() == 0


@pytest.mark.parametrize(
    ("cause", "by", "words"),
    [
        ("busy", "phone", ("user_busy", "callee", "486")),
        ("declined", "phone", ("call_rejected", "callee", "603")),
        ("no_answer", "network", ("no_answer", "callee", "480")),
        ("unreachable", "network", ("unspecified", "callee", "480")),
        ("normal", "network", ("unspecified", "unknown", "unspecified")),
    ],
)
def test_what_the_telephone_network_says_in_telnyx_words(cause: str, by: str, words: tuple[str, str, str]) -> None:
    """Each cause of the network has its hang-up; a line lost in the network is the one without a word."""
    world = World()
    world.phone(world.place(), "ended", cause=cause, by=by)
    assert world.hangup() == words


def test_a_number_that_does_not_exist_takes_the_network_its_time() -> None:
    """A 404 of the telephone network never comes at once; that is how it differs from Telnyx' own."""
    world = World()
    world.phone(world.place(), "ended", cause="invalid", by="network")
    assert world.told() == ["call.initiated"]
    world.wake("end")
    assert (world.hangup(), world.now - NOW) == (("not_found", "callee", "404"), 1.5)


@pytest.mark.parametrize("cause", sorted(TelnyxSimulator.causes))
def test_every_reject_cause_ends_the_leg_before_any_ringing(cause: str) -> None:
    """The fault `reject` accepts the dial, rings nobody, and hangs up with its cause."""
    world = World()
    world.cause = cause
    world.place()
    world.wake("end")
    assert cause in world.hangup()
    assert not world.dialled


def test_a_foreign_caller_id_is_found_out_late() -> None:
    """An unverified caller id is no refusal of the dial; it comes as a hang-up with 403."""
    world = World()
    world.place(**{"from": "+15550190099"})
    world.wake("end")
    assert world.hangup() == ("call_rejected", "unknown", "403")


@pytest.mark.parametrize(("retries", "cause"), [(False, "no_answer"), (True, "timeout"), (None, "timeout")])
def test_ringing_ends_with_its_time_out(retries: bool | None, cause: str) -> None:
    """After timeout_secs the leg ends; `retry_on_timeout` chooses the word."""
    world = World()
    world.place(timeout_secs=7, retry_on_timeout=retries)
    world.wake("ring")
    assert (world.hangup()[0], world.now - NOW) == (cause, 7.0)


def test_a_call_ends_with_its_time_limit() -> None:
    """time_limit_secs counts from the answer."""
    world = World()
    ref = world.place(time_limit_secs=60)
    world.now += 3
    world.phone(ref, "answered")
    world.wake("limit")
    assert (world.hangup()[0], world.now - NOW) == ("time_limit", 63.0)


@pytest.mark.parametrize(("answered", "cause"), [(False, "originator_cancel"), (True, "normal_clearing")])
def test_a_hang_up_by_command(answered: bool, cause: str) -> None:
    """The command ends the leg; a second one is answered with 90018, one for a strange id with 90015."""
    world = World()
    ref = world.place()
    if answered:
        world.phone(ref, "answered")
    assert json.loads(world.ask("POST", f"/v2/calls/{ref}/actions/hangup", {}).body) == {"data": {"result": "ok"}}
    assert world.hangup()[:2] == (cause, "caller")
    assert error(world.ask("POST", f"/v2/calls/{ref}/actions/hangup")) == (422, "90018", "")
    assert error(world.ask("POST", "/v2/calls/v3:none/actions/hangup")) == (422, "90015", "")


def test_a_leg_can_be_hung_up_while_its_rejection_is_on_its_way() -> None:
    """The command wins, and the timer that comes later changes nothing."""
    world = World()
    world.cause = "503"
    ref = world.place()
    world.ask("POST", f"/v2/calls/{ref}/actions/hangup")
    assert world.hangup()[0] == "originator_cancel"
    world.wake("end")
    assert world.told().count("call.hangup") == 1


def test_a_happy_call_may_end_with_503() -> None:
    """A knob turns on what was captured on a real leg."""
    world = World(normal_sip="503")
    ref = world.place()
    world.phone(ref, "answered")
    world.ask("POST", f"/v2/calls/{ref}/actions/hangup")
    assert world.hangup() == ("normal_clearing", "caller", "503")


@pytest.mark.parametrize(("knob", "expected"), [(True, ["streaming.stopped"]), (False, [])])
def test_a_stream_that_never_began_may_stop(knob: bool, expected: list[str]) -> None:
    """A dial with a stream that nobody answered also yields streaming.stopped, says one project; a knob says no."""
    world = World(stopped_when_unanswered=knob)
    world.phone(world.place(), "ended", cause="busy", by="phone")
    assert world.told() == ["call.initiated", *expected, "call.hangup"]


def test_reset_forgets_calls_and_keeps_the_account() -> None:
    """Credentials outlive the calls, and late timers and replies of an earlier life do nothing."""
    world = World()
    ref = world.place()
    world.telnyx.reset()
    assert (world.telnyx.live_calls(), world.telnyx.credentials()) == (0, world.credentials)
    world.wake("ring")
    world.phone(ref, "answered")
    world.telnyx.on_webhook_reply(world.now, world.hooks[0].id, WebhookReply(status=500))
    assert world.told() == ["call.initiated"]


# --- webhooks ----------------------------------------------------------------------------------------------------


def test_webhooks_are_what_the_sdks_models_promise() -> None:
    """Every event is validated by the SDK's own type for it."""
    world = World()
    _, stream = world.streaming()
    world.telnyx.on_socket_closed(world.now, stream, 1006)
    world.phone(world.place(), "ended", cause="declined", by="phone")
    models = {
        "call.initiated": CallInitiatedWebhookEvent,
        "call.answered": CallAnsweredWebhookEvent,
        "call.hangup": CallHangupWebhookEvent,
        "streaming.started": CallStreamingStartedWebhookEvent,
        "streaming.failed": CallStreamingFailedWebhookEvent,
        "streaming.stopped": CallStreamingStoppedWebhookEvent,
    }
    assert set(world.told()) == set(models)
    for hook, kind in zip(world.hooks, world.told(), strict=True):
        models[kind].model_validate_json(hook.body, strict=True)


def test_hang_ups_look_like_the_captured_ones() -> None:
    """Neither state nor direction nor tags, but an end time and statistics as strings."""
    world = World()
    ref, _ = world.streaming()
    for _ in range(3):
        world.telnyx.on_tick(world.now)
    world.phone(ref, "ended", cause="normal", by="phone")
    payload = world.payload("call.hangup")
    assert not {"state", "direction", "tags"} & set(payload)
    assert payload["end_time"].endswith("Z")
    assert payload["call_quality_stats"]["inbound"]["packet_count"] == "3"


def test_the_sdk_accepts_the_signatures() -> None:
    """Telnyx' own validator takes what the simulator signs, and refuses it changed, for another key, or old."""
    import time

    world = World(now=time.time())
    world.place()
    hook, key = world.hooks[0], world.credentials["public_key"]
    verify_webhook_signature(hook.body, hook.headers, key)
    with pytest.raises(WebhookVerificationError):
        verify_webhook_signature(hook.body + b" ", hook.headers, key)
    with pytest.raises(WebhookVerificationError):
        verify_webhook_signature(hook.body, hook.headers, base64.b64encode(b"\1" * 32).decode())
    old = World(now=time.time() - 400)
    old.place()
    with pytest.raises(WebhookVerificationError):
        verify_webhook_signature(old.hooks[0].body, old.hooks[0].headers, old.credentials["public_key"])


def test_a_webhook_that_is_not_answered_with_200_is_repeated() -> None:
    """Later each time, with the same event id, a higher attempt, and a signature of its own time; then given up."""
    world = World(webhook_retries=2)
    world.place()
    first = world.hooks[0]
    for status in (503, 202):
        world.telnyx.on_webhook_reply(world.now, first.id, WebhookReply(status=status))
        world.wake("webhook")
    bodies = [json.loads(hook.body) for hook in world.hooks]
    assert [body["meta"]["attempt"] for body in bodies] == [1, 2, 3] == [hook.attempt for hook in world.hooks]
    assert len({body["data"]["id"] for body in bodies}) == 1
    assert [int(hook.headers["telnyx-timestamp"]) - NOW for hook in world.hooks] == [0, 1, 3]
    world.telnyx.on_webhook_reply(world.now, first.id, WebhookReply(status=0, failure="timeout"))
    assert not any(effect.key.startswith("webhook") for effect in world.all(Wake))


def test_a_webhook_that_is_answered_with_200_is_done() -> None:
    """One 200, and the event is never sent again."""
    world = World()
    world.place()
    world.telnyx.on_webhook_reply(world.now, world.hooks[0].id, WebhookReply(status=200, body=b"<Response/>"))
    assert not any(effect.key.startswith("webhook") for effect in world.all(Wake))


def test_the_failover_url_is_used_after_two_failures() -> None:
    """The third attempt goes to the failover URL."""
    world = World(webhook_failover_url="http://127.0.0.1:2/hook")
    world.place()
    for _ in range(2):
        world.telnyx.on_webhook_reply(world.now, world.hooks[0].id, WebhookReply(status=500))
        world.wake("webhook")
    assert [hook.url for hook in world.hooks] == ["http://127.0.0.1:1/hook"] * 2 + ["http://127.0.0.1:2/hook"]


# --- the stream --------------------------------------------------------------------------------------------------


def test_the_stream_begins_with_connected_and_start() -> None:
    """start names the call, and the codec of what follows; the stream's id is top-level."""
    world = World()
    ref, stream = world.streaming()
    connected, start = world.frames()
    assert connected == {"event": "connected", "version": "1.0.0"}
    assert (start["event"], start["stream_id"], start["start"]["call_control_id"]) == ("start", stream, ref)
    assert start["start"]["media_format"] == {"encoding": "PCMU", "sample_rate": 8000, "channels": 1}


def test_sound_goes_both_ways() -> None:
    """Each tick sends 20 ms of the person with a higher chunk, and plays 20 ms of what was sent, else silence."""
    world = World()
    _, stream = world.streaming()
    payload = base64.b64encode(b"\x22" * 240).decode()
    world.telnyx.on_socket_frame(world.now, stream, json.dumps({"event": "media", "media": {"payload": payload}}))
    for _ in range(3):
        world.telnyx.on_tick(world.now)
    media = [frame for frame in world.frames() if frame["event"] == "media"]
    assert [frame["media"]["chunk"] for frame in media] == ["1", "2", "3"]
    assert {base64.b64decode(frame["media"]["payload"]) for frame in media} == {b"\x11" * 160}
    assert world.heard == [b"\x22" * 160, b"\x22" * 80 + b"\xff" * 80, b"\xff" * 160]


def test_marks_come_back_when_played_and_at_once_when_nothing_waits() -> None:
    """A mark follows the sound before it; with an empty queue it is echoed immediately; clear returns what waits."""
    world = World()
    _, stream = world.streaming()

    def send(message: dict[str, Any]) -> list[str]:
        before = len(world.frames())
        world.telnyx.on_socket_frame(world.now, stream, json.dumps(message))
        return [frame["mark"]["name"] for frame in world.frames()[before:]]

    sound = {"event": "media", "media": {"payload": base64.b64encode(b"\x22" * 320).decode()}}
    assert send({"event": "mark", "mark": {"name": "at once"}}) == ["at once"]
    send(sound)
    assert send({"event": "mark", "mark": {"name": "later"}}) == []
    world.telnyx.on_tick(world.now)
    assert [frame for frame in world.frames() if frame["event"] == "mark"][1:] == []
    world.telnyx.on_tick(world.now)
    assert world.frames()[-1]["mark"] == {"name": "later"}
    send(sound)
    send({"event": "mark", "mark": {"name": "cleared"}})
    assert send({"event": "clear"}) == ["cleared"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("garbage", 100003),
        ("[]", 100003),
        ('{"event":"unheard-of"}', 100003),
        ('{"event":"mark"}', 100003),
        ('{"event":"media","media":{"payload":"***"}}', 100004),
        ('{"event":"media","media":{}}', 100004),
        ('{"event":"media","media":{"payload":"AAAA"}}', 100004),
        (b"\x00" * 160, None),
    ],
)
def test_wrong_frames_are_answered_with_an_error_and_entered(frame: str | bytes, code: int | None) -> None:
    """The stream goes on; binary frames are ignored without a word, but the ledger has them."""
    world = World()
    _, stream = world.streaming()
    before = len(world.frames())
    world.telnyx.on_socket_frame(world.now, stream, frame)
    assert [reply["payload"]["code"] for reply in world.frames()[before:]] == ([code] if code else [])
    assert world.entries[-1][0] == "rejected_frame"


def test_raw_sound_on_a_stream_in_mp3_mode_is_silently_not_played() -> None:
    """mp3 is the default when the mode is forgotten, and the person hears nothing."""
    world = World()
    ref = world.place(stream_bidirectional_mode=None)
    world.phone(ref, "answered")
    stream = next(world.all(OpenSocket)).stream
    world.telnyx.on_socket_open(world.now, stream)
    payload = base64.b64encode(b"\x22" * 160).decode()
    world.telnyx.on_socket_frame(world.now, stream, json.dumps({"event": "media", "media": {"payload": payload}}))
    world.telnyx.on_tick(world.now)
    assert world.heard == [b"\xff" * 160]
    assert world.entries[-1][0] == "rejected_frame"


def test_a_full_buffer_is_a_rate_limit() -> None:
    """What exceeds the buffer is dropped, with error 100005."""
    world = World(playback_limit_s=0.03)
    _, stream = world.streaming()
    payload = base64.b64encode(b"\x22" * 160).decode()
    for _ in range(2):
        world.telnyx.on_socket_frame(world.now, stream, json.dumps({"event": "media", "media": {"payload": payload}}))
    assert world.frames()[-1]["payload"]["code"] == 100005


def test_keys_are_told_on_both_ways() -> None:
    """A key comes as a frame and as a webhook."""
    world = World()
    ref, _ = world.streaming()
    world.phone(ref, "digit", digit="5")
    assert world.frames()[-1]["dtmf"] == {"digit": "5"}
    assert world.payload("call.dtmf.received")["digit"] == "5"


@pytest.mark.parametrize(("code", "event"), [(1000, "streaming.stopped"), (1006, "streaming.failed")])
def test_the_call_survives_its_stream(code: int, event: str) -> None:
    """A closed or broken socket ends the stream and not the call; a webhook says so."""
    world = World()
    _, stream = world.streaming()
    world.telnyx.on_socket_closed(world.now, stream, code)
    assert world.told()[-1] == event
    assert world.telnyx.live_calls() == 1
    world.telnyx.on_tick(world.now)
    assert world.heard == []


def test_a_refused_stream_is_reported_and_the_call_lives() -> None:
    """streaming.failed says connection_failed, with the URL that was tried."""
    world = World()
    world.phone(world.place(), "answered")
    world.telnyx.on_socket_refused(world.now, next(world.all(OpenSocket)).stream, 403)
    payload = world.payload("streaming.failed")
    assert (payload["failure_reason"], payload["stream_params"]["stream_url"]) == ("connection_failed", "ws://127.0.0.1:1/media")
    assert world.telnyx.live_calls() == 1


def test_a_broken_stream_may_be_opened_again_by_itself() -> None:
    """Call Control documents no reconnection; a knob turns one on."""
    world = World(stream_reconnect_after_s=1.0)
    _, stream = world.streaming()
    world.telnyx.on_socket_closed(world.now, stream, 1006)
    world.wake("reconnect")
    streams = [effect.stream for effect in world.all(OpenSocket)]
    assert (len(streams), streams[0] == stream, streams[1] == stream) == (2, True, False)


def test_streams_by_command() -> None:
    """streaming_start needs an answered call without a stream; streaming_stop needs one with a stream."""
    world = World()
    ref = world.place()
    start, stop = f"/v2/calls/{ref}/actions/streaming_start", f"/v2/calls/{ref}/actions/streaming_stop"
    wish = {"stream_url": "ws://127.0.0.1:1/second", "stream_bidirectional_mode": "rtp"}
    assert error(world.ask("POST", start, wish))[1] == "90034"
    assert error(world.ask("POST", stop))[1] == "90048"
    world.phone(ref, "answered")
    assert error(world.ask("POST", start, wish))[1] == "90045"
    assert world.ask("POST", stop).status == 200
    assert error(world.ask("POST", start, {"stream_track": "both_tracks"}))[2] == "/stream_track"
    assert world.ask("POST", start, wish).status == 200
    assert [effect.url for effect in world.all(OpenSocket)] == ["ws://127.0.0.1:1/media", "ws://127.0.0.1:1/second"]
    plain = world.place(stream_url=None)
    world.phone(plain, "answered")
    assert error(world.ask("POST", f"/v2/calls/{plain}/actions/streaming_start", {})) == (422, "10004", "/stream_url")


def test_the_end_of_the_leg_ends_the_stream() -> None:
    """A stop frame, then the socket closes."""
    world = World()
    ref, stream = world.streaming()
    world.phone(ref, "ended", cause="normal", by="phone")
    assert world.frames()[-1]["event"] == "stop"
    assert [effect.stream for effect in world.all(CloseSocket)] == [stream]
