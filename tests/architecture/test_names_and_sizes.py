"""No code outside `carriers/` knows a carrier by name, no file is named for nothing, and nothing grows out of hand."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePath

import pytest

from carriers.registry import kinds

LONGEST_FUNCTION = 60
LONGEST_FILE = 450
SAYS_NOTHING = frozenset({"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc", "base"})

SPEAKS_A_CARRIERS_PROTOCOL = ("agent/twilio_stream/", "agent/registry.py", "gateway/web/agents_rest.py")
"""Agents from outside are spoken to in Twilio's protocol, over whatever carrier: it is theirs, and no carrier's business."""

MAY_NAME: Mapping[str, str] = {
    "gateway/chaos/settings.py": "OUTSIDE_KIND",
    "gateway/demo/own_config.py": "OUTSIDE_KIND",
    "gateway/demo/story.py": "REJECT_CAUSES",
}
"""How each carrier of the demo says that its own network failed, for people to watch; and the kind of an agent from outside."""


def test_no_code_outside_the_carriers_folders_names_a_carrier(trees: Mapping[str, ast.Module]) -> None:
    """No string, name or import outside a carrier's own folder holds a carrier's name, but for the demo's one table."""
    wrong = [
        f"{path}:{line}: {text}"
        for path, tree in trees.items()
        if path.split("/")[1] not in kinds() and not path.startswith(SPEAKS_A_CARRIERS_PROTOCOL)
        for line, text in named(tree, except_in=MAY_NAME.get(path, ""))
    ]
    assert wrong == []


def test_gateway_and_agent_do_not_even_speak_of_a_carrier(sources: Mapping[str, str]) -> None:
    """Not in a comment or docstring either: what is true of one carrier only is written in its folder."""
    wrong = [
        f"{path}:{number}: {line.strip()}"
        for path, text in sources.items()
        if not path.startswith(("carriers/", *SPEAKS_A_CARRIERS_PROTOCOL)) and path not in MAY_NAME
        for number, line in enumerate(text.splitlines(), 1)
        if _holds_a_name(line)
    ]
    assert wrong == []


def test_every_carriers_folder_has_the_same_files(sources: Mapping[str, str]) -> None:
    """What a folder must hold is what the contract says, for each of them."""
    wanted = {"__init__.py", "api.py", "webhooks.py", "markup.py", "media.py", "verdicts.py", "simulator.py"}
    for kind in kinds():
        files = {PurePath(path).name for path in sources if path.startswith(f"carriers/{kind}/")}
        assert wanted <= files, kind


def test_no_function_is_too_long(trees: Mapping[str, ast.Module]) -> None:
    """Nothing takes more lines than a screen holds."""
    assert [told for path, tree in trees.items() for told in _long_functions(path, tree)] == []


def test_no_file_is_too_long(sources: Mapping[str, str]) -> None:
    """A file about one thing ends before this."""
    lengths = {path: len(text.splitlines()) for path, text in sources.items()}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_no_file_is_named_for_nothing(sources: Mapping[str, str]) -> None:
    """A file's name says what it is about."""
    assert [path for path in sources if PurePath(path).stem in SAYS_NOTHING] == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        pytest.param('if kind == "twilio": ...', [1], id="a branch"),
        pytest.param("import carriers.telnyx.api", [1], id="an import"),
        pytest.param("from carriers import vonage as v", [1], id="an import under another name"),
        pytest.param("x = Plivo.y", [1], id="a class"),
        pytest.param('"""Like Twilio."""\ndef f():\n    """Telnyx too."""', [], id="docstrings"),
        pytest.param('TABLE = {"twilio": 1}\nx = "plivo"', [2], id="beside the one table"),
    ],
)
def test_a_name_is_seen(source: str, lines: list[int]) -> None:
    """The search finds a carrier's name in strings, names and imports, and not in what only tells."""
    assert [line for line, _ in named(ast.parse(source), except_in="TABLE")] == lines


# --- the search ----------------------------------------------------------------------------------------------------


def named(tree: ast.Module, except_in: str = "") -> Iterator[tuple[int, str]]:
    """(line, text) of every carrier's name in code; docstrings, and the table of this name, are left out."""
    left_out = {id(node) for part in tree.body if _assigns(part, except_in) for node in ast.walk(part)}
    left_out |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}
    for node in ast.walk(tree):
        for text in _texts(node):
            if id(node) not in left_out and _holds_a_name(text):
                yield getattr(node, "lineno", 0), text


def _texts(node: ast.AST) -> Iterator[str]:
    """Strings and names that a node itself holds, wherever its grammar keeps them."""
    for _, value in ast.iter_fields(node):
        held = value if isinstance(value, list) else [value]
        yield from (item.decode("latin-1") if isinstance(item, bytes) else item for item in held if isinstance(item, str | bytes))


def _assigns(node: ast.stmt, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _holds_a_name(text: str) -> bool:
    return any(kind in text.lower() for kind in kinds())


def _long_functions(path: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield f"{path}:{node.lineno}: {node.name} has {lines} lines"
