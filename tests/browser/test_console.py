"""The console before a real browser: what an operator sees and does, and what nobody else may do in their name."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import expect

from gateway.domain.hand import ServiceState

WRONG = "wrong-key-0123456789"
READER = "browser-reader-key-0123456789"
WRITER = "browser-writer-key-0123456789"


def row(one: Any, number: str) -> Any:
    """The list's row of the call to this number."""
    return one.page.locator("#call-list > li", has_text=number)


def tile(one: Any, carrier: str) -> Any:
    return one.page.locator(f".tile[data-carrier={carrier}]")


def taken(one: Any, status: str) -> None:
    """The browser logs every refused request; here they were meant, and nothing else was complained about."""
    assert one.complaints
    assert all(status in complaint for complaint in one.complaints), one.complaints
    one.complaints.clear()


@asynccontextmanager
async def another_site(page: str) -> AsyncIterator[str]:
    """The address of a page that somebody else serves on this machine."""
    answer = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n{page}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer.encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


# --- seeing ----------------------------------------------------------------------------------------------------------


async def test_a_failover_is_watched_live(world: Any, visit: Any) -> None:
    """Without a reload: the lost leg with its reason, the next carrier's leg below it, the event, and the carrier's loss."""
    first, second = world.carriers[:2]
    one = await visit()
    await one.enter()
    world.lab.set_faults(first, [{"kind": "rate_limited"}])
    number = world.person(answer_after_s=0.3, says="speech")
    call_id = await world.call(number, agent="echo")
    await expect(row(one, number).locator(".status")).to_contain_text("Talking")
    lanes = row(one, number).locator(".lane")
    await expect(lanes).to_have_count(2)
    await expect(lanes.nth(0)).to_have_class(re.compile("lost"))
    await expect(lanes.nth(0)).to_have_text(re.compile(f"{first}.*rate limited"))
    await expect(lanes.nth(1)).to_contain_text(second)
    await expect(row(one, number).get_by_role("img")).to_have_attribute(
        "aria-label", re.compile(f"{first}: dialled, lost.*then {second}: answered")
    )
    await expect(one.page.locator("#event-list")).to_contain_text(f"Failover {first} → {second}: rate limited")
    await expect(tile(one, first)).to_contain_text("Last loss: rate limited")
    world.lab.phones.hang_up(number)
    await world.until(call_id, "ended")
    await expect(row(one, number).locator(".status")).to_contain_text("Completed")


async def test_a_call_tells_its_whole_story(world: Any, visit: Any) -> None:
    """Opened from the list by keyboard: legs with verdicts in words, the log, times in UTC; Escape leads back to the row."""
    first = world.carriers[0]
    world.lab.set_faults(first, [{"kind": "down"}])
    number = world.person(answer_after_s=0.2, hangup_after_s=0.5)
    call_id = await world.call(number, agent="echo", metadata={"order": "4711"})
    await world.until(call_id, "ended")
    one = await visit()
    await one.enter()
    link = row(one, number).get_by_role("link")
    await link.focus()
    await one.page.keyboard.press("Enter")
    story = one.page.get_by_role("dialog", name=f"Call to {number}")
    await expect(story.locator(".legs li").first).to_contain_text("Nothing was sent, so nothing can ring.")
    await expect(story).to_contain_text("4711")
    await expect(story.locator(".log")).to_contain_text("Ended: completed")
    await expect(story.locator(".log time").first).to_have_attribute("title", re.compile(r"\d{4}-\d\d-\d\d .* UTC"))
    await one.page.keyboard.press("Escape")
    await expect(story).to_be_hidden()
    await expect(link).to_be_focused()
    await one.page.goto(f"{one.url}/#/calls/{call_id}")
    await expect(one.page.get_by_role("dialog", name=f"Call to {number}")).to_be_visible()


async def test_promises_wait_in_sight(world: Any, visit: Any) -> None:
    """A call that no carrier takes is listed with the time of its next try, and is gone from there once it is placed."""
    for name in world.carriers:
        world.lab.set_faults(name, [{"kind": "down"}])
    number = world.person(answer_after_s=0.2, hangup_after_s=0.5)
    await world.call(number)
    one = await visit()
    await one.enter()
    promise = one.page.locator("#promise-list li", has_text=number)
    await expect(promise).to_contain_text("tried")
    for name in world.carriers:
        world.lab.clear_faults(name)
    await expect(promise).to_have_count(0)
    await expect(row(one, number).locator(".status")).to_contain_text("Completed")


async def test_the_stream_is_taken_up_again(world: Any, visit: Any) -> None:
    """The gateway goes away and comes back: the page says so, and then shows what happened meanwhile and after."""
    one = await visit()
    await one.enter()
    back = asyncio.create_task(world.restart(1.0))
    await one.page.locator("#line[data-state=away]").wait_for()
    await back
    await one.page.locator("#line[data-state=live]").wait_for()
    number = world.person(behavior="busy")
    await world.call(number)
    await expect(row(one, number).locator(".status")).to_contain_text("Busy")
    await expect(one.page.locator("#trouble")).to_be_hidden()
    one.complaints[:] = [told for told in one.complaints if "ERR_" not in told]


# --- who may -----------------------------------------------------------------------------------------------------------


async def test_a_wrong_key_is_refused_in_words(world: Any, visit: Any) -> None:
    """The page says what is wrong and stays; the key stands nowhere afterwards, and scripts cannot read the cookie."""
    one = await visit()
    await one.log_in(WRONG)
    await expect(one.page.get_by_role("alert")).to_contain_text("not one of this gateway's")
    taken(one, "401")
    await one.enter()
    assert await one.page.evaluate("document.cookie") == ""
    assert await one.page.locator("#key").input_value() == ""
    assert await one.page.evaluate("localStorage.length + sessionStorage.length") == 0
    cookies = await one.page.context.cookies()
    assert [(cookie["httpOnly"], cookie["sameSite"]) for cookie in cookies] == [(True, "Strict")]


async def test_logging_out_shuts_the_page(world: Any, visit: Any) -> None:
    """After it the log-in stands there, also after a reload, and nothing of the console can be seen."""
    number = world.person(behavior="busy")
    await world.call(number)
    one = await visit()
    await one.enter()
    await expect(row(one, number)).to_be_visible()
    await one.page.get_by_role("button", name="Log out").click()
    await expect(one.page.get_by_label("API key")).to_be_focused()
    await one.page.reload()
    await expect(one.page.get_by_label("API key")).to_be_visible()
    await expect(one.page.locator("#console")).to_be_hidden()
    assert await one.page.context.cookies() == []


async def test_a_session_that_is_over_asks_for_the_key_again(world: Any, visit: Any) -> None:
    """When the store does not know the session any more the page says so and shows the log-in."""
    one = await visit()
    await one.enter()
    for session_id in (await world.store.dump())["sessions"]:
        await world.store.drop_session(session_id)
    await expect(one.page.get_by_role("alert")).to_contain_text("Log in again")
    await expect(one.page.get_by_label("API key")).to_be_visible()
    taken(one, "401")


async def test_a_key_that_may_only_look_sees_no_switch(world: Any, visit: Any) -> None:
    """The scopes of the key hold: no button that would be refused, the reason in the footer, and REST refuses all the same."""
    one = await visit()
    await one.enter(READER)
    await expect(tile(one, world.carriers[0])).to_be_visible()
    await expect(one.page.locator(".hands button")).to_have_count(0)
    await expect(one.page.get_by_role("button", name="Place a call")).to_be_hidden()
    await expect(one.page.locator("#who")).to_contain_text("may not place calls or take carriers out of service")
    status = await one.page.evaluate(
        """async (name) => {
            const { word } = await (await fetch("/console/session")).json();
            const how = { method: "POST", headers: { "X-Holdline-Console": word } };
            return (await fetch(`/v1/carriers/${name}/disable`, how)).status;
        }""",
        world.carriers[0],
    )
    assert status == 403
    taken(one, "403")


async def test_a_key_that_may_not_look_is_told_so(world: Any, visit: Any) -> None:
    """The console says which scope is missing instead of staying empty; what the key may do is offered."""
    one = await visit()
    await one.log_in(WRITER)
    await expect(one.page.locator("#trouble")).to_contain_text("calls:read")
    await expect(one.page.locator("#line")).to_contain_text("May not look")
    await expect(one.page.get_by_role("button", name="Place a call")).to_be_visible()


@pytest.mark.parametrize("how", ["form", "fetch"])
async def test_a_foreign_page_cannot_act_for_the_operator(world: Any, visit: Any, how: str) -> None:
    """Another page on this very machine, to which the browser sends the cookie along, is refused; the carrier stays."""
    one = await visit()
    await one.enter()
    target = f"{world.url}/v1/carriers/{world.carriers[0]}/disable"
    foreign = await one.page.context.new_page()
    async with another_site(f'<form method="post" action="{target}" enctype="text/plain"></form>') as evil:
        await foreign.goto(evil)
        async with foreign.expect_response(target) as answered:
            if how == "form":
                await foreign.evaluate("document.forms[0].submit()")
            else:
                how_to = "target => fetch(target, {method: 'POST', mode: 'no-cors', credentials: 'include'})"
                await foreign.evaluate(how_to, target)
        answer = await answered.value
    assert answer.status == 403  # the cookie came along: without one it would be 401
    assert (await world.store.hand(world.carriers[0])).state is ServiceState.ACTIVE


async def test_the_policy_stops_what_is_not_the_pages_own(world: Any, visit: Any) -> None:
    """A script, a style and a request that somebody got into the page do not run, and the page cannot be framed."""
    one = await visit()
    await one.enter()
    ran = await one.page.evaluate(
        """async () => {
            const script = document.createElement("script");
            try { script.textContent = "window.broken = true"; } catch {}
            document.body.append(script);
            const style = document.createElement("style");
            style.append("body { display: none }");
            document.body.append(style);
            const away = await fetch("http://127.0.0.1:9/").then(() => "went", () => "stopped");
            return [window.broken === true, getComputedStyle(document.body).display === "none", away];
        }"""
    )
    assert ran == [False, False, "stopped"]
    assert one.complaints
    assert all("Content Security Policy" in told or "TrustedScript" in told or "violates" in told for told in one.complaints)
    one.complaints.clear()


# --- doing -------------------------------------------------------------------------------------------------------------


async def test_draining_asks_first_and_holds(world: Any, visit: Any) -> None:
    """By keyboard: Escape changes nothing and leads back; yes drains; the next call goes round it; enabling puts it back."""
    first, second = world.carriers[:2]
    one = await visit()
    await one.enter()
    drain = one.page.get_by_role("button", name=f"Drain {first}")
    await drain.focus()
    await one.page.keyboard.press("Enter")
    ask = one.page.get_by_role("dialog", name=f"Drain {first}?")
    await expect(ask.get_by_role("button", name="Cancel")).to_be_focused()
    await expect(ask).to_contain_text("no probe and no recovery undoes it")
    await one.page.keyboard.press("Escape")
    await expect(drain).to_be_focused()
    assert (await world.store.hand(first)).state is ServiceState.ACTIVE
    await one.page.keyboard.press("Enter")
    await one.page.keyboard.press("Tab")
    await one.page.keyboard.press("Enter")
    await expect(tile(one, first)).to_contain_text("Draining")
    await expect(tile(one, first)).to_contain_text("by hand")
    number = world.person(answer_after_s=0.2, hangup_after_s=0.3)
    call = await world.until(await world.call(number), "ended")
    assert [leg["carrier"] for leg in call["legs"]] == [second]
    await one.page.get_by_role("button", name=f"Enable {first}").click()
    await one.page.get_by_role("dialog").get_by_role("button", name="Enable").click()
    await expect(tile(one, first)).to_contain_text("Fit")


async def test_disabling_the_last_carrier_says_what_it_means(world: Any, visit: Any) -> None:
    """The question tells that every new call would wait; who disabled it stands on the tile."""
    *others, last = world.carriers
    one = await visit()
    await one.enter()
    for name in others:
        await one.page.get_by_role("button", name=f"Disable {name}").click()
        await one.page.get_by_role("dialog").get_by_role("button", name="Disable").click()
        await expect(tile(one, name)).to_contain_text("Disabled")
    await one.page.get_by_role("button", name=f"Disable {last}").click()
    await expect(one.page.get_by_role("dialog")).to_contain_text("every new call becomes a promise")
    await expect(one.page.locator("#carriers-sum")).to_have_text(f"1 of {len(world.carriers)} take calls")


async def test_a_call_is_explained_placed_and_hung_up(world: Any, visit: Any) -> None:
    """The form refuses in words what REST refuses, tells the carriers' order, places the call, and its story hangs it up."""
    one = await visit()
    await one.enter()
    await one.page.get_by_role("button", name="Place a call").click()
    form = one.page.get_by_role("dialog", name="Place a call")
    await form.get_by_label("Number").fill("+4930123456")
    await form.get_by_role("button", name="Call", exact=True).click()
    await expect(form.get_by_role("alert")).to_contain_text("numbers that begin with +1")
    taken(one, "422")
    number = world.person(answer_after_s=0.2, says="speech")
    await form.get_by_label("Number").fill(number)
    await form.get_by_role("button", name="Which carriers?").click()
    await expect(form.locator(".order li").first).to_contain_text(f"1. {world.carriers[0]}")
    await form.get_by_role("button", name="Call", exact=True).click()
    story = one.page.get_by_role("dialog", name=f"Call to {number}")
    await expect(story.locator(".head")).to_contain_text("Talking")
    await story.get_by_role("button", name="Hang up").click()
    await one.page.get_by_role("dialog", name="Hang up this call?").get_by_role("button", name="Hang up").click()
    await expect(story.locator(".head")).to_contain_text("Completed")


async def test_a_link_fills_the_form_and_places_nothing(world: Any, visit: Any) -> None:
    """What the telephone's page links to is a form with its number; only a person's press places the call."""
    one = await visit()
    await one.enter()
    await one.page.goto(f"{one.url}/?call=%2B15550108999")
    await expect(one.page.get_by_role("dialog").get_by_label("Number")).to_have_value("+15550108999")
    await one.page.keyboard.press("Escape")
    await expect(one.page.locator("#calls-none")).to_be_visible()
    link = one.page.get_by_role("link", name="The phone")
    await expect(link).to_have_attribute("href", "/phone")


async def test_a_call_that_was_taken_back_before_its_time_says_that_nobody_was_tried(world: Any, visit: Any) -> None:
    """And not that a carrier is still being waited for."""
    call_id = await world.call(world.person(), not_before="2027-01-01T00:00:00Z", expires_at="2027-01-01T01:00:00Z")
    one = await visit()
    await one.enter()
    lanes = one.page.locator(".lanes").first
    await expect(lanes).to_contain_text("no carrier yet")
    await world.take_back(call_id)
    await expect(lanes).to_contain_text("no carrier was tried")
