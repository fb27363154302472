"""`/v1/webhooks`: how endpoints stand, their dead letters, and trying again by hand."""

import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.domain.happenings import Happening
from gateway.runtime.store.notice_contract import Notice, Settlement
from gateway.runtime.user_webhook_deliveries import Endpoint
from gateway.runtime.user_webhook_verdicts import Reply
from gateway.runtime.user_webhooks import UserWebhooks
from gateway.web.app import create_app

ADMIN = {"Authorization": "Bearer admin-key-0123456789"}
NOW = 1_795_314_400.0
AT = "2026-11-22T02:26:40.000Z"
SHOP = Endpoint(
    name="shop", url="https://shop.example.com:8443/hooks/secret-path?token=t", secrets=(b"k" * 32,), wanted=frozenset(Happening)
)
BANK = Endpoint(name="bank", url="http://bank.internal/", secrets=(b"k" * 32,), wanted=frozenset({Happening.CALL_ENDED}))


class Desk:
    """The REST surface over two endpoints, and what was sent to them."""

    def __init__(self, gateway: Any) -> None:
        self.store, self.clock = gateway.store, gateway.clock
        self.reply = Reply(status=204)
        self.sent: list[tuple[str, Mapping[str, str], bytes]] = []
        self.gauges: dict[tuple[str, str], float] = {}
        self.webhooks = UserWebhooks(
            (SHOP, BANK),
            gateway.store,
            gateway.clock,
            self._send,
            chance=random.Random(1),
            new_id=lambda prefix: f"{prefix}_new",
            count=lambda *_args, **_labels: None,
            gauge=self._gauge,
        )
        app = create_app(replace(gateway.services, user_webhooks=self.webhooks))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gw", headers=ADMIN)  # type: ignore[arg-type]

    async def _send(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        self.sent.append((url, headers, body))
        self.clock.at += 0.25
        return self.reply

    def _gauge(self, name: str, value: float, endpoint: str) -> None:
        self.gauges[name, endpoint] = value

    async def put(self, count: int) -> None:
        notices = (
            Notice(endpoint="shop", id=f"msg_{n}", type="call.ended", about=f"call_{n}", at=NOW, payload=f'{{"n":{n}}}')
            for n in range(count)
        )
        await self.store.put_notices(tuple(notices))

    async def settle(self, settlement: Settlement, limit: int = 99) -> None:
        for claim in await self.store.claim_notices("shop", SHOP.url_mark, self.clock.at, 20.0, limit):
            assert await self.store.settle_notice(claim, settlement, self.clock.at)

    async def get(self, path: str = "") -> Any:
        answer = await self.client.get(f"/v1/webhooks{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str) -> httpx.Response:
        return await self.client.post(f"/v1/webhooks{path}")


@pytest.fixture
async def desk(gateway: Any) -> AsyncIterator[Desk]:
    opened = Desk(gateway)
    yield opened
    await opened.client.aclose()


async def test_every_endpoint_is_shown_with_its_backlog_and_last_error(desk: Desk) -> None:
    """In the config's order; of the URL only what holds no token."""
    await desk.put(3)
    await desk.settle(Settlement(retry_in_s=5.0, error="HTTP 500"), limit=1)
    shop, bank = (await desk.get())["items"]
    assert shop == {
        "name": "shop",
        "origin": "https://shop.example.com:8443",
        "events": sorted(one.value for one in Happening),
        "state": "failing",
        "backlog": 3,
        "oldest_at": AT,
        "dead": 0,
        "delivered": 0,
        "delivered_at": None,
        "failures": 1,
        "failing_since": AT,
        "error": "HTTP 500",
        "error_at": AT,
        "paused_until": None,
        "disabled_at": None,
        "overflowed": 0,
        "forgotten": 0,
    }
    assert (bank["name"], bank["state"], bank["events"], bank["oldest_at"]) == ("bank", "active", ["call.ended"], None)
    assert await desk.get("/shop") == shop


async def test_dead_letters_are_paged_and_replayed(desk: Desk) -> None:
    """The newest dead first, whole; one or all of them wait again."""
    await desk.put(5)
    await desk.settle(Settlement(error="HTTP 400"))
    first = await desk.get("/shop/dead?limit=3")
    second = await desk.get(f"/shop/dead?limit=3&cursor={first['next']}")
    assert [one["id"] for one in first["items"] + second["items"]] == [f"msg_{n}" for n in (4, 3, 2, 1, 0)]
    assert second["next"] is None
    assert second["items"][0] == {
        "id": "msg_1",
        "type": "call.ended",
        "about": "call_1",
        "at": AT,
        "tries": 1,
        "why": "HTTP 400",
        "dead_at": AT,
        "body": {"n": 1},
    }
    one = await desk.post("/shop/dead/msg_3/replay")
    assert (one.status_code, one.json()) == (202, {"replayed": 1})
    again = await desk.post("/shop/dead/msg_3/replay")
    assert (again.status_code, again.json()["type"]) == (404, "not-found")
    rest = await desk.post("/shop/dead/replay")
    assert (rest.status_code, rest.json()) == (202, {"replayed": 4})
    assert (await desk.get("/shop"))["backlog"] == 5
    assert (await desk.get("/shop/dead"))["items"] == []


async def test_a_replay_of_very_many_takes_all_of_them(desk: Desk) -> None:
    """In portions that let others have the store."""
    await desk.put(450)
    await desk.settle(Settlement(error="HTTP 400"), limit=450)
    assert (await desk.post("/shop/dead/replay")).json() == {"replayed": 450}


async def test_an_endpoint_that_is_gone_is_enabled_again(desk: Desk) -> None:
    """It is shown as disabled, with since when; afterwards what waits is due at once."""
    await desk.put(2)
    await desk.settle(Settlement(retry_in_s=0.0, error="HTTP 410", disable=SHOP.url_mark), limit=1)
    shown = await desk.get("/shop")
    assert (shown["state"], shown["disabled_at"]) == ("disabled", AT)
    await desk.webhooks.look()
    assert desk.gauges["user_webhooks_disabled", "shop"] == 1.0
    enabled = await desk.post("/shop/enable")
    assert (enabled.status_code, enabled.json()["state"], enabled.json()["disabled_at"]) == (200, "failing", None)
    assert len(await desk.store.claim_notices("shop", SHOP.url_mark, NOW, 20.0, 9)) == 2


async def test_a_paused_endpoint_says_until_when(desk: Desk) -> None:
    """And is not paused any more when the time has come."""
    await desk.put(1)
    await desk.settle(Settlement(retry_in_s=60.0, error="HTTP 429", pause_s=60.0))
    shown = await desk.get("/shop")
    assert (shown["state"], shown["paused_until"]) == ("paused", "2026-11-22T02:27:40.000Z")
    desk.clock.at += 60
    shown = await desk.get("/shop")
    assert (shown["state"], shown["paused_until"]) == ("failing", None)


async def test_a_ping_is_sent_at_once_and_its_fate_is_told(desk: Desk) -> None:
    """Signed like any notice; what came back is the answer, and nothing is kept."""
    told = await desk.post("/shop/test")
    wanted = {"id": "msg_new", "delivered": True, "status": 204, "error": None, "seconds": 0.25}
    assert (told.status_code, told.json()) == (200, wanted)
    ((url, headers, body),) = desk.sent
    assert url == SHOP.url
    assert headers["webhook-id"] == "msg_new"
    assert headers["webhook-signature"].startswith("v1,")
    assert body == b'{"type":"webhook.ping","timestamp":"2026-11-22T02:26:40.000Z","data":{"endpoint":"shop"}}'
    desk.reply = Reply(error="ConnectError: refused")
    wanted = {"id": "msg_new", "delivered": False, "status": None, "error": "ConnectError: refused", "seconds": 0.25}
    assert (await desk.post("/shop/test")).json() == wanted
    assert (await desk.get("/shop"))["backlog"] == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/shoop"),
        ("GET", "/shoop/dead"),
        ("POST", "/shoop/dead/replay"),
        ("POST", "/shoop/dead/msg_1/replay"),
        ("POST", "/shoop/enable"),
        ("POST", "/shoop/test"),
    ],
)
async def test_an_unknown_name_is_told_the_known_ones(desk: Desk, method: str, path: str) -> None:
    """404, with the names of the config."""
    answer = await desk.client.request(method, f"/v1/webhooks{path}")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "There is no webhook of this name; there are: shop, bank."


async def test_a_cursor_that_never_came_from_us_is_refused(desk: Desk) -> None:
    """Or the page would look empty."""
    answer = await desk.client.get("/v1/webhooks/shop/dead?cursor=nonsense")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")
    assert "`next`" in answer.json()["errors"][0]["allowed"]


async def test_without_webhooks_the_list_is_empty(gateway: Any) -> None:
    """And every name is unknown."""
    assert (await gateway.get("/v1/webhooks")).json() == {"items": [], "next": None}
    assert (await gateway.get("/v1/webhooks/shop")).status_code == 404


@pytest.mark.parametrize("path", ["/dead/replay", "/dead/msg_1/replay", "/enable", "/test"])
@pytest.mark.parametrize("key", ["reader", "writer"])
async def test_only_an_admin_sends_anything(desk: Desk, key: str, path: str) -> None:
    """Looking is for readers; what makes us call somebody is not."""
    answer = await desk.client.post(f"/v1/webhooks/shop{path}", headers={"Authorization": f"Bearer {key}-key-0123456789"})
    assert (answer.status_code, "admin" in answer.json()["detail"]) == (403, True)
    assert desk.sent == []
