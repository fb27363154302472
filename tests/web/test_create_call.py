"""`POST /v1/calls`: what is accepted, what is refused, and that a refusal stores nothing and dials nothing."""

from typing import Any

import pytest

from gateway.domain.errors import StoreUnavailable

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
        "caller_name": None,
        "attestation": None,
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
        "purpose": None,
        "priority": "normal",
        "window": None,
        "retry_on": [],
        "retry_of": None,
        "retried_as": None,
        "callback_of": None,
        "handed_from": None,
        "handed_to": None,
        "note": None,
        "callback": None,
        "voicemail": None,
        "legs": [],
        "session": {"id": call["session"]["id"], "resumed": 0, "agent": "echo"},
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
    ("carrier-off-route", {"carriers": ["gamma"]}, "carriers[0]", "alpha, beta"),
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
    ("far-begin", {"not_before": "9999-12-31T23:59:59Z"}, "not_before", "within the next year"),
    ("far-end", {"expires_at": "2028-11-22T02:26:40Z"}, "expires_at", "within the next year"),
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
        ("recipient_timezone", "America/New_York"),
        ("machine_detection", {"on": True}),
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


HALVES = [
    (
        "value",
        b'{"to": "+15550100001", "metadata": {"note": "so \\ud83d"}}',
        "metadata.note",
        "\\ud83d, half of a character, at place 4",
    ),
    (
        "key",
        b'{"to": "+15550100001", "metadata": {"\\ude00": "x"}}',
        "metadata.\\ude00",
        "\\ude00, half of a character, at place 1",
    ),
    ("bytes", b'{"to": "+15550100001", "carriers": ["\xed\xa0\x80"]}', "carriers[0]", "\\ud800, half of a character, at place 1"),
]


@pytest.mark.parametrize(("body", "field", "found"), [case[1:] for case in HALVES], ids=[case[0] for case in HALVES])
async def test_half_a_character_is_named_with_its_cure(gateway: Any, body: bytes, field: str, found: str) -> None:
    """What a program leaves that cuts a text within an emoji: the field, the half, and what would be right."""
    headers = {"Authorization": "Bearer admin-key-0123456789", "Content-Type": "application/json"}
    response = await gateway.client.post("/v1/calls", content=body, headers=headers)
    assert (response.status_code, response.json()["type"]) == (422, "invalid-request")
    (error,) = response.json()["errors"]
    assert (error["field"], error["found"]) == (field, found)
    assert "\\ud83d\\ude00" in error["allowed"]
    assert gateway.desk.accepted == []


async def test_a_whole_emoji_is_text_like_any_other(gateway: Any) -> None:
    """As two escapes, or as itself."""
    for body in (
        b'{"to": "+15550100001", "metadata": {"a": "\\ud83d\\ude00"}}',
        '{"to": "+15550100001", "metadata": {"a": "😀"}}'.encode(),
    ):
        headers = {"Authorization": "Bearer admin-key-0123456789", "Content-Type": "application/json"}
        response = await gateway.client.post("/v1/calls", content=body, headers=headers)
        assert response.json()["metadata"] == {"a": "😀"}


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


async def test_a_full_gateway_sheds_new_calls(gateway: Any) -> None:
    """503 with Retry-After, counted, nothing accepted; a repetition of what it has accepted still finds its call."""
    first = await gateway.post(None, **{"Idempotency-Key": "k"})
    gateway.desk.crowded = True
    response = await gateway.post()
    assert (response.status_code, response.json()["type"]) == (503, "unavailable")
    assert int(response.headers["retry-after"]) > 0
    assert gateway.counted('load_shed_total{reason="full"} 1.0')
    assert (await gateway.post(None, **{"Idempotency-Key": "k"})).json()["id"] == first.json()["id"]
    assert len(gateway.desk.accepted) == 1


async def test_a_bug_is_a_problem_without_details(gateway: Any) -> None:
    """An exception that nobody foresaw is answered with 500 and tells the client nothing of its inside."""
    gateway.desk.raises = RuntimeError("secret inside")
    response = await gateway.post()
    assert (response.status_code, response.json()["type"]) == (500, "internal-error")
    assert response.headers["content-type"].startswith(PROBLEM)
    assert "secret" not in response.text
