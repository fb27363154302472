"""The ground truth of every reliability test: what really happened at carriers and phones, never what anybody believes.

Kinds and what they carry beside time, carrier, number and carrier_call_id:

    dial            a create-call POST received, whatever was answered; `fault` where the lab answered in the carrier's place
    ring            a phone rang; `caller_id`; `while_busy` where it was ringing or talking already
    answer          the phone was picked up
    call            a phone called one of our numbers: `to`, `caller_id`; its answer and hangup say `direction: inbound`
    keys            DTMF reached a phone: `digits`
    text            a text message's fate: `outcome` (delivered, undelivered), `caller_id`
    fetch           a carrier fetched a file of the customer's: `url`, `status`, `bytes`
    bridge          sound went both ways between a stream and the phone (once per stream)
    hangup          a call to a phone ended: `by` (phone, carrier, network), `cause`, `answered`, `seconds` since the answer
    webhook         a webhook left: `url`, `method`, `attempt`, `status` of the answer (0: none, then `failure`), `sent_at`;
                    `fault` where one meddled, `copy` for the second of a pair
    stream_open     a media socket was accepted; `url`
    stream_refused  it was not: `status` (0: no connection)
    stream_close    it ended: `by` (carrier, customer, fault), `code`, `frames_out`, `frames_in`
    fault           somebody set or cleared faults: `faults`
    crash           a simulator raised: `error`; never in a healthy lab
    message         a text message was accepted from the customer (simulators)
    recording       a recording was finished: `recording_id`, `seconds`, `channels` (simulators)
    joined          two calls of one carrier hear each other: `with` is the other's id (simulators)
    rejected_frame, refused   written by simulators: what the carrier would drop, and what the lab does not simulate
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from carriers.lab.fields import BadField, e164

LIMIT = 200_000

KINDS = frozenset(
    [
        "answer",
        "bridge",
        "call",
        "crash",
        "dial",
        "fault",
        "fetch",
        "hangup",
        "joined",
        "keys",
        "message",
        "recording",
        "refused",
        "rejected_frame",
        "ring",
        "stream_close",
        "stream_open",
        "stream_refused",
        "text",
        "webhook",
    ]
)
"""What the lab and its simulators write. A carrier of one's own may add to them."""


class Entry(Struct, frozen=True, kw_only=True):
    """One line. `at` is unix time in seconds; `more` holds what the kind adds."""

    at: float
    kind: str
    carrier: str = ""
    number: str = ""
    carrier_call_id: str = ""
    more: dict[str, Any] = {}

    def flat(self) -> dict[str, Any]:
        """As the control surface prints it."""
        head = {"at": self.at, "kind": self.kind, "carrier": self.carrier, "number": self.number}
        return {**head, "carrier_call_id": self.carrier_call_id, **self.more}


class LabLedger:
    """Append-only, in order of writing, the last 200,000 entries."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self.dropped = 0
        self.totals: Counter[str] = Counter()
        self._readers: list[Callable[[Entry], None]] = []

    def write(
        self, now: float, kind: str, *, carrier: str = "", number: str = "", carrier_call_id: str = "", **more: Any
    ) -> None:
        """Add one entry; the number is brought to E.164 with `+`."""
        entry = Entry(
            at=now, kind=kind, carrier=carrier, number=e164(number) if number else "", carrier_call_id=carrier_call_id, more=more
        )
        self._entries.append(entry)
        self.totals[kind] += 1
        self._forget_oldest()
        for reader in list(self._readers):
            reader(entry)

    def entries(self, kind: str = "", carrier: str = "", number: str = "") -> list[Entry]:
        """The entries that match everything that is given."""
        wanted = e164(number) if number else ""
        return [
            entry
            for entry in self._entries
            if (not kind or entry.kind == kind)
            and (not carrier or entry.carrier == carrier)
            and (not wanted or entry.number == wanted)
        ]

    @property
    def written(self) -> int:
        """How many entries there ever were since the beginning."""
        return self.dropped + len(self._entries)

    def after(self, count: int) -> list[Entry]:
        """What was written after the first `count` entries, as far as it is kept: for who follows along."""
        return self._entries[max(0, count - self.dropped) :]

    @contextmanager
    def reading(self, reader: Callable[[Entry], None]) -> Iterator[None]:
        """Hand every entry to `reader` as it is written, for as long as the context lasts."""
        self._readers.append(reader)
        try:
            yield
        finally:
            self._readers.remove(reader)

    def known(self, kind: str) -> str:
        """The kind, if anything is or could be written under it; raise BadField with those that there are. A slip in a
        test's question would otherwise prove that nothing happened.
        """
        if kind in KINDS or kind in self.totals:
            return kind
        raise BadField("kind", f"nothing is written under {kind!r}; there are: {', '.join(sorted(KINDS | set(self.totals)))}")

    def clear(self) -> None:
        """Begin anew."""
        self._entries.clear()
        self.totals.clear()
        self.dropped = 0

    def _forget_oldest(self) -> None:
        if len(self._entries) > LIMIT:
            del self._entries[: LIMIT // 10]
            self.dropped += LIMIT // 10
