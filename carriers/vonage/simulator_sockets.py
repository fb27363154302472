"""The media side of the simulated carrier: WebSocket legs and their frames."""

from typing import Any

import msgspec

from carriers.lab.contract import CloseSocket, OpenSocket, SendFrame
from carriers.lab.playback import Playback
from carriers.lab.sound import SILENCE, to_linear, to_mulaw
from carriers.vonage.simulator_legs import SocketLeg
from carriers.vonage.simulator_parts import Parts

FRAME_S = 0.02


class Sockets:
    """Opens, feeds and closes sockets. What a lost socket means for the call is decided elsewhere."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._legs: dict[str, SocketLeg] = {}

    def playback(self) -> Playback:
        """An empty buffer of the carrier's size."""
        return Playback(int(self._parts.knob("buffer_messages", 3072)) * FRAME_S)

    def get(self, stream: str) -> SocketLeg | None:
        """The leg of a stream that has not been closed."""
        return self._legs.get(stream)

    def drop(self, stream: str) -> SocketLeg | None:
        """Forget a stream that the other side has ended."""
        leg = self._legs.pop(stream, None)
        if leg is not None:
            leg.open = False
        return leg

    def connect(self, now: float, leg: SocketLeg, authorization: dict[str, Any] | None) -> None:
        """Ask for the upgrade; `authorization` is the endpoint's own."""
        headers: dict[str, str] = {}
        if authorization is not None:
            vonage = authorization["type"] == "vonage"
            token = self._parts.account.token(now, leg.application_id, None)
            headers["authorization"] = f"Bearer {token}" if vonage else str(authorization["value"])
        self._legs[leg.uuid] = leg
        self._parts.site.emit(
            OpenSocket(stream=leg.uuid, url=leg.to, headers=headers, carrier_call_id=leg.ref, number=leg.person)
        )

    def opened(self, leg: SocketLeg) -> None:
        """The first message: the format, and the endpoint's headers at the top level."""
        leg.open = True
        first = {"event": "websocket:connected", "content-type": _content_type(leg), **leg.headers}
        if self._parts.knob("older_engine", False):
            del first["event"]
        self._say(leg, first)

    def close(self, leg: SocketLeg, code: int = 1000, abrupt: bool = False) -> None:
        """Close from the carrier's side; there is no message that announces it."""
        if self._legs.pop(leg.uuid, None) is not None:
            leg.open = False
            self._parts.site.emit(CloseSocket(stream=leg.uuid, code=code, abrupt=abrupt))

    def digit(self, leg: SocketLeg, digit: str) -> None:
        """Somebody in the conversation pressed a key."""
        if leg.open:
            name = "dtmf" if self._parts.knob("older_engine", False) else "digit"
            self._say(leg, {"event": "websocket:dtmf", name: digit, "duration": 260})

    def media_update(self, leg: SocketLeg, active: bool) -> None:
        """The leg's media is paused or goes on."""
        if leg.open:
            update = {"event": "websocket:media:update", "method": "update", "content-type": _content_type(leg)}
            self._say(leg, update | {"active": active})

    # --- every 20 ms ---------------------------------------------------------------------------------------------

    def give(self) -> None:
        """Take the customer's next 20 ms from every buffer."""
        for leg in list(self._legs.values()):
            if leg.open:
                leg.voice, reached = leg.playback.next_frame()
                for name in reached:
                    self._notify(leg, leg.notices.pop(name))

    def take(self) -> None:
        """Send every customer what was said; nothing at all to one whose media is paused."""
        for leg in list(self._legs.values()):
            if leg.open and not leg.earmuffed:
                linear = to_linear(self._parts.rooms.heard_by(leg))
                self._parts.site.emit(SendFrame(stream=leg.uuid, data=_stretched(linear, leg.rate // 8000)))

    def frame(self, now: float, leg: SocketLeg, data: str | bytes) -> bool:
        """Take one message; False if the carrier stops listening and drops the socket."""
        if isinstance(data, bytes):
            return self._sound(now, leg, data)
        self._command(now, leg, data)
        return True

    def reset(self) -> None:
        """Forget all sockets."""
        self._legs.clear()

    # --- sound ---------------------------------------------------------------------------------------------------

    def _sound(self, now: float, leg: SocketLeg, data: bytes) -> bool:
        required = leg.rate // 50 * 2
        if len(data) != required:
            self._reject(now, leg, f"unexpected frame size {len(data)}, when required {required}")
            return not self._parts.knob("strict_frames", True)
        if not leg.playback.add(to_mulaw(_thinned(data, leg.rate // 8000))):
            self._reject(now, leg, "the buffer is full")
        return True

    # --- words ---------------------------------------------------------------------------------------------------

    def _command(self, now: float, leg: SocketLeg, data: str) -> None:
        try:
            command = msgspec.json.decode(data, type=dict[str, Any])
        except msgspec.MsgspecError:
            command = {}
        if command.get("action") == "clear":
            self._clear(leg)
        elif command.get("action") == "notify" and isinstance(command.get("payload"), dict):
            self._queue_notify(leg, command["payload"])
        else:
            self._reject(now, leg, f"text that is no command: {data[:80]}")

    def _clear(self, leg: SocketLeg) -> None:
        leg.voice = SILENCE
        dropped = [leg.notices.pop(name) for name in leg.playback.clear()]
        if self._parts.knob("clear_answers_notifies", False):
            for payload in dropped:
                self._notify(leg, payload)
        self._say(leg, {"event": "websocket:cleared"})

    def _queue_notify(self, leg: SocketLeg, payload: dict[str, Any]) -> None:
        leg.said += 1
        name = str(leg.said)
        if leg.playback.mark(name):
            self._notify(leg, payload)
        else:
            leg.notices[name] = payload

    def _notify(self, leg: SocketLeg, payload: Any) -> None:
        self._say(leg, {"event": "websocket:notify", "payload": payload})

    def _say(self, leg: SocketLeg, message: dict[str, Any]) -> None:
        space = " " if self._parts.knob("older_engine", False) else ""
        self._parts.site.emit(SendFrame(stream=leg.uuid, data=space + msgspec.json.encode(message).decode()))

    def _reject(self, now: float, leg: SocketLeg, reason: str) -> None:
        site = self._parts.site
        site.ledger.write(now, "rejected_frame", carrier=site.name, number=leg.person, carrier_call_id=leg.ref, reason=reason)


def _content_type(leg: SocketLeg) -> str:
    return f"audio/l16;rate={leg.rate}"


def _stretched(linear: bytes, factor: int) -> bytes:
    """8 kHz to a multiple, each sample repeated: enough for speech that nobody judges."""
    if factor == 1:
        return linear
    return b"".join(linear[at : at + 2] * factor for at in range(0, len(linear), 2))


def _thinned(linear: bytes, factor: int) -> bytes:
    if factor == 1:
        return linear
    return b"".join(linear[at : at + 2] for at in range(0, len(linear), 2 * factor))
