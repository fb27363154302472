"""One line per event: JSON for machines, columns for a terminal. Numbers and media tokens are masked in every value."""

import logging
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, TextIO

import structlog
from structlog.types import Processor

from gateway.runtime.telemetry.masking import mask_media_path, mask_number

_HANDLER = "holdline"
_UNTOUCHED = frozenset({"timestamp", "level"})
"""Ours, and made of digits that a mask might take for a number."""


def configure_logs(*, level: str = "info", stream: TextIO | None = None, as_json: bool | None = None) -> None:
    """Set structlog up for the process; `as_json` None decides by whether the stream is a terminal."""
    out = sys.stderr if stream is None else stream
    json = not out.isatty() if as_json is None else as_json
    structlog.configure(
        processors=processors(as_json=json),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    _take_in_others(out, as_json=json)


def _take_in_others(out: TextIO, *, as_json: bool) -> None:
    """What libraries log (from warnings up) takes the same way: an SDK's complaint may hold a number, too."""
    handler = logging.StreamHandler(out)
    handler.set_name(_HANDLER)
    chain = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *processors(as_json=as_json)]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=chain))
    handler.setLevel(logging.WARNING)
    root = logging.getLogger()
    root.handlers = [*(other for other in root.handlers if other.get_name() != _HANDLER), handler]


def processors(*, as_json: bool) -> Sequence[Processor]:
    """The way of a line, masking last before it is written out, so that nothing is added behind it."""
    # The plain traceback, because a pretty one would be made behind the mask.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    last: list[Processor] = [structlog.processors.JSONRenderer()] if as_json else [console]
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask,
        *last,
    ]


def mask(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: no full number and no media token leaves in any value, however deep."""
    return {key: value if key in _UNTOUCHED else _masked(value) for key, value in line.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask_media_path(mask_number(value))
    if isinstance(value, Mapping):
        return {key: _masked(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner) for inner in value]
    return value if isinstance(value, int | float | bool | None) else mask_media_path(mask_number(str(value)))
