"""The lab's Plivo: the media WebSocket, which Plivo opens towards the customer. Pure.

Text frames only. There is no stop frame: the closed socket is the end of the stream.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from carriers.lab.contract import CloseSocket, OpenSocket, SendFrame, Wake
from carriers.lab.playback import Playback
from carriers.lab.sound import SILENCE
from carriers.plivo import simulator_forms as forms
from carriers.plivo.simulator_calls import Call, new_uuid
from carriers.plivo.simulator_documents import STREAM_FORMATS, Verb, stream_format
from carriers.plivo.simulator_keys import KeySender
from carriers.plivo.simulator_linear import from_wire, to_wire
from carriers.plivo.simulator_switch import Switch

MAX_MESSAGE = 64 * 1024
DEGRADED = (0.9, 0.6, 0.3)
"""Shares of the buffer at which the stream is reported degraded."""
_WITH_HEADERS = frozenset({"start", "media", "dtmf"})
_OLDER_EVENTS = {"StartStream": "started", "StopStream": "stopped", "DroppedStream": "failed"}
_TRACKS: Mapping[str, tuple[str, ...]] = {"both": ("inbound", "outbound"), "outbound": ("outbound",)}


class Stream(Struct, kw_only=True, eq=False):
    """One stream, begun by a `<Stream>` or through the API."""

    id: str
    call: Call
    verb: Verb
    encoding: str
    rate: int
    playback: Playback
    then: Callable[[float], None]
    """What follows its end while the call lives."""
    opened_at: float = 0.0
    ended_at: float = 0.0
    opened: bool = False
    tries: int = 1
    sequence: int = 0
    chunk: int = 0
    degraded: float = 0.0

    @property
    def bidirectional(self) -> bool:
        """Whether the customer may talk, too."""
        return self.verb.true("bidirectional")

    @property
    def tracks(self) -> tuple[str, ...]:
        """Whose sound the customer gets."""
        return _TRACKS.get(self.verb.attributes.get("audioTrack", "inbound"), ("inbound",))


class FrameRefused(Exception):
    """A message that Plivo would not take; `error` is the code that it answers with, if any."""

    def __init__(self, why: str, error: str = "") -> None:
        super().__init__(why)
        self.why, self.error = why, error


class Streams:
    """All media sockets of one account."""

    def __init__(self, switch: Switch, keys: KeySender) -> None:
        self._switch, self._site, self._keys = switch, switch.site, keys
        self._streams: dict[str, Stream] = {}
        self._by_call: dict[str, list[Stream]] = {}
        self.past: dict[str, Stream] = {}
        """All streams, for the API."""
        self._obey: Mapping[str, Callable[[float, Stream, Any], None]] = {
            "playAudio": self._play_audio,
            "checkpoint": self._checkpoint,
            "clearAudio": self._clear_audio,
            "sendDTMF": self._send_dtmf,
        }

    # --- from the call -------------------------------------------------------------------------------------------

    def begin(self, now: float, call: Call, verb: Verb, then: Callable[[float], None]) -> Stream:
        """Connect; what follows comes back through `on_*`."""
        encoding, rate = STREAM_FORMATS[stream_format(verb.attributes)]
        stream = Stream(
            id=new_uuid(self._site.random),
            call=call,
            verb=verb,
            encoding=encoding,
            rate=rate,
            playback=Playback(self._site.knobs.get("buffer_s", 40.0)),
            then=then,
        )
        self._streams[stream.id] = self.past[stream.id] = stream
        self._by_call.setdefault(call.uuid, []).append(stream)
        self._connect(stream)
        self._site.emit(Wake(at=now + verb.whole("streamTimeout", 86400), key=f"streamtimeout:{stream.id}"))
        return stream

    def of(self, call: Call) -> list[Stream]:
        """The call's streams, open or connecting."""
        return list(self._by_call.get(call.uuid, ()))

    def on_ended(self, now: float, call: Call) -> None:
        """The call is over: Plivo closes, and says nothing more on the socket."""
        for stream in self.of(call):
            self._drop(now, stream, close=True)
            if stream.opened:
                self._report(now, stream, "StopStream")

    def stop(self, now: float, stream: Stream) -> None:
        """On purpose: by the API, its time-out, or because the call was told something else."""
        if self._streams.get(stream.id) is stream:
            self._drop(now, stream, close=True)
            self._report(now, stream, "StopStream")
            stream.then(now)

    def on_digit(self, now: float, call: Call, digit: str) -> None:
        """A key was pressed on the phone."""
        for stream in self.of(call):
            if stream.opened:
                dtmf = {"track": "inbound", "digit": digit, "timestamp": _milliseconds(now)}
                self._send(stream, "dtmf", dtmf=dtmf)

    def hear(self, now: float, call: Call, said: bytes, heard: bytes) -> None:
        """20 ms: what the person said, and what they were given."""
        for stream in self._by_call.get(call.uuid, ()):
            if stream.opened:
                for track in stream.tracks:
                    self._media(now, stream, track, said if track == "inbound" else heard)

    def forget(self) -> None:
        """Close everything."""
        for stream in list(self._streams.values()):
            self._drop(0.0, stream, close=True)
        self.past.clear()

    # --- from the socket -----------------------------------------------------------------------------------------

    def on_open(self, now: float, stream_id: str) -> None:
        """Say start, then report it."""
        stream = self._streams.get(stream_id)
        if stream is None:
            self._site.emit(CloseSocket(stream=stream_id))
            return
        stream.opened, stream.opened_at = True, now
        start = {
            "callId": stream.call.uuid,
            "streamId": stream.id,
            "accountId": self._switch.account.auth_id,
            "tracks": list(stream.tracks),
            "mediaFormat": {"encoding": stream.encoding, "sampleRate": stream.rate},
        }
        self._message(stream, {"event": "start", "start": start})
        if stream.bidirectional:
            self._switch.sound_of(stream.call).playback = lambda: self._next_frame(stream)
        self._report(now, stream, "StartStream")

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
            self.stop(now, stream)

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

    # --- frames --------------------------------------------------------------------------------------------------

    def _media(self, now: float, stream: Stream, track: str, sound: bytes) -> None:
        stream.chunk += 1
        payload = to_wire(sound, stream.encoding, stream.rate, self._site.knobs.get("l16_byte_order", "little"))
        media = {
            "track": track,
            "timestamp": _milliseconds(now),
            "chunk": stream.chunk,
            "payload": base64.b64encode(payload).decode(),
        }
        self._send(stream, "media", media=media)

    def _next_frame(self, stream: Stream) -> bytes:
        if not stream.opened:
            return SILENCE
        frame, marks = stream.playback.next_frame()
        for name in marks:
            self._played(stream, name)
        full = stream.playback.waiting_s / self._site.knobs.get("buffer_s", 40.0)
        stream.degraded = min(stream.degraded, _level(full))
        return frame

    def _play_audio(self, now: float, stream: Stream, content: Any) -> None:
        if not stream.bidirectional:
            raise FrameRefused("playAudio on a stream that is not bidirectional")
        sound = _sound(content.get("media"), stream)
        order = self._site.knobs.get("l16_byte_order", "little")
        if not stream.playback.add(from_wire(sound, stream.encoding, stream.rate, order)):
            raise FrameRefused("more than the buffer holds", "buffer_overflow")
        level = _level(stream.playback.waiting_s / self._site.knobs.get("buffer_s", 40.0))
        if level > stream.degraded:
            stream.degraded = level
            self._report(now, stream, "DegradedStream")

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

    def _send_dtmf(self, now: float, stream: Stream, content: Any) -> None:
        digits = content.get("dtmf")
        if not isinstance(digits, str) or not digits or set(digits) - set("0123456789*#ABCD"):
            raise FrameRefused(f"sendDTMF with {digits!r}")
        self._keys.send(now, stream.call, digits)

    def _played(self, stream: Stream, name: str) -> None:
        self._send(stream, self._site.knobs.get("played_event", "playedStream"), name=name)

    def _refuse(self, now: float, stream: Stream, refused: FrameRefused) -> None:
        call = stream.call
        self._site.ledger.write(
            now, "rejected_frame", carrier=self._site.name, number=call.person, carrier_call_id=call.uuid, why=refused.why
        )
        if refused.error and self._site.knobs.get("frame_errors", True):
            self._send(stream, "error", reason=refused.error)

    def _send(self, stream: Stream, event: str, **content: Any) -> None:
        self._message(stream, {"event": event, "streamId": stream.id, **content})

    def _message(self, stream: Stream, content: dict[str, Any]) -> None:
        stream.sequence += 1
        numbered = {"event": content["event"], "sequenceNumber": stream.sequence, **content}
        if content["event"] in _WITH_HEADERS:
            numbered["extra_headers"] = stream.verb.attributes.get("extraHeaders", "")
        self._site.emit(SendFrame(stream=stream.id, data=json.dumps(numbered)))

    # --- life and death ------------------------------------------------------------------------------------------

    def _connect(self, stream: Stream) -> None:
        url = stream.verb.text
        self._site.emit(
            OpenSocket(
                stream=stream.id,
                url=url,
                headers=self._switch.deliveries.upgrade_headers(url),
                carrier_call_id=stream.call.uuid,
                number=stream.call.person,
            )
        )

    def _lose(self, now: float, stream: Stream, event: str) -> None:
        self._drop(now, stream, close=False)
        self._report(now, stream, event)
        stream.then(now)

    def _drop(self, now: float, stream: Stream, close: bool) -> None:
        if self._streams.pop(stream.id, None) is not None:
            self._by_call[stream.call.uuid].remove(stream)
            if not self._by_call[stream.call.uuid]:
                del self._by_call[stream.call.uuid]
        stream.ended_at = now
        audio = self._switch.audio.get(stream.call.uuid)
        if audio is not None and stream.bidirectional:
            audio.playback = None
        if close:
            self._site.emit(CloseSocket(stream=stream.id))

    def _report(self, now: float, stream: Stream, event: str) -> None:
        url = stream.verb.attributes.get("statusCallbackUrl")
        if url and not url.startswith(("http://", "https://")):
            self._switch.refused(now, f"statusCallbackUrl {url!r} is no URL: nobody is told", stream.call)
        elif url:
            older = self._site.knobs.get("stream_event_names", "current") == "older"
            told = _OLDER_EVENTS.get(event, event) if older else event
            form = forms.stream(stream.call, self._switch.account.auth_id, told, stream.id, stream.verb.text, now)
            method = stream.verb.attributes.get("statusCallbackMethod", "POST").upper()
            # Retry fragments do not apply here; they would be sent as nothing either.
            self._switch.send(now, stream.call, "stream", url.partition("#")[0], method, form)


def _level(full: float) -> float:
    return next((level for level in DEGRADED if full >= level), 0.0)


def _read(data: str | bytes) -> dict[str, Any]:
    if isinstance(data, bytes):
        raise FrameRefused("a binary message: Plivo reads text")
    if len(data) > MAX_MESSAGE:
        raise FrameRefused("larger than 64 KB")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
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
