"""Makes the table from what ran: per carrier operations x referees, a test or a reason in every cell, or the run has failed."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from description import FILES, FOLDER
from knob_rule import Held, Knob, judge, listed_knobs
from operations import KINDS, By, Operation, Table, table
from rich.console import Console
from rich.table import Table as Grid

Cells = Mapping[tuple[str, str, str], Sequence[str]]
"""By (kind, operation, referee): the tests that held the cell."""
WIDTH = 190


def cells_of(records: Sequence[Mapping[str, Any]]) -> Cells:
    """All cells of all processes; a parametrized test counts once for each of its cases."""
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for record in records:
        for cell in record["cells"]:
            found[cell["kind"], cell["operation"], cell["by"]].append(cell["test"])
    return found


def reason(told: Table, operation: Operation, by: By) -> str:
    """Why a cell may be empty."""
    if by is By.DESCRIPTION and told.kind in FILES and not (FOLDER / FILES[told.kind][0]).is_file():
        return "the published description is not here: HOLDLINE_SPECS or ../shared/specs would name its folder"
    return told.reason(operation, by)


def grid(told: Table, cells: Cells) -> tuple[Grid, list[str], list[str]]:
    """The carrier's table, the reasons that its letters stand for, and the cells that are empty without one."""
    letters: dict[str, str] = {}
    empty = []
    drawn = Grid(title=f"{told.title}: operations x referees", title_justify="left", show_lines=False)
    drawn.add_column("", no_wrap=True)
    drawn.add_column("operation", no_wrap=True)
    for head in By:
        drawn.add_column(str(head), overflow="fold")
    for operation in told.operations:
        row = [f"[dim]{operation.group}[/dim]", operation.name]
        for by in By:
            tests = cells.get((told.kind, operation.name, by.value), ())
            why = reason(told, operation, by)
            row.append(shown(tests) if tests else f"[dim]{letter(letters, why)}[/dim]" if why else "[red]EMPTY[/red]")
            if not tests and not why:
                empty.append(f"{told.kind}: nobody judges {operation.name!r} under {by.value!r}, and no reason is given")
        drawn.add_row(*row)
    return drawn, [f"  {sign}  {why}" for why, sign in letters.items()], empty


def shown(tests: Sequence[str]) -> str:
    """The test's name, or how many there are."""
    names = {test.rpartition("::")[2].partition("[")[0] for test in tests}
    if len(tests) == 1:
        return next(iter(names)).removeprefix("test_")
    return f"{len(tests)} x {next(iter(names)).removeprefix('test_')}" if len(names) == 1 else f"{len(tests)} tests"


def letter(letters: dict[str, str], why: str) -> str:
    """The sign of a reason: a, b ... z, aa, ab ..."""
    if why not in letters:
        high, low = divmod(len(letters), 26)
        letters[why] = (chr(96 + high) if high else "") + chr(97 + low)
    return letters[why]


def strangers(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Requests that a simulator obeyed and that stand in no row."""
    obeyed = {tuple(told) for record in records for told in record["obeyed"]}
    rows = {kind: table(kind) for kind in KINDS}
    unknown = {f"{kind}: {method} {plain(path)}" for kind, method, path in obeyed if rows[kind].matching(method, path) is None}
    for told in sorted(unknown):
        yield f"{told} was obeyed by the simulator and belongs to no row of its table"


def plain(path: str) -> str:
    """The path with `*` for what looks like an id."""
    return "/".join("*" if any(map(str.isdigit, part)) and len(part) > 5 else part for part in path.split("/"))


def misfits(cells: Cells) -> Iterator[str]:
    """Reasons for cells that are held all the same: one of the two is wrong."""
    for kind, name, by in cells:
        told = table(kind)
        if (name, By(by)) in told.reasons:
            yield f"{kind}: {name!r} is judged under {by!r}, and its table gives a reason why nobody does"


def knob_faults(records: Sequence[Mapping[str, Any]]) -> tuple[int, list[str]]:
    """How many knobs there are, and what breaks their rule."""
    held: dict[Knob, Held] = {}
    read: set[Knob] = set()
    for record in records:
        read |= {Knob(kind=kind, name=name) for kind, name in record["read"]}
        for told in record["held"]:
            knob = Knob(kind=told["kind"], name=told["name"])
            seen = Held(
                values=set(told["values"]), adapter=told["adapter"], no_adapter=told["no_adapter"], tests=set(told["tests"])
            )
            held[knob] = held[knob].and_also(seen) if knob in held else seen
    return sum(len(listed_knobs(kind)) for kind in KINDS), [fault for kind in KINDS for fault in judge(kind, held, read)]


def report(folder: Path) -> int:
    """Print everything; 0 if every cell is held or explained, every request has its row and every knob is turned both ways."""
    console = Console(width=WIDTH, highlight=False)
    records = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("cells-*.json"))]
    cells = cells_of(records)
    wrong = [*strangers(records), *misfits(cells)]
    for kind in KINDS:
        drawn, reasons, empty = grid(table(kind), cells)
        console.print(drawn)
        console.print("\n".join(reasons), markup=False, soft_wrap=True)
        console.print()
        wrong += empty
    knobs, faults = knob_faults([json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("knobs-*.json"))])
    for line in wrong + faults:
        console.print(line, markup=False, soft_wrap=True)
    rows = sum(len(table(kind).operations) for kind in KINDS)
    console.print(
        f"{rows} operations, {sum(map(len, cells.values()))} judgements of {len(By)} referees, {len(wrong)} faults; "
        f"{knobs} knobs of {len(KINDS)} simulators, {len(faults)} faults"
    )
    return 1 if wrong or faults else 0
