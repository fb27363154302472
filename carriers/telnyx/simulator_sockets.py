"""The simulated Telnyx' streams as the calls see them: opened by dial, answer or command, and lost without losing the call."""

from typing import Any

from carriers.lab.call_audio import Ticked
from carriers.lab.call_recorder import CallRecorder
from carriers.lab.contract import CloseSocket, OpenSocket, RestReply, SendFrame, Site
from carriers.lab.sound import SILENCE
from carriers.telnyx import simulator_calls as calls
from carriers.telnyx import simulator_fields as fields
from carriers.telnyx import simulator_rest as rest
from carriers.telnyx.simulator_calls import Call, iso
from carriers.telnyx.simulator_codecs import Encoding, encoding
from carriers.telnyx.simulator_commands import Verb
from carriers.telnyx.simulator_hooks import Hooks
from carriers.telnyx.simulator_lines import Lines
from carriers.telnyx.simulator_streams import Manners, Rejected, Stream

BROKEN = 1006
L16_RATE = 16_000
TRACKS = {
    "inbound_track": ("inbound",),
    "outbound_track": ("outbound",),
    "both_tracks": ("inbound", "outbound"),
}


class _Tap(CallRecorder):
    """Keeps the last frame that the person heard, for the outbound track."""

    frame = SILENCE

    def add(self, said: bytes, heard: bytes) -> str:
        self.frame = heard
        return ""


class Sockets:
    """One stream a call. Knobs: `playback_limit_s`, `stream_reconnect_after_s`, `reconnect_keeps_id`,
    `stopped_when_unanswered`, `socket_closed_event`, `stream_token_in`, `transcoding`, `l16_byte_order`, `short_frames`,
    `frame_timestamps`, `frames_swap_every`, `streaming_start_inherits`.
    """

    def __init__(self, site: Site, lines: Lines, hooks: Hooks) -> None:
        self._site, self._lines, self._hooks = site, lines, hooks
        self._user_id = calls.new_uuid(site.random)
        self._wishes: dict[str, dict[str, Any]] = {}
        """call_control_id -> the stream that was asked for last."""
        self._streams: dict[str, Stream] = {}
        """call_control_id -> its stream, open or about to be."""
        self._calls: dict[str, Call] = {}
        """stream id -> its call."""
        self._taps: dict[str, _Tap] = {}
        lines.wait_before_ring = self._connect_first
        lines.on_answered.append(self._on_answered)
        lines.on_ending.append(self._on_ending)
        lines.on_pressed.append(self._on_pressed)
        lines.on_ticked.append(self._on_ticked)

    def verbs(self) -> dict[str, Verb]:
        """The commands it obeys."""
        return {
            "streaming_start": Verb(act=self._start, fields=fields.STREAMING_START),
            "streaming_stop": Verb(act=self._stop, fields=fields.STREAMING_STOP, answered=False),
        }

    def want(self, call: Call, wish: dict[str, Any]) -> None:
        """A dial or an answer said how to stream, as soon as the call is answered."""
        asked = {name: value for name, value in wish.items() if name.startswith("stream_")}
        if asked:
            self._wishes[call.call_control_id] = asked

    def forget(self) -> None:
        """All of them; the lab closes the sockets."""
        for kept in (self._wishes, self._streams, self._calls, self._taps):
            kept.clear()

    # --- commands ------------------------------------------------------------------------------------------------

    def _start(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        inherits = self._site.knobs.get("streaming_start_inherits", False)
        before = self._wishes.get(call.call_control_id, {}) if inherits else {}
        wish = before | {name: value for name, value in body.items() if name not in fields.STATE}
        if "stream_url" not in wish:
            return rest.missing("stream_url")
        if call.call_control_id in self._streams:
            return rest.failure(422, "90045")
        self._wishes[call.call_control_id] = wish
        self._connect(now, call)
        return None

    def _stop(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        stream = self._streams.get(call.call_control_id)
        if stream is None or body.get("stream_id", stream.id) != stream.id:
            return rest.failure(422, "90048")
        self._disconnect(now, call)
        return None

    # --- from open to closed -------------------------------------------------------------------------------------

    def _connect_first(self, now: float, call: Call) -> bool:
        """`stream_establish_before_call_originate`: the phone rings when the socket stands, or has failed to."""
        if not call.wish.get("stream_establish_before_call_originate") or "stream_url" not in call.wish:
            return False
        self.want(call, call.wish)
        self._connect(now, call)
        return True

    def _on_answered(self, now: float, call: Call) -> None:
        self.want(call, call.wish)
        stream = self._streams.get(call.call_control_id)
        if stream is not None and stream.is_open:
            self._listen(call, stream)
        elif stream is None and "stream_url" in self._wishes.get(call.call_control_id, {}):
            self._connect(now, call)

    def _connect(self, now: float, call: Call, stream_id: str = "") -> None:
        """Ask for the socket; `streaming.started` is sent before it stands, so it proves nothing."""
        wish = self._wishes[call.call_control_id]
        chosen = stream_id or calls.new_uuid(self._site.random)
        token = wish.get("stream_auth_token")
        placed = self._site.knobs.get("stream_token_in", "header") if token else ""
        start = self._start_body(call, wish) | ({"stream_auth_token": token} if placed == "start" else {})
        stream = Stream(
            chosen, start, url=wish["stream_url"], manners=self._manners(call, wish), send=lambda frame: self._send(chosen, frame)
        )
        self._streams[call.call_control_id], self._calls[chosen] = stream, call
        self._hooks.tell(now, call, "streaming.started", _about(call, wish))
        headers = {"authorization": f"Bearer {token}"} if placed == "header" else {}
        self._site.emit(
            OpenSocket(stream=chosen, url=stream.url, headers=headers, carrier_call_id=call.call_control_id, number=call.phone)
        )

    def _start_body(self, call: Call, wish: dict[str, Any]) -> dict[str, Any]:
        return {
            "user_id": self._user_id,
            "call_control_id": call.call_control_id,
            "call_session_id": call.call_session_id,
            "from": call.origin,
            "to": call.to,
            "tags": call.tags,
            "client_state": call.client_state,
            "custom_parameters": {pair["name"]: pair["value"] for pair in wish.get("custom_parameters", [])},
        }

    def _manners(self, call: Call, wish: dict[str, Any]) -> Manners:
        knobs = self._site.knobs
        wanted = wish.get("stream_codec", "default")
        hears = call.codec if wanted == "default" or not knobs.get("transcoding", True) else wanted
        rate = wish.get("stream_bidirectional_sampling_rate")
        return Manners(
            hears=self._encoding(hears, rate),
            says=self._encoding(wish.get("stream_bidirectional_codec", "PCMU"), rate),
            mode=wish.get("stream_bidirectional_mode", "mp3"),
            tracks=TRACKS[wish.get("stream_track", "inbound_track")],
            buffer_s=knobs.get("playback_limit_s", 60.0),
            short_frames=knobs.get("short_frames", "refused"),
            timestamps=knobs.get("frame_timestamps", "ms"),
            swaps_every=knobs.get("frames_swap_every", 0),
        )

    def _encoding(self, name: str, rate: int | None) -> Encoding:
        return encoding(name, rate or L16_RATE, str(self._site.knobs.get("l16_byte_order", "big")))

    def _disconnect(self, now: float, call: Call) -> None:
        """The carrier's own end of a stream: a stop frame, a close, a webhook."""
        stream = self._drop(call)
        if stream.is_open:
            self._send(stream.id, stream.goodbye())
        self._site.emit(CloseSocket(stream=stream.id))
        self._hooks.tell(now, call, "streaming.stopped", _about(call, self._wishes[call.call_control_id]))

    def _drop(self, call: Call) -> Stream:
        stream = self._streams.pop(call.call_control_id)
        self._calls.pop(stream.id, None)
        tap = self._taps.pop(call.call_control_id, None)
        if call.audio is not None:
            call.audio.playback = None
            call.audio.recorders = [recorder for recorder in call.audio.recorders if recorder is not tap]
        return stream

    def _on_ending(self, now: float, call: Call) -> None:
        if call.call_control_id in self._streams:
            self._disconnect(now, call)
        elif call.answered is None and "stream_url" in call.wish and self._site.knobs.get("stopped_when_unanswered", True):
            self._hooks.tell(now, call, "streaming.stopped", _about(call, call.wish))

    # --- what the socket says ------------------------------------------------------------------------------------

    def on_open(self, now: float, stream_id: str) -> None:
        """The customer took the stream."""
        call = self._calls.get(stream_id)
        if call is None:
            return
        stream = self._streams[call.call_control_id]
        for frame in stream.hello():
            self._send(stream_id, frame)
        self._listen(call, stream)
        self._ring_if_waiting(now, call)

    def _ring_if_waiting(self, now: float, call: Call) -> None:
        if call.live and not call.incoming and not call.known and call.answered is None and call.end is None:
            self._lines.ring(now, call)

    def _listen(self, call: Call, stream: Stream) -> None:
        """Let sound flow, if there is any yet."""
        if call.audio is None:
            return
        call.audio.playback = stream.play
        if "outbound" in TRACKS[self._wishes[call.call_control_id].get("stream_track", "inbound_track")]:
            tap = _Tap(stream.id)
            self._taps[call.call_control_id] = tap
            call.audio.recorders.append(tap)

    def on_refused(self, now: float, stream_id: str) -> None:
        """The customer did not take it."""
        call = self._calls.get(stream_id)
        if call is not None:
            self._broke(now, call)
            self._ring_if_waiting(now, call)

    def on_closed(self, now: float, stream_id: str, code: int) -> None:
        """The call lives on: the stream is only a fork of it."""
        call = self._calls.get(stream_id)
        if call is None:
            return
        if code == BROKEN or self._site.knobs.get("socket_closed_event", "streaming.stopped") == "streaming.failed":
            self._broke(now, call)
        else:
            self._drop(call)
            self._hooks.tell(now, call, "streaming.stopped", _about(call, self._wishes[call.call_control_id]))

    def _broke(self, now: float, call: Call) -> None:
        stream = self._drop(call)
        track = self._wishes[call.call_control_id].get("stream_track", "inbound_track")
        params = {"stream_url": stream.url, "track": track}
        why = {"failure_reason": "connection_failed", "stream_id": stream.id, "stream_params": params, "stream_type": "websocket"}
        self._hooks.tell(now, call, "streaming.failed", call.ids() | why)
        again_s = self._site.knobs.get("stream_reconnect_after_s")
        if again_s is not None:
            kept = stream.id if self._site.knobs.get("reconnect_keeps_id", False) else ""
            self._lines.wake(now + again_s, "reconnect", call, kept)

    def on_timer(self, now: float, call: Call, stream_id: str) -> None:
        """A broken stream may be opened again."""
        if call.call_control_id not in self._streams:
            self._connect(now, call, stream_id)

    def on_frame(self, now: float, stream_id: str, data: str | bytes) -> None:
        """The customer sends."""
        call = self._calls.get(stream_id)
        if call is None:
            return
        result = self._streams[call.call_control_id].take(now, data)
        if isinstance(result, Rejected):
            self._complain(now, call, stream_id, result)
            return
        for frame in result:
            self._send(stream_id, frame)

    def _complain(self, now: float, call: Call, stream_id: str, rejected: Rejected) -> None:
        who = {"carrier": self._site.name, "number": call.phone, "carrier_call_id": call.call_control_id}
        self._site.ledger.write(now, "rejected_frame", reason=rejected.reason, **who)
        if rejected.reason.startswith(rest.NOT_SIMULATED):
            self._site.ledger.write(now, "refused", detail=rejected.reason, **who)
        if rejected.answer:
            self._send(stream_id, rejected.answer)

    # --- sound and keys ------------------------------------------------------------------------------------------

    def _on_ticked(self, _now: float, call: Call, ticked: Ticked) -> None:
        stream = self._streams.get(call.call_control_id)
        if stream is None or not stream.is_open:
            return
        tap = self._taps.get(call.call_control_id)
        for frame in stream.heard({"inbound": ticked.said, "outbound": tap.frame if tap else SILENCE}):
            self._send(stream.id, frame)

    def _on_pressed(self, now: float, call: Call, digit: str) -> None:
        self._hooks.tell(now, call, "call.dtmf.received", call.ids() | {"from": call.origin, "to": call.to, "digit": digit})
        stream = self._streams.get(call.call_control_id)
        if stream is not None and stream.is_open:
            self._send(stream.id, stream.pressed(digit, iso(now)))

    def _send(self, stream_id: str, frame: str) -> None:
        self._site.emit(SendFrame(stream=stream_id, data=frame))


def _about(call: Call, wish: dict[str, Any]) -> dict[str, Any]:
    return call.ids() | {"stream_url": wish["stream_url"]}
