"""The in-memory store's processes, and which of them each call's session lives in."""

from msgspec import Struct

from gateway.runtime.store.contract import Lease, Process, Pulse


class StoredLease(Struct, kw_only=True):
    """A session's newest lease, and the context that was kept under any of them."""

    token: int
    owner: str
    address: str
    context: str | None = None


class Processes:
    """Those that have said that they are alive, and have not been buried."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[Process, float]] = {}
        """By id: as it told of itself, and until when it counts as alive."""

    def beat(self, process: Process, clock: float, lives_s: float) -> Pulse:
        """See `Store.beat`; the commands of the dead are the caller's affair."""
        was_alive = self.known[process.id][1] > clock if process.id in self.known else False
        self.known[process.id] = (process, clock + lives_s)
        others = [told for _, told in sorted(self.known.items()) if told[0].id != process.id]
        dead = tuple(other for other, until in others if until <= clock) if was_alive else ()
        return Pulse(others=tuple(other for other, until in others if until > clock), dead=dead)


class Leases:
    """By call id."""

    def __init__(self) -> None:
        self.items: dict[str, StoredLease] = {}
        self.leased: dict[str, set[str]] = {}
        """By process: its calls that have not ended."""

    def token(self, call_id: str) -> int:
        """Of the newest lease; 0 before the first."""
        stored = self.items.get(call_id)
        return stored.token if stored else 0

    def find(self, call_id: str) -> Lease | None:
        """As the contract tells it."""
        stored = self.items.get(call_id)
        if stored is None:
            return None
        return Lease(call_id=call_id, token=stored.token, owner=stored.owner, address=stored.address)

    def take(self, call_id: str, process: Process, *, ended: bool) -> None:
        """With the next token; the context stays."""
        self.release(call_id)
        before = self.items.get(call_id)
        context = before.context if before else None
        token = self.token(call_id) + 1
        self.items[call_id] = StoredLease(token=token, owner=process.id, address=process.address, context=context)
        if not ended:
            self.leased.setdefault(process.id, set()).add(call_id)

    def give_up(self, call_id: str) -> None:
        """It is nobody's."""
        self.release(call_id)
        stored = self.items[call_id]
        stored.owner = stored.address = ""

    def release(self, call_id: str) -> None:
        """It is not among its owner's work any more."""
        stored = self.items.get(call_id)
        if stored is not None and stored.owner in self.leased:
            self.leased[stored.owner].discard(call_id)

    def end(self, call_id: str) -> None:
        """The call has ended."""
        self.release(call_id)
        if call_id in self.items:
            self.items[call_id].context = None

    def purge(self, call_id: str) -> None:
        """The call is gone."""
        self.release(call_id)
        self.items.pop(call_id, None)
