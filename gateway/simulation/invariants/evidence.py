"""What a world leaves behind to be judged by."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from gateway.domain.policy import Policy
from gateway.domain.records import Call, Leg
from gateway.runtime.store.contract import LogEntry
from gateway.runtime.store.voicemail_contract import Voicemail
from gateway.simulation.later import waits_for_its_window
from gateway.simulation.people import TakenBack, Told
from gateway.simulation.plan import Plan
from gateway.simulation.sound import Tones
from gateway.simulation.truth import Caller, Person, Post
from gateway.simulation.watch import Watch, Write

SLACK_S = 0.5
"""For the ways there and back."""


class Delivered(Struct, frozen=True, kw_only=True):
    """A genuine webhook that we answered with 200: its dedupe key, and when."""

    key: str
    sent_at: float
    answered_at: float
    carrier: str
    call_id: str
    """Empty for news of a caller whose call is not stored."""
    leg_id: str
    wants_document: bool
    caller: str = ""
    """The carrier's id of the call, where it came on the account's own URL."""
    announces: bool = False
    """It is the one that brings the caller."""


class Evidence(Struct, kw_only=True):
    """Times are true unix time. `calls` and `entries` as the store has them when all is over."""

    plan: Plan
    policy: Policy
    begin: float
    ended_at: float
    heal_at: float
    posts: list[Post]
    people: list[Person]
    callers: list[Caller]
    tones: Tones
    calls: Mapping[str, Call]
    entries: Mapping[str, tuple[LogEntry, ...]]
    told: list[Told]
    taken_back: list[TakenBack]
    watch: Watch
    answers: list[tuple[str, str, str]]
    """(process, call id, session id) of every agent that was told of an answer."""
    delivered: list[Delivered]
    surprises: list[str]
    left_over: list[str]
    """Lines that are still open."""
    voicemails: Mapping[str, Voicemail]
    recording: Mapping[str, str]
    """Messages that are still being recorded when all is over, and by whom."""
    messages: Mapping[str, bytes]
    """Voicemail id -> its sound, mu-law."""
    open_promises: list[str]
    """Calls whose promises still lie in the store's queue."""

    @property
    def stepping(self) -> bool:
        """Whether clocks of processes were set."""
        return any(mishap.kind == "clock" for mishap in self.plan.mishaps)

    @property
    def legs(self) -> Iterable[tuple[Call, Leg]]:
        """All legs of all calls, as they ended."""
        return ((call, leg) for call in self.calls.values() for leg in call.legs)

    def waits(self, call: Call) -> bool:
        """Whether it is right that it has not been made yet."""
        return waits_for_its_window(call, self.ended_at)

    def people_of(self, call_id: str) -> list[Person]:
        """What carriers made of the call's legs, in the order of placing."""
        return [person for person in self.people if person.call_id == call_id]

    def posts_of(self, call_id: str) -> list[Post]:
        """In order of time."""
        return [post for post in self.posts if post.call_id == call_id]

    def call_at(self, call_id: str, at: float) -> Call | None:
        """The call as it was stored at that time."""
        written = [write.after for write in self.watch.writes if write.after.id == call_id and write.at <= at]
        return written[-1] if written else None

    def leg_at(self, call_id: str, leg_id: str, at: float) -> Leg | None:
        """The leg as it was stored at that time."""
        call = self.call_at(call_id, at)
        return call.find(leg_id) if call else None

    def calm(self, carrier: str, begin: float, end: float) -> bool:
        """Whether nothing was wrong with this carrier, the store and any process from `begin` to `end`."""
        troubles = (*self.watch.troubles.get(carrier, ()), *self.watch.store_troubles)
        if any(begin <= at <= end for at, _ in troubles) or self.plan.lost_requests:
            return False
        if _on(self.watch.troubles.get(carrier, []), begin) or _on(self.watch.store_troubles, begin):
            return False
        mishaps = ((self.begin + mishap.at, self.begin + mishap.at + mishap.for_s + 25.0) for mishap in self.plan.mishaps)
        return not any(since <= end and until >= begin for since, until in mishaps)


def _on(changes: list[tuple[float, bool]], at: float) -> bool:
    before = [on for since, on in changes if since <= at]
    return bool(before) and before[-1]


class Checks:
    """Counts what was looked at, and keeps what did not hold."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.violations: list[str] = []
        self.notes: Counter[str] = Counter()
        """What is allowed, and told all the same."""
        self._name = ""

    def begin(self, name: str) -> None:
        """The checks that follow are of this promise."""
        self._name = name
        self.counts[name] += 0

    def __call__(self, held: bool, what: str | Callable[[], str]) -> None:
        """One thing looked at."""
        self.counts[self._name] += 1
        if not held:
            self.violations.append(f"{self._name}: {what if isinstance(what, str) else what()}")

    def note(self, what: str) -> None:
        """Something to be told in the summary."""
        self.notes[what] += 1


Promise = Callable[[Evidence, Checks], None]


def by_call(posts: Iterable[Post]) -> dict[str, list[Post]]:
    """Posts by call, in order."""
    found: dict[str, list[Post]] = defaultdict(list)
    for post in posts:
        found[post.call_id].append(post)
    return found


def first_writes(writes: Iterable[Write]) -> dict[str, Write]:
    """The write that accepted each call."""
    found: dict[str, Write] = {}
    for write in writes:
        found.setdefault(write.after.id, write)
    return found
