"""What does not come from the carrier, or not for this call, changes nothing: calls and their logs are compared."""

import asyncio
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from carriers.lab.contract import Webhook, WebhookReply
from carriers.lab.webhook_sender import WebhookSender

Sent = tuple[Webhook, WebhookReply]
SIGNED = frozenset(
    {"x-twilio-signature", "telnyx-signature-ed25519", "x-plivo-signature-v3", "x-plivo-signature-ma-v3", "authorization"}
)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Sent]:
    """Every webhook that left the lab, byte for byte, with the first answer to it."""
    kept: list[Sent] = []
    plain = WebhookSender.send

    async def send(sender: WebhookSender, hook: Webhook) -> WebhookReply:
        reply = await plain(sender, hook)
        kept.append((hook, reply))
        return reply

    monkeypatch.setattr(WebhookSender, "send", send)
    return kept


async def conversations(world: Any, sent: list[Sent], each: int = 1) -> dict[str, tuple[str, ...]]:
    """Conversations through each carrier, under way, with their webhooks delivered: carrier -> call ids."""

    async def talk(carrier: str) -> str:
        number = world.phone()
        call_id: str = await world.place(number, carriers=[carrier], agent="echo")
        await world.hears(number, 0.1)
        return call_id

    async def talks(carrier: str) -> tuple[str, ...]:
        return tuple(await asyncio.gather(*(talk(carrier) for _ in range(each))))

    calls = dict(zip(world.carriers, await asyncio.gather(*map(talks, world.carriers)), strict=True))

    async def told() -> bool:
        return all(any(f"/{call_id}/" in hook.url for hook, _ in sent) for pair in calls.values() for call_id in pair)

    await world.eventually(told)
    return calls


async def stands(world: Any) -> dict[str, Any]:
    """Everything that the API tells of every call, but for the media counters, which go on counting."""
    told = {}
    for call in await world.calls():
        legs = [{key: value for key, value in leg.items() if key != "media"} for leg in call["legs"]]
        told[call["id"]] = {**call, "legs": legs, "events": await world.events(call["id"])}
    return told


async def settled(world: Any) -> dict[str, Any]:
    """The same, once two looks in a row agree."""
    looks = [await stands(world)]

    async def again() -> bool:
        looks.append(await stands(world))
        return bool(looks[-1] == looks[-2])

    await world.eventually(again)
    return looks[-1]


async def posted(world: Any, hook: Webhook, **changes: Any) -> httpx.Response:
    given = {"url": hook.url, "headers": dict(hook.headers), "body": hook.body, **changes}
    answer: httpx.Response = await world.stranger.request(
        hook.method, given["url"], headers=given["headers"], content=given["body"] or None
    )
    return answer


async def unsigned(world: Any, hook: Webhook) -> httpx.Response:
    return await posted(world, hook, headers={name: value for name, value in hook.headers.items() if name.lower() not in SIGNED})


async def wrongly_signed(world: Any, hook: Webhook) -> httpx.Response:
    forged = {name: turned(value) if name.lower() in SIGNED else value for name, value in hook.headers.items()}
    return await posted(world, hook, headers=forged)


async def tampered(world: Any, hook: Webhook) -> httpx.Response:
    """One more field in the body, or in the query of a request without a body."""
    if not hook.body:
        return await posted(world, hook, url=f"{hook.url}{'&' if '?' in hook.url else '?'}extra=1")
    json = hook.body.lstrip().startswith(b"{")
    return await posted(world, hook, body=hook.body[:-1] + b',"extra":1}' if json else hook.body + b"&Extra=1")


def turned(signature: str) -> str:
    """Another text of the same shape: the last letters but two are changed."""
    place = len(signature) - 6
    return signature[:place] + ("A" if signature[place] != "A" else "B") + signature[place + 1 :]


ATTACKS = {"unsigned": unsigned, "wrongly signed": wrongly_signed, "tampered": tampered}


async def test_what_the_carrier_did_not_sign_is_refused_and_changes_nothing(world: Any, sent: list[Sent]) -> None:
    """Without a signature, with a wrong one, or with another body: 403 to each kind of webhook, and no trace in any call."""
    calls = await conversations(world, sent)
    before = await settled(world)
    heard = list(sent)
    for name, attack in ATTACKS.items():
        for hook, _ in heard:
            answer = await attack(world, hook)
            assert answer.status_code == 403, (name, hook.url, answer.status_code, answer.text)
        assert await stands(world) == before, name
    metrics = await world.metrics()
    for carrier in calls:
        assert f'webhooks_total{{carrier="{carrier}",result="bad_signature"}}' in metrics


async def test_a_webhook_that_is_repeated_byte_for_byte_gets_the_first_answer_and_changes_nothing(
    world: Any, sent: list[Sent]
) -> None:
    """Every webhook of every carrier, again: same status, same body, and no call or log is another."""
    await conversations(world, sent)
    before = await settled(world)
    for hook, first in list(sent):
        answer = await posted(world, hook)
        assert (answer.status_code, answer.content) == (first.status, first.body), hook.url
    assert await stands(world) == before


async def test_a_webhook_of_one_call_says_nothing_to_another(world: Any, sent: list[Sent]) -> None:
    """A valid request of the first call at the second call's URL, whole or leg alone: refused, and nothing changes.

    The first calls have ended, so that what is said again tells of ends and lost streams too.
    """
    calls = await conversations(world, sent, each=2)
    for first, _ in calls.values():
        assert (await world.client.post(f"{world.url}/v1/calls/{first}/hangup")).status_code == 202
        await world.ended(first)
    await world.lab.until("hangup", count=len(calls))
    before, heard = await settled(world), list(sent)
    legs = {call_id: before[call_id]["legs"][0]["id"] for pair in calls.values() for call_id in pair}
    for first, second in calls.values():
        for hook, _ in (entry for entry in heard if f"/{first}/" in entry[0].url):
            for url in (
                hook.url.replace(first, second).replace(legs[first], legs[second]),
                hook.url.replace(first, second),
                hook.url.replace(legs[first], legs[second]),
            ):
                answer = await posted(world, hook, url=url)
                assert answer.status_code in {200, 204, 403, 404}, (url, answer.status_code)
                assert b"Stream" not in answer.content, url
    assert await stands(world) == before
    assert [before[second]["status"] for _, second in calls.values()] == ["in_progress"] * len(calls)


async def test_a_webhook_of_one_carrier_says_nothing_at_anothers_address(world: Any, sent: list[Sent]) -> None:
    """A valid request under another carrier's name: refused, and nothing changes."""
    calls = await conversations(world, sent)
    before = await settled(world)
    for hook, _ in list(sent):
        own = next(carrier for carrier in calls if f"/carriers/{carrier}/" in hook.url)
        names = [*calls, *calls]
        for other in (names[names.index(own) + 1], "nobody"):
            answer = await posted(world, hook, url=hook.url.replace(f"/carriers/{own}/", f"/carriers/{other}/"))
            assert answer.status_code in {403, 404}, (hook.url, other, answer.status_code)
    assert await stands(world) == before


async def test_garbage_at_the_webhooks_door_leaves_no_trace(world: Any, sent: list[Sent]) -> None:
    """Random bytes, unknown calls, long paths and odd methods: 4xx, counted, and every call stays as it is."""
    calls = await conversations(world, sent)
    before = await settled(world)
    for carrier, (call_id,) in calls.items():
        leg_id = before[call_id]["legs"][0]["id"]
        for method in ("GET", "POST", "PUT"):
            for path in (
                f"{call_id}/{leg_id}/status",
                f"{call_id}/{leg_id}/answer",
                "call_x/leg_x/events",
                f"{call_id}/../../x",
                "a/b/c" * 100,
            ):
                body = bytes(range(256)) * 4 if method != "GET" else b""
                answer = await world.stranger.request(method, f"{world.url}/carriers/{carrier}/hooks/{path}", content=body)
                assert 400 <= answer.status_code < 500, (method, path, answer.status_code)
    assert await stands(world) == before


async def test_a_media_socket_without_the_legs_own_token_is_refused(world: Any, sent: list[Sent]) -> None:
    """Made-up, foreign and used tokens, other carriers and garbage paths: no upgrade, no trace, and nobody hears a thing."""
    calls = await conversations(world, sent, each=2)
    before = await settled(world)
    urls = {entry.carrier_call_id: str(entry.more["url"]) for entry in world.lab.ledger.entries("stream_open")}
    own = {carrier: [url for url in urls.values() if f"/carriers/{carrier}/" in url] for carrier in calls}
    for carrier, (one, two) in own.items():
        other = next(name for name in calls if name != carrier)
        head, token = one.rsplit("/", 1)
        wrong = [
            f"{head}/{'A' * 43}",
            f"{head}/{two.rsplit('/', 1)[1]}",
            f"{head}/{token[:-1]}",
            f"{head}/",
            head,
            one.replace(f"/carriers/{carrier}/", f"/carriers/{other}/"),
            one.replace(f"/carriers/{carrier}/", "/carriers/nobody/"),
            one,
        ]
        for url in wrong:
            assert await refused(url) in {403, 404, 409}, url
    assert await stands(world) == before
    assert len(world.lab.ledger.entries("stream_close")) == 0
    assert 'result="bad-token"' in await world.metrics()


async def refused(url: str) -> int:
    """The status with which the upgrade is refused; 101 if it is not."""
    try:
        async with connect(url, proxy=None):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


async def test_a_token_is_worthless_when_its_leg_has_ended(world: Any, sent: list[Sent]) -> None:
    """The conversation is over: its media URL is refused with 403, and the call stays ended."""
    calls = await conversations(world, sent)
    for pair in calls.values():
        for call_id in pair:
            assert (await world.client.post(f"{world.url}/v1/calls/{call_id}/hangup")).status_code == 202
            await world.ended(call_id)
    before = await settled(world)
    for entry in world.lab.ledger.entries("stream_open"):
        assert await refused(str(entry.more["url"])) == 403
    assert await stands(world) == before
