"""Reading gateways' logs after a run."""

import json
from typing import Any

import pytest

from gateway.chaos.logs import read_logs, secrets_of

SECRET = "a-secret-of-a-carrier"


def line(level: str = "info", event: str = "leg-ringing", **more: str) -> str:
    return json.dumps({"event": event, "level": level, **more})


STORE = "Traceback ...\ngateway.domain.errors.StoreUnavailable: ConnectionError: refused"


@pytest.mark.parametrize(
    ("text", "errors", "leaks"),
    [
        pytest.param(line(to="+1555***0001"), 0, 0, id="masked"),
        pytest.param(line(to="+15550100001"), 0, 1, id="a number in full"),
        pytest.param(line(key=SECRET), 0, 1, id="a secret"),
        pytest.param(line("warning", "agent-lost"), 0, 0, id="a warning"),
        pytest.param(line("error", "errand-failed", exception=STORE), 0, 0, id="the store is away"),
        pytest.param(line("error", "job-failed", exception="Traceback ...\nKeyError: 1"), 1, 0, id="a defect"),
        pytest.param(line("critical", "job-failed"), 1, 0, id="an error without an exception"),
        pytest.param("Traceback (most recent call last):", 1, 0, id="not a log line"),
        pytest.param(line()[:20], 0, 0, id="cut short by a kill"),
    ],
)
def test_what_is_found(text: str, errors: int, leaks: int) -> None:
    """Errors but those that the run causes itself, and words that belong in no log."""
    logged = read_logs({"gateway1": [line(), text]}, [SECRET, "short"])
    assert (logged.lines, len(logged.errors), len(logged.leaks)) == (2, errors, leaks)


def test_secrets_are_what_requests_are_signed_with() -> None:
    """Tokens, secrets and keys; of a key in PEM one long line; not what is public."""
    pem = "-----BEGIN-----\nthe-long-line-of-the-key\nend\n"
    known: dict[str, dict[str, Any]] = {
        "red": {"account_sid": "AC1", "auth_token": "t1", "numbers": ["+1"]},
        "blue": {"private_key": pem, "public_key": "p"},
    }
    assert list(secrets_of(known)) == ["t1", "the-long-line-of-the-key"]
