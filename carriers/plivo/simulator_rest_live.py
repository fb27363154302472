"""The lab's Plivo: what the API does to a call that is going on: transfer, keys, sounds, streams. Pure."""

from collections.abc import Iterable
from typing import Any

from carriers.lab.contract import RestRequest
from carriers.plivo.simulator_calls import Call, Phase
from carriers.plivo.simulator_dials import Dials
from carriers.plivo.simulator_documents import BadDocument, Verb, check_alone
from carriers.plivo.simulator_keys import KeySender
from carriers.plivo.simulator_refusals import URL, Fields, NotPlayed, Refusal, check_urls, check_whole, fields_of
from carriers.plivo.simulator_rest import Route
from carriers.plivo.simulator_scripts import Scripts
from carriers.plivo.simulator_sounds import Sounds
from carriers.plivo.simulator_streams import Stream, Streams
from carriers.plivo.simulator_switch import Switch
from carriers.plivo.simulator_views import stamp

Answer = tuple[int, dict[str, Any]]

_STREAM = {
    "service_url": "",
    "bidirectional": "bidirectional",
    "audio_track": "audioTrack",
    "stream_timeout": "streamTimeout",
    "status_callback_url": "statusCallbackUrl",
    "status_callback_method": "statusCallbackMethod",
    "content_type": "contentType",
    "extra_headers": "extraHeaders",
}
"""The API's names for the attributes of `<Stream>`."""
_LEGS = frozenset({"aleg", "bleg", "both"})


class LiveApi:
    """`/Call/{uuid}/` and what lies below it, but for recordings."""

    def __init__(self, switch: Switch, scripts: Scripts, sounds: Sounds, keys: KeySender, streams: Streams, dials: Dials) -> None:
        self._switch, self._scripts, self._sounds = switch, scripts, sounds
        self._keys, self._streams, self._dials = keys, streams, dials

    def routes(self) -> Iterable[Route]:
        """For `RestApi`."""
        return (
            ("POST", r"Call/([^/]+)/", self._transfer),
            ("POST", r"Call/([^/]+)/DTMF/", self._dtmf),
            ("POST", r"Call/([^/]+)/Play/", self._play),
            ("DELETE", r"Call/([^/]+)/Play/", self._stop_sounds),
            ("POST", r"Call/([^/]+)/Speak/", self._speak),
            ("DELETE", r"Call/([^/]+)/Speak/", self._stop_sounds),
            ("POST", r"Call/([^/]+)/Stream/", self._start_stream),
            ("GET", r"Call/([^/]+)/Stream/", self._list_streams),
            ("GET", r"Call/([^/]+)/Stream/([^/]+)/", self._get_stream),
            ("DELETE", r"Call/([^/]+)/Stream/", self._stop_streams),
            ("DELETE", r"Call/([^/]+)/Stream/([^/]+)/", self._stop_stream),
        )

    def _answered(self, uuid: str) -> Call:
        call = self._switch.calls.get(uuid)
        if call is None or call.phase is not Phase.ANSWERED or not call.alive:
            raise Refusal(404, "call not found")
        return call

    def _legs(self, call: Call, fields: Fields, name: str = "legs") -> list[tuple[str, Call]]:
        """Which calls are meant; the B leg is the one that this call talks with."""
        wanted = str(fields.get(name, "aleg"))
        if wanted not in _LEGS:
            raise Refusal(400, f"{name} parameter is invalid")
        other = self._dials.other_of(call)
        if wanted != "aleg" and other is None:
            raise Refusal(404, "bleg not found")
        legs = [("aleg", call), *([("bleg", other)] if other is not None else [])]
        return [(leg, each) for leg, each in legs if wanted in {leg, "both"}]

    # --- transfer ------------------------------------------------------------------------------------------------

    def _transfer(self, now: float, request: RestRequest, uuid: str) -> Answer:
        known = frozenset({"call_uuid", "legs", "aleg_url", "aleg_method", "bleg_url", "bleg_method"})
        fields = fields_of(request, "transfer call", known)
        call = self._answered(uuid)
        check_urls(fields)
        legs = self._legs(call, fields)
        missing = [f"{leg}_url" for leg, _ in legs if not fields.get(f"{leg}_url")]
        if missing:
            raise Refusal(400, f"{', '.join(missing)} parameter is missing")
        for leg, each in reversed(legs):
            # A B leg leaves its <Dial> before the A leg's <Dial> ends and would take it along.
            self._dials.release(now, each, finish=len(legs) == 1)
            self._scripts.transfer(now, each, str(fields[f"{leg}_url"]), str(fields.get(f"{leg}_method", "POST")))
        return 202, {"message": "call transfered"}

    # --- keys and sounds -----------------------------------------------------------------------------------------

    def _dtmf(self, now: float, request: RestRequest, uuid: str) -> Answer:
        fields = fields_of(request, "send digits", frozenset({"call_uuid", "digits", "leg"}))
        call = self._answered(uuid)
        keys = str(fields.get("digits", ""))
        if not keys or set(keys) - set("0123456789*#wW"):
            raise Refusal(400, "digits parameter is invalid")
        for _, each in self._legs(call, fields, "leg"):
            self._keys.send(now, each, keys)
        return 202, {"message": "digits sent"}

    def _play(self, now: float, request: RestRequest, uuid: str) -> Answer:
        known = frozenset({"call_uuid", "urls", "length", "legs", "loop"})
        fields = fields_of(request, "play", known, {"mix": True})
        call = self._answered(uuid)
        told = fields.get("urls", "")
        urls = told if isinstance(told, list) else str(told).split(",")
        if not all(URL.fullmatch(str(url)) for url in urls):
            raise Refusal(400, "urls parameter is invalid")
        check_whole(fields, "length")
        self._sound(now, call, fields, [Verb("Play", _loop(fields), str(url)) for url in urls])
        return 202, {"message": "play started"}

    def _speak(self, now: float, request: RestRequest, uuid: str) -> Answer:
        known = frozenset({"call_uuid", "text", "voice", "language", "legs", "loop"})
        fields = fields_of(request, "speak", known, {"mix": True, "type": "text"})
        call = self._answered(uuid)
        if not fields.get("text"):
            raise Refusal(400, "text parameter is missing")
        self._sound(now, call, fields, [Verb("Speak", _loop(fields), str(fields["text"]))])
        return 202, {"message": "speak started"}

    def _sound(self, now: float, call: Call, fields: Fields, pieces: list[Verb]) -> None:
        for _, each in self._legs(call, fields):
            programme = self._sounds.play(now, each, pieces, lambda _now: None)
            if "length" in fields:
                self._switch.wake(now + int(fields["length"]), "silence", programme)

    def _stop_sounds(self, now: float, request: RestRequest, uuid: str) -> Answer:
        fields_of(request, "stop sounds", frozenset({"call_uuid"}))
        self._sounds.stop_all(now, self._answered(uuid))
        return 204, {}

    # --- streams -------------------------------------------------------------------------------------------------

    def _start_stream(self, now: float, request: RestRequest, uuid: str) -> Answer:
        fields = fields_of(request, "start stream", frozenset({"call_uuid", *_STREAM}))
        call = self._answered(uuid)
        check_urls({name: value for name, value in fields.items() if name != "service_url"})
        if self._streams.of(call):
            raise Refusal(400, "a stream is running on this call already")
        named = {_STREAM[name]: _written(value) for name, value in fields.items() if _STREAM.get(name)}
        verb = Verb("Stream", named, str(fields.get("service_url", "")))
        try:
            check_alone(verb)
        except BadDocument as bad:
            raise (Refusal(400, bad.why) if bad.simulated else NotPlayed(bad.why)) from bad
        stream = self._streams.begin(now, call, verb, lambda _now: None)
        return 202, {"message": "audio streaming started", "stream_id": stream.id}

    def _list_streams(self, _now: float, _request: RestRequest, uuid: str) -> Answer:
        found = [stream for stream in self._streams.past.values() if stream.call.uuid == uuid]
        meta = {"count": len(found), "limit": 20, "next": None, "offset": 0, "previous": None}
        return 200, {"meta": meta, "objects": [self._shown(stream) for stream in found]}

    def _get_stream(self, _now: float, _request: RestRequest, uuid: str, stream_id: str) -> Answer:
        return 200, self._shown(self._stream(uuid, stream_id))

    def _stop_streams(self, now: float, request: RestRequest, uuid: str) -> Answer:
        fields_of(request, "stop streams", frozenset({"call_uuid"}))
        for stream in self._streams.of(self._answered(uuid)):
            self._streams.stop(now, stream)
        return 204, {}

    def _stop_stream(self, now: float, request: RestRequest, uuid: str, stream_id: str) -> Answer:
        fields_of(request, "stop stream", frozenset({"call_uuid", "stream_id"}))
        self._streams.stop(now, self._stream(uuid, stream_id))
        return 204, {}

    def _stream(self, uuid: str, stream_id: str) -> Stream:
        stream = self._streams.past.get(stream_id)
        if stream is None or stream.call.uuid != uuid:
            raise Refusal(404, "stream not found")
        return stream

    def _shown(self, stream: Stream) -> dict[str, Any]:
        zone = self._switch.account.zone
        return {
            "call_uuid": stream.call.uuid,
            "end_time": stamp(stream.ended_at, zone) if stream.ended_at else None,
            "service_url": stream.verb.text,
            "start_time": stamp(stream.opened_at, zone) if stream.opened_at else None,
            "status": _status(stream),
            "status_callback_url": stream.verb.attributes.get("statusCallbackUrl", ""),
            "stream_id": stream.id,
        }


def _status(stream: Stream) -> str:
    if stream.ended_at:
        return "completed"
    return "in-progress" if stream.opened else "initiated"


def _written(value: Any) -> str:
    """A JSON value as an attribute spells it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _loop(fields: Fields) -> dict[str, str]:
    """True repeats for ever."""
    return {"loop": "0"} if fields.get("loop") in {True, "true", "True"} else {}
