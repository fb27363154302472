"""The adapter through the real SDK against the running lab: one dial is one POST, and every answer is understood."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from carriers.contract import Attempt, Carrier, CarrierSettings, Handle, LegAtCarrier
from carriers.lab.lab import Lab
from carriers.twilio import KIND, Credentials
from gateway.domain.errors import CarrierError
from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.verdict import Attribution, Signal

OURS, THEIRS = "+15550190001", "+15550100001"
NOBODY = "http://127.0.0.1:9"
"""A public URL where nothing listens: the lab's webhooks fail, and no test here needs them."""


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def opened(shared_lab: Lab) -> Callable[..., Any]:
    """The lab, well and empty but for the knobs given, and an adapter of the test's own pointed at it."""

    @asynccontextmanager
    async def with_knobs(**knobs: Any) -> AsyncIterator[tuple[Lab, Carrier]]:
        settings = shared_lab.exchange.desks["twilio"].simulator._site.knobs
        before, carrier = dict(settings), adapter(shared_lab)
        settings.update(knobs)
        try:
            yield shared_lab, carrier
        finally:
            await carrier.aclose()
            settings.clear()
            settings.update(before)
            shared_lab.reset()

    return with_knobs


def adapter(lab: Lab, **changes: str) -> Carrier:
    told = lab.credentials("twilio") | changes
    credentials = Credentials(account_sid=told["account_sid"], auth_token=told["auth_token"])
    carrier: Carrier = KIND.open(CarrierSettings(name="twilio", credentials=credentials, base_url=told["base_url"]), time.time)
    return carrier


def attempt(leg: str = "leg_1", **changes: Any) -> Attempt:
    fields = {"call_id": "call_1", "leg_id": leg, "to": THEIRS, "caller_id": OURS, "public_url": NOBODY, "carrier": "twilio"}
    return Attempt(**(fields | changes))


def handle(leg: str = "leg_1", **changes: Any) -> Handle:
    fields = {"call_id": "call_1", "leg_id": leg, "to": THEIRS, "caller_id": OURS, "sent_at": time.time()}
    return Handle(**(fields | changes))


def in_time(seconds: float = 5.0) -> float:
    return time.time() + seconds


def dials(lab: Lab) -> int:
    return len(lab.ledger.entries("dial"))


def always() -> bool:
    return True


async def test_place(opened) -> None:
    """A dial is one POST, accepted with the carrier's id, with all that we asked for."""
    async with opened() as (lab, carrier):
        placed = await carrier.place(attempt(ring_timeout_s=21, max_duration_s=333), in_time(), always)
        assert placed.knowledge is Knowledge.ACCEPTED
        assert placed.verdict is None
        await lab.until("ring", number=THEIRS)
        assert dials(lab) == 1
        call = lab.exchange.desks["twilio"].simulator._calls.by_sid[placed.carrier_call_id]
        assert (call.timeout_s, call.time_limit_s, call.caller_id) == (21, 333, OURS)
        assert call.report.events == {"initiated", "ringing", "answered", "completed"}
        assert call.report.url.startswith(f"{NOBODY}/carriers/twilio/hooks/call_1/leg_1/status")
        assert call.url.startswith(f"{NOBODY}/carriers/twilio/hooks/call_1/leg_1/answer")


@pytest.mark.parametrize(
    ("fault", "placed_too"),
    [
        ({"kind": "http_error", "status": 500}, False),
        ({"kind": "http_error", "status": 500, "after_placing": True}, True),
        ({"kind": "http_error", "status": 502}, False),
        ({"kind": "drop_after_accept"}, True),
        ({"kind": "slow", "s": 3}, True),
        ({"kind": "blackhole"}, False),
    ],
)
async def test_ambiguous_failure_is_unknown_and_one_post(opened, fault: dict[str, Any], placed_too: bool) -> None:
    """Whatever fails after the request was taken, one POST was sent, the outcome is unknown, and a look-up tells the truth."""
    async with opened() as (lab, carrier):
        lab.set_faults("twilio", [fault])
        placed = await carrier.place(attempt(), in_time(0.7), always)
        assert placed.knowledge is Knowledge.UNKNOWN
        assert placed.verdict is not None
        assert placed.verdict.signal is Signal.FAILURE
        assert dials(lab) == 1
        lab.clear_faults("twilio")
        found = await carrier.find(handle())
        assert (found.state is not LegAtCarrier.MISSING) is placed_too
        assert len(lab.ledger.entries("ring")) <= 1
        assert dials(lab) == 1


@pytest.mark.parametrize(
    ("fault", "reason", "signal"),
    [
        ({"kind": "auth_error"}, "bad-credentials", Signal.MISCONFIGURED),
        ({"kind": "suspended"}, "account-suspended", Signal.MISCONFIGURED),
        ({"kind": "rate_limited"}, "rate-limited", Signal.RELEASE),
        ({"kind": "http_error", "status": 400, "code": "21215"}, "geo-permission", Signal.RELEASE),
    ],
)
async def test_refusal(opened, fault: dict[str, Any], reason: str, signal: Signal) -> None:
    """A 4xx is a refusal, judged by Twilio's code, after one POST."""
    async with opened() as (lab, carrier):
        lab.set_faults("twilio", [fault])
        placed = await carrier.place(attempt(), in_time(), always)
        assert placed.knowledge is Knowledge.REFUSED
        assert placed.verdict is not None
        assert (placed.verdict.reason, placed.verdict.signal, placed.verdict.attribution) == (reason, signal, Attribution.US)
        assert dials(lab) == 1


async def test_refused_number(opened) -> None:
    """A number that Twilio calls invalid ends the call as such; a caller id that is not ours sends it elsewhere."""
    async with opened() as (_, carrier):
        bad_to = await carrier.place(attempt(to="+15005550001"), in_time(), always)
        bad_from = await carrier.place(attempt(caller_id="+15550190077"), in_time(), always)
    assert bad_to.verdict is not None
    assert bad_from.verdict is not None
    assert (bad_to.knowledge, bad_to.verdict.outcome) == (Knowledge.REFUSED, Outcome.INVALID_NUMBER)
    assert (bad_from.verdict.reason, bad_from.verdict.code) == ("caller-id-refused", "21210")


async def test_nothing_listens(opened) -> None:
    """A refused connection is NOT_SENT: not one byte left, and the ledger has no dial; afterwards all is well again."""
    async with opened() as (lab, carrier):
        lab.set_faults("twilio", [{"kind": "down"}])
        placed = await carrier.place(attempt(), in_time(), always)
        assert placed.knowledge is Knowledge.NOT_SENT
        assert dials(lab) == 0
        lab.clear_faults("twilio")
        assert (await carrier.place(attempt(), in_time(), always)).knowledge is Knowledge.ACCEPTED


async def test_too_late_or_not_ours(opened) -> None:
    """With the deadline passed or the gate closed nothing is sent."""
    async with opened() as (lab, carrier):
        late = await carrier.place(attempt(), time.time() - 0.01, always)
        fenced = await carrier.place(attempt(), in_time(), lambda: False)
        assert (late.knowledge, fenced.knowledge) == (Knowledge.NOT_SENT, Knowledge.NOT_SENT)
        assert dials(lab) == 0


async def test_parallel_places(opened) -> None:
    """Two dials at once are two POSTs, two calls, two ids."""
    async with opened() as (lab, carrier):
        one, two = await asyncio.gather(
            carrier.place(attempt("leg_1"), in_time(), always),
            carrier.place(attempt("leg_2", to="+15550100002"), in_time(), always),
        )
        assert (one.knowledge, two.knowledge) == (Knowledge.ACCEPTED, Knowledge.ACCEPTED)
        assert one.carrier_call_id != two.carrier_call_id
        assert dials(lab) == 2


async def test_environment_does_not_redirect(opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edge, region and proxy settings of the environment lead no request astray."""
    monkeypatch.setenv("TWILIO_EDGE", "dublin")
    monkeypatch.setenv("TWILIO_REGION", "ie1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    async with opened() as (lab, carrier):
        assert (await carrier.place(attempt(), in_time(), always)).knowledge is Knowledge.ACCEPTED
        assert dials(lab) == 1


# --- find --------------------------------------------------------------------------------------------------------


async def test_find_by_id_through_a_life(opened) -> None:
    """A look-up by id follows the call: accepted, ringing, ended with its verdict."""
    async with opened() as (lab, carrier):
        lab.phones.put(THEIRS, behavior="no_answer")
        sid = (await carrier.place(attempt(), in_time(), always)).carrier_call_id
        assert (await carrier.find(handle(carrier_call_id=sid))).state is LegAtCarrier.ACCEPTED
        await lab.until("ring", number=THEIRS)
        assert (await carrier.find(handle(carrier_call_id=sid))).state is LegAtCarrier.RINGING
        await carrier.hang_up(handle(carrier_call_id=sid))
        ended = await carrier.find(handle(carrier_call_id=sid))
        assert ended.state is LegAtCarrier.ENDED
        assert ended.verdict is not None
        assert ended.verdict.outcome is Outcome.CANCELED


async def test_find_by_tag_takes_no_other_leg(opened) -> None:
    """Of two calls between the same numbers at the same time each leg finds its own, and a third leg finds none."""
    async with opened() as (_, carrier):
        one = await carrier.place(attempt("leg_1"), in_time(), always)
        two = await carrier.place(attempt("leg_2"), in_time(), always)
        assert (await carrier.find(handle("leg_1"))).carrier_call_id == one.carrier_call_id
        assert (await carrier.find(handle("leg_2"))).carrier_call_id == two.carrier_call_id
        assert (await carrier.find(handle("leg_3"))).state is LegAtCarrier.MISSING


async def test_find_before_twilio_lists_requests(opened) -> None:
    """While Twilio lists no requests yet, a single call at the right time is taken, and two are not told apart."""
    async with opened(events_lag_s=60.0) as (_, carrier):
        one = await carrier.place(attempt("leg_1"), in_time(), always)
        assert (await carrier.find(handle("leg_1"))).carrier_call_id == one.carrier_call_id
        assert (await carrier.find(handle("leg_1", sent_at=time.time() - 3600))).state is LegAtCarrier.MISSING
        await carrier.place(attempt("leg_2"), in_time(), always)
        with pytest.raises(CarrierError, match="ambiguous"):
            await carrier.find(handle("leg_1"))


async def test_find_of_an_unknown_id(opened) -> None:
    """An id that Twilio does not know is MISSING."""
    async with opened() as (_, carrier):
        assert (await carrier.find(handle(carrier_call_id="CA" + "0" * 32))).state is LegAtCarrier.MISSING


@pytest.mark.parametrize("fault", [{"kind": "http_error", "status": 503}, {"kind": "auth_error"}, {"kind": "down"}])
@pytest.mark.parametrize("carrier_call_id", ["", "CA" + "0" * 32])
async def test_find_unanswered(opened, fault: dict[str, Any], carrier_call_id: str) -> None:
    """A look-up that Twilio does not answer is an error, never MISSING."""
    async with opened() as (lab, carrier):
        lab.set_faults("twilio", [fault])
        with pytest.raises(CarrierError):
            await carrier.find(handle(carrier_call_id=carrier_call_id))


# --- hang up -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_id", [True, False])
async def test_hang_up(opened, by_id: bool) -> None:
    """A ringing call is ended, by its id or by a search for our tag; a second time is a success too."""
    async with opened() as (lab, carrier):
        lab.phones.put(THEIRS, behavior="no_answer")
        sid = (await carrier.place(attempt(), in_time(), always)).carrier_call_id
        await lab.until("ring", number=THEIRS)
        mine = handle(carrier_call_id=sid if by_id else "")
        await carrier.hang_up(mine)
        await lab.until("hangup", number=THEIRS)
        await carrier.hang_up(mine)
        assert (await carrier.find(mine)).state is LegAtCarrier.ENDED


async def test_hang_up_of_what_never_was(opened) -> None:
    """A leg that Twilio does not know is gone already, with an id or without."""
    async with opened() as (lab, carrier):
        await carrier.hang_up(handle(carrier_call_id="CA" + "0" * 32))
        await carrier.hang_up(handle())
        assert dials(lab) == 0


async def test_hang_up_not_obeyed(opened) -> None:
    """A hang-up that Twilio does not carry out is an error, so that it is repeated."""
    async with opened() as (lab, carrier):
        sid = (await carrier.place(attempt(), in_time(), always)).carrier_call_id
        lab.set_faults("twilio", [{"kind": "http_error", "status": 503}])
        with pytest.raises(CarrierError, match="service-unavailable"):
            await carrier.hang_up(handle(carrier_call_id=sid))


# --- probe and check ---------------------------------------------------------------------------------------------


async def test_probe(opened) -> None:
    """One request tells that the account is well."""
    async with opened() as (lab, carrier):
        health = await carrier.probe()
        assert health.verdict is None
        assert "50.00 USD" in health.detail
        assert 0 <= health.seconds < 5
        assert dials(lab) == 0


@pytest.mark.parametrize(
    ("fault", "reason", "signal"),
    [
        ({"kind": "auth_error"}, "bad-credentials", Signal.MISCONFIGURED),
        ({"kind": "http_error", "status": 502}, "bad-gateway", Signal.FAILURE),
        ({"kind": "http_error", "status": 503}, "service-unavailable", Signal.FAILURE),
        ({"kind": "down"}, "unreachable", Signal.FAILURE),
        ({"kind": "rate_limited"}, "rate-limited", Signal.RELEASE),
    ],
)
async def test_probe_of_a_sick_carrier(opened, fault: dict[str, Any], reason: str, signal: Signal) -> None:
    """A probe never raises; it says what is wrong and what the breaker should make of it."""
    async with opened() as (lab, carrier):
        lab.set_faults("twilio", [fault])
        verdict = (await carrier.probe()).verdict
        assert verdict is not None
        assert (verdict.reason, verdict.signal) == (reason, signal)


async def test_check(opened) -> None:
    """Credentials, account, balance and numbers, all well; and each that is not, with its cure."""
    async with opened() as (_, carrier):
        lines = await carrier.check()
        assert [(line.what, line.ok) for line in lines] == [
            ("credentials", True),
            ("account", True),
            ("balance", True),
            ("numbers", True),
        ]
        assert OURS in lines[-1].detail
    async with opened(balance="0.05", account_type="Trial") as (lab, carrier):
        assert [line.what for line in await carrier.check() if not line.ok] == ["account", "balance"]
        stranger = adapter(lab, auth_token="0" * 32)
        (line,) = await stranger.check()
        await stranger.aclose()
        assert (line.what, line.ok) == ("credentials", False)
        assert "auth_token" in line.cure
        lab.set_faults("twilio", [{"kind": "down"}])
        (line,) = await carrier.check()
        assert line.detail.startswith("unreachable")


async def test_sdk_reads_every_resource(opened) -> None:
    """The answers of the lab's Twilio are whole for the SDK: dates, statuses and links are where its models look for them."""
    async with opened() as (lab, carrier):
        sid = (await carrier.place(attempt(), in_time(), always)).carrier_call_id
        shown = await carrier._ask(lambda client: client.calls(sid).fetch())  # type: ignore[attr-defined]
        assert shown.date_created.timestamp() == pytest.approx(time.time(), abs=5)
        assert json.loads(json.dumps(shown.subresource_uris))["events"].endswith(f"/Calls/{sid}/Events.json")
        notes = await carrier._ask(lambda client: client.calls(sid).notifications.list())  # type: ignore[attr-defined]
        assert notes == []
        assert lab.ledger.entries("refused") == []
