"""Plivo, backwards: what the lab runs in its place. Pure; see `carriers.lab.contract`.

This file is the life of a call. Beside it: `simulator_rest` (the API), `simulator_delivery` and `simulator_forms`
(webhooks), `simulator_documents` (XML), `simulator_streams` (media). Written from Plivo's documents and recordings, and
importing nothing of the adapter's. What is guessed is a knob, listed in README.md.
"""

import string
from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from carriers.lab.contract import Incoming, PhoneEvent, RestReply, RestRequest, Site, Wake, WebhookReply
from carriers.plivo import simulator_documents as documents
from carriers.plivo import simulator_forms as forms
from carriers.plivo.simulator_calls import BEFORE_RINGING, UNREACHED, Call, Phase, new_uuid
from carriers.plivo.simulator_delivery import SIGNATURE_HEADERS, Deliveries, Delivery, read_policy
from carriers.plivo.simulator_documents import BadDocument, Verb
from carriers.plivo.simulator_rest import Fields, RestApi
from carriers.plivo.simulator_streams import Stream, Streams

_UNREACHABLE = {"answer": 7011, "redirect": 7014}
_UNREADABLE = {"answer": 8011, "redirect": 8014}
_WORDS_PER_S = 2.5
_FAULTS: Mapping[str, tuple[int, str]] = {"auth_error": (401, ""), "rate_limited": (429, "Too many requests")}
_SUSPENDED = "Voice capability is currently disabled for this account"


class PlivoSimulator:
    """`carriers.lab.contract.Simulator`."""

    causes = BEFORE_RINGING
    signature_headers = SIGNATURE_HEADERS

    def __init__(self, site: Site) -> None:
        self._site = site
        self._auth_id = "MA" + "".join(site.random.choices(string.ascii_uppercase + string.digits, k=18))
        self._auth_token = "".join(site.random.choices(string.ascii_letters + string.digits, k=40))
        zone_name = site.knobs.get("timezone", "Asia/Kolkata")
        self._zone = ZoneInfo(zone_name)
        self.calls: dict[str, Call] = {}
        self._starts: list[float] = []
        self._deliveries = Deliveries(site, self._auth_token)
        self._streams = Streams(site, self._auth_id, self)
        self._api = RestApi(site, self, self._auth_id, self._auth_token, self._zone, zone_name)
        self._verbs: Mapping[str, Callable[[float, Call, Verb], bool]] = {
            "Stream": self._stream,
            "Redirect": self._redirect,
            "Hangup": self._hangup,
            "Speak": self._speak,
            "Play": self._play,
            "Wait": self._wait,
        }
        self._timers: Mapping[str, Callable[[float, str], None]] = {
            "dial": self._dial_now,
            "reject": self._reject_now,
            "ringtimeout": self._ring_timeout,
            "timelimit": self._time_limit,
            "next": self._next_verb,
            "retry": lambda _now, key: self._deliveries.on_retry(key),
            "reconnect": lambda _now, key: self._streams.reconnect(key),
            "streamtimeout": self._streams.on_timeout,
        }

    # --- the shell's side ----------------------------------------------------------------------------------------

    def credentials(self) -> dict[str, Any]:
        return {
            "auth_id": self._auth_id,
            "auth_token": self._auth_token,
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
        call = self.calls.get(delivery.call_uuid) if delivery else None
        if delivery and call and call.fetching == delivery.purpose and call.phase is Phase.ANSWERED:
            self._obey(now, call, delivery, reply)

    def on_timer(self, now: float, key: str) -> None:
        kind, _, rest = key.partition(":")
        self._timers[kind](now, rest)

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        call = self.calls.get(event.ref)
        if call is None or call.phase is Phase.ENDED:
            return
        if event.kind == "ringing" and call.phase is Phase.DIALED:
            call.phase = Phase.RINGING
            self._tell(now, call, "ring", forms.ring(call, self._auth_id))
        elif event.kind == "answered":
            self._answered(now, call)
        elif event.kind == "ended":
            self._finish(now, call, *(call.pending_end or _end_of(call, event)))
        elif event.kind == "digit":
            self._streams.digit(now, call, event.digit)

    def on_socket_open(self, now: float, stream: str) -> None:
        self._streams.on_open(now, stream)

    def on_socket_refused(self, now: float, stream: str, status: int) -> None:
        self._streams.on_refused(now, stream)

    def on_socket_frame(self, now: float, stream: str, data: str | bytes) -> None:
        self._streams.on_frame(now, stream, data)

    def on_socket_closed(self, now: float, stream: str, code: int) -> None:
        self._streams.on_closed(now, stream, code)

    def on_tick(self, now: float) -> None:
        self._streams.on_tick(now)

    def incoming_ref(self, now: float, incoming: Incoming) -> str | None:
        return None

    def on_incoming(self, now: float, ref: str, incoming: Incoming) -> None:
        """Never: no number is in service for calls from phones."""

    def on_fetched(self, now: float, fetch_id: str, reply: WebhookReply) -> None:
        """Never: nothing is fetched."""

    def ticking(self) -> bool:
        return False

    def live_calls(self) -> int:
        return sum(call.phase is not Phase.ENDED for call in self.calls.values())

    def reset(self) -> None:
        self._streams.forget()
        self._deliveries.forget()
        self.calls.clear()
        self._starts.clear()

    # --- the API's side ------------------------------------------------------------------------------------------

    def accept(self, now: float, fields: Fields) -> tuple[str, Call]:
        """Never refused for pace: what exceeds the calls per second waits its turn."""
        settings = {name: str(value) for name, value in fields.items() if name.endswith(("_url", "_method"))}
        call = Call(
            uuid=new_uuid(self._site.random),
            caller="+" + str(fields["from"]).lstrip("+"),
            to="+" + str(fields["to"]).lstrip("+"),
            settings=settings,
            ring_timeout=int(fields.get("ring_timeout", 120)),
            time_limit=min(int(fields.get("time_limit", 14400)), 86400),
            accepted_at=now,
        )
        self.calls[call.uuid] = call
        turn = self._turn(now)
        self._wake(turn + self._site.knobs.get("setup_s", 0.1), "dial", call.uuid)
        if turn > now:
            return "call queued", call
        call.phase = Phase.DIALED
        return "call fired", call

    def end(self, now: float, call: Call, code: int, source: str) -> None:
        """Through the phone network, if the call has come that far; the first reason stands."""
        call.pending_end = call.pending_end or (code, source)
        if call.in_network:
            self._site.network.hang_up(now, carrier=self._site.name, ref=call.uuid)
        else:
            self._finish(now, call, *call.pending_end)

    def _turn(self, now: float) -> float:
        """When the next call may be dialled: `cps` starts in any second."""
        cps = int(self._site.knobs.get("cps", 2))
        turn = max(now, self._starts[-cps] + 1.0) if len(self._starts) >= cps else now
        self._starts = [*self._starts[-cps + 1 :], turn] if cps > 1 else [turn]
        return turn

    # --- dialling ------------------------------------------------------------------------------------------------

    def _dial_now(self, now: float, uuid: str) -> None:
        call = self.calls.get(uuid)
        if call is None or call.phase is Phase.ENDED:
            return
        call.phase = Phase.DIALED
        cause = self._site.reject_cause(now, call.to) or self._own_reject_cause(call)
        if cause is not None:
            call.pending_end = (int(cause), "Carrier")
            self._wake(now + self._site.knobs.get("reject_after_s", 0.3), "reject", uuid)
            return
        call.in_network = True
        self._site.network.dial(now, carrier=self._site.name, ref=uuid, to=call.to, caller_id=call.caller)
        self._wake(now + call.ring_timeout, "ringtimeout", uuid)

    def _own_reject_cause(self, call: Call) -> str | None:
        return None if call.caller in self._site.numbers else "3030"

    def _reject_now(self, now: float, uuid: str) -> None:
        call = self.calls.get(uuid)
        if call is not None and call.phase is not Phase.ENDED and call.pending_end is not None:
            self._finish(now, call, *call.pending_end)

    def _ring_timeout(self, now: float, uuid: str) -> None:
        call = self.calls.get(uuid)
        if call is not None and call.phase in {Phase.DIALED, Phase.RINGING}:
            self.end(now, call, 6010, "Plivo")

    def _answered(self, now: float, call: Call) -> None:
        call.phase, call.answered_at = Phase.ANSWERED, now
        self._wake(now + call.time_limit, "timelimit", call.uuid)
        url, method = call.settings.get("fallback_url"), call.settings.get("fallback_method", "POST")
        call.fetching = "answer"
        form = forms.in_progress(call, self._auth_id, "StartApp")
        self._tell(now, call, "answer", form, fallback=(url, method) if url else None)

    def _time_limit(self, now: float, uuid: str) -> None:
        call = self.calls.get(uuid)
        if call is not None and call.phase is Phase.ANSWERED:
            self.end(now, call, 6000, "Plivo")

    def _finish(self, now: float, call: Call, code: int, source: str) -> None:
        call.phase, call.ended_at, call.cause, call.source = Phase.ENDED, now, code, source
        self._streams.end_with_call(now, call)
        self._tell(now, call, "hangup", forms.hangup(call, self._auth_id, self._zone))

    # --- documents -----------------------------------------------------------------------------------------------

    def _obey(self, now: float, call: Call, delivery: Delivery, reply: WebhookReply) -> None:
        kind, call.fetching = call.fetching, ""
        if not 200 <= reply.status < 300 or not reply.body.strip():
            self.end(now, call, _UNREACHABLE[kind], "Error")
            return
        try:
            call.todo = documents.read(reply.body)
        except BadDocument as bad:
            self._bad_document(now, call, delivery, kind, bad)
            return
        self._run(now, call)

    def _bad_document(self, now: float, call: Call, delivery: Delivery, kind: str, bad: BadDocument) -> None:
        if not bad.simulated:
            self._site.ledger.write(
                now, "refused", carrier=self._site.name, number=call.to, carrier_call_id=call.uuid, what=bad.why
            )
        if self._site.knobs.get("fallback_on_bad_xml", False) and self._deliveries.fall_back(now, delivery):
            call.fetching = kind
            return
        self.end(now, call, _UNREADABLE[kind], "Error")

    def _run(self, now: float, call: Call) -> None:
        """Verb by verb, until one takes its time or the document is at its end."""
        call.step += 1
        while call.todo:
            verb = call.todo.pop(0)
            if self._verbs[verb.name](now, call, verb):
                return
        # A stream that does not keep the call alive dies with the document, too.
        self.end(now, call, 4010, "Answer XML")

    def _next_verb(self, now: float, key: str) -> None:
        uuid, _, step = key.partition(":")
        call = self.calls.get(uuid)
        if call is not None and call.phase is Phase.ANSWERED and str(call.step) == step:
            self._run(now, call)

    def _stream(self, now: float, call: Call, verb: Verb) -> bool:
        stream = self._streams.begin(now, call, verb)
        call.stream = stream.id if stream.keeps_call_alive else ""
        return stream.keeps_call_alive

    def _redirect(self, now: float, call: Call, verb: Verb) -> bool:
        method = verb.attributes.get("method", "POST").upper()
        if not verb.text.startswith(("http://", "https://")):
            self.end(now, call, 7024, "Error")
            return True
        call.fetching = "redirect"
        form = forms.in_progress(call, self._auth_id, "Redirect")
        self._send(now, call, "redirect", verb.text, method, form)
        return True

    def _hangup(self, now: float, call: Call, _verb: Verb) -> bool:
        self.end(now, call, 4000, "Answer XML")
        return True

    def _speak(self, now: float, call: Call, verb: Verb) -> bool:
        return self._pause(now, call, len(verb.text.split()) / _WORDS_PER_S)

    def _play(self, now: float, call: Call, _verb: Verb) -> bool:
        return self._pause(now, call, self._site.knobs.get("play_s", 1.0))

    def _wait(self, now: float, call: Call, verb: Verb) -> bool:
        length = verb.attributes.get("length", "1")
        return self._pause(now, call, float(length) if length.isdecimal() else 1.0)

    def _pause(self, now: float, call: Call, seconds: float) -> bool:
        self._wake(now + seconds, "next", f"{call.uuid}:{call.step}")
        return True

    # --- the streams' side ---------------------------------------------------------------------------------------

    def upgrade_headers(self, url: str) -> Mapping[str, str]:
        """Signed as a webhook is."""
        return self._deliveries.upgrade_headers(url)

    def report(self, now: float, stream: Stream, event: str) -> None:
        """To statusCallbackUrl, where there is one."""
        url = stream.verb.attributes.get("statusCallbackUrl")
        if url:
            form = forms.stream(stream.call, self._auth_id, event, stream.id, stream.verb.text, now)
            method = stream.verb.attributes.get("statusCallbackMethod", "POST").upper()
            # Retry fragments do not apply here; they would be sent as nothing either.
            self._send(now, stream.call, "stream", url.partition("#")[0], method, form)

    def gone(self, now: float, stream: Stream) -> None:
        """What follows the stream in its document comes now."""
        call = stream.call
        if call.stream == stream.id and call.phase is Phase.ANSWERED:
            call.stream = ""
            self._run(now, call)

    # --- small ---------------------------------------------------------------------------------------------------

    def _tell(self, now: float, call: Call, purpose: str, form: forms.Form, fallback: tuple[str, str] | None = None) -> None:
        url = call.settings.get(f"{purpose}_url")
        if url:
            self._send(now, call, purpose, url, call.settings.get(f"{purpose}_method", "POST").upper(), form, fallback)

    def _send(
        self,
        now: float,
        call: Call,
        purpose: str,
        url: str,
        method: str,
        form: forms.Form,
        fallback: tuple[str, str] | None = None,
    ) -> None:
        delivery = Delivery(
            purpose=purpose,
            call_uuid=call.uuid,
            number=call.to,
            url=url,
            method=method,
            form=form,
            policy=read_policy(url),
            began_at=now,
            fallback=fallback,
        )
        self._deliveries.send(now, delivery)

    def _wake(self, at: float, kind: str, rest: str) -> None:
        self._site.emit(Wake(at=at, key=f"{kind}:{rest}"))


def _end_of(call: Call, event: PhoneEvent) -> tuple[int, str]:
    """An end that the carrier did not begin."""
    if call.answered:
        return (4000, "Callee") if event.by == "phone" else (5000, "Carrier")
    return UNREACHED.get(event.cause, 0), "Callee" if event.by == "phone" else "Carrier"
