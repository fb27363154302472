"""Sends notices over HTTP, in a thread with an event loop of its own: the calls' loop has 20 ms for each frame of sound, and
the name server's silence, a slow handshake or a thousand waiting answers of somebody's endpoint must cost none of it.

Redirects are not followed, cookies are not kept, and of an answer's body no more is read than lets the connection be used
again. A proxy of the environment (HTTPS_PROXY, NO_PROXY) is used, but not for this machine's own addresses.
"""

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from gateway.runtime.user_webhook_verdicts import Reply

TIMEOUT_S = 15.0
"""From the look-up of the name to the head of the answer."""
BODY_READ = 4096
_BODY_S = 1.0
_CLOSE_S = 5.0


class SendingThread:
    """`async with SendingThread(resolvers) as sending: await sending.post(...)`. `resolvers`: names looked up at once."""

    def __init__(self, resolvers: int, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(max(1, resolvers), thread_name_prefix="user-webhooks-name"))
        self._thread = threading.Thread(target=self._loop.run_forever, name="user-webhooks", daemon=True)
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._close(), self._loop))
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, _CLOSE_S)
        if not self._thread.is_alive():
            self._loop.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """What came of it; raises nothing of the network's. Cancelled, it gives the request up."""
        future = asyncio.run_coroutine_threadsafe(self._post(url, headers, body), self._loop)
        return await asyncio.wrap_future(future)

    # --- in the thread -------------------------------------------------------------------------------------------

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        try:
            return await self._sent(url, headers, body)
        except TimeoutError:
            return Reply(error=f"no answer within {self._timeout_s:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Reply(error=f"{type(error).__name__}: {error}"[:200])

    async def _sent(self, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        client = self._client(url)
        async with asyncio.timeout(self._timeout_s):
            response = await client.send(client.build_request("POST", url, headers=dict(headers), content=body), stream=True)
        try:
            return Reply(status=response.status_code, retry_after=response.headers.get("retry-after", "")[:100])
        finally:
            await _read_a_little(response)
            await response.aclose()

    def _client(self, url: str) -> httpx.AsyncClient:
        """One for each endpoint, so that none takes another's connections."""
        if url not in self._clients:
            self._clients[url] = httpx.AsyncClient(
                timeout=None,  # noqa: S113 # ours goes over all of it
                follow_redirects=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                trust_env=not _of_this_machine(url),
                headers={"user-agent": "Holdline-Webhooks"},
            )
        return self._clients[url]

    async def _close(self) -> None:
        us = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not us]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()


async def _read_a_little(response: Any) -> None:
    """A short body leaves its connection to the next notice; whoever sends a long one, or dawdles, loses it."""
    read = 0
    try:
        async with asyncio.timeout(_BODY_S):
            async for part in response.aiter_raw():
                read += len(part)
                if read > BODY_READ:
                    return
    except (TimeoutError, httpx.HTTPError, OSError):
        return


def _of_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
