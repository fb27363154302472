"""`/v1/carriers`: how each carrier stands, and the hand that takes it out of service."""

from asyncio import gather
from typing import Annotated, Any

from litestar import Request, Router, get, post
from litestar.params import PathParameter

from gateway.config.structs import CarrierConfig
from gateway.domain.hand import ServiceState
from gateway.runtime.hands import decide
from gateway.web.auth import ADMIN, caller
from gateway.web.paging import refuse_unknown_parameters
from gateway.web.problems import refusal
from gateway.web.responses import protected
from gateway.web.services import GivenServices, Services
from gateway.web.shapes import CarrierPage, CarrierView
from gateway.web.views import carrier_view

CarrierName = Annotated[str, PathParameter(description="As the config names it.")]


@get("/", **protected("calls:read", "All carriers", "Every carrier."))
async def list_carriers(request: Request[Any, Any, Any], services: GivenServices) -> CarrierPage:
    """In order of priority."""
    refuse_unknown_parameters(request, ())
    ordered = enumerate(services.config.carriers, 1)
    return CarrierPage(items=tuple(await gather(*(_view(carrier, priority, services) for priority, carrier in ordered))))


@get("/{name:str}", **protected("calls:read", "One carrier", "The carrier."))
async def get_carrier(name: CarrierName, services: GivenServices) -> CarrierView:
    """Breaker, limits and live legs of one account."""
    return await _one(name, services)


@post("/{name:str}/drain", status_code=200, **protected(ADMIN, "Drain a carrier", "The carrier, draining."))
async def drain_carrier(name: CarrierName, request: Request[Any, Any, Any], services: GivenServices) -> CarrierView:
    """No new calls until `enable`; live ones go on. No probe or recovery undoes it."""
    return await _by_hand(name, ServiceState.DRAINING, request, services)


@post("/{name:str}/disable", status_code=200, **protected(ADMIN, "Disable a carrier", "The carrier, disabled."))
async def disable_carrier(name: CarrierName, request: Request[Any, Any, Any], services: GivenServices) -> CarrierView:
    """As `drain`, and says that it is not expected back soon."""
    return await _by_hand(name, ServiceState.DISABLED, request, services)


@post("/{name:str}/enable", status_code=200, **protected(ADMIN, "Put a carrier back", "The carrier, active."))
async def enable_carrier(name: CarrierName, request: Request[Any, Any, Any], services: GivenServices) -> CarrierView:
    """New calls may go there again, if its breaker agrees; calls that wait for a carrier are tried at once."""
    return await _by_hand(name, ServiceState.ACTIVE, request, services)


async def _by_hand(name: str, state: ServiceState, request: Request[Any, Any, Any], services: Services) -> CarrierView:
    _position(name, services)
    await decide(services.store, services.clock, name, state, caller(request), services.announcer)
    return await _one(name, services)


async def _one(name: str, services: Services) -> CarrierView:
    position = _position(name, services)
    return await _view(services.config.carriers[position], position + 1, services)


def _position(name: str, services: Services) -> int:
    """Its place in the config, from 0; 404 if there is no such carrier."""
    names = [carrier.name for carrier in services.config.carriers]
    if name not in names:
        raise refusal("not-found", f"There is no carrier of this name; there are: {', '.join(names)}.")
    return names.index(name)


async def _view(carrier: CarrierConfig, priority: int, services: Services) -> CarrierView:
    breaker = await services.store.breaker(carrier.name)
    live_legs = await services.store.live_legs(carrier.name, services.clock.now())
    return carrier_view(carrier, priority, breaker, await services.store.hand(carrier.name), live_legs)


ROUTER = Router(
    "/v1/carriers",
    route_handlers=[list_carriers, get_carrier, drain_carrier, disable_carrier, enable_carrier],
    tags=["carriers"],
)
