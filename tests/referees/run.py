"""Runs every referee and prints the table: `make referees`. Ends with 1 if a test failed, a cell is empty without a reason,
a request has no row, or a knob is not turned both ways. Options go to pytest (`make referees ARGS="-k twilio -x"`).
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from operations import KINDS  # noqa: E402 - the line above makes it one of ours
from report import report  # noqa: E402

FRAMES_PYTHON = ROOT / ".venv-referees" / "bin" / "python"


def parts(record: Path) -> Sequence[tuple[str, list[str]]]:
    """What runs side by side: a name, and a command that writes its record."""
    cells = [f"--referee-record={record}/cells-{{}}.json", "-p", "referee_watch"]
    carriers = [f"tests/carriers/{kind}" for kind in KINDS]
    others = [f"tests/referees/test_{name}.py" for name in ("documents", "signatures", "vectors")]
    two = ["-n", "2", "--dist", "loadfile"]
    own, frames = [sys.executable, "-m", "pytest"], [str(FRAMES_PYTHON), "-m", "pytest"]
    audioop = ["-W", "ignore:'audioop':DeprecationWarning"]
    return (
        ("requests", [*own, *cells, "tests/referees/test_requests.py"]),
        ("the rest", [*own, *cells, *others]),
        ("knobs", [*own, *cells, "-p", "knob_watch", f"--knob-record={record}/knobs-all.json", *two, *carriers]),
        ("frames", [*frames, *cells, *audioop, "tests/referees/frames"]),
        ("pipecat bot", [*own, *cells, *audioop, "tests/referees/pipecat_bot"]),
    )


def main(arguments: Sequence[str]) -> int:
    """Everything at once: most of it waits for telephones."""
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder)
        running = [
            (name, start([word.format(name) for word in command] + list(arguments), record / f"{name}.log"))
            for name, command in parts(record)
        ]
        failed = [name for name, process in running if process.wait() != 0]
        for name, _process in running:
            print(f"--- {name}")
            print((record / f"{name}.log").read_text(encoding="utf-8").strip())
        print()
        missing = report(record)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else missing


def start(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """One pytest, with the plugins of this folder."""
    environment = os.environ | {"PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    with log.open("wb") as out:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
