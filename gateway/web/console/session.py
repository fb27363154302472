"""Logging in to the console: an API key in, an http-only cookie out; the key itself goes back to nobody.

The cookie holds a random secret whose SHA-256 is the session's id in the store, so that every process knows it and a
stolen store logs nobody in. A session ends by logging out, after `LASTS_S`, or when its key is taken out of the config.
What changes something needs two things beside the cookie: a browser's word that one of our pages asks (origin.py), and
the header `X-Holdline-Console` with a word that only our pages can read. It answers as what REST answers: problems.
"""

import hashlib
import hmac
import math
from typing import Any

import structlog
from litestar import Request, Response, delete, get, post
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from msgspec import Struct

from gateway.config.structs import ApiKey
from gateway.runtime.store.contract import ConsoleSession
from gateway.web.console.origin import from_ourselves
from gateway.web.console.tries import Tries
from gateway.web.problems import Refusal, refusal
from gateway.web.requests import read_json
from gateway.web.services import GivenServices, Services
from gateway.web.times import rfc3339

log = structlog.get_logger(__name__)

Connection = ASGIConnection[Any, Any, Any, Any]
AnyRequest = Request[Any, Any, Any]

COOKIE = "holdline_console"
WORD_HEADER = "X-Holdline-Console"
LASTS_S = 12 * 3600.0
"""A night on call; then the key is asked for again."""
_LONGEST_KEY = 512
_PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
_LOOKING_ONLY = frozenset({"GET", "HEAD", "OPTIONS"})


class SessionView(Struct, frozen=True, kw_only=True):
    """Who is logged in, and what the page needs to act for them."""

    key: str
    """The key's name in the config, never the key."""
    scopes: tuple[str, ...]
    expires_at: str
    word: str
    """To be sent as X-Holdline-Console with everything that changes something."""
    lab: str | None
    """Where the lab is, if the carriers are simulated."""


async def key_of_session(connection: Connection) -> ApiKey | None:
    """The key that the cookie stands for; None without a cookie.

    Refuses a session that is over (401), and a change that our own page did not ask for (403).
    """
    secret = connection.cookies.get(COOKIE)
    if secret is None:
        return None
    services: Services = connection.app.state.services
    _, key = await _open(services, secret)
    if connection.scope.get("method") not in _LOOKING_ONLY:
        refuse_foreign(connection, services)
        if not hmac.compare_digest(connection.headers.get(WORD_HEADER, "").encode(), _word(secret).encode()):
            raise refusal("foreign-request", f"Send the header {WORD_HEADER} with the word of GET /console/session.")
    return key


def refuse_foreign(connection: Connection, services: Services) -> None:
    """403 for what another site's page, or no browser at all, asks with somebody's cookie."""
    if not from_ourselves(connection.headers, services.config.server.public_url):
        raise refusal("foreign-request", "This was asked by another page than the console. Programs use an API key instead.")


async def still_in(connection: Connection, services: Services) -> bool:
    """Whether whoever opened a stream may go on reading it: with a key always, with a cookie until the session is over."""
    secret = connection.cookies.get(COOKIE)
    if secret is None or connection.headers.get("authorization"):
        return True
    try:
        await _open(services, secret)
    except Refusal:
        return False
    return True


@post("/console/session", status_code=200, include_in_schema=False, request_max_body_size=4096)
async def log_in(request: AnyRequest, services: GivenServices) -> Response[SessionView]:
    """`{"key": "..."}`; 401 for a wrong one, 429 after too many of those."""
    refuse_foreign(request, services)
    tries: Tries = request.app.state.console_tries
    address, now = request.client.host if request.client else "", services.clock.now()
    _refuse_haste(tries.wait_s(address, now))
    key = _key(services, _given(read_json(await request.body(), request.headers.get("content-type", ""))))
    if key is None:
        tries.failed(address, now)
        log.warning("console-key-refused", address=address)
        raise refusal(
            "unauthorized", "This key is not one of this gateway's. The demo prints its own; see `keys` in config.yaml."
        )
    tries.succeeded(address)
    if COOKIE in request.cookies:  # the browser forgets it now, so nobody could ever log it out
        await services.store.drop_session(_id(request.cookies[COOKIE]))
    secret = services.new_id("con")
    session = ConsoleSession(id=_id(secret), key_hash=key.hash or "", expires_at=now + LASTS_S)
    await services.store.put_session(session, now)
    log.info("console-log-in", key=key.name)
    cookie = _cookie(secret, request, int(LASTS_S))
    return Response(_view(services, secret, session, key), cookies=[cookie], headers=_PRIVATE)


@get("/console/session", include_in_schema=False)
async def who_is_in(request: AnyRequest, services: GivenServices) -> Response[SessionView | None]:
    """204 if nobody is, or not any more: that is no error of the page that asks."""
    try:
        secret = request.cookies[COOKIE]
        return Response(_view(services, secret, *await _open(services, secret)), headers=_PRIVATE)
    except (KeyError, Refusal):
        return Response(None, status_code=204)


@delete("/console/session", status_code=204, include_in_schema=False)
async def log_out(request: AnyRequest, services: GivenServices) -> Response[None]:
    """The session is over, also for a copy of its cookie."""
    if await key_of_session(request) is not None:
        await services.store.drop_session(_id(request.cookies[COOKIE]))
    return Response(None, status_code=204, cookies=[_cookie("", request, 0)])


async def _open(services: Services, secret: str) -> tuple[ConsoleSession, ApiKey]:
    session = await services.store.session(_id(secret), services.clock.now())
    key = next((key for key in services.config.keys if session is not None and key.hash == session.key_hash), None)
    if session is None or key is None:
        raise _over()
    return session, key


def _view(services: Services, secret: str, session: ConsoleSession, key: ApiKey) -> SessionView:
    return SessionView(
        key=key.name, scopes=key.scopes, expires_at=rfc3339(session.expires_at), word=_word(secret), lab=services.lab_url
    )


def _given(body: Any) -> str:
    """The key as it was typed; what else the body holds is never repeated in an answer."""
    key = body.get("key") if isinstance(body, dict) and len(body) == 1 else None
    if not isinstance(key, str) or not 0 < len(key.strip()) <= _LONGEST_KEY:
        raise refusal("invalid-request", 'Send {"key": "..."} with one of the API keys of this gateway, and nothing beside it.')
    return key.strip()


def _key(services: Services, given: str) -> ApiKey | None:
    digest = hashlib.sha256(given.encode()).hexdigest().encode()
    fitting = [key for key in services.config.keys if hmac.compare_digest((key.hash or "").encode(), digest)]
    return fitting[0] if fitting else None


def _refuse_haste(wait_s: float) -> None:
    if wait_s > 0:
        seconds = math.ceil(wait_s)
        raise refusal("too-many-tries", f"Try again in {seconds} s.", headers={"Retry-After": str(seconds)})


def _over() -> Refusal:
    return refusal("unauthorized", "You are not logged in, or not any more: log in with an API key.")


def _id(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _word(secret: str) -> str:
    return hashlib.sha256(f"word of {secret}".encode()).hexdigest()[:32]


def _cookie(secret: str, request: AnyRequest, max_age: int) -> Cookie:
    """Secure wherever the browser came over https, which its Origin says even behind a proxy."""
    secure = request.headers.get("origin", "").startswith("https:")
    return Cookie(key=COOKIE, value=secret, path="/", max_age=max_age, httponly=True, samesite="strict", secure=secure)
