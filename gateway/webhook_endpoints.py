"""The user's systems, as config.yaml has them, in the words of the runtime."""

import random
from collections.abc import Callable
from contextlib import AsyncExitStack

from gateway.config.structs import Config, WebhookConfig
from gateway.config.webhook_checks import secret_bytes
from gateway.domain.happenings import meant
from gateway.runtime.clock import Clock
from gateway.runtime.store.contract import Store
from gateway.runtime.telemetry.metrics import Metrics
from gateway.runtime.user_webhook_deliveries import AT_ONCE, Endpoint, Send, unsent
from gateway.runtime.user_webhook_sending import SendingThread
from gateway.runtime.user_webhooks import UserWebhooks


def webhook_endpoints(config: Config) -> tuple[Endpoint, ...]:
    """In the order of the file."""
    return tuple(_endpoint(entry) for entry in config.webhooks)


def user_webhooks(
    config: Config, store: Store, clock: Clock, send: Send, metrics: Metrics, chance: random.Random, new_id: Callable[[str], str]
) -> UserWebhooks:
    """What tells them, and knows what they are told."""
    endpoints = webhook_endpoints(config)
    count, gauge = metrics.count, metrics.gauge
    return UserWebhooks(endpoints, store, clock, send, chance=chance, new_id=new_id, count=count, gauge=gauge)


async def open_sending(config: Config, stack: AsyncExitStack) -> Send:
    """What sends notices over HTTP, for as long as the stack stands; without endpoints there is no thread for it."""
    if not config.webhooks:
        return unsent
    return (await stack.enter_async_context(SendingThread(resolvers=AT_ONCE * len(config.webhooks)))).post


def _endpoint(entry: WebhookConfig) -> Endpoint:
    given = (entry.secret, entry.previous_secret)
    secrets = tuple(secret_bytes(text) for text in given if text is not None)
    return Endpoint(name=entry.name, url=entry.url, secrets=secrets, wanted=meant(entry.events))
