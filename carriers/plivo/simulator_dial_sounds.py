"""The lab's Plivo: what a `<Dial>` lets people hear from a URL: music for who waits, a question for who was called. Pure."""

from collections.abc import Callable

from carriers.lab.contract import WebhookReply
from carriers.plivo.simulator_calls import Call
from carriers.plivo.simulator_delivery import Delivery
from carriers.plivo.simulator_documents import BadDocument, Verb, read_sounds
from carriers.plivo.simulator_forms import in_progress
from carriers.plivo.simulator_sounds import Sounds
from carriers.plivo.simulator_switch import Switch

PURPOSE = "sounds"
SHORTEST_S = 0.5
"""Music that ends sooner (nothing in it, or files that are not there) is not played again."""
Asked = Callable[[float, list[Verb]], None]


class DialSounds:
    """Asks by POST for a document of Speak, Play and Wait; all else in it is ignored."""

    def __init__(self, switch: Switch, sounds: Sounds) -> None:
        self._switch, self._sounds = switch, sounds
        self._asked: dict[str, Asked] = {}

    def forget(self) -> None:
        """Drop what is under way."""
        self._asked.clear()

    def play_for_ever(self, now: float, call: Call, url: str, wanted: Callable[[], bool]) -> None:
        """To a caller who waits, for as long as it is wanted."""

        def got(at: float, verbs: list[Verb]) -> None:
            if verbs and wanted():
                self._sounds.play(at, call, verbs, lambda later: got(later, verbs if later >= at + SHORTEST_S else []))

        self._ask(now, call, url, got)

    def play_once(self, now: float, call: Call, url: str, then: Callable[[float], None]) -> None:
        """To the person who was called; without a document `then` follows at once."""
        self._ask(now, call, url, lambda at, verbs: self._once(at, call, verbs, then))

    def _once(self, now: float, call: Call, verbs: list[Verb], then: Callable[[float], None]) -> None:
        self._sounds.play(now, call, verbs, then)

    def _ask(self, now: float, call: Call, url: str, got: Asked) -> None:
        self._asked[call.uuid] = got
        form = in_progress(call, self._switch.account.auth_id, "DialRemoteSounds")
        self._switch.send(now, call, PURPOSE, url, "POST", form)

    def on_reply(self, now: float, delivery: Delivery, reply: WebhookReply) -> None:
        """The document, or nothing to hear."""
        got = self._asked.pop(delivery.call_uuid, None)
        call = self._switch.calls.get(delivery.call_uuid)
        if got is None or call is None or not call.alive:
            return
        try:
            verbs = read_sounds(reply.body) if 200 <= reply.status < 300 else []
        except BadDocument as bad:
            if not bad.simulated:
                self._switch.refused(now, bad.why, call)
            verbs = []
        got(now, verbs)
