"""The in-memory adapters send what the SDKs send: two authors of one carrier's requests would be one too many."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from carriers.contract import Attempt, CarrierSettings
from carriers.in_memory import Request
from carriers.lab.contract import RestRequest
from carriers.lab.lab import Lab
from carriers.registry import kinds
from gateway.domain.outcome import Knowledge

TO = "+15550100001"

IGNORED_BY_THE_CARRIER = frozenset({"machine_detection_time", "machine_detection_method", "error_if_parent_not_found"})
"""What Plivo's SDK adds to every dial by itself."""


@pytest.mark.parametrize("kind", sorted(kinds()))
async def test_a_dial_in_memory_is_the_dial_on_the_wire(kind: str) -> None:
    """Method, path and every field of the create-call request are those of the official SDK, byte for byte of meaning."""
    async with Lab(kinds=[kind]) as lab:
        told: Mapping[str, Any] = lab.credentials(kind)
        settings = _settings(kind, told)
        attempt = _attempt(told["numbers"][0])
        seen = _listen(lab, kind)
        carrier = kinds()[kind].open(settings, lambda: 0.0)
        placed = await carrier.place(attempt, 8.0, lambda: True)
        await carrier.aclose()
        assert placed.knowledge is Knowledge.ACCEPTED
        ours: Request = kinds()[kind].in_memory(settings, lambda: 0.0, lambda _request: None).dial_request(attempt)
        assert (ours.method, ours.path) == (seen[0].method, seen[0].path)
        assert _fields(ours.body) == _fields(seen[0].body)


def _settings(kind: str, told: Mapping[str, Any]) -> CarrierSettings:
    wanted = kinds()[kind].credentials
    fields = {name: told[name] for name in wanted.__struct_fields__ if name in told}
    return CarrierSettings(name=kind, credentials=msgspec.convert(fields, wanted), base_url=told["base_url"])


def _attempt(caller_id: str) -> Attempt:
    return Attempt(
        call_id="call_1",
        leg_id="leg_1",
        to=TO,
        caller_id=caller_id,
        ring_timeout_s=31,
        max_duration_s=301,
        public_url="https://gw.example",
        carrier="name",
        media_token="token",
    )


def _listen(lab: Lab, kind: str) -> list[RestRequest]:
    """The create-call requests that reach the simulator."""
    simulator = lab._running._exchange.desks[kind].simulator
    seen: list[RestRequest] = []
    answer = simulator.on_request

    def heard(now: float, request: RestRequest) -> Any:
        if simulator.is_dial(request) is not None:
            seen.append(request)
        return answer(now, request)

    simulator.on_request = heard  # type: ignore[method-assign]
    return seen


def _fields(body: bytes) -> dict[str, Any]:
    if body.startswith(b"{"):
        return {name: value for name, value in json.loads(body).items() if name not in IGNORED_BY_THE_CARRIER}
    return dict(parse_qs(body.decode(), keep_blank_values=True))
