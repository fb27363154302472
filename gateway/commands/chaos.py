"""`holdline chaos`: real processes, killed."""

import json
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

import typer
import uvloop

from gateway.chaos import staging
from gateway.chaos.haproxy import DEFAULT, NoHaproxy
from gateway.chaos.processes import NotStarted
from gateway.chaos.report import Result, document, lines
from gateway.chaos.run import Terms
from gateway.chaos.run import run as run_chaos
from gateway.commands.failure import WRONG, Failure
from gateway.config.reading import KEY_VARIABLE

BALANCERS = ("own", "haproxy")
_SEEDS = 1_000_000


def run(*, minutes: float, kills: int, seed: int | None, gateways: int, balancer: str, keep: Path | None, as_json: bool) -> int:
    """The exit code: 0 if every promise held."""
    if balancer not in BALANCERS:
        raise Failure(f"--balancer {balancer} is not known.", f"Choose {' or '.join(BALANCERS)}.", code=WRONG)
    chosen = secrets.randbelow(_SEEDS) if seed is None else seed
    again = f"holdline chaos --seed {chosen} --minutes {minutes:g} --kills {kills} --gateways {gateways}"
    terms = Terms(
        seed=chosen,
        seconds=minutes * 60,
        kills=kills,
        gateways=gateways,
        haproxy=DEFAULT if balancer == "haproxy" else None,
        command=again + (f" --balancer {balancer}" if balancer != BALANCERS[0] else ""),
    )
    folder = _folder(keep)
    code = _run(terms, folder, as_json=as_json)
    if keep is None and code == 0:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        _progress(f"logs, ledger and calls are in {folder}")
    return code


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="holdline-chaos-"))
    keep.mkdir(parents=True, exist_ok=True)
    if any(keep.iterdir()):
        raise Failure(f"{keep} is not empty.", "Give --keep a new folder.", code=WRONG)
    return keep.resolve()


def run_staging(*, lab: str, gateway: str, minutes: float, kills: int, seed: int | None, as_json: bool) -> int:
    """Only the carriers, of somebody's own lab. The exit code as above."""
    key = os.environ.get(KEY_VARIABLE, "")
    if not key:
        raise Failure(f"{KEY_VARIABLE} is not set.", "Set it to a key of the gateway that may place calls.", code=WRONG)
    chosen = secrets.randbelow(_SEEDS) if seed is None else seed
    again = f"holdline chaos --lab {lab} --gateway {gateway} --seed {chosen} --minutes {minutes:g} --kills {kills}"
    terms = staging.Terms(
        lab_url=lab.rstrip("/"),
        gateway_url=gateway.rstrip("/"),
        key=key,
        seed=chosen,
        seconds=minutes * 60,
        kills=kills,
        command=again,
    )
    try:
        return _told(uvloop.run(staging.run(terms, _progress)), as_json=as_json)
    except staging.NotThere as error:
        raise Failure(str(error), "See --lab and --gateway.") from error


def _run(terms: Terms, folder: Path, *, as_json: bool) -> int:
    _progress(f"seed {terms.seed}: {terms.kills} kills of ours in {terms.seconds / 60:g} minutes")
    try:
        result = uvloop.run(run_chaos(terms, folder, _progress))
    except (NotStarted, NoHaproxy) as error:
        raise Failure(str(error), "") from error
    return _told(result, as_json=as_json)


def _told(result: Result, *, as_json: bool) -> int:
    if as_json:
        typer.echo(json.dumps(document(result)))
    else:
        for line in lines(result):
            typer.echo(line)
    return 0 if result.held else 1


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
