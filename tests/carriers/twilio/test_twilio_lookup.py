"""Telling our call from others, and reading an account."""

import pytest
from msgspec.structs import replace

from carriers.contract import Handle, LegAtCarrier
from carriers.twilio import account, lookup
from carriers.twilio.lookup import Seen, Trace
from gateway.domain.errors import CarrierError, Malformed
from gateway.domain.outcome import Outcome

SENT = 1_795_345_200.0
LOOKED = Handle(call_id="call_1", leg_id="leg_1", to="+15550100001", caller_id="+15550190001", sent_at=SENT)


def seen(name: str = "a", created: float | None = SENT, status: str = "queued") -> Seen:
    return Seen(sid="CA" + name * 32, status=status, created=created)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("queued", LegAtCarrier.ACCEPTED),
        ("initiated", LegAtCarrier.ACCEPTED),
        ("ringing", LegAtCarrier.RINGING),
        ("in-progress", LegAtCarrier.ANSWERED),
        ("completed", LegAtCarrier.ENDED),
        ("busy", LegAtCarrier.ENDED),
        ("failed", LegAtCarrier.ENDED),
        ("no-answer", LegAtCarrier.ENDED),
        ("canceled", LegAtCarrier.ENDED),
    ],
)
def test_states(status: str, state: LegAtCarrier) -> None:
    """Every published status has its state, and an ended call its verdict."""
    found = lookup.sighting(seen(status=status))
    assert found.state is state
    assert (found.verdict is not None) == (state is LegAtCarrier.ENDED)


def test_unpublished_status() -> None:
    """A status that nobody knows is not guessed at."""
    with pytest.raises(Malformed):
        lookup.sighting(seen(status="sleeping"))


@pytest.mark.parametrize(
    ("created", "sent_at", "plausible"),
    [
        (SENT, SENT, True),
        (SENT - 4, SENT, True),
        (SENT - 6, SENT, False),
        (SENT + 59, SENT, True),
        (SENT + 61, SENT, False),
        (None, SENT, True),
        (SENT - 999, 0.0, True),
    ],
)
def test_time_of_creation(created: float | None, sent_at: float, plausible: bool) -> None:
    """A call created well before or after our POST is not ours; one without a date may be."""
    assert lookup.plausible(seen(created=created), sent_at) is plausible


@pytest.mark.parametrize(
    ("url", "trace"),
    [
        ("https://gw/carriers/twilio/hooks/call_1/leg_1/answer", Trace.OURS),
        ("https://gw/carriers/twilio/hooks/call_1/leg_2/answer", Trace.OTHERS),
        ("https://elsewhere.example/voice", Trace.NONE),
    ],
)
def test_trace(url: str, trace: Trace) -> None:
    """The requests that Twilio lists for a call show whose it is."""
    assert lookup.trace([{"parameters": {"url": url}}, None], "leg_1") is trace


def test_trace_without_a_leg() -> None:
    """An empty leg id matches nothing, least of all every `//`."""
    assert lookup.trace([{"url": "https://gw/x"}], "") is Trace.NONE


def test_choice() -> None:
    """Proof wins; a single unproven call is taken; several, or several legs that look for it, are an error; none is nothing."""
    ours, other, plain = (seen("a"), Trace.OURS), (seen("b"), Trace.OTHERS), (seen("c"), Trace.NONE)
    assert lookup.choose([other, plain, ours], LOOKED) == ours[0]
    assert lookup.choose([other, plain], LOOKED) == plain[0]
    assert lookup.choose([other], LOOKED) is None
    assert lookup.choose([], LOOKED) is None
    assert lookup.choose([plain], replace(LOOKED, sent_at=0.0)) is None
    with pytest.raises(CarrierError, match="ambiguous"):
        lookup.choose([plain, (seen("d"), Trace.NONE)], LOOKED)
    rivals = replace(LOOKED, rivals=1)
    assert lookup.choose([plain, ours], rivals) == ours[0]
    with pytest.raises(CarrierError, match="legs that look for one: 2"):
        lookup.choose([plain], rivals)


def test_found_busy_has_its_outcome() -> None:
    """A call that is found ended by a busy phone says so."""
    verdict = lookup.sighting(seen(status="busy")).verdict
    assert verdict is not None
    assert verdict.outcome is Outcome.BUSY


def test_findings_of_a_good_account() -> None:
    """Four good lines, the numbers named."""
    lines = account.findings("active", "Full", "12.50", "USD", ["+15550190001"])
    assert [line.ok for line in lines] == [True, True, True, True]
    assert "+15550190001" in lines[3].detail


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (("suspended", "Full", "12.50", "USD", ["+15550190001"]), "account"),
        (("active", "Trial", "12.50", "USD", ["+15550190001"]), "account"),
        (("active", "Full", "0.20", "USD", ["+15550190001"]), "balance"),
        (("active", "Full", "None", "USD", ["+15550190001"]), "balance"),
        (("active", "Full", "12.50", "USD", []), "numbers"),
    ],
)
def test_findings_of_a_bad_account(args: tuple[str, str, str, str, list[str]], what: str) -> None:
    """The one thing that is wrong is named, with its cure."""
    bad = [line for line in account.findings(*args) if not line.ok]
    assert [line.what for line in bad] == [what]
    assert bad[0].cure


def test_refusal_has_a_cure() -> None:
    """Whatever Twilio refuses with, there is advice."""
    for reason in ("bad-credentials", "account-suspended", "unreachable", "server-error"):
        assert account.refused(reason, "").cure
