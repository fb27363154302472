"""The REST calls of the demo: to the gateway as any customer would make them, and to the lab's control surface."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

_TIMEOUT_S = 10.0
_LOOK_EVERY_S = 0.2


class _Client:
    """Raises httpx.HTTPError for what does not answer, and for every answer that is no success."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        # Loopback only: a proxy of the environment must not stand between.
        self.url = url
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=_TIMEOUT_S, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._http.aclose()

    async def answers(self, path: str) -> bool:
        """Whether GET on this path succeeds right now."""
        try:
            return (await self._http.get(path)).is_success
        except httpx.HTTPError:
            return False

    async def _json(self, method: str, path: str, **how: Any) -> Any:
        answer = await self._http.request(method, path, **how)
        return msgspec.json.decode(answer.raise_for_status().content)


class GatewayClient(_Client):
    """The gateway's REST surface."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, {"Authorization": f"Bearer {key}"})

    async def place(self, to: str, **more: str) -> tuple[int, dict[str, Any]]:
        """`POST /v1/calls`: status and Call. `more`: other fields of the request."""
        answer = (await self._http.post("/v1/calls", json={"to": to, **more})).raise_for_status()
        return answer.status_code, msgspec.json.decode(answer.content)

    async def call(self, call_id: str) -> dict[str, Any]:
        """`GET /v1/calls/{id}`."""
        found: dict[str, Any] = await self._json("GET", f"/v1/calls/{call_id}")
        return found

    async def passed_over(self, call_id: str) -> dict[str, str]:
        """Why the router's last look found no carrier, for those that it did not even try: name -> reason."""
        found = await self._json("GET", f"/v1/calls/{call_id}/events")
        looks = [event["data"]["passed"] for event in found["items"] if event["kind"] == "route-exhausted"]
        reasons = dict(words.split(": ", 1) for words in (looks[-1] if looks else ()))
        return {name: reason for name, reason in reasons.items() if not reason.startswith("tried")}

    async def carriers(self) -> list[dict[str, Any]]:
        """`GET /v1/carriers`, by priority."""
        found = await self._json("GET", "/v1/carriers")
        return sorted(found["items"], key=lambda carrier: int(carrier["priority"]))

    async def until_well(self, names: Collection[str], within_s: float) -> None:
        """Wait until calls would be placed with these carriers again, or the time is over."""
        deadline = time.monotonic() + within_s
        while not await self._well(names) and time.monotonic() < deadline:  # noqa: ASYNC110 - other processes' state
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _well(self, names: Collection[str]) -> bool:
        states = {carrier["name"]: carrier["breaker"]["place"]["state"] for carrier in await self.carriers()}
        return all(states.get(name) == "closed" for name in names)

    async def voicemail_of(self, caller: str) -> dict[str, Any] | None:
        """The newest message that this person left, if it is kept."""
        found = await self._json("GET", "/v1/voicemails")
        return next((one for one in found["items"] if one["from"] == caller and one["status"] == "kept"), None)

    async def voicemail_sound(self, voicemail_id: str) -> bytes:
        """`GET /v1/voicemails/{id}/audio`: a WAV."""
        return (await self._http.get(f"/v1/voicemails/{voicemail_id}/audio")).raise_for_status().content

    async def callback_to(self, number: str) -> dict[str, Any] | None:
        """The newest promise to call this person, if there is one."""
        found = await self._json("GET", "/v1/callbacks", params={"to": number})
        return next(iter(found["items"]), None)

    async def run_callback(self, callback_id: str) -> None:
        """`POST /v1/callbacks/{id}/run`: now, and not when it would be due."""
        await self._json("POST", f"/v1/callbacks/{callback_id}/run")

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """`GET /v1/events` from now on, until the gateway goes."""
        async with self._http.stream("GET", "/v1/events", timeout=httpx.Timeout(_TIMEOUT_S, read=None)) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    yield msgspec.json.decode(line.removeprefix("data:"))


class LabClient(_Client):
    """The lab's control surface."""

    async def credentials(self) -> dict[str, dict[str, Any]]:
        """Per carrier of the lab its keys and numbers."""
        found: dict[str, dict[str, Any]] = await self._json("GET", "/lab/credentials")
        return found

    async def set_faults(self, carrier: str, *faults: Mapping[str, Any]) -> None:
        """Replace a carrier's faults; none makes it well."""
        await self._json("PUT", f"/lab/carriers/{carrier}/faults", json={"faults": list(faults)})

    async def set_phone(self, number: str, **setup: Any) -> None:
        """How a phone behaves from its next call on."""
        await self._json("PUT", f"/lab/phones/{number}", json=setup)

    async def dial(self, number: str, **call: Any) -> None:
        """A person calls one of our numbers."""
        await self._json("POST", f"/lab/phones/{number}/call", json=call)

    async def press(self, number: str, digit: str) -> None:
        """The person presses a key, if there is a call."""
        await self._json("POST", f"/lab/phones/{number}/press", json={"digit": digit})

    async def hang_up(self, number: str) -> None:
        """The person hangs up, if there is a call."""
        await self._json("POST", f"/lab/phones/{number}/hang_up")

    async def phone(self, number: str) -> dict[str, Any]:
        """Its rings, answers and calls."""
        found: dict[str, Any] = await self._json("GET", f"/lab/phones/{number}")
        return found

    async def ledger(self, number: str) -> list[dict[str, Any]]:
        """All that happened to a number, in order."""
        found = await self._json("GET", "/lab/ledger", params={"number": number})
        return list(found["entries"])

    async def recording(self, number: str, call: int | None = None) -> bytes:
        """A stereo WAV of the last answered call, or of the phone's first (0), second ..."""
        which = {} if call is None else {"call": call}
        answer = await self._http.get(f"/lab/phones/{number}/audio", params={"said": 1, **which})
        return answer.raise_for_status().content
