"""`holdline lab`: run the lab until somebody stops it. Imports no SDK, so that it is up in a second."""

import asyncio
import json
import signal
from typing import Any

from rich.console import Console

from carriers.lab.exchange import CarrierReport
from carriers.lab.lab import Lab
from carriers.registry import kinds


def run(host: str = "127.0.0.1", port: int = 4010, seed: int = 0, *, as_json: bool = False) -> int:
    """Serve until SIGINT or SIGTERM; 0 after a clean end, 1 if the port could not be had (and says so).

    `as_json`: one line when it is up, `{"ready", "url", "carriers": {name: {"title", "base_url", "numbers", "credentials",
    "sdk"}}}` (`sdk`: Python that points the official SDK here), or why it is not.
    """
    console = Console(soft_wrap=True, highlight=False)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(host, port, seed, console, as_json=as_json))
    except OSError as error:
        _say_why_not(host, port, error, console, as_json=as_json)
        return 1
    return 0


async def _serve(host: str, port: int, seed: int, console: Console, *, as_json: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Lab(host=host, port=port, seed=seed) as lab:
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
    known, title = lab.credentials(report.name), kinds()[report.kind].title
    place = {"title": title, "base_url": known["base_url"], "numbers": list(known["numbers"])}
    return {**place, "credentials": known, "sdk": _snippet(report.kind, known)}


def _snippet(kind: str, known: dict[str, Any]) -> str:
    return kinds()[kind].sdk_snippet.format_map({**known, "host": known["base_url"].partition("://")[2].partition("/")[0]})


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
