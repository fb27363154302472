"""The in-memory store's queues: members ordered by the time at which they are due, as a Redis sorted set orders them."""

from bisect import bisect_left, insort
from collections.abc import Iterator

from msgspec import Struct

from gateway.runtime.store.plan import PlannedCommand


class DueSet:
    """Members ordered by (score, name)."""

    def __init__(self) -> None:
        self._scores: dict[str, float] = {}
        self._order: list[tuple[float, str]] = []

    def __iter__(self) -> Iterator[tuple[float, str]]:
        return iter(self._order)

    def put(self, member: str, score: float) -> None:
        """Add, or move."""
        self.drop(member)
        self._scores[member] = score
        insort(self._order, (score, member))

    def drop(self, member: str) -> None:
        """Remove, if it is there."""
        score = self._scores.pop(member, None)
        if score is not None:
            del self._order[bisect_left(self._order, (score, member))]

    def score(self, member: str) -> float | None:
        """Its time, or None."""
        return self._scores.get(member)

    def due(self, now: float, limit: int) -> tuple[str, ...]:
        """The earliest members whose time has come (`score <= now`)."""
        found = []
        for score, member in self._order[: max(limit, 0)]:
            if score > now:
                break
            found.append(member)
        return tuple(found)

    def first(self) -> float | None:
        """The earliest time."""
        return self._order[0][0] if self._order else None


class OutboxItem(Struct, kw_only=True):
    """A command; `token` is the newest delivery's, empty while nobody holds it."""

    call_id: str
    body: str
    deliveries: int = 0
    token: str = ""
    holder: str = ""
    """The process that holds it, if it said which it is."""


class Outbox:
    """Commands, each held by at most one worker at a time."""

    def __init__(self) -> None:
        self.due = DueSet()
        self.items: dict[str, OutboxItem] = {}
        self.tokens = 0
        """Counts all deliveries ever, so that a token is never given twice, not even to a command id used again."""

    def add(self, command: PlannedCommand, call_id: str, clock: float) -> None:
        """Due not before now, so that commands without a due time stand in the order of their coming."""
        self.items[command.id] = OutboxItem(call_id=call_id, body=command.body)
        self.due.put(command.id, max(command.due, clock))

    def held(self, command_id: str, token: str) -> bool:
        """Whether this token is the newest delivery's."""
        item = self.items.get(command_id)
        return item is not None and item.token != "" and item.token == token

    def take(self, command_id: str, until: float, holder: str = "") -> OutboxItem:
        """One delivery."""
        item = self.items[command_id]
        self.tokens += 1
        item.holder = holder
        item.deliveries, item.token = item.deliveries + 1, str(self.tokens)
        self.due.put(command_id, until)
        return item

    def give_back(self, command_id: str, due: float) -> None:
        """Nobody holds it any more."""
        self.items[command_id].token = self.items[command_id].holder = ""
        self.due.put(command_id, due)

    def free(self, holder: str, clock: float) -> None:
        """What this process holds is due; its tokens stay good until somebody else claims."""
        for command_id in [key for key, item in self.items.items() if item.holder == holder]:
            self.items[command_id].holder = ""
            self.due.put(command_id, clock)

    def remove(self, command_id: str) -> None:
        """Done, or its call is gone."""
        del self.items[command_id]
        self.due.drop(command_id)

    def remove_call(self, call_id: str) -> None:
        """All commands of a call."""
        for command_id in [key for key, item in self.items.items() if item.call_id == call_id]:
            self.remove(command_id)
