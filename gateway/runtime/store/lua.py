"""The Lua scripts: one file each under `scripts/`, all behind one preamble, run by their SHA-1.

A server that does not know a script (restarted, or a replica that was promoted) is sent its text; that is the only
repetition here. Whether a command whose answer was lost took effect is not known, so nothing else is sent twice.
"""

import hashlib
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

_encode = msgspec.msgpack.Encoder().encode
_FOLDER = files("gateway.runtime.store") / "scripts"
_PREAMBLE = "preamble"


class Script(Struct, frozen=True):
    """A script's text, and the SHA-1 by which servers know it."""

    text: str
    sha: str


def _load(name: str, preamble: str) -> Script:
    text = f"{preamble}\n{(_FOLDER / f'{name}.lua').read_text(encoding='utf-8')}"
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def load_scripts() -> dict[str, Script]:
    """All scripts by name."""
    preamble = (_FOLDER / f"{_PREAMBLE}.lua").read_text(encoding="utf-8")
    names = sorted(file.name.removesuffix(".lua") for file in _FOLDER.iterdir() if file.name.endswith(".lua"))
    return {name: _load(name, preamble) for name in names if name != _PREAMBLE}


SCRIPTS = load_scripts()


class ScriptRunner:
    """Runs scripts under one hash tag."""

    def __init__(self, client: Redis, tag: str) -> None:
        self._client, self._tag = client, tag

    async def run(self, name: str, args: Struct | dict[str, Any], blob: bytes = b"") -> Any:
        """The script's reply; raises what redis-py raises. `blob` is bytes that go as they are."""
        script, given = SCRIPTS[name], (1, self._tag, _encode(args), blob)
        try:
            return await self._client.evalsha(script.sha, *given)
        except NoScriptError:
            return await self._client.eval(script.text, *given)

    async def run_and_wait(self, name: str, args: Struct, blob: bytes, replicas: int, wait_s: float) -> tuple[Any, int]:
        """The script's reply, and how many replicas have all that this connection wrote, after at most `wait_s`.

        WAIT speaks of its own connection's writes: both go down one connection, in one pipeline.
        """
        script, given = SCRIPTS[name], (1, self._tag, _encode(args), blob)
        try:
            return await self._pipelined(("EVALSHA", script.sha, *given), replicas, wait_s)
        except NoScriptError:
            return await self._pipelined(("EVAL", script.text, *given), replicas, wait_s)

    async def _pipelined(self, command: tuple[Any, ...], replicas: int, wait_s: float) -> tuple[Any, int]:
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.execute_command(*command)
            pipe.execute_command("WAIT", replicas, max(1, round(wait_s * 1000)))
            reply, reached = await pipe.execute(raise_on_error=False)
        for answer in (reply, reached):
            if isinstance(answer, RedisError):
                raise answer
        return reply, int(reached)
