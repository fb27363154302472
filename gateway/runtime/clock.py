"""Time, ids and randomness for everything that touches the world; handed in, so that a simulation can hand in its own."""

import asyncio
import secrets
import time
from typing import Protocol


class Clock(Protocol):
    """Unix seconds, and waiting."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def random_id(prefix: str) -> str:
    """`call_4f1c...`: 96 random bits, so that ids neither collide nor can be guessed."""
    return f"{prefix}_{secrets.token_hex(12)}"


def random_token() -> str:
    """An unguessable path segment (256 bits) for a media socket."""
    return secrets.token_urlsafe(32)
