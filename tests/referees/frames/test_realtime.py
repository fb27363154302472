"""The official `openai` package judges both halves of the Realtime exchange: what our agent sends, and what our tests let a
service say. Its types are the published shapes; the live service was never asked.
"""

import asyncio
import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter

from agent.contract import CallInfo
from agent.openai_realtime import OpenAiRealtime, Settings
from agent.openai_realtime.session import RealtimeSession

CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
OURS = Path(__file__).parents[2] / "agent" / "openai_realtime" / "test_realtime.py"
CALL = CallInfo(
    call_id="call_" + "a" * 24,
    session_id="ses_" + "b" * 24,
    direction="inbound",
    from_number="+15550100001",
    to_number="+15550190001",
    agent="model",
    metadata={"order": "4711"},
)
EVERY_KIND = {
    "session.update",
    "response.create",
    "input_audio_buffer.append",
    "conversation.item.create",
    "conversation.item.truncate",
}


class Paper:
    """The agent's socket and its line: keeps what is sent, and takes every other word."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def open(self, *_how: Any) -> None:
        """There at once."""

    def send(self, message: str, *, sound: bool = False) -> None:
        self.sent.append(message)

    def __getattr__(self, name: str) -> Any:
        return lambda *_given: None


def service_says() -> ModuleType:
    """The module of our own tests, which plays the service."""
    spec = importlib.util.spec_from_file_location("our_realtime_tests", OURS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sent(**settings: Any) -> list[str]:
    """All that the agent says in a conversation in which everything happens."""
    paper, service = Paper(), service_says()
    session = OpenAiRealtime("model", Settings(api_key="key-of-the-service", **settings)).session(CALL)
    session._connect = lambda _session: (paper, "", {}, 1.0)
    asyncio.run(session.start(paper))
    session.on_answer()
    session.on_audio(b"\xff" * 160)
    session.on_digit("5")
    for _ in range(3):
        session.on_message(service.delta(b"\x44" * 800))
    session.on_mark("item_1/100")
    session.on_message(service.speech_started())
    session.on_message(service.tool("send_digits", '{"digits": "12w#"}'))
    session.on_message(service.tool("dance"))
    session.on_line_lost()
    session.on_line_back()
    return paper.sent


def strangers(model: BaseModel, path: str = "") -> Iterator[str]:
    """Fields that the published type does not have: the package's models keep them without a word."""
    yield from (f"{path}.{name}" for name in model.model_extra or {})
    for name in type(model).model_fields:
        yield from _within(getattr(model, name), f"{path}.{name}")


def _within(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from strangers(value, path)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _within(one, f"{path}[{index}]")


def judged(adapter: TypeAdapter[Any], message: str) -> BaseModel:
    """The event as the package reads it: of the type it says it is, and without a field of our own making."""
    event = adapter.validate_json(message)
    assert isinstance(event, BaseModel)
    assert event.model_dump()["type"] == json.loads(message)["type"]
    assert list(strangers(event)) == []
    return event


@pytest.mark.parametrize("settings", [{}, {"turn_detection": "semantic_vad", "voice": "cedar", "speaks_first": False}])
def test_all_that_our_agent_sends_is_a_published_client_event(settings: Mapping[str, Any]) -> None:
    """Session, sound, notes, truncation and tools' results, with every field known to the official types."""
    events = [judged(CLIENT, message) for message in sent(**settings)]
    kinds = {event.model_dump()["type"] for event in events}
    assert kinds == (EVERY_KIND if settings.get("speaks_first", True) else EVERY_KIND - {"response.create"})


def test_what_our_tests_let_the_service_say_is_a_published_server_event() -> None:
    """So that our agent is not tested against shapes that nobody sends."""
    service = service_says()
    error = {"type": "invalid_request_error", "code": "c", "message": "m"}
    said = [
        service.delta(b"\x44" * 800),
        service.speech_started(),
        service.tool("hang_up"),
        json.dumps({"type": "error", "event_id": "e", "error": error}),
    ]
    assert {judged(SERVER, message).model_dump()["type"] for message in said} == set(RealtimeSession.READERS)


def test_an_invented_field_or_event_would_be_seen() -> None:
    """The judge is no rubber stamp: a misspelt field, a wrong value and an unknown event are found."""
    update = json.loads(sent()[0])
    update["session"]["audio"]["output"]["voize"] = "marin"
    assert list(strangers(CLIENT.validate_python(update))) == [".session.audio.output.voize"]
    update["session"]["audio"]["input"]["turn_detection"]["type"] = "guess"
    for wrong in (json.dumps(update), '{"type": "session.updated"}', '{"type": "conversation.item.truncate", "item_id": "i"}'):
        with pytest.raises((ValueError, AssertionError)):
            judged(CLIENT, wrong)


def test_the_session_is_what_the_reader_says() -> None:
    """The official reading of our first event: mu-law both ways, and the tools by their names."""
    session: Any = judged(CLIENT, sent()[0])
    told = session.session
    assert (told.audio.input.format.type, told.audio.output.format.type) == ("audio/pcmu", "audio/pcmu")
    assert [tool.name for tool in told.tools] == ["hang_up", "send_digits"]
