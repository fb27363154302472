"""Where carriers report: `/carriers/{name}/hooks/{call_id}/{leg_id}/{step}`, any method, answered as the carrier wants it.

What was signed is rebuilt from the configured public URL and the raw path and query, never from the Host header.
"""

from functools import partial
from typing import Annotated, Any

import structlog
from litestar import Request, Response, route
from litestar.enums import HttpMethod
from litestar.params import PathParameter

from carriers.contract import Document, HookRequest
from gateway.domain.errors import BadSignature, Malformed, StoreUnavailable
from gateway.runtime.inbox import UnknownHook
from gateway.web.problems import Refusal, refusal, unavailable
from gateway.web.responses import hook_refusals
from gateway.web.services import Arrivals, GivenServices, Inbox, Services

log = structlog.get_logger(__name__)

BODY_LIMIT = 256 * 1024

carriers_own = partial(
    route,
    http_method=[HttpMethod.GET, HttpMethod.POST, HttpMethod.PUT, HttpMethod.PATCH, HttpMethod.DELETE],
    request_max_body_size=BODY_LIMIT,
    responses=hook_refusals(),
    security=[{}],
    status_code=200,
    tags=["carriers' own"],
)
"""A path that carriers call, each with the method it likes, signed in its own way."""


@carriers_own(
    "/carriers/{name:str}/hooks/{call_id:str}/{leg_id:str}/{step:path}",
    summary="A carrier's webhook",
    response_description="Taken. The body is the carrier's next instructions, if it asked for some.",
)
async def receive_hook(
    name: Annotated[str, PathParameter(description="The carrier, as the config names it.")],
    call_id: Annotated[str, PathParameter(description="Of which call.")],
    leg_id: Annotated[str, PathParameter(description="Of which leg.")],
    step: Annotated[str, PathParameter(description="What the carrier reports; its own folder knows the words.")],
    request: Request[Any, Any, Any],
    services: GivenServices,
) -> Response[bytes]:
    """For carriers; signed in each carrier's own way. Unsigned, wrongly signed or stale: 403, and nothing changes."""
    hook = HookRequest(
        method=request.method,
        url=signed_url(services.config.server.public_url, request.scope),
        path=step.lstrip("/"),
        headers=_headers(request),
        body=await request.body(),
        call_id=call_id,
        leg_id=leg_id,
    )
    return await _answered(name, hook, services.inbox, services)


async def _answered(name: str, hook: HookRequest, taker: Inbox | Arrivals, services: Services) -> Response[bytes]:
    document, result = await _received(name, hook, taker)
    # A carrier's name that is not configured comes from outside: it must not become a label.
    known = name if services.config.carrier(name) else "unknown"
    if result:
        services.metrics.count("webhooks_total", carrier=known, result=result)
    if isinstance(document, Refusal):
        log.warning("webhook-refused", carrier=known, call_id=hook.call_id, leg_id=hook.leg_id, step=hook.path, result=result)
        raise document
    return Response(document.body, status_code=document.status, media_type=document.content_type)


@carriers_own(
    "/carriers/{name:str}/inbound/{step:path}",
    summary="A carrier's webhook about a caller",
    response_description="Taken. The body is the carrier's next instructions, if it asked for some.",
)
async def receive_arrival(
    name: Annotated[str, PathParameter(description="The carrier, as the config names it.")],
    step: Annotated[str, PathParameter(description="What the carrier reports; its own folder knows the words.")],
    request: Request[Any, Any, Any],
    services: GivenServices,
) -> Response[bytes]:
    """For carriers: the URL that their numbers and applications are pointed at. Signed like every other webhook."""
    hook = HookRequest(
        method=request.method,
        url=signed_url(services.config.server.public_url, request.scope),
        path=step.lstrip("/"),
        headers=_headers(request),
        body=await request.body(),
    )
    return await _answered(name, hook, services.arrivals, services)


async def _received(name: str, hook: HookRequest, taker: Inbox | Arrivals) -> tuple[Document | Refusal, str]:
    """The answer, and the word under which it is counted (the inbox counts what it has taken itself)."""
    try:
        return await taker.receive(name, hook), ""
    except BadSignature:
        return refusal("bad-signature", "Nothing was changed."), "bad_signature"
    except Malformed as error:
        # It is authentic: a repetition by the carrier would not help, so it is acknowledged and we are told.
        log.error("webhook-malformed", carrier=name, call_id=hook.call_id, leg_id=hook.leg_id, error=str(error))
        return Document(), "malformed"
    except UnknownHook:
        return refusal("not-found", "There is no such leg of such a call on this carrier."), "unknown"
    except StoreUnavailable:
        return unavailable("The store does not answer; repeat this, or use the fallback URL."), "unavailable"
    except Exception as error:
        log.error("webhook-failed", carrier=name, call_id=hook.call_id, leg_id=hook.leg_id, exc_info=error)
        return refusal("internal-error", "The failure has been logged."), "failed"


def signed_url(public_url: str, scope: Any) -> str:
    """The URL as the carrier called it, raw, with our configured origin."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.partition(b"?")[0].decode("latin-1")
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{public_url}{path}?{query}" if query else f"{public_url}{path}"


def _headers(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Names in lower case; a header that came twice is joined, so that no second value hides behind the first."""
    return {name.lower(): ", ".join(request.headers.getall(name)) for name in request.headers}
