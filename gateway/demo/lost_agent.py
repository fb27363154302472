"""The agent's process is killed with people on the line, and each of them goes down a ladder of their own.

Judged by the lab's ledger, by what the phones recorded, by the log of the agent that died, and by the sound of the message.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar

from gateway.demo.alex import key_at, spoken
from gateway.demo.client import GatewayClient, LabClient
from gateway.demo.mortal import Mortal
from gateway.demo.recording import first_sound, speech_s, tone_s
from gateway.demo.rungs import (
    AT_CARRIER,
    CALLBACK,
    CALLER_HZ,
    COLLEAGUE,
    COLLEAGUE_HZ,
    FATES,
    GOODBYE,
    HANDED,
    HELD,
    MESSAGE,
    NEXT,
    Fate,
    numbers_called,
)
from gateway.demo.story import Carrier
from gateway.demo.telling import Teller
from gateway.demo.witness import Finding

SILENCE_LIMIT_S = 2.0
"""Nobody hears nothing for longer than this after the agent's death."""
CHIMED_S = 0.4
"""So much of the agent's chime of half a second everybody has heard before it dies ..."""
LULL_S = 0.6
"""... and so long it has been quiet then, so that what is heard after its death is not the chime's end."""
TALKS_WITHIN_S, LADDER_TAKES_S = 10.0, 30.0
SPEAKS_AT_S = 13.0
"""After the answer: behind the greeting of the voicemail and its tone, with some seconds to spare."""
AWAY_S = 4.0
"""So long the agent stays dead."""
SPOKEN_S = 2.0
"""Behind the beginning of the message the caller presses the key that ends it."""
HEARD_S, MESSAGE_S = 1.0, 0.8
"""So much of a voice proves that it was there."""
_LOOK_EVERY_S = 0.1
_LONGEST_CALL_S = 60.0
_TAKES_THE_CALL: Mapping[str, Any] = {
    "behavior": "answer",
    "answer_after_s": 1.0,
    "says": f"tone:{COLLEAGUE_HZ}",
    "dtmf": key_at(4.0, "1"),
    "hangup_after_s": _LONGEST_CALL_S,
}
"""How the colleague's phone behaves."""
_ENDS_IT = key_at(SPEAKS_AT_S + SPOKEN_S, "#")
_SAYS: Mapping[str, Mapping[str, Any]] = {
    MESSAGE.name: {"says": spoken("hello", SPEAKS_AT_S), "dtmf": _ENDS_IT},
    AT_CARRIER.name: {"says": "speech", "dtmf": _ENDS_IT},
    HANDED.name: {"says": f"tone:{CALLER_HZ}"},
}
"""Everybody else only listens."""


class LostAgent:
    """Plays the scene: one caller for each rung, spread over the carriers."""

    title = "Now the agent's own process dies, with seven people on the line"

    def __init__(
        self, gateway: GatewayClient, lab: LabClient, teller: Teller, carriers: Sequence[Carrier], mortal: Mortal
    ) -> None:
        self._gateway, self._lab, self._teller, self._mortal = gateway, lab, teller, mortal
        self._carriers = carriers
        self._began = self._died_at = 0.0
        self._back: asyncio.Future[None]
        self._before: dict[str, float] = {}
        """How much of the agent each had heard when it died."""

    async def play(self) -> tuple[Finding, ...]:
        """From the first call to the last goodbye."""
        for carrier in self._carriers:
            await self._lab.set_faults(carrier.lab)
        await self._mortal.start()
        await self._lab.set_phone(COLLEAGUE, **_TAKES_THE_CALL)
        self._began = time.time()
        await asyncio.gather(*(self._call(*pair) for pair in numbers_called([one.numbers[0] for one in self._carriers])))
        answered = await asyncio.gather(*(self._chimed(fate) for fate in FATES))
        await self._kill()
        self._back = asyncio.ensure_future(self._come_back())
        fates = await asyncio.gather(*(self._RUNGS[fate.name](self, fate) for fate in FATES))
        await self._back
        waits = await asyncio.gather(*(self._waited(fate) for fate in FATES))
        known = [wait for wait in waits if wait is not None]
        if known:
            longest = math.ceil(max(*known, 0.01) * 10) / 10
            self._teller.sound(f"when the agent had died, everybody heard a word again within {longest:.1f}s")
        return (*answered, *map(_soon, FATES, waits), *(finding for found in fates for finding in found))

    # --- until it dies ---

    async def _call(self, fate: Fate, ours: str) -> None:
        talk = _SAYS.get(fate.name, {"says": "silence"})
        await self._lab.set_phone(fate.number, behavior="answer", answer_after_s=0.5, says="silence", hangup_after_s=5.0)
        await self._lab.dial(fate.number, to=ours, caller_name=fate.name, hangup_after_s=_LONGEST_CALL_S, **talk)

    async def _chimed(self, fate: Fate) -> Finding:
        await self._until(lambda: self._hears(fate, CHIMED_S), TALKS_WITHIN_S)
        heard = self._before[fate.name] = await self._heard(fate)
        return Finding(expected=f"{fate.name} reaches the agent", saw=f"{heard:.1f} s of it heard", ok=heard >= CHIMED_S)

    async def _kill(self) -> None:
        await asyncio.sleep(LULL_S)
        self._say(f"{', '.join(fate.name for fate in FATES[:-1])} and {FATES[-1].name} are talking with the agent")
        self._died_at = time.time()
        await self._mortal.kill()
        self._say("kill -9 for the agent's process; nobody's line is lost, but nobody is there", "red")

    async def _come_back(self) -> None:
        await asyncio.sleep(AWAY_S)
        await self._mortal.start()
        self._say("the agent's process is started again", "green")

    # --- what becomes of each ---

    async def _next(self, fate: Fate) -> tuple[Finding, ...]:
        await self._until(lambda: self._hears(fate, self._before[fate.name] + 2 * HEARD_S), LADDER_TAKES_S)
        more = await self._heard(fate) - self._before[fate.name]
        await self._lab.hang_up(fate.number)
        self._say(f"{fate.name} talks with the next agent of the list")
        ended = await self._ended_by(fate)
        return (
            _found(f"{fate.name} hears the next agent", f"{more:.1f} s more heard", ok=more >= HEARD_S),
            _found(f"{fate.name} hangs up, and nobody else", ended, ok=ended == "phone"),
        )

    async def _held(self, fate: Fate) -> tuple[Finding, ...]:
        async def is_back() -> bool:
            return self._mortal.calls_from(fate.number) > 1

        back = await self._until(is_back, LADDER_TAKES_S)
        if back:
            self._say(f"{fate.name} waited, and has the agent again")
        heard = await self._heard(fate)
        await self._until(lambda: self._hears(fate, heard + CHIMED_S), TALKS_WITHIN_S)
        await self._lab.hang_up(fate.number)
        calls = self._mortal.calls_from(fate.number)
        return (_found(f"{fate.name} gets the same agent again", f"it had {calls} calls of theirs", ok=calls == 2),)

    async def _message(self, fate: Fate) -> tuple[Finding, ...]:
        async def kept() -> bool:
            return await self._gateway.voicemail_of(fate.number) is not None

        await self._until(lambda: self._ends(fate), LADDER_TAKES_S)
        await self._until(kept, LADDER_TAKES_S)
        message = await self._gateway.voicemail_of(fate.number)
        sound = 0.0 if message is None else speech_s(await self._gateway.voicemail_sound(message["id"]))
        self._say(f"{fate.name} has left a message: {sound:.1f}s of speech are in /v1/voicemails")
        return (_found(f"the message has {fate.name}'s voice", f"{sound:.1f} s of speech", ok=sound >= MESSAGE_S),)

    async def _callback(self, fate: Fate) -> tuple[Finding, ...]:
        async def promised() -> bool:
            await self._lab.press(fate.number, "1")
            return await self._gateway.callback_to(fate.number) is not None

        await self._until(promised, LADDER_TAKES_S, every_s=1.0)
        promise = await self._gateway.callback_to(fate.number)
        if promise is None:
            return (_found(f"{fate.name} presses 1, and a callback is promised", "no promise", ok=False),)
        self._say(f"{fate.name} presses 1, and is promised a callback")
        await self._until(lambda: self._ends(fate), LADDER_TAKES_S)
        await self._back
        self._say(f"POST /v1/callbacks/{promise['id']}/run")
        await self._gateway.run_callback(promise["id"])
        over = await self._until(lambda: self._ends(fate, calls=2), LADDER_TAKES_S)
        phone = await self._lab.phone(fate.number)
        sound = speech_s(await self._lab.recording(fate.number, call=2)) if over else 0.0
        self._say(f"{fate.name}'s phone has rung, and the agent has talked")
        expected = f"one ring for {fate.name}, and an agent that talks"
        return (
            _found(expected, f"{phone['rings']} rings, {sound:.1f} s of sound", ok=phone["rings"] == 1 and sound >= CHIMED_S),
        )

    async def _handed(self, fate: Fate) -> tuple[Finding, ...]:
        async def talked() -> bool:
            return min(await self._of_each_other(fate)) >= HEARD_S

        if await self._until(talked, LADDER_TAKES_S, every_s=0.5):
            self._say(f"Nora, a colleague, has pressed 1; {fate.name} and she hear each other")
        each_s = await self._of_each_other(fate)
        await self._lab.hang_up(fate.number)
        saw = f"{each_s[0]:.1f} s and {each_s[1]:.1f} s of each other"
        return (_found(f"{fate.name} and a colleague hear each other", saw, ok=min(each_s) >= HEARD_S),)

    async def _of_each_other(self, fate: Fate) -> tuple[float, float]:
        """Seconds that the caller has heard of the colleague, and the other way round."""
        if not (await self._lab.phone(COLLEAGUE))["answers"]:
            return 0.0, 0.0
        callers, colleagues = await self._lab.recording(fate.number), await self._lab.recording(COLLEAGUE)
        return tone_s(callers, COLLEAGUE_HZ), tone_s(colleagues, CALLER_HZ)

    async def _goodbye(self, fate: Fate) -> tuple[Finding, ...]:
        await self._until(lambda: self._ends(fate), LADDER_TAKES_S)
        more = await self._heard(fate) - self._before[fate.name]
        ended = await self._ended_by(fate)
        self._say(f"{fate.name} is told the truth, and the call is over")
        ok = more >= 2 * HEARD_S and ended == "carrier"
        return (_found(f"{fate.name} hears a goodbye, and we hang up", f"{more:.1f} s heard, ended by {ended}", ok=ok),)

    _RUNGS: ClassVar[Mapping[str, "Callable[[LostAgent, Fate], Awaitable[tuple[Finding, ...]]]"]] = {
        NEXT.name: _next,
        HELD.name: _held,
        MESSAGE.name: _message,
        AT_CARRIER.name: _message,
        CALLBACK.name: _callback,
        HANDED.name: _handed,
        GOODBYE.name: _goodbye,
    }

    # --- looking ---

    async def _waited(self, fate: Fate) -> float | None:
        """Seconds from the agent's death to the next sound in the person's ear."""
        answers = [entry for entry in await self._lab.ledger(fate.number) if entry["kind"] == "answer"]
        if not answers:
            return None
        return first_sound(await self._lab.recording(fate.number, call=1), self._died_at - answers[0]["at"])

    async def _heard(self, fate: Fate) -> float:
        return float((await self._lab.phone(fate.number))["heard"]["speech_seconds"])

    async def _hears(self, fate: Fate, seconds: float) -> bool:
        return await self._heard(fate) >= seconds

    async def _endings(self, fate: Fate) -> list[Mapping[str, Any]]:
        return [entry for entry in await self._lab.ledger(fate.number) if entry["kind"] == "hangup" and entry["answered"]]

    async def _ends(self, fate: Fate, calls: int = 1) -> bool:
        return len(await self._endings(fate)) >= calls

    async def _ended_by(self, fate: Fate) -> str:
        endings = await self._endings(fate)
        return str(endings[-1]["by"]) if endings else "nobody"

    async def _until(self, reached: Callable[[], Awaitable[bool]], within_s: float, every_s: float = _LOOK_EVERY_S) -> bool:
        deadline = time.monotonic() + within_s
        while not (found := await reached()) and time.monotonic() < deadline:  # noqa: ASYNC110 - other processes' state
            await asyncio.sleep(every_s)
        return found

    def _say(self, text: str, style: str = "") -> None:
        self._teller.at(time.time() - self._began, text, style)


def _soon(fate: Fate, waited_s: float | None) -> Finding:
    saw = "nothing more was heard" if waited_s is None else f"{waited_s:.1f} s of nothing"
    ok = waited_s is not None and waited_s <= SILENCE_LIMIT_S
    return _found(f"{fate.name} hears something within {SILENCE_LIMIT_S:g} s of the agent's death", saw, ok=ok)


def _found(expected: str, saw: str, *, ok: bool) -> Finding:
    return Finding(expected=expected, saw=saw, ok=ok)
