"""`holdline lab`: run the lab until somebody stops it. Imports no SDK, so that it is up in a second."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from carriers.lab.exchange import CarrierReport
from carriers.lab.lab import Lab
from carriers.registry import kinds as known_kinds


def run(
    host: str = "127.0.0.1",
    port: int = 4010,
    seed: int = 0,
    *,
    as_json: bool = False,
    kinds: Sequence[str] | None = None,
    knobs: Mapping[str, Mapping[str, Any]] | None = None,
    until_stdin_ends: bool = False,
) -> int:
    """Serve until SIGINT or SIGTERM; 0 after a clean end, 1 if the port could not be had (and says so).

    `as_json`: one line when it is up, `{"ready", "url", "carriers": {name: {"title", "base_url", "numbers", "credentials",
    "sdk"}}}` (`sdk`: Python that points the official SDK here), or why it is not. `kinds` and `knobs`: as `Lab` takes them.
    """
    lab = Lab(host=host, port=port, seed=seed, kinds=kinds, knobs=knobs)
    console = Console(soft_wrap=True, highlight=False)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(lab, console, as_json=as_json, until_stdin_ends=until_stdin_ends))
    except OSError as error:
        _say_why_not(host, port, error, console, as_json=as_json)
        return 1
    return 0


async def _serve(ready: Lab, console: Console, *, as_json: bool, until_stdin_ends: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    if until_stdin_ends:
        loop.add_reader(sys.stdin.fileno(), lambda: None if os.read(sys.stdin.fileno(), 1024) else stop.set())
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with ready as lab:
        if as_json:
            _print_where(lab)
        else:
            _say_where(lab, console)
        await stop.wait()
    if not as_json:
        console.print("The lab has stopped.")


def _print_where(lab: Lab) -> None:
    carriers = {report.name: _where(lab, report) for report in lab.carriers()}
    print(json.dumps({"ready": True, "url": lab.url, "carriers": carriers}), flush=True)


def _where(lab: Lab, report: CarrierReport) -> dict[str, Any]:
    known, title = lab.credentials(report.name), known_kinds()[report.kind].title
    place = {"title": title, "base_url": known["base_url"], "numbers": list(known["numbers"])}
    return {**place, "credentials": known, "sdk": _snippet(report.kind, known)}


def _snippet(kind: str, known: dict[str, Any]) -> str:
    return known_kinds()[kind].sdk_snippet.format_map({**known, "host": known["base_url"].partition("://")[2].partition("/")[0]})


def _say_why_not(host: str, port: int, error: OSError, console: Console, *, as_json: bool) -> None:
    said, cure = f"The lab cannot listen on {host}:{port}", "Choose another with --port (0 takes a free one) or --host."
    if as_json:
        print(json.dumps({"ok": False, "error": f"{said}: {error.strerror}.", "cure": cure, "problems": []}), flush=True)
    else:
        console.print(f"[red]{said}[/red]: {error.strerror}. {cure}")


def _say_where(lab: Lab, console: Console) -> None:
    console.print(f"[bold]The lab is up.[/bold] Control surface: [cyan]{lab.url}[/cyan]")
    for report in lab.carriers():
        where = _where(lab, report)
        console.print(
            f"\n[bold]{where['title']}[/bold] at [cyan]{where['base_url']}[/cyan], numbers {' '.join(where['numbers'])}"
        )
        for line in where["sdk"].splitlines():
            console.print(f"  {line}", markup=False)
    console.print(f"\nAll keys: curl {lab.url}/lab/credentials")
    console.print(f'Kill one: curl -X PUT {lab.url}/lab/carriers/NAME/faults -d \'{{"faults":[{{"kind":"down"}}]}}\'')
    console.print(f"What really happened: curl {lab.url}/lab/ledger   A telephone: {lab.url}/lab/phone")
    console.print("Stop with Ctrl-C.")


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop
