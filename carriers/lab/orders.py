"""What the exchange asks of the shell, beside the simulators' own effects. Pure values.

Effects that reach the shell: `Deliver`, `Fetch`, `OpenSocket`, `SendFrame`, `CloseSocket`, `Listen`, `TellLine`.
"""

from typing import Literal

from msgspec import Struct

from carriers.lab.contract import Effect, RestReply, Webhook
from carriers.lab.notices import LineNotice


class Deliver(Effect, frozen=True, kw_only=True):
    """Send a webhook and report the answer to `Exchange.on_webhook_reply` under `key`."""

    key: str
    webhook: Webhook


class Listen(Effect, frozen=True, kw_only=True):
    """Open the carrier's listener, or close it and reset its connections."""

    open: bool


class TellLine(Effect, frozen=True, kw_only=True):
    """Hand the notice to the clients of a phone's line."""

    notice: LineNotice


class Order(Struct, frozen=True):
    """One effect and the carrier that it belongs to."""

    carrier: str
    effect: Effect


class Answer(Struct, frozen=True, kw_only=True):
    """What happens to an API request. Without a reply the connection is `held` open or `closed`."""

    reply: RestReply | None = None
    delay_s: float = 0.0
    otherwise: Literal["held", "closed"] = "closed"
