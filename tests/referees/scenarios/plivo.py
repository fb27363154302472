"""Plivo's SDK does, one operation at a time, what customers do with it; each scenario returns what the SDK gave back."""

from collections.abc import Mapping
from typing import Any

from played import Scenario
from stage import PERSON, Stage, says

QUIET = '<Response><Wait length="20"/></Response>'


async def ringing(stage: Stage, **more: Any) -> str:
    """The id of a call that was created."""
    url = stage.customer.always("/answer", QUIET)
    hooks = {"ring_url": f"{stage.customer.url}/ring", "hangup_url": f"{stage.customer.url}/hangup"}
    given = {"from_": stage.ours, "to_": PERSON, "answer_url": url} | hooks | more
    return str((await stage.sdk(lambda client: client.calls.create(**given))).request_uuid)


async def talking(stage: Stage, **more: Any) -> str:
    """The id of a call that was answered, its document fetched."""
    uuid = await ringing(stage, **more)
    await stage.customer.until(says(Event="StartApp", CallUUID=uuid))
    return uuid


async def create(stage: Stage) -> Any:
    url = stage.customer.answers("/answer", QUIET)
    made = await stage.sdk(lambda client: client.calls.create(from_=stage.ours, to_=PERSON, answer_url=url))
    assert made.message == "call fired"
    await stage.ledger("ring", number=PERSON)
    return made


async def fetch(stage: Stage) -> Any:
    uuid = await talking(stage)
    live = await stage.sdk(lambda client: client.calls.live_call_get(uuid))
    assert (live.call_uuid, live.call_status) == (uuid, "in-progress")
    await stage.sdk(lambda client: client.calls.hangup(uuid))
    await stage.customer.until(says(Event="Hangup"))
    ended = await stage.sdk(lambda client: client.calls.get(uuid))
    assert ended.call_uuid == uuid
    return [live, ended]


async def list_calls(stage: Stage) -> Any:
    uuid = await talking(stage)
    live = await stage.sdk(lambda client: client.calls.live_call_list_ids())
    assert live.calls == [uuid]
    queued = await stage.sdk(lambda client: client.calls.queued_call_list_ids())
    assert queued.calls == []
    await stage.sdk(lambda client: client.calls.hangup(uuid))
    await stage.customer.until(says(Event="Hangup"))
    ended = await stage.sdk(lambda client: client.calls.list(limit=5, call_direction="outbound"))
    assert [one.call_uuid for one in ended.objects] == [uuid]
    return [live, queued, ended]


async def end(stage: Stage) -> Any:
    uuid = await talking(stage)
    done = await stage.sdk(lambda client: client.calls.hangup(uuid))
    await stage.ledger("hangup", number=PERSON)
    return done


async def cancel(stage: Stage) -> Any:
    stage.lab.phones.put(PERSON, behavior="no_answer")
    uuid = await ringing(stage)
    await stage.ledger("ring", number=PERSON)
    done = await stage.sdk(lambda client: client.calls.cancel(uuid))
    await stage.ledger("hangup", number=PERSON)
    return done


async def account(stage: Stage) -> Any:
    found = await stage.sdk(lambda client: client.account.get())
    assert float(found.cash_credits) > 0
    return found


async def numbers(stage: Stage) -> Any:
    found = await stage.sdk(lambda client: client.numbers.list(limit=10))
    assert stage.ours.lstrip("+") in [one.number for one in found.objects]
    return found


async def number(stage: Stage) -> Any:
    found = await stage.sdk(lambda client: client.numbers.get(stage.ours.lstrip("+")))
    assert found.number == stage.ours.lstrip("+")
    return found


SCENARIOS: Mapping[str, Scenario] = {
    "create a call": create,
    "fetch a call": fetch,
    "list calls": list_calls,
    "end a call": end,
    "cancel a request": cancel,
    "fetch the account": account,
    "list numbers": numbers,
    "fetch a number": number,
}
