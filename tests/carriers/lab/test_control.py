"""The control surface over HTTP: every route there and back, and what it says to bad input."""

import asyncio
import io
import struct
import wave
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from carriers.contract import Kind
from carriers.lab import sound
from carriers.lab.lab import Lab
from carriers.lab.ledger import KINDS

TO = "+15550107001"


@pytest.fixture
async def control(lab: Lab) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the control surface."""
    async with httpx.AsyncClient(base_url=lab.url, timeout=5, trust_env=False) as client:
        yield client


async def dial(lab: Lab, to: str = TO) -> None:
    async with httpx.AsyncClient(base_url=lab.credentials("fake")["base_url"], trust_env=False) as client:
        assert (await client.post("/calls", json={"to": to, "from": "+15550190001"})).status_code == 201


async def test_credentials_are_those_of_the_simulator(lab: Lab, control: httpx.AsyncClient) -> None:
    """Per carrier all that an SDK needs, with base URL and numbers."""
    assert (await control.get("/lab/credentials")).json() == {"fake": lab.credentials("fake")}
    assert lab.credentials("fake")["numbers"] == ["+15550190001", "+15550190002", "+15550190003"]


async def test_faults_round_trip(lab: Lab, control: httpx.AsyncClient) -> None:
    """What is set is reported and obeyed; what is deleted is gone."""
    put = await control.put(
        "/lab/carriers/fake/faults", json={"faults": [{"kind": "slow", "s": 2, "rate": 0.5}, {"kind": "down"}]}
    )
    assert put.json() == {"faults": [{"kind": "slow", "s": 2.0, "rate": 0.5}, {"kind": "down"}]}
    report = (await control.get("/lab/carriers")).json()["carriers"]
    assert [(one["name"], one["listening"], len(one["faults"])) for one in report] == [("fake", False, 2)]
    with pytest.raises(httpx.ConnectError):
        await dial(lab)
    assert (await control.delete("/lab/carriers/fake/faults")).status_code == 204
    await dial(lab)
    report = (await control.get("/lab/carriers")).json()["carriers"]
    assert (report[0]["faults"], report[0]["live_calls"], report[0]["listening"]) == ([], 1, True)


async def test_phones_round_trip(lab: Lab, control: httpx.AsyncClient) -> None:
    """A phone set up over HTTP behaves so and reports itself, with and without plus."""
    put = await control.put(f"/lab/phones/{TO.removeprefix('+')}", json={"behavior": "decline", "answer_after_s": 0.05})
    assert (put.status_code, put.json()["number"], put.json()["behavior"]) == (200, TO, "decline")
    await dial(lab)
    await lab.until("hangup", number=TO)
    report = (await control.get(f"/lab/phones/{TO}")).json()
    assert {name: report[name] for name in ("rings", "answers", "live")} == {"rings": 1, "answers": 0, "live": []}
    assert set(report["heard"]) == {"seconds", "speech_seconds", "longest_silence_s"}
    assert report["calls"][0]["cause"] == "declined"


async def test_the_ledger_is_filtered(lab: Lab, control: httpx.AsyncClient) -> None:
    """kind, carrier and number narrow the entries."""
    await dial(lab)
    await lab.until("ring")
    entries = (await control.get("/lab/ledger", params={"kind": "ring", "carrier": "fake", "number": "15550107001"})).json()[
        "entries"
    ]
    assert [(entry["kind"], entry["number"], entry["caller_id"]) for entry in entries] == [("ring", TO, "+15550190001")]
    assert (await control.get("/lab/ledger", params={"kind": "ring", "number": "+15550107099"})).json()["entries"] == []


async def test_delete_clears_all_but_the_carriers(lab: Lab, control: httpx.AsyncClient) -> None:
    """Calls, phones, faults and ledger go; credentials and ports stay."""
    before = (await control.get("/lab/credentials")).json()
    await control.put(f"/lab/phones/{TO}", json={"behavior": "busy"})
    await control.put("/lab/carriers/fake/faults", json={"faults": [{"kind": "down"}]})
    assert (await control.delete("/lab")).status_code == 204
    assert (await control.get("/lab/ledger")).json() == {"entries": [], "dropped": 0}
    assert (await control.get(f"/lab/phones/{TO}")).json()["behavior"] == "answer"
    assert (await control.get("/lab/credentials")).json() == before
    await dial(lab)


async def test_audio_is_wav_of_what_was_heard(lab: Lab, control: httpx.AsyncClient) -> None:
    """Mono is the ear; `said=1` is stereo, the mouth left and the ear right; calls can be chosen."""
    lab.phones.put(TO, answer_after_s=0, says="tone")
    await dial(lab)
    await lab.until("answer")
    call = lab.phones.get(TO).live[0]
    lab.act(lambda now: [lab.exchange.network.say("fake", call.ref), lab.exchange.network.hear("fake", call.ref, b"\x20" * 160)])
    lab.phones.hang_up(TO)
    heard = await control.get(f"/lab/phones/{TO}/audio")
    assert heard.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(heard.content)) as mono:
        assert (mono.getnchannels(), mono.getframerate(), mono.getsampwidth()) == (1, 8000, 2)
        samples = struct.unpack(f"<{mono.getnframes()}h", mono.readframes(mono.getnframes()))
    assert sound.EXPANDED[0x20] in samples
    both = await control.get(f"/lab/phones/{TO}/audio", params={"said": 1, "call": 1})
    with wave.open(io.BytesIO(both.content)) as stereo:
        assert stereo.getnchannels() == 2
        pairs = struct.unpack(f"<{2 * stereo.getnframes()}h", stereo.readframes(stereo.getnframes()))
    assert pairs[1::2] == samples
    assert max(pairs[0::2]) > 7000
    assert (await control.get(f"/lab/phones/{TO}/audio", params={"call": 2})).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("PUT", "/lab/carriers/fake/faults", b'{"faults":[{"kind":"nope"}]}', 422, "faults[0].kind"),
        ("PUT", "/lab/carriers/fake/faults", b'{"fault":[]}', 422, "faults"),
        ("PUT", "/lab/carriers/fake/faults", b'{"faults":{}}', 422, "faults"),
        ("PUT", "/lab/carriers/fake/faults", b"[]", 422, "faults"),
        ("PUT", "/lab/carriers/fake/faults", b"{", 422, "body"),
        ("PUT", "/lab/carriers/nope/faults", b'{"faults":[]}', 404, "name"),
        ("DELETE", "/lab/carriers/nope/faults", b"", 404, "name"),
        ("PUT", f"/lab/phones/{TO}", b'{"behavior":"sleep"}', 422, "behavior"),
        ("PUT", f"/lab/phones/{TO}", b'"x"', 422, "body"),
        ("PUT", "/lab/phones/alice", b"{}", 422, "number"),
        ("GET", "/lab/phones/12", b"", 422, "number"),
        ("GET", f"/lab/phones/{TO}/audio", b"", 404, "call"),
        ("GET", f"/lab/phones/{TO}/audio?call=0", b"", 422, "call"),
        ("GET", f"/lab/phones/{TO}/audio?call=x", b"", 400, f"/lab/phones/{TO}/audio"),
        ("POST", f"/lab/phones/{TO}/call", b'{"to":"+15550170099"}', 422, "to"),
        ("POST", f"/lab/phones/{TO}/press", b"{}", 422, "digit"),
        ("POST", f"/lab/phones/{TO}/press", b'{"digit":"x"}', 422, "digit"),
        ("POST", f"/lab/phones/{TO}/press", b'{"key":"5"}', 422, "key"),
        ("POST", "/lab/phones/alice/hang_up", b"", 422, "number"),
        ("POST", f"/lab/phones/{TO}/dance", b"", 404, f"/lab/phones/{TO}/dance"),
        ("GET", "/lab/ledger?kind=rings", b"", 422, "kind"),
        ("GET", "/lab/ledger?carrier=nope", b"", 404, "name"),
        ("GET", "/lab/ledger?number=alice", b"", 422, "number"),
        ("GET", "/lab/ledger?knd=ring", b"", 422, "knd"),
        ("GET", "/lab/ledger?wait_s=61", b"", 422, "wait_s"),
        ("GET", "/lab/ledger?after=-1", b"", 422, "after"),
        ("GET", f"/lab/phones/{TO}?calls=1", b"", 422, "calls"),
        ("GET", f"/lab/phones/{TO}/audio?stereo=1", b"", 422, "stereo"),
        ("DELETE", "/lab?hard=1", b"", 422, "hard"),
        ("GET", "/lab/nothing", b"", 404, "/lab/nothing"),
        ("POST", "/lab/ledger", b"", 405, "/lab/ledger"),
    ],
)
async def test_bad_input_gets_a_problem(
    control: httpx.AsyncClient, method: str, path: str, body: bytes, status: int, field: str
) -> None:
    """Every refusal is problem+json that names the field and the cure, and nothing has changed."""
    response = await control.request(method, path, content=body)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    problem: dict[str, Any] = msgspec.json.decode(response.content)
    assert (problem["status"], problem["field"]) == (status, field)
    assert problem["cure"]
    assert (await control.get("/lab/carriers")).json()["carriers"][0]["faults"] == []


async def test_a_number_that_is_not_in_service_is_refused_by_name(control: httpx.AsyncClient) -> None:
    """A carrier that takes no calls for its number says so."""
    response = await control.post(f"/lab/phones/{TO}/call", json={"to": "+15550190001"})
    assert (response.status_code, response.json()["field"]) == (409, "to")


async def test_a_taken_port_is_an_error_and_leaves_nothing_open(lab: Lab, fake_kind: Kind) -> None:
    """A second lab on the same port raises OSError, and its carriers' ports are free again."""
    port = int(lab.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        await Lab(kinds=[fake_kind], port=port).__aenter__()


async def test_numbers_follow_the_alphabet_or_the_argument(fake_kind: Kind) -> None:
    """The n-th kind owns the n-th block of numbers unless it is told others."""
    second = Kind(**{name: getattr(fake_kind, name) for name in fake_kind.__struct_fields__} | {"kind": "zebra"})
    async with Lab(kinds=[second, fake_kind], numbers={"fake": ["+15550190777"]}) as two:
        assert two.credentials("zebra")["numbers"] == ["+15550190011", "+15550190012", "+15550190013"]
        assert two.credentials("fake")["numbers"] == ["+15550190777"]


async def test_people_act_over_http(lab: Lab, control: httpx.AsyncClient) -> None:
    """A script picks a ringing phone up, presses a key and puts it down; where there is no call it is told so."""
    await control.put(f"/lab/phones/{TO}", json={"behavior": "no_answer"})
    assert (await control.post(f"/lab/phones/{TO}/answer")).json() == {"done": False}
    await dial(lab)
    await lab.until("ring")
    assert (await control.post(f"/lab/phones/{TO}/answer")).json() == {"done": True}
    assert (await control.post(f"/lab/phones/{TO}/press", json={"digit": "5"})).json() == {"done": True}
    assert (await control.post(f"/lab/phones/{TO}/hang_up")).json() == {"done": True}
    assert [entry.more["by"] for entry in lab.ledger.entries("hangup")] == ["phone"]


async def test_a_question_waits_for_its_entries(lab: Lab, control: httpx.AsyncClient) -> None:
    """It is answered when there are as many as were asked for, and with what there is when the time is up."""
    waiting = asyncio.create_task(control.get("/lab/ledger", params={"kind": "ring", "count": 2, "wait_s": 5}))
    for to in (TO, "+15550107002"):
        await dial(lab, to)
    assert len((await waiting).json()["entries"]) == 2
    assert len((await control.get("/lab/ledger", params={"kind": "ring", "count": 3, "wait_s": 0.05})).json()["entries"]) == 2


async def test_what_the_ledger_holds_is_known_to_it(lab: Lab) -> None:
    """Every kind that a call writes is among those that may be asked for."""
    await dial(lab)
    await lab.until("answer")
    lab.phones.hang_up(TO)
    assert {entry.kind for entry in lab.ledger.entries()} <= KINDS


async def test_the_ledger_can_be_followed(lab: Lab, control: httpx.AsyncClient) -> None:
    """`after` gives what is newer than so many entries, waits until there is something, and says where to go on."""
    await dial(lab)
    seen = (await control.get("/lab/ledger", params={"after": 0})).json()
    assert [entry["kind"] for entry in seen["entries"]][:1] == ["dial"]
    waiting = asyncio.create_task(control.get("/lab/ledger", params={"after": seen["end"], "wait_s": 5}))
    await dial(lab, "+15550107002")
    news = (await waiting).json()
    assert news["entries"]
    assert news["end"] == seen["end"] + len(news["entries"])
    quiet = (await control.get("/lab/ledger", params={"after": 10_000, "wait_s": 0.05})).json()
    assert quiet["entries"] == []
