"""What importing the folder costs, and who knows whom in it."""

import subprocess
import sys

ADAPTER = ("api", "webhooks", "media", "markup", "verdicts", "sightings", "alaw")


def loaded_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after one statement."""
    code = f"import sys; {statement}; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20).stdout.split()
    )


def test_the_calling_card_does_not_load_the_sdk() -> None:
    """The registry imports every carrier; the SDK, seconds of work, is loaded when the carrier is opened."""
    loaded = loaded_after("from carriers.telnyx import KIND")
    assert "carriers.telnyx" in loaded
    assert not {"telnyx", "pydantic", "httpx"} & loaded


def test_the_simulator_knows_neither_the_sdk_nor_the_adapter() -> None:
    """Adapter and simulator must not be able to agree on one author's mistake."""
    loaded = loaded_after("import carriers.telnyx.simulator")
    assert "carriers.telnyx.simulator_lines" in loaded
    assert not {"telnyx", *(f"carriers.telnyx.{name}" for name in ADAPTER)} & loaded
