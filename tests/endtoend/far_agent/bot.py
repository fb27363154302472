"""An agent in a process of its own, behind a Media Streams socket, that can be killed, frozen and started again.

    python bot.py PORT MANNER HERTZ

It hums a tone of this frequency, a fifth of a second at a time, so that it falls silent the moment it is lost; and it writes
one line of JSON to its output for whatever happens to it. MANNER: hums, mute, slow (the upgrade takes 2 s), 404 or 503 (as
the answer to the upgrade), rude (closes with 1013 at once).
"""

import asyncio
import base64
import json
import math
import sys
from http import HTTPStatus

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

PORT, MANNER, HERTZ = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
PIECE_S = 0.2


def tell(event: str, **more: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **more}) + "\n")
    sys.stdout.flush()


def mulaw(sample: int) -> int:
    magnitude = min(abs(sample), 32635) + 0x84
    segment = magnitude.bit_length() - 8
    return ~((segment << 4) | ((magnitude >> (segment + 3)) & 0x0F) | (0x80 if sample < 0 else 0)) & 0xFF


TONE = bytes(mulaw(int(6000 * math.sin(2 * math.pi * HERTZ * at / 8000))) for at in range(int(8000 * PIECE_S)))


async def hum(socket: ServerConnection, stream: str) -> None:
    media = {"payload": base64.b64encode(TONE).decode()}
    while True:
        await socket.send(json.dumps({"event": "media", "streamSid": stream, "media": media}))
        await asyncio.sleep(PIECE_S)


async def talk(socket: ServerConnection) -> None:
    tell("connected")
    if MANNER == "rude":
        await socket.close(1013, "full")
        return
    humming: asyncio.Task[None] | None = None
    try:
        async for message in socket:
            said = json.loads(message)
            if said["event"] == "start":
                tell("start", parameters=said["start"]["customParameters"], stream=said["streamSid"])
                humming = None if MANNER == "mute" else asyncio.create_task(hum(socket, said["streamSid"]))
            elif said["event"] == "dtmf":
                tell("dtmf", digit=said["dtmf"]["digit"])
                if said["dtmf"]["digit"] == "9":
                    await socket.close()
            elif said["event"] == "stop":
                tell("stop")
    except ConnectionClosed:
        pass
    if humming is not None:
        humming.cancel()


async def answer(socket: ServerConnection, _request: Request) -> Response | None:
    if MANNER == "slow":
        await asyncio.sleep(2.0)
    return socket.respond(HTTPStatus(int(MANNER)), "no") if MANNER.isdigit() else None


async def main() -> None:
    async with serve(talk, "127.0.0.1", PORT, process_request=answer, compression=None) as server:
        tell("listening", port=server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()


asyncio.run(main())
