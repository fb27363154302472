"""The telephone in the browser: it rings, is answered, hears the agent and is heard, presses keys, calls, and loses a carrier."""

import audioop
import io
import math
import struct
import wave
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

NUMBER = "+15550108777"
HUM_HZ = 620


@pytest.fixture
def hum(tmp_path: Path) -> Path:
    """What the fake microphone hears: a steady tone, 48 kHz, which the browser repeats."""
    path = tmp_path / "hum.wav"
    sound = (int(9000 * math.sin(2 * math.pi * HUM_HZ * at / 48000)) for at in range(48000 * 2))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(b"".join(struct.pack("<h", one) for one in sound))
    return path


class Phone:
    """The page, and what its browser complained about."""

    def __init__(self, page: Page) -> None:
        self.page, self.complaints = page, list[str]()
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def is_(self, state: str) -> None:
        await self.page.locator(f"body[data-state={state}]").wait_for(timeout=15_000)

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def hears(self, seconds: float) -> None:
        """Until so much loud sound has come off the line and through the loudspeaker's worklet."""
        script = "frames => Number(document.getElementById('counts').dataset.loud ?? 0) >= frames"
        await self.page.wait_for_function(script, arg=seconds * 50, timeout=15_000)


@pytest.fixture
async def phone(world: Any, open_browser: Callable[..., Awaitable[Any]], hum: Path) -> Any:
    """Switched on, with a microphone that hums."""
    browser = await open_browser(
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={hum}"
    )
    context = await browser.new_context()
    one = Phone(await context.new_page())
    await one.page.goto(f"{world.url}/phone")
    await one.page.get_by_label("This phone's number").fill(NUMBER)
    await one.press("Switch on")
    await one.is_("idle")
    yield one
    assert one.complaints == []


async def said_by_the_phone(world: Any) -> bytes:
    """What the lab heard the phone say: 16-bit PCM at 8 kHz, of the last answered call."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{world.lab.url}/lab/phones/{NUMBER}/audio", params={"said": 1})
    with wave.open(io.BytesIO(answer.raise_for_status().content)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 8000)
        return audioop.tomono(file.readframes(file.getnframes()), 2, 1, 0)


def pitch_hz(sound: bytes) -> float:
    """Of a steady tone, by its zero crossings in the loud part."""
    loud = [sound[at : at + 320] for at in range(0, len(sound) - 320, 320) if audioop.rms(sound[at : at + 320], 2) > 500]
    return sum(audioop.cross(frame, 2) for frame in loud) / len(loud) * 50 / 2


async def test_a_call_is_answered_and_both_hear_each_other(world: Any, phone: Phone) -> None:
    """It rings with the caller's number; once answered the agent's speech reaches the loudspeaker, and what the microphone
    hears reaches the carrier, at its own pitch; hanging up ends the call.
    """
    call_id = await world.call(NUMBER, agent="receptionist")
    await phone.is_("ringing")
    await expect(phone.page.locator("#peer")).to_contain_text("+1555019")
    await phone.press("Answer")
    await phone.is_("talking")
    await phone.hears(1.0)
    await phone.press("Hang up")
    await phone.is_("idle")
    call = await world.until(call_id, "ended")
    assert call["outcome"] == "completed"
    said = await said_by_the_phone(world)
    assert len(said) / 16000 > 1.0
    assert pitch_hz(said) == pytest.approx(HUM_HZ, rel=0.03)
    assert call["legs"][-1]["media"]["frames_in"] > 25


async def test_a_call_is_declined(world: Any, phone: Phone) -> None:
    """The second button is Decline while it rings; the call ends as declined, and the phone is ready again."""
    call_id = await world.call(NUMBER)
    await phone.is_("ringing")
    await phone.press("Decline")
    assert (await world.until(call_id, "ended"))["outcome"] == "declined"
    await phone.is_("idle")


async def test_a_carrier_dies_while_it_is_talking(world: Any, phone: Phone) -> None:
    """The switch beside the phone kills the carrier, the line goes dead and says so; the next call comes through another."""
    await world.call(NUMBER, agent="echo")
    await phone.is_("ringing")
    await phone.press("Answer")
    await phone.is_("talking")
    first = world.carriers[0]
    await phone.press(f"Kill {first}")
    await expect(phone.page.locator("#switches li", has_text=first)).to_contain_text("dead")
    await phone.is_("idle")
    await world.call(NUMBER, agent="echo")
    await phone.is_("ringing")
    await expect(phone.page.locator("#peer")).not_to_contain_text(first)
    await phone.press("Answer")
    await phone.hears(0.5)
    await phone.press(f"Heal {first}")
    await expect(phone.page.locator("#switches li", has_text=first)).to_contain_text("well")
    await phone.press("Hang up")
    await phone.is_("idle")


async def test_a_key_reaches_the_carrier(world: Any, phone: Phone) -> None:
    """A key pressed on the page is heard of in the log of what the phone did; without a call keys are off."""
    key = phone.page.get_by_role("group", name="Keys").get_by_role("button", name="5")
    await expect(key).to_be_disabled()
    await world.call(NUMBER, agent="echo")
    await phone.is_("ringing")
    await phone.press("Answer")
    await phone.is_("talking")
    await key.click()
    await expect(phone.page.locator("#log")).to_contain_text("Pressed 5")
    await expect(phone.page.locator("#trouble")).to_be_hidden()


async def test_a_tone_speaks_where_there_is_no_microphone(world: Any, open_browser: Callable[..., Awaitable[Any]]) -> None:
    """Without a device the page says so, hums 440 Hz instead, and the lab hears it."""
    browser = await open_browser()
    one = Phone(await (await browser.new_context()).new_page())
    await one.page.goto(f"{world.lab.url}/lab/phone?number={NUMBER}")
    await one.press("Switch on")
    await expect(one.page.locator("#trouble")).to_contain_text("hums a tone instead")
    await world.call(NUMBER, agent="echo")
    await one.is_("ringing")
    await one.press("Answer")
    await one.hears(1.0)
    await one.press("Hang up")
    await one.is_("idle")
    assert pitch_hz(await said_by_the_phone(world)) == pytest.approx(440, rel=0.03)
    assert one.complaints == []


async def test_the_phone_calls_one_of_our_numbers(world: Any, phone: Phone) -> None:
    """The agent behind that number answers and is heard; hanging up ends the call."""
    number = world.lab.credentials(world.carriers[0])["numbers"][0]
    await phone.page.get_by_label("One of our numbers").select_option(value=number)
    await phone.press("Call it")
    await phone.is_("talking")
    await expect(phone.page.locator("#peer")).to_contain_text(number)
    await phone.hears(1.0)
    await phone.press("Hang up")
    await phone.is_("idle")


async def test_two_cannot_sit_at_one_phone(world: Any, phone: Phone) -> None:
    """A second page at the same number is told so, and stays off."""
    second = Phone(await phone.page.context.new_page())
    await second.page.goto(f"{world.lab.url}/lab/phone?number={NUMBER}")
    await second.press("Switch on")
    await expect(second.page.locator("#trouble")).to_contain_text("take another number")
    await second.is_("off")
