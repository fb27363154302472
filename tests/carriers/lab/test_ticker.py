"""The beat of the media streams."""

import asyncio

from carriers.lab.ticker import PERIOD_S, Ticker


async def test_fifty_beats_a_second_without_drift() -> None:
    """Twenty beats take twenty periods, however late single ones are."""
    loop = asyncio.get_running_loop()
    done, beats = asyncio.Event(), []

    def beat() -> None:
        beats.append(loop.time())
        if len(beats) == 20:
            done.set()

    ticker, started = Ticker(beat), loop.time()
    ticker.run(True)
    async with asyncio.timeout(5):
        await done.wait()
    ticker.run(False)
    assert beats[-1] - started >= 20 * PERIOD_S - 0.005


async def test_it_catches_up_a_little_and_not_for_ever() -> None:
    """After a loop that hung for a second only the last fifth of it is made up for."""
    loop, beats = asyncio.get_running_loop(), []
    burst = asyncio.Event()

    def beat() -> None:
        beats.append(loop.time())
        burst.set()

    ticker = Ticker(beat)
    ticker.run(True)
    hung_until = loop.time() + 1.0
    while loop.time() < hung_until:
        pass  # the loop is held up, as by a slow test machine
    async with asyncio.timeout(5):
        await burst.wait()
    ticker.run(False)
    assert 2 <= len(beats) <= 12


async def test_a_stopped_ticker_beats_no_more() -> None:
    """A beat that stops its own ticker is the last one, even while it catches up."""
    beats: list[int] = []
    stopped = asyncio.Event()

    def beat() -> None:
        beats.append(1)
        ticker.run(False)
        stopped.set()

    ticker = Ticker(beat)
    ticker.run(True)
    async with asyncio.timeout(5):
        await stopped.wait()
    assert beats == [1]
