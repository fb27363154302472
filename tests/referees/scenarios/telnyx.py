"""Telnyx' SDK does, one operation at a time, what customers do with it; each scenario returns what the SDK gave back."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from played import Scenario
from stage import PERSON, Stage

from carriers.lab.contract import RestRequest


def told(event_type: str) -> Callable[[RestRequest], bool]:
    """Whether a webhook is this event."""
    return lambda request: request.method == "POST" and json.loads(request.body)["data"]["event_type"] == event_type


async def ringing(stage: Stage, **more: Any) -> Any:
    """The answer to a dial."""
    given = {"connection_id": stage.credentials["connection_id"], "from_": stage.ours, "to": PERSON} | more
    return await stage.sdk(lambda client: client.calls.dial(**{"webhook_url": f"{stage.customer.url}/events"} | given))


async def talking(stage: Stage, **more: Any) -> str:
    """The id of a call that was answered."""
    made = await ringing(stage, **more)
    await stage.customer.until(told("call.answered"))
    return str(made.data.call_control_id)


async def create(stage: Stage) -> Any:
    made = await ringing(stage, client_state="bGVn", command_id="leg_1", timeout_secs=30, time_limit_secs=60)
    assert made.data.record_type == "call"
    await stage.ledger("ring", number=PERSON)
    return made


async def fetch(stage: Stage) -> Any:
    call = await talking(stage)
    found = await stage.sdk(lambda client: client.calls.retrieve_status(call))
    assert (found.data.call_control_id, found.data.is_alive) == (call, True)
    return found


async def list_calls(stage: Stage) -> Any:
    call = await talking(stage)
    found = await stage.sdk(lambda client: client.connections.list_active_calls(stage.credentials["connection_id"]))
    assert [one.call_control_id for one in found.data] == [call]
    return found


async def events(stage: Stage) -> Any:
    await talking(stage)
    found = await stage.sdk(lambda client: client.call_events.list(filter={"to": PERSON}))
    assert "call.answered" in [one.name for one in found.data]
    return found


async def end(stage: Stage) -> Any:
    call = await talking(stage)
    done = await stage.sdk(lambda client: client.calls.actions.hangup(call))
    assert done.data.result == "ok"
    await stage.ledger("hangup", number=PERSON)
    return done


async def start_stream(stage: Stage) -> Any:
    call = await talking(stage)
    done = await stage.sdk(
        lambda client: client.calls.actions.start_streaming(call, stream_url=stage.socket.url, stream_bidirectional_mode="rtp")
    )
    await stage.socket.until(lambda socket: socket.messages("start"))
    return done


async def stop_stream(stage: Stage) -> Any:
    call = await talking(stage, stream_url=stage.socket.url, stream_bidirectional_mode="rtp")
    await stage.socket.until(lambda socket: socket.messages("start"))
    done = await stage.sdk(lambda client: client.calls.actions.stop_streaming(call))
    await stage.customer.until(told("streaming.stopped"))
    return done


async def balance(stage: Stage) -> Any:
    found = await stage.sdk(lambda client: client.balance.retrieve())
    assert float(found.data.available_credit) > 0
    return found


async def numbers(stage: Stage) -> Any:
    found = await stage.sdk(lambda client: client.phone_numbers.list())
    assert stage.ours in [one.phone_number for one in found.data]
    return found


async def application(stage: Stage) -> Any:
    found = await stage.sdk(lambda client: client.call_control_applications.retrieve(stage.credentials["connection_id"]))
    assert found.data.id == stage.credentials["connection_id"]
    return found


SCENARIOS: Mapping[str, Scenario] = {
    "create a call": create,
    "fetch a call": fetch,
    "list calls": list_calls,
    "list a call's events": events,
    "end a call": end,
    "start a stream": start_stream,
    "stop a stream": stop_stream,
    "fetch the balance": balance,
    "list numbers": numbers,
    "fetch an application": application,
}
