"""The simulated Telnyx' lines: each leg from its beginning to its end, with the words that belong to it alone.

What else happens on a leg (streams, sounds, recordings, bridges ...) listens here: to the answer, the end, keys and sound.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from carriers.lab.call_audio import CallAudio, Ticked
from carriers.lab.contract import Incoming, PhoneEvent, Site, Wake
from carriers.telnyx import simulator_calls as calls
from carriers.telnyx.simulator_applications import Applications
from carriers.telnyx.simulator_calls import Call, End
from carriers.telnyx.simulator_hooks import Hooks
from carriers.telnyx.simulator_numbers import Numbers

WITHHELD = "anonymous"
MU_LAW_COUNTRY = "+1"
"""Where legs come as mu-law; elsewhere (United Kingdom, European Union, India) they are seen to come as A-law."""
LONGEST_S = 14_400


class Lines:
    """All legs of the account, by call control id.

    Knobs: `reject_after_s`, `network_404_after_s`, `normal_sip`, `withheld_from`, `stir_in_webhook`, `leg_codec`,
    `cost_per_minute`, `caller_written`, `no_command_cause`, `parked_hangup_cause`, `ring_timeout_s`.
    """

    def __init__(self, site: Site, hooks: Hooks, applications: Applications, numbers: Numbers) -> None:
        self._site, self._hooks, self._applications, self._numbers = site, hooks, applications, numbers
        self._calls: dict[str, Call] = {}
        self._live: dict[str, Call] = {}
        self._talking: dict[str, Call] = {}
        self.wait_before_ring: Callable[[float, Call], bool] = lambda _now, _call: False
        """Whether something else has to happen before the phone rings; whoever says so calls `ring` later."""
        self.on_answered: list[Callable[[float, Call], None]] = []
        self.on_ending: list[Callable[[float, Call], None]] = []
        """Before the hang-up is told."""
        self.on_ended: list[Callable[[float, Call], None]] = []
        """After it."""
        self.on_pressed: list[Callable[[float, Call, str], None]] = []
        self.on_ticked: list[Callable[[float, Call, Ticked], None]] = []

    def get(self, call_control_id: str) -> Call | None:
        """A leg, live or ended."""
        return self._calls.get(call_control_id)

    def live(self) -> list[Call]:
        """Those that have not ended."""
        return list(self._live.values())

    @property
    def live_count(self) -> int:
        """How many have not ended."""
        return len(self._live)

    def forget(self) -> None:
        """All of them, without a word."""
        for kept in (self._calls, self._live, self._talking):
            kept.clear()

    def wake(self, at: float, kind: str, call: Call, word: str = "") -> None:
        """Let a time of this leg come; it means nothing once the leg has ended."""
        self._site.emit(Wake(at=at, key=f"{kind} {call.call_control_id} {word}"))

    # --- a leg to a phone ----------------------------------------------------------------------------------------

    def place(self, now: float, call: Call, *, full: bool = False) -> None:
        """A dial or a transfer was accepted; what is wrong with it besides comes as a hang-up."""
        self._keep(call)
        call.codec, call.tags = self._codec(call.to), self._tags(call)
        self._hooks.tell(now, call, "call.initiated", calls.initiated(call))
        cause = self._hidden_refusal(now, call, full)
        if cause is None:
            if not self.wait_before_ring(now, call):
                self.ring(now, call)
        else:
            call.end = calls.REJECTS[cause]
            self.wake(now + self._site.knobs.get("reject_after_s", 0.3), "end", call)

    def _hidden_refusal(self, now: float, call: Call, full: bool) -> str | None:
        cause = self._site.reject_cause(now, call.to)
        application = self._applications.get(call.connection_id)
        if cause is None and (application is None or not application["active"]):
            return "404"  # inactive connection (D18)
        # Channel limit (D1), a caller id that is not the account's (D35): both look the same from outside.
        return "403" if cause is None and (full or not self._is_our_caller_id(call)) else cause

    def _is_our_caller_id(self, call: Call) -> bool:
        return call.origin in self._site.numbers or any(
            other.incoming and other.origin == call.origin and other.to == call.wish.get("diversion") for other in self.live()
        )

    def ring(self, now: float, call: Call) -> None:
        """Let the telephone network look for the phone."""
        call.known = True
        patience_s = call.wish.get("timeout_secs") or float(self._site.knobs.get("ring_timeout_s", 30.0))
        self.wake(now + patience_s, "ring", call)
        shown = "" if call.wish.get("privacy") == "id" else call.origin
        self._site.network.dial(now, carrier=self._site.name, ref=call.call_control_id, to=call.to, caller_id=shown)

    def _codec(self, number: str) -> str:
        chosen = str(self._site.knobs.get("leg_codec", "by_country"))
        if chosen != "by_country":
            return chosen
        return "PCMU" if number.startswith(MU_LAW_COUNTRY) else "PCMA"

    # --- a leg from a phone --------------------------------------------------------------------------------------

    def new_ref(self, incoming: Incoming) -> str | None:
        """The id of a call that a phone is about to place; None where our number leads nowhere."""
        if self._numbers.application_of(incoming.to) is None:
            return None
        return calls.new_control_id(self._site.random)

    def arrive(self, now: float, ref: str, incoming: Incoming) -> None:
        """A phone calls: it is parked, and hears ringing, until a command says otherwise."""
        application = self._numbers.application_of(incoming.to)
        if application is None:
            self._site.network.refuse(now, carrier=self._site.name, ref=ref, cause="invalid")
            return
        if self._no_room_for(application):
            self._site.network.refuse(now, carrier=self._site.name, ref=ref, cause="busy")
            return
        call = self._arrived(now, ref, incoming, application["id"])
        stir = self._stir(incoming) if application["inbound"].get("shaken_stir_enabled", True) else {}
        self._hooks.tell(
            now, call, "call.initiated", calls.initiated_by_phone(call, incoming.caller_name, stir) | self._written(call)
        )
        if application["first_command_timeout"]:
            self.wake(now + application["first_command_timeout_secs"], "first", call)

    def _no_room_for(self, application: dict[str, Any]) -> bool:
        limit = application["inbound"].get("channel_limit")
        full = limit is not None and self.count(application["id"], incoming=True) >= limit
        return full or self.live_count >= int(self._site.knobs.get("concurrent_calls", 1000))

    def _tags(self, call: Call) -> list[str]:
        return list((self._applications.get(call.connection_id) or {}).get("tags", []))

    def _written(self, call: Call) -> dict[str, str]:
        """Samples of the documents write the caller's number with hyphens."""
        if self._site.knobs.get("caller_written", "e164") == "e164" or not call.phone:
            return {}
        digits = call.phone[1:]
        return {"from": f"+{digits[:-10]}-{digits[-10:-7]}-{digits[-7:-4]}-{digits[-4:]}"}

    def _arrived(self, now: float, ref: str, incoming: Incoming, application_id: str) -> Call:
        random = self._site.random
        call = Call(
            call_control_id=ref,
            call_leg_id=calls.new_uuid(random),
            call_session_id=calls.new_uuid(random),
            connection_id=application_id,
            origin=incoming.caller_id or str(self._site.knobs.get("withheld_from", WITHHELD)),
            to=incoming.to,
            created=now,
            incoming=True,
            known=True,
            codec=self._codec(incoming.caller_id or incoming.to),
        )
        call.tags = self._tags(call)
        self._keep(call)
        return call

    def _stir(self, incoming: Incoming) -> dict[str, Any]:
        if not incoming.attestation or not self._site.knobs.get("stir_in_webhook", True):
            return {}
        return {"shaken_stir_attestation": incoming.attestation, "shaken_stir_validated": True}

    def answer(self, now: float, call: Call) -> None:
        """By command."""
        self._site.network.answer(now, carrier=self._site.name, ref=call.call_control_id)
        self._answered(now, call)

    def reject(self, now: float, call: Call, cause: str) -> None:
        """By command."""
        heard, call.end = calls.REJECTIONS[cause]
        self._site.network.refuse(now, carrier=self._site.name, ref=call.call_control_id, cause=heard)

    # --- both ----------------------------------------------------------------------------------------------------

    def _keep(self, call: Call) -> None:
        self._calls[call.call_control_id] = self._live[call.call_control_id] = call

    def count(self, connection_id: str, *, incoming: bool) -> int:
        """An application's live legs of one direction."""
        return sum(1 for call in self.live() if call.connection_id == connection_id and call.incoming is incoming)

    def hang_up(self, now: float, call: Call) -> None:
        """By command."""
        if call.incoming and call.answered is None:
            cause = str(self._site.knobs.get("parked_hangup_cause", "normal_clearing"))
            self.release(now, call, replace(calls.OUR_END_OF_INCOMING[False], cause=cause))
        elif call.incoming:
            self.release(now, call, calls.OUR_END_OF_INCOMING[True])
        else:
            self.release(now, call, calls.CANCELED if call.answered is None else calls.HUNG_UP)

    def release(self, now: float, call: Call, end: End) -> None:
        """We end it: the network's word comes back as an `ended` event, unless it does not know of the call."""
        call.end = end
        if call.known:
            self._site.network.hang_up(now, carrier=self._site.name, ref=call.call_control_id)
        else:
            self._finish(now, call)

    def on_timer(self, now: float, kind: str, call: Call) -> None:
        """A time of a live leg has come: end, ring, limit or first."""
        if kind == "end":
            self._finish(now, call)
        elif kind == "ring" and call.answered is None:
            self.release(now, call, calls.RING_TIMEOUT[bool(call.wish.get("retry_on_timeout", True))])
        elif kind == "limit":
            self.release(now, call, calls.TIME_LIMIT)
        elif kind == "first" and not call.commanded:
            call.end = replace(calls.NO_COMMAND, cause=str(self._site.knobs.get("no_command_cause", "timeout")))
            self._site.network.refuse(now, carrier=self._site.name, ref=call.call_control_id, cause="unreachable")

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        """Ringing is no event of Call Control."""
        call = self._calls.get(event.ref)
        if call is None or not call.live:
            return
        if event.kind == "answered":
            self._answered(now, call)
        elif event.kind == "digit":
            for listener in self.on_pressed:
                listener(now, call, event.digit)
        elif event.kind == "ended":
            self._ended(now, call, event)

    def on_tick(self, now: float) -> None:
        """20 ms have passed."""
        for call in list(self._talking.values()):
            if call.audio is not None and call.audio.busy:
                call.heard_packets += 1
                ticked = call.audio.tick()
                for listener in self.on_ticked:
                    listener(now, call, ticked)

    @property
    def busy(self) -> bool:
        """Whether any leg wants ticks."""
        return any(call.audio is not None and call.audio.busy for call in self._talking.values())

    def _answered(self, now: float, call: Call) -> None:
        call.answered = now
        call.audio = CallAudio(self._site.network, self._site.name, call.call_control_id)
        self._talking[call.call_control_id] = call
        self.wake(now + call.wish.get("time_limit_secs", LONGEST_S), "limit", call)
        self._hooks.tell(now, call, "call.answered", calls.answered(call))
        for listener in self.on_answered:
            listener(now, call)

    def _ended(self, now: float, call: Call, event: PhoneEvent) -> None:
        call.known = False
        if call.end is not None:
            self._finish(now, call)
            return
        lost = event.cause == "normal" and event.by != "phone"
        words = calls.BY_CALLER if call.incoming else calls.AT_PHONE
        call.end = calls.LOST if lost else words.get(event.cause, calls.LOST)
        # The telephone network needs longer to find that a number does not exist than Telnyx needs to refuse it.
        wait_s = self._site.knobs.get("network_404_after_s", 1.5) if event.cause == "invalid" else 0.0
        if now < call.created + wait_s:
            self.wake(call.created + wait_s, "end", call)
        else:
            self._finish(now, call)

    def _finish(self, now: float, call: Call) -> None:
        end = call.end or calls.LOST
        call.ended, call.end = now, end
        self._live.pop(call.call_control_id, None)
        self._talking.pop(call.call_control_id, None)
        for listener in self.on_ending:
            listener(now, call)
        sip = self._site.knobs.get("normal_sip", end.sip) if end.cause == "normal_clearing" else end.sip
        self._hooks.tell(now, call, "call.hangup", calls.hung_up(call, end, sip))
        for listener in self.on_ended:
            listener(now, call)
        if (self._applications.get(call.connection_id) or {}).get("call_cost_in_webhooks"):
            self._hooks.tell(now, call, "call.cost", calls.cost(call, str(self._site.knobs.get("cost_per_minute", "0.0070"))))
