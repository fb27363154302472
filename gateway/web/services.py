"""All that the web layer is given of the gateway. It decides nothing; it asks these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from litestar.di import NamedDependency

from carriers.contract import Document, HookRequest
from gateway.config.structs import Config
from gateway.domain.records import Call
from gateway.runtime.callback_desk import CallbackDesk
from gateway.runtime.clock import Clock
from gateway.runtime.store.contract import CommitResult, IdempotencyRecord, Store
from gateway.runtime.telemetry.metrics import Metrics
from gateway.runtime.user_webhook_announcing import SILENT, Announcer
from gateway.runtime.user_webhooks import UserWebhooks
from gateway.runtime.voicemail_files import MessageFiles


class Inbox(Protocol):
    """Takes webhooks."""

    async def receive(self, carrier: str, request: HookRequest) -> Document:
        """The answer. Raise BadSignature, Malformed, gateway.runtime.inbox.UnknownHook, StoreUnavailable."""
        ...


class Arrivals(Protocol):
    """Takes webhooks on the account's own URLs: callers, and news of them."""

    async def receive(self, carrier: str, request: HookRequest) -> Document:
        """The answer. Raises as `Inbox.receive`."""
        ...


class CallDesk(Protocol):
    """Takes what users want of calls."""

    @property
    def draining(self) -> bool:
        """The process is on its way out and takes no new calls."""
        ...

    def full(self) -> bool:
        """So many calls live in this process that it takes no new ones."""
        ...

    def ready(self) -> bool:
        """Started, and not draining."""
        ...

    async def accept(self, call: Call, idempotency: IdempotencyRecord) -> CommitResult:
        """Store a new call in one write: Committed, or Replayed if the key is known. Raise StoreUnavailable."""
        ...

    async def cancel(self, call_id: str) -> Call:
        """Take back what is not answered; the call afterwards. Raise CallNotFound, IllegalTransition, StoreUnavailable."""
        ...

    async def hang_up(self, call_id: str) -> Call:
        """End it in whatever state; the call afterwards. Raises as `cancel`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Services:
    """Handed to `create_app`; lives as long as the process. (No Struct: it holds things that live, and no data.)"""

    config: Config
    store: Store
    clock: Clock
    new_id: Callable[[str], str]
    """`new_id("call")` -> `call_...`, random."""
    calls: CallDesk
    callbacks: CallbackDesk
    inbox: Inbox
    arrivals: Arrivals
    metrics: Metrics
    voicemail_files: MessageFiles
    user_webhooks: UserWebhooks | None = None
    """None where nobody is told anything."""
    announcer: Announcer = SILENT
    agents: Callable[[], Mapping[str, str]] = dict
    """Breaker state by agent, as this process sees it."""
    lab_url: str | None = None
    """Where the lab is, if the carriers are simulated: the console links its telephone."""


GivenServices = NamedDependency[Services]
"""How a handler asks for them."""
