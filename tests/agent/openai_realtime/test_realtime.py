"""The Realtime agent against a local server that follows the published event shapes. The live service was never asked."""

import base64
import json
from typing import Any

import pytest

from agent.openai_realtime import Settings, events
from agent.registry import agent_of


async def begin(far: Any, call: Any, started: Any, **more: Any) -> Any:
    settings = Settings(api_key="key-of-the-service", url=far.url, **more)
    session = await started(agent_of("openai_realtime", "bot", settings).session(call))
    return session, json.loads(await far.next())


def delta(sound: bytes, item: str = "item_1") -> str:
    said = {"type": "response.output_audio.delta", "event_id": "e", "response_id": "r", "item_id": item}
    return json.dumps({**said, "output_index": 0, "content_index": 0, "delta": base64.b64encode(sound).decode()})


def speech_started() -> str:
    return json.dumps({"type": "input_audio_buffer.speech_started", "event_id": "e", "item_id": "u", "audio_start_ms": 5})


def tool(name: str, arguments: str = "{}") -> str:
    done = {"type": "response.function_call_arguments.done", "event_id": "e", "response_id": "r", "item_id": "i"}
    return json.dumps({**done, "output_index": 0, "call_id": "fc_1", "name": name, "arguments": arguments})


async def test_the_session_is_set_up_for_the_telephone(far: Any, call: Any, started: Any) -> None:
    """Model and key in the upgrade; mu-law both ways, the call in words, and our two tools in the first event."""
    session, first = await begin(far, call, started, instructions="Sell bread.", voice="cedar")
    assert far.path == "/bot?model=gpt-realtime-2.1"
    assert far.headers["authorization"] == "Bearer key-of-the-service"
    update = first["session"]
    assert first["type"] == "session.update"
    assert update["audio"]["input"]["format"] == update["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    assert update["audio"]["output"]["voice"] == "cedar"
    assert [tool["name"] for tool in update["tools"]] == ["hang_up", "send_digits"]
    assert update["instructions"].startswith("Sell bread.")
    assert "inbound call with +15550100001" in update["instructions"]
    assert "order: 4711" in update["instructions"]
    session.on_answer()
    assert json.loads(await far.next()) == {"type": "response.create"}


async def test_sound_passes_through_untouched(far: Any, call: Any, started: Any, line: Any) -> None:
    """The person's frames go out as they are, the model's come in as they are, each piece with a mark."""
    session, _ = await begin(far, call, started)
    session.on_audio(b"\x33" * 160)
    heard = json.loads(await far.next())
    assert (heard["type"], base64.b64decode(heard["audio"])) == ("input_audio_buffer.append", b"\x33" * 160)
    await far.say(delta(b"\x44" * 800))
    assert await line.did("play") == b"\x44" * 800
    assert await line.did("mark") == "item_1/100"


async def test_a_barge_in_makes_the_model_forget_what_was_not_heard(far: Any, call: Any, started: Any, line: Any) -> None:
    """It is cut at the last mark that came back before the clear; marks that the clear gives back prove nothing."""
    session, _ = await begin(far, call, started)
    for _ in range(3):
        await far.say(delta(b"\x44" * 800))
    await line.did("mark", "item_1/300")
    session.on_mark("item_1/100")
    await far.say(speech_started())
    await line.did("clear")
    session.on_mark("item_1/200")
    assert json.loads(await far.next()) == {
        "type": "conversation.item.truncate",
        "item_id": "item_1",
        "content_index": 0,
        "audio_end_ms": 100,
    }


async def test_what_was_heard_to_the_end_is_not_cut(far: Any, call: Any, started: Any, line: Any) -> None:
    """Speech after the last word is no interruption."""
    session, _ = await begin(far, call, started)
    await far.say(delta(b"\x44" * 800))
    await line.did("mark")
    session.on_mark("item_1/100")
    await far.say(speech_started())
    await line.did("clear")
    session.on_digit("5")
    told = json.loads(await far.next())
    assert told["item"]["content"][0]["text"] == "The caller pressed the key 5."


async def test_the_model_hangs_up_and_presses_keys(far: Any, call: Any, started: Any, line: Any) -> None:
    """As tools; a key that is none is told back."""
    _, _ = await begin(far, call, started)
    await far.say(tool("send_digits", '{"digits": "12w#"}'))
    assert await line.did("send_digits") == "12w#"
    assert json.loads(await far.next())["item"] == {"type": "function_call_output", "call_id": "fc_1", "output": "pressed"}
    await far.say(tool("send_digits", '{"digits": "x"}'))
    assert json.loads(await far.next())["item"]["output"] == "no key"
    await far.say(tool("dance"))
    assert "no tool dance" in json.loads(await far.next())["item"]["output"]
    await far.say(tool("hang_up"))
    await line.did("hang_up")
    await far.socket.close()
    assert ("fail", "socket-1000") not in line.deeds


@pytest.mark.parametrize("garbage", ["", "[]", b"\x00\xff", '{"type": 5}', '{"type":"response.output_audio.delta","delta":"*"}'])
async def test_garbage_ends_nothing(far: Any, call: Any, started: Any, line: Any, garbage: str | bytes) -> None:
    """Nor does an event that we do not know, nor the service's error."""
    await begin(far, call, started)
    await far.say(garbage)
    await far.say(json.dumps({"type": "error", "event_id": "e", "error": {"type": "t", "code": "c", "message": "m"}}))
    await far.say(json.dumps({"type": "rate_limits.updated"}))
    await far.say(delta(b"\x44" * 160))
    assert await line.did("play", b"\x44" * 160)
    assert "fail" not in [deed for deed, _ in line.deeds]


async def test_a_lost_service_is_a_lost_agent(far: Any, call: Any, started: Any, line: Any) -> None:
    """It never closes a conversation that is well."""
    await begin(far, call, started)
    await far.socket.close(1011)
    assert await line.did("fail") == "socket-1011"


async def test_a_lost_line_is_told_to_the_model(far: Any, call: Any, started: Any, line: Any) -> None:
    """So that it goes on where it was heard."""
    session, _ = await begin(far, call, started, speaks_first=False)
    await far.say(delta(b"\x44" * 800))
    await line.did("mark")
    session.on_line_lost()
    assert json.loads(await far.next())["type"] == "conversation.item.truncate"
    session.on_line_back()
    assert "is back" in json.loads(await far.next())["item"]["content"][0]["text"]


def test_an_unreadable_event_is_none() -> None:
    """And a readable one keeps what we read."""
    assert events.read("nonsense") is None
    event = events.read('{"type":"x","arguments":"[1]"}')
    assert event is not None
    assert event.parameters == {}
