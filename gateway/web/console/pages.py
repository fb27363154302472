"""The console's files, read once, and the headers that keep anything else out of the page."""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get
from litestar.params import FromPath
from litestar.response import Redirect
from msgspec import Struct

from gateway.web.problems import refusal
from gateway.web.services import GivenServices

_TYPES: Mapping[str, str] = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_ALLOWED: Mapping[str, str] = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "; ".join(f"{what} {whence}" for what, whence in _ALLOWED.items()),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    # Asked for again each time, and answered with 304: a new version is there at the next reload.
    "Cache-Control": "no-cache",
}


class Page(Struct, frozen=True):
    """One file."""

    body: bytes
    media_type: str
    tag: str


def _read() -> dict[str, Page]:
    folder = files("gateway.web.console") / "static"
    found = ((file.name, file.name.rpartition(".")[2]) for file in folder.iterdir())
    return {name: _page((folder / name).read_bytes(), _TYPES[end]) for name, end in found if end in _TYPES}


def _page(body: bytes, media_type: str) -> Page:
    return Page(body, media_type, f'"{hashlib.sha256(body).hexdigest()[:20]}"')


PAGES: Mapping[str, Page] = _read()


@get("/", include_in_schema=False)
async def console(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The one page; what it shows it asks REST for."""
    return _answer(PAGES["index.html"], request)


@get("/console/{name:str}", include_in_schema=False)
async def console_file(name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
    """Scripts, styles, pictures."""
    page = PAGES.get(name)
    if page is None:
        raise refusal("not-found", "The console has no such file.")
    return _answer(page, request)


@get("/phone", include_in_schema=False)
async def phone(request: Request[Any, Any, Any], services: GivenServices) -> Redirect:
    """The lab's telephone, which the lab serves itself; 404 where the carriers are real."""
    if services.lab_url is None:
        raise refusal("not-found", "The phone belongs to the lab: start the gateway with --lab, or run `holdline demo`.")
    back = quote(f"{request.base_url}".rstrip("/"), safe="")
    return Redirect(f"{services.lab_url}/lab/phone?console={back}", headers={"Cache-Control": "no-store"})


def _answer(page: Page, request: Request[Any, Any, Any]) -> Response[bytes]:
    headers = {**HEADERS, "ETag": page.tag}
    if request.headers.get("if-none-match") == page.tag:
        return Response(b"", status_code=304, media_type=page.media_type, headers=headers)
    return Response(page.body, media_type=page.media_type, headers=headers)
