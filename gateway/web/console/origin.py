"""Whether a request was made by the console's own pages. Pure.

A cookie goes with every request to our host, whoever made it: another page on this machine included, since cookies do not
know ports. Browsers say who asked, in headers that no page can write: Sec-Fetch-Site (over https and to this machine), and
Origin (always, where something is changed).
"""

from collections.abc import Mapping
from urllib.parse import urlsplit


def from_ourselves(headers: Mapping[str, str], public_url: str) -> bool:
    """Made by a page of this gateway, at the address that the browser used or at `public_url`; False if nobody says."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site == "same-origin"
    if origin is None:
        return False
    ours = urlsplit(public_url)
    return urlsplit(origin).netloc == headers.get("host") or origin == f"{ours.scheme}://{ours.netloc}"
