"""For balancers, supervisors and Prometheus; open to everybody who reaches the port, and free of numbers and secrets."""

from contextlib import suppress
from typing import Annotated

from litestar import Response, get
from litestar.openapi import ResponseSpec
from msgspec import Meta, Struct

from gateway.domain.errors import StoreUnavailable
from gateway.runtime.telemetry.counting import BREAKER_VALUES, show_promises
from gateway.web.services import GivenServices, Services


class Alive(Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: Annotated[str, Meta(description="`ok`")] = "ok"


class Readiness(Struct, frozen=True, kw_only=True):
    """Whether a balancer should send new calls here; carriers, agents and store are told and do not decide."""

    ready: Annotated[bool, Meta(description="Started, and not draining.")]
    draining: Annotated[bool, Meta(description="Being stopped: live calls may finish, new ones are refused.")]
    store: Annotated[str, Meta(description="`ok` or `unavailable`.")]
    carriers: Annotated[dict[str, str], Meta(description="Breaker state by carrier; `unknown` while the store is away.")]
    agents: Annotated[dict[str, str], Meta(description="Breaker state by agent, as this process sees it.")]


@get("/healthz", summary="Alive", response_description="It does.", security=[{}], tags=["operations"])
async def healthz() -> Alive:
    """The process answers."""
    return Alive()


@get(
    "/readyz",
    summary="Ready for new calls",
    response_description="Ready.",
    security=[{}],
    tags=["operations"],
    responses={503: ResponseSpec(data_container=Readiness, description="Draining.", generate_examples=False)},
)
async def readyz(services: GivenServices) -> Response[Readiness]:
    """200, or 503 while draining. The outage of a carrier or of an agent never makes the gateway unready."""
    ready = services.calls.ready()
    carriers = await _breakers(services)
    readiness = Readiness(
        ready=ready,
        draining=services.calls.draining,
        store="ok" if carriers is not None else "unavailable",
        carriers=carriers or {carrier.name: "unknown" for carrier in services.config.carriers},
        agents=dict(services.agents()),
    )
    return Response(readiness, status_code=200 if ready else 503)


@get(
    "/metrics",
    media_type="text/plain",
    summary="Counters for Prometheus",
    response_description="Text format 0.0.4.",
    security=[{}],
    tags=["operations"],
)
async def metrics(services: GivenServices) -> Response[bytes]:
    """Prometheus text. Breakers and promises are as the store has them now, for all gateways together."""
    with suppress(StoreUnavailable):
        for carrier in services.config.carriers:
            state = (await services.store.breaker(carrier.name)).state
            services.metrics.gauge("carrier_breaker_state", BREAKER_VALUES[state], carrier=carrier.name)
        show_promises(await services.store.open_promises(), services.clock.now(), services.metrics.gauge)
    return Response(services.metrics.text(), media_type=services.metrics.content_type)


async def _breakers(services: Services) -> dict[str, str] | None:
    try:
        if not await services.store.ping():
            return None
        return {one.name: (await services.store.breaker(one.name)).state.value for one in services.config.carriers}
    except StoreUnavailable:
        return None
