"""`holdline`, with everything imported once: each line on standard input is a gateway to be forked from here.

A gateway costs three seconds of processor to import, and the tests start some sixty. What is forked is a process like any
other: a store connection, a port, a log and a death of its own. That `holdline serve` starts from nothing is tried by
tests/cli/test_processes.py, by the demo and by chaos.
"""

import importlib
import json
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

DYING = Path(__file__).with_name("dying.py")


def main() -> None:
    """A line is {arguments, environment, folder, hook}; the answer, a line as well, is the process's id."""
    _import_everything()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries our children
    print("warm", flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        out = os.open(Path(wanted["folder"]) / "out", os.O_WRONLY)
        process = os.fork()
        if process == 0:
            _become(wanted, out)
        os.close(out)
        print(process, flush=True)


def _import_everything() -> None:
    for carrier in ("twilio", "telnyx", "plivo", "vonage"):
        importlib.import_module(f"carriers.{carrier}.api")
    importlib.import_module("gateway.commands.serve")
    importlib.import_module("gateway.serving")


def _become(wanted: dict[str, Any], out: int) -> None:
    """Never returns. Standard output is a pipe with a name: it ends when the process does."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _open_files(Path(wanted["folder"]), out)
        os.environ.clear()
        os.environ.update(wanted["environment"])
        sys.argv[1:] = wanted["arguments"]
        if wanted["hook"]:
            runpy.run_path(str(DYING))["die_at"](*wanted["hook"])
        code = _run()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _open_files(folder: Path, out: int) -> None:
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, usual in ((nothing, 0), (out, 1), (log, 2)):
        os.dup2(ours, usual)
        os.close(ours)


def _run() -> int:
    from gateway.cli import main as holdline

    try:
        holdline()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    main()
