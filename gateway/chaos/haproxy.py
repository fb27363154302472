"""deploy/haproxy.cfg, with this run's ports in place of those that stand there: what is tried is the file that users take."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from gateway.chaos.ports import HOST
from gateway.domain.errors import HoldlineError

DEFAULT = Path("deploy/haproxy.cfg")
INSTALL = (
    "Install it: `apt-get install haproxy` (Debian, Ubuntu), `dnf install haproxy` (Fedora), `brew install haproxy` (macOS)."
)


class NoHaproxy(HoldlineError):
    """The program or its configuration is not here; the text says the cure."""


def command_of(config: Path, folder: Path, port: int, members: Sequence[int]) -> tuple[str, ...]:
    """What starts it, in the foreground and as one process, so that a kill is a kill. Raise NoHaproxy."""
    program = shutil.which("haproxy")
    if program is None:
        raise NoHaproxy(f"HAProxy is not installed. {INSTALL}")
    if not config.is_file():
        raise NoHaproxy(f"There is no {config}: start in the folder of Holdline's source, which has it.")
    written = folder / "haproxy.cfg"
    written.write_text(adapted(config.read_text(encoding="utf-8"), port, members), encoding="utf-8")
    return (program, "-db", "-f", str(written))


def adapted(text: str, port: int, members: Sequence[int]) -> str:
    """The same configuration: another port to bind, other members; nothing else is touched."""
    bound = re.sub(r"(?m)^(\s+)bind \S+$", rf"\g<1>bind {HOST}:{port}", text)
    servers = "".join(f"    server gateway{index} {HOST}:{member}\n" for index, member in enumerate(members, 1))
    return re.sub(r"(?m)(^ +server \S+ \S+\n?)+", lambda _found: servers, bound, count=1)
