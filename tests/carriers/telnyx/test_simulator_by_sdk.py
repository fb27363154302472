"""The official SDK drives the simulated Telnyx over HTTP: every operation, with real webhooks to a real customer."""

from typing import Any

import pytest
import telnyx
from telnyx.lib import verify_webhook_signature

from carriers.lab.lab import Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")
PERSON = "+15550100001"


async def test_applications(lab: Lab, sdk: Any) -> None:
    """Created, found by name, changed, and deleted unless a number hangs on it."""
    made = (
        await sdk(lambda it: it.call_control_applications.create(application_name="one", webhook_event_url="http://x/y"))
    ).data
    found = (await sdk(lambda it: it.call_control_applications.list(filter={"application_name": {"contains": "ONE"}}))).data
    assert [application.id for application in found] == [made.id]
    changed = await sdk(
        lambda it: it.call_control_applications.update(
            made.id, application_name="one", webhook_event_url="http://x/z", first_command_timeout=True
        )
    )
    fetched = (await sdk(lambda it: it.call_control_applications.retrieve(made.id))).data
    assert changed.data == fetched
    assert (fetched.webhook_event_url, fetched.first_command_timeout, fetched.active) == ("http://x/z", True, True)
    number = (await sdk(lambda it: it.phone_numbers.list(page_size=1))).data[0]
    await sdk(lambda it: it.phone_numbers.update(number.id, connection_id=made.id))
    with pytest.raises(telnyx.UnprocessableEntityError, match="10021"):
        await sdk(lambda it: it.call_control_applications.delete(made.id))
    await sdk(lambda it: it.phone_numbers.update(number.id, connection_id=number.connection_id))
    await sdk(lambda it: it.call_control_applications.delete(made.id))
    with pytest.raises(telnyx.NotFoundError):
        await sdk(lambda it: it.call_control_applications.retrieve(made.id))


async def test_numbers(lab: Lab, sdk: Any) -> None:
    """Listed, found, changed; bound to an application that does not exist they cannot be."""
    ours = lab.credentials("telnyx")["numbers"]
    assert [number.phone_number for number in (await sdk(lambda it: it.phone_numbers.list())).data] == list(ours)
    (found,) = (await sdk(lambda it: it.phone_numbers.list(filter={"phone_number": ours[1]}))).data
    changed = (await sdk(lambda it: it.phone_numbers.update(found.id, customer_reference="desk"))).data
    assert (changed.customer_reference, changed.phone_number) == ("desk", ours[1])
    assert (await sdk(lambda it: it.phone_numbers.retrieve(found.id))).data == changed
    with pytest.raises(telnyx.UnprocessableEntityError, match="10017"):
        await sdk(lambda it: it.phone_numbers.update(found.id, connection_id="1"))


async def set_url(lab: Lab, sdk: Any, url: str, **more: Any) -> None:
    connection = lab.credentials("telnyx")["connection_id"]
    await sdk(lambda it: it.call_control_applications.update(connection, application_name="lab", webhook_event_url=url, **more))


async def test_a_call_from_a_phone(lab: Lab, sdk: Any, customer: Any) -> None:
    """Told, answered by command, hung up by the caller; the SDK's validator accepts every webhook."""
    await set_url(lab, sdk, f"{customer.url}/inbound")
    lab.phones.dial(PERSON, lab.credentials("telnyx")["numbers"][0], caller_name="Ada")
    payload = await customer.until("call.initiated")
    assert (payload["from"], payload["direction"], payload["caller_id_name"]) == (PERSON, "incoming", "Ada")
    await sdk(lambda it: it.calls.actions.answer(payload["call_control_id"], client_state="bGVn"))
    assert (await customer.until("call.answered"))["client_state"] == "bGVn"
    lab.phones.hang_up(PERSON)
    ended = await customer.until("call.hangup")
    assert (ended["hangup_cause"], ended["hangup_source"]) == ("normal_clearing", "caller")
    for request in customer.requests:
        verify_webhook_signature(request.body, dict(request.headers), lab.credentials("telnyx")["public_key"])


async def test_a_call_from_a_phone_is_rejected(lab: Lab, sdk: Any, customer: Any) -> None:
    """The caller hears busy."""
    await set_url(lab, sdk, f"{customer.url}/inbound")
    lab.phones.dial(PERSON, lab.credentials("telnyx")["numbers"][0])
    payload = await customer.until("call.initiated")
    await sdk(lambda it: it.calls.actions.reject(payload["call_control_id"], cause="USER_BUSY"))
    await customer.until("call.hangup")
    (ended,) = await lab.until("hangup", number=PERSON)
    assert (ended.more["cause"], ended.more["direction"]) == ("busy", "inbound")
