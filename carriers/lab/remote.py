"""A lab in a process of its own, driven over its control surface: for test suites, whatever they do to their own process.

Clocks may be frozen, HTTP clients mocked and event loops blocked there; nothing of it reaches the lab. Blocking, without any
library but the standard one.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode

Entry = dict[str, Any]
MAX_WAIT_S = 60.0
"""The control surface answers a question that waits after this time at the latest."""


class LabRefused(ValueError):
    """The control surface did not take a request; the text says which field, and what would be right."""


@contextmanager
def started(kinds: Sequence[str] | None = None, knobs: Mapping[str, Mapping[str, Any]] | None = None) -> Iterator["RemoteLab"]:
    """A lab of these carriers (None: all that are installed) for as long as the context lasts."""
    command = [sys.executable, "-m", "carriers.lab", json.dumps({"kinds": kinds, "knobs": knobs or {}})]
    # A session of its own, so that Ctrl-C reaches the suite alone, which ends the lab in its turn.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:  # noqa: S603
        try:
            told = json.loads((process.stdout.readline() if process.stdout else b"") or b"{}")
            if not told.get("ready"):
                raise RuntimeError(f"the lab did not start: {told.get('error', 'see its standard error above')}")
            yield RemoteLab(told["url"], {name: known["credentials"] for name, known in told["carriers"].items()})
        finally:
            process.communicate()


class RemoteLab:
    """`phones` are the people; the ledger is the truth about what happened."""

    def __init__(self, url: str, credentials: Mapping[str, dict[str, Any]]) -> None:
        self.url = url
        self.carriers = tuple(credentials)
        self.phones = RemotePhones(self)
        self._credentials = credentials

    def credentials(self, carrier: str) -> dict[str, Any]:
        """All that the carrier's SDK needs, with `base_url` and `numbers`."""
        if carrier not in self._credentials:
            raise KeyError(f"this lab has no {carrier}; it has {', '.join(self.carriers)}")
        return dict(self._credentials[carrier])

    def set_faults(self, carrier: str, *faults: Mapping[str, Any]) -> None:
        """Replace the carrier's faults: `set_faults("twilio", {"kind": "slow", "s": 20})`; none makes it well."""
        self.ask("PUT", f"/lab/carriers/{quote(carrier)}/faults", {"faults": list(faults)})

    def ledger(self, kind: str = "", carrier: str = "", number: str = "") -> list[Entry]:
        """The entries that match everything given, in order."""
        return self._entries(kind=kind, carrier=carrier, number=number)

    def until(self, kind: str, *, count: int = 1, carrier: str = "", number: str = "", timeout_s: float = 5.0) -> list[Entry]:
        """Wait until the ledger has that many such entries; raise TimeoutError with what it has instead. Blocks: a suite whose
        webhook server lives in its own event loop awaits `until_async`.
        """
        wait_s = min(timeout_s, MAX_WAIT_S)
        found = self._entries(kind=kind, carrier=carrier, number=number, count=count, wait_s=wait_s)
        if len(found) < count:
            has = " | ".join(map(str, self.ledger()[-20:])) or "empty"
            raise TimeoutError(f"no {count} x {kind} within {wait_s:g} s; the ledger: {has}")
        return found

    async def until_async(
        self, kind: str, *, count: int = 1, carrier: str = "", number: str = "", timeout_s: float = 5.0
    ) -> list[Entry]:
        """As `until`, while the event loop goes on."""
        return await asyncio.to_thread(self.until, kind, count=count, carrier=carrier, number=number, timeout_s=timeout_s)

    def reset(self) -> None:
        """Forget calls, phones, faults and ledger; what was set on the carriers' numbers and applications stays."""
        self.ask("DELETE", "/lab")

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        """One request to the control surface; raise LabRefused with its reason."""
        connection = HTTPConnection(self.url.partition("://")[2], timeout=MAX_WAIT_S + 10)
        try:
            connection.request(method, path, None if body is None else json.dumps(body).encode())
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise LabRefused(_reason(answer))
        return answer

    def _entries(self, **query: str | float) -> list[Entry]:
        chosen = {name: value for name, value in query.items() if value}
        entries: list[Entry] = json.loads(self.ask("GET", f"/lab/ledger?{urlencode(chosen)}"))["entries"]
        return entries


class RemotePhones:
    """Every number has a phone: one that nobody set up rings a second, answers, speaks and never hangs up."""

    def __init__(self, lab: RemoteLab) -> None:
        self._lab = lab

    def put(self, number: str, **setup: Any) -> dict[str, Any]:
        """Set a phone up: behavior, answer_after_s, hangup_after_s, says, dtmf. Its report."""
        return self._report("PUT", number, "", setup)

    def get(self, number: str) -> dict[str, Any]:
        """Its report: rings, answers, calls, and what it heard."""
        return self._report("GET", number, "", None)

    def audio(self, number: str, *, said: bool = False) -> bytes:
        """What it heard in its last answered call, WAV; `said` makes it stereo with what it said on the left."""
        return self._lab.ask("GET", f"/lab/phones/{quote(number)}/audio?said={int(said)}")

    def dial(self, number: str, to: str, **call: Any) -> dict[str, Any]:
        """Let it call a carrier's number: says, dtmf, hangup_after_s, patience_s, caller_name, attestation, withheld."""
        return self._report("POST", number, "/call", {"to": to, **call})

    def answer(self, number: str) -> bool:
        """Pick up now; False if it does not ring."""
        return bool(self._report("POST", number, "/answer", {})["done"])

    def hang_up(self, number: str) -> bool:
        """Put down now, or decline; False if there is no call."""
        return bool(self._report("POST", number, "/hang_up", {})["done"])

    def press(self, number: str, digit: str) -> bool:
        """Press a key; False if there is no answered call."""
        return bool(self._report("POST", number, "/press", {"digit": digit})["done"])

    def _report(self, method: str, number: str, below: str, body: Any) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self._lab.ask(method, f"/lab/phones/{quote(number)}{below}", body))
        return report


def _reason(answer: bytes) -> str:
    try:
        problem = json.loads(answer)
        return f"{problem['field']}: {problem['cure']}"
    except (ValueError, KeyError, TypeError):
        return answer.decode(errors="replace")[:500]
