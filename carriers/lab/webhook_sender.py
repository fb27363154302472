"""Sends the carriers' webhooks with httpx and reports what came back, in the words of `WebhookReply`."""

import asyncio
import ssl
from functools import cache
from urllib.parse import urlsplit

import httpx

from carriers.lab.contract import Fetch, Webhook, WebhookReply

MAX_ANSWER = 1_000_000
MAX_FILE = 20_000_000


@cache
def _authorities() -> ssl.SSLContext:
    """Whom we trust. Read once: it takes as long as all else that a lab does to start, and test suites start many."""
    return httpx.create_ssl_context(trust_env=False)


class WebhookSender:
    """One client for all carriers: no redirects, no proxies from the environment, each webhook with its own time-outs."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_connections=500, max_keepalive_connections=50, keepalive_expiry=2.0)
        self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False, limits=limits, verify=_authorities())

    async def send(self, hook: Webhook) -> WebhookReply:
        """Never raises for what a customer or a network can do."""
        return await self._answered(hook, MAX_ANSWER)

    async def fetch(self, wish: Fetch) -> WebhookReply:
        """As `send`, for a file."""
        hook = Webhook(id=wish.id, url=wish.url, method="GET", headers=wish.headers, timeout_s=wish.timeout_s)
        return await self._answered(hook, MAX_FILE)

    async def _answered(self, hook: Webhook, most: int) -> WebhookReply:
        if not _is_address(hook.url):
            return WebhookReply(status=0, failure="connect")
        try:
            async with asyncio.timeout(hook.timeout_s):
                return await self._send(hook, most)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL):
            return WebhookReply(status=0, failure="connect")
        except (TimeoutError, httpx.TimeoutException):
            return WebhookReply(status=0, failure="timeout")
        except httpx.HTTPError:
            return WebhookReply(status=0, failure="reset")

    async def aclose(self) -> None:
        """Let the connections go."""
        await self._client.aclose()

    async def _send(self, hook: Webhook, most: int) -> WebhookReply:
        timeout = httpx.Timeout(hook.timeout_s, connect=min(hook.connect_timeout_s, hook.timeout_s))
        content = hook.body or None
        request = self._client.build_request(hook.method, hook.url, headers=dict(hook.headers), content=content, timeout=timeout)
        response = await self._client.send(request, stream=True)
        try:
            body = await _bounded(response, most)
        finally:
            await response.aclose()
        return WebhookReply(status=response.status_code, body=body, content_type=response.headers.get("content-type", ""))


def _is_address(url: str) -> bool:
    """Whether it parses; httpx lets through ports that no socket takes."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


async def _bounded(response: httpx.Response, most: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > most:
            break
    return bytes(body[:most])
