"""Who may do what: a Bearer key, known by its hash, with scopes; from the console a session's cookie in its place."""

import hmac
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from gateway.config.reading import KEY_VARIABLE, hashed
from gateway.config.structs import ApiKey
from gateway.web.console.session import key_of_session
from gateway.web.problems import Refusal, refusal

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

_CALLER = "holdline_api_key"
ADMIN = "admin"


def needs(scope: str) -> Guard:
    """A guard: 401 without a valid key, 403 if the key lacks the scope. `admin` may do everything. Where a key is sent it
    alone counts; a cookie is looked at only without one.
    """

    async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        sent = connection.headers.getall("authorization", [])
        key = None if sent else await key_of_session(connection)
        key = key or key_of(sent, connection.app.state.services.config.keys)
        if scope not in key.scopes and ADMIN not in key.scopes:
            raise refusal("forbidden", f"The key {key.name!r} lacks the scope {scope}.")
        connection.scope["state"][_CALLER] = key.name

    return guard


def caller(connection: Connection) -> str:
    """The name of the API key that a guard let through."""
    name: str = connection.scope["state"][_CALLER]
    return name


def key_of(headers: Sequence[str], keys: Sequence[ApiKey]) -> ApiKey:
    """The key that the Authorization header proves. Every hash is compared, in constant time, whether or not one fitted."""
    if not keys:
        raise _unauthorized(f"This gateway has no API key yet: set {KEY_VARIABLE} or add one under `keys` in config.yaml.")
    if len(headers) != 1:
        raise _unauthorized("Send one header: Authorization: Bearer <key>")
    scheme, _, token = headers[0].partition(" ")
    digest = hashed(token.strip())
    fitting = [key for key in keys if hmac.compare_digest((key.hash or "").encode(), digest.encode())]
    if scheme.lower() != "bearer" or not token.strip() or not fitting:
        raise _unauthorized("The key is unknown, or the header is not: Authorization: Bearer <key>")
    return fitting[0]


def _unauthorized(detail: str) -> Refusal:
    return refusal("unauthorized", detail, headers={"WWW-Authenticate": 'Bearer realm="holdline"'})
