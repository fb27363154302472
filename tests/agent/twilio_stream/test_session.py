"""An agent behind a real socket that speaks Media Streams."""

import base64
import json
from typing import Any

import pytest
from twilio.request_validator import RequestValidator

from agent.registry import agent_of
from agent.socket import AgentRefused
from agent.twilio_stream import Settings, account_of
from agent.twilio_stream.session import MAX_REFUSED
from agent.twilio_stream.sids import call_id

TOKEN = "agent-token-0123456789"


def settings(far: Any, **more: Any) -> Settings:
    return Settings(url=far.url, auth_token=TOKEN, **more)


async def begin(far: Any, call: Any, started: Any, **more: Any) -> Any:
    session = await started(agent_of("twilio_stream", "bot", settings(far, **more)).session(call))
    assert json.loads(await far.next())["event"] == "connected"
    return session


async def test_the_upgrade_is_signed_as_twilio_signs_it(far: Any, call: Any, started: Any) -> None:
    """The official validator accepts it for the URL, and for no other token."""
    await begin(far, call, started)
    signature = far.headers["x-twilio-signature"]
    assert RequestValidator(TOKEN).validate(far.url, {}, signature)
    assert not RequestValidator("another-token").validate(far.url, {}, signature)


async def test_start_comes_with_the_answer_and_tells_of_the_call(far: Any, call: Any, started: Any) -> None:
    """Connected while the phone rings, started when the person is there; ours win over metadata and configured parameters."""
    session = await begin(far, call, started, parameters={"tier": "gold", "call_id": "mine"})
    session.on_answer()
    start = json.loads(await far.next())["start"]
    assert start["customParameters"] == {
        "tier": "gold",
        "order": "4711",
        "call_id": call.call_id,
        "session_id": call.session_id,
        "direction": "inbound",
        "from_number": "+15550100001",
        "to_number": "+15550190001",
        "caller_name": "Alex",
        "attestation": "A",
    }
    assert call_id(start["callSid"]) == call.call_id
    assert start["accountSid"] == account_of("bot", settings(far))


async def test_sound_keys_and_marks_go_both_ways(far: Any, call: Any, started: Any, line: Any) -> None:
    """Each as it is said, in order."""
    session = await begin(far, call, started)
    session.on_answer()
    sid = json.loads(await far.next())["streamSid"]
    session.on_audio(b"\x11" * 160)
    session.on_digit("7")
    assert base64.b64decode(json.loads(await far.next())["media"]["payload"]) == b"\x11" * 160
    assert json.loads(await far.next())["dtmf"]["digit"] == "7"
    for message in (
        {"event": "media", "media": {"payload": base64.b64encode(b"\x22" * 320).decode()}},
        {"event": "mark", "mark": {"name": "end"}},
        {"event": "clear"},
    ):
        await far.say(json.dumps({"streamSid": sid, **message}))
    await line.did("clear")
    assert line.deeds == [("play", b"\x22" * 320), ("mark", "end"), ("clear", None)]
    session.on_mark("end")
    assert json.loads(await far.next())["mark"] == {"name": "end"}


async def test_the_agents_close_ends_the_call(far: Any, call: Any, started: Any, line: Any) -> None:
    """Not at once: what it said is heard first, so it is the line's to do."""
    await begin(far, call, started)
    await far.socket.close()
    await line.did("hang_up")


async def test_a_dead_socket_is_not_a_close(far: Any, call: Any, started: Any, line: Any) -> None:
    """The agent is lost, and said to be."""
    await begin(far, call, started)
    far.socket.transport.abort()
    assert await line.did("fail") == "socket-1006"


async def test_garbage_is_dropped_until_it_is_too_much(far: Any, call: Any, started: Any, line: Any) -> None:
    """The call survives a confused agent, and not one that sends nothing else."""
    await begin(far, call, started)
    for _ in range(MAX_REFUSED):
        await far.say("{}")
    assert await line.did("fail") == "garbage"
    assert line.deeds == [("fail", "garbage")]


async def test_the_end_of_the_call_is_told_before_the_socket_closes(far: Any, call: Any, started: Any) -> None:
    """`stop`, then a normal close."""
    session = await begin(far, call, started)
    session.on_answer()
    await far.next()
    await session.close()
    assert json.loads(await far.next())["event"] == "stop"
    await far.socket.wait_closed()
    assert far.socket.close_code == 1000


async def test_an_agent_that_is_not_there_cannot_start(far: Any, call: Any, line: Any) -> None:
    """Said in words, before anybody answers."""
    nobody = Settings(url="ws://127.0.0.1:1/bot", auth_token=TOKEN)
    with pytest.raises(AgentRefused, match=r"refused|Connect"):
        await agent_of("twilio_stream", "bot", nobody).session(call).start(line)


async def test_a_line_that_was_lost_is_no_news_to_the_agent(far: Any, call: Any, started: Any) -> None:
    """One stream, one start, whatever happened to the carrier."""
    session = await begin(far, call, started)
    session.on_answer()
    await far.next()
    session.on_line_lost()
    session.on_line_back()
    session.on_audio(b"\x00" * 160)
    assert json.loads(await far.next())["event"] == "media"


async def test_a_session_taken_over_starts_anew(far: Any, call: Any, started: Any) -> None:
    """Another process has another socket: the agent hears `start` again, with the same sids."""
    session = agent_of("twilio_stream", "bot", settings(far)).session(call)
    session.resume({})
    await started(session)
    session.on_line_back()
    assert json.loads(await far.next())["event"] == "connected"
    assert json.loads(await far.next())["event"] == "start"
