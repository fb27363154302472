"""`holdline lab`: run the lab until somebody stops it. Imports no SDK, so that it is up in a second."""

import asyncio
import signal

from rich.console import Console

from carriers.lab.lab import Lab
from carriers.registry import kinds


def run(host: str = "127.0.0.1", port: int = 4010, seed: int = 0) -> int:
    """Serve until SIGINT or SIGTERM; 0 after a clean end, 1 if the port could not be had (and says so)."""
    console = Console(soft_wrap=True, highlight=False)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(host, port, seed, console))
    except OSError as error:
        console.print(f"[red]The lab cannot listen on {host}:{port}[/red]: {error.strerror}. Choose another with --port.")
        return 1
    return 0


async def _serve(host: str, port: int, seed: int, console: Console) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with Lab(host=host, port=port, seed=seed) as lab:
        _say_where(lab, console)
        await stop.wait()
    console.print("The lab has stopped.")


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
