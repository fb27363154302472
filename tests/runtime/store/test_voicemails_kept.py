"""Voicemails, and whose turn it is to collect them, said to both stores."""

import math

import pytest
from msgspec.structs import replace

from gateway.runtime.store.contract import Store
from gateway.runtime.store.voicemail_contract import FORGOTTEN_AFTER_S, Voicemail, voicemail_id

NOW = 1_763_800_000.123456


def a_message(number: int, left_at: float = NOW) -> Voicemail:
    return Voicemail(
        id=voicemail_id("twilio", f"RE{number}"),
        carrier="twilio",
        recording_id=f"RE{number}",
        caller="+15550100001",
        to="+15550190001",
        left_at=left_at,
        collected_at=NOW,
        seconds=3.25,
        silent=True,
        reason="gateway-down",
    )


async def test_a_message_is_kept_once(store: Store) -> None:
    """It comes back as it was written, and a second one of the same recording is refused and changes nothing."""
    message = a_message(1)
    assert await store.put_voicemail(message, NOW)
    assert not await store.put_voicemail(replace(message, seconds=9.0), NOW)
    assert await store.voicemail(message.id) == message
    assert await store.voicemail("vm_none") is None


async def test_the_same_recording_id_at_two_carriers_is_two_messages() -> None:
    """Carriers do not know of each other's ids, and the parts cannot run into each other."""
    assert len({voicemail_id("a", "1"), voicemail_id("b", "1"), voicemail_id("a1", ""), voicemail_id("a", "1")}) == 3


async def test_pages_are_newest_first_and_complete(store: Store) -> None:
    """Messages of one moment are told apart; the last page says that it is the last."""
    messages = [a_message(number, NOW + number // 2) for number in range(5)]
    for message in messages:
        await store.put_voicemail(message, NOW)
    first = await store.list_voicemails(2, None)
    second = await store.list_voicemails(2, first.next)
    third = await store.list_voicemails(2, second.next)
    seen = [*first.items, *second.items, *third.items]
    assert seen == sorted(messages, key=lambda one: (one.left_at, one.id), reverse=True)
    assert third.next is None


async def test_the_oldest_are_found_for_purging(store: Store) -> None:
    """Only what was left before that time, oldest first, and no more than asked for."""
    messages = [a_message(number, NOW + number) for number in range(4)]
    for message in messages:
        await store.put_voicemail(message, NOW)
    assert await store.oldest_voicemails(NOW + 3, 9) == tuple(messages[:3])
    assert await store.oldest_voicemails(NOW + 3, 2) == tuple(messages[:2])
    assert await store.oldest_voicemails(NOW, 9) == ()


async def test_a_deleted_message_does_not_come_back(store: Store) -> None:
    """It is gone from every list, and is refused for as long as anybody could collect it again."""
    message = a_message(1)
    await store.put_voicemail(message, NOW)
    assert await store.drop_voicemail(message.id, NOW)
    assert not await store.drop_voicemail(message.id, NOW)
    assert await store.voicemail(message.id) is None
    assert (await store.list_voicemails(5, None)).items == ()
    assert await store.knows_voicemail(message.id, NOW + FORGOTTEN_AFTER_S - 1)
    assert not await store.put_voicemail(message, NOW + FORGOTTEN_AFTER_S - 1)
    assert await store.put_voicemail(message, NOW + FORGOTTEN_AFTER_S)


async def test_a_time_that_is_no_number_is_refused(store: Store) -> None:
    """Before anything is written: it has no place in a list."""
    with pytest.raises(ValueError, match="finite"):
        await store.put_voicemail(a_message(1, math.nan), NOW)
    assert (await store.list_voicemails(5, None)).items == ()


async def test_one_process_at_a_time_collects(store: Store) -> None:
    """Until it says that it is done, or its time is up; another carrier is another matter."""
    assert await store.take_collection("twilio", NOW, 60) == 0.0
    assert await store.take_collection("twilio", NOW + 59, 60) is None
    assert await store.take_collection("plivo", NOW + 59, 60) == 0.0
    assert await store.take_collection("twilio", NOW + 60, 60) == 0.0
    await store.end_collection("twilio", NOW - 5)
    assert await store.take_collection("twilio", NOW + 61, 60) == NOW - 5


async def test_a_slow_process_sends_nobody_further_back(store: Store) -> None:
    """What was collected stays collected."""
    await store.end_collection("twilio", NOW)
    await store.end_collection("twilio", NOW - 100)
    assert await store.take_collection("twilio", NOW, 60) == NOW
