"""Which web pages may drive a lab: its own, and no other. Pure.

A lab listens on this machine without a password, so any page that somebody opens in a browser here could reach it. Browsers
say in `Origin` which page asks; other programs send no such header and are not asked.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def refused(method: str, headers: Mapping[str, str], own_host: str) -> str:
    """Why a request (for a socket, `method` is empty) is not obeyed; empty if it is. `own_host`: the name the lab was given."""
    origin = headers.get("origin")
    if origin is None or method in SAFE_METHODS:
        return ""
    if origin == f"http://{headers.get('host', '')}" and _is_ours(origin, own_host):
        return ""
    return f"a web page of {origin[:200]} may not drive this lab; open the lab's own page, or leave the Origin header out"


def _is_ours(origin: str, own_host: str) -> bool:
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    # Host and Origin agree also on a page whose name was pointed at this machine: names other than ours are nobody's here.
    return host in {"localhost", own_host} or _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
