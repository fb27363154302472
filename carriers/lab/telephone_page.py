"""`GET /lab/phone`: a telephone of the lab in a browser. It is the lab's own page, so that it may sit at the lab's lines."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from litestar import Response, get
from litestar.handlers.base import BaseRouteHandler
from litestar.params import FromPath

from carriers.lab.fields import BadField

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
}
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "; ".join(f"{what} {whence}" for what, whence in _ALLOWED.items()),
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def telephone_routes() -> list[BaseRouteHandler]:
    """The page, and its scripts, style and picture."""
    folder = files("carriers.lab") / "telephone"
    found = {file.name: file.read_bytes() for file in folder.iterdir() if file.name.rpartition(".")[2] in _TYPES}

    @get("/lab/phone", opt={"takes": ("console", "number")})
    async def page() -> Response[bytes]:
        return _answer("phone.html", found["phone.html"])

    @get("/lab/phone/{name:str}")
    async def part(name: FromPath[str]) -> Response[bytes]:
        if name not in found:
            raise BadField("name", f"the telephone has no such file; there are: {', '.join(sorted(found))}", code="not-found")
        return _answer(name, found[name])

    return [page, part]


def _answer(name: str, body: bytes) -> Response[Any]:
    return Response(body, media_type=_TYPES[name.rpartition(".")[2]], headers=dict(_HEADERS))
