"""Promises about what people hear: nobody else's call, and no long silence."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.domain.records import Call
from gateway.simulation.invariants.evidence import SLACK_S, Checks, Evidence

SILENCE_S = 2.0
HEARD_FROM = ("acting", "brief", "dies", "absent", "breaks")
"""Agents that speak at once, or are known at once to be lost."""


def isolation(evidence: Evidence, check: Checks) -> None:
    """A phone hears the agent of its own call, and an agent the person of its own call; each has a tone of its own."""
    tones = evidence.tones
    phones = {(leg.carrier, leg.carrier_call_id): call.id for call, leg in evidence.legs}
    for phone, ear in tones.ears.items():
        call_id = phones.get(phone, "")
        strange = ear.tones - {tones.of_agents.get(call_id, -1)}
        check(not strange, f"the phone {phone} in call {call_id} heard the agents of {_whose(tones.of_agents, strange)}")
    for call_id, heard in tones.heard_by_agents.items():
        own = {tones.of_people[phone] for phone in phones if phones[phone] == call_id and phone in tones.of_people}
        strange = heard - own
        check(not strange, f"the agent of call {call_id} heard {_whose(tones.of_people, strange)}")


def no_silence(evidence: Evidence, check: Checks) -> None:
    """Where all is calm, nobody hears nothing for more than two seconds, whoever is lost meanwhile; but while a message is
    recorded.
    """
    for carrier, ref, answered, ended in _talks(evidence):
        if ended - answered <= SILENCE_S + SLACK_S or not evidence.calm(carrier, answered - SILENCE_S, ended):
            continue
        ear = evidence.tones.ears.get((carrier, ref))
        if ear is None or ear.first_at is None or ear.last_at is None:
            check(False, f"{ref} of {carrier} was answered at {answered:.3f} and heard nothing until {ended:.3f}")
            continue
        # What lies behind `ended` is no concern of this promise, also where one pause reaches over it.
        pauses = [(begin, min(end, ended)) for begin, end in ((answered, ear.first_at), *ear.pauses, (ear.last_at, ended))]
        long = [(f"{begin:.3f}", f"{end:.3f}") for begin, end in pauses if end - begin > SILENCE_S + SLACK_S]
        check(not long, f"{ref} of {carrier} heard nothing in {long}")


def _talks(evidence: Evidence) -> Iterator[tuple[str, str, float, float]]:
    """(carrier, its id, from, until) of answered calls in which somebody should be heard; a caller of whom no gateway heard is
    the carrier's own, whose fallback document records them.
    """
    records, ours = _recorded_from(evidence), {(leg.carrier, leg.carrier_call_id) for _, leg in evidence.legs}
    for caller in evidence.callers:
        if caller.agent in HEARD_FROM and caller.answered_at is not None and (caller.carrier, caller.ref) in ours:
            until = min(caller.ended_at or evidence.ended_at, records.get((caller.carrier, caller.ref), evidence.ended_at))
            yield caller.carrier, caller.ref, caller.answered_at, until
    for person in evidence.people:
        call = evidence.calls.get(person.call_id)
        if (
            call is not None
            and _is_heard(call)
            and person.answered_at is not None
            and person.leg_id not in evidence.watch.condemned_at
        ):
            phone = person.carrier, person.carrier_call_id
            yield *phone, person.answered_at, min(person.ended_at or evidence.ended_at, records.get(phone, evidence.ended_at))


def _is_heard(call: Call) -> bool:
    """A client's wish says how the agent behaves; else, as for the callback of a caller, its name does."""
    return call.metadata.get("manner", call.agent) in ("talks", *HEARD_FROM)


def _recorded_from(evidence: Evidence) -> dict[tuple[str, str], float]:
    """(carrier, its id) -> since when the person speaks and is not spoken to."""
    found: dict[tuple[str, str], float] = {}
    for write in evidence.watch.writes:
        if write.after.status == "voicemail" and write.after.leg is not None:
            found.setdefault((write.after.leg.carrier, write.after.leg.carrier_call_id), write.at)
    return found


def _whose(tones: Mapping[Any, int], strange: set[int]) -> list[Any]:
    return [owner for owner, tone in tones.items() if tone in strange]
