"""The lab's Plivo: the client of the media WebSocket. Pure.

It opens the socket that a `<Stream>` names, sends the person's sound every 20 ms, plays what it is given from a buffer, and
says through `Watcher` what becomes of the stream.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from msgspec import Struct

from carriers.lab.contract import CloseSocket, OpenSocket, SendFrame, Site, Wake
from carriers.lab.playback import Playback
from carriers.lab.sound import to_linear, to_mulaw
from carriers.plivo.simulator_calls import Call, new_uuid
from carriers.plivo.simulator_documents import DEFAULT_STREAM_FORMAT, STREAM_FORMATS, Verb

MAX_MESSAGE = 64 * 1024


class Stream(Struct, kw_only=True):
    """One `<Stream>` being obeyed."""

    id: str
    call: Call
    verb: Verb
    encoding: str
    rate: int
    playback: Playback
    opened: bool = False
    tries: int = 1
    sequence: int = 0
    chunk: int = 0

    @property
    def bidirectional(self) -> bool:
        """Whether the customer may talk, too."""
        return self.verb.attributes.get("bidirectional") == "true"

    @property
    def keeps_call_alive(self) -> bool:
        """Whether the rest of the document waits for the stream's end; only with bidirectional."""
        return self.bidirectional and self.verb.attributes.get("keepCallAlive") == "true"


class Watcher(Protocol):
    """Told of a stream's life."""

    def upgrade_headers(self, url: str) -> Mapping[str, str]:
        """What signs the upgrade request."""
        ...

    def report(self, now: float, stream: Stream, event: str) -> None:
        """Something that belongs on the status callback."""
        ...

    def gone(self, now: float, stream: Stream) -> None:
        """The stream is over while the call lives."""
        ...


class FrameRefused(Exception):
    """A message that Plivo would not take; `error` is the code that it answers with, if any."""

    def __init__(self, why: str, error: str = "") -> None:
        super().__init__(why)
        self.why, self.error = why, error


class Streams:
    """All media sockets of one account."""

    def __init__(self, site: Site, auth_id: str, watcher: Watcher) -> None:
        self._site, self._auth_id, self._watcher = site, auth_id, watcher
        self._streams: dict[str, Stream] = {}
        self._obey: Mapping[str, Callable[[float, Stream, Any], None]] = {
            "playAudio": self._play_audio,
            "checkpoint": self._checkpoint,
            "clearAudio": self._clear_audio,
        }

    # --- from the call -------------------------------------------------------------------------------------------

    def begin(self, now: float, call: Call, verb: Verb) -> Stream:
        """Connect; what follows comes back through `on_*`."""
        content_type = verb.attributes.get("contentType", DEFAULT_STREAM_FORMAT).replace(" ", "")
        encoding, rate = STREAM_FORMATS[content_type]
        playback = Playback(self._site.knobs.get("buffer_s", 40.0))
        stream_id = new_uuid(self._site.random)
        stream = Stream(id=stream_id, call=call, verb=verb, encoding=encoding, rate=rate, playback=playback)
        self._streams[stream.id] = stream
        self._connect(stream)
        self._site.emit(Wake(at=now + int(verb.attributes.get("streamTimeout", "86400")), key=f"streamtimeout:{stream.id}"))
        return stream

    def end_with_call(self, now: float, call: Call) -> None:
        """The call is over: Plivo closes, and says nothing more on the socket."""
        for stream in [stream for stream in self._streams.values() if stream.call is call]:
            self._drop(stream, close=True)
            if stream.opened:
                self._watcher.report(now, stream, "StopStream")

    def digit(self, now: float, call: Call, digit: str) -> None:
        """A key was pressed on the phone."""
        for stream in self._open_streams():
            if stream.call is call:
                dtmf = {"track": "inbound", "digit": digit, "timestamp": _milliseconds(now)}
                self._send(stream, "dtmf", dtmf=dtmf)

    def forget(self) -> None:
        """Close everything."""
        for stream in list(self._streams.values()):
            self._drop(stream, close=True)

    # --- from the socket -----------------------------------------------------------------------------------------

    def on_open(self, now: float, stream_id: str) -> None:
        """Say start, then report it."""
        stream = self._streams.get(stream_id)
        if stream is None:
            self._site.emit(CloseSocket(stream=stream_id))
            return
        stream.opened = True
        start = {
            "callId": stream.call.uuid,
            "streamId": stream.id,
            "accountId": self._auth_id,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": stream.encoding, "sampleRate": stream.rate},
        }
        self._message(stream, {"event": "start", "start": start})
        self._watcher.report(now, stream, "StartStream")

    def on_refused(self, now: float, stream_id: str) -> None:
        """Two more tries, then the stream is dropped."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        if stream.tries <= self._site.knobs.get("stream_retries", 2):
            stream.tries += 1
            self._site.emit(Wake(at=now + self._site.knobs.get("stream_retry_s", 0.5), key=f"reconnect:{stream.id}"))
            return
        self._lose(now, stream, "DroppedStream")

    def reconnect(self, stream_id: str) -> None:
        """The pause after a refusal is over."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._connect(stream)

    def on_closed(self, now: float, stream_id: str, code: int) -> None:
        """The customer closed, or the connection broke: no second connection, the call goes on without."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            clean = self._site.knobs.get("clean_close_event", "DroppedStream")
            self._lose(now, stream, clean if code == 1000 else "DroppedStream")

    def on_timeout(self, now: float, stream_id: str) -> None:
        """`streamTimeout` is over."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._site.emit(CloseSocket(stream=stream.id))
            self._lose(now, stream, "StopStream")

    def on_frame(self, now: float, stream_id: str, data: str | bytes) -> None:
        """One message from the customer; what Plivo would not take goes to the ledger."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        try:
            content = _read(data)
            handler = self._obey.get(content["event"])
            if handler is None:
                raise FrameRefused(f"event {content['event']} is not known, or not simulated")
            handler(now, stream, content)
        except FrameRefused as refused:
            self._refuse(now, stream, refused)

    def on_tick(self, now: float) -> None:
        """20 ms of sound each way."""
        for stream in self._open_streams():
            self._hear_person(now, stream)
            if stream.bidirectional:
                frame, marks = stream.playback.next_frame()
                self._site.network.hear(self._site.name, stream.call.uuid, frame)
                for name in marks:
                    self._played(stream, name)

    # --- frames --------------------------------------------------------------------------------------------------

    def _hear_person(self, now: float, stream: Stream) -> None:
        sound = self._site.network.say(self._site.name, stream.call.uuid)
        payload = sound if stream.encoding == "audio/x-mulaw" else to_linear(sound)
        stream.chunk += 1
        media = {
            "track": "inbound",
            "timestamp": _milliseconds(now),
            "chunk": stream.chunk,
            "payload": base64.b64encode(payload).decode(),
        }
        self._send(stream, "media", media=media)

    def _play_audio(self, _now: float, stream: Stream, content: Any) -> None:
        if not stream.bidirectional:
            raise FrameRefused("playAudio on a stream that is not bidirectional")
        sound = _sound(content.get("media"), stream)
        if not stream.playback.add(sound if stream.encoding == "audio/x-mulaw" else to_mulaw(sound)):
            raise FrameRefused("more than the buffer holds", "buffer_overflow")

    def _checkpoint(self, _now: float, stream: Stream, content: Any) -> None:
        _check_stream_id(content, stream)
        name = content.get("name")
        if not isinstance(name, str) or not name:
            raise FrameRefused("checkpoint without a name")
        if stream.playback.mark(name):
            self._played(stream, name)

    def _clear_audio(self, _now: float, stream: Stream, content: Any) -> None:
        """Checkpoints that waited are dropped without an answer."""
        _check_stream_id(content, stream)
        stream.playback.clear()
        self._send(stream, "clearedAudio")

    def _played(self, stream: Stream, name: str) -> None:
        self._send(stream, "playedStream", name=name)

    def _refuse(self, now: float, stream: Stream, refused: FrameRefused) -> None:
        call = stream.call
        self._site.ledger.write(
            now, "rejected_frame", carrier=self._site.name, number=call.to, carrier_call_id=call.uuid, why=refused.why
        )
        if refused.error and self._site.knobs.get("frame_errors", True):
            self._send(stream, "error", reason=refused.error)

    def _send(self, stream: Stream, event: str, **content: Any) -> None:
        self._message(stream, {"event": event, "streamId": stream.id, **content})

    def _message(self, stream: Stream, content: dict[str, Any]) -> None:
        stream.sequence += 1
        extra = stream.verb.attributes.get("extraHeaders", "")
        numbered = {"event": content["event"], "sequenceNumber": stream.sequence, **content, "extra_headers": extra}
        self._site.emit(SendFrame(stream=stream.id, data=json.dumps(numbered)))

    # --- life and death ------------------------------------------------------------------------------------------

    def _open_streams(self) -> list[Stream]:
        return [stream for stream in self._streams.values() if stream.opened]

    def _connect(self, stream: Stream) -> None:
        signed = self._site.knobs.get("sign_upgrade", True)
        url = stream.verb.text
        self._site.emit(
            OpenSocket(
                stream=stream.id,
                url=url,
                headers=self._watcher.upgrade_headers(url) if signed else {},
                carrier_call_id=stream.call.uuid,
                number=stream.call.to,
            )
        )

    def _lose(self, now: float, stream: Stream, event: str) -> None:
        self._drop(stream, close=False)
        self._watcher.report(now, stream, event)
        self._watcher.gone(now, stream)

    def _drop(self, stream: Stream, close: bool) -> None:
        self._streams.pop(stream.id, None)
        if close:
            self._site.emit(CloseSocket(stream=stream.id))


def _read(data: str | bytes) -> dict[str, Any]:
    if isinstance(data, bytes):
        raise FrameRefused("a binary message: Plivo reads text")
    if len(data) > MAX_MESSAGE:
        raise FrameRefused("larger than 64 KB")
    try:
        content = json.loads(data)
    except ValueError as error:
        raise FrameRefused("not JSON") from error
    if not isinstance(content, dict) or not isinstance(content.get("event"), str):
        raise FrameRefused("no event")
    return content


def _sound(media: Any, stream: Stream) -> bytes:
    if not isinstance(media, dict):
        raise FrameRefused("playAudio without media")
    given = (media.get("contentType"), str(media.get("sampleRate")))
    if given != (stream.encoding, str(stream.rate)):
        raise FrameRefused(f"{given[0]} at {given[1]} on a stream of {stream.encoding} at {stream.rate}", "invalid_content_type")
    try:
        return base64.b64decode(media.get("payload", ""), validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise FrameRefused("payload is not base64") from error


def _check_stream_id(content: Mapping[str, Any], stream: Stream) -> None:
    if content.get("streamId") != stream.id:
        raise FrameRefused(f"{content['event']} for another streamId")


def _milliseconds(now: float) -> str:
    return str(int(now * 1000))
