"""Who may import whom in Twilio's folder."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "carriers" / "twilio"
ADAPTER = {"api", "webhooks", "media", "markup", "verdicts", "lookup", "account"}


def imported(path: Path) -> set[str]:
    """Full names of the modules, and of the names taken from them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", sorted(FOLDER.glob("simulator*.py")), ids=lambda path: path.stem)
def test_the_simulator_shares_nothing_with_the_adapter(path: Path) -> None:
    """Adapter and simulator cannot agree on one mistake: no simulator file imports the adapter's."""
    own = {name.split(".")[2] for name in imported(path) if name.startswith("carriers.twilio.")}
    assert own & ADAPTER == set()


def test_only_api_imports_the_sdk() -> None:
    """The SDK is named in one file."""
    users = {path.stem for path in FOLDER.glob("*.py") for name in imported(path) if name.split(".")[0] == "twilio"}
    assert users == {"api"}


def test_the_calling_card_is_light() -> None:
    """Importing the package, or its simulator, does not import the SDK."""
    code = "import sys, carriers.twilio, carriers.twilio.simulator; sys.exit('twilio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=FOLDER.parents[1], timeout=20, check=False)
    assert done.returncode == 0
