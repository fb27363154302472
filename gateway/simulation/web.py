"""One web application for all simulated processes: making one takes longer than many a world.

It holds nothing of its own. What it asks of `Services` is answered by those of the process that the request came to.
"""

from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from typing import Any, cast

from gateway.web.app import create_app
from gateway.web.services import Services

_SERVICES: ContextVar[Services] = ContextVar("services of the process that is asked")


class _Those:
    """Stands for the services of whoever is asked."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_SERVICES.get(), name)


@cache
def _application() -> Any:
    return create_app(cast(Services, _Those()))


def shared_web(services: Services) -> Callable[..., Any]:
    """As `gateway.web.app.create_app`."""
    application = _application()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        token = _SERVICES.set(services)
        try:
            await application(scope, receive, send)
        finally:
            _SERVICES.reset(token)

    return answer
