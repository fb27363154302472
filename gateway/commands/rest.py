"""Talks to a running gateway's REST API; whatever goes wrong becomes a Failure that says what to do."""

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from gateway.commands.failure import WRONG, Failure
from gateway.config.reading import KEY_VARIABLE
from gateway.domain.errors import Problem

TIMEOUT_S = 10.0

_CURES: Mapping[int, str] = {
    401: f"{KEY_VARIABLE} must be the key that the gateway was started with, or one of `keys` in its config.yaml.",
    403: "Use a key with this scope; `keys` in the gateway's config.yaml says which key has which.",
    503: "Try again in a few seconds.",
}


class Rest:
    """`with Rest(url) as rest: rest.get("/v1/carriers")`. The key comes from the environment."""

    def __init__(self, url: str) -> None:
        key = os.environ.get(KEY_VARIABLE, "")
        if not key:
            cure = f"export {KEY_VARIABLE}=... with the key that the gateway was started with; the demo prints its own."
            raise Failure(f"{KEY_VARIABLE} is not set.", cure, code=WRONG)
        if urlsplit(url).scheme not in {"http", "https"}:
            raise Failure(f"--url {url} is not a URL.", "Write it with its scheme: http://127.0.0.1:8080.", code=WRONG)
        self._url = url.rstrip("/")
        # A proxy of the environment cannot know the way to this machine's own ports.
        self._client = httpx.Client(
            base_url=self._url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=TIMEOUT_S,
            trust_env=not _is_this_machine(self._url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def get(self, path: str) -> Any:
        """The answer's JSON."""
        return self._send("GET", path)

    def post(self, path: str, body: Any, headers: Mapping[str, str]) -> Any:
        """The answer's JSON."""
        return self._send("POST", path, json=body, headers=headers)

    def delete(self, path: str) -> Any:
        """The answer's JSON."""
        return self._send("DELETE", path)

    def _send(self, method: str, path: str, **request: Any) -> Any:
        try:
            answer = self._client.request(method, path, **request)
        except httpx.TimeoutException as error:
            said = f"The gateway at {self._url} did not answer within {TIMEOUT_S:g} s."
            raise Failure(said, "Look at its log; `curl` its /readyz.") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            cure = "Start one with `holdline serve`, or say where it is: --url URL, or HOLDLINE_URL."
            raise Failure(f"No gateway answers at {self._url} ({error}).", cure) from error
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> Any:
        try:
            data = answer.json()
        except ValueError:
            data = None
        foreign = answer.is_error and not (isinstance(data, dict) and {"type", "title", "status"} <= data.keys())
        # Our paths always exist here, so a 404 that is not about a record comes from somebody else.
        unknown_path = answer.status_code == httpx.codes.NOT_FOUND and isinstance(data, dict) and data.get("type") != "not-found"
        if not isinstance(data, dict) or foreign or unknown_path:
            said = f"What answers at {self._url} is not Holdline (HTTP {answer.status_code})."
            raise Failure(said, "Say where the gateway is: --url URL, or HOLDLINE_URL.")
        if answer.is_error:
            raise _refusal(data, answer.status_code)
        return data


def _refusal(problem: dict[str, Any], status: int) -> Failure:
    errors = [error for error in problem.get("errors", ()) if isinstance(error, dict)]
    wrong = tuple(Problem(str(e.get("field")), str(e.get("found")), str(e.get("allowed"))) for e in errors)
    detail = "" if wrong else f": {problem.get('detail', '')}".rstrip(": ")
    return Failure(f"{problem['title']}{detail}", _CURES.get(status, ""), problems=wrong)


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")
