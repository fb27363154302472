"""The pictures of docs/images: `make screenshots` writes them there; without it the same scenes are played, and looked at
only by what must hold in each of them.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

DESK = {"width": 1440, "height": 900}
POCKET = {"width": 390, "height": 844}
EXAMPLES = [{"order": "4711"}, {"campaign": "delivery"}, {}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the pictures go."""
    chosen = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


async def take(page: Page, path: Path) -> None:
    """The picture, with no pointer over anything."""
    await page.mouse.move(0, 0)
    picture = await page.screenshot(path=path, animations="disabled", caret="hide")
    assert len(picture) > 20_000  # an empty page is smaller


async def an_outage(world: Any) -> str:
    """An evening at work: finished calls of all sorts; then the first carrier dies, the second refuses, calls move on and two
    wait; the last carrier is being drained. The id of a call that was lost twice and is talking now.
    """
    first, second, *_ = world.carriers
    quick = {"answer_after_s": 0.2, "says": "speech", "hangup_after_s": 0.8}
    setups = ({"behavior": "busy"}, quick, {"behavior": "decline", "answer_after_s": 0.4}, quick, {"behavior": "invalid"}, quick)
    for setup in setups:
        await world.until(await world.call(world.person(**setup)), "ended")
    talker = {"answer_after_s": 0.4, "says": "speech"}
    calm = [await world.call(world.person(**talker), agent="echo") for _ in range(2)]
    world.lab.set_faults(first, [{"kind": "rate_limited"}])
    moved = [await world.call(world.person(**talker), agent="echo", metadata=example) for example in EXAMPLES]
    for call_id in (*calm, *moved):
        await world.until(call_id, "in_progress")
    world.lab.set_faults(first, [{"kind": "down"}])
    world.lab.set_faults(second, [{"kind": "reject", "cause": "503"}])
    story = await world.call(world.person(**talker), agent="receptionist", metadata={"order": "4712"})
    await world.until(story, "in_progress")
    for _ in range(2):
        await world.until(await world.call(world.person(), carriers=[first]), "scheduled")
    return str(story)


async def test_an_outage_in_pictures(world: Any, visit: Callable[..., Awaitable[Any]], folder: Path) -> None:
    """Desk and pocket, light and dark, the list and one call's story: the same evening; nothing needs scrolling sideways."""
    desk = await visit(viewport=DESK, color_scheme="light", device_scale_factor=1.5)
    dark = await visit(viewport=DESK, color_scheme="dark", device_scale_factor=1.5)
    await desk.enter()
    await dark.enter()
    story = await an_outage(world)
    await desk.page.get_by_role("button", name=f"Drain {world.carriers[-1]}").click()
    await desk.page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    await expect(desk.page.locator(".tile", has_text="Draining")).to_be_visible()
    await expect(desk.page.locator("#promise-list a")).to_have_count(2)
    await desk.page.evaluate("document.activeElement.blur()")
    await expect(desk.page.locator(".tile", has_text="Breaker open")).to_be_visible()
    await take(desk.page, folder / "console.png")
    for word in ("Breaker open", "Draining"):
        await expect(dark.page.locator(".tile", has_text=word)).to_be_visible()
    await take(dark.page, folder / "console-dark.png")
    await desk.page.goto(f"{desk.url}/#/calls/{story}")
    await expect(desk.page.locator("#story .legs li")).to_have_count(3)
    await desk.page.evaluate("document.activeElement.blur()")
    await take(desk.page, folder / "story.png")
    pocket = await visit(viewport=POCKET, color_scheme="dark", device_scale_factor=2, has_touch=True)
    await pocket.enter()
    await expect(pocket.page.locator("#promise-list a")).to_have_count(2)
    await take(pocket.page, folder / "pocket-carriers.png")
    await pocket.page.evaluate("document.getElementById('calls').scrollIntoView({behavior: 'instant'})")
    await take(pocket.page, folder / "pocket-calls.png")
    assert not await pocket.wide()
    assert not await desk.wide()


async def test_the_telephone_in_a_picture(world: Any, visit: Callable[..., Awaitable[Any]], folder: Path) -> None:
    """A call is being talked in, on the second carrier, beside the switch that killed the first."""
    one = await visit(viewport={"width": 1100, "height": 860}, color_scheme="light", device_scale_factor=1.5)
    await one.page.goto(f"{one.url}/phone")
    await one.page.get_by_role("button", name="Switch on").click()
    await one.page.get_by_role("button", name=f"Kill {world.carriers[0]}").click()
    await expect(one.page.locator("#switches")).to_contain_text("dead")
    await world.call("+15550100002", agent="receptionist")
    await one.page.get_by_role("button", name="Answer").click()
    await one.page.wait_for_function("() => Number(document.getElementById('counts').dataset.loud ?? 0) > 60")
    await one.page.evaluate("document.getElementById('trouble').hidden = true")
    await take(one.page, folder / "telephone.png")
    await one.page.get_by_role("button", name="Hang up").click()
    await one.page.locator("body[data-state=idle]").wait_for()
