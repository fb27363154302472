"""`POST /v1/routes/explain`: what the router would do with a call now, and why, without dialling."""

from litestar import post
from litestar.params import JSONBody

from gateway.runtime.explain import explain
from gateway.web.body import ExplainRouteBody
from gateway.web.requests import CreateCall, ExplainRoute, new_call
from gateway.web.responses import protected
from gateway.web.services import GivenServices
from gateway.web.shapes import RouteExplanation
from gateway.web.views import explained_view


@post(
    "/v1/routes/explain",
    dto=ExplainRouteBody,
    return_dto=None,
    status_code=200,
    request_max_body_size=64 * 1024,
    tags=["routes"],
    **protected(
        "calls:read", "Explain a route", "The carriers, in the order in which they would be tried, each with its reason."
    ),
)
async def explain_route(data: JSONBody[ExplainRoute], services: GivenServices) -> RouteExplanation:
    """Nothing is dialled or stored. A number that no route matches is refused as a call to it would be."""
    config, now = services.config, services.clock.now()
    call = new_call(CreateCall(to=data.to, from_=data.from_, route=data.route), config, now, services.new_id)
    route = config.route(call.route)
    assert route is not None  # new_call has just named it
    numbers = {carrier.name: carrier.numbers for carrier in config.carriers}
    room = {carrier.name: carrier.limits.concurrent_calls for carrier in config.carriers}
    explanation = await explain(services.store, call, route, numbers, room, now, config.breaker)
    return RouteExplanation(
        to=call.to,
        route=call.route,
        agent=call.agent,
        denied=explanation.denied,
        carriers=tuple(explained_view(one) for one in explanation.carriers),
    )
