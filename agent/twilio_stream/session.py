"""One conversation with an agent behind a Twilio Media Streams socket. The bridge paces; this translates."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from agent.contract import CallInfo, Line
from agent.socket import CLEAN
from agent.twilio_stream.messages import CONNECTED, Clear, Mark, Play, Refused, Told, read
from gateway.domain.media import MULAW_8K

log = structlog.get_logger(__name__)

MAX_REFUSED = 1000
"""Messages that make no sense, after which the agent is taken for broken."""


class Socket(Protocol):
    """`agent.socket.AgentSocket`."""

    async def open(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None: ...
    def send(self, message: str, *, sound: bool = False) -> None: ...
    async def close(self) -> None: ...


class TwilioStreamSession:
    """`agent.contract.AgentSession`. The socket is opened while the phone rings, with `connected`; `start` follows with the
    answer, because agents begin to talk when they see it.

    The agent's own close ends the call when all it said has been heard; a socket that breaks is a lost agent.
    """

    format = MULAW_8K

    def __init__(
        self,
        call: CallInfo,
        told: Told,
        connect: Callable[["TwilioStreamSession"], tuple[Socket, str, Mapping[str, str], float]],
        parameters: Mapping[str, str],
    ) -> None:
        self._call, self._told, self._parameters = call, told, parameters
        self._connect = connect
        self._socket: Socket | None = None
        self._line: Line | None = None
        self._started = False
        self._refused = 0
        self._warned: set[str] = set()

    # --- what the bridge tells ---

    async def start(self, line: Line) -> None:
        self._line = line
        socket, url, headers, timeout_s = self._connect(self)
        await socket.open(url, headers, timeout_s)
        self._socket = socket
        socket.send(CONNECTED)

    def on_answer(self) -> None:
        self._started = True
        self._send(self._told.start(self._parameters))

    def on_audio(self, frame: bytes) -> None:
        if self._socket is not None:
            self._socket.send(self._told.media(frame), sound=True)

    def on_digit(self, digit: str) -> None:
        self._send(self._told.dtmf(digit))

    def on_mark(self, name: str) -> None:
        self._send(self._told.mark(name))

    def on_line_lost(self) -> None:
        """The agent sees one uninterrupted stream; what it says meanwhile is kept and heard when the line is back."""

    def on_line_back(self) -> None:
        """After a change of process this session has not told the agent anything yet: it begins."""
        if not self._started:
            self.on_answer()

    def context(self) -> dict[str, Any]:
        """Nothing: what the agent knows, it keeps by our call's id."""
        return {}

    def resume(self, context: Mapping[str, Any]) -> None:
        """The same call and stream ids, a new socket; `resumed` among the parameters says so."""

    async def close(self) -> None:
        socket, self._socket = self._socket, None
        if socket is None:
            return
        if self._started:
            socket.send(self._told.stop())
        await socket.close()

    # --- what the agent says ---

    def on_message(self, message: str | bytes) -> None:
        """One message; what Twilio would drop is dropped, with one warning for each of its codes."""
        assert self._line is not None
        match read(message, self._told.stream_sid):
            case Play(sound):
                self._line.play(sound)
            case Mark(name):
                self._line.mark(name)
            case Clear():
                self._line.clear()
            case Refused() as refused:
                self._complain(refused)

    def on_closed(self, code: int) -> None:
        """1000, 1001 or no code: the agent has ended the call. Anything else: it is dead, which is no close."""
        assert self._line is not None
        if code in CLEAN:
            self._line.hang_up()
        else:
            log.warning("agent-socket-lost", call_id=self._call.call_id, agent=self._call.agent, code=code)
            self._line.fail(f"socket-{code}")

    def _complain(self, refused: Refused) -> None:
        assert self._line is not None
        self._refused += 1
        if refused.code not in self._warned:
            self._warned.add(refused.code)
            log.warning("agent-message-refused", call_id=self._call.call_id, code=refused.code, why=refused.why)
        if self._refused == MAX_REFUSED:
            self._line.fail("garbage")

    def _send(self, message: str) -> None:
        if self._socket is not None:
            self._socket.send(message)
