"""Promises to call, kept by the whole gateway: retries, windows, one for a number and purpose, and what the agent is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from agent.twilio_stream import Settings
from gateway.config.structs import AgentConfig, CallbackSettings, RetrySettings

SOON = CallbackSettings(after_s=0.5, retry=RetrySettings(first_s=1.0, factor=1.0, limit_s=2.0, attempts=3))


@pytest.fixture
async def world(new_world: Any) -> Any:
    """A gateway whose retries come soon."""
    return await new_world(callbacks=SOON)


async def act(world: Any, method: str, path: str) -> Any:
    return await world.client.request(method, f"{world.url}/v1/callbacks/{path}")


async def over_by_now(world: Any, **query: str) -> list[dict[str, Any]]:
    """Promises that are over, oldest first."""
    page = (await world.client.get(f"{world.url}/v1/callbacks", params={"status": "over", **query})).json()
    return list(reversed(page["items"]))


def in_s(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize(("behavior", "outcome"), [("busy", "busy"), ("decline", "declined"), ("no_answer", "no_answer")])
async def test_who_was_not_reached_is_tried_again(world: Any, behavior: str, outcome: str) -> None:
    """Busy, declined or no answer: a linked call follows, the phone rings for it, and what was asked for is asked again."""
    number = world.phone(behavior=behavior)
    call_id = await world.place(number, retry_on=[outcome], metadata={"order": "7"}, ring_timeout_s=5, agent="echo")
    first = await world.ended(call_id, within_s=25)
    assert (first["outcome"], first["retried_as"] is not None) == (outcome, True)
    world.lab.phones.put(number, answer_after_s=0.2, hangup_after_s=0.3)
    again = await world.ended(first["retried_as"], within_s=20)
    assert (again["outcome"], again["retry_of"], again["retried_as"]) == ("completed", call_id, None)
    assert (again["metadata"], again["agent"], again["retry_on"]) == ({"order": "7"}, "echo", [outcome])
    rings = world.told("dial", number)
    assert len(rings) == 2
    assert rings[1].at >= rings[0].at + 1.0
    kinds = [event["kind"] for event in await world.events(again["id"])]
    assert kinds[:3] == ["call-accepted", "call-scheduled", "promise-due"]


async def test_tries_come_to_an_end(world: Any) -> None:
    """Three calls in all, each a call of its own, and then no more."""
    number = world.phone(behavior="busy")
    call_id = await world.place(number, retry_on=["busy"])
    chain = [call_id]
    while chain[-1]:
        chain.append((await world.ended(chain[-1]))["retried_as"])
    assert (len(chain), chain[-1]) == (4, None)
    assert len(world.told("dial", number)) == 3
    assert [promise["outcome"] for promise in await over_by_now(world, to=number)] == ["busy", "busy"]


async def test_only_the_ends_that_were_named_are_tried_again(world: Any) -> None:
    """A person who was reached, and an end that nobody named, are left in peace."""
    answers, busy = world.phone(hangup_after_s=0.2), world.phone(behavior="busy")
    calls = [await world.place(answers, retry_on=["busy"]), await world.place(busy, retry_on=["no_answer"])]
    assert [(await world.ended(call_id))["retried_as"] for call_id in calls] == [None, None]


async def test_nothing_is_dialled_outside_its_window(world: Any) -> None:
    """A window that has just closed: accepted, waiting for tomorrow; running it now is refused, and the phone stays silent."""
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    hours = f"{minute - timedelta(hours=3):%H:%M}", f"{minute - timedelta(hours=2):%H:%M}"
    window = dict(zip(("opens", "closes"), hours, strict=True)) | {"timezone": "UTC"}
    number = world.phone()
    call = (await world.post(number, window=window, expires_at=in_s(2 * 86_400))).json()
    assert (call["status"], call["callback"]["reason"]) == ("scheduled", "outside-window")
    due = datetime.fromisoformat(call["callback"]["due_at"])
    assert due == minute - timedelta(hours=3) + timedelta(days=1)
    refused = await act(world, "POST", f"cb_{call['id']}/run")
    assert (refused.status_code, "Outside its window" in refused.json()["detail"]) == (409, True)
    open_now = {"timezone": "UTC", "opens": "00:00", "closes": "24:00"}
    inside = world.phone(hangup_after_s=0.2)
    assert (await world.ended(await world.place(inside, window=open_now)))["outcome"] == "completed"
    assert world.dialled(number) == []


async def test_a_promise_is_kept_now_or_taken_back(world: Any) -> None:
    """Both for tomorrow: the one rings at once, the other never; of run and cancel at the same moment one is done."""
    now, never, torn = world.phone(hangup_after_s=0.2), world.phone(), world.phone(hangup_after_s=0.2)
    ids = [await world.place(number, not_before=in_s(86_400)) for number in (now, never, torn)]
    assert (await act(world, "POST", f"cb_{ids[0]}/run")).status_code == 202
    assert (await act(world, "DELETE", f"cb_{ids[1]}")).status_code == 200
    assert (await world.ended(ids[0]))["outcome"] == "completed"
    both = await asyncio.gather(act(world, "POST", f"cb_{ids[2]}/run"), act(world, "DELETE", f"cb_{ids[2]}"))
    assert sorted(answer.status_code in {200, 202} for answer in both) == [False, True]
    await world.ended(ids[2])
    assert (world.rang(now), world.dialled(never)) == ([world.carriers[0]], [])
    assert bool(world.dialled(torn)) == (both[0].status_code == 202)


async def test_many_calls_to_one_number_in_an_outage_are_one_promise(world: Any) -> None:
    """All carriers dead, twenty calls to one phone: one waits, the others end and say so; it rings once when one is back."""
    for carrier in world.carriers:
        world.fault(carrier, {"kind": "down"})
    number = world.phone(hangup_after_s=0.2)
    calls = await asyncio.gather(*(world.place(number) for _ in range(20)))
    states = [await world.until(call_id, "scheduled", "ended") for call_id in calls]
    waiting = [call["id"] for call in states if call["status"] == "scheduled"]
    assert len(waiting) == 1
    assert {(call["outcome"], call["reason"]) for call in states if call["status"] == "ended"} == {
        ("exhausted", "promised-already")
    }
    world.fault(world.carriers[0])
    assert (await world.ended(waiting[0]))["outcome"] == "completed"
    assert world.rang(number) == [world.carriers[0]]


# --- the agent that calls back -----------------------------------------------------------------------------------------


class Told:
    """An agent behind a socket that keeps what it is told at the start of each call."""

    def __init__(self) -> None:
        self.calls: list[dict[str, str]] = []
        self.news = asyncio.Event()

    async def serve(self, socket: ServerConnection) -> None:
        async for message in socket:
            event = json.loads(message)
            if event["event"] == "start":
                self.calls.append(event["start"]["customParameters"])
                self.news.set()


@pytest.fixture
async def told() -> AsyncIterator[tuple[Told, str]]:
    """On loopback, and its URL."""
    agent = Told()
    async with serve(agent.serve, "127.0.0.1", 0, compression=None) as server:
        yield agent, f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/agent"


async def test_who_is_called_back_is_called_by_an_agent_that_knows_why(new_world: Any, told: tuple[Told, str]) -> None:
    """A caller who hung up is called back, once, however often it is asked for, from the number that they called, by an agent
    that is told the earlier call, the purpose and the note.
    """
    agent, url = told
    config = AgentConfig(name="outside", kind="twilio_stream", settings=Settings(url=url, auth_token="outside-agent-token-0123"))
    world = await new_world(callbacks=SOON)
    world.staff((config,))
    await world.stop()
    await world.start()
    await world.provision()
    carrier = world.carriers[0]
    caller, ours = world.phone(says="speech"), world.lab.credentials(carrier)["numbers"][0]
    world.lab.phones.dial(caller, ours, dtmf="wwww1")

    async def arrived() -> Any:
        return next((call for call in await world.calls() if call["from"] == caller), None)

    inbound = await world.eventually(arrived, 10, world.lab_story)
    async with asyncio.timeout(15):
        await agent.news.wait()
    world.lab.phones.hang_up(caller)
    await world.ended(inbound["id"])
    agent.news.clear()
    world.lab.phones.put(caller, answer_after_s=0.2)
    because = await world.running._works.calls.store.load(inbound["id"])
    asks = world.running._works.callback_requests
    promised = await asyncio.gather(*(asks.ask(because, purpose="callback", note="wants the price") for _ in range(5)))
    assert len({call.id for call in promised}) == 1
    async with asyncio.timeout(15):
        await agent.news.wait()
    words = agent.calls[-1]
    assert (words["callback_of"], words["purpose"], words["note"]) == (inbound["id"], "callback", "wants the price")
    assert words["from_number"] == ours
    call = await world.call(promised[0].id)
    assert (call["callback_of"], call["purpose"], call["legs"][-1]["from"]) == (inbound["id"], "callback", ours)
    world.lab.phones.hang_up(caller)
    await world.ended(promised[0].id)
    assert len(world.told("dial", caller)) == 1
