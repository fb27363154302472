"""`/v1/carriers`: how each carrier stands."""

from asyncio import gather
from typing import Annotated, Any

from litestar import Request, Router, get
from litestar.params import PathParameter

from gateway.config.structs import CarrierConfig
from gateway.web.auth import needs
from gateway.web.paging import refuse_unknown_parameters
from gateway.web.problems import refusal
from gateway.web.responses import REFUSALS
from gateway.web.services import GivenServices, Services
from gateway.web.shapes import CarrierPage, CarrierView
from gateway.web.views import carrier_view

CarrierName = Annotated[str, PathParameter(description="As the config names it.")]


@get("/", guards=[needs("calls:read")], summary="All carriers", response_description="Every carrier.", responses=REFUSALS)
async def list_carriers(request: Request[Any, Any, Any], services: GivenServices) -> CarrierPage:
    """In order of priority."""
    refuse_unknown_parameters(request, ())
    ordered = enumerate(services.config.carriers, 1)
    return CarrierPage(items=tuple(await gather(*(_view(carrier, priority, services) for priority, carrier in ordered))))


@get(
    "/{name:str}",
    guards=[needs("calls:read")],
    summary="One carrier",
    response_description="The carrier.",
    responses=REFUSALS,
)
async def get_carrier(name: CarrierName, services: GivenServices) -> CarrierView:
    """Breaker, limits and live legs of one account."""
    names = [carrier.name for carrier in services.config.carriers]
    if name not in names:
        raise refusal("not-found", f"There is no carrier of this name; there are: {', '.join(names)}.")
    position = names.index(name)
    return await _view(services.config.carriers[position], position + 1, services)


async def _view(carrier: CarrierConfig, priority: int, services: Services) -> CarrierView:
    breaker = await services.store.breaker(carrier.name)
    live_legs = await services.store.live_legs(carrier.name, services.clock.now())
    return carrier_view(carrier, priority, breaker, live_legs)


ROUTER = Router("/v1/carriers", route_handlers=[list_carriers, get_carrier], tags=["carriers"])
