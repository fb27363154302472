"""Plivo, backwards: what the lab runs in its place. Pure; see `carriers.lab.contract`.

This file puts the parts together. `simulator_switch` has the calls and `simulator_delivery` their webhooks;
`simulator_scripts` obeys documents, each element in a file with its thing; `simulator_rest` is the way into the API.
Written from Plivo's documents and recordings, and importing nothing of the adapter's. What is guessed is a knob, listed
in README.md.
"""

from collections.abc import Callable, Mapping
from typing import Any

from carriers.lab.contract import Incoming, PhoneEvent, RestReply, RestRequest, Site, WebhookReply
from carriers.plivo.simulator_calls import Call, new_uuid
from carriers.plivo.simulator_causes import BEFORE_RINGING
from carriers.plivo.simulator_delivery import SIGNATURE_HEADERS, Deliveries
from carriers.plivo.simulator_detection import Detection
from carriers.plivo.simulator_dial_sounds import PURPOSE, DialSounds
from carriers.plivo.simulator_dials import Dials
from carriers.plivo.simulator_input import Inputs
from carriers.plivo.simulator_keys import KeySender
from carriers.plivo.simulator_knobs import KNOBS
from carriers.plivo.simulator_messages import Messages
from carriers.plivo.simulator_numbers import Numbers
from carriers.plivo.simulator_record_verb import RecordVerb
from carriers.plivo.simulator_recordings import Recordings
from carriers.plivo.simulator_rest import RestApi, Route
from carriers.plivo.simulator_rest_calls import CallsApi
from carriers.plivo.simulator_rest_live import LiveApi
from carriers.plivo.simulator_scripts import Scripts
from carriers.plivo.simulator_sounds import Sounds
from carriers.plivo.simulator_streams import Streams
from carriers.plivo.simulator_switch import Switch, open_account
from carriers.plivo.simulator_verbs import Verbs

_FAULTS: Mapping[str, tuple[int, str]] = {"auth_error": (401, ""), "rate_limited": (429, "Too many requests")}
_SUSPENDED = "Voice capability is currently disabled for this account"


class PlivoSimulator:
    """`carriers.lab.contract.Simulator`."""

    causes = BEFORE_RINGING
    knobs = KNOBS
    signature_headers = SIGNATURE_HEADERS

    def __init__(self, site: Site) -> None:
        self._site = site
        self._account = open_account(site)
        self._deliveries = Deliveries(site, self._account.auth_token)
        self._switch = Switch(site, self._account, self._deliveries)
        self._numbers = Numbers(self._switch)
        self._keys = KeySender(self._switch)
        self._scripts = Scripts(self._switch)
        self._sounds = Sounds(self._switch)
        self._streams = Streams(self._switch, self._keys)
        self._verbs = Verbs(self._switch, self._scripts, self._sounds, self._keys, self._streams)
        self._inputs = Inputs(self._switch, self._scripts, self._sounds)
        self._recordings = Recordings(self._switch, self._scripts)
        self._record_verb = RecordVerb(self._switch, self._scripts, self._sounds, self._recordings)
        self._dial_sounds = DialSounds(self._switch, self._sounds)
        self._dials = Dials(self._switch, self._scripts, self._keys, self._dial_sounds)
        self._detection = Detection(self._switch, self._scripts)
        self._messages = Messages(self._switch)
        self._connect()
        self._api = RestApi(self._switch, self._routes(), self._recordings.file)
        self._timers: Mapping[str, Callable[[float, str], None]] = {
            "dial": self._switch.dial_now,
            "reject": self._switch.reject_now,
            "ringtimeout": self._switch.ring_timeout,
            "hanguponring": self._switch.hangup_on_ring,
            "timelimit": self._switch.time_limit,
            "next": self._scripts.on_pause_over,
            "schedule": self._verbs.on_schedule,
            "keys": self._keys.on_time,
            "input": self._inputs.on_time,
            "recording": self._recordings.on_ready,
            "confirm": self._dials.on_unconfirmed,
            "detected": self._detection.on_time,
            "message": self._messages.on_time,
            "silence": self._sounds.stop,
            "retry": self._deliveries.on_retry,
            "reconnect": lambda _now, key: self._streams.reconnect(key),
            "streamtimeout": self._streams.on_timeout,
        }

    def _connect(self) -> None:
        talkers = (self._verbs, self._inputs, self._record_verb, self._dials, self._messages)
        for talker in talkers:
            self._scripts.verbs.update(talker.handlers())
        self._switch.on_answered = self._answered
        enders = (self._scripts, self._dials, self._recordings, self._streams, self._sounds)
        self._switch.on_ended += [ender.on_ended for ender in enders]
        listeners = (self._inputs, self._record_verb, self._dials, self._streams)
        self._switch.on_digit += [listener.on_digit for listener in listeners]
        self._dials.on_connected = self._record_verb.on_dial_answered

    def _routes(self) -> list[Route]:
        numbers = self._numbers
        return [
            *CallsApi(self._switch).routes(),
            *LiveApi(self._switch, self._scripts, self._sounds, self._keys, self._streams, self._dials).routes(),
            *self._recordings.routes(),
            *self._messages.routes(),
            ("POST", r"Application/", numbers.create_application),
            ("GET", r"Application/", numbers.list_applications),
            ("GET", r"Application/(\d+)/", numbers.get_application),
            ("POST", r"Application/(\d+)/", numbers.update_application),
            ("DELETE", r"Application/(\d+)/", numbers.delete_application),
            ("GET", r"Number/", numbers.list_numbers),
            ("GET", r"Number/(\+?\d+)/", numbers.get_number),
            ("POST", r"Number/(\+?\d+)/", numbers.update_number),
        ]

    @property
    def calls(self) -> dict[str, Call]:
        """All calls by id, for looking."""
        return self._switch.calls

    # --- the shell's side ----------------------------------------------------------------------------------------

    def credentials(self) -> dict[str, Any]:
        return {
            "auth_id": self._account.auth_id,
            "auth_token": self._account.auth_token,
            "base_url": self._site.base_url,
            "numbers": list(self._site.numbers),
        }

    def is_dial(self, request: RestRequest) -> str | None:
        return self._api.dial_target(request)

    def on_request(self, now: float, request: RestRequest) -> RestReply:
        return self._api.answer(now, request)

    def fault_reply(self, kind: str, status: int | None = None, code: str | None = None) -> RestReply:
        faults = {**_FAULTS, "suspended": (self._site.knobs.get("suspended_status", 403), _SUSPENDED)}
        usual_status, words = faults.get(kind, (500, "internal server error"))
        return self._api.error(status or usual_status, code or words)

    def on_webhook_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        delivery = self._deliveries.on_reply(now, webhook_id, reply)
        if delivery is not None and delivery.purpose == PURPOSE:
            self._dial_sounds.on_reply(now, delivery, reply)
        elif delivery is not None:
            self._scripts.on_document(now, delivery, reply)

    def on_timer(self, now: float, key: str) -> None:
        kind, _, rest = key.partition(":")
        self._timers[kind](now, rest)

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        if not self._messages.on_phone(now, event):
            self._switch.on_phone(now, event)

    def incoming_ref(self, now: float, incoming: Incoming) -> str | None:
        return new_uuid(self._site.random)

    def on_incoming(self, now: float, ref: str, incoming: Incoming) -> None:
        call = self._switch.arrive(now, ref, incoming, self._numbers.settings_of(incoming.to))
        if call is not None:
            self._scripts.ask_answer(now, call)

    def on_fetched(self, now: float, fetch_id: str, reply: WebhookReply) -> None:
        self._sounds.on_fetched(now, fetch_id, reply)

    def on_socket_open(self, now: float, stream: str) -> None:
        self._streams.on_open(now, stream)

    def on_socket_refused(self, now: float, stream: str, status: int) -> None:
        self._streams.on_refused(now, stream)

    def on_socket_frame(self, now: float, stream: str, data: str | bytes) -> None:
        self._streams.on_frame(now, stream, data)

    def on_socket_closed(self, now: float, stream: str, code: int) -> None:
        self._streams.on_closed(now, stream, code)

    def ticking(self) -> bool:
        return any(self._sounding(self.calls[uuid]) for uuid in self._switch.audio)

    def on_tick(self, now: float) -> None:
        for uuid in list(self._switch.audio):
            # What one call's tick causes may end another.
            if uuid in self._switch.audio and self._sounding(self.calls[uuid]):
                self._tick(now, self.calls[uuid])

    def _sounding(self, call: Call) -> bool:
        listened = self._streams.of(call) or self._verbs.listens(call)
        return bool(listened) or self._switch.audio[call.uuid].busy

    def _tick(self, now: float, call: Call) -> None:
        audio = self._switch.audio[call.uuid]
        ticked = audio.tick()
        self._streams.hear(now, call, ticked.said, audio.heard)
        self._verbs.hear(now, call, ticked.said)
        for key in ticked.played:
            self._sounds.on_played(now, key)
            self._dials.on_played(key)
        for recorder, _ in ticked.recorded:
            self._record_verb.on_recorded(now, recorder)

    def live_calls(self) -> int:
        return len(self._switch.live())

    def reset(self) -> None:
        speakers = (self._streams, self._scripts, self._sounds, self._keys, self._verbs, self._inputs, self._dials)
        keepers = (self._record_verb, self._recordings, self._dial_sounds, self._messages, self._deliveries, self._switch)
        for part in (*speakers, *keepers):
            part.forget()

    # --- what a call begins with ---------------------------------------------------------------------------------

    def _answered(self, now: float, call: Call) -> None:
        if self._dials.is_leg(call):
            self._dials.on_answered(now, call)
            return
        if "send_digits" in call.settings:
            self._keys.send(now, call, call.settings["send_digits"])
        if not self._detection.on_answered(now, call):
            self._scripts.ask_answer(now, call)
