"""The lab's Plivo: documents are asked for and obeyed, verb by verb. Pure."""

from collections.abc import Callable, Mapping

from carriers.lab.contract import WebhookReply
from carriers.plivo import simulator_documents as documents
from carriers.plivo import simulator_forms as forms
from carriers.plivo.simulator_calls import Call, Phase
from carriers.plivo.simulator_delivery import DOCUMENTS, Delivery
from carriers.plivo.simulator_documents import BadDocument, Verb
from carriers.plivo.simulator_switch import Switch

VerbHandler = Callable[[float, Call, Verb], bool]
"""Begin to obey; True if it takes its time and says so through `Scripts.then` or `Scripts.act`."""

_UNREACHABLE = {"answer": 7011, "action": 7012, "transfer": 7013, "redirect": 7014}
_UNREADABLE = {"answer": 8011, "action": 8012, "transfer": 8013, "redirect": 8014}
_BAD_URL = {"answer": 7011, "action": 7022, "transfer": 7023, "redirect": 7024}
_BAD_METHOD = {"answer": 7011, "action": 7032, "transfer": 7033, "redirect": 7034}
_ANSWERS_LATER = frozenset({"Hangup", "PreAnswer"})
"""Elements that a call to us may begin with without being answered."""
MAX_TRANSFERS = 70
_XML_TYPES = frozenset({"application/xml", "text/xml", ""})
"""What a document may call itself; one that says nothing is read."""


class Scripts:
    """What each live call is told to do."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self.verbs: dict[str, VerbHandler] = {}
        self._stops: dict[str, Callable[[float], None]] = {}

    def forget(self) -> None:
        """Drop what is under way."""
        self._stops.clear()

    # --- asking --------------------------------------------------------------------------------------------------

    def ask_answer(self, now: float, call: Call, extra: Mapping[str, str] | None = None) -> None:
        """The first document: answer_url, then its fallback."""
        fallback = call.settings.get("fallback_url")
        form = {**forms.in_progress(call, self._switch.account.auth_id, "StartApp"), **(extra or {})}
        self._fetch(
            now,
            call,
            "answer",
            (call.settings.get("answer_url", ""), call.settings.get("answer_method", "POST")),
            form,
            (fallback, call.settings.get("fallback_method", "POST").upper()) if fallback else None,
        )

    def ask(self, now: float, call: Call, kind: str, target: tuple[str, str], extra: Mapping[str, str]) -> None:
        """A later document; `target` is (URL, method)."""
        form = {**forms.in_progress(call, self._switch.account.auth_id, "Redirect"), **extra}
        self._fetch(now, call, kind, target, form, None)

    def _fetch(
        self,
        now: float,
        call: Call,
        kind: str,
        target: tuple[str, str],
        form: forms.Form,
        fallback: tuple[str, str] | None,
    ) -> None:
        url, method = target[0], target[1].upper()
        if not url.startswith(("http://", "https://")):
            self._switch.end(now, call, _BAD_URL[kind], "Error")
        elif method not in {"GET", "POST"}:
            self._switch.end(now, call, _BAD_METHOD[kind], "Error")
        else:
            call.fetching = kind
            self._switch.send(now, call, kind, url, method, form, fallback)

    def on_document(self, now: float, delivery: Delivery, reply: WebhookReply) -> None:
        """The customer answered, or will not."""
        call = self._switch.calls.get(delivery.call_uuid)
        if call is None or delivery.purpose not in DOCUMENTS or not call.alive:
            return
        if call.fetching != delivery.purpose or call.step != delivery.step:
            return
        call.fetching = ""
        if not 200 <= reply.status < 300:
            self._switch.end(now, call, _UNREACHABLE[delivery.purpose], "Error")
            return
        try:
            self.begin(now, call, self._read(reply))
        except BadDocument as bad:
            self._bad_document(now, call, delivery, bad)

    def _read(self, reply: WebhookReply) -> list[Verb]:
        if not reply.body.strip():
            raise BadDocument("an empty body")
        kind = reply.content_type.partition(";")[0].strip().lower()
        if kind not in _XML_TYPES and self._switch.site.knobs.get("content_type_matters", True):
            raise BadDocument(f"{kind} by its Content-Type, and not XML")
        return documents.read(reply.body)

    def _bad_document(self, now: float, call: Call, delivery: Delivery, bad: BadDocument) -> None:
        if not bad.simulated:
            self._switch.refused(now, bad.why, call)
        knobs = self._switch.site.knobs
        if knobs.get("fallback_on_bad_xml", True) and self._switch.deliveries.fall_back(now, delivery):
            call.fetching = delivery.purpose
            return
        empty_code = int(knobs.get("empty_document_code", 8011))
        codes = _UNREACHABLE if bad.why == "an empty body" and empty_code == 7011 else _UNREADABLE
        self._switch.end(now, call, codes[delivery.purpose], "Error")

    # --- obeying -------------------------------------------------------------------------------------------------

    def begin(self, now: float, call: Call, verbs: list[Verb]) -> None:
        """Obey a document instead of whatever was under way."""
        call.todo = list(verbs)
        self.go_on(now, call)

    def go_on(self, now: float, call: Call) -> None:
        """Verb by verb, until one takes its time or the document is at its end."""
        call.step += 1
        self._stops.pop(call.uuid, None)
        if call.transfer is not None:
            self._transfer_now(now, call)
            return
        while call.todo and call.alive:
            verb = call.todo.pop(0)
            if verb.name not in _ANSWERS_LATER:
                self._switch.answer(now, call)
            if self.verbs[verb.name](now, call, verb):
                return
        if call.alive:
            # A stream that does not keep the call alive dies with the document, too.
            self._switch.answer(now, call)
            self._switch.end(now, call, 4010, "Plivo")

    def then(self, call: Call, stop: Callable[[float], None] | None = None) -> Callable[[float], None]:
        """What to call when the verb is done: goes on, unless the call was told something else meanwhile.

        `stop` is called if the verb is interrupted.
        """
        step = call.step
        if stop is not None:
            self._stops[call.uuid] = stop

        def go_on(now: float) -> None:
            if self.waits(call, step):
                self.go_on(now, call)

        return go_on

    def waits(self, call: Call, step: int) -> bool:
        """Whether the call still is at this step."""
        return call.alive and call.step == step and self._switch.calls.get(call.uuid) is call

    def pause(self, now: float, call: Call, seconds: float) -> None:
        """Go on after a time."""
        self._switch.wake(now + seconds, "next", f"{call.uuid}:{call.step}")

    def on_pause_over(self, now: float, key: str) -> None:
        """The time has come."""
        uuid, _, step = key.partition(":")
        call = self._switch.calls.get(uuid)
        if call is not None and self.waits(call, int(step)) and not call.fetching:
            self.go_on(now, call)

    def act(self, now: float, call: Call, verb: Verb, extra: Mapping[str, str]) -> None:
        """A verb is done: report to its `action`, whose answer takes over unless `redirect` is false."""
        if not self.report(now, call, verb, extra):
            self.go_on(now, call)

    def report(self, now: float, call: Call, verb: Verb, extra: Mapping[str, str]) -> bool:
        """As `act`, for a verb that has just begun: True if the action's answer is waited for."""
        url, method = verb.attributes.get("action", ""), verb.attributes.get("method", "POST")
        if not url:
            return False
        if not verb.true("redirect", default=True):
            self.note(now, call, url, method, {**self._about(call), **extra})
            return False
        call.step += 1
        self._stops.pop(call.uuid, None)
        self.ask(now, call, "action", (url, method), extra)
        return True

    def note(self, now: float, call: Call, url: str, method: str, form: forms.Form) -> None:
        """Tell a URL of which no document is wanted."""
        if not url.startswith(("http://", "https://")):
            self._switch.refused(now, f"a callback to {url!r}, which is no URL: nobody is told", call)
            return
        self._switch.send(now, call, "note", url, method.upper(), form)

    def _about(self, call: Call) -> forms.Form:
        return forms.in_progress(call, self._switch.account.auth_id, "Redirect")

    # --- transfer ------------------------------------------------------------------------------------------------

    def transfer(self, now: float, call: Call, url: str, method: str) -> None:
        """Another document, now; but a stream that keeps the call alive is waited for."""
        call.transfers += 1
        if call.transfers > MAX_TRANSFERS:
            self._switch.end(now, call, 2060, "Error")
            return
        call.transfer = (url, method)
        if call.stream and not self._switch.site.knobs.get("transfer_interrupts_stream", False):
            return
        self.interrupt(now, call)
        self._transfer_now(now, call)

    def _transfer_now(self, now: float, call: Call) -> None:
        target, call.transfer, call.todo = call.transfer, None, []
        if target is not None:
            self.ask(now, call, "transfer", target, {})

    def interrupt(self, now: float, call: Call) -> None:
        """Stop what is under way without going on."""
        call.step += 1
        call.fetching = ""
        stop = self._stops.pop(call.uuid, None)
        if stop is not None:
            stop(now)

    def on_ended(self, now: float, call: Call) -> None:
        """The call is over; so is what it did."""
        call.step += 1
        stop = self._stops.pop(call.uuid, None)
        if stop is not None and call.phase is Phase.ENDED:
            stop(now)
