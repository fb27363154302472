"""The user's systems, as config.yaml has them, in the words of the runtime."""

from contextlib import AsyncExitStack

from gateway.config.structs import Config, WebhookConfig
from gateway.config.webhook_checks import secret_bytes
from gateway.domain.happenings import meant
from gateway.runtime.user_webhook_deliveries import AT_ONCE, Endpoint, Send, unsent
from gateway.runtime.user_webhook_sending import SendingThread


def webhook_endpoints(config: Config) -> tuple[Endpoint, ...]:
    """In the order of the file."""
    return tuple(_endpoint(entry) for entry in config.webhooks)


async def open_sending(config: Config, stack: AsyncExitStack) -> Send:
    """What sends notices over HTTP, for as long as the stack stands; without endpoints there is no thread for it."""
    if not config.webhooks:
        return unsent
    return (await stack.enter_async_context(SendingThread(resolvers=AT_ONCE * len(config.webhooks)))).post


def _endpoint(entry: WebhookConfig) -> Endpoint:
    given = (entry.secret, entry.previous_secret)
    secrets = tuple(secret_bytes(text) for text in given if text is not None)
    return Endpoint(name=entry.name, url=entry.url, secrets=secrets, wanted=meant(entry.events))
