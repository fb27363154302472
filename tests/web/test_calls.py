"""`/v1/calls` through HTTP: looking, listing, cancelling, hanging up."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from gateway.domain.errors import IllegalTransition
from gateway.domain.outcome import CallStatus, Knowledge, LegPhase, Outcome
from gateway.domain.records import Call, Leg, MediaCounters, Promise
from gateway.domain.verdict import next_carrier

NOW = 1_795_314_400.0
PROBLEM = "application/problem+json"


def fields(response: Any) -> dict[str, dict[str, str]]:
    assert response.headers["content-type"].startswith(PROBLEM)
    return {error["field"]: error for error in response.json().get("errors", [])}


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
    ("query", "field", "allowed"),
    [
        ("status=calling", "status", "one of scheduled, dialing, ringing"),
        ("outcome=fine", "outcome", "one of completed, voicemail, busy"),
        ("direction=up", "direction", "one of outbound, inbound"),
        ("limit=0", "limit", "a whole number from 1 to 200"),
        ("limit=201", "limit", "a whole number from 1 to 200"),
        ("limit=many", "limit", "a whole number from 1 to 200"),
        ("stauts=ended", "stauts", "did you mean `status`?"),
        ("cursor=zzz", "cursor", "`next` of the page before"),
        ("status=ended&status=ringing", "status", "one"),
    ],
)
async def test_a_wrong_filter_is_refused(gateway: Any, query: str, field: str, allowed: str) -> None:
    """A misspelt or impossible filter must not look like an empty or a full list."""
    response = await gateway.get(f"/v1/calls?{query}")
    assert response.status_code == 422
    assert list(fields(response)) == [field]
    assert fields(response)[field]["allowed"].startswith(allowed)


@pytest.mark.parametrize("path", ["/v1/carriers", "/v1/events", "/v1/calls/call_1/events"])
async def test_a_parameter_that_nothing_reads_is_refused(gateway: Any, path: str) -> None:
    """Nobody is left to believe that a filter was heard."""
    response = await gateway.get(f"{path}?carrier=alpha")
    assert (response.status_code, list(fields(response))) == (422, ["carrier"])


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
        ("POST", "/v1/carriers/nobody/drain", 404),
        ("GET", "/v1/voicemails/vm_none", 404),
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
