"""What really happened, by the ledger: every POST, every person that a carrier reached for us, every webhook that we took. Pure.

A carrier's call is known by the webhooks that it sent, or would have sent, for it: their URL names our leg. A create request
that no carrier made a call of is known by its number, which is one call's alone, and by the time.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from carriers.lab.ledger import Entry
from gateway.domain.outcome import Direction
from gateway.domain.records import Call, Leg
from gateway.simulation.invariants.evidence import Delivered
from gateway.simulation.truth import Caller, Person, Post, follow_callers, leg_of, people

CarrierCall = tuple[str, str]
"""(carrier, its id of the call)."""
OurLeg = tuple[str, str]
"""(call id, leg id)."""
_SKEW_S = 0.1


class Truth:
    """`calls` are all calls of the store, `entries` the whole ledger."""

    def __init__(self, entries: Sequence[Entry], calls: Mapping[str, Call]) -> None:
        self._entries, self._calls = entries, calls
        self.legs = {leg.id: leg for call in calls.values() for leg in call.legs}
        self.whose = _whose(entries, calls)
        self._sent = _sent(calls)
        self.posts: list[Post] = []
        self.stray: list[Entry] = []
        """Create requests of no leg that the store knows: there may be none."""
        for entry in entries:
            if entry.kind == "dial":
                self._post(entry)

    def people(self) -> list[Person]:
        """All, callers too."""
        arrived = [
            Post(at=0.0, process="", carrier=carrier, call_id=call_id, leg_id=leg_id, carrier_call_id=ref)
            for (carrier, ref), (call_id, leg_id) in self.whose.items()
            if call_id in self._calls and self._calls[call_id].direction is Direction.INBOUND
        ]
        placed = [post for post in self._by_call() if post.carrier_call_id]
        return people([*placed, *arrived], self._entries)

    def callers(self, agent: str) -> list[Caller]:
        """Everybody whose call got through to a carrier; `agent` is who answers them."""
        known = {
            (entry.carrier, entry.carrier_call_id): Caller(
                carrier=entry.carrier,
                ref=entry.carrier_call_id,
                number=entry.number,
                to=entry.more["to"],
                agent=agent,
                called_at=entry.at,
                bridges=[],
                streams={},
            )
            for entry in self._entries
            if entry.kind == "call"
        }
        return follow_callers(known, self._entries)

    def delivered(self) -> list[Delivered]:
        """Every webhook of a leg of ours that we answered with 200."""
        return [
            _delivered(entry, *leg)
            for entry in self._entries
            if entry.kind == "webhook" and entry.more.get("status") == 200 and (leg := leg_of(entry.more["url"])) is not None
        ]

    def _by_call(self) -> list[Post]:
        """One for each call that a carrier made for a leg: also where two requests made two."""
        known = {leg: post for post in self.posts for leg in [post.leg_id]}
        made = {(post.carrier, post.carrier_call_id) for post in self.posts if post.carrier_call_id}
        more = [
            Post(at=known[leg_id].at, process="", carrier=carrier, call_id=call_id, leg_id=leg_id, carrier_call_id=ref)
            for (carrier, ref), (call_id, leg_id) in self.whose.items()
            if leg_id in known and (carrier, ref) not in made
        ]
        return [*self.posts, *more]

    def _post(self, entry: Entry) -> None:
        leg = self._leg_of(entry)
        if leg is None:
            self.stray.append(entry)
            return
        # What is told while a request is under way comes too late for it: the leg left when it was sent.
        at = min(entry.at, leg.sent_at or entry.at)
        ref = entry.carrier_call_id
        self.posts.append(Post(at=at, process="", carrier=entry.carrier, call_id=leg.call_id, leg_id=leg.id, carrier_call_id=ref))

    def _leg_of(self, entry: Entry) -> Leg | None:
        known = self.whose.get((entry.carrier, entry.carrier_call_id)) if entry.carrier_call_id else None
        if known is not None and known[1] in self.legs:
            return self.legs[known[1]]
        sent = [leg for leg in self._sent[entry.carrier, entry.number] if (leg.sent_at or 0.0) <= entry.at + _SKEW_S]
        return sent[-1] if sent else None


def _delivered(entry: Entry, call_id: str, leg_id: str) -> Delivered:
    """What it asked for cannot be told from outside: it counts as one that wants a document, of which less is demanded."""
    return Delivered(
        key=f"{entry.more['url']}#{entry.at}",
        sent_at=entry.more.get("sent_at", entry.at),
        answered_at=entry.at,
        carrier=entry.carrier,
        call_id=call_id,
        leg_id=leg_id,
        wants_document=True,
    )


def _whose(entries: Iterable[Entry], calls: Mapping[str, Call]) -> dict[CarrierCall, OurLeg]:
    found: dict[CarrierCall, OurLeg] = {}
    for call in calls.values():
        for leg in call.legs:
            if leg.carrier_call_id:
                found[leg.carrier, leg.carrier_call_id] = (call.id, leg.id)
    for entry in entries:
        if entry.kind == "webhook" and entry.carrier_call_id:
            named = leg_of(entry.more.get("url", ""))
            if named is not None:
                found.setdefault((entry.carrier, entry.carrier_call_id), named)
    return found


def _sent(calls: Mapping[str, Call]) -> dict[tuple[str, str], list[Leg]]:
    """(carrier, number) -> legs that may have been POSTed, in order."""
    found: dict[tuple[str, str], list[Leg]] = defaultdict(list)
    for call in calls.values():
        for leg in call.legs:
            if leg.sent_at is not None and call.direction is Direction.OUTBOUND:
                found[leg.carrier, call.to].append(leg)
    for legs in found.values():
        legs.sort(key=lambda leg: leg.sent_at or 0.0)
    return found
