"""While the demo stays up: the user's own calls, one line for each thing that happens, off `GET /v1/events`."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from gateway.demo.client import GatewayClient, LabClient
from gateway.demo.telling import Teller, failed_over

_AGAIN_AFTER_S = 1.0
_SHORT = 6
"""So many characters of a call's id tell it from the user's other calls."""

Event = Mapping[str, Any]
Titles = Mapping[str, str]
"""The config's names of carriers -> those for people."""


class Live:
    """Follows until it is cancelled; a gateway that is away for a moment is asked again."""

    def __init__(self, gateway: GatewayClient, lab: LabClient, teller: Teller, folder: Path, titles: Titles) -> None:
        self._gateway, self._lab, self._teller, self._folder, self._titles = gateway, lab, teller, folder, titles

    async def follow(self) -> None:
        """Tell what happens, for ever."""
        while True:
            try:
                async for event in self._gateway.events():
                    await self._tell(event)
            except httpx.HTTPError:
                pass
            await asyncio.sleep(_AGAIN_AFTER_S)

    async def _tell(self, event: Event) -> None:
        words = _WORDS.get(event["kind"])
        text = words(event, self._titles) if words else ""
        if text:
            when = datetime.fromisoformat(event["at"]).astimezone()
            self._teller.live(f"{when:%H:%M:%S}", f"call …{event['call_id'][-_SHORT:]} {text}")
        if event["kind"] == "call-ended":
            await self._save(event["call_id"])

    async def _save(self, call_id: str) -> None:
        """A call that was answered has a recording; one phone's last call is the one that has just ended."""
        try:
            call = await self._gateway.call(call_id)
            if call["answered_at"] is None:
                return
            path = self._folder / f"own-{call_id[-_SHORT:]}.wav"
            path.write_bytes(await self._lab.recording(call["to"]))
        except (httpx.HTTPError, OSError):
            return
        self._teller.saved(path)


def _accepted(_event: Event, _titles: Titles) -> str:
    return "is accepted"


def _routed(event: Event, titles: Titles) -> str:
    data = event["data"]
    last = data.get("failover")
    if last is not None:
        leg = {"carrier": last["from"], "verdict": {"reason": last["reason"]}, "knowledge": last["known"]}
        return failed_over(leg, {"carrier": last["to"], "from": data["caller_id"]}, None, titles)
    passed = "".join(f"; {words}" for words in data.get("passed", ()))
    return f"goes to {_title(event, titles)} as {data['caller_id']}{passed}"


def _ringing(event: Event, titles: Titles) -> str:
    return f"rings through {_title(event, titles)}"


def _answered(event: Event, titles: Titles) -> str:
    return f"is answered, through {_title(event, titles)}"


def _scheduled(event: Event, _titles: Titles) -> str:
    return f"is scheduled ({event['data'].get('reason')}), due at {event['data'].get('due_at')}"


def _ended(event: Event, _titles: Titles) -> str:
    return f"has ended: {event['data'].get('outcome')}"


def _title(event: Event, titles: Titles) -> str:
    return titles.get(event["carrier"], event["carrier"])


_WORDS: Mapping[str, Callable[[Event, Titles], str]] = {
    "call-accepted": _accepted,
    "route-chosen": _routed,
    "call-ringing": _ringing,
    "call-in-progress": _answered,
    "call-scheduled": _scheduled,
    "call-ended": _ended,
}
