"""The way from one simulated process to the store that all share: it takes time, fails, hangs, and loses answers.

The store behind it is the in-memory one, which a differential test holds to the real one, or the real one itself, driven
without waiting. Each command is one atomic step there; between the wish and the step, and between the step and its
answer, anything may happen to the process.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from random import Random
from typing import Any

from msgspec import Struct

from gateway.domain.errors import StoreUnavailable
from gateway.runtime.store.contract import Store

ANSWER_S = 2.0
"""As long as our client waits for the server's answer."""


class Weather(StrEnum):
    """How the store is."""

    WELL = "well"
    SLOW = "slow"
    REFUSING = "refusing"
    """Nobody listens: an error at once."""
    SILENT = "silent"
    """It takes nothing in, and says nothing."""
    DEAF = "deaf"
    """It does what it is told, and one answer in two is lost."""


class Sky(Struct, kw_only=True):
    """The weather of one world."""

    weather: Weather = Weather.WELL


class Deed(Struct, frozen=True):
    """One command that the store has carried out."""

    name: str
    given: tuple[Any, ...]
    result: Any


class Reach:
    """Implements `Store` for one process by passing every method on; `alive()` False: the process is dead, nothing passes."""

    def __init__(
        self,
        store: Store,
        sky: Sky,
        chance: Random,
        *,
        alive: Callable[[], bool],
        boundary: Callable[[], None],
        seen: Callable[[Deed], None],
    ) -> None:
        self._store, self._sky, self._chance = store, sky, chance
        self._alive, self._boundary, self._seen = alive, boundary, seen

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Every command of the store has the same way to go."""
        command = getattr(self._store, name)

        async def through(*given: Any, **named: Any) -> Any:
            return await self._through(name, command, given, named)

        self.__dict__[name] = through
        return through

    async def _through(self, name: str, command: Callable[..., Awaitable[Any]], given: Any, named: Any) -> Any:
        if not self._alive():
            raise asyncio.CancelledError
        await self._there()
        self._boundary()
        result = await command(*given, **named)
        self._seen(Deed(name, given, result))
        self._boundary()
        await self._back()
        return result

    async def _there(self) -> None:
        weather = self._sky.weather
        if weather is Weather.REFUSING:
            await asyncio.sleep(0)
            raise StoreUnavailable("ConnectionError: refused")
        if weather is Weather.SILENT:
            await asyncio.sleep(ANSWER_S)
            raise StoreUnavailable("TimeoutError: no answer")
        slow = weather is Weather.SLOW
        await asyncio.sleep(self._chance.uniform(0.1, 1.2) if slow else self._chance.uniform(0.0002, 0.002))

    async def _back(self) -> None:
        if self._sky.weather is Weather.DEAF and self._chance.random() < 0.5:
            await asyncio.sleep(ANSWER_S)
            raise StoreUnavailable("TimeoutError: the answer was lost")
        await asyncio.sleep(0)
