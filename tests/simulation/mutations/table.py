"""Defects that somebody could write into Holdline one day, and what would catch each of them.

Each is a small change of one file: `old` stands there exactly once, and becomes `new`. `caught_by` is `simulation` (some
world of the first `SEEDS` breaks a promise) or the tests that fail, as pytest names them.
"""

from msgspec import Struct

SIMULATION = "simulation"
SEEDS = 150


class Mutation(Struct, frozen=True):
    """One seeded defect."""

    name: str
    file: str
    old: str
    new: str
    caught_by: str = SIMULATION
    seed: int = 0
    """The world that caught it last: it is tried first, and the others only if it catches nothing any more."""


MUTATIONS: tuple[Mutation, ...] = (
    Mutation(
        "take an unknown dial for one that was not sent",
        "gateway/domain/leg.py",
        "    if event.knowledge is Knowledge.UNKNOWN:\n        return _orphan(leg, event, now, policy)\n",
        "",
        seed=1,
    ),
    Mutation(
        "drop the condemning: what is not found was never sent",
        "gateway/domain/leg.py",
        "replace(leg, phase=LegPhase.CONDEMNED, hangup_wanted=True, verdict=verdict, hangups=1)",
        "_ended(leg, verdict, Knowledge.NOT_SENT, now)",
        seed=1,
    ),
    Mutation(
        "POST a redelivered dial again",
        "gateway/runtime/dialer.py",
        "leg.phase is not LegPhase.SENDING or leg.fence != fence:",
        "leg.phase is not LegPhase.SENDING:",
        "tests/runtime/test_dialer.py",
    ),
    Mutation(
        "skip the compare-and-set",
        "gateway/runtime/store/memory_store.py",
        "        if planned.expected != (stored.version if stored else 0):\n            return Conflict()\n",
        "",
    ),
    Mutation(
        "acknowledge a webhook before it is stored",
        "gateway/runtime/inbox.py",
        "            if hook.expects is Expectation.ACKNOWLEDGEMENT or remembered is None:\n                raise\n",
        "            if hook.expects is Expectation.ACKNOWLEDGEMENT or remembered is None:\n"
        "                return member.carrier.markup.acknowledge()\n",
        seed=1,
    ),
    Mutation(
        "forget the dedupe mark",
        "gateway/runtime/store/memory_store.py",
        "            self.marks[change.mark.key] = change.mark\n",
        "            pass\n",
        seed=4,
    ),
    Mutation(
        "ignore the token of a media socket",
        "gateway/web/media_admission.py",
        "        if not leg.media_token or not hmac.compare_digest(leg.media_token.encode(), token.encode()):\n",
        "        if not leg.media_token:\n",
        seed=8,
    ),
    Mutation(
        "fail over after the phone has rung",
        "gateway/domain/call.py",
        "    rang = leg.phase is LegPhase.ENDED and leg.alerted_at is not None\n",
        "    rang = False\n",
        seed=51,
    ),
    Mutation(
        "blame the carrier for a busy phone",
        "gateway/domain/call.py",
        "signal = Signal.FAILURE if after.phase is LegPhase.CONDEMNED else after.verdict.signal",
        "signal = Signal.FAILURE",
    ),
    Mutation(
        "let a condemned leg that answers live",
        "gateway/domain/leg.py",
        "    alive = replace(leg, ended_at=None, hangups=1)\n",
        "    return LegStep(leg=leg, ignored=True)\n    alive = replace(leg, ended_at=None, hangups=1)\n",
        "tests/domain/test_call_flows.py",
    ),
    Mutation(
        "let everybody acknowledge a leased command",
        "gateway/runtime/store/memory_queues.py",
        'return item is not None and item.token != "" and item.token == token',
        "return item is not None",
        seed=148,
    ),
    Mutation(
        "let any number of probes out",
        "gateway/domain/breaker.py",
        "    return breaker.probe_at is not None and not _probe_lost(breaker, now, policy)\n",
        "    return False\n",
    ),
    Mutation(
        "never give a place at a carrier back",
        "gateway/domain/call.py",
        "    return before.ended_at is None and after.ended_at is not None\n",
        "    return False\n",
    ),
    Mutation(
        "forget the promise when no carrier is left",
        "gateway/domain/promising.py",
        "    return Step(call=promised(call, due, event.reason, now))\n\n\ndef denied",
        "    return Step(call=call)\n\n\ndef denied",
    ),
    Mutation(
        "accept a key twice",
        "gateway/runtime/store/memory_store.py",
        "        if record is not None:\n            return Replayed(record=record)\n",
        "",
    ),
    Mutation(
        "end a canceled call while its leg lives, and forget the leg",
        "gateway/domain/call.py",
        "    if call.leg is None or not call.leg.live:\n        return end(call, Outcome.CANCELED",
        "    if True:\n        return end(call, Outcome.CANCELED",
    ),
    Mutation(
        "set no timers for legs",
        "gateway/domain/leg_step.py",
        "    return LegStep(leg=replace(leg, watch_at=at), commands=(*commands, timer))\n",
        "    return LegStep(leg=replace(leg, watch_at=at), commands=commands)\n",
    ),
    Mutation(
        "connect a condemned leg to the agent",
        "gateway/runtime/inbox.py",
        "    return leg.live and not leg.hangup_wanted and not call.cancel_wanted and not call.ended\n",
        "    return True\n",
        "tests/runtime/test_inbox.py",
    ),
    Mutation(
        "keep no pace",
        "gateway/runtime/store/memory_store.py",
        '        return Denied(why="pace", retry_at=next_free) if clock < next_free else None\n',
        "        return None\n",
    ),
    Mutation(
        "let a carrier have any number of calls",
        "gateway/runtime/store/memory_store.py",
        "        if len(others) >= permit.concurrent:\n",
        "        if False:\n",
    ),
    Mutation(
        "let a presumed end be the end, though the phone answers",
        "gateway/domain/leg.py",
        "    return LegStep(leg=leg, commands=(HangUp(call_id=leg.call_id, leg_id=leg.id),))\n\n\n# --- the stream",
        "    return LegStep(leg=leg, ignored=True)\n\n\n# --- the stream",
        "tests/domain/test_call_flows.py",
    ),
    Mutation(
        "believe every webhook of Twilio's",
        "carriers/twilio/webhooks.py",
        "        if not self._signed(_url_spellings(request.url), pairs, signature):\n",
        "        if False:\n",
    ),
    Mutation(
        "answer a repeated webhook otherwise than the first time",
        "gateway/runtime/inbox.py",
        "        return msgspec.json.decode(answer, type=Document)\n",
        "        return member.carrier.markup.acknowledge()\n",
    ),
    Mutation(
        "try the next carrier though the person said no",
        "gateway/domain/call.py",
        "    if rang or verdict.disposition in {Disposition.STOP, Disposition.SUPPRESS}:\n",
        "    if rang:\n",
    ),
    Mutation(
        "take one empty look-up for enough",
        "gateway/domain/leg.py",
        "    if leg.unseen >= 2 and now",
        "    if leg.unseen >= 1 and now",
        "tests/domain/test_empty_look_ups.py",
    ),
    Mutation(
        "let an SDK send a dial as often as it likes",
        "carriers/shot.py",
        "            self._fired = True\n",
        "            self._fired = False\n",
        "tests/contracts/test_dial_is_one_post.py",
    ),
    Mutation(
        "forget to hang up what the carrier has not obeyed",
        "gateway/domain/leg.py",
        "    if leg.hangups >= policy.hangup_limit:\n",
        "    if leg.hangups >= 1:\n",
        "tests/runtime/test_reconciler.py",
    ),
    Mutation(
        "take a leg that vanished before it rang for one that ended",
        "gateway/domain/leg.py",
        "    if not alerted(leg, now, policy):  # a carrier",
        "    if False:  # a carrier",
        "tests/domain/test_call_flows.py",
    ),
    Mutation(
        "make a call of every announcement of a caller",
        "gateway/runtime/arrivals.py",
        "        call_id, leg_id = ids_of(carrier, arrival.carrier_call_id)\n",
        "        call_id, leg_id = ids_of(carrier, arrival.carrier_call_id + verified.key)\n",
        seed=6,
    ),
    Mutation(
        "let a breaker hear of a caller's call",
        "gateway/domain/inbound.py",
        "        signaled=True,\n",
        "        signaled=False,\n",
        seed=14,
    ),
    Mutation(
        "let everybody in",
        "gateway/domain/admission.py",
        "    if rule.refuse:\n",
        "    if False:\n",
        seed=7,
    ),
    Mutation(
        "answer a caller only at the second look",
        "gateway/domain/inbound.py",
        "    answer = (Answer(call_id=leg.call_id, leg_id=leg.id),) if leg.by_command else ()\n",
        "    answer: tuple[AnyCommand, ...] = ()\n",
        seed=6,
    ),
    Mutation(
        "couple a stream to any session",
        "gateway/runtime/bridge.py",
        "        session = self._sessions.get(call.id)\n        if session is None:\n            raise Unwanted",
        "        session = next(iter(self._sessions.values()), None)\n        if session is None:\n            raise Unwanted",
    ),
    Mutation(
        "let a slow worker keep another's promise",
        "gateway/runtime/store/memory_store.py",
        "        if planned.kept is not None and self.promises.tokens.get(planned.call_id) != planned.kept:\n",
        "        if False:\n",
        "tests/runtime/store/test_promises_kept.py",
    ),
    Mutation(
        "take every hour for one in which may be dialled",
        "gateway/domain/window.py",
        "    return window is None or _hours(window).open(now)\n",
        "    return True\n",
    ),
    Mutation(
        "try nobody again",
        "gateway/domain/callback.py",
        "    if not wanted or call.retries + 1 >= policy.retry_attempts:\n",
        "    if True:\n",
    ),
    Mutation(
        "promise a number the same thing twice",
        "gateway/runtime/store/memory_promises.py",
        "        holder = self.slots.get(slot)\n",
        "        holder = None\n",
        seed=11,
    ),
    Mutation(
        "leave a person alone with a dead agent",
        "gateway/runtime/ladder.py",
        "        if gone.call.id in self._next:\n",
        "        if True:\n",
        seed=6,
    ),
    Mutation(
        "leave to itself what a dead process was recording",
        "gateway/runtime/voicemail_salvage.py",
        "            if owner in gone:\n",
        "            if False:\n",
        seed=77,
    ),
)
