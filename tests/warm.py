"""`holdline`, with everything imported once: each line on standard input is a command to be forked from here.

A gateway costs three seconds of processor to import, and the tests start some eighty. What is forked is a process like any
other: a store connection, a port, a log and a death of its own. That `holdline` starts from nothing is tried by
tests/cli/test_processes.py and its neighbours, by the demo and by chaos.
"""

import gc
import importlib
import json
import os
import runpy
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any


def main() -> None:
    """A line is {arguments, environment, folder, hook, ends}; the answer, a line as well, is the process's id.

    Of one that `ends` the answer comes when it has, and is its exit code.
    """
    _import_everything()
    print("warm", flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        kind = os.O_CREAT | os.O_TRUNC if wanted["ends"] else 0  # else it is a pipe with a name, which ends with the process
        out = os.open(Path(wanted["folder"]) / "out", os.O_WRONLY | kind, 0o600)
        process = os.fork()
        if process == 0:
            _become(wanted, out)
        os.close(out)
        print(_code(process) if wanted["ends"] else process, flush=True)


def _import_everything() -> None:
    gc.disable()
    for carrier in ("twilio", "telnyx", "plivo", "vonage"):
        importlib.import_module(f"carriers.{carrier}.api")
    importlib.import_module("gateway.commands.serve")
    importlib.import_module("gateway.serving")
    gc.freeze()


def _code(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _become(wanted: dict[str, Any], out: int) -> None:
    """Never returns."""
    code = 1
    try:
        gc.enable()
        warnings.simplefilter("error", RuntimeWarning)
        _move_to(Path(wanted["folder"]), out)
        os.environ.clear()
        os.environ.update(wanted["environment"])
        sys.argv[1:] = wanted["arguments"]
        if wanted["hook"]:
            program, *arguments = wanted["hook"]
            runpy.run_path(program)["die_at"](*arguments)
        code = _run()
    except BaseException:  # as the interpreter itself would end
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _move_to(folder: Path, out: int) -> None:
    os.chdir(folder)
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
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
