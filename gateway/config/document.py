"""From YAML text to plain data, with the line of every key, so that a message can say where to look."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from msgspec import Struct

from gateway.domain.errors import Misconfigured, Problem

_DEPTH = 20


class Source(Struct, frozen=True, kw_only=True):
    """A configuration as it was written, not yet checked."""

    name: str
    document: Any
    lines: Mapping[str, int] = {}
    """Path of a key (`carriers[1].limits`) to its line, counted from 1."""


def read_document(text: str, name: str = "config.yaml") -> Source:
    """Parse YAML; raise Misconfigured for what is not YAML, or is YAML that means two things (a key given twice)."""
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        lines, problems = _survey(root) if root is not None else ({}, ())
        if problems:
            raise Misconfigured(problems, name)
        return Source(name=name, document=loader.construct_document(root) if root is not None else {}, lines=lines)
    except RecursionError as error:  # thousands of brackets
        raise Misconfigured((Problem("(the file)", "nested too deeply", f"allowed: at most {_DEPTH} levels"),), name) from error
    except (yaml.YAMLError, ValueError) as error:  # a ValueError is a date or a number that looks like one and is none
        raise Misconfigured((_not_yaml(error),), name) from error


def _survey(root: yaml.Node) -> tuple[dict[str, int], tuple[Problem, ...]]:
    lines: dict[str, int] = {}
    problems: list[Problem] = []
    for path, node in _walk(root, "", 0):
        line = node.start_mark.line + 1
        if path in lines and path:
            problems.append(Problem(path, f"the same key again (first in line {lines[path]})", "allowed: each key once", line))
        lines.setdefault(path, line)
    return lines, tuple(problems)


def _walk(node: yaml.Node, path: str, depth: int) -> Iterator[tuple[str, yaml.Node]]:
    if depth > _DEPTH:
        raise yaml.MarkedYAMLError(problem="nested too deeply, or an alias that contains itself", problem_mark=node.start_mark)
    yield path, node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = f"{path}.{key.value}" if path else str(key.value)
            yield from _at_key(key, _walk(value, below, depth + 1))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, f"{path}[{index}]", depth + 1)


def _at_key(key: yaml.Node, found: Iterator[tuple[str, yaml.Node]]) -> Iterator[tuple[str, yaml.Node]]:
    """A value may begin lines below its key; the key's line is where a person looks."""
    path, _ = next(found)
    yield path, key
    yield from found


def _not_yaml(error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).partition("\n")[0][:200]
    return Problem(
        "(the file)", str(what), "allowed: YAML; look for a missing quote, colon or indentation", mark and mark.line + 1
    )
