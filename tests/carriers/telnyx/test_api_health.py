"""Probes, checks and credentials, through Telnyx' real SDK against the lab."""

import time
from typing import Any

import pytest

from carriers.contract import Carrier, Health
from carriers.lab.lab import Lab
from carriers.telnyx import KIND
from gateway.domain.errors import Misconfigured
from gateway.domain.verdict import Signal

TO = "+15550100001"
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_healthy_carrier(lab: Lab, telnyx: Carrier, bench: Any) -> None:
    """A probe of a well carrier has no verdict; a check lists what it found, the account's numbers too."""
    assert (await telnyx.probe()).verdict is None
    findings = {finding.what: finding for finding in await telnyx.check()}
    assert all(finding.ok for finding in findings.values())
    assert set(findings) == {"credentials", "connection", "numbers"}
    assert "400.00 USD" in findings["credentials"].detail
    assert findings["numbers"].detail == ", ".join(lab.credentials("telnyx")["numbers"])


@pytest.mark.parametrize(
    ("fault", "reason", "signal"),
    [
        ({"kind": "auth_error"}, "wrong-credentials", Signal.MISCONFIGURED),
        ({"kind": "http_error", "status": 503}, "platform-error", Signal.FAILURE),
        ({"kind": "down"}, "unreachable", Signal.FAILURE),
    ],
)
async def test_an_ill_carrier(lab: Lab, telnyx: Carrier, fault: dict[str, Any], reason: str, signal: Signal, bench: Any) -> None:
    """Neither a probe nor a check raises; each finding names a cure."""
    lab.set_faults("telnyx", [fault])
    health: Health = await telnyx.probe()
    assert health.verdict is not None
    assert (health.verdict.reason, health.verdict.signal) == (reason, signal)
    findings = await telnyx.check()
    assert [(finding.ok, bool(finding.cure)) for finding in findings] == [(False, True)] * 3


@pytest.mark.knob("telnyx", "available_credit")
@pytest.mark.knob("telnyx", "webhook_api_version")
@pytest.mark.parametrize(
    ("knob", "bad"),
    [({"available_credit": "0.00"}, "credentials"), ({"webhook_api_version": "1"}, "connection")],
)
async def test_a_check_finds_what_a_probe_does_not(knob: dict[str, str], bad: str, bench: Any) -> None:
    """An account without credit, and an application that still sends version 1 webhooks."""
    async with Lab(kinds=("telnyx",), knobs={"telnyx": knob}) as lab, bench.opened(lab) as carrier:
        assert (await carrier.probe()).verdict is None
        assert [finding.what for finding in await carrier.check() if not finding.ok] == [bad]


async def test_a_wrong_connection_is_found(lab: Lab, bench: Any) -> None:
    """The connection's id is asked for by itself."""
    async with bench.opened(lab, connection_id="1") as carrier:
        (finding,) = [finding for finding in await carrier.check() if not finding.ok]
    assert (finding.what, "connection_id" in finding.cure) == ("connection", True)


@pytest.mark.parametrize(("field", "value"), [("api_key", ""), ("public_key", "no key"), ("public_key", "")])
async def test_credentials_that_cannot_work_are_refused_at_once(lab: Lab, field: str, value: str, bench: Any) -> None:
    """The SDK would send unauthenticated requests without a word."""
    with pytest.raises(Misconfigured, match=field):
        KIND.open(bench.settings(lab, **{field: value}), time.time)
