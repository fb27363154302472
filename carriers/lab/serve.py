"""`holdline lab`: run the lab until somebody stops it. Imports no SDK, so that it is up in a second."""

import asyncio
import json
import signal

from rich.console import Console

from carriers.lab.lab import Lab
from carriers.registry import kinds


def run(host: str = "127.0.0.1", port: int = 4010, seed: int = 0, *, as_json: bool = False) -> int:
    """Serve until SIGINT or SIGTERM; 0 after a clean end, 1 if the port could not be had (and says so).

    `as_json`: one line when it is up, `{"ready", "url", "carriers": {name: {"base_url", "numbers"}}}`, or why it is not.
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
    known = {report.name: lab.credentials(report.name) for report in lab.carriers()}
    carriers = {name: {"base_url": one["base_url"], "numbers": list(one["numbers"])} for name, one in known.items()}
    print(json.dumps({"ready": True, "url": lab.url, "carriers": carriers}), flush=True)


def _say_why_not(host: str, port: int, error: OSError, console: Console, *, as_json: bool) -> None:
    said, cure = f"The lab cannot listen on {host}:{port}", "Choose another with --port."
    if as_json:
        print(json.dumps({"ok": False, "error": f"{said}: {error.strerror}.", "cure": cure, "problems": []}), flush=True)
    else:
        console.print(f"[red]{said}[/red]: {error.strerror}. {cure}")


def _say_where(lab: Lab, console: Console) -> None:
    console.print(f"[bold]The lab is up.[/bold] Control surface: [cyan]{lab.url}[/cyan]")
    for name, kind in ((report.name, kinds()[report.kind]) for report in lab.carriers()):
        known = lab.credentials(name)
        console.print(f"  {kind.title:<8} SDK base URL [cyan]{known['base_url']}[/cyan]  numbers {' '.join(known['numbers'])}")
    console.print(f"Keys: curl {lab.url}/lab/credentials")
    console.print(f'Kill one: curl -X PUT {lab.url}/lab/carriers/NAME/faults -d \'{{"faults":[{{"kind":"down"}}]}}\'')
    console.print("Stop with Ctrl-C.")


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop
