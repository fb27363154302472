"""A voice bot as pipecat's own guides build one for Twilio, without a model. It knows nothing of Holdline: only the root of the
REST API is another one. `/canned` says a long tone until the person speaks, then goodbye; `/echo` repeats until key 9.

    TWILIO_ACCOUNT_SID=... TWILIO_AUTH_TOKEN=... TWILIO_BASE_URL=http://gateway/twilio python bot.py PORT

Its own log (stdout, a JSON object a line, `event` and `call`) and pipecat's (stderr) are the witnesses.
"""

import json
import math
import os
import struct
import sys

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import EndFrame, Frame, InputAudioRawFrame, InputDTMFFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

RATE = 8000
LOUD = 1000
"""A sample above which a person is speaking; the lab's lines have no noise."""
CANNED_HZ, GOODBYE_HZ = 600, 900

app = FastAPI()


def say(call: str, event: str, **more: object) -> None:
    """A line of the bot's log."""
    print(json.dumps({"call": call, "event": event, **more}), flush=True)


def tone(hertz: int, seconds: float) -> OutputAudioRawFrame:
    """Any length in one frame: the transport cuts it."""
    samples = (round(8000 * math.sin(2 * math.pi * hertz * index / RATE)) for index in range(round(RATE * seconds)))
    sound = b"".join(struct.pack("<h", sample) for sample in samples)
    return OutputAudioRawFrame(audio=sound, sample_rate=RATE, num_channels=1)


def loud(sound: bytes) -> bool:
    """Whether somebody speaks in these 16-bit samples."""
    return any(abs(sample) > LOUD for (sample,) in struct.iter_unpack("<h", sound))


class Listener(FrameProcessor):
    """Counts the seconds of speech that it hears."""

    def __init__(self, call: str) -> None:
        super().__init__()
        self.call, self.heard_s = call, 0.0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            spoken = loud(frame.audio)
            self.heard_s += len(frame.audio) / 2 / RATE if spoken else 0
            await self.hear(frame, spoken=spoken)
        elif isinstance(frame, InputDTMFFrame):
            await self.press(frame)
        else:
            await self.push_frame(frame, direction)

    async def hear(self, frame: InputAudioRawFrame, *, spoken: bool) -> None:
        """Sound of the person."""

    async def press(self, frame: InputDTMFFrame) -> None:
        """A key of the person."""


class Canned(Listener):
    """Talks until it is interrupted."""

    interrupted = False

    async def hear(self, frame: InputAudioRawFrame, *, spoken: bool) -> None:
        if self.heard_s >= 0.2 and not self.interrupted:
            self.interrupted = True
            say(self.call, "interrupted")
            await self.broadcast_interruption()
            await self.push_frame(tone(GOODBYE_HZ, 0.5))
            await self.push_frame(EndFrame())


class Echo(Listener):
    """Repeats."""

    async def hear(self, frame: InputAudioRawFrame, *, spoken: bool) -> None:
        await self.push_frame(OutputAudioRawFrame(audio=frame.audio, sample_rate=frame.sample_rate, num_channels=1))

    async def press(self, frame: InputDTMFFrame) -> None:
        say(self.call, "key", key=frame.button.value)
        if frame.button is KeypadEntry.NINE:
            await self.push_frame(EndFrame())


@app.websocket("/canned")
async def canned(socket: WebSocket) -> None:
    """Begins to talk with the call."""
    await serve(socket, Canned, [tone(CANNED_HZ, 12.0)])


@app.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    """Says nothing of its own."""
    await serve(socket, Echo, [])


async def serve(socket: WebSocket, made: type[Listener], first: list[Frame]) -> None:
    """One call, from the upgrade to its end."""
    await socket.accept()
    kind, told = await parse_telephony_websocket(socket)
    call = told.call_id or ""
    say(call, "start", kind=kind, stream=told.stream_id, parameters=told.body)
    transport = transport_of(socket, told.stream_id or "", call)
    listener = made(call)
    params = PipelineParams(audio_in_sample_rate=RATE, audio_out_sample_rate=RATE)
    pipeline = Pipeline([transport.input(), listener, transport.output()])
    worker = PipelineWorker(pipeline, params=params, enable_rtvi=False)

    @transport.event_handler("on_client_connected")
    async def on_client_connected(_transport: object, _client: object) -> None:
        await worker.queue_frames(first)

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport: object, _client: object) -> None:
        say(call, "disconnected")
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    say(call, "end", heard_s=round(listener.heard_s, 2))


def transport_of(socket: WebSocket, stream_sid: str, call_sid: str) -> FastAPIWebsocketTransport:
    """As pipecat's guide has it, but for `base_url`."""
    serializer = TwilioFrameSerializer(
        stream_sid=stream_sid,
        call_sid=call_sid,
        account_sid=os.environ["TWILIO_ACCOUNT_SID"],
        auth_token=os.environ["TWILIO_AUTH_TOKEN"],
        base_url=os.environ["TWILIO_BASE_URL"],
    )
    params = FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer)
    return FastAPIWebsocketTransport(websocket=socket, params=params)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="info")
