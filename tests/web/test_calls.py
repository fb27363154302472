"""`/v1/calls` through HTTP: what is accepted, what is shown, what is refused, and that a refusal stores nothing."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from gateway.domain.errors import IllegalTransition, StoreUnavailable
from gateway.domain.outcome import CallStatus, Knowledge, LegPhase, Outcome
from gateway.domain.records import Call, Leg, MediaCounters, Promise
from gateway.domain.verdict import next_carrier

NOW = 1_795_314_400.0
PROBLEM = "application/problem+json"


def fields(response: Any) -> dict[str, dict[str, str]]:
    assert response.headers["content-type"].startswith(PROBLEM)
    return {error["field"]: error for error in response.json().get("errors", [])}


async def test_a_call_is_accepted_and_shown(gateway: Any) -> None:
    """201 with Location, a key of ours, and the call exactly in the API's words, with the configured defaults."""
    response = await gateway.post()
    assert response.status_code == 201
    call = response.json()
    assert response.headers["location"] == f"/v1/calls/{call['id']}"
    assert response.headers["idempotency-key"].startswith("idem_")
    assert call == {
        "id": call["id"],
        "direction": "outbound",
        "to": "+15550100001",
        "from": None,
        "status": "dialing",
        "outcome": None,
        "reason": None,
        "agent": "echo",
        "route": "narrow",
        "metadata": {},
        "created_at": "2026-11-22T02:26:40.000Z",
        "answered_at": None,
        "ended_at": None,
        "expires_at": "2026-11-22T03:26:40.000Z",
        "callback": None,
        "legs": [],
        "session": {"id": call["session"]["id"], "resumed": 0},
    }
    assert (await gateway.get(f"/v1/calls/{call['id']}")).json() == call
    (stored,) = gateway.desk.accepted
    assert (stored.ring_timeout_s, stored.max_duration_s, stored.on_exhausted) == (45, 3600, "callback")


async def test_every_field_reaches_the_call(gateway: Any) -> None:
    """What a user may say is stored as it was said."""
    body = {
        "to": "+12125550100",
        "from": "+15550190002",
        "agent": "echo",
        "route": "default",
        "carriers": ["gamma", "beta"],
        "metadata": {"order": "4711"},
        "max_duration_s": 60,
        "ring_timeout_s": 20,
        "not_before": "2026-11-22T04:26:40+01:00",
        "expires_at": "2026-11-22T05:26:40Z",
        "on_exhausted": "fail",
        "record": False,
        "retry_on": [],
        "machine_detection": None,
    }
    response = await gateway.post(body)
    assert response.status_code == 201, response.text
    (call,) = gateway.desk.accepted
    assert (call.from_number, call.agent, call.route, call.carriers) == ("+15550190002", "echo", "default", ("gamma", "beta"))
    assert (call.metadata, call.max_duration_s, call.ring_timeout_s) == ({"order": "4711"}, 60, 20)
    assert (call.not_before, call.expires_at, call.on_exhausted) == (NOW + 3600, NOW + 10800, "fail")


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("no-to", {"to": ...}, "to", "required"),
    ("to-number", {"to": 15550100001}, "to", "text"),
    ("to-null", {"to": None}, "to", "text"),
    ("to-words", {"to": "my mother"}, "to", "E.164"),
    ("to-short", {"to": "+1555"}, "to", "E.164"),
    ("to-long", {"to": "+155501000012345678"}, "to", "E.164"),
    ("to-no-plus", {"to": "15550100001"}, "to", "E.164"),
    ("to-spaces", {"to": "+1 555 010 0001"}, "to", "E.164"),
    ("to-sip", {"to": "sip:a@b"}, "to", "E.164"),
    ("to-other-digits", {"to": "+1555٠١٠٠٠٠١"}, "to", "E.164"),
    ("to-newline", {"to": "+15550100001\n"}, "to", "E.164"),
    ("to-unrouted", {"to": "+442079460000"}, "to", "begin with +1"),
    ("from-words", {"from": "us"}, "from", "E.164"),
    ("from-unowned", {"from": "+15550199999"}, "from", "+15550190001"),
    ("from-not-of-those", {"from": "+15550190001", "carriers": ["beta"]}, "from", "+15550190002"),
    ("agent-unknown", {"agent": "ehco"}, "agent", "did you mean `echo`?"),
    ("agent-list", {"agent": ["echo"]}, "agent", "text"),
    ("route-unknown", {"route": "defualt"}, "route", "did you mean `default`?"),
    ("route-unfit", {"route": "narrow", "to": "+12125550100"}, "to", "begin with +1555"),
    ("carrier-unknown", {"carriers": ["alhpa"]}, "carriers[0]", "did you mean `alpha`?"),
    ("carrier-twice", {"carriers": ["alpha", "alpha"]}, "carriers[1]", "once"),
    ("carrier-off-route", {"carriers": ["gamma"]}, "carriers[0]", "allowed: alpha, beta"),
    ("carriers-text", {"carriers": "alpha"}, "carriers", "a list"),
    ("metadata-number", {"metadata": {"order": 1}}, "metadata.order", "text"),
    ("metadata-list", {"metadata": []}, "metadata", "a mapping"),
    ("metadata-long", {"metadata": {"k": "v" * 513}}, "metadata.k", "at most 512"),
    ("metadata-many", {"metadata": {str(n): "" for n in range(33)}}, "metadata", "at most 32 keys"),
    ("ring-short", {"ring_timeout_s": 4}, "ring_timeout_s", "from 5 to 120"),
    ("ring-long", {"ring_timeout_s": 121}, "ring_timeout_s", "from 5 to 120"),
    ("ring-fraction", {"ring_timeout_s": 20.5}, "ring_timeout_s", "whole number"),
    ("ring-text", {"ring_timeout_s": "20"}, "ring_timeout_s", "whole number"),
    ("duration-short", {"max_duration_s": 9}, "max_duration_s", "from 10 to 14400"),
    ("duration-true", {"max_duration_s": True}, "max_duration_s", "whole number"),
    ("exhausted", {"on_exhausted": "panic"}, "on_exhausted", "callback, fail"),
    ("time-no-zone", {"not_before": "2026-12-24T18:00:00"}, "not_before", "with a zone"),
    ("time-words", {"expires_at": "tomorrow"}, "expires_at", "with a zone"),
    ("time-impossible", {"expires_at": "2026-02-30T18:00:00Z"}, "expires_at", "with a zone"),
    ("time-number", {"expires_at": 1795300000}, "expires_at", "text"),
    ("expired", {"expires_at": "2026-11-22T02:26:40Z"}, "expires_at", "not passed"),
    ("never", {"not_before": "2026-11-23T00:00:00Z", "expires_at": "2026-11-22T12:00:00Z"}, "expires_at", "after `not_before`"),
    ("unknown", {"ring_timeout": 20}, "ring_timeout", "did you mean `ring_timeout_s`?"),
]


@pytest.mark.parametrize(("change", "field", "allowed"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
async def test_each_wrong_field_is_named_and_nothing_is_stored(
    gateway: Any, change: dict[str, Any], field: str, allowed: str
) -> None:
    """422 with the one wrong field, what was found and the cure; the store is as it was and nobody was dialled."""
    empty = await gateway.store.dump()
    body = {"to": "+15550100001", **change}
    response = await gateway.post({key: value for key, value in body.items() if value is not ...}, **{"Idempotency-Key": "k"})
    assert response.status_code == 422, response.text
    assert response.json()["type"] == "invalid-request"
    errors = fields(response)
    assert list(errors) == [field]
    assert allowed in errors[field]["allowed"]
    assert gateway.desk.accepted == []
    assert await gateway.store.dump() == empty


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("record", True),
        ("purpose", "telemarketing"),
        ("recipient_timezone", "America/New_York"),
        ("machine_detection", {"on": True}),
        ("retry_on", ["busy"]),
    ],
)
async def test_a_field_that_nothing_obeys_yet_is_refused_as_such(gateway: Any, name: str, value: Any) -> None:
    """422 not-supported-yet, naming the field; it is never accepted and ignored."""
    response = await gateway.post({"to": "+15550100001", name: value})
    assert (response.status_code, response.json()["type"]) == (422, "not-supported-yet")
    assert list(fields(response)) == [name]
    assert gateway.desk.accepted == []


async def test_all_wrong_fields_come_at_once(gateway: Any) -> None:
    """A request with five mistakes is answered once, with five errors."""
    response = await gateway.post({"to": "x", "metadata": 1, "record": True, "zzz": 1, "not_before": "soon"})
    assert set(fields(response)) == {"to", "metadata", "record", "zzz", "not_before"}
    assert response.json()["type"] == "invalid-request"


BODIES = [
    ("malformed", b'{"to": ', "application/json", 400, "bad-request"),
    ("empty", b"", "application/json", 400, "bad-request"),
    ("not-utf8", b'{"to": "\xff"}', "application/json", 400, "bad-request"),
    ("deep", b"[" * 60000, "application/json", 400, "bad-request"),
    ("array", b"[]", "application/json", 422, "invalid-request"),
    ("text", b'"hello"', "application/json", 422, "invalid-request"),
    ("null", b"null", "application/json", 422, "invalid-request"),
    ("form", b"to=%2B15550100001", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
    ("multipart", b"--x--", "multipart/form-data; boundary=x", 415, "unsupported-media-type"),
    ("msgpack", b"\x80", "application/x-msgpack", 415, "unsupported-media-type"),
    ("untold", b"{}", "", 415, "unsupported-media-type"),
    ("oversized", b'{"to":"' + b"1" * 70000 + b'"}', "application/json", 413, "too-large"),
]


@pytest.mark.parametrize(
    ("body", "media_type", "status", "kind"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES]
)
async def test_a_body_that_is_no_request_is_refused(gateway: Any, body: bytes, media_type: str, status: int, kind: str) -> None:
    """Malformed, oversized or otherwise not a JSON object: a problem, and nothing stored."""
    headers = {"Authorization": "Bearer admin-key-0123456789", "Content-Type": media_type}
    response = await gateway.client.post("/v1/calls", content=body, headers=headers)
    assert (response.status_code, response.json()["type"], response.json()["status"]) == (status, kind, status)
    assert response.headers["content-type"].startswith(PROBLEM)
    assert gateway.desk.accepted == []


async def test_an_oversized_body_without_a_length_is_refused(gateway: Any) -> None:
    """A body that comes in chunks is cut off at the limit as well."""

    async def chunks() -> Any:
        for _ in range(100):
            yield b" " * 1024

    headers = {"Authorization": "Bearer admin-key-0123456789", "Content-Type": "application/json"}
    response = await gateway.client.post("/v1/calls", content=chunks(), headers=headers)
    assert response.status_code == 413
    assert gateway.desk.accepted == []


# --- idempotency ------------------------------------------------------------------------------------------------------


async def test_the_same_key_with_the_same_request_finds_the_same_call(gateway: Any) -> None:
    """201 again, the same call as it stands now, and a header that says so; however the request is spelt."""
    first = await gateway.post({"to": "+15550100001", "metadata": {"a": "1", "b": "2"}}, **{"Idempotency-Key": "order-1"})
    call = gateway.desk.accepted[0]
    await gateway.desk.write(msgspec.structs.replace(call, status=CallStatus.RINGING), "call-ringing")
    again = {"metadata": {"b": "2", "a": "1"}, "to": "+15550100001", "on_exhausted": "callback"}
    second = await gateway.post(again, **{"Idempotency-Key": "order-1"})
    assert (second.status_code, second.headers["idempotent-replayed"]) == (201, "true")
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["status"] == "ringing"
    assert "idempotent-replayed" not in first.headers
    assert len(gateway.desk.accepted) == 1


async def test_a_key_that_we_made_can_be_sent_back(gateway: Any) -> None:
    """The key that an answer carries belongs to its call."""
    first = await gateway.post()
    second = await gateway.post(None, **{"Idempotency-Key": first.headers["idempotency-key"]})
    assert second.json()["id"] == first.json()["id"]


async def test_a_repetition_is_known_even_when_the_world_moved_on(gateway: Any) -> None:
    """A request that expired meanwhile, or comes while we drain, still finds its call."""
    body = {"to": "+15550100001", "expires_at": "2026-11-22T03:00:00Z"}
    first = await gateway.post(body, **{"Idempotency-Key": "k"})
    gateway.clock.at += 7200
    gateway.desk.draining = True
    second = await gateway.post(body, **{"Idempotency-Key": "k"})
    assert (second.status_code, second.json()["id"]) == (201, first.json()["id"])


async def test_the_same_key_with_another_request_is_refused(gateway: Any) -> None:
    """422 naming every field that differs, and no second call."""
    await gateway.post({"to": "+15550100001", "agent": "echo"}, **{"Idempotency-Key": "k"})
    response = await gateway.post({"to": "+15550100002", "agent": "echo", "ring_timeout_s": 20}, **{"Idempotency-Key": "k"})
    assert (response.status_code, response.json()["type"]) == (422, "idempotency-key-reused")
    errors = fields(response)
    assert set(errors) == {"to", "ring_timeout_s"}
    assert "+15550100001" in errors["to"]["allowed"]
    assert len(gateway.desk.accepted) == 1


async def test_two_users_may_use_the_same_key(gateway: Any) -> None:
    """Keys are scoped to the API key, so that nobody meets another's call."""
    first = await gateway.post(None, **{"Idempotency-Key": "k"})
    second = await gateway.post(None, **{"Idempotency-Key": "k", "Authorization": "Bearer writer-key-0123456789"})
    assert first.json()["id"] != second.json()["id"]


@pytest.mark.parametrize("key", ["", "   ", "k" * 256])
async def test_a_key_that_cannot_be_kept_is_refused(gateway: Any, key: str) -> None:
    """An empty key, or one of more than 255 characters, is a bad request."""
    response = await gateway.post(None, **{"Idempotency-Key": key})
    assert response.status_code == 400
    assert gateway.desk.accepted == []


async def test_the_longest_key_is_taken(gateway: Any) -> None:
    """255 characters are allowed."""
    assert (await gateway.post(None, **{"Idempotency-Key": "k" * 255})).status_code == 201


async def test_a_refused_request_does_not_use_up_its_key(gateway: Any) -> None:
    """After a correction the same key is taken, since nothing was stored for the wrong request."""
    await gateway.post({"to": "x"}, **{"Idempotency-Key": "k"})
    assert (await gateway.post(None, **{"Idempotency-Key": "k"})).status_code == 201


# --- unavailable ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["lookup", "write", "drain"])
async def test_what_cannot_be_stored_is_refused_before_it_is_accepted(gateway: Any, where: str) -> None:
    """503 with Retry-After when the store is away, at the first step or the last, and while draining."""
    gateway.store.gone = where == "lookup"
    gateway.desk.raises = StoreUnavailable("away") if where == "write" else None
    gateway.desk.draining = where == "drain"
    response = await gateway.post()
    assert (response.status_code, response.json()["type"]) == (503, "unavailable")
    assert int(response.headers["retry-after"]) > 0
    assert gateway.desk.accepted == []


async def test_a_bug_is_a_problem_without_details(gateway: Any) -> None:
    """An exception that nobody foresaw is answered with 500 and tells the client nothing of its inside."""
    gateway.desk.raises = RuntimeError("secret inside")
    response = await gateway.post()
    assert (response.status_code, response.json()["type"]) == (500, "internal-error")
    assert response.headers["content-type"].startswith(PROBLEM)
    assert "secret" not in response.text


# --- looking, cancelling, hanging up ----------------------------------------------------------------------------------


def told(call_id: str = "call_1") -> Call:
    refused = Leg(
        id="leg_1",
        call_id=call_id,
        carrier="alpha",
        caller_id="+15550190001",
        media_token="secret-token-1",
        round=1,
        created_at=NOW,
        phase=LegPhase.ENDED,
        knowledge=Knowledge.REFUSED,
        verdict=next_carrier("service-unavailable", code="503", detail="inside"),
        ended_at=NOW + 1,
    )
    answered = Leg(
        id="leg_2",
        call_id=call_id,
        carrier="beta",
        caller_id="+15550190002",
        media_token="secret-token-2",
        round=1,
        created_at=NOW + 1,
        phase=LegPhase.ANSWERED,
        knowledge=Knowledge.ALERTED,
        carrier_call_id="CB1",
        alerted_at=NOW + 2,
        answered_at=NOW + 3,
    )
    return Call(
        id=call_id,
        to="+15550100001",
        session_id="ses_1",
        created_at=NOW,
        expires_at=NOW + 3600,
        from_number="+15550190001",
        agent="echo",
        route="default",
        status=CallStatus.IN_PROGRESS,
        answered_at=NOW + 3,
        legs=(refused, answered),
    )


async def test_a_call_shows_its_legs_in_the_apis_words(gateway: Any) -> None:
    """Status, knowledge, verdict and media of each leg; the caller id is the current leg's; no media token leaks."""
    await gateway.desk.write(told(), "call-in-progress")
    await gateway.store.put_media("call_1", "leg_2", MediaCounters(frames_in=50, frames_out=49, longest_gap_ms=22))
    response = await gateway.get("/v1/calls/call_1")
    call = response.json()
    assert call["from"] == "+15550190002"
    assert call["legs"][0] == {
        "id": "leg_1",
        "role": "person",
        "carrier": "alpha",
        "carrier_call_id": None,
        "from": "+15550190001",
        "status": "ended",
        "knowledge": "refused",
        "verdict": {"attribution": "carrier", "disposition": "next_carrier", "reason": "service-unavailable", "code": "503"},
        "created_at": "2026-11-22T02:26:40.000Z",
        "alerted_at": None,
        "answered_at": None,
        "ended_at": "2026-11-22T02:26:41.000Z",
        "media": {"frames_in": 0, "frames_out": 0, "longest_gap_ms": 0, "mos_estimated": None},
    }
    assert call["legs"][1]["media"] == {"frames_in": 50, "frames_out": 49, "longest_gap_ms": 22, "mos_estimated": None}
    assert "secret-token" not in response.text


async def test_a_promise_is_shown_as_a_callback(gateway: Any) -> None:
    """A scheduled call tells when it is due, and why it waits."""
    waiting = msgspec.structs.replace(
        told(),
        legs=(),
        status=CallStatus.SCHEDULED,
        answered_at=None,
        promise=Promise(id="cb_1", due_at=NOW + 15, reason="no-carrier"),
    )
    await gateway.desk.write(waiting, "call-scheduled")
    call = (await gateway.get("/v1/calls/call_1")).json()
    assert call["callback"] == {"id": "cb_1", "due_at": "2026-11-22T02:26:55.000Z", "attempts": 0, "reason": "no-carrier"}


async def test_calls_are_listed_in_pages(gateway: Any) -> None:
    """Newest first, each once, until there is no next page; filters narrow the list."""
    made = [(await gateway.post({"to": f"+1555010000{n}"})).json()["id"] for n in range(5)]
    seen, cursor = [], ""
    for _ in range(3):
        page = (await gateway.get(f"/v1/calls?limit=2{cursor}")).json()
        seen += [call["id"] for call in page["items"]]
        cursor = f"&cursor={page['next']}"
    assert sorted(seen) == sorted(made)
    assert page["next"] is None
    for number in ("%2B15550100003", "+15550100003"):
        found = (await gateway.get(f"/v1/calls?to={number}&status=dialing&direction=outbound")).json()["items"]
        assert [call["id"] for call in found] == [made[3]]
    assert (await gateway.get("/v1/calls?outcome=busy")).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=calling", "status"),
        ("outcome=fine", "outcome"),
        ("direction=up", "direction"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("stauts=ended", "stauts"),
    ],
)
async def test_a_wrong_filter_is_refused(gateway: Any, query: str, field: str) -> None:
    """A misspelt or impossible filter must not look like an empty or a full list."""
    response = await gateway.get(f"/v1/calls?{query}")
    assert response.status_code == 422
    assert list(fields(response)) == [field]


async def test_a_call_is_cancelled_before_the_answer_only(gateway: Any) -> None:
    """DELETE takes back what is not answered: 202; an answered or ended call is a conflict that says why."""
    call_id = (await gateway.post()).json()["id"]
    headers = {"Authorization": "Bearer admin-key-0123456789"}
    canceled = await gateway.client.delete(f"/v1/calls/{call_id}", headers=headers)
    assert (canceled.status_code, canceled.json()["outcome"]) == (202, "canceled")
    again = await gateway.client.delete(f"/v1/calls/{call_id}", headers=headers)
    assert (again.status_code, again.json()["type"]) == (409, "conflict")
    assert "canceled" in again.json()["detail"]
    await gateway.desk.write(told(), "call-in-progress")
    answered = await gateway.client.delete("/v1/calls/call_1", headers=headers)
    assert answered.status_code == 409
    assert "hangup" in answered.json()["detail"]


async def test_a_call_is_hung_up_in_any_state_but_ended(gateway: Any) -> None:
    """202 with the call, then 409."""
    await gateway.desk.write(told(), "call-in-progress")
    headers = {"Authorization": "Bearer admin-key-0123456789"}
    hung_up = await gateway.client.post("/v1/calls/call_1/hangup", headers=headers)
    assert (hung_up.status_code, hung_up.json()["outcome"]) == (202, "completed")
    assert (await gateway.client.post("/v1/calls/call_1/hangup", headers=headers)).status_code == 409


async def test_a_call_that_moved_on_while_we_looked_is_a_conflict(gateway: Any) -> None:
    """Answered between our look and the cancel: 409 and no 500."""
    call_id = (await gateway.post()).json()["id"]
    gateway.desk.raises = IllegalTransition("call", "in_progress", "CancelRequested")
    response = await gateway.client.delete(f"/v1/calls/{call_id}", headers={"Authorization": "Bearer admin-key-0123456789"})
    assert (response.status_code, response.json()["type"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/calls/call_none", 404),
        ("DELETE", "/v1/calls/call_none", 404),
        ("POST", "/v1/calls/call_none/hangup", 404),
        ("GET", "/v1/calls/call_none/events", 404),
        ("POST", "/v1/calls/call_1/transfer", 404),
        ("POST", "/v1/calls/call_1/dtmf", 404),
        ("POST", "/v1/calls/call_1/recording", 404),
        ("POST", "/v1/carriers/alpha/drain", 404),
        ("GET", "/v1/voicemails", 404),
        ("GET", "/v1/carriers/none", 404),
        ("GET", "/nothing", 404),
        ("PUT", "/v1/calls", 405),
        ("PATCH", "/v1/calls/call_1", 405),
        ("GET", "/v1/calls/call_1/hangup", 405),
        ("POST", "/healthz", 405),
    ],
)
async def test_what_is_not_there_is_a_problem(gateway: Any, method: str, path: str, status: int) -> None:
    """Unknown things, paths that nothing obeys yet and wrong methods: 404 and 405 as problems, 405 with Allow."""
    response = await gateway.client.request(method, path, headers={"Authorization": "Bearer admin-key-0123456789"})
    assert response.status_code == status
    assert response.headers["content-type"].startswith(PROBLEM)
    assert response.json()["status"] == status
    assert bool(response.headers.get("allow")) == (status == 405)


async def test_times_in_the_log_of_a_call_are_rfc3339(gateway: Any) -> None:
    """Events show times as the rest of the API does, and page by their place in the feed."""
    call = await gateway.desk.write(told(), "call-in-progress", due_at=NOW)
    await gateway.desk.write(msgspec.structs.replace(call, status=CallStatus.ENDED, outcome=Outcome.COMPLETED), "call-ended")
    page = (await gateway.get("/v1/calls/call_1/events?limit=1")).json()
    assert page["items"][0]["data"] == {"due_at": datetime.fromtimestamp(NOW, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")}
    rest = (await gateway.get(f"/v1/calls/call_1/events?cursor={page['next']}")).json()
    assert [event["kind"] for event in rest["items"]] == ["call-ended"]
    assert rest["next"] is None
    assert (await gateway.get("/v1/calls/call_1/events?cursor=x")).status_code == 422
