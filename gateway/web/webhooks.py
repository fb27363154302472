"""`/v1/webhooks`: how your own systems that are told stand, what could not be delivered, and trying again by hand."""

from typing import Annotated

from litestar import Request, Router, get, post
from litestar.datastructures import State
from litestar.params import PathParameter, QueryParameter

from gateway.runtime.user_webhook_deliveries import Endpoint
from gateway.runtime.user_webhooks import Pinged, UserWebhooks
from gateway.web.auth import ADMIN
from gateway.web.paging import read_dead_place, refuse_unknown_parameters
from gateway.web.problems import refusal
from gateway.web.responses import protected
from gateway.web.services import GivenServices, Services
from gateway.web.webhook_views import DeadNoticePage, Replayed, WebhookPage, WebhookView, dead_view, webhook_view

ApiRequest = Request[object, object, State]
Name = Annotated[str, PathParameter(description="As the config names it.")]
NoticeId = Annotated[str, PathParameter(description="`msg_...`, as the list has it.")]


@get("/", **protected("calls:read", "All webhooks", "Every endpoint."))
async def list_webhooks(request: ApiRequest, services: GivenServices) -> WebhookPage:
    """In the order of the config: backlog, oldest, last error."""
    refuse_unknown_parameters(request, ())
    endpoints = services.user_webhooks.endpoints.values() if services.user_webhooks else ()
    return WebhookPage(items=tuple([await _view(endpoint, services) for endpoint in endpoints]))


@get("/{name:str}", **protected("calls:read", "One webhook", "The endpoint."))
async def get_webhook(name: Name, services: GivenServices) -> WebhookView:
    """How its deliveries stand."""
    return await _view(_known(name, services).endpoints[name], services)


@get("/{name:str}/dead", **protected("calls:read", "Dead letters", "A page of notices that are not tried any more."))
async def list_dead(
    name: Name,
    request: ApiRequest,
    services: GivenServices,
    limit: Annotated[int, QueryParameter(description="At most so many.", ge=1, le=200)] = 50,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.", max_length=200)] = None,
) -> DeadNoticePage:
    """The newest dead first, each with its last error and its body."""
    refuse_unknown_parameters(request, ("limit", "cursor"))
    _known(name, services)
    page = await services.store.dead_notices(name, limit, read_dead_place(cursor))
    return DeadNoticePage(items=tuple(dead_view(dead) for dead in page.items), next=page.next)


@post("/{name:str}/dead/replay", status_code=202, **protected(ADMIN, "Replay all dead letters", "How many wait again."))
async def replay_all(name: Name, services: GivenServices) -> Replayed:
    """The oldest first, each behind what waits about the same call, with all its tries before it again."""
    return Replayed(replayed=await _known(name, services).replay(name))


@post("/{name:str}/dead/{notice_id:str}/replay", status_code=202, **protected(ADMIN, "Replay a dead letter", "It waits again."))
async def replay_one(name: Name, notice_id: NoticeId, services: GivenServices) -> Replayed:
    """With the same `webhook-id` as before."""
    if not await _known(name, services).replay(name, notice_id):
        raise refusal("not-found", "There is no dead letter of this id.")
    return Replayed(replayed=1)


@post("/{name:str}/enable", status_code=200, **protected(ADMIN, "Enable a webhook", "The endpoint, enabled."))
async def enable_webhook(name: Name, services: GivenServices) -> WebhookView:
    """For one that said 410, or wants to be left alone: what waits is tried at once."""
    webhooks = _known(name, services)
    await webhooks.enable(name)
    return await _view(webhooks.endpoints[name], services)


@post("/{name:str}/test", status_code=200, **protected(ADMIN, "Send a ping", "What came of it."))
async def ping_webhook(name: Name, services: GivenServices) -> Pinged:
    """One `webhook.ping`, at once and beside the queue, also to a disabled one; it is not repeated."""
    return await _known(name, services).ping(name)


def _known(name: str, services: Services) -> UserWebhooks:
    webhooks = services.user_webhooks
    if webhooks is None or name not in webhooks.endpoints:
        names = ", ".join(webhooks.endpoints) if webhooks else ""
        raise refusal("not-found", f"There is no webhook of this name; there are: {names or 'none'}.")
    return webhooks


async def _view(endpoint: Endpoint, services: Services) -> WebhookView:
    return webhook_view(endpoint, await services.store.endpoint_state(endpoint.name), services.clock.now())


ROUTER = Router(
    "/v1/webhooks",
    route_handlers=[list_webhooks, get_webhook, list_dead, replay_all, replay_one, enable_webhook, ping_webhook],
    tags=["webhooks"],
)
