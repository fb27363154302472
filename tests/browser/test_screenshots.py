"""The pictures of docs/images: `make screenshots` writes them there; otherwise the same scenes are only looked at."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

SIZES = {"desk": {"width": 1440, "height": 1000}, "phone": {"width": 390, "height": 844}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the pictures go."""
    return Path(os.environ.get("SCREENSHOTS") or tmp_path)


async def an_evening(world: Any) -> str:
    """Calls of all sorts, while carriers come and go; the id of one that failed over twice and is being talked in."""
    talkers = [world.person(answer_after_s=0.3, says="speech") for _ in range(6)]
    ended = [world.person(answer_after_s=0.2, says="speech", hangup_after_s=0.7) for _ in range(4)]
    others = [world.person(behavior=kind) for kind in ("busy", "decline", "invalid")]
    done = [await world.call(number, agent="echo") for number in (*ended, *others)]
    for call_id in done:
        await world.until(call_id, "ended")
    world.lab.set_faults("twilio", [{"kind": "rate_limited"}])
    moved = [await world.call(number, agent="echo", metadata={"order": "4711"}) for number in talkers[:2]]
    for call_id in moved:
        await world.until(call_id, "in_progress")
    world.lab.set_faults("twilio", [{"kind": "down"}])
    world.lab.set_faults("telnyx", [{"kind": "reject", "cause": "503"}])
    story = await world.call(talkers[2], agent="receptionist", metadata={"order": "4712", "language": "en"})
    return str(story)


async def test_try(world: Any, visit: Any, folder: Path) -> None:
    """Look."""
    one = await visit(viewport=SIZES["desk"])
    await one.enter()
    story = await an_evening(world)
    await asyncio.sleep(3)
    await one.page.screenshot(path=folder / "console.png")
    await one.page.goto(f"{one.url}/#/calls/{story}")
    await asyncio.sleep(1)
    await one.page.screenshot(path=folder / "story.png")
    print(one.complaints)
