"""A real browser before a real gateway, on its real store, before the whole lab.

The browser is the Chromium that is found on this machine (`CHROMIUM` names another); where there is none the tests of this
folder are skipped, and say how to get one. It reaches nothing but this machine.
"""

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from carriers.lab.lab import Lab
from gateway.config import load_lab_config
from gateway.config.reading import hashed
from gateway.config.structs import ApiKey, Limits
from gateway.domain.breaker import BreakerPolicy
from gateway.runtime.store.embedded import EmbeddedServer
from gateway.runtime.store.redis_store import RedisStore
from gateway.serving import bind, served

KEY = "browser-admin-key-0123456789"
READER_KEY = "browser-reader-key-0123456789"
WRITER_KEY = "browser-writer-key-0123456789"
CONFIG = Path(__file__).parents[2] / "config.yaml"
FAST = {
    "twilio": {"calls_per_second": 100.0, "ring_extra_s": 0.0},
    "plivo": {"cps": 100, "cdr_lag_s": 0.2},
    "vonage": {"calls_per_second": 100, "requests_per_second": 100},
}
SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--force-color-profile=srgb",
)
PATIENCE_MS = 15_000
HOW_TO_GET_ONE = "no Chromium here: on Debian as root `apt-get install -y chromium`, else name one with CHROMIUM=/path/to/chrome"


def chromium() -> str | None:
    """The browser's program, if there is one."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
    return next((found for name in names if name and (found := shutil.which(name))), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skipped in sight: with a reason, and the way to have them run."""
    here = Path(__file__).parent
    why = "BROWSER=skip" if os.environ.get("BROWSER") == "skip" else "" if chromium() else HOW_TO_GET_ONE
    for item in items:
        if why and item.path.is_relative_to(here):
            item.add_marker(pytest.mark.skip(reason=why))


class World:
    """A lab, and a gateway whose carriers are in it."""

    def __init__(self, lab: Lab, url: str, carriers: list[str], store: RedisStore, client: httpx.AsyncClient) -> None:
        self.lab, self.url, self.carriers, self.store, self._client = lab, url, carriers, store, client
        self.phone_numbers = itertools.count(8101)
        self.restart: Callable[[float], Awaitable[None]]
        """End the gateway, and start it again on the same port and store after so many seconds."""

    def person(self, **behaviour: Any) -> str:
        """A number that nobody has called yet, with a phone that behaves like this."""
        number = f"+1555010{next(self.phone_numbers)}"
        self.lab.phones.put(number, **behaviour)
        return number

    async def call(self, to: str, **more: Any) -> str:
        answer = await self._client.post("/v1/calls", json={"to": to, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def take_back(self, call_id: str) -> None:
        answer = await self._client.delete(f"/v1/calls/{call_id}")
        assert answer.status_code == 202, answer.text

    async def seen(self, call_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self._client.get(f"/v1/calls/{call_id}")).json()
        return found

    async def until(self, call_id: str, *statuses: str) -> dict[str, Any]:
        """The call once it has one of these statuses."""

        async def look() -> dict[str, Any] | None:
            call = await self.seen(call_id)
            return call if call["status"] in statuses else None

        found: dict[str, Any] = await eventually(look)
        return found


async def eventually(look: Callable[[], Awaitable[Any]], within_s: float = 15.0) -> Any:
    """What `look` gives, once it gives something."""
    async with asyncio.timeout(within_s):
        while not (found := await look()):  # noqa: ASYNC110 - what is looked at is another process' or another host's
            await asyncio.sleep(0.05)
    return found


@pytest.fixture(scope="session")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = EmbeddedServer(Path(tmp_path_factory.mktemp("browser-store")))
    asyncio.run(server.start())
    yield server.url
    asyncio.run(server.stop())


_TAGS = itertools.count(1)


@asynccontextmanager
async def opened(store_url: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        lab = await stack.enter_async_context(Lab(seed=7, knobs=FAST))
        listener = bind("127.0.0.1", 0)
        stack.callback(listener.close)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        credentials = {report.name: lab.credentials(report.name) for report in lab.carriers()}
        config = load_lab_config(CONFIG, {"HOLDLINE_API_KEY": KEY}, credentials, url)
        tag = f"browser-{next(_TAGS)}"
        fast = Limits(calls_per_second=50, concurrent_calls=100)
        config = replace(
            config,
            carriers=tuple(replace(carrier, limits=fast) for carrier in config.carriers),
            dialing=replace(config.dialing, ring_timeout_s=8, resolve_for_s=1.5, retry_every_s=2.0, pace_wait_s=1.0),
            breaker=BreakerPolicy(minimum=3, consecutive=3, open_s=60.0),
            health=replace(config.health, idle_every_s=1.0, failing_every_s=1.0),
            keys=(
                *config.keys,
                ApiKey(name="reader", scopes=("calls:read",), hash=hashed(READER_KEY)),
                ApiKey(name="writer", scopes=("calls:write",), hash=hashed(WRITER_KEY)),
            ),
            store=replace(config.store, url=store_url, tag=tag),
        )
        running = await stack.enter_async_context(AsyncExitStack())
        await running.enter_async_context(served(config, listener, lab.url))
        store = RedisStore.connect(store_url, f"{{{tag}}}")
        stack.push_async_callback(store.aclose)
        client = httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {KEY}"}, trust_env=False, timeout=30)
        await stack.enter_async_context(client)
        world = World(lab, url, [carrier.name for carrier in config.carriers], store, client)

        async def restart(after_s: float) -> None:
            await running.aclose()
            await asyncio.sleep(after_s)
            again = bind("127.0.0.1", int(url.rpartition(":")[2]))
            running.callback(again.close)
            await running.enter_async_context(served(config, again, lab.url))

        world.restart = restart
        yield world


@pytest.fixture
async def world(store_url: str) -> AsyncIterator[World]:
    async with opened(store_url) as one:
        yield one


@pytest.fixture
async def open_browser() -> AsyncIterator[Callable[..., Awaitable[Browser]]]:
    """Call it with further switches; every browser has a profile of its own and ends with the test."""
    async with AsyncExitStack() as stack:
        driver = await stack.enter_async_context(async_playwright())

        async def launch(*switches: str) -> Browser:
            program = chromium()
            assert program is not None
            browser = await driver.chromium.launch(
                executable_path=program, args=[*SWITCHES, *switches], headless=True, chromium_sandbox=False
            )
            stack.push_async_callback(browser.close)
            return browser

        yield launch


class Visit:
    """A person before the page, and what the browser complained about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.set_default_timeout(PATIENCE_MS)

    async def log_in(self, key: str = KEY) -> None:
        await self.page.goto(self.url)
        await self.page.get_by_label("API key").fill(key)
        await self.page.get_by_role("button", name="Log in").click()

    async def enter(self, key: str = KEY) -> None:
        """Log in, and wait until the console hears events and has drawn what there is."""
        await self.log_in(key)
        await self.drawn()

    async def drawn(self) -> None:
        """Wait for the first look at everything, which comes after the line is live: before it the board is empty."""
        await self.page.locator("#line[data-state=live]").wait_for()
        await self.page.locator("#console[aria-busy=false]").wait_for()

    async def wide(self) -> bool:
        """Whether the page can be scrolled sideways."""
        found: bool = await self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        return found


@pytest.fixture
async def visit(world: World, open_browser: Callable[..., Awaitable[Browser]]) -> AsyncIterator[Callable[..., Awaitable[Visit]]]:
    """Call it with what a browser context takes (viewport, colour scheme). Every visit must end without a complaint that a
    test did not take from `complaints` itself: scripts' errors, and every violation of the page's own policy.
    """
    browser = await open_browser()
    visits: list[Visit] = []

    async def come(**how: Any) -> Visit:
        context: BrowserContext = await browser.new_context(viewport=how.pop("viewport", {"width": 1280, "height": 900}), **how)
        one = Visit(await context.new_page(), world.url)
        visits.append(one)
        return one

    yield come
    assert [complaint for one in visits for complaint in one.complaints] == []
