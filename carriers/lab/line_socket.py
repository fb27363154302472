"""The WebSocket of `/lab/phones/{number}/line`: be that phone.

To the client: binary frames of 20 ms, 16-bit PCM at 8 kHz (what the person hears), and JSON
`{"event": "ring" | "answered" | "ended", "carrier", "carrier_call_id", "from", "cause", "by"}`.
From the client: the same binary frames (any even length), and JSON `{"event": "answer"}`, `{"event": "hang_up"}` (also
declines) or `{"event": "digit", "digit": "5"}`. What is not understood is answered with `{"event": "error", ...}`.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from carriers.lab.fields import BadField, Rule, one_of, read_fields
from carriers.lab.lines import Lines, Seat
from carriers.lab.notices import LineNotice
from carriers.lab.sound import to_linear, to_mulaw

Socket = WebSocket[Any, Any, Any]

LINE_IS_TAKEN = 4409

_RULES: dict[str, Rule] = {"event": one_of(("answer", "hang_up", "digit")), "digit": one_of("0123456789*#ABCD")}
_DEEDS: dict[str, Callable[[Seat, str], bool]] = {
    "answer": lambda seat, _digit: seat.answer(),
    "hang_up": lambda seat, _digit: seat.hang_up(),
    "digit": lambda seat, digit: seat.press(digit),
}


async def attend_line(lines: Lines, number: str, socket: Socket) -> None:
    """Serve one client until it leaves."""
    await socket.accept()
    try:
        async with lines.take(number) as seat:
            teller = asyncio.create_task(_tell(seat, socket))
            try:
                await _listen(seat, socket)
            finally:
                teller.cancel()
                await asyncio.gather(teller, return_exceptions=True)
    except BadField as error:
        await socket.close(code=LINE_IS_TAKEN, reason=error.cure)


async def _tell(seat: Seat, socket: Socket) -> None:
    while True:
        notice = await seat.notices.get()
        if notice.kind == "audio":
            await socket.send_data(to_linear(notice.sound), mode="binary")
        else:
            await socket.send_data(_told(notice))


async def _listen(seat: Seat, socket: Socket) -> None:
    while True:
        try:
            message = await socket.receive()
        except WebSocketDisconnect:
            return
        if message["type"] != "websocket.receive":
            return
        refusal = _heed(seat, message)
        if refusal:
            await socket.send_data(refusal)


def _heed(seat: Seat, message: Any) -> bytes:
    """Do what the client says; the error to send back, empty if there is none."""
    sound = message.get("bytes")
    if sound:
        seat.speak(to_mulaw(sound))
        return b""
    try:
        wish = read_fields(_decoded(message.get("text")), _RULES)
        event = wish.get("event", "")
        if event not in _DEEDS or (event == "digit") != ("digit" in wish):
            raise BadField("event", 'send {"event": "answer"}, {"event": "hang_up"} or {"event": "digit", "digit": "5"}')
        if not _DEEDS[event](seat, wish.get("digit", "")):
            raise BadField("event", f"there is no call to {event} now")
    except BadField as error:
        return msgspec.json.encode({"event": "error", "field": error.field, "cure": error.cure})
    return b""


def _decoded(text: str | None) -> Any:
    try:
        return msgspec.json.decode(text or "")
    except msgspec.DecodeError as error:
        raise BadField("body", f"must be JSON, or binary sound: {error}") from error


def _told(notice: LineNotice) -> str:
    told = {"event": notice.kind, "carrier": notice.carrier, "carrier_call_id": notice.carrier_call_id}
    ending = {"cause": notice.cause, "by": notice.by} if notice.kind == "ended" else {}
    return msgspec.json.encode({**told, "from": notice.caller_id, **ending}).decode()
