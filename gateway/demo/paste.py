"""What the demo offers at its end: commands ready to paste, and the lines of the config that a real account needs. Pure."""

from collections.abc import Mapping
from pathlib import Path

from gateway.config.document import read_document

OWN_PHONE = "+15550100002"
"""The number that the commands call; the story's phone keeps its history for itself."""


def commands(gateway: str, lab: str, key: str, carrier: str, title: str) -> tuple[tuple[str, str], ...]:
    """(title, command) of each; `carrier` is the lab's word, `title` the one for people."""
    bearer = f"-H 'Authorization: Bearer {key}'"
    body = f"-H 'Content-Type: application/json' -d '{{\"to\": \"{OWN_PHONE}\"}}'"
    place = f"curl -s {gateway}/v1/calls \\\n  {bearer} \\\n  {body}"
    faults = f"{lab}/lab/carriers/{carrier}/faults"
    kill = f'curl -sX PUT {faults} \\\n  -d \'{{"faults": [{{"kind": "down"}}]}}\''
    return (
        ("place a call", place),
        (f"kill {title}, then place the call again", kill),
        (f"bring {title} back", f"curl -sX DELETE {faults}"),
        ("watch everything that happens", f"curl -sN {gateway}/v1/events \\\n  {bearer}"),
    )


def pages(gateway: str, key: str) -> tuple[tuple[str, str], ...]:
    """(title, address) of what a browser can show while the demo stays up."""
    return (
        (f"the console: carriers, calls, promises, events; its key is {key}", f"{gateway}/"),
        ("a telephone: let it ring, answer it, kill a carrier and listen", f"{gateway}/phone"),
    )


def edit(config: Path) -> str:
    """The demo's last line: which lines of the config make it real."""
    lines = read_document(config.read_text(encoding="utf-8-sig"), config.name).lines
    first, last = _block(lines, "carriers")
    public_url = lines.get("server.public_url")
    spots = [f"lines {first}-{last} (your carriers)"] + ([f"line {public_url} (public_url)"] if public_url else [])
    return f"With your own account: edit {' and '.join(spots)} of {config}, run `holdline check`."


def _block(lines: Mapping[str, int], key: str) -> tuple[int, int]:
    inside = [line for path, line in lines.items() if path == key or path.startswith((f"{key}[", f"{key}."))]
    return min(inside, default=1), max(inside, default=1)
