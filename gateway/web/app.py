"""The gateway's HTTP face: `create_app(services)`. Controllers are thin; everything is decided behind `Services`."""

from importlib.metadata import version

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from gateway.web import agents_rest, callbacks, calls, carriers, routes, voicemails, webhooks
from gateway.web.console.pages import console, console_file, phone
from gateway.web.console.session import log_in, log_out, who_is_in
from gateway.web.console.tries import Tries
from gateway.web.events import call_events, gateway_events
from gateway.web.health import healthz, metrics, readyz
from gateway.web.hooks import BODY_LIMIT, receive_arrival, receive_hook
from gateway.web.problems import EXCEPTION_HANDLERS
from gateway.web.services import Services

_DESCRIPTION = """Keeps phone calls to a voice agent alive when a carrier fails.

Every error is a problem (RFC 9457) with `errors` for each wrong field. Numbers are E.164, times RFC 3339 UTC, durations
seconds. A field that nothing obeys yet is refused with `not-supported-yet`."""


def create_app(services: Services) -> Litestar:
    """The ASGI application of REST, webhooks, health and metrics. Media sockets stand in front of it, not in it."""
    return Litestar(
        route_handlers=[
            calls.ROUTER,
            callbacks.ROUTER,
            carriers.ROUTER,
            routes.explain_route,
            voicemails.ROUTER,
            webhooks.ROUTER,
            call_events,
            gateway_events,
            receive_hook,
            receive_arrival,
            *agents_rest.HANDLERS,
            healthz,
            readyz,
            metrics,
            *(console, console_file, phone, log_in, who_is_in, log_out),
        ],
        dependencies={"services": Provide(lambda: services, sync_to_thread=False)},
        state=State({"services": services, "console_tries": Tries()}),
        exception_handlers={**EXCEPTION_HANDLERS, **agents_rest.EXCEPTION_HANDLERS},
        request_max_body_size=BODY_LIMIT,
        openapi_config=_openapi(),
        # Ours is structlog, configured by the process; the framework adds nothing to it.
        logging_config=None,
    )


def _openapi() -> OpenAPIConfig:
    key = SecurityScheme(type="http", scheme="bearer", description="An API key: calls:write, calls:read, admin.")
    return OpenAPIConfig(
        title="Holdline",
        version=version("holdline"),
        description=_DESCRIPTION,
        path="/schema",
        render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"])],
        components=Components(security_schemes={"key": key}),
        security=[{"key": []}],
        use_handler_docstrings=True,
    )
