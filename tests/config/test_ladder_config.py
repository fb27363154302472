"""Ladders in config.yaml: what is taken, whose ladder a call climbs down, and what is said of what cannot work."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config.document import Source
from gateway.config.ladder_structs import SHIPPED
from gateway.config.reading import read_config
from gateway.config.structs import Config
from gateway.domain.errors import Misconfigured
from gateway.domain.ladder import Rung, RungKind
from gateway.domain.outcome import Direction
from gateway.domain.records import Call
from gateway.ladder_terms import Ladders, attention_terms, rungs_of

SHIPPED_FILE = Path(__file__).parents[2] / "config.yaml"
CREDENTIALS = {"account_sid": "AC1", "auth_token": "t"}
HOURS = {"timezone": "Europe/Berlin", "opens": "09:00", "closes": "18:00"}


def document(**changes: Any) -> dict[str, Any]:
    carrier = {"name": "one", "kind": "twilio", "credentials": CREDENTIALS, "numbers": ["+15550190001"]}
    return {
        "carriers": [{**carrier, "base_url": "http://127.0.0.1:4010"}],
        "routes": [{"name": "in", "direction": "inbound", "prefix": "+", "agent": "bot"}],
        "agents": [{"name": "bot", "kind": "echo"}, {"name": "b", "kind": "echo"}],
        **changes,
    }


def read(**changes: Any) -> Config:
    return read_config(Source(name="config.yaml", document=document(**changes)), {})


def a_call(route: str = "in", agent: str = "bot") -> Call:
    return Call(id="call_1", to="+15550190001", session_id="ses_1", created_at=0, expires_at=1, route=route, agent=agent)


def test_what_is_not_written_is_what_the_file_shows() -> None:
    """The shipped ladder: a hold, a message, the offer of a callback."""
    shown = yaml.safe_load(SHIPPED_FILE.read_text())["ladder"]
    assert read(ladder=shown).ladder == read().ladder == SHIPPED
    assert [rung.kind.value for rung in rungs_of(SHIPPED)] == ["hold", "voicemail", "callback"]


def test_every_rung_is_read_with_its_settings() -> None:
    """Words and mappings, for some calls or hours only."""
    ladder = [
        {"agent": "b", "direction": "inbound"},
        {"hold": {"for_s": 30, "retry": False}, "hours": HOURS},
        {"voicemail": {}, "direction": "outbound"},
        {"callback": {"by_default_after_s": 5}},
        "goodbye",
    ]
    agent, hold, voicemail, callback, goodbye = Ladders(read(ladder=ladder))(a_call())
    assert agent == Rung(kind=RungKind.AGENT, agent="b", direction=Direction.INBOUND)
    assert (hold.for_s, hold.retry) == (30, False)
    assert hold.hours is not None
    assert (hold.hours.opens, hold.hours.closes) == (540, 1080)
    assert voicemail == Rung(kind=RungKind.VOICEMAIL, direction=Direction.OUTBOUND)
    assert callback.by_default_after_s == 5
    assert goodbye == Rung(kind=RungKind.GOODBYE)


def test_a_carrier_takes_messages_for_all_calls_or_for_some() -> None:
    """As a word, or as a mapping with whom it is for."""
    written: list[Any] = ["carrier_voicemail", {"carrier_voicemail": {}, "direction": "inbound"}]
    kind = RungKind.CARRIER_VOICEMAIL
    assert rungs_of(read(ladder=written).ladder) == (Rung(kind=kind), Rung(kind=kind, direction=Direction.INBOUND))


def test_the_nearest_ladder_is_the_calls() -> None:
    """The route's, else the agent's, else the one at the top; an empty one is a ladder too."""
    agents = [{"name": "bot", "kind": "echo", "ladder": ["callback"]}, {"name": "b", "kind": "echo"}]
    routes = [
        {"name": "in", "direction": "inbound", "prefix": "+", "agent": "bot"},
        {"name": "vip", "direction": "inbound", "prefix": "+1", "agent": "bot", "ladder": []},
    ]
    ladders = Ladders(read(agents=agents, routes=routes, ladder=["voicemail"]))
    assert [rung.kind for rung in ladders(a_call())] == [RungKind.CALLBACK]
    assert ladders(a_call(route="vip")) == ()
    assert [rung.kind for rung in ladders(a_call(agent="b"))] == [RungKind.VOICEMAIL]


def test_what_agents_owe_is_theirs_to_set() -> None:
    """By default a first word within five seconds; an agent that listens first says 0."""
    agents = [{"name": "bot", "kind": "echo"}, {"name": "b", "kind": "echo", "first_word_s": 0, "reply_within_s": 60}]
    terms = attention_terms(read(agents=agents))
    assert (terms["bot"].first_word_s, terms["bot"].reply_s) == (5.0, 20.0)
    assert (terms["b"].first_word_s, terms["b"].reply_s) == (0, 60)


@pytest.mark.parametrize(
    ("ladder", "path", "words"),
    [
        (["voicemial"], "ladder[0]", "voicemail, callback"),
        (["b"], "ladder[0]", "{agent: b}"),
        ([{"agent": "bb"}], "ladder[0].agent", "did you mean `b`"),
        ([{"hold": {"for_s": 0}}], "ladder[0].hold.for_s", "from 1 to 600"),
        ([{"hold": {"fors": 3}}], "ladder[0].hold.fors", "did you mean `for_s`"),
        ([{"hold": None}], "ladder[0]", "exactly one"),
        ([{"hold": {}, "callback": {}}], "ladder[0]", "exactly one"),
        ([{"direction": "inbound"}], "ladder[0]", "exactly one"),
        (["goodbye", "callback"], "ladder[0]", "only at the end"),
        ([{"carrier_voicemail": {"to": "b"}}], "ladder[0].carrier_voicemail.to", ""),
        ([{"carrier_voicemail": {}, "voicemail": {}}], "ladder[0]", "exactly one"),
        (["carrier-voicemail"], "ladder[0]", "carrier_voicemail"),
        ([{"voicemail": {}, "hours": {**HOURS, "timezone": "Mars"}}], "ladder[0].hours.timezone", "IANA"),
        ([{"voicemail": {}, "hours": {**HOURS, "timezone": "localtime"}}], "ladder[0].hours.timezone", "IANA"),
        ([7], "ladder[0]", "hold, voicemail"),
        (["callback"] * 11, "ladder", "10"),
    ],
    ids=str,
)
def test_what_cannot_work_is_named_with_its_cure(ladder: Any, path: str, words: str) -> None:
    """Each fault once, at the rung that it is in."""
    with pytest.raises(Misconfigured) as caught:
        read(ladder=ladder)
    (problem,) = caught.value.problems
    assert problem.path == path
    assert words in f"{problem.found}; {problem.allowed}"


@pytest.mark.parametrize("name", ["hold", "voicemail", "callback", "goodbye", "moment"])
def test_our_own_agents_names_are_taken(name: str) -> None:
    """An agent of the config that bore one would never be heard."""
    with pytest.raises(Misconfigured) as caught:
        read(agents=[{"name": "bot", "kind": "echo"}, {"name": name, "kind": "echo"}])
    assert [problem.path for problem in caught.value.problems] == ["agents[1].name"]
