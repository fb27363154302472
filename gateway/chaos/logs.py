"""What the gateways' logs say when all is over: errors that nobody foresaw, and words that belong in no log. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

_FORESEEN = ("gateway.domain.errors.StoreUnavailable",)
"""Exceptions that a run causes on purpose; whoever meets one logs it and tries again later."""
_LOUD = frozenset({"error", "critical"})
_NUMBER = re.compile(r"1555010\d{4}")
"""A person's number in full; logs show its ends only."""
_ADDRESS = re.compile(r"0x[0-9a-f]+|cmd_\w+")
"""What makes two lines of the same error differ."""
_SECRET_LENGTH = 12
_SHOWN = 200


class Logged(Struct, frozen=True, kw_only=True):
    """`lines` were read; `errors` and `leaks` should be empty."""

    lines: int
    errors: tuple[str, ...]
    leaks: tuple[str, ...]


def read_logs(logs: Mapping[str, Iterable[str]], secrets: Iterable[str]) -> Logged:
    """`logs`: by process, all its lines. Short secrets are left out: they are numbers and ids."""
    known = [secret for secret in secrets if len(secret) >= _SECRET_LENGTH]
    errors: list[str] = []
    leaks: list[str] = []
    count = 0
    for name, lines in logs.items():
        for line in lines:
            count += 1
            errors += [f"{name}: {error}" for error in _errors(line)]
            leaks += [f"{name}: {line[:_SHOWN]}"] if _leaks(line, known) else []
    return Logged(lines=count, errors=tuple(errors), leaks=tuple(leaks))


def secrets_of(credentials: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """Of every carrier: what its requests are signed with. A key of many lines by its longest line."""
    for known in credentials.values():
        for name, value in known.items():
            if any(word in name for word in ("token", "secret", "private", "api_key")) and isinstance(value, str):
                yield max(value.splitlines(), key=len, default="")


def _errors(line: str) -> Iterable[str]:
    """A line that is cut short was being written when its process was killed."""
    try:
        told = json.loads(line)
    except ValueError:
        if not line.startswith("{"):
            yield line.strip()[:_SHOWN]
        return
    if told.get("level") in _LOUD:
        last = (str(told.get("exception") or "").strip().splitlines() or [""])[-1]
        if not last.startswith(_FORESEEN):
            yield _ADDRESS.sub("0x", f"{str(told.get('event'))[:_SHOWN]}: {last[:_SHOWN]}")


def _leaks(line: str, secrets: Iterable[str]) -> bool:
    return _NUMBER.search(line) is not None or any(secret in line for secret in secrets)
