"""`holdline provision`: shows where callers of each carrier's numbers go, and, told to, points them here."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from carriers.contract import Carrier, CarrierSettings, Document, Setting, Wanted
from carriers.registry import kinds
from gateway.commands.failure import FAILED, Failure, require_file
from gateway.commands.table import show
from gateway.config.reading import load_config
from gateway.config.structs import CarrierConfig, Config
from gateway.domain.errors import CarrierError
from gateway.runtime.provisioning import to_amend
from gateway.runtime.telemetry.logs import configure_logs

_SUFFIX = {"application/json": "json"}
"""Of a fallback document, by its content type; the others are XML."""


def run(path: Path, *, yes: bool, documents: Path | None, as_json: bool) -> int:
    """The exit code: 1 if a carrier failed or something stays wrong, and without `yes` also if there is anything to do."""
    configure_logs(level="error", stream=sys.stderr)
    require_file(path, "holdline provision --config FILE")
    config = load_config(path, os.environ)
    if documents is not None:
        return write_documents(config, documents)
    surveyed = asyncio.run(_survey_all(config, yes=yes))
    (_tell_machine if as_json else _tell)(surveyed, yes=yes)
    return FAILED if any(one.error or one.wrong for one in surveyed) else 0


class Surveyed:
    """What was found at one carrier; after `yes`, as it is then."""

    def __init__(self, name: str, settings: tuple[Setting, ...] = (), changed: int = 0, error: str = "") -> None:
        self.name, self.settings, self.changed, self.error = name, settings, changed, error

    @property
    def wrong(self) -> tuple[Setting, ...]:
        """What is not as it should be."""
        return tuple(setting for setting in self.settings if not setting.right)


def wanted_of(entry: CarrierConfig, public_url: str) -> Wanted:
    """How this carrier's numbers should be set."""
    return Wanted(carrier=entry.name, public_url=public_url, numbers=entry.numbers, fallback_url=entry.fallback_url or "")


async def _survey_all(config: Config, *, yes: bool) -> list[Surveyed]:
    # All are opened before any is asked: opening imports an SDK, which takes seconds on a busy machine, of another's time-out.
    opened = [(entry, _open(entry)) for entry in config.carriers]
    url = config.server.public_url
    return list(await asyncio.gather(*(_survey(entry, carrier, url, yes=yes) for entry, carrier in opened)))


def _open(entry: CarrierConfig) -> Carrier:
    settings = CarrierSettings(name=entry.name, credentials=entry.credentials, base_url=entry.base_url)
    carrier: Carrier = kinds()[entry.kind].open(settings, time.time)
    return carrier


async def _survey(entry: CarrierConfig, carrier: Carrier, public_url: str, *, yes: bool) -> Surveyed:
    wanted = wanted_of(entry, public_url)
    try:
        found = await carrier.survey(wanted)
        todo = to_amend(found)
        if not yes or not todo:
            return Surveyed(entry.name, found)
        await carrier.amend(wanted, found)
        return Surveyed(entry.name, await carrier.survey(wanted), changed=len(todo))
    except CarrierError as error:
        return Surveyed(entry.name, error=str(error))
    finally:
        await carrier.aclose()


def _tell(surveyed: Sequence[Surveyed], *, yes: bool) -> None:
    rows = [(one.name, setting.subject, setting.name, _change(setting)) for one in surveyed for setting in one.wrong]
    if rows:
        show(("carrier", "what", "setting", "change"), rows)
    for one in surveyed:
        typer.echo(f"{one.name}: {_summary(one, yes=yes)}")
    if not yes and any(to_amend(one.settings) for one in surveyed):
        typer.echo("Nothing was changed. `holdline provision --yes` does it.")


def _change(setting: Setting) -> str:
    return setting.cure or f"{setting.found or '(unset)'} -> {setting.wanted or '(unset)'}"


def _summary(one: Surveyed, *, yes: bool) -> str:
    if one.error:
        return f"not surveyed: {one.error}"
    changed = f"{one.changed} settings changed; " if one.changed else ""
    if not one.wrong:
        return f"{changed}callers come here"
    by_hand = sum(1 for setting in one.wrong if setting.cure)
    to_do = len(one.wrong) - by_hand
    parts = [f"{to_do} to change"] if to_do else []
    parts += [f"{by_hand} to be done by hand"] if by_hand else []
    return changed + " and ".join(parts)


def _tell_machine(surveyed: Sequence[Surveyed], *, yes: bool) -> None:
    known: dict[str, Any] = {
        one.name: {
            "error": one.error or None,
            "changed": one.changed,
            "wrong": [
                {"what": s.subject, "setting": s.name, "found": s.found, "wanted": s.wanted, "cure": s.cure or None}
                for s in one.wrong
            ],
        }
        for one in surveyed
    }
    typer.echo(json.dumps({"applied": yes, "carriers": known}))


# --- fallback documents ------------------------------------------------------------------------------------------


def write_documents(config: Config, folder: Path) -> int:
    """One file a carrier that obeys documents: a voicemail that works while this gateway does not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for entry in config.carriers:
            typer.echo(f"{entry.name}: {_written(entry, folder)}")
    except OSError as error:
        raise Failure(f"{folder} cannot be written: {error.strerror}.", "Give a directory that you may write to.") from error
    typer.echo("Host them on a machine that does not go down with this one, then set `fallback_url` of each carrier.")
    return 0


def _written(entry: CarrierConfig, folder: Path) -> str:
    document = _document(entry)
    if document is None:
        return "obeys no documents; its calls ring on until the gateway is back, or end"
    path = folder / f"{entry.name}-voicemail.{_SUFFIX.get(document.content_type, 'xml')}"
    path.write_bytes(document.body)
    after = "" if kinds()[entry.kind].capabilities.keeps_messages else "; messages stay at the carrier and cannot be collected"
    return f"{path} ({document.content_type}){after}"


def _document(entry: CarrierConfig) -> Document | None:
    carrier = _open(entry)
    try:
        return carrier.markup.voicemail()
    finally:
        asyncio.run(carrier.aclose())
