"""docs/lab.md does what it says: its Python runs against a lab, and so does what `holdline lab` prints."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from carriers.lab.remote import RemoteLab, started
from carriers.registry import kinds

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parents[2] / "docs" / "lab.md").read_text()
BEGINNING, *PIECES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
SCRIPTS = [piece for piece in PIECES if "def test_" not in piece]
SUITES = [piece for piece in PIECES if "def test_" in piece]
PRINTED = "http://127.0.0.1:4010"

PLAIN_HTTP = """
from requests.adapters import HTTPAdapter
from vonage import Auth, HttpClientOptions, Vonage

KEY = keys["vonage"]["private_key"]


class PlainHttp(HTTPAdapter):
    def send(self, request, **more):
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, **more)
"""
TRIED = {
    "plivo": ("import plivo", "client.calls.list()"),
    "telnyx": ("import telnyx", "client.balance.retrieve()"),
    "twilio": ("import twilio.rest", "client.calls.list(limit=1)"),
    "vonage": (PLAIN_HTTP, "client.voice.list_calls()"),
}
"""By carrier: what stands before its printed snippet in a program, and a request that proves it."""


@pytest.fixture(scope="module")
def lab() -> Iterator[RemoteLab]:
    """One lab with every carrier, as the page has it."""
    with started() as running:
        yield running


def run(lab: RemoteLab, program: str) -> None:
    """A program in a process of its own, because some SDKs are pointed elsewhere for their whole process."""
    lab.reset()
    text = f"{BEGINNING}\n{program}".replace(PRINTED, lab.url)
    ran = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert lab.ledger("crash") == []


@pytest.mark.parametrize("script", SCRIPTS, ids=[str(number) for number in range(1, len(SCRIPTS) + 1)])
def test_each_piece_of_the_page_runs(lab: RemoteLab, script: str) -> None:
    """Pasted below the common beginning, each piece ends without an error."""
    run(lab, script)


def test_the_page_has_a_piece_for_every_carrier() -> None:
    """No carrier is left out, and no piece is lost to a slip in a fence."""
    assert all(any(f'keys["{kind}"]' in script for script in SCRIPTS) for kind in kinds())
    assert (len(SCRIPTS), len(SUITES)) == (6, 1)


def test_the_suite_of_the_page_passes(pytester: pytest.Pytester) -> None:
    """The test on the page passes under the plugin."""
    pytester.makepyfile("import twilio.rest\n\n" + SUITES[0])
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--holdline-lab-carriers", "twilio")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("kind", kinds())
def test_what_the_command_prints_for_each_sdk_works(lab: RemoteLab, kind: str) -> None:
    """The printed lines, pasted as they are below the SDK's import, make a client that reaches the lab."""
    known = lab.credentials(kind)
    host = known["base_url"].partition("://")[2].partition("/")[0]
    before, proof = TRIED[kind]
    run(lab, "\n".join((before, kinds()[kind].sdk_snippet.format_map({**known, "host": host}), proof)))
