"""What really happened, by the wires and the lab's ledger; the gateway's own opinion is not asked."""

import re
from collections.abc import Iterable
from urllib.parse import unquote

from msgspec import Struct

from carriers.lab.ledger import Entry
from carriers.lab.phones import PhoneCall
from gateway.simulation.calling import WELCOME, CallerPlan

_OF_LEG = re.compile(r"/hooks/(\w+)/(\w+)/")


class Post(Struct, kw_only=True, eq=False):
    """One create-call request that reached a carrier. `carrier_call_id`: what the carrier made of it; empty if nothing."""

    at: float
    process: str
    carrier: str
    call_id: str
    leg_id: str
    carrier_call_id: str = ""
    status: int = 0


class Person(Struct, kw_only=True, eq=False):
    """One call that a carrier made for one of our legs, as phone and carrier saw it. Unix seconds, None: never."""

    call_id: str
    leg_id: str
    carrier: str
    carrier_call_id: str
    number: str = ""
    placed_at: float = 0.0
    rang_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    bridges: list[tuple[float, float]] = []
    """(from, until) in which sound went both ways; `until` infinite while it lasts."""
    ended_by: str = ""

    @property
    def alive(self) -> bool:
        """It had not ended when the world did."""
        return self.ended_at is None


class Caller(Struct, kw_only=True, eq=False):
    """One call of a person to a number of ours, as phone and carrier saw it. Unix seconds, None: never."""

    carrier: str
    ref: str
    """The carrier's id of the call."""
    number: str
    """Empty where it was withheld."""
    to: str
    agent: str
    """Who should have answered; empty: nobody."""
    called_at: float
    answered_at: float | None = None
    ended_at: float | None = None
    ended_by: str = ""
    bridges: list[float] = []
    streams: dict[str, tuple[float, float]] = {}
    """Of each media socket: from when until when it was open."""

    @property
    def welcome(self) -> bool:
        """Whoever answers is well, and speaks."""
        return self.agent in WELCOME


class Truth:
    """Kept by the world as it runs; read by the invariants."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.hooks: list[Entry] = []

    def post(self, at: float, process: str, carrier: str, path_and_body: bytes) -> Post | None:
        """A create-call request arrived at a carrier; None if it is none of ours."""
        found = leg_of(unquote(path_and_body.decode("latin-1")))
        if found is None:
            return None
        post = Post(at=at, process=process, carrier=carrier, call_id=found[0], leg_id=found[1])
        self.posts.append(post)
        return post


def leg_of(text: str) -> tuple[str, str] | None:
    """(call id, leg id) named by a webhook's URL."""
    found = _OF_LEG.search(text)
    return (found[1], found[2]) if found else None


def people(posts: Iterable[Post], entries: Iterable[Entry]) -> list[Person]:
    """What became of every call that a carrier took from us, in the order of placing."""
    known = {
        (post.carrier, post.carrier_call_id): Person(
            call_id=post.call_id,
            leg_id=post.leg_id,
            carrier=post.carrier,
            carrier_call_id=post.carrier_call_id,
            placed_at=post.at,
            bridges=[],
        )
        for post in posts
        if post.carrier_call_id
    }
    for entry in entries:
        person = known.get((entry.carrier, entry.carrier_call_id))
        if person is not None:
            _tell(person, entry)
    return list(known.values())


def _tell(person: Person, entry: Entry) -> None:
    match entry.kind:
        case "ring":
            person.rang_at, person.number = entry.at, entry.number
        case "answer":
            person.answered_at = entry.at
        case "bridge":
            person.bridges.append((entry.at, float("inf")))
        case "stream_close":
            _close(person, entry.at)
        case "hangup":
            person.ended_at, person.ended_by = entry.at, entry.more.get("by", "")
            _close(person, entry.at)


def _close(person: Person, at: float) -> None:
    person.bridges = [(begin, min(end, at)) for begin, end in person.bridges]


def callers(entries: Iterable[Entry], placed: Iterable[tuple[CallerPlan, PhoneCall]]) -> list[Caller]:
    """What became of everybody whose call got through to a carrier, in the order of calling."""
    known = {
        (call.carrier, call.ref): Caller(
            carrier=call.carrier,
            ref=call.ref,
            number="" if plan.withheld else plan.number,
            to=plan.to,
            agent=plan.agent,
            called_at=call.rang_at,
            bridges=[],
            streams={},
        )
        for plan, call in placed
    }
    return follow_callers(known, entries)


def follow_callers(known: dict[tuple[str, str], Caller], entries: Iterable[Entry]) -> list[Caller]:
    """Tell each caller, by (carrier, the carrier's id), what the ledger has of them."""
    for entry in entries:
        caller = known.get((entry.carrier, entry.carrier_call_id))
        if caller is not None:
            _tell_of(caller, entry)
    return list(known.values())


def _tell_of(caller: Caller, entry: Entry) -> None:
    match entry.kind:
        case "answer":
            caller.answered_at = entry.at
        case "bridge":
            caller.bridges.append(entry.at)
        case "stream_open":
            caller.streams[entry.more["stream"]] = (entry.at, float("inf"))
        case "stream_close" if entry.more["stream"] in caller.streams:
            caller.streams[entry.more["stream"]] = (caller.streams[entry.more["stream"]][0], entry.at)
        case "hangup":
            caller.ended_at, caller.ended_by = entry.at, entry.more.get("by", "")
