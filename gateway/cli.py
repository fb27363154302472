"""`holdline`: reads the command line and hands over to `gateway.commands`.

Nothing is imported here that a command may not need, so that `holdline --help` and `holdline lab` are there at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.callback_actions import CallbackAction
from gateway.commands.failure import failures_told
from gateway.commands.webhook_actions import Action

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Holdline places phone calls through whichever of your carriers works."
    "\n\nExit codes: 0 it worked, 1 it was tried and failed, 2 the command line or the configuration is wrong.",
)

Json = Annotated[bool, typer.Option("--json", help="For machines: JSON on standard output.")]
ConfigFile = Annotated[Path, typer.Option(metavar="FILE", help="The configuration.")]
Url = Annotated[str, typer.Option(metavar="URL", envvar="HOLDLINE_URL", help="Where the gateway listens.")]
Wait = Annotated[bool, typer.Option("--wait", help="Stay until the call has ended; exit code 0 only if it was completed.")]
LabUrl = Annotated[str | None, typer.Option(metavar="URL", help="Use the simulated carriers of `holdline lab` there.")]

DEFAULT_CONFIG = Path("config.yaml")
DEFAULT_URL = "http://127.0.0.1:8080"


def main() -> None:
    """The entry point of the `holdline` command."""
    app(prog_name="holdline")


def _examples(*lines: str) -> str:
    r"""What stands at the end of a command's help; \b keeps the lines as they are."""
    return "\n".join(("\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)))


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False
) -> None:
    """What stands before a command."""
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"holdline {version_of('holdline')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


@app.command(epilog=_examples("holdline demo", "holdline demo --once --json | tail -n 1"))
def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the story; exit code 0 only if every step held.")] = False,
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="The gateway's port.")] = 8080,
    config: ConfigFile = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="The last line is one JSON object; no colours.")] = False,
) -> None:
    """Play the story: carriers die, calls arrive.

    Starts a lab, a store and a gateway of its own, and stays up with commands to paste until Ctrl-C.
    """
    from gateway.demo import run

    raise typer.Exit(run(once=once, as_json=as_json, port=port, config=config))


@app.command(
    epilog=_examples("holdline provision", "holdline provision --yes", "holdline provision --fallback-documents static/")
)
def provision(
    config: ConfigFile = DEFAULT_CONFIG,
    yes: Annotated[bool, typer.Option("--yes", help="Change what is wrong; without it nothing is changed.")] = False,
    fallback_documents: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Only write voicemail documents there, to be hosted elsewhere.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Point every carrier's numbers at this gateway.

    Shows what is set at each carrier and what should be; numbers that config.yaml does not name are left alone.
    """
    from gateway.commands.provision import run

    with failures_told(as_json=as_json):
        raise typer.Exit(run(config, yes=yes, documents=fallback_documents, as_json=as_json))


@app.command(
    epilog=_examples("HOLDLINE_API_KEY=... holdline serve", "HOLDLINE_API_KEY=... holdline serve --lab http://127.0.0.1:4010")
)
def serve(
    config: ConfigFile = DEFAULT_CONFIG,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Address to listen on, instead of server.host.")] = None,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", min=0, max=65535, help="Instead of server.port; 0 takes a free one.")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Of the embedded store, instead of store.dir.")] = None,
    lab: LabUrl = None,
    as_json: Json = False,
) -> None:
    """Run the gateway.

    SIGTERM or Ctrl-C lets live calls finish first; a second one ends it at once. One line on standard output says when
    it is ready; the log goes to standard error.
    """
    with failures_told(as_json=as_json):
        from gateway.commands.serve import run

        run(config, host=host, port=port, data=data, lab=lab, as_json=as_json)


@app.command(epilog=_examples("holdline lab --port 4010"))
def lab(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="Of the control surface; carriers take free ones.")
    ] = 4010,
    as_json: Json = False,
) -> None:
    """Run the lab: simulated carriers and telephones.

    With it everything can be tried on this machine, without an account.
    """
    with failures_told(as_json=as_json):
        from gateway.commands.lab import run

        raise typer.Exit(run(host, port, as_json=as_json))


@app.command(epilog=_examples("holdline check config.yaml"))
def check(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The configuration.")] = DEFAULT_CONFIG,
    as_json: Json = False,
) -> None:
    """Try what config.yaml says.

    Looks at its keys, each carrier's credentials, balance and numbers, and our own public_url. Places no call. Exit code
    0 if all is well, 1 if something is not, 2 if the configuration cannot be read.
    """
    with failures_told(as_json=as_json):
        from gateway.commands.check import run

        raise typer.Exit(run(config, as_json=as_json))


@app.command(epilog=_examples("HOLDLINE_API_KEY=... holdline call +15550100001 --agent echo --wait"))
def call(
    to: Annotated[str, typer.Argument(metavar="TO", help="The number to call, E.164: +15550100001.")],
    from_: Annotated[str | None, typer.Option("--from", metavar="NUMBER", help="A caller id that you own.")] = None,
    agent: Annotated[str | None, typer.Option(metavar="NAME", help="Who talks; as the route says if left out.")] = None,
    wait: Wait = False,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Place a call through a running gateway.

    The environment's HOLDLINE_API_KEY is the gateway's key.
    """
    with failures_told(as_json=as_json):
        from gateway.commands.call import run

        raise typer.Exit(run(to, from_=from_, agent=agent, wait=wait, url=url, as_json=as_json))


@app.command(epilog=_examples("HOLDLINE_API_KEY=... holdline carriers --url http://127.0.0.1:8080"))
def carriers(url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Show how a running gateway's carriers stand.

    The environment's HOLDLINE_API_KEY is the gateway's key.
    """
    with failures_told(as_json=as_json):
        from gateway.commands.carriers import run

        run(url, as_json=as_json)


@app.command(
    epilog=_examples(
        "HOLDLINE_API_KEY=... holdline callbacks --status waiting",
        "holdline callbacks run cb_call_4f1c2a",
        "holdline callbacks cancel cb_call_4f1c2a",
    )
)
def callbacks(
    action: Annotated[CallbackAction, typer.Argument(metavar="ACTION", help="list, run or cancel.")] = CallbackAction.LIST,
    callback_id: Annotated[str | None, typer.Argument(metavar="ID", help="With run and cancel: cb_call_...")] = None,
    status: Annotated[str | None, typer.Option(metavar="STATUS", help="Of the list: waiting, running or over.")] = None,
    to: Annotated[str | None, typer.Option(metavar="NUMBER", help="Of the list: promises to call this number, E.164.")] = None,
    purpose: Annotated[str | None, typer.Option(metavar="WORD", help="Of the list: promises for this purpose.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Show the promises to call, keep one now, take one back.

    list: newest first, at most 200; run ID: dial it now, never outside its window; cancel ID: nothing is dialled. The
    environment's HOLDLINE_API_KEY is the gateway's key.
    """
    with failures_told(as_json=as_json):
        from gateway.commands.callbacks import run

        run(action, callback_id, {"status": status, "to": to, "purpose": purpose}, url, as_json=as_json)


@app.command(epilog=_examples("HOLDLINE_API_KEY=... holdline route +15550100001"))
def route(
    to: Annotated[str, typer.Argument(metavar="TO", help="The number asked about, E.164: +15550100001.")],
    from_: Annotated[str | None, typer.Option("--from", metavar="NUMBER", help="A caller id that you own.")] = None,
    name: Annotated[str | None, typer.Option("--route", metavar="NAME", help="Instead of the one that matches TO.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Tell which carriers a call would try now, and why.

    Nothing is dialled. The environment's HOLDLINE_API_KEY is the gateway's key.
    """
    with failures_told(as_json=as_json):
        from gateway.commands.route import run

        run(to, from_=from_, route=name, url=url, as_json=as_json)


@app.command(epilog=_examples("holdline sim --seeds 500 --jobs 2", "holdline sim --seed 4711 --trace"))
def sim(
    seeds: Annotated[int | None, typer.Option(metavar="N", min=1, help="So many worlds; 100 if no --seed is given.")] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="SEED", min=0, help="The first world; without --seeds the only one.")
    ] = None,
    jobs: Annotated[int, typer.Option(metavar="J", min=1, max=64, help="So many at the same time.")] = 1,
    trace: Annotated[bool, typer.Option("--trace", help="Print everything that happened in the one world.")] = False,
    as_json: Json = False,
) -> None:
    """Simulate the whole gateway in virtual time.

    Each seed is a world of gateways, carriers and phones in which much goes wrong; afterwards every promise is held
    against what really happened. The same seed gives the same world, event for event.
    """
    with failures_told(as_json=as_json):
        from gateway.commands.sim import run

        only = seed if seed is not None and seeds is None else None
        raise typer.Exit(
            run(seeds=seeds or 100, first=seed or 0, jobs=jobs, only=only, trace=trace, as_json=as_json, out=typer.echo)
        )


@app.command(
    epilog=_examples(
        "holdline chaos",
        "holdline chaos --minutes 2 --kills 25 --seed 7 --keep /tmp/chaos",
        "HOLDLINE_API_KEY=... holdline chaos --lab http://127.0.0.1:4010 --gateway http://127.0.0.1:8080 --minutes 1 --kills 20",
    )
)
def chaos(
    minutes: Annotated[float, typer.Option(metavar="M", min=0.1, max=60, help="Of trouble; start and mending come on top.")] = 8,
    kills: Annotated[int, typer.Option(metavar="N", min=1, max=2000, help="Of our processes; of carriers twice as many.")] = 110,
    seed: Annotated[int | None, typer.Option(metavar="SEED", min=0, help="Of the plan; any if left out.")] = None,
    gateways: Annotated[int, typer.Option(metavar="G", min=1, max=8, help="So many processes.")] = 3,
    balancer: Annotated[str, typer.Option(metavar="NAME", help="own, or haproxy with deploy/haproxy.cfg.")] = "own",
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep logs, ledger and calls there.")] = None,
    lab: Annotated[
        str | None, typer.Option(metavar="URL", help="With --gateway: only the carriers of this lab; N of them.")
    ] = None,
    gateway: Annotated[str | None, typer.Option(metavar="URL", help="With --lab: the gateway that places the calls.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The last line is one JSON object.")] = False,
) -> None:
    """Kill everything while calls go through it.

    Starts a lab, gateways, a store, a balancer and an agent, kills, pauses and cuts them off at the moments of calls that
    the seed chooses, and kills the carriers; then all is mended, and what the lab saw is held against the store. Exit code
    1 if a call was lost, a person connected twice, a bridge crossed or a promise dropped.
    """
    with failures_told(as_json=as_json):
        from gateway.commands.chaos import run, run_staging

        if (lab is None) is not (gateway is None):
            raise typer.BadParameter("--lab and --gateway go together")
        if lab is not None and gateway is not None:
            raise typer.Exit(run_staging(lab=lab, gateway=gateway, minutes=minutes, kills=kills, seed=seed, as_json=as_json))
        raise typer.Exit(
            run(minutes=minutes, kills=kills, seed=seed, gateways=gateways, balancer=balancer, keep=keep, as_json=as_json)
        )


@app.command(
    epilog=_examples(
        "HOLDLINE_API_KEY=... holdline webhooks",
        "holdline webhooks test shop",
        "holdline webhooks dead shop",
        "holdline webhooks replay shop msg_4f1c2a",
    )
)
def webhooks(
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="list, dead, replay, enable or test.")] = Action.LIST,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The webhook's name in config.yaml.")] = None,
    notice_id: Annotated[str | None, typer.Argument(metavar="ID", help="With replay: one dead letter; left out: all.")] = None,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Show and steer how your own systems are told.

    list: how each stands; dead NAME: what could not be delivered; replay NAME [ID]: deliver it again; enable NAME: one that
    said 410; test NAME: send a ping now, exit code 1 if it is not taken. The environment's HOLDLINE_API_KEY is the
    gateway's key.
    """
    with failures_told(as_json=as_json):
        from gateway.commands.webhooks import run

        raise typer.Exit(run(action, name, notice_id, url, as_json=as_json))


@app.command(epilog=_examples("holdline schema --out config.schema.json"))
def schema(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there instead of printing it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The schema is JSON in any case; this is for errors.")] = False,
) -> None:
    """Print the JSON Schema of config.yaml, for editors."""
    with failures_told(as_json=as_json):
        from gateway.commands.schema import run

        run(out)


if __name__ == "__main__":
    main()
