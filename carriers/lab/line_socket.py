"""The WebSocket of `/lab/phones/{number}/line`: be that phone.

To the client: binary frames of 20 ms, 16-bit PCM at 8 kHz (what the person hears), and JSON with `event`, `carrier`,
`carrier_call_id` and `from`:

    ring       the phone rings
    knock      somebody else calls while it rings, calls or talks; they get busy, and no more is heard of them
    calling    the phone calls our number `to`, and rings there
    answered   both can speak; with `to` where the phone called
    ended      with `cause`, `by` (phone, carrier, network), and `to` where the phone called
    keys       the other side sent DTMF: `digits`
    text       a text message came: `body`
    error      what the client said was not understood, or cannot be done now: `field`, `cure`

From the client: the same binary frames (any even length), and JSON `{"event": "answer"}`, `{"event": "hang_up"}` (also
declines, and gives up a call), `{"event": "digit", "digit": "5"}`, `{"event": "call", "to": "+15550190001"}` (and
beside `to` what `POST /lab/phones/{number}/call` takes).
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from carriers.lab.fields import KEY, BadField, Rule, phone_number, read_fields
from carriers.lab.lines import Lines, Seat
from carriers.lab.notices import LineNotice
from carriers.lab.sound import to_linear, to_mulaw

Socket = WebSocket[Any, Any, Any]
Wish = dict[str, Any]

CLOSE_CODES = {"conflict": 4409, "invalid-field": 4422}
"""By the refusal's `code`; the close reason is its cure."""
MAX_REASON = 100
"""A close frame holds 123 bytes."""

_KEY: dict[str, Rule] = {"digit": KEY}


async def attend_line(lines: Lines, number: str, socket: Socket) -> None:
    """Serve one client until it leaves."""
    await socket.accept()
    try:
        async with lines.take(phone_number(number)) as seat:
            teller = asyncio.create_task(_tell(seat, socket))
            try:
                await _listen(seat, socket)
            finally:
                teller.cancel()
                await asyncio.gather(teller, return_exceptions=True)
    except BadField as error:
        await socket.close(code=CLOSE_CODES[error.code], reason=error.cure[:MAX_REASON])


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
        _do(seat, _decoded(message.get("text")))
    except BadField as error:
        return msgspec.json.encode({"event": "error", "field": error.field, "cure": error.cure})
    return b""


def _do(seat: Seat, wish: Any) -> None:
    if not isinstance(wish, dict):
        raise BadField("body", f"must be a JSON object with an event: {', '.join(_DEEDS)}")
    event = wish.pop("event", None)
    if not isinstance(event, str) or event not in _DEEDS:
        raise BadField("event", f"must be one of: {', '.join(_DEEDS)}; not {event!r}")
    _DEEDS[event](seat, wish)


def _press(seat: Seat, wish: Wish) -> None:
    keys = read_fields(wish, _KEY)
    if not keys:
        raise BadField("digit", 'say which key: {"event": "digit", "digit": "5"}')
    if not seat.press(keys["digit"]):
        raise BadField("event", "there is no answered call to press a key in")


def _plain(deed: Callable[[Seat], bool], missing: str) -> Callable[[Seat, Wish], None]:
    def do(seat: Seat, wish: Wish) -> None:
        if wish:
            raise BadField(next(iter(wish)), "unknown field; this event takes none")
        if not deed(seat):
            raise BadField("event", missing)

    return do


_DEEDS: dict[str, Callable[[Seat, Wish], None]] = {
    "answer": _plain(Seat.answer, "there is no ringing call to answer"),
    "hang_up": _plain(Seat.hang_up, "there is no call to hang up"),
    "digit": _press,
    "call": Seat.call,
}


def _decoded(text: str | None) -> Any:
    try:
        return msgspec.json.decode(text or "")
    except msgspec.DecodeError as error:
        raise BadField("body", f"must be JSON, or binary sound: {error}") from error


def _told(notice: LineNotice) -> str:
    told = {"event": notice.kind, "carrier": notice.carrier, "carrier_call_id": notice.carrier_call_id, "from": notice.caller_id}
    if notice.called:
        told["to"] = notice.called
    if notice.kind == "ended":
        told |= {"cause": notice.cause, "by": notice.by}
    if notice.kind in _TEXT_AS:
        told[_TEXT_AS[notice.kind]] = notice.text
    return msgspec.json.encode(told).decode()


_TEXT_AS = {"keys": "digits", "text": "body"}
