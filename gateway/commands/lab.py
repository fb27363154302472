"""`holdline lab`: the simulated carriers as a process."""

from carriers.lab.serve import run as serve


def run(host: str, port: int, *, as_json: bool) -> int:
    """Serve until a signal; the exit code."""
    return serve(host, port, as_json=as_json)
