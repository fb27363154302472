"""Twilio, backwards: the pure core that the lab puts behind real sockets. Written from Twilio's pages, not from the adapter.

The API: `simulator_rest` and `simulator_rules` (words), `simulator_order`, `simulator_calls`, `simulator_numbers`,
`simulator_recording_api`, `simulator_stream_api`, `simulator_messages`, `simulator_account`. A call: `simulator_life` moves it
on, `simulator_documents` asks for TwiML (`simulator_twiml`, `simulator_grammar`) and executes it, with a file for each kind of
verb. `simulator_hooks` signs and repeats. README.md lists the knobs.
"""

import re
from collections.abc import Callable
from typing import Any

from carriers.lab.contract import Incoming, PhoneEvent, RestReply, RestRequest, Site, WebhookReply
from carriers.twilio import simulator_prompts, simulator_twiml
from carriers.twilio.simulator_account import Account
from carriers.twilio.simulator_calls import Calls
from carriers.twilio.simulator_detection import Detector
from carriers.twilio.simulator_dialing import Dialing
from carriers.twilio.simulator_documents import Documents
from carriers.twilio.simulator_endings import Endings
from carriers.twilio.simulator_gathering import Gathering
from carriers.twilio.simulator_hooks import Hooks, Sending
from carriers.twilio.simulator_inbound import Inbound
from carriers.twilio.simulator_life import CAUSES, Life
from carriers.twilio.simulator_messages import Messages
from carriers.twilio.simulator_numbers import Numbers
from carriers.twilio.simulator_recording_api import RecordingApi
from carriers.twilio.simulator_recordings import Recordings
from carriers.twilio.simulator_rest import NoSuch, answer, authorised, error, form
from carriers.twilio.simulator_stream import Streams
from carriers.twilio.simulator_stream_api import StreamApi
from carriers.twilio.simulator_streaming import Streaming
from carriers.twilio.simulator_taking import Taking

FAULTS: dict[str, tuple[int, int]] = {
    "auth_error": (401, 20003),
    "suspended": (403, 20005),
    "rate_limited": (429, 20429),
}
"""Fault -> (HTTP status, code). The status of 20005 is not known: knob `suspended_status`."""
CODES_BY_STATUS = {500: 20500, 503: 20503, 401: 20003, 404: 20404, 429: 20429}
LOUD = frozenset({20001, 20404, 21206, 21218})
"""Refusals that the ledger shows: what is wrong with the request or the lab, not with a call that has merely ended."""
DIAL = re.compile(r"/2010-04-01/Accounts/AC[0-9a-f]{32}/Calls\.json")

Handler = Callable[..., RestReply]


class TwilioSimulator:
    """See `carriers.lab.contract.Simulator`."""

    causes = frozenset(CAUSES)
    signature_headers = frozenset({"x-twilio-signature"})

    def __init__(self, site: Site) -> None:
        self._site = site
        self._account = Account(site)
        self._hooks = Hooks(site, self._account.auth_token)
        self._numbers = Numbers(site, self._account)
        self._life = Life(site, self._hooks)
        self._documents = Documents(site, self._hooks, self._life)
        self._streams = Streams(site, self._hooks)
        self._recordings = Recordings(site, self._hooks, self._account.root)
        self._detector = Detector(site, self._hooks, self._documents.first)
        self._life.documents, self._life.streams = self._documents, self._streams
        self._life.recordings, self._life.detector = self._recordings, self._detector
        self._calls = Calls(site, self._account, self._numbers, self._life)
        self._inbound = Inbound(site, self._numbers, self._documents, self._life)
        self._messages = Messages(site, self._hooks, self._account, self._numbers)
        self._register_verbs()
        self._routes = self._list_routes()

    def _register_verbs(self) -> None:
        simulator_prompts.register(self._documents)
        Endings(self._documents, self._life)
        Gathering(self._documents)
        taking = Taking(self._documents, self._recordings)
        Dialing(self._site, self._documents, self._life, self._calls, self._recordings)
        self._streaming = Streaming(self._site, self._documents, self._streams, taking, self._life.finish)

    def _list_routes(self) -> tuple[tuple[str, re.Pattern[str], Handler], ...]:
        """(methods, path below the account, who answers): the groups of the path are the handler's last arguments."""
        calls, numbers, messages = self._calls, self._numbers, self._messages
        recordings = RecordingApi(self._site, self._recordings)
        streams = StreamApi(self._streaming, self._streams)
        self._files = recordings
        call, file = r"/Calls/(CA[0-9a-f]{32})", r"/Recordings/(RE[0-9a-f]{32})(?:\.(wav|mp3))?"
        table: tuple[tuple[str, str, Handler], ...] = (
            ("GET", r"\.json", lambda now, request: answer(self._account.show())),
            ("GET", r"/Balance\.json", lambda now, request: answer(self._account.balance())),
            ("POST", r"/Calls\.json", calls.create),
            ("GET", r"/Calls\.json", calls.list),
            ("GET POST DELETE", rf"{call}\.json", calls.one),
            ("GET", rf"{call}/Events\.json", calls.events),
            ("GET", rf"{call}/Notifications\.json", calls.notifications),
            ("POST", rf"{call}/Recordings\.json", self._of_call(recordings.begin)),
            ("GET", rf"{call}/Recordings\.json", self._of_call(recordings.list_of_call)),
            ("GET POST DELETE", rf"{call}/Recordings/([\w.]+)\.json", self._of_call(recordings.one_of_call)),
            ("POST", rf"{call}/Streams\.json", self._of_call(streams.begin)),
            ("POST", rf"{call}/Streams/([^/]+)\.json", self._of_call(streams.end)),
            ("GET", r"/Recordings\.json", recordings.list_all),
            ("GET DELETE", r"/Recordings/(RE[0-9a-f]{32})\.json", recordings.one),
            ("GET", file, recordings.file),
            ("GET", r"/IncomingPhoneNumbers\.json", numbers.list_numbers),
            ("GET POST", r"/IncomingPhoneNumbers/(PN[0-9a-f]{32})\.json", numbers.number),
            ("GET", r"/Applications\.json", numbers.list_applications),
            ("POST", r"/Applications\.json", numbers.create_application),
            ("GET POST DELETE", r"/Applications/(AP[0-9a-f]{32})\.json", numbers.one_application),
            ("POST", r"/Messages\.json", messages.create),
            ("GET", r"/Messages\.json", messages.list),
            ("GET DELETE", r"/Messages/(SM[0-9a-f]{32})\.json", messages.one),
        )
        root = re.escape(self._account.root)
        return tuple((methods, re.compile(root + path), handler) for methods, path, handler in table)

    def _of_call(self, handler: Handler) -> Handler:
        """Give a handler the call in place of its sid."""
        return lambda now, request, sid, *rest: handler(now, request, self._calls.find(sid), *rest)

    # --- the API -------------------------------------------------------------------------------------------------

    def credentials(self) -> dict[str, Any]:
        return self._account.credentials()

    def is_dial(self, request: RestRequest) -> str | None:
        if request.method != "POST" or not DIAL.fullmatch(request.path):
            return None
        return form(request).get("To", [""])[-1]

    def on_request(self, now: float, request: RestRequest) -> RestReply:
        dialled, before = self.is_dial(request), len(self._calls.by_sid)
        reply = self._answer(now, request)
        if dialled is not None:
            sid = next(reversed(self._calls.by_sid)) if len(self._calls.by_sid) > before else ""
            self._site.ledger.write(
                now, "dial", carrier=self._site.name, number=dialled, carrier_call_id=sid, status=reply.status
            )
        return reply

    def fault_reply(self, kind: str, status: int | None = None, code: str | None = None) -> RestReply:
        """An `http_error` without a code is HTML for 502 and 504 (a proxy's page) and JSON else, as recorded for 503."""
        if kind in FAULTS:
            fixed_status, fixed_code = FAULTS[kind]
            if kind == "suspended":
                fixed_status = self._site.knobs.get("suspended_status", fixed_status)
            return error(fixed_status, int(code or fixed_code))
        status = status or 500
        if code is None and status not in CODES_BY_STATUS:
            return RestReply(status=status, body=b"<html><body>Bad gateway</body></html>", content_type="text/html")
        return error(status, int(code) if code and code.isdecimal() else CODES_BY_STATUS.get(status, 20500))

    def _answer(self, now: float, request: RestRequest) -> RestReply:
        known = authorised(request, self._account.sid, self._account.auth_token)
        try:
            return self._route(now, request, known=known)
        except NoSuch as refusal:
            self._refused(now, request, refusal)
            return error(refusal.status, refusal.code, refusal.detail)

    def _route(self, now: float, request: RestRequest, *, known: bool) -> RestReply:
        for methods, path, handler in self._routes:
            match = path.fullmatch(request.path)
            if match is None or request.method not in methods.split():
                continue
            public = handler == self._files.file and not self._files.files_are_secret
            return handler(now, request, *match.groups()) if known or public else error(401, 20003)
        if not known:
            return error(401, 20003)
        mine = request.path.startswith(self._account.root)
        raise NoSuch(404, 20404, f"{'not simulated: ' if mine else ''}{request.method} {request.path}")

    def _refused(self, now: float, request: RestRequest, refusal: NoSuch) -> None:
        if refusal.code in LOUD:
            what = f"{request.method} {request.path}"
            name, code, detail = self._site.name, refusal.code, refusal.detail
            self._site.ledger.write(now, "refused", carrier=name, request=what, code=code, detail=detail)

    # --- what comes back -----------------------------------------------------------------------------------------

    def on_webhook_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        sending = self._hooks.replied(now, webhook_id, reply)
        call = self._calls.by_sid.get(sending.sid) if sending else None
        if sending is None or call is None:
            return
        if sending.purpose == "document":
            self._documents.replied(now, call, sending, reply)
        elif not 200 <= reply.status < 300:
            self._note_failure(now, sending, reply)

    def _note_failure(self, now: float, sending: Sending, reply: WebhookReply) -> None:
        code = simulator_twiml.HTTP_ERROR if reply.status else simulator_twiml.CONNECTION_FAILED
        self._documents.note(now, self._calls.find(sending.sid), code, sending.webhook.url)

    def on_timer(self, now: float, key: str) -> None:
        what, sid, step = key.split(" ")
        call = self._calls.by_sid.get(sid)
        if call is not None:
            self._life.timer(now, call, what, int(step))
        elif what == "recording":
            self._recordings.ready(now, sid)
        elif what == "message":
            self._messages.timer(now, sid)

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        call = self._calls.by_sid.get(event.ref)
        if call is not None:
            self._life.phone(now, call, event)
        else:
            self._messages.phone(now, event)

    def on_fetched(self, now: float, fetch_id: str, reply: WebhookReply) -> None:
        sid, step = fetch_id.split(" ")
        call = self._calls.by_sid.get(sid)
        if call is not None:
            self._documents.fetched(now, call, int(step), reply)

    # --- phones that call ----------------------------------------------------------------------------------------

    def incoming_ref(self, now: float, incoming: Incoming) -> str | None:
        return self._calls.new_sid() if self._numbers.owns(incoming.to) else None

    def on_incoming(self, now: float, ref: str, incoming: Incoming) -> None:
        call = self._inbound.new_call(now, ref, self._account.root, self._account.sid, incoming)
        self._calls.keep(call)
        self._inbound.ask(now, call)

    # --- media sockets -------------------------------------------------------------------------------------------

    def on_socket_open(self, now: float, stream: str) -> None:
        found = self._streams.by_sid.get(stream)
        if found is not None:
            self._streams.opened(now, found)

    def on_socket_refused(self, now: float, stream: str, status: int) -> None:
        found = self._streams.by_sid.get(stream)
        if found is not None:
            self._streams.refused(now, found, status)

    def on_socket_frame(self, now: float, stream: str, data: str | bytes) -> None:
        found = self._streams.by_sid.get(stream)
        if found is not None:
            self._streams.received(now, found, data)

    def on_socket_closed(self, now: float, stream: str, code: int) -> None:
        found = self._streams.by_sid.get(stream)
        if found is not None:
            self._streams.closed(now, found, code)

    # --- the lab's own questions ---------------------------------------------------------------------------------

    def ticking(self) -> bool:
        return any(call.audio is not None and call.audio.busy for call in self._life.talking.values())

    def on_tick(self, now: float) -> None:
        self._life.tick(now)

    def live_calls(self) -> int:
        return self._calls.live()

    def reset(self) -> None:
        self._calls.forget()
        self._life.talking.clear()
        self._streams.forget()
        self._recordings.by_sid.clear()
        self._messages.by_sid.clear()
        self._detector.forget()
        self._hooks.forget()
