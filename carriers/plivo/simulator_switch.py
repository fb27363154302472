"""The lab's Plivo: calls between the telephone network and the account's URLs. Pure.

What a call is told to do while it is answered is the business of `simulator_scripts`.
"""

import string
from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from carriers.lab.call_audio import CallAudio
from carriers.lab.contract import Incoming, PhoneEvent, Site, Wake
from carriers.plivo import simulator_forms as forms
from carriers.plivo.simulator_calls import Call, Phase, new_uuid
from carriers.plivo.simulator_causes import HEARD, UNREACHED, source_of
from carriers.plivo.simulator_delivery import Deliveries, Delivery, read_policy

MAX_TIME_LIMIT_S = 86400


class Account(Struct, frozen=True, kw_only=True):
    """Who the customer is."""

    auth_id: str
    auth_token: str
    zone: tzinfo
    zone_name: str


def open_account(site: Site) -> Account:
    """With credentials that the SDK takes for real."""
    zone_name = site.knobs.get("timezone", "Asia/Kolkata")
    return Account(
        auth_id="MA" + "".join(site.random.choices(string.ascii_uppercase + string.digits, k=18)),
        auth_token="".join(site.random.choices(string.ascii_letters + string.digits, k=40)),
        zone=ZoneInfo(zone_name),
        zone_name=zone_name,
    )


class Switch:
    """All calls of the account. The three hooks are set by who composes the simulator."""

    def __init__(self, site: Site, account: Account, deliveries: Deliveries) -> None:
        self.site, self.account, self.deliveries = site, account, deliveries
        self.calls: dict[str, Call] = {}
        self.audio: dict[str, CallAudio] = {}
        """Of calls that have sound: answered ones, and callers who hear a `<PreAnswer>`."""
        self.on_answered: Callable[[float, Call], None] = lambda _now, _call: None
        self.on_ended: list[Callable[[float, Call], None]] = []
        self.on_digit: list[Callable[[float, Call, str], None]] = []
        self._starts: list[float] = []
        self._arrivals: list[float] = []

    def wake(self, at: float, kind: str, rest: str) -> None:
        """A timer, in the words of `simulator.on_timer`."""
        self.site.emit(Wake(at=at, key=f"{kind}:{rest}"))

    def live(self) -> list[Call]:
        """Calls that have not ended."""
        return [call for call in self.calls.values() if call.phase is not Phase.ENDED]

    def owns(self, number: str) -> bool:
        """Whether a number is rented by the account; with or without `+`."""
        return "+" + number.lstrip("+") in self.site.numbers

    def forget(self) -> None:
        """Drop all calls."""
        self.calls.clear()
        self.audio.clear()
        self._starts.clear()
        self._arrivals.clear()

    # --- calls that we place -------------------------------------------------------------------------------------

    def accept(self, now: float, fields: Mapping[str, Any]) -> tuple[str, Call]:
        """Never refused for pace: what exceeds the calls per second waits its turn."""
        call = Call(
            uuid=new_uuid(self.site.random),
            caller="+" + str(fields["from"]).lstrip("+"),
            to="+" + str(fields["to"]).lstrip("+"),
            settings={name: str(value) for name, value in fields.items()},
            ring_timeout=int(fields.get("ring_timeout", 120)),
            time_limit=min(int(fields.get("time_limit", 14400)), MAX_TIME_LIMIT_S),
            parent=str(fields.get("parent_call_uuid", "")),
            accepted_at=now,
        )
        self.calls[call.uuid] = call
        turn = self._turn(now)
        self.wake(turn + self.site.knobs.get("setup_s", 0.1), "dial", call.uuid)
        if turn > now:
            return "call queued", call
        call.phase = Phase.DIALED
        return "call fired", call

    def _turn(self, now: float) -> float:
        """When the next call may be dialled: `cps` starts in any second."""
        cps = int(self.site.knobs.get("cps", 2))
        turn = max(now, self._starts[-cps] + 1.0) if len(self._starts) >= cps else now
        self._starts = [*self._starts[-cps + 1 :], turn] if cps > 1 else [turn]
        return turn

    def dial_now(self, now: float, uuid: str) -> None:
        """The call's turn has come."""
        call = self.calls.get(uuid)
        if call is None or call.phase is Phase.ENDED:
            return
        call.phase = Phase.DIALED
        cause = self.site.reject_cause(now, call.to) or self._own_reject_cause(call)
        if cause is not None:
            call.pending_end = (int(cause), source_of(int(cause)))
            self.wake(now + self.site.knobs.get("reject_after_s", 0.3), "reject", uuid)
            return
        call.in_network = True
        self.site.network.dial(now, carrier=self.site.name, ref=uuid, to=call.to, caller_id=call.caller)
        self.wake(now + call.ring_timeout, "ringtimeout", uuid)

    def _own_reject_cause(self, call: Call) -> str | None:
        # A forwarded call may show who called; anything else has to be a number of the account.
        parent = self.calls.get(call.parent)
        shown = parent is not None and call.caller in {parent.caller, parent.to}
        return None if shown or self.owns(call.caller) else "3030"

    def reject_now(self, now: float, uuid: str) -> None:
        """The carrier that was asked has refused."""
        call = self.calls.get(uuid)
        if call is not None and call.phase is not Phase.ENDED and call.pending_end is not None:
            self._finish(now, call, *call.pending_end)

    def ring_timeout(self, now: float, uuid: str) -> None:
        """It has rung long enough."""
        call = self.calls.get(uuid)
        if call is not None and call.phase in {Phase.DIALED, Phase.RINGING}:
            self.end(now, call, 6010, "Plivo")

    def hangup_on_ring(self, now: float, uuid: str) -> None:
        """The customer wanted it to ring this long and no longer."""
        call = self.calls.get(uuid)
        if call is not None and call.phase is Phase.RINGING:
            self.end(now, call, int(self.site.knobs.get("hangup_on_ring_code", 6000)), "Plivo")

    def time_limit(self, now: float, uuid: str) -> None:
        """It has lasted as long as it may."""
        call = self.calls.get(uuid)
        if call is not None and call.phase is Phase.ANSWERED:
            self.end(now, call, 6000, "Plivo")

    # --- calls to us ---------------------------------------------------------------------------------------------

    def arrive(self, now: float, uuid: str, incoming: Incoming, settings: Mapping[str, str]) -> Call | None:
        """A phone calls; None if it is turned away before anybody is asked."""
        if not settings:
            self._turn_away(now, uuid, self.site.knobs.get("without_application", "unreachable"))
            return None
        self._arrivals = [at for at in self._arrivals if at > now - 1.0]
        if len(self._arrivals) >= int(self.site.knobs.get("inbound_cps", 10)):
            self._turn_away(now, uuid, "busy")
            return None
        self._arrivals.append(now)
        call = Call(
            uuid=uuid,
            caller=incoming.caller_id,
            to=incoming.to,
            settings=settings,
            direction="inbound",
            caller_name=incoming.caller_name,
            attestation=incoming.attestation,
            accepted_at=now,
            phase=Phase.RINGING,
            in_network=True,
        )
        self.calls[uuid] = call
        return call

    def _turn_away(self, now: float, uuid: str, heard: str) -> None:
        self.site.network.refuse(now, carrier=self.site.name, ref=uuid, cause=heard)

    def answer(self, now: float, call: Call) -> None:
        """Take a call to us; idempotent."""
        if call.inbound and call.phase is Phase.RINGING and call.alive:
            self.site.network.answer(now, carrier=self.site.name, ref=call.uuid)
            self._start_talk(now, call)

    def _start_talk(self, now: float, call: Call) -> None:
        call.phase, call.answered_at = Phase.ANSWERED, now
        self.sound_of(call)
        self.wake(now + call.time_limit, "timelimit", call.uuid)

    def sound_of(self, call: Call) -> CallAudio:
        """What is played to this call and heard of it."""
        if call.uuid not in self.audio:
            self.audio[call.uuid] = CallAudio(self.site.network, self.site.name, call.uuid)
        return self.audio[call.uuid]

    # --- what phones do ------------------------------------------------------------------------------------------

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        """Of one call; a call that is over hears nothing."""
        call = self.calls.get(event.ref)
        if call is None or call.phase is Phase.ENDED:
            return
        if event.kind == "ringing" and call.phase is Phase.DIALED:
            self._rings(now, call)
        elif event.kind == "answered":
            self._start_talk(now, call)
            self.on_answered(now, call)
        elif event.kind == "ended":
            self._finish(now, call, *(call.pending_end or _end_of(call, event)))
        elif event.kind == "digit":
            for told in self.on_digit:
                told(now, call, event.digit)

    def _rings(self, now: float, call: Call) -> None:
        call.phase, call.rang = Phase.RINGING, True
        if "hangup_on_ring" in call.settings:
            self.wake(now + int(call.settings["hangup_on_ring"]), "hanguponring", call.uuid)
        if self.site.knobs.get("ring_told", True):
            self.tell(now, call, "ring", forms.ring(call, self.account.auth_id))

    # --- the end -------------------------------------------------------------------------------------------------

    def end(self, now: float, call: Call, code: int, source: str) -> None:
        """Through the phone network, if the call has come that far; the first reason stands."""
        if call.phase is Phase.ENDED:
            return
        call.pending_end = call.pending_end or (code, source)
        if not call.in_network:
            self._finish(now, call, *call.pending_end)
        elif call.inbound and not call.answered:
            self._turn_away(now, call.uuid, HEARD.get(call.pending_end[0], "unreachable"))
        else:
            self.site.network.hang_up(now, carrier=self.site.name, ref=call.uuid)

    def _finish(self, now: float, call: Call, code: int, source: str) -> None:
        call.phase, call.ended_at, call.cause, call.source = Phase.ENDED, now, code, source
        call.todo = []
        for told in self.on_ended:
            told(now, call)
        audio = self.audio.pop(call.uuid, None)
        if audio is not None:
            audio.part()
        self._tell_end(now, call)

    def _tell_end(self, now: float, call: Call) -> None:
        form = forms.hangup(call, self.account.auth_id, self.account.zone)
        if "hangup_url" in call.settings or self.site.knobs.get("hangup_without_url", "answer_url") == "nobody":
            self.tell(now, call, "hangup", form)
        elif "answer_url" in call.settings:
            method = call.settings.get("answer_method", "POST").upper()
            self.send(now, call, "hangup", call.settings["answer_url"], method, form)

    # --- webhooks ------------------------------------------------------------------------------------------------

    def tell(self, now: float, call: Call, purpose: str, form: forms.Form) -> None:
        """To the call's own URL of this purpose, where it has one."""
        url = call.settings.get(f"{purpose}_url")
        if url:
            self.send(now, call, purpose, url, call.settings.get(f"{purpose}_method", "POST").upper(), form)

    def send(
        self,
        now: float,
        call: Call,
        purpose: str,
        url: str,
        method: str,
        form: forms.Form,
        fallback: tuple[str, str] | None = None,
    ) -> None:
        """Anything to any URL; what a document is wanted of comes back to `simulator_scripts`."""
        delivery = Delivery(
            purpose=purpose,
            call_uuid=call.uuid,
            number=call.person,
            url=url,
            method=method,
            form=form,
            policy=read_policy(url),
            began_at=now,
            fallback=fallback,
            step=call.step,
        )
        self.deliveries.send(now, delivery)

    def refused(self, now: float, what: str, call: Call | None = None) -> None:
        """Loud: what Plivo might do and the lab does not."""
        who = {"number": call.person, "carrier_call_id": call.uuid} if call is not None else {}
        self.site.ledger.write(now, "refused", carrier=self.site.name, what=what, **who)


def _end_of(call: Call, event: PhoneEvent) -> tuple[int, str]:
    """An end that the carrier did not begin."""
    person = "Caller" if call.inbound else "Callee"
    if call.answered:
        return (4000, person) if event.by == "phone" else (5000, "Carrier")
    code = UNREACHED.get(event.cause, 0)
    return code, person if call.inbound and event.by == "phone" else source_of(code)
