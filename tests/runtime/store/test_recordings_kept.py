"""Messages that are being recorded, said to both stores."""

from msgspec.structs import replace

from gateway.runtime.store.contract import Store
from gateway.runtime.store.voicemail_contract import KEPT, RECORDING, Voicemail

NOW = 1_763_800_000.123456


def a_recording(number: int = 1) -> Voicemail:
    return Voicemail(
        id=f"vm_{number}",
        carrier="twilio",
        call_id="call_1",
        caller="+15550100001",
        to="+15550190001",
        left_at=NOW + number,
        collected_at=NOW + number,
        seconds=0.0,
        reason="routed",
        status=RECORDING,
    )


def over(begun: Voicemail, seconds: float = 3.0) -> Voicemail:
    return replace(begun, status=KEPT, seconds=seconds, ended_by="hung-up")


async def test_a_recording_is_seen_from_its_beginning(store: Store) -> None:
    """In the list with its status, and among the open ones with its owner; its end changes both."""
    begun = a_recording()
    assert await store.begin_recording(begun, "gw_1", NOW)
    assert (await store.list_voicemails(5, None)).items == (begun,)
    assert await store.recordings() == {begun.id: "gw_1"}
    assert await store.end_recording(over(begun), "gw_1")
    assert (await store.list_voicemails(5, None)).items == (over(begun),)
    assert await store.recordings() == {}


async def test_an_id_is_recorded_once(store: Store) -> None:
    """A second beginning is refused, and takes the recording from nobody."""
    begun = a_recording()
    assert await store.begin_recording(begun, "gw_1", NOW)
    assert not await store.begin_recording(begun, "gw_2", NOW)
    assert await store.recordings() == {begun.id: "gw_1"}


async def test_only_whose_hands_it_is_in_may_end_it(store: Store) -> None:
    """Somebody ended it for a dead owner, whose own word comes too late; what was said once may be said again."""
    begun = a_recording()
    await store.begin_recording(begun, "gw_1", NOW)
    assert not await store.end_recording(over(begun, 1.0), "gw_2")
    assert await store.end_recording(over(begun, 2.0), "gw_1")
    assert not await store.end_recording(over(begun, 3.0), "gw_1")
    assert await store.end_recording(over(begun, 2.0), "gw_1")
    assert await store.voicemail(begun.id) == over(begun, 2.0)


async def test_a_recording_goes_on_in_other_hands(store: Store) -> None:
    """Open or ended, if it is still as it was read; whoever had it before has no say any more, and of two only one goes on."""
    begun = a_recording()
    second, third = replace(begun, part=2), replace(begun, part=3)
    await store.begin_recording(begun, "gw_1", NOW)
    assert await store.reopen_recording(second, "gw_2", over=begun)
    assert not await store.reopen_recording(second, "gw_3", over=begun)
    assert not await store.end_recording(over(begun), "gw_1")
    assert await store.end_recording(over(second), "gw_2")
    assert await store.reopen_recording(third, "gw_3", over=over(second))
    assert (await store.voicemail(begun.id), await store.recordings()) == (third, {begun.id: "gw_3"})
    assert not await store.reopen_recording(a_recording(2), "gw_3", over=a_recording(2))


async def test_what_is_being_recorded_is_deleted_by_nobody_else(store: Store) -> None:
    """The one who records may drop it; then its end finds nothing, and the same id is not begun again."""
    begun = a_recording()
    await store.begin_recording(begun, "gw_1", NOW)
    assert not await store.drop_voicemail(begun.id, NOW)
    assert not await store.drop_voicemail(begun.id, NOW, owner="gw_2")
    assert await store.drop_voicemail(begun.id, NOW, owner="gw_1")
    assert await store.recordings() == {}
    assert not await store.end_recording(over(begun), "gw_1")
    assert not await store.reopen_recording(replace(begun, part=2), "gw_2", over=begun)
    assert await store.voicemail(begun.id) is None
    assert not await store.begin_recording(begun, "gw_1", NOW)


async def test_the_directorys_mark_is_the_first_that_was_offered(store: Store) -> None:
    """Asking offers nothing."""
    assert await store.storage_mark("") == ""
    assert await store.storage_mark("mark-1") == "mark-1"
    assert await store.storage_mark("mark-2") == "mark-1"
    assert await store.storage_mark("") == "mark-1"
