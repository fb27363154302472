"""The human rung in config.yaml: what is taken, and what is refused with its path and cure."""

from typing import Any

import pytest
import yaml

from carriers.registry import kinds
from gateway.config.document import read_document
from gateway.config.reading import read_config
from gateway.config.structs import Config
from gateway.domain.errors import Misconfigured
from gateway.domain.handover import Whisper
from gateway.domain.ladder import Rung, RungKind
from gateway.domain.records import Call
from gateway.ladder_terms import Ladders, colleague_terms, rungs_of

BASE: dict[str, Any] = {
    "carriers": [
        {
            "name": "one",
            "kind": "plivo",
            "credentials": {"auth_id": "MA", "auth_token": "${TOKEN}"},
            "numbers": ["+15550190001"],
            "base_url": "http://127.0.0.1:1",
        }
    ],
    "agents": [{"name": "talker", "kind": "echo"}],
    "routes": [{"name": "out", "agent": "talker"}],
}
TO = "+15550100100"


def read(*ladder: Any, **changes: Any) -> Config:
    text = yaml.safe_dump({**BASE, "ladder": list(ladder), **changes})
    return read_config(read_document(text), {"TOKEN": "a-token-0123456789"}, carriers=kinds())


def refused(*ladder: Any, **changes: Any) -> dict[str, str]:
    """What was found wrong: path -> found and allowed."""
    with pytest.raises(Misconfigured) as caught:
        read(*ladder, **changes)
    return {problem.path: f"{problem.found}; {problem.allowed}" for problem in caught.value.problems}


def test_a_number_is_enough() -> None:
    """Twenty seconds of ringing, and the key 1."""
    assert rungs_of(read({"human": TO}).ladder) == (Rung(kind=RungKind.HUMAN, to=TO, ring_s=20.0, whisper=Whisper.PRESS_1),)


def test_everything_may_be_said() -> None:
    """Also that there is no whisper: YAML's `none` is a word, not nothing."""
    (rung,) = rungs_of(read({"human": {"to": TO, "ring_s": 45, "whisper": "none"}, "direction": "inbound"}).ladder)
    assert (rung.to, rung.ring_s, rung.whisper, rung.direction) == (TO, 45, Whisper.NONE, "inbound")
    (rung,) = rungs_of(read({"human": {"to": TO, "whisper": "announce"}}).ladder)
    assert rung.whisper is Whisper.ANNOUNCE


@pytest.mark.parametrize(
    ("rung", "path", "told"),
    [
        ("human", "ladder[0]", "{human:"),
        ({"human": "0100"}, "ladder[0].human", "E.164"),
        ({"human": {"to": "+1"}}, "ladder[0].human.to", "E.164"),
        ({"human": {"ring_s": 20}}, "ladder[0].human.to", "this key is required"),
        ({"human": {"to": TO, "ring_s": 2}}, "ladder[0].human", "5"),
        ({"human": {"to": TO, "whisper": "press"}}, "ladder[0].human", "press_1"),
        ({"human": TO, "hold": {}}, "ladder[0]", "exactly one of"),
        ({"human": "+447700900123"}, "ladder[0].human", "no outbound route reaches; allowed: a number that an outbound"),
        ({"human": {"to": "+15550190001"}}, "ladder[0].human.to", "a number of ours"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_work_is_refused_with_its_cure(rung: Any, path: str, told: str) -> None:
    """At the rung's own place, before the first caller needs it."""
    found = refused(rung)
    assert any(where.startswith(path) and told in words for where, words in found.items()), found


def test_an_inbound_route_reaches_nobody() -> None:
    """Only routes by which calls are made count."""
    routes = [*BASE["routes"], {"name": "in", "direction": "inbound", "prefix": "+44", "agent": "talker"}]
    assert "ladder[0].human" in refused({"human": "+447700900123"}, routes=routes)
    routes = [*BASE["routes"], {"name": "gb", "prefix": "+44", "agent": "talker"}]
    assert read({"human": "+447700900123"}, routes=routes).ladder


@pytest.mark.parametrize("name", ["human", "colleague"])
def test_no_agent_may_bear_the_names_of_the_two_sessions(name: str) -> None:
    """They are the gateway's own."""
    assert "agents[0].name" in refused(agents=[{"name": name, "kind": "echo"}], routes=[{"name": "out", "agent": name}])


def test_who_is_handed_a_caller_has_no_ladder() -> None:
    """Whatever happens to the colleague's call, nobody records them or calls them back."""
    ladders = Ladders(read({"human": TO}, "voicemail"))
    call = Call(id="call_1", to=TO, session_id="ses_1", created_at=0.0, expires_at=1.0, agent="colleague")
    assert ladders(Call(id="call_2", to=TO, session_id="ses_2", created_at=0.0, expires_at=1.0, handed_from="call_1")) == ()
    assert len(ladders(call)) == 2


def test_colleagues_are_called_by_outbound_routes_alone() -> None:
    """And our own numbers are known, so that nobody is called in a circle."""
    terms = colleague_terms(read({"human": TO}))
    assert [route.name for route in terms.routes] == ["out"]
    assert terms.own_numbers == {"+15550190001"}
