"""Promises over REST: listed, kept now, taken back; and what a request may say of them."""

import asyncio
from typing import Any

import pytest

from gateway.config import hours
from gateway.domain.events import RouteExhausted
from gateway.domain.outcome import CallStatus, Outcome, Priority
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.domain.window import Window
from gateway.runtime.calls import Calls

NOW = 1_795_314_400.0  # Sunday, 22 November 2026, 02:26:40 in London
NIGHT = {"timezone": "Europe/London", "opens": "09:00", "closes": "18:00"}
KEYS = {name: {"Authorization": f"Bearer {name}-key-0123456789"} for name in ("admin", "reader", "writer")}


@pytest.fixture
def calls(gateway: Any) -> Calls:
    """The writer of calls, under the desk as well: what is accepted is promised where it must be."""
    numbers = iter(range(10**6))
    made = Calls(gateway.store, gateway.clock, lambda prefix: f"{prefix}_x{next(numbers)}", Policy())
    gateway.desk.accept = made.accept
    return made


async def promise(calls: Calls, call_id: str = "call_1", **given: Any) -> Call:
    plain: dict[str, Any] = {"to": "+15550100001", "session_id": "s", "created_at": NOW, "expires_at": NOW + 36_000}
    plain |= {"not_before": NOW + 3600}
    result: Any = await calls.accept(Call(id=call_id, **(plain | given)))
    return result.call


async def act(gateway: Any, method: str, path: str, key: str = "admin") -> Any:
    return await gateway.client.request(method, f"/v1/callbacks/{path}", headers=KEYS[key])


# --- look ----------------------------------------------------------------------------------------------------------


async def test_a_promise_is_shown_in_our_words(gateway: Any, calls: Calls) -> None:
    """Why, when, for whom, and what it belongs to."""
    await promise(calls, purpose="callback", note="about the order", callback_of="call_0", priority=Priority.HIGH, agent="echo")
    shown = await gateway.get("/v1/callbacks/cb_call_1", "reader")
    assert (shown.status_code, shown.json()) == (
        200,
        {
            "id": "cb_call_1",
            "call_id": "call_1",
            "status": "waiting",
            "to": "+15550100001",
            "purpose": "callback",
            "reason": "callback",
            "due_at": "2026-11-22T03:26:40.000Z",
            "attempts": 0,
            "priority": "high",
            "window": None,
            "agent": "echo",
            "note": "about the order",
            "callback_of": "call_0",
            "retry_of": None,
            "retried_as": None,
            "created_at": "2026-11-22T02:26:40.000Z",
            "promised_at": "2026-11-22T02:26:40.000Z",
            "expires_at": "2026-11-22T12:26:40.000Z",
            "call_status": "scheduled",
            "outcome": None,
        },
    )
    assert (await gateway.get("/v1/calls/call_1")).json()["callback"]["id"] == "cb_call_1"


async def test_all_promises_are_one_list(gateway: Any, calls: Calls) -> None:
    """Whatever they wait for; filtered by where they are, by number and purpose; a call that was dialled at once is in none."""
    await promise(calls, "call_1", purpose="callback")
    await promise(calls, "call_2", to="+15550100002")
    await promise(calls, "call_3", to="+15550100003", not_before=None)
    await promise(calls, "call_4", to="+15550100004", not_before=None)
    await calls.apply("call_4", lambda _call: (RouteExhausted(passed=("alpha: down",), retry_at=NOW + 15),))
    await calls.cancel("call_2")
    for query, expected in (
        ("", ["cb_call_4", "cb_call_2", "cb_call_1"]),
        ("?status=waiting", ["cb_call_4", "cb_call_1"]),
        ("?status=over", ["cb_call_2"]),
        ("?status=running", []),
        ("?purpose=callback", ["cb_call_1"]),
        ("?to=%2B15550100004", ["cb_call_4"]),
        ("?to=+15550100004&status=waiting", ["cb_call_4"]),
    ):
        page = (await gateway.get(f"/v1/callbacks{query}")).json()
        assert ([one["id"] for one in page["items"]], page["next"]) == (expected, None)


async def test_pages_lead_to_one_another(gateway: Any, calls: Calls) -> None:
    """Newest first; the last has no next."""
    for number in range(5):
        await promise(calls, f"call_{number}", to=f"+1555010000{number}", created_at=NOW + number)
    seen, cursor = [], ""
    while cursor is not None:
        page = (await gateway.get(f"/v1/callbacks?limit=2{cursor and f'&cursor={cursor}'}")).json()
        seen += [one["call_id"] for one in page["items"]]
        cursor = page["next"]
    assert seen == [f"call_{number}" for number in reversed(range(5))]


@pytest.mark.parametrize("query", ["?status=open", "?state=waiting", "?cursor=x", "?limit=0"])
async def test_a_filter_that_means_nothing_is_refused(gateway: Any, query: str) -> None:
    """A misspelt one must not show everything."""
    assert (await gateway.get(f"/v1/callbacks{query}")).status_code == 422


@pytest.mark.parametrize("path", ["cb_call_9", "call_1", "cb_call_2", "cb_"])
async def test_what_is_no_promise_is_not_found(gateway: Any, calls: Calls, path: str) -> None:
    """An unknown id, a call's own id, and a call that was dialled at once."""
    await promise(calls, "call_1")
    await promise(calls, "call_2", not_before=None)
    for method, under in (("GET", ""), ("POST", "/run"), ("DELETE", "")):
        answer = await act(gateway, method, path + under)
        assert (answer.status_code, answer.json()["type"]) == (404, "not-found")


# --- keep now, take back -----------------------------------------------------------------------------------------------


async def test_a_promise_is_kept_now(gateway: Any, calls: Calls) -> None:
    """202, and it is dialling; a second time it is running, and 409 says how to end it."""
    await promise(calls)
    answer = await act(gateway, "POST", "cb_call_1/run", "writer")
    assert (answer.status_code, answer.json()["status"], answer.json()["attempts"]) == (202, "running", 1)
    again = await act(gateway, "POST", "cb_call_1/run")
    assert (again.status_code, again.json()["type"]) == (409, "conflict")
    assert "running: its call is dialing" in again.json()["detail"]
    assert "POST /v1/calls/call_1/hangup" in again.json()["detail"]


async def test_a_promise_is_taken_back(gateway: Any, calls: Calls) -> None:
    """200, and it is over; a second time 409 says how it ended, and so does an attempt to run it."""
    await promise(calls)
    answer = await act(gateway, "DELETE", "cb_call_1", "writer")
    assert (answer.status_code, answer.json()["status"], answer.json()["outcome"]) == (200, "over", "canceled")
    for method, path in (("DELETE", "cb_call_1"), ("POST", "cb_call_1/run")):
        again = await act(gateway, method, path)
        assert (again.status_code, again.json()["detail"]) == (409, "It is over: canceled.")
    assert await gateway.store.next_due() == NOW + 36_000  # the call's expiry alone


async def test_a_promise_that_is_running_is_not_taken_back(gateway: Any, calls: Calls) -> None:
    """It is a call by now: 409 names it."""
    await promise(calls)
    await act(gateway, "POST", "cb_call_1/run")
    answer = await act(gateway, "DELETE", "cb_call_1")
    assert answer.status_code == 409
    assert "DELETE /v1/calls/call_1" in answer.json()["detail"]


@pytest.mark.parametrize("first", ["run", "cancel"])
async def test_exactly_one_of_run_and_cancel_wins(gateway: Any, calls: Calls, first: str) -> None:
    """Whoever comes first, and in whatever order their steps fall: one is done, the other told why not."""
    for number in range(20):
        await promise(calls, f"call_{number}", to=f"+155501001{number:02}")
        deeds = {"run": ("POST", f"cb_call_{number}/run"), "cancel": ("DELETE", f"cb_call_{number}")}
        order = [first, *(deeds.keys() - {first})]
        answers = dict(zip(order, await asyncio.gather(*(act(gateway, *deeds[deed]) for deed in order)), strict=True))
        assert sorted(answer.is_success for answer in answers.values()) == [False, True]
        call = await gateway.store.load(f"call_{number}")
        assert call.status is (CallStatus.DIALING if answers["run"].is_success else CallStatus.ENDED)


async def test_nothing_is_run_outside_its_window(gateway: Any, calls: Calls) -> None:
    """409 says when it opens; the promise stays as it was."""
    window = Window(timezone="Europe/London", opens="09:00", closes="18:00")
    before = await promise(calls, window=window)
    answer = await act(gateway, "POST", "cb_call_1/run")
    assert answer.status_code == 409
    assert "opens at 2026-11-22T09:00:00.000Z" in answer.json()["detail"]
    assert await gateway.store.load("call_1") == before


async def test_what_has_expired_is_not_run(gateway: Any, calls: Calls) -> None:
    """Nobody had looked since: now it is over."""
    await promise(calls)
    gateway.clock.at += 40_000
    answer = await act(gateway, "POST", "cb_call_1/run")
    assert (answer.status_code, answer.json()["detail"]) == (409, "It is over: expired.")


async def test_keys_need_their_scopes(gateway: Any, calls: Calls) -> None:
    """Reading shows, writing acts, and neither does the other's."""
    await promise(calls)
    assert (await act(gateway, "GET", "cb_call_1", "writer")).status_code == 403
    for method, path in (("POST", "cb_call_1/run"), ("DELETE", "cb_call_1")):
        assert (await act(gateway, method, path, "reader")).status_code == 403
    call = await gateway.store.load("call_1")
    assert call.status is CallStatus.SCHEDULED


async def test_a_gateway_that_is_being_stopped_runs_nothing(gateway: Any, calls: Calls) -> None:
    """503: another one will."""
    await promise(calls)
    gateway.desk.draining = True
    assert (await act(gateway, "POST", "cb_call_1/run")).status_code == 503


# --- what a request may say --------------------------------------------------------------------------------------------


async def test_every_wish_reaches_the_call(gateway: Any, calls: Calls) -> None:
    """Stored as it was said, and shown so."""
    wishes = {"purpose": "transactional", "retry_on": ["busy", "no_answer"], "priority": "low", "duplicate": True}
    answer = await gateway.post({"to": "+15550100001", "window": NIGHT | {"days": ["sun"]}, **wishes})
    assert answer.status_code == 201, answer.text
    call = await gateway.store.load(answer.json()["id"])
    assert (call.purpose, call.priority, call.duplicate) == ("transactional", Priority.LOW, True)
    assert call.retry_on == (Outcome.BUSY, Outcome.NO_ANSWER)
    assert call.window == Window(timezone="Europe/London", opens="09:00", closes="18:00", days=("sun",))
    shown = answer.json()
    assert {name: shown[name] for name in ("purpose", "retry_on", "priority")} == {
        name: wishes[name] for name in ("purpose", "retry_on", "priority")
    }
    assert (shown["status"], shown["callback"]["reason"]) == ("scheduled", "outside-window")
    assert shown["callback"]["due_at"] == "2026-11-22T09:00:00.000Z"
    assert shown["expires_at"] == "2026-11-22T10:00:00.000Z"  # an hour after it opens


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("purpose", {"purpose": "marketing"}, "purpose", "telemarketing"),
    ("retry-text", {"retry_on": "busy"}, "retry_on", "a list"),
    ("retry-word", {"retry_on": ["failed"]}, "retry_on[0]", "no_answer"),
    ("priority", {"priority": 9}, "priority", "low"),
    ("duplicate", {"duplicate": "yes"}, "duplicate", "true or false"),
    ("window-text", {"window": "9-18"}, "window", "a mapping"),
    ("window-zone", {"window": NIGHT | {"timezone": "Europe/Londn"}}, "window.timezone", "IANA"),
    ("window-zone-of-the-machine", {"window": NIGHT | {"timezone": "localtime"}}, "window.timezone", "IANA"),
    ("window-hour", {"window": NIGHT | {"opens": "9:00"}}, "window.opens", ""),
    ("window-day", {"window": NIGHT | {"days": ["sunday"]}}, "window.days[0]", "sun"),
    ("window-no-day", {"window": NIGHT | {"days": []}}, "window.days", "1 to 7 entries"),
    ("window-key", {"window": NIGHT | {"zone": "UTC"}}, "window.zone", ""),
    ("window-of-no-length", {"window": NIGHT | {"closes": "09:00"}}, "window.closes", "24:00"),
    ("window-too-late", {"window": NIGHT, "expires_at": "2026-11-22T08:00:00Z"}, "window", "a later `expires_at`"),
    (
        "window-before",
        {"window": NIGHT, "not_before": "2026-11-22T18:30:00Z", "expires_at": "2026-11-23T08:00:00Z"},
        "window",
        "a later `expires_at`",
    ),
]


@pytest.mark.parametrize(("wishes", "field", "allowed"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
async def test_a_wrong_wish_is_named(gateway: Any, wishes: dict[str, Any], field: str, allowed: str) -> None:
    """422 with the field and the cure, and nothing is stored."""
    answer = await gateway.post({"to": "+15550100001", **wishes})
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["field"] == field
    assert allowed in error["allowed"]
    assert gateway.desk.accepted == []


async def test_time_zones_are_looked_for_once(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with each request: all calls of the process would wait for the disk."""
    assert (await gateway.post({"to": "+15550100001", "window": NIGHT})).status_code == 201
    monkeypatch.setattr(hours, "available_timezones", set)
    assert (await gateway.post({"to": "+15550100002", "window": NIGHT})).status_code == 201


async def test_a_window_that_no_clock_shows_is_refused(gateway: Any) -> None:
    """Only on the Sunday on which that half hour is left out: the field, and when it would open."""
    lost = {"timezone": "Europe/London", "opens": "01:10", "closes": "01:40", "days": ["sun"]}
    body = {"to": "+15550100001", "window": lost, "not_before": "2027-03-28T00:00:00Z", "expires_at": "2027-03-29T00:00:00Z"}
    answer = await gateway.post(body)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["field"], "2027-04-04T00:10:00.000Z" in error["found"]) == ("window", True)


async def test_a_second_promise_to_the_same_is_refused_by_name(gateway: Any, calls: Calls) -> None:
    """409 names the open one and says how to have another; another purpose, or the wish for a duplicate, is none."""
    later = {"to": "+15550100001", "not_before": "2026-11-22T03:26:40Z"}
    first = (await gateway.post(later)).json()
    second = await gateway.post(later)
    assert (second.status_code, second.json()["type"]) == (409, "promised-already")
    assert second.headers["location"] == f"/v1/callbacks/cb_{first['id']}"
    assert f"cb_{first['id']}" in second.json()["detail"]
    assert '"duplicate": true' in second.json()["detail"]
    assert (await gateway.post(later | {"purpose": "transactional"})).status_code == 201
    assert (await gateway.post(later | {"duplicate": True})).status_code == 201
    assert (await gateway.post({"to": "+15550100001"})).status_code == 201  # is no promise: it is dialled now
    await act(gateway, "DELETE", f"cb_{first['id']}")
    assert (await gateway.post(later)).status_code == 201


async def test_a_thousand_promises_to_one_number_are_one(gateway: Any, calls: Calls) -> None:
    """The first is accepted, all others are refused, and none of them is stored."""
    later = {"to": "+15550100001", "not_before": "2026-11-22T03:26:40Z"}
    answers = await asyncio.gather(*(gateway.post(later) for _ in range(1000)))
    assert sorted({answer.status_code for answer in answers}) == [201, 409]
    assert sum(answer.status_code == 201 for answer in answers) == 1
    assert len((await gateway.get("/v1/callbacks?limit=200")).json()["items"]) == 1


async def test_a_refused_promise_leaves_its_key_free(gateway: Any, calls: Calls) -> None:
    """The same key and body are accepted once the open promise is gone; a repetition then finds the call."""
    later = {"to": "+15550100001", "not_before": "2026-11-22T03:26:40Z"}
    first = (await gateway.post(later)).json()
    assert (await gateway.post(later, **{"Idempotency-Key": "k"})).status_code == 409
    await act(gateway, "DELETE", f"cb_{first['id']}")
    made = await gateway.post(later, **{"Idempotency-Key": "k"})
    again = await gateway.post(later, **{"Idempotency-Key": "k"})
    assert (made.status_code, again.status_code, again.json()["id"]) == (201, 201, made.json()["id"])
    assert again.headers["idempotent-replayed"] == "true"


async def test_wishes_are_part_of_what_a_key_stands_for(gateway: Any) -> None:
    """Another wish under the same key is another request; saying nothing and saying so are the same."""
    body = {"to": "+15550100001"}
    await gateway.post(body, **{"Idempotency-Key": "k"})
    same = {"purpose": None, "retry_on": [], "priority": "normal", "duplicate": False, "window": None}
    assert (await gateway.post(body | same, **{"Idempotency-Key": "k"})).status_code == 201
    other = await gateway.post(body | {"retry_on": ["busy"]}, **{"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["type"]) == (422, "idempotency-key-reused")
    assert [error["field"] for error in other.json()["errors"]] == ["retry_on"]
