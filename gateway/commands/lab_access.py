"""Asks a running lab for its carriers' credentials; waits for a lab that is still starting."""

import time
from collections.abc import Callable
from typing import Any

import httpx

from gateway.commands.failure import WRONG, Failure

_TRY_EVERY_S = 0.25
_TIMEOUT_S = 3.0


def lab_credentials(url: str, patience_s: float, on_wait: Callable[[], None]) -> dict[str, Any]:
    """The JSON of `/lab/credentials`; `on_wait` is called once if the lab is not there yet. Raise Failure with the cure."""
    deadline, waiting = time.monotonic() + patience_s, False
    while True:
        try:
            return _credentials(httpx.get(f"{url}/lab/credentials", timeout=_TIMEOUT_S, trust_env=False), url)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Failure(f"--lab {url} is not a URL.", "Write it as `holdline lab` prints it.", code=WRONG) from error
        except httpx.TransportError as error:
            if time.monotonic() >= deadline:
                cure = "Start one in another terminal: `holdline lab`; it prints its URL."
                raise Failure(f"No lab answers at {url}.", cure) from error
        if not waiting:
            on_wait()
        waiting = True
        time.sleep(_TRY_EVERY_S)


def _credentials(answer: httpx.Response, url: str) -> dict[str, Any]:
    try:
        known = answer.json() if answer.status_code == httpx.codes.OK else None
    except ValueError:
        known = None
    if not isinstance(known, dict) or not all(isinstance(carrier, dict) for carrier in known.values()):
        raise Failure(f"What answers at {url} is not a lab.", "Give --lab the URL that `holdline lab` prints.")
    return known
