"""Voicemails over REST: looked at, listened to, deleted."""

from typing import Any

import msgspec
from msgspec.structs import replace

from gateway.runtime.store.voicemail_contract import KEPT, RECORDING, Voicemail

NOW = 1_795_314_400.0
WAV = b"RIFF\x04\x00\x00\x00WAVE"


async def leave(gateway: Any, number: int, **more: Any) -> Voicemail:
    """A message in store and directory."""
    fields: dict[str, Any] = {"caller": "+15550100001", "to": "+15550190001", "reason": "gateway-down"} | more
    message = Voicemail(
        id=f"vm_{number}",
        carrier="alpha",
        recording_id=f"r{number}",
        left_at=NOW + number,
        collected_at=NOW,
        seconds=2.5,
        **fields,
    )
    await gateway.services.voicemail_files.write(message.id, WAV)
    assert await gateway.store.put_voicemail(message, NOW)
    return message


async def test_a_voicemail_is_shown_in_our_words(gateway: Any) -> None:
    """Caller, number, times and length; not the carrier's own id of the recording."""
    await leave(gateway, 1, silent=True)
    shown = await gateway.get("/v1/voicemails/vm_1", "reader")
    assert (shown.status_code, shown.json()) == (
        200,
        {
            "id": "vm_1",
            "from": "+15550100001",
            "to": "+15550190001",
            "carrier": "alpha",
            "call_id": None,
            "reason": "gateway-down",
            "left_at": "2026-11-22T02:26:41.000Z",
            "collected_at": "2026-11-22T02:26:40.000Z",
            "seconds": 2.5,
            "silent": True,
            "status": "kept",
            "ended_by": None,
        },
    )


async def test_a_withheld_number_is_null(gateway: Any) -> None:
    """An empty text would look like a number."""
    await leave(gateway, 1, caller="")
    assert (await gateway.get("/v1/voicemails/vm_1")).json()["from"] is None


async def test_pages_are_newest_first(gateway: Any) -> None:
    """The cursor of one page leads to the next, and the last has none."""
    for number in range(3):
        await leave(gateway, number)
    first = (await gateway.get("/v1/voicemails?limit=2")).json()
    second = (await gateway.get(f"/v1/voicemails?limit=2&cursor={first['next']}")).json()
    assert [one["id"] for one in first["items"] + second["items"]] == ["vm_2", "vm_1", "vm_0"]
    assert second["next"] is None


async def test_a_strange_cursor_and_a_misspelt_parameter_are_refused(gateway: Any) -> None:
    """Neither may look like an empty mailbox."""
    for query, field in (("cursor=yesterday", "cursor"), ("limt=2", "limt"), ("limit=0", "limit")):
        refused = await gateway.get(f"/v1/voicemails?{query}")
        assert refused.status_code == 422, query
        assert refused.headers["content-type"] == "application/problem+json"
        assert [error["field"] for error in refused.json()["errors"]] == [field]


async def test_the_sound_is_a_wav_file(gateway: Any) -> None:
    """Byte by byte what was stored; private, since it is somebody's voice."""
    await leave(gateway, 1)
    sound = await gateway.get("/v1/voicemails/vm_1/audio", "reader")
    assert (sound.status_code, sound.headers["content-type"], sound.content) == (200, "audio/wav", WAV)
    assert sound.headers["cache-control"] == "private"


async def test_what_is_not_there_is_a_problem(gateway: Any) -> None:
    """No record, or a record whose file is elsewhere; ids that would be paths lead nowhere."""
    await leave(gateway, 1)
    await gateway.services.voicemail_files.remove("vm_1")
    for path in ("vm_9", "vm_9/audio", "vm_1/audio", "..%2F..%2Fconfig.yaml/audio"):
        answer = await gateway.get(f"/v1/voicemails/{path}")
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"
    assert "storage.dir" in (await gateway.get("/v1/voicemails/vm_1/audio")).json()["detail"]


async def test_a_deleted_voicemail_is_gone(gateway: Any) -> None:
    """Record and file; a second deletion finds nothing, and the same message does not come back."""
    message = await leave(gateway, 1)
    headers = {"Authorization": "Bearer writer-key-0123456789"}
    deleted = await gateway.client.delete("/v1/voicemails/vm_1", headers=headers)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await gateway.client.delete("/v1/voicemails/vm_1", headers=headers)).status_code == 404
    assert await gateway.services.voicemail_files.read("vm_1") is None
    assert not await gateway.store.put_voicemail(message, gateway.clock.now())
    assert (await gateway.get("/v1/voicemails")).json()["items"] == []


async def test_what_is_being_recorded_is_not_deleted(gateway: Any) -> None:
    """409 with the cure, and neither record nor sound is touched; once it is kept it can be deleted."""
    begun = Voicemail(
        id="vm_1",
        carrier="alpha",
        call_id="call_1",
        left_at=NOW,
        collected_at=NOW,
        seconds=0.0,
        reason="routed",
        status=RECORDING,
    )
    headers = {"Authorization": "Bearer writer-key-0123456789"}
    await gateway.services.voicemail_files.write("vm_1", WAV)
    assert await gateway.store.begin_recording(begun, "gw_1", NOW)
    refused = await gateway.client.delete("/v1/voicemails/vm_1", headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (409, "conflict")
    assert "POST /v1/calls/call_1/hangup" in refused.json()["detail"]
    assert await gateway.services.voicemail_files.read("vm_1") == WAV
    assert await gateway.store.end_recording(replace(begun, status=KEPT, seconds=2.5), "gw_1")
    assert (await gateway.client.delete("/v1/voicemails/vm_1", headers=headers)).status_code == 204
    assert await gateway.services.voicemail_files.read("vm_1") is None


async def test_every_path_needs_its_scope(gateway: Any) -> None:
    """Reading needs calls:read, deleting calls:write, and nobody gets anything without a key."""
    await leave(gateway, 1)
    for path in ("/v1/voicemails", "/v1/voicemails/vm_1", "/v1/voicemails/vm_1/audio"):
        assert (await gateway.client.get(path)).status_code == 401, path
        assert (await gateway.get(path, "writer")).status_code == 403, path
    reader = {"Authorization": "Bearer reader-key-0123456789"}
    assert (await gateway.client.delete("/v1/voicemails/vm_1", headers=reader)).status_code == 403
    assert (await gateway.client.delete("/v1/voicemails/vm_1")).status_code == 401


async def test_the_schema_says_that_the_sound_is_one(gateway: Any) -> None:
    """A client that is made from it must not read the file as JSON."""
    paths = msgspec.json.decode((await gateway.client.get("/schema")).content)["paths"]
    assert list(paths["/v1/voicemails/{voicemail_id}/audio"]["get"]["responses"]["200"]["content"]) == ["audio/wav"]
