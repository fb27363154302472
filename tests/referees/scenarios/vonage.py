"""Vonage's SDK does, one operation at a time, what customers do with it; each scenario returns what the SDK gave back."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from played import Scenario
from stage import PERSON, Stage
from vonage_numbers.requests import ListOwnedNumbersFilter
from vonage_voice.models import CreateCallRequest, ListCallsFilter, Talk

from carriers.lab.contract import RestRequest

TO = PERSON.lstrip("+")
WAITING = [{"action": "wait", "timeout": 20}]


def status(word: str) -> Callable[[RestRequest], bool]:
    """Whether a webhook is this event."""
    return lambda request: request.path == "/event" and json.loads(request.body).get("status") == word


def asked(path: str) -> Callable[[RestRequest], bool]:
    """Whether a document was asked for there."""
    return lambda request: request.path == path


async def ringing(stage: Stage, ncco: Any = WAITING) -> Any:
    """The answer to a create."""
    url = stage.customer.answers("/answer", json.dumps(ncco), "application/json")
    wish = CreateCallRequest(
        to=[{"type": "phone", "number": TO}],
        from_={"type": "phone", "number": stage.ours.lstrip("+")},
        answer_url=[url],
        answer_method="POST",
        event_url=[f"{stage.customer.url}/event"],
        event_method="POST",
        ringing_timer=30,
        length_timer=60,
    )
    return await stage.sdk(lambda client: client.voice.create_call(wish))


async def talking(stage: Stage, ncco: Any = WAITING) -> str:
    """The uuid of a call that was answered, its document fetched."""
    made = await ringing(stage, ncco)
    await stage.customer.until(asked("/answer"))
    return str(made.uuid)


async def create(stage: Stage) -> Any:
    made = await ringing(stage)
    assert (made.status, made.direction) == ("started", "outbound")
    await stage.ledger("ring", number=PERSON)
    return made


async def fetch(stage: Stage) -> Any:
    uuid = await talking(stage)
    found = await stage.sdk(lambda client: client.voice.get_call(uuid))
    assert (found.uuid, found.status) == (uuid, "answered")
    await stage.sdk(lambda client: client.voice.hangup(uuid))
    await stage.customer.until(status("completed"))
    ended = await stage.sdk(lambda client: client.voice.get_call(uuid))
    assert ended.status == "completed"
    return [found, ended]


async def list_calls(stage: Stage) -> Any:
    uuid = await talking(stage)
    calls, _next = await stage.sdk(lambda client: client.voice.list_calls(ListCallsFilter(page_size=5, order="desc")))
    assert [call.uuid for call in calls] == [uuid]
    return calls


async def end(stage: Stage) -> Any:
    uuid = await talking(stage)
    await stage.sdk(lambda client: client.voice.hangup(uuid))
    await stage.ledger("hangup", number=PERSON)


async def redirect(stage: Stage) -> Any:
    uuid = await talking(stage)
    url = stage.customer.answers("/elsewhere", json.dumps(WAITING), "application/json")
    await stage.sdk(lambda client: client.voice.transfer_call_answer_url(uuid, url))
    await stage.customer.until(asked("/elsewhere"))
    await stage.sdk(lambda client: client.voice.transfer_call_ncco(uuid, [Talk(text="One moment.")]))


async def balance(stage: Stage) -> Any:
    found = await stage.sdk(lambda client: client.account.get_balance())
    assert found.value > 0
    return found


async def numbers(stage: Stage) -> Any:
    found, count, _next = await stage.sdk(lambda client: client.numbers.list_owned_numbers(ListOwnedNumbersFilter(size=10)))
    assert count == len(found)
    assert stage.ours.lstrip("+") in [one.msisdn for one in found]
    return found


SCENARIOS: Mapping[str, Scenario] = {
    "create a call": create,
    "fetch a call": fetch,
    "list calls": list_calls,
    "end a call": end,
    "redirect a call": redirect,
    "fetch the balance": balance,
    "list numbers": numbers,
}
