"""`holdline serve`: the gateway as a process.

The server is imported only when the configuration has been read: it takes most of a second, and a wrong file none.
"""

import asyncio
import errno
import json
import os
import socket
import sys
from pathlib import Path

import structlog
import uvloop
from msgspec.structs import replace

from gateway.commands.failure import WRONG, Failure, port_failure, require_file, without_password
from gateway.commands.lab_access import lab_credentials
from gateway.config.reading import KEY_VARIABLE, load_config, load_lab_config, load_source
from gateway.config.structs import Config, StoreSettings
from gateway.runtime.telemetry.logs import configure_logs

log = structlog.get_logger(__name__)

LAB_PATIENCE_S = 10.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
"""Addresses that can be listened on but not connected to, and what a neighbour on this machine uses instead."""
_UNSET_URL = "http://127.0.0.1"


def run(config: Path, *, host: str | None, port: int | None, data: Path | None, lab: str | None, as_json: bool) -> None:
    """Serve until a signal. What the command line says takes the place of the file's key."""
    configure_logs(stream=sys.stderr)
    lab_url = None if lab is None else lab.rstrip("/")
    wanted = _config(config, lab_url)
    server = replace(wanted.server, host=host or wanted.server.host, port=wanted.server.port if port is None else port)
    store = _store(wanted.store, data)
    listener = _listener(server.host, server.port)
    url = f"http://{_reachable(server.host)}:{listener.getsockname()[1]}"
    server = replace(server, port=listener.getsockname()[1], public_url=url if lab_url else server.public_url)
    final = replace(wanted, server=server, store=store)
    _serve(final, listener, _ready_line(final, url, lab_url, as_json=as_json), lab_url)


def _config(path: Path, lab_url: str | None) -> Config:
    require_file(path, "holdline serve --config FILE")
    if lab_url is None:
        return load_config(path, os.environ)
    load_source(path)  # what is no YAML is said before anybody waits for the lab
    known = lab_credentials(lab_url, LAB_PATIENCE_S, lambda: log.info("waiting-for-the-lab", url=lab_url, for_s=LAB_PATIENCE_S))
    # Which port it will be is known only when we listen; `run` puts the address in.
    return load_lab_config(path, os.environ, known, _UNSET_URL)


def _store(settings: StoreSettings, data: Path | None) -> StoreSettings:
    if data is None:
        return settings
    if settings.url is not None:
        said = f"--data {data} is for the embedded server, but store.url is {without_password(settings.url)}."
        raise Failure(said, "Leave --data out, or set store.url to null in config.yaml.", code=WRONG)
    return replace(settings, dir=str(data))


def _listener(host: str, port: int) -> socket.socket:
    from gateway.serving import bind

    try:
        return bind(host, port)
    except OSError as error:
        raise port_failure(error, host, port) from error


def _reachable(host: str) -> str:
    return _EVERYWHERE.get(host) or (f"[{host}]" if ":" in host else host)


def _serve(config: Config, listener: socket.socket, ready_line: str, lab_url: str | None) -> None:
    from gateway.serving import serve_until_signal

    def on_ready() -> None:
        sys.stdout.write(ready_line + "\n")
        sys.stdout.flush()
        if not config.keys:
            log.warning("no-api-key", cure=f"every request will be refused: set {KEY_VARIABLE}, or `keys` in config.yaml")

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_until_signal(config, listener, on_ready, lab_url))
    except OSError as error:
        raise _failure(error, config) from error


def _failure(error: OSError, config: Config) -> Exception:
    """What a full disk, a foreign directory or a port taken at the last moment mean; anything else stays what it is."""
    if error.errno == errno.EADDRINUSE:
        return port_failure(error, config.server.host, config.server.port)
    if error.filename is not None and config.store.url is None:
        said = f"{error.filename} cannot be used: {error.strerror}."
        return Failure(said, "Choose another directory with --data, or store.dir in config.yaml.")
    return error


def _ready_line(config: Config, url: str, lab_url: str | None, *, as_json: bool) -> str:
    names = [carrier.name for carrier in config.carriers]
    store = f"embedded in {config.store.dir}" if config.store.url is None else without_password(config.store.url)
    if as_json:
        known = {"ready": True, "url": url, "public_url": config.server.public_url, "carriers": names}
        return json.dumps({**known, "store": store, "lab": lab_url})
    where = f" in the lab at {lab_url}" if lab_url else ""
    return f"Holdline is ready at {url} with {', '.join(names)}{where}; store: {store}. Stop with Ctrl-C."
