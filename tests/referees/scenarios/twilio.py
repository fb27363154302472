"""Twilio's SDK does, one operation at a time, what customers do with it; each scenario returns what the SDK gave back."""

from collections.abc import Mapping
from typing import Any

from played import Scenario
from stage import PERSON, Stage

QUIET = '<Response><Pause length="20"/></Response>'


async def ringing(stage: Stage, **more: Any) -> Any:
    """A call that was created."""
    given = {
        "to": PERSON,
        "from_": stage.ours,
        "url": stage.customer.always("/answer", QUIET),
        "status_callback": f"{stage.customer.url}/status",
        "status_callback_event": ["initiated", "ringing", "answered", "completed"],
        "timeout": 30,
    }
    return await stage.sdk(lambda client: client.calls.create(**given | more))


async def talking(stage: Stage, **more: Any) -> Any:
    """A call that was answered, its document fetched."""
    call = await ringing(stage, **more)
    await stage.customer.until(lambda request: request.path == "/answer")
    return call


async def create(stage: Stage) -> Any:
    call = await ringing(stage)
    assert call.status == "queued"
    assert (call.to, call.direction) == (PERSON, "outbound-api")
    await stage.ledger("ring", number=PERSON)
    return call


async def fetch(stage: Stage) -> Any:
    call = await talking(stage)
    found = await stage.sdk(lambda client: client.calls(call.sid).fetch())
    assert (found.sid, found.status) == (call.sid, "in-progress")
    return found


async def list_calls(stage: Stage) -> Any:
    call = await ringing(stage)
    found = await stage.sdk(lambda client: client.calls.list(to=PERSON, from_=stage.ours, page_size=1))
    assert [one.sid for one in found] == [call.sid]
    assert await stage.sdk(lambda client: client.calls.list(to="+15550100009")) == []
    return found


async def redirect(stage: Stage) -> Any:
    call = await talking(stage)
    url = stage.customer.answers("/elsewhere", QUIET)
    moved = await stage.sdk(lambda client: client.calls(call.sid).update(url=url, method="POST"))
    await stage.customer.until(lambda request: request.path == "/elsewhere")
    return moved


async def end(stage: Stage) -> Any:
    call = await talking(stage)
    ended = await stage.sdk(lambda client: client.calls(call.sid).update(status="completed"))
    assert ended.sid == call.sid
    await stage.ledger("hangup", number=PERSON)
    found = await stage.sdk(lambda client: client.calls(call.sid).fetch())
    assert found.status == "completed"
    return [ended, found]


async def events(stage: Stage) -> Any:
    call = await ringing(stage)
    found = await stage.sdk(lambda client: client.calls(call.sid).events.list())
    assert found[0].request["parameters"]["to"] == PERSON
    return found


async def notifications(stage: Stage) -> Any:
    stage.customer.answers("/broken", "no document")
    call = await ringing(stage, url=f"{stage.customer.url}/broken")

    async def noted() -> Any:
        return await stage.sdk(lambda client: client.calls(call.sid).notifications.list())

    found = await stage.until(noted)
    assert found[0].call_sid == call.sid
    return found


async def account(stage: Stage) -> Any:
    found = await stage.sdk(lambda client: client.api.accounts(stage.credentials["account_sid"]).fetch())
    assert found.status == "active"
    return found


async def balance(stage: Stage) -> Any:
    found = await stage.sdk(lambda client: client.balance.fetch())
    assert float(found.balance) > 0
    return found


async def numbers(stage: Stage) -> Any:
    found = await stage.sdk(lambda client: client.incoming_phone_numbers.list(phone_number=stage.ours))
    assert [one.phone_number for one in found] == [stage.ours]
    return found


SCENARIOS: Mapping[str, Scenario] = {
    "create a call": create,
    "fetch a call": fetch,
    "list calls": list_calls,
    "redirect a call": redirect,
    "end a call": end,
    "list a call's events": events,
    "list a call's notifications": notifications,
    "fetch the account": account,
    "fetch the balance": balance,
    "list numbers": numbers,
}
