"""What scenarios of webhooks are made of."""

from collections.abc import Awaitable, Callable

from stage import Stage
from validators import Signed

from carriers.contract import HookRequest

Asking = Callable[[Stage], Awaitable[list[Signed]]]
"""Makes the carrier ask something, and gives back what it asked."""


def upgrade(stage: Stage, url: str = "") -> Signed:
    """The media socket's upgrade request, as it came."""
    assert stage.socket.connection is not None
    asked = stage.socket.connection.request
    assert asked is not None
    headers = {name.lower(): value for name, value in asked.headers.raw_items()}
    told = HookRequest(method="GET", url=url or stage.socket.url + asked.path, path="", headers=headers, body=b"")
    return Signed(request=told, upgrade=True)
