"""A config that names a Redis is somebody's real one: the demo must not write its calls there."""

from pathlib import Path

import yaml

from gateway.config.document import read_document


def own_store(config: Path, folder: Path) -> tuple[Path, bool]:
    """The config itself, or a copy in `folder` without `store.url`; and whether it is a copy."""
    document = read_document(config.read_text(encoding="utf-8-sig"), config.name).document
    store = document.get("store") if isinstance(document, dict) else None
    if not isinstance(store, dict) or store.get("url") is None:
        return config, False
    copy = folder / config.name
    copy.write_text(yaml.safe_dump({**document, "store": {**store, "url": None}}), encoding="utf-8")
    return copy, True
