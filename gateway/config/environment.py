"""`${NAME}` in any text of the configuration stands for the environment's variable of that name."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway.domain.errors import Problem

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

Unset = Callable[[str, str], None]
"""Told (path, variable) of each reference to a variable that is not set, or is empty."""


def resolve(document: Any, environ: Mapping[str, str]) -> tuple[Any, tuple[Problem, ...]]:
    """The document with every reference replaced, and a problem for each that could not be."""
    problems: list[Problem] = []

    def unset(path: str, variable: str) -> None:
        found = f"${{{variable}}}, which is not set in the environment"
        problems.append(Problem(path, found, f"set it: export {variable}=..."))

    return _resolved(document, environ, "", unset), tuple(problems)


def resolve_leniently(document: Any, environ: Mapping[str, str]) -> Any:
    """The document with every reference replaced; keys whose variable is unset are left out, as if nobody wrote them."""
    missing: list[str] = []
    resolved = _resolved(document, environ, "", lambda path, _: missing.append(path))
    return _without(resolved, frozenset(missing), "")


def is_reference(text: object) -> bool:
    """Whether the whole text is one `${NAME}`."""
    return isinstance(text, str) and _REFERENCE.fullmatch(text) is not None


def _resolved(value: Any, environ: Mapping[str, str], path: str, unset: Unset) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(entry, environ, f"{path}.{key}" if path else str(key), unset) for key, entry in value.items()}
    if isinstance(value, list):
        return [_resolved(entry, environ, f"{path}[{index}]", unset) for index, entry in enumerate(value)]
    return _text(value, environ, path, unset) if isinstance(value, str) else value


def _text(text: str, environ: Mapping[str, str], path: str, unset: Unset) -> str:
    for variable in sorted({match[1] for match in _REFERENCE.finditer(text) if not environ.get(match[1])}):
        unset(path, variable)
    return _REFERENCE.sub(lambda match: environ.get(match[1]) or match[0], text)


def _without(value: Any, missing: frozenset[str], path: str) -> Any:
    if isinstance(value, dict):
        below = {key: f"{path}.{key}" if path else str(key) for key in value}
        return {key: _without(entry, missing, below[key]) for key, entry in value.items() if below[key] not in missing}
    if isinstance(value, list):
        return [_without(entry, missing, f"{path}[{i}]") for i, entry in enumerate(value) if f"{path}[{i}]" not in missing]
    return value
