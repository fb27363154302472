"""The rule of the knobs (README.md), as far as it is reading and comparing. Pure but for reading the repository."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

CARRIERS = Path(__file__).parents[2] / "carriers"
_NAME = re.compile(r"`([a-z0-9_]+)`")


@dataclass(frozen=True, kw_only=True, order=True)
class Knob:
    """One setting of one carrier's simulator."""

    kind: str
    name: str


@dataclass(kw_only=True)
class Held:
    """What the tests with one knob's mark did."""

    values: set[str] = field(default_factory=set)
    """`repr` of each value that a simulator read meanwhile."""
    adapter: bool = False
    no_adapter: str = ""
    tests: set[str] = field(default_factory=set)

    def and_also(self, other: "Held") -> "Held":
        """Both together."""
        return Held(
            values=self.values | other.values,
            adapter=self.adapter or other.adapter,
            no_adapter=self.no_adapter or other.no_adapter,
            tests=self.tests | other.tests,
        )


def listed_knobs(kind: str) -> frozenset[str]:
    """The names in the first column of the tables of the carrier's README whose head begins with `| knob`."""
    return frozenset(_listed((CARRIERS / kind / "README.md").read_text(encoding="utf-8")))


def _listed(text: str) -> Iterator[str]:
    inside = False
    for line in text.splitlines():
        inside = line.startswith("| knob") or (inside and line.startswith("|"))
        if inside and not line.startswith("| knob"):
            yield from _NAME.findall(line.split("|")[1])


def written_knobs(kind: str) -> frozenset[str]:
    """The names that the carrier's simulator asks for in its source: `...knobs.get("x")`, `...knobs["x"]`, `..._knob("x")`."""
    files = sorted((CARRIERS / kind).glob("simulator*.py"))
    return frozenset(name for file in files for name in _written(ast.parse(file.read_text(encoding="utf-8"))))


def _written(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and _asks(node.func) and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)
        elif isinstance(node, ast.Subscript) and _is_knobs(node.value) and isinstance(node.slice, ast.Constant):
            yield str(node.slice.value)


def _asks(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id in {"knob", "_knob"}
    if not isinstance(called, ast.Attribute):
        return False
    return called.attr in {"knob", "_knob"} or (called.attr == "get" and _is_knobs(called.value))


def _is_knobs(value: ast.expr) -> bool:
    return (isinstance(value, ast.Attribute) and value.attr in {"knobs", "_knobs"}) or (
        isinstance(value, ast.Name) and value.id == "knobs"
    )


def judge(kind: str, held: Mapping[Knob, Held], read: set[Knob]) -> list[str]:
    """What breaks the rule at one carrier, a sentence each."""
    listed, written = listed_knobs(kind), written_knobs(kind)
    asked = written | {knob.name for knob in read if knob.kind == kind and knob.name in listed}
    wrong = [f"{kind}: {name} is read by the simulator and stands in no table of knobs" for name in sorted(written - listed)]
    wrong += [f"{kind}: {name} stands in the table of knobs and no simulator reads it" for name in sorted(listed - asked)]
    strangers = {knob.name for knob in held if knob.kind == kind} - listed
    wrong += [f"{kind}: a test is marked for {name}, which the table of knobs lacks" for name in sorted(strangers)]
    for name in sorted(listed):
        wrong += [f"{kind}: {name} {fault}" for fault in _faults(held.get(Knob(kind=kind, name=name)))]
    return wrong


def _faults(held: Held | None) -> list[str]:
    if held is None:
        return ["has no test with its mark"]
    faults = []
    if len(held.values) < 2:
        seen = ", ".join(sorted(held.values)) or "none"
        faults.append(f"is not turned both ways: its tests let the simulator read {seen}")
    if not held.adapter and not held.no_adapter:
        faults.append("never meets the adapter in its tests, and its mark gives no reason (no_adapter=...)")
    return faults
