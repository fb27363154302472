"""`holdline schema`: what an editor needs to complete and check config.yaml."""

import json
from pathlib import Path

import typer

from gateway.commands.failure import Failure
from gateway.config.schema import schema


def run(out: Path | None) -> None:
    """Print it, or write it to a file."""
    text = json.dumps(schema(), indent=2) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{out} cannot be written: {error.strerror}.", "Name another file with --out.") from error
