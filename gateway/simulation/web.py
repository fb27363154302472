"""One web application for all simulated processes: making one takes longer than many a world.

It holds nothing of its own. What it asks of `Services` is answered by those of the process that the request came to.
"""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import MISSING, fields
from functools import cache
from typing import Any

from gateway.web.app import create_app
from gateway.web.services import Services

_SERVICES: ContextVar[Services] = ContextVar("services of the process that is asked")


class _Part:
    """Stands for one part of the services of whoever is asked."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(getattr(_SERVICES.get(), self._name), name)

    def __call__(self, *given: Any) -> Any:
        return getattr(_SERVICES.get(), self._name)(*given)


@cache
def _application() -> Any:
    parts: dict[str, Any] = {field.name: _Part(field.name) for field in fields(Services) if field.default is MISSING}
    return create_app(Services(**parts))


def shared_web(services: Services) -> Callable[..., Any]:
    """As `gateway.web.app.create_app`."""
    token = _SERVICES.set(services)
    application = _application()
    _SERVICES.reset(token)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        token = _SERVICES.set(services)
        try:
            await application(scope, receive, send)
        finally:
            _SERVICES.reset(token)

    return answer
