"""Placing through Telnyx' real SDK against the lab: what is sent, how often, and what is understood of the answers."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from carriers.contract import Carrier, LegAtCarrier
from carriers.lab.contract import RestReply, RestRequest
from carriers.lab.http_listener import HttpListener
from carriers.lab.lab import Lab
from carriers.lab.orders import Answer
from carriers.telnyx.webhooks import tag_of
from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.verdict import Signal

TO = "+15550100001"
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_dial_is_accepted_and_the_phone_rings(lab: Lab, telnyx: Carrier, bench: Any) -> None:
    """One POST; its answer carries the id by which Telnyx knows the leg."""
    placed = await telnyx.place(bench.attempt(lab), bench.soon(), bench.open_gate)
    assert (placed.knowledge, placed.verdict) == (Knowledge.ACCEPTED, None)
    (ring,) = await lab.until("ring", number=TO)
    assert (ring.carrier_call_id, bench.dials(lab)) == (placed.carrier_call_id, 1)


async def test_what_the_dial_carries(lab: Lab, bench: Any) -> None:
    """Tag, hook, stream and limits are in the one request, so that the answer needs no command."""
    bodies: list[dict[str, Any]] = []
    async with recorder(bodies) as base_url, bench.opened(lab, base_url=f"{base_url}/v2") as carrier:
        wanted = bench.attempt(lab, ring_timeout_s=3, max_duration_s=20_000)
        placed = await carrier.place(wanted, bench.soon(), bench.open_gate)
    assert placed.knowledge is Knowledge.REFUSED
    assert bodies == [
        {
            "connection_id": lab.credentials("telnyx")["connection_id"],
            "from": wanted.caller_id,
            "to": TO,
            "client_state": tag_of("leg_1"),
            "command_id": "leg_1",
            "webhook_url": "http://127.0.0.1:9/carriers/telnyx/hooks/call_1/leg_1/events",
            "webhook_url_method": "POST",
            "timeout_secs": 5,
            "retry_on_timeout": False,
            "time_limit_secs": 14_400,
            "stream_url": "ws://127.0.0.1:9/carriers/telnyx/media/call_1/leg_1/tok",
            "stream_track": "inbound_track",
            "stream_codec": "PCMU",
            "stream_bidirectional_mode": "rtp",
            "stream_bidirectional_codec": "PCMU",
            "stream_bidirectional_sampling_rate": 8000,
            "stream_bidirectional_target_legs": "self",
        }
    ]


@asynccontextmanager
async def recorder(bodies: list[dict[str, Any]], reply: RestReply | None = None) -> AsyncIterator[str]:
    """A server that keeps every body and answers all alike."""

    def answer(request: RestRequest) -> Answer:
        bodies.append(msgspec.json.decode(request.body))
        return Answer(reply=reply or RestReply(status=400))

    listener = HttpListener("127.0.0.1")
    listener.start(answer)
    try:
        yield listener.base_url
    finally:
        await listener.aclose()


AMBIGUOUS = {
    "answers 500 after placing": {"kind": "http_error", "status": 500, "after_placing": True},
    "closes after taking the request": {"kind": "drop_after_accept"},
    "answers too late": {"kind": "slow", "s": 5.0},
}


@pytest.mark.parametrize("fault", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_one_dial_is_one_post_however_it_fails(lab: Lab, telnyx: Carrier, fault: dict[str, Any], bench: Any) -> None:
    """The SDK alone would send three; what is not known to have failed is Unknown, and can be found by its tag."""
    lab.set_faults("telnyx", [fault])
    placed = await telnyx.place(bench.attempt(lab), bench.soon(2.5), bench.open_gate)
    assert placed.knowledge is Knowledge.UNKNOWN
    assert placed.verdict is not None
    await lab.until("ring", number=TO)
    assert bench.dials(lab) == len(lab.ledger.entries("ring")) == 1
    lab.clear_faults("telnyx")
    sighting = await telnyx.find(bench.handle())
    assert sighting.state in {LegAtCarrier.ACCEPTED, LegAtCarrier.ANSWERED}
    assert sighting.carrier_call_id == lab.ledger.entries("ring")[0].carrier_call_id


@pytest.mark.parametrize(
    ("fault", "knowledge", "reason", "signal"),
    [
        ({"kind": "rate_limited"}, Knowledge.REFUSED, "rate-limited", Signal.RELEASE),
        ({"kind": "auth_error"}, Knowledge.REFUSED, "wrong-credentials", Signal.MISCONFIGURED),
        ({"kind": "suspended"}, Knowledge.REFUSED, "account-suspended", Signal.MISCONFIGURED),
        ({"kind": "http_error", "status": 429, "code": "90103"}, Knowledge.REFUSED, "pace-limit", Signal.RELEASE),
        ({"kind": "http_error", "status": 409}, Knowledge.REFUSED, "platform-error", Signal.FAILURE),
        ({"kind": "http_error", "status": 503}, Knowledge.UNKNOWN, "platform-error", Signal.FAILURE),
    ],
)
async def test_a_refusal_is_sent_once_and_judged_by_its_code(
    lab: Lab, telnyx: Carrier, fault: dict[str, Any], knowledge: Knowledge, reason: str, signal: Signal, bench: Any
) -> None:
    """408, 409, 429 and 5xx are what the SDK would repeat by itself."""
    lab.set_faults("telnyx", [fault])
    placed = await telnyx.place(bench.attempt(lab), bench.soon(), bench.open_gate)
    assert placed.verdict is not None
    assert (placed.knowledge, placed.verdict.reason, placed.verdict.signal) == (knowledge, reason, signal)
    assert bench.dials(lab) == 1


async def test_a_number_in_no_e164_is_refused_as_invalid(lab: Lab, telnyx: Carrier, bench: Any) -> None:
    """Telnyx names the field; the call ends, for no carrier can dial that."""
    placed = await telnyx.place(bench.attempt(lab, to="+0"), bench.soon(), bench.open_gate)
    assert placed.verdict is not None
    assert (placed.knowledge, placed.verdict.outcome, placed.verdict.code) == (
        Knowledge.REFUSED,
        Outcome.INVALID_NUMBER,
        "10016",
    )


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"{}", b'{"data":null}', b'{"data":{"call_control_id":""}}', b"[]"])
async def test_a_success_that_cannot_be_read_is_unknown(lab: Lab, body: bytes, bench: Any) -> None:
    """A 200 without the leg's id may be a proxy's page or a placed call: look it up."""
    kind = "text/html" if body.startswith(b"<") else "application/json"
    bodies: list[dict[str, Any]] = []
    reply = RestReply(status=200, body=body, content_type=kind)
    async with recorder(bodies, reply) as base_url, bench.opened(lab, base_url=f"{base_url}/v2") as carrier:
        placed = await carrier.place(bench.attempt(lab), bench.soon(), bench.open_gate)
    assert placed.verdict is not None
    assert (placed.knowledge, placed.verdict.reason, len(bodies)) == (Knowledge.UNKNOWN, "unreadable-answer", 1)


async def test_nobody_listens(lab: Lab, bench: Any) -> None:
    """A refused connection is NotSent: another carrier may dial at once."""
    lab.set_faults("telnyx", [{"kind": "down"}])
    # A carrier of its own: on a connection kept from an earlier test, bytes may leave before its reset is seen.
    async with bench.opened(lab) as telnyx:
        placed = await telnyx.place(bench.attempt(lab), bench.soon(), bench.open_gate)
    assert placed.verdict is not None
    assert (placed.knowledge, placed.verdict.reason, bench.dials(lab)) == (Knowledge.NOT_SENT, "unreachable", 0)


async def test_too_late_to_begin(lab: Lab, telnyx: Carrier, bench: Any) -> None:
    """A dial whose deadline has passed never leaves."""
    placed = await telnyx.place(bench.attempt(lab), time.time() - 0.1, bench.open_gate)
    assert placed.verdict is not None
    assert (placed.knowledge, placed.verdict.reason, bench.dials(lab)) == (Knowledge.NOT_SENT, "deadline-passed", 0)


async def test_the_gate_has_the_last_word(lab: Lab, telnyx: Carrier, bench: Any) -> None:
    """A dial that is no longer ours never leaves, and says nothing against the carrier, whatever the SDK makes of it."""
    placed = await telnyx.place(bench.attempt(lab), bench.soon(), lambda: False)
    assert placed.verdict is not None
    found = (placed.knowledge, placed.verdict.reason, placed.verdict.signal, bench.dials(lab))
    assert found == (Knowledge.NOT_SENT, "gate-closed", Signal.RELEASE, 0)


async def test_two_dials_at_once(lab: Lab, telnyx: Carrier, bench: Any) -> None:
    """Each has its own thread and client; both are placed, once each."""
    other = "+15550100002"
    both = await asyncio.gather(
        telnyx.place(bench.attempt(lab), bench.soon(), bench.open_gate),
        telnyx.place(bench.attempt(lab, leg="leg_2", to=other), bench.soon(), bench.open_gate),
    )
    assert [placed.knowledge for placed in both] == [Knowledge.ACCEPTED] * 2
    await lab.until("ring", count=2)
    assert {entry.number for entry in lab.ledger.entries("dial")} == {TO, other}
    assert bench.dials(lab) == 2


async def test_the_environment_changes_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch, bench: Any) -> None:
    """The SDK reads its URL, key and OAuth client from the environment; the configuration stands above it."""
    for name in ("API_KEY", "BASE_URL", "CLIENT_ID", "CLIENT_SECRET", "PUBLIC_KEY"):
        monkeypatch.setenv(f"TELNYX_{name}", "http://127.0.0.1:9/v2")
    async with bench.opened(lab) as carrier:
        assert (await carrier.place(bench.attempt(lab), bench.soon(), bench.open_gate)).knowledge is Knowledge.ACCEPTED
