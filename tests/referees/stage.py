"""One carrier of a real lab, its official SDK, and a customer who answers as a test says: HTTP and WebSockets on loopback."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from sdks import CLIENTS
from websockets.asyncio.server import ServerConnection, serve

from carriers.contract import HookRequest
from carriers.lab.contract import RestReply, RestRequest
from carriers.lab.http_listener import HttpListener
from carriers.lab.lab import Lab
from carriers.lab.ledger import Entry
from carriers.lab.orders import Answer
from carriers.lab.recording import Heard

T = TypeVar("T")
PERSON, OTHER = "+15550106001", "+15550106002"
PATIENCE_S = 20.0


def _wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(8000)
        written.writeframes(b"\x00\x20\x00\xe0" * 4000)
    return file.getvalue()


WAV = _wav()


class Customer:
    """Whoever the carrier asks: documents by path, everything else acknowledged; remembers what came."""

    def __init__(self) -> None:
        self._listener = HttpListener("127.0.0.1")
        self.requests: list[RestRequest] = []
        self.documents: dict[str, RestReply] = {}
        self._came = asyncio.Event()

    @property
    def url(self) -> str:
        """Where the carrier finds it."""
        return self._listener.base_url

    def start(self) -> None:
        """Listen."""
        self._listener.start(self._serve)

    async def aclose(self) -> None:
        """Stop."""
        await self._listener.aclose()

    def answers(self, path: str, body: str, content_type: str = "application/xml") -> str:
        """Answer this path with a document from now on; its URL."""
        self.documents[path] = RestReply(status=200, body=body.encode(), content_type=content_type)
        return self.url + path

    def always(self, path: str, body: str, content_type: str = "application/xml") -> str:
        """The URL of this path, which answers so unless something else was said."""
        return self.url + path if path in self.documents else self.answers(path, body, content_type)

    def sound(self, path: str) -> str:
        """A WAV file of one second there from now on; its URL."""
        self.documents[path] = RestReply(status=200, body=WAV, content_type="audio/wav")
        return self.url + path

    async def until(self, wanted: Callable[[RestRequest], bool], timeout_s: float = PATIENCE_S) -> RestRequest:
        """The first request that is wanted, when it comes."""
        async with asyncio.timeout(timeout_s):
            while True:
                self._came.clear()
                found = next((request for request in self.requests if wanted(request)), None)
                if found is not None:
                    return found
                await self._came.wait()

    def hook(self, request: RestRequest, step: str = "") -> HookRequest:
        """The request as our adapter would be given it."""
        query = f"?{request.query}" if request.query else ""
        return HookRequest(
            method=request.method,
            url=f"{self.url}{request.path}{query}",
            path=step or request.path.rpartition("/")[2],
            headers=request.headers,
            body=request.body,
            call_id="call_1",
            leg_id="leg_1",
        )

    def _serve(self, request: RestRequest) -> Answer:
        self.requests.append(request)
        self._came.set()
        return Answer(reply=self.documents.get(request.path, RestReply(status=200, body=b"", content_type="text/plain")))


class Socket:
    """The customer's media socket: what came in on the last connection, and a way to speak."""

    def __init__(self) -> None:
        self.connection: ServerConnection | None = None
        self.frames: list[str | bytes] = []
        self._news = asyncio.Event()
        self.url = ""

    async def serve(self, connection: ServerConnection) -> None:
        """One upgrade."""
        self.connection = connection
        self._news.set()
        async for frame in connection:
            self.frames.append(frame)
            self._news.set()

    async def until(self, wanted: Callable[["Socket"], T | None], timeout_s: float = PATIENCE_S) -> T:
        """What `wanted` finds, as soon as it finds something."""
        async with asyncio.timeout(timeout_s):
            while True:
                self._news.clear()
                found = wanted(self)
                if found:
                    return found
                await self._news.wait()

    def messages(self, event: str = "") -> list[dict[str, Any]]:
        """The text messages so far, of one event or of all."""
        told = [msgspec.json.decode(frame, type=dict[str, Any]) for frame in self.frames if isinstance(frame, str)]
        return [message for message in told if event in ("", message.get("event"))]

    async def say(self, frame: str | bytes) -> None:
        """Send one message to the carrier."""
        assert self.connection is not None
        await self.connection.send(frame)


class Stage:
    """All of it."""

    def __init__(self, kind: str, lab: Lab, customer: Customer, socket: Socket) -> None:
        self.kind, self.lab, self.customer, self.socket = kind, lab, customer, socket
        self.credentials = lab.credentials(kind)
        self.ours = str(self.credentials["numbers"][0])
        self.client = CLIENTS[kind](self.credentials)

    async def sdk(self, deed: Callable[[Any], T]) -> T:
        """Let the official client do something, on a thread of its own: it blocks."""
        return await asyncio.to_thread(deed, self.client)

    def calls(self, number: str, **plan: Any) -> None:
        """Let this phone call our first number."""
        self.lab.phones.dial(number, self.ours, **plan)

    @staticmethod
    def payload(request: RestRequest) -> dict[str, Any]:
        """What a Telnyx event tells."""
        found: dict[str, Any] = msgspec.json.decode(request.body)["data"]["payload"]
        return found

    async def ledger(self, kind: str, **wanted: Any) -> list[Entry]:
        """Wait until the lab's ledger has such an entry."""
        return await self.lab.until(kind, timeout_s=PATIENCE_S, **wanted)

    def heard(self, number: str) -> Heard:
        """What the last call of this phone brought to its ear."""
        call = self.lab.phones.call(number)
        assert call is not None
        return call.measure(self.lab.now())

    async def hears(self, number: str, seconds: float) -> None:
        """Wait until the answered call of this phone has lasted so long from now."""
        until = self.heard(number).seconds + seconds

        async def heard() -> bool:
            return self.heard(number).seconds >= until

        await self.until(heard)

    async def until(self, look: Callable[[], Awaitable[T | None]], timeout_s: float = PATIENCE_S) -> T:
        """Ask until the answer is something; every question waits for its answer."""
        async with asyncio.timeout(timeout_s):
            while not (found := await look()):  # noqa: ASYNC110 - a carrier tells nobody by itself
                await asyncio.sleep(0.02)  # between two questions
        return found


@asynccontextmanager
async def staged(kind: str, **knobs: Any) -> AsyncIterator[Stage]:
    """A stage for one test."""
    customer, socket = Customer(), Socket()
    try:
        async with Lab(kinds=[kind], knobs={kind: PATIENT[kind] | knobs}) as lab, serve(socket.serve, "127.0.0.1", 0) as server:
            customer.start()
            socket.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            for number in (PERSON, OTHER):
                lab.phones.put(number, answer_after_s=0.1)
            yield Stage(kind, lab, customer, socket)
    finally:
        await customer.aclose()


PATIENT: Mapping[str, Mapping[str, Any]] = {
    "twilio": {"calls_per_second": 50.0},
    "telnyx": {},
    "plivo": {"cps": 50, "cdr_lag_s": 0.0},
    "vonage": {"calls_per_second": 50, "requests_per_second": 500, "listed_after_s": 0.0},
}
"""Waits and limits that would only slow the referees down."""


def form(request: RestRequest) -> dict[str, str]:
    """A webhook's fields: of its body, or of its query where it is a GET."""
    raw = request.query if request.method == "GET" else request.body.decode()
    return dict(parse_qsl(raw, keep_blank_values=True))


def says(**fields: str) -> Callable[[RestRequest], bool]:
    """Whether a webhook's form has these values."""
    return lambda request: all(form(request).get(name) == value for name, value in fields.items())
