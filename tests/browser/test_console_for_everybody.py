"""Readable and usable for everybody: small screens, keyboards, screen readers, dark rooms, and a thousand calls at once."""

import asyncio
import json
import re
from importlib.resources import files
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.async_api import expect

from gateway.domain.outcome import CallStatus, Knowledge, LegPhase
from gateway.domain.records import Call, Leg
from gateway.runtime.store.contract import Change, Committed, LogEntry

AXE = (files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8")
SERIOUS = {"serious", "critical"}
PHONE = {"width": 360, "height": 740}


async def findings(page: Any) -> list[str]:
    """What axe finds serious or worse: rule, element, and why."""
    await page.evaluate(AXE)
    found = json.loads(await page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(JSON.stringify)"))
    return [
        f"{violation['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
        for violation in found["violations"]
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]


async def some_calls(world: Any) -> str:
    """A failed-over call that is live, a busy one, a promise; the first one's id."""
    world.lab.set_faults(world.carriers[0], [{"kind": "rate_limited"}])
    live = await world.call(world.person(answer_after_s=0.1, says="speech"), agent="echo", metadata={"a-long-key": "word" * 30})
    await world.until(live, "in_progress")
    await world.until(await world.call(world.person(behavior="busy")), "ended")
    for name in world.carriers:
        world.lab.set_faults(name, [{"kind": "down"}])
    await world.until(await world.call(world.person()), "scheduled")
    return str(live)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 900}, PHONE], ids=["desk", "phone"])
async def test_nothing_serious_stands_in_anybodys_way(world: Any, visit: Any, scheme: str, viewport: dict[str, int]) -> None:
    """Log-in, console, story, question and form: no serious finding of axe, contrast included, and no sideways scrolling."""
    live = await some_calls(world)
    one = await visit(color_scheme=scheme, viewport=viewport)
    await one.page.goto(one.url)
    await expect(one.page.get_by_label("API key")).to_be_visible()
    assert await findings(one.page) == []
    assert not await one.wide()
    await one.enter()
    await expect(one.page.locator("#promise-list a")).to_have_count(1)
    assert await findings(one.page) == []
    assert not await one.wide()
    await one.page.get_by_role("button", name="Disable").first.click()
    await expect(one.page.locator("#confirm")).to_be_visible()
    assert await findings(one.page) == []
    await one.page.keyboard.press("Escape")
    await one.page.goto(f"{one.url}/#/calls/{live}")
    await expect(one.page.locator("#story .log li").first).to_be_visible()
    assert await findings(one.page) == []
    assert not await one.page.locator("#story").evaluate("story => story.scrollWidth > story.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_telephone_too(world: Any, visit: Any, scheme: str) -> None:
    """The lab's telephone has no serious finding, and fits a small screen."""
    one = await visit(color_scheme=scheme, viewport=PHONE)
    await one.page.goto(f"{one.url}/phone")
    await expect(one.page.locator("#switches li")).to_have_count(len(world.carriers))
    assert await findings(one.page) == []
    assert not await one.wide()


async def test_the_keyboard_reaches_everything_and_is_held_nowhere(world: Any, visit: Any) -> None:
    """The first Tab is the way past the head; from there Tab goes through every control and comes out; each shows its focus."""
    await some_calls(world)
    one = await visit()
    await one.enter()
    await one.page.reload()
    await one.drawn()
    await one.page.keyboard.press("Tab")
    assert await one.page.evaluate("document.activeElement.textContent") == "Skip to the calls"
    seen = []
    for _ in range(80):
        await one.page.keyboard.press("Tab")
        told = await one.page.evaluate(
            """() => {
                const at = document.activeElement;
                const ring = getComputedStyle(at).outlineStyle !== "none";
                const name = at.id || at.getAttribute("href") || at.getAttribute("aria-label") || at.textContent;
                return at === document.body ? null : [name, ring];
            }"""
        )
        if told is None:
            break
        seen.append(told)
    names = [name for name, _ in seen]
    assert {"place-call", "log-out", "search", "filter", "hold"} <= set(names)
    assert f"Disable {world.carriers[-1]}" in names
    assert any(str(name).startswith("#/calls/") for name in names)
    assert [name for name, ring in seen if not ring] == []


async def test_motion_is_left_out_for_those_who_ask(world: Any, visit: Any) -> None:
    """With reduced motion nothing on the page moves by itself, not even a sheet that opens."""
    live = await some_calls(world)
    one = await visit(reduced_motion="reduce")
    await one.enter()
    await one.page.goto(f"{one.url}/#/calls/{live}")
    await expect(one.page.locator("#story")).to_be_visible()
    assert await one.page.evaluate("document.getAnimations().length") == 0


async def test_the_live_region_is_sparing(world: Any, visit: Any) -> None:
    """Calls that come and go are not read out; a carrier whose breaker opens is, once."""
    first = world.carriers[0]
    one = await visit()
    await one.enter()
    assert await one.page.locator("[aria-live], [role=log]").count() == 0
    await one.page.evaluate(
        """() => {
            window.spoken = [];
            new MutationObserver(() => window.spoken.push(document.getElementById("told").textContent))
                .observe(document.getElementById("told"), {childList: true, characterData: true, subtree: true});
        }"""
    )
    world.lab.set_faults(first, [{"kind": "down"}])
    for _ in range(4):
        await world.until(await world.call(world.person(answer_after_s=0.1, hangup_after_s=0.2), agent="echo"), "ended")
    await one.page.wait_for_function("() => spoken.length > 0")
    spoken = " ".join(await one.page.evaluate("spoken"))
    assert first in spoken
    assert "+1555" not in spoken
    assert len(await one.page.evaluate("spoken")) <= 2


# --- a thousand calls ----------------------------------------------------------------------------------------------------


def a_live_call(number: int, now: float) -> Call:
    """As the store would hold it in the middle of a conversation."""
    call_id, began = f"call_{number:024x}", now - 120 + number / 100
    leg = Leg(
        id=f"leg_{number:024x}",
        call_id=call_id,
        carrier="twilio",
        caller_id="+15550190001",
        media_token="t",
        round=1,
        created_at=began,
        phase=LegPhase.ANSWERED,
        knowledge=Knowledge.ALERTED,
        alerted_at=began + 1,
        answered_at=began + 3,
    )
    return Call(
        id=call_id,
        session_id="ses",
        to=f"+1555010{number:04d}",
        agent="echo",
        route="default",
        created_at=began,
        expires_at=now + 3600,
        answered_at=began + 3,
        status=CallStatus.IN_PROGRESS,
        legs=(leg,),
    )


async def write(world: Any, call: Call, kind: str, now: float) -> Call:
    entry = LogEntry(id=f"evt_{call.id}_{call.version}", call_id=call.id, at=now, kind=kind, carrier="twilio")
    result = await world.store.commit(Change(call=call, entries=(entry,)), now)
    assert isinstance(result, Committed)
    return result.call


async def test_a_thousand_live_calls_leave_the_page_calm(world: Any, visit: Any) -> None:
    """All are counted and found, few are drawn; while every one of them changes the page lays itself out at most once a
    frame, still answers keys, and what is held still stays where it is.
    """
    now = asyncio.get_running_loop().time() + 1_795_000_000
    calls = [await write(world, a_live_call(number, now), "call-in-progress", now) for number in range(1000)]
    one = await visit()
    await one.enter()
    await expect(one.page.locator("#calls-sum")).to_have_text("1000 live")
    assert await one.page.locator("#call-list > li").count() == 40
    assert await one.page.evaluate("document.querySelectorAll('*').length") < 3000
    await one.page.get_by_role("button", name="Hold still").click()
    held = await one.page.locator("#call-list > li").evaluate_all("rows => rows.map((row) => row.dataset.call)")
    await stir(world, calls[:200], now)
    newest = await write(world, a_live_call(1000, now), "call-in-progress", now)
    await expect(one.page.locator("#hold")).to_have_text("Held still, 1 new")
    still = await one.page.locator("#call-list > li").evaluate_all("rows => rows.map((row) => row.dataset.call)")
    assert still == held
    assert newest.id not in still
    session = await one.page.context.new_cdp_session(one.page)
    await session.send("Performance.enable")
    before = await counts(session)
    storm = asyncio.create_task(stir(world, calls[200:], now))
    await one.page.locator("#search").focus()
    await one.page.keyboard.type("x")
    await expect(one.page.locator("#calls-none")).to_have_text("No call matches.", timeout=5000)
    await one.page.keyboard.press("Backspace")
    await storm
    after = await counts(session)
    assert (after["LayoutCount"] - before["LayoutCount"]) / (after["Timestamp"] - before["Timestamp"]) < 61
    await one.page.locator("#search").fill("+15550100777")
    await expect(one.page.locator("#call-list > li")).to_have_count(1)


async def counts(session: Any) -> dict[str, float]:
    told = await session.send("Performance.getMetrics")
    return {metric["name"]: metric["value"] for metric in told["metrics"]}


async def stir(world: Any, calls: list[Call], now: float) -> None:
    """A change of every call, as fast as the store takes them."""
    for number, call in enumerate(calls):
        await write(world, replace(call, metadata={"round": str(number)}), "stream-opened", now + 1)


async def test_held_still_the_list_keeps_its_place(world: Any, visit: Any) -> None:
    """New calls are counted on the button and stay out of the list until it is let go."""
    one = await visit()
    first = world.person(behavior="busy")
    await world.until(await world.call(first), "ended")
    await one.enter()
    rows = one.page.locator("#call-list > li")
    await expect(rows).to_have_count(1)
    hold = one.page.locator("#hold")
    await hold.click()
    await world.until(await world.call(world.person(behavior="busy")), "ended")
    await expect(hold).to_have_text(re.compile("1 new"))
    await expect(rows).to_have_count(1)
    await hold.click()
    await expect(rows).to_have_count(2)
