"""The two smallest parts: the ledger's filters and the heap's order."""

import pytest

from carriers.lab import ledger as ledger_module
from carriers.lab.ledger import LabLedger
from carriers.lab.timers import Timers


def test_filters_combine_and_numbers_match_with_and_without_plus() -> None:
    """Kind, carrier and number all have to match; a number may be written either way."""
    ledger = LabLedger()
    ledger.write(1, "ring", carrier="a", number="15550107001", carrier_call_id="x", caller_id="+15550190001")
    ledger.write(2, "ring", carrier="b", number="+15550107001")
    ledger.write(3, "answer", carrier="a", number="+15550107001")
    assert [entry.at for entry in ledger.entries("ring", number="+15550107001")] == [1, 2]
    assert [entry.at for entry in ledger.entries(carrier="a")] == [1, 3]
    assert ledger.entries("ring", "a", "15550107002") == []
    assert ledger.entries()[0].flat() == {
        "at": 1,
        "kind": "ring",
        "carrier": "a",
        "number": "+15550107001",
        "carrier_call_id": "x",
        "caller_id": "+15550190001",
    }


def test_a_reader_sees_what_is_written_while_it_reads() -> None:
    """Entries before and after the context are not handed on."""
    ledger, seen = LabLedger(), []
    ledger.write(1, "ring")
    with ledger.reading(lambda entry: seen.append(entry.at)):
        ledger.write(2, "ring")
    ledger.write(3, "ring")
    assert seen == [2]


def test_the_ledger_is_bounded_and_says_what_it_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the oldest go, and their number is known."""
    monkeypatch.setattr(ledger_module, "LIMIT", 100)
    ledger = LabLedger()
    for at in range(150):
        ledger.write(at, "ring")
    assert len(ledger.entries()) + ledger.dropped == 150
    assert len(ledger.entries()) <= 100
    assert ledger.entries()[-1].at == 149
    ledger.clear()
    assert (ledger.entries(), ledger.dropped) == ([], 0)


def test_due_things_come_in_order_of_time_then_of_being_set() -> None:
    """Earlier first; at the same time, first set first."""
    timers, woken = Timers(), []
    for at, key in ((3.0, "c"), (1.0, "a"), (3.0, "d"), (2.0, "b")):
        timers.add(at, lambda now, key: woken.append((now, key)), key)
    while (due := timers.pop_due(3.0)) is not None:
        due[0](3.0, due[1])
    assert [key for _, key in woken] == ["a", "b", "c", "d"]
    assert timers.next_at is None


def test_nothing_is_due_too_early() -> None:
    """What lies ahead stays, and its time is known."""
    timers = Timers()
    timers.add(5.0, lambda now, key: None, None)
    assert (timers.pop_due(4.999), timers.next_at) == (None, 5.0)
    timers.clear()
    assert timers.next_at is None
