"""Plays what tests of this session will judge, several plays side by side: most of their time is waiting for telephones."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

AT_ONCE = 4


class Together(Generic[K, T]):
    """Plays each wanted key once, all at the first call; what a play raised is raised for every judge of it."""

    def __init__(self, wanted: Mapping[K, Callable[[], Awaitable[T]]]) -> None:
        self._wanted = wanted
        self._played: dict[K, T | Exception] = {}

    async def of(self, key: K) -> T:
        """What became of one play."""
        if not self._played:
            places = asyncio.Semaphore(AT_ONCE)
            await asyncio.gather(*(self._play(one, places) for one in self._wanted))
        found = self._played[key]
        if isinstance(found, Exception):
            raise found
        return found

    async def _play(self, key: K, places: asyncio.Semaphore) -> None:
        async with places:
            try:
                self._played[key] = await self._wanted[key]()
            except Exception as error:
                self._played[key] = error
