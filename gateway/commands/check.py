"""`holdline check`: everything that can be known to be wrong before the first call."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from carriers.contract import Finding
from gateway.commands.failure import FAILED, require_file
from gateway.commands.table import show
from gateway.config.reading import KEY_VARIABLE, load_config
from gateway.config.structs import Config
from gateway.runtime.telemetry.logs import configure_logs

Found = tuple[str, Finding]
"""Whose finding, and what was found."""


def run(path: Path, *, as_json: bool) -> int:
    """The exit code: 1 if anything is wrong. Raise Misconfigured if the file cannot be read as a configuration."""
    configure_logs(level="error", stream=sys.stderr)
    require_file(path, "holdline check FILE")
    config = load_config(path, os.environ)
    found = asyncio.run(_look(config))
    well = all(finding.ok for _, finding in found)
    if as_json:
        typer.echo(json.dumps({"ok": well, "findings": [_as_data(subject, finding) for subject, finding in found]}))
    else:
        _tell(path, found)
    return 0 if well else FAILED


async def _look(config: Config) -> list[Found]:
    """All at the same time, told in the order of the file."""
    # Imported when the file has been read, because it takes most of a second to be ready to look.
    from gateway.commands.check_carriers import look_at, opened
    from gateway.commands.check_public_url import look_at_public_url
    from gateway.commands.check_storage import look_at_storage

    ready = [(entry, opened(entry)) for entry in config.carriers]
    carriers, ours, storage = await asyncio.gather(
        asyncio.gather(*(look_at(entry, carrier, config.server.public_url) for entry, carrier in ready)),
        look_at_public_url(config),
        look_at_storage(config),
    )
    of_carriers = [
        (entry.name, finding) for entry, findings in zip(config.carriers, carriers, strict=True) for finding in findings
    ]
    return [*of_carriers, *(("gateway", finding) for finding in (*ours, storage, _keys(config)))]


def _keys(config: Config) -> Finding:
    if config.keys:
        return Finding(what="API keys", ok=True, detail=", ".join(key.name for key in config.keys))
    cure = f"set {KEY_VARIABLE} in the gateway's environment, or add one under `keys` in config.yaml"
    return Finding(what="API keys", ok=False, detail="none: every request would be refused", cure=cure)


def _tell(path: Path, found: Sequence[Found]) -> None:
    show(("", "who", "what", "found"), [_row(subject, finding) for subject, finding in found])
    wrong = [(subject, finding) for subject, finding in found if not finding.ok]
    for subject, finding in wrong:
        if finding.cure:
            typer.echo(f"{subject}, {finding.what}: {finding.cure}")
    typer.echo(f"{path}: {len(wrong)} of {len(found)} findings need work." if wrong else f"{path}: all is well.")


def _row(subject: str, finding: Finding) -> tuple[str, str, str, str]:
    return ("ok" if finding.ok else "WRONG", subject, finding.what, finding.detail)


def _as_data(subject: str, finding: Finding) -> dict[str, object]:
    return {"who": subject, "what": finding.what, "ok": finding.ok, "detail": finding.detail, "cure": finding.cure}
