"""The source of the product as syntax trees, for tests that judge how it is built."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "carriers", "gateway")


@pytest.fixture(scope="session")
def sources() -> Mapping[str, str]:
    """Every module of the product: path from the top of the repository (`gateway/app.py`), and its text."""
    files = (file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py")))
    return {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files}


@pytest.fixture(scope="session")
def trees(sources: Mapping[str, str]) -> Mapping[str, ast.Module]:
    """The same, parsed."""
    return {path: ast.parse(text, path) for path, text in sources.items()}


@pytest.fixture(scope="session")
def imports(trees: Mapping[str, ast.Module]) -> Mapping[str, frozenset[str]]:
    """By path, what each module imports anywhere in it, in full: `gateway.domain.call.step`, `carriers.shot`, `time`."""
    return {path: frozenset(_imported(path, tree)) for path, tree in trees.items()}


def _imported(path: str, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.split("/")[: -node.level] if node.level else []
            module = ".".join([*package, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)
