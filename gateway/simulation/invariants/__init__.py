"""Holdline's promises, each held against what really happened in a world. The numbers are those of docs/simulation.md.

A promise is a function of the evidence that calls `check(held, what)` for everything that it looks at: what it says when
it does not hold, and how often it was tried, both come from there.
"""

from gateway.simulation.invariants import dialing, inbound, lifecycle, promises, sound, trust, voicemail
from gateway.simulation.invariants.evidence import Checks, Evidence, Promise

PROMISES: dict[str, Promise] = {
    "1 bridged once": dialing.bridged_once,
    "2 dialled safely": dialing.dialled_safely,
    "3 condemned legs are never heard": dialing.condemned_unheard,
    "4 one place is one POST": dialing.one_post,
    "5 no failover after alerting": dialing.no_failover_after_alerting,
    "6 one outcome, absorbing": lifecycle.one_outcome,
    "7 no zombies": lifecycle.no_zombies,
    "8 nothing acknowledged is forgotten": lifecycle.nothing_forgotten,
    "8 a caller who was taken is stored": inbound.announced_is_kept,
    "9 promises are kept once, or ended": promises.kept_under_tokens,
    "9 one promise for a number and purpose": promises.one_of_a_kind,
    "9 what is taken back is not dialled": promises.taken_back,
    "9 who was not reached is tried again": promises.tried_again,
    "10 one key, one call": lifecycle.one_key_one_call,
    "11 no dial outside its call's window": promises.only_in_window,
    "13 probes and open breakers": dialing.probes_bounded,
    "14 breakers are fair": dialing.fair_breakers,
    "15 one session, one caller": trust.one_session,
    "15 one caller, one call": inbound.one_caller_one_call,
    "16 sound stays in its call": sound.isolation,
    "18 one try per carrier and round, within its limits": dialing.within_limits,
    "19 a webhook counts once": trust.webhooks_once,
    "20 no socket without a token": trust.no_strangers,
    "21 stale workers are harmless": trust.stale_workers,
    "22 everything is explained, and can be replayed": lifecycle.replayable,
    "23 nobody who talks hears nothing": sound.no_silence,
    "23 who calls when all is well is answered": inbound.answered_when_calm,
    "23 a message that was taken is kept": voicemail.messages_kept,
    "23 a message is whole, and its caller's": voicemail.messages_whole,
    "24 callers are turned away by rule alone": inbound.turned_away,
    "24 refused work is not accepted": lifecycle.refused_is_refused,
    "26 due calls are made when a carrier is well": lifecycle.liveness,
    "no busy waiting": lifecycle.no_busy_waiting,
    "no unforeseen error": trust.no_surprises,
}


def judge(evidence: Evidence) -> Checks:
    """Hold everything against the evidence."""
    checks = Checks()
    for name, promise in PROMISES.items():
        checks.begin(name)
        promise(evidence, checks)
    return checks


__all__ = ["PROMISES", "Checks", "Evidence", "judge"]
