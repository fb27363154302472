"""How a command fails: one or two lines that name the key and the cure, or one JSON object; a traceback is always a bug.

Exit codes: 0 it worked, 1 it was tried and did not work, 2 the command line or the configuration is wrong.
"""

import errno
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import typer

from gateway.domain.errors import HoldlineError, Misconfigured, Problem, StoreUnavailable

WRONG = 2
FAILED = 1

_CURE_OF_CONFIG = "Correct these keys; config.yaml in the repository shows and explains every one."
_CURE_OF_ENVIRONMENT = (
    "Set these variables, or delete the carriers that you do not have. Without an account: `holdline lab` in one terminal, "
    "`holdline serve --lab http://127.0.0.1:4010` in another."
)
_CURE_OF_STORE = "See `store` in config.yaml; `--data DIR` takes another directory for the embedded server."


class Failure(HoldlineError):
    """What the user is told, and what to do about it. `problems` are single keys or fields that are wrong."""

    def __init__(self, said: str, cure: str = "", *, code: int = FAILED, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(said)
        self.said, self.cure, self.code, self.problems = said, cure, code, problems


@contextmanager
def failures_told(*, as_json: bool) -> Iterator[None]:
    """Ends the command with its exit code if anything below fails that a user or a machine can cause."""
    try:
        yield
    except (Failure, Misconfigured, StoreUnavailable) as error:
        failure = _failure_of(error)
        _tell(failure, as_json=as_json)
        raise typer.Exit(failure.code) from None


def port_failure(error: OSError, host: str, port: int) -> Failure:
    """Why the gateway cannot listen there."""
    if error.errno == errno.EACCES:
        cure = "Choose one above 1023: --port, or server.port in config.yaml."
        return Failure(f"Port {port} needs more rights than this user has.", cure)
    if error.errno == errno.EADDRINUSE:
        return Failure(
            f"Port {port} on {host} is taken.", f"Choose another: --port {_next(port)}, or server.port in config.yaml."
        )
    said = f"Nothing can listen on {host}:{port}: {error.strerror or error}."
    return Failure(said, "server.host in config.yaml, or --host, must be an address of this machine.", code=WRONG)


def require_file(path: Path, naming: str) -> None:
    """Raise Failure if the configuration is not there; `naming` shows how this command is told another."""
    if not path.is_file():
        where = f"{path} in {Path.cwd()}" if not path.is_absolute() else str(path)
        said = f"There is no {where}."
        raise Failure(said, f"Go to Holdline's folder, whose config.yaml works as it is, or name yours: {naming}", code=WRONG)


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    parts = urlsplit(url)
    return url.replace(f"{parts.username or ''}:{parts.password}@", "***@") if parts.password else url


def _next(port: int) -> int:
    return port + 1 if port < 65535 else 8080


def _failure_of(error: Failure | Misconfigured | StoreUnavailable) -> Failure:
    if isinstance(error, Failure):
        return error
    if isinstance(error, StoreUnavailable):
        return Failure(f"The store cannot be used: {error}", _CURE_OF_STORE)
    count = len(error.problems)
    unset = any("not set in the environment" in problem.found for problem in error.problems)
    said = f"{error.source} cannot work: {count} {'problem' if count == 1 else 'problems'}."
    return Failure(said, _CURE_OF_ENVIRONMENT if unset else _CURE_OF_CONFIG, code=WRONG, problems=error.problems)


def _tell(failure: Failure, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(_as_data(failure)) + "\n")
        return
    lines = [f"holdline: {failure.said}", *(f"  {problem}" for problem in failure.problems), f"  {failure.cure}"]
    sys.stderr.write("\n".join(line.rstrip() for line in lines if line.strip()) + "\n")


def _as_data(failure: Failure) -> dict[str, Any]:
    problems = [
        {"path": problem.path, "line": problem.line, "found": problem.found, "allowed": problem.allowed}
        for problem in failure.problems
    ]
    return {"ok": False, "error": failure.said, "cure": failure.cure, "problems": problems}
