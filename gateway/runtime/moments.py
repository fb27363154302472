"""Who has been asked for a moment's patience, and whether they have heard it to its end: no next agent cuts it off."""

import asyncio
from collections.abc import Mapping
from typing import Any

from agent.contract import CallInfo

LONGEST_S = 3.0
"""The sentence takes less than half of it; a mark that is lost holds nobody up for longer."""


class Moments:
    """`agent.hold.Watch` of the agent `moment`."""

    def __init__(self) -> None:
        self._heard: dict[str, asyncio.Event] = {}

    def began(self, call: CallInfo, kept: Mapping[str, Any]) -> None:
        self._heard[call.call_id] = asyncio.Event()

    def heard(self, call: CallInfo) -> None:
        self._set(call.call_id)

    def over(self, call: CallInfo) -> None:
        self._set(call.call_id)
        self._heard.pop(call.call_id, None)

    async def passed(self, call_id: str) -> None:
        """Wait until the sentence has been heard, or until nobody waits any more."""
        event = self._heard.get(call_id)
        if event is None:
            return
        try:
            async with asyncio.timeout(LONGEST_S):
                await event.wait()
        except TimeoutError:
            return

    def _set(self, call_id: str) -> None:
        event = self._heard.get(call_id)
        if event is not None:
            event.set()
