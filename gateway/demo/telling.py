"""The terminal of the demo: every word that it prints, for people who have never seen it. Decides nothing.

Two columns: on the left the seconds since the request, or a word; on the right a sentence, wrapped under itself. Works
without a terminal and without colours; written for 80 columns.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from gateway.demo.recording import Hearing
from gateway.demo.witness import Finding

_INTRO = (
    "Holdline places the calls of a voice agent, and gets them through when a carrier fails. Here an agent calls Alex, "
    "again and again, while one carrier after the other dies; then people call the agent, and at last the agent itself "
    "dies. Carriers and phones are simulated on this machine; what you read of rings and voices is what they recorded, "
    "not what the gateway believes."
)
_KNOWN = {None: "not sent", "not_sent": "not sent", "unknown": "fate unknown, given up"}
"""What is known of a failed attempt, where the API's own word needs help."""
_LABEL, _GAP = 5, 2
_LIVE_LABEL = 8
_NARROWEST = 40


class Teller:
    """`plain`: no colours and no spinner, whatever the terminal could do."""

    def __init__(self, *, plain: bool = False, console: Console | None = None) -> None:
        if console is None and hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")  # an arrow in a terminal that knows none is no reason to die
        look: dict[str, Any] = {"force_terminal": False, "no_color": True} if plain else {}
        self.console = console or Console(highlight=False, **look)

    # --- before the story ----------------------------------------------------------------------------------------

    def intro(self) -> None:
        """Some lines for a newcomer."""
        self.console.print()
        self._row("", Text(_INTRO), label_width=-_GAP)
        self.console.print()

    def starting(self, what: str) -> AbstractContextManager[object]:
        """A spinner where there is a terminal."""
        return self.console.status(f"starting {what} ...") if self.console.is_terminal else nullcontext()

    def started(self, name: str, where: str, what: str, seconds: float) -> None:
        """A process is up."""
        self._line(Text.assemble(f"{name:<9}", (where, "cyan"), f"  {what}, up in {seconds:.1f}s"))

    def plain(self, text: str, style: str = "") -> None:
        """One line exactly as it is, however narrow the terminal is."""
        self._line(Text(text, style=style))

    def problem(self, text: str) -> None:
        """Why there is no story, and the cure."""
        self.plain(text, "red")

    # --- a step --------------------------------------------------------------------------------------------------

    def step(self, number: int, title: str, death: str = "") -> None:
        """Its headline, and the death that it begins with, if any."""
        self.console.print()
        self._row(f"{number}", Text(title, style="bold"))
        if death:
            self._row("kill", Text(death, style="red"))

    def waiting(self, text: str) -> None:
        """Why nothing happens for a while."""
        self._row("wait", Text(text, style="dim"))

    def at(self, seconds: float, text: str, style: str = "") -> None:
        """Something happened so many seconds after the request."""
        self._row(f"{max(0.0, seconds):.1f}s", Text(text, style=style))

    def heard(self, heard: Hearing) -> None:
        """Who heard whom, off the recording."""
        answer = "" if heard.answered_after_s is None else f" and answered {heard.answered_after_s:.1f}s later"
        self.sound(f"Alex heard {heard.agent_s:.1f}s of speech; the agent heard {heard.person_s:.1f}s{answer}")

    def sound(self, text: str) -> None:
        """What was heard, in words."""
        self._row("sound", Text(text))

    def saved(self, path: Path, who: str = "Alex") -> None:
        """Where a recording is; a path stays in one piece."""
        self._line(Text.assemble((f"{'wav':>{_LABEL}}", "dim"), " " * _GAP, (str(path), "cyan"), f"  left {who}, right agent"))

    def verdict(self, findings: Sequence[Finding], held: str, logs: Sequence[Path]) -> None:
        """What held, in one line; or what did not: what was expected, what was seen, and where to look."""
        wrong = [finding for finding in findings if not finding.ok]
        if not wrong:
            self._row("✔", Text(held, style="green"))
            return
        for finding in wrong:
            self._row("✘", Text(f"expected: {finding.expected}; seen: {finding.saw}", style="bold red"))
        for log in logs:
            self._line(Text.assemble((f"{'log':>{_LABEL}}", "dim"), " " * _GAP, (str(log), "cyan")))

    def summary(self, text: str, *, ok: bool) -> None:
        """The story in one line."""
        self.console.print()
        self._row("✔" if ok else "✘", Text(text, style="bold green" if ok else "bold red"))

    # --- after the story -----------------------------------------------------------------------------------------

    def commands(self, commands: Sequence[tuple[str, str]], edit: str, pages: Sequence[tuple[str, str]] = ()) -> None:
        """Ready to paste, so never wrapped by us; then pages for a browser, each address on a line of its own, so that a
        terminal makes a link of it; the very last line says how to go on with an account of one's own.
        """
        self.console.print()
        self.plain("It stays up. Paste these into another terminal, and watch this one:", "bold")
        for title, command in commands:
            self.console.print()
            self.plain(f"# {title}", "dim")
            self.plain(command, "cyan")
        if pages:
            self.console.print()
            self.plain("Or open these in a browser:", "bold")
        for title, address in pages:
            self.console.print()
            self.plain(f"# {title}", "dim")
            self.plain(address, "cyan")
        self.console.print()
        self.plain("Ctrl-C stops all of it.")
        self._row("", Text(edit, style="bold"), label_width=-_GAP)

    def live(self, when: str, text: str) -> None:
        """Something happened to a call of the user's own."""
        self._row(when, Text(text), label_width=_LIVE_LABEL)

    # --- how it is set -------------------------------------------------------------------------------------------

    def _row(self, label: str, text: Text, label_width: int = _LABEL) -> None:
        """Wrap by hand: a table would fill every line up with spaces."""
        width = max(_NARROWEST, self.console.width) - label_width - _GAP
        first, *more = text.wrap(self.console, width) or [Text()]
        self._line(Text.assemble((label.rjust(max(0, label_width)), "dim"), " " * min(_GAP, label_width + _GAP), first))
        for line in more:
            self._line(Text.assemble(" " * (label_width + _GAP), line))

    def _line(self, text: Text) -> None:
        text.rstrip()
        self.console.print(text, soft_wrap=True)


def failed_over(
    leg: Mapping[str, Any], heir: Mapping[str, Any] | None, ring_in_s: float | None, titles: Mapping[str, str]
) -> str:
    """One failover in one line: who failed, why, what was known; who took over, as whom, and how soon the phone rang."""
    reason = (leg["verdict"] or {}).get("reason", "failed").replace("-", " ")
    failed = f"{titles.get(leg['carrier'], leg['carrier'])} {reason}, {_KNOWN.get(leg['knowledge'], leg['knowledge'])}"
    if heir is None:
        return f"{failed} → no carrier is left"
    ring = "" if ring_in_s is None else f", ring in {ring_in_s:.1f}s"
    return f"{failed} → {titles.get(heir['carrier'], heir['carrier'])} as {heir['from']}{ring}"
