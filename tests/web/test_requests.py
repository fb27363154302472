"""Reading a request, without HTTP: whatever comes in, the answer is a call or a refusal."""

import string
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.structs import AgentConfig, CarrierConfig, Config, Route
from gateway.domain.records import Call
from gateway.web.problems import Refusal
from gateway.web.requests import NOT_YET, CreateCall, canonical, new_call, read_create_call, read_json
from gateway.web.times import from_rfc3339, rfc3339

NOW = 1_795_314_400.0
CONFIG = Config(
    carriers=(CarrierConfig(name="alpha", kind="alpha", credentials=None, numbers=("+15550190001",)),),
    routes=(Route(name="default", agent="echo"),),
    agents=(AgentConfig(name="echo", kind="echo"),),
)
FIELDS = sorted({field.encode_name for field in msgspec.structs.fields(CreateCall)} | set(NOT_YET) | {"x"})
LIKELY = ["+15550100001", "+15550190001", "alpha", "echo", "default", "callback", "2026-11-23T00:00:00Z"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(LIKELY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def asked(document: Any) -> tuple[CreateCall, Call] | Refusal:
    ids = count()
    try:
        request = read_create_call(document)
        return request, new_call(request, CONFIG, NOW, lambda prefix: f"{prefix}_{next(ids)}")
    except Refusal as refused:
        return refused


@settings(max_examples=500, deadline=None)
@given(VALUES | st.fixed_dictionaries({"to": st.just(LIKELY[0])}, optional={name: VALUES for name in FIELDS if name != "to"}))
def test_every_body_is_a_call_or_a_refusal(document: Any) -> None:
    """No JSON whatever raises anything but a Refusal with errors, and what is taken is what was asked for."""
    answer = asked(document)
    if isinstance(answer, Refusal):
        assert answer.problem.status == 422
        assert answer.problem.errors
        return
    request, call = answer
    assert call.to == document["to"]
    assert call.expires_at > NOW
    assert read_create_call(canonical(request)) == request


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet=string.printable, max_size=60).map(str.encode))
def test_bytes_are_json_or_a_bad_request(body: bytes) -> None:
    """No bytes whatever raise anything but a Refusal, and all JSON is read."""
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        with pytest.raises(Refusal) as caught:
            read_json(body, "application/json")
        assert caught.value.problem.status in {400, 422}
    else:
        read_json(body, "application/json; charset=utf-8")


@given(st.floats(min_value=0, max_value=4e9))
def test_times_survive_the_way_there_and_back(at: float) -> None:
    """What we write as RFC 3339 we read as the same time, to the millisecond."""
    told = from_rfc3339(rfc3339(at))
    assert told is not None
    assert abs(told - at) <= 0.001


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-22",
        "2026-11-22T10:00",
        "2026-11-22 10:00:00Z",
        "2026-11-22T25:00:00Z",
        "20261122T100000Z",
        "٢٠٢٦-11-22T10:00:00Z",
    ],
)
def test_what_is_not_rfc3339_is_not_read(text: str) -> None:
    """Looser forms of ISO 8601 are refused, since they would be read differently elsewhere."""
    assert from_rfc3339(text) is None
