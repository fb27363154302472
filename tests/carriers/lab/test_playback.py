"""The carrier's playback buffer."""

from hypothesis import given
from hypothesis import strategies as st

from carriers.lab.playback import FRAME, SILENCE, Playback


def test_sound_comes_out_in_frames_and_then_silence() -> None:
    """What was added comes out in order, 160 bytes at a time, with silence after it."""
    playback = Playback(1.0)
    playback.add(b"a" * 100)
    playback.add(b"b" * 100)
    assert playback.next_frame() == (b"a" * 100 + b"b" * 60, [])
    assert playback.next_frame() == (b"b" * 40 + b"\xff" * 120, [])
    assert playback.next_frame() == (SILENCE, [])


def test_a_mark_comes_with_the_frame_that_ends_its_sound() -> None:
    """A mark is reached when all sound before it has been played, not earlier."""
    playback = Playback(1.0)
    playback.add(b"a" * 320)
    assert playback.mark("end") is False
    assert playback.next_frame()[1] == []
    assert playback.next_frame()[1] == ["end"]


def test_a_mark_on_an_empty_buffer_is_reached_at_once() -> None:
    """Nothing waits before it, so nothing is queued."""
    assert Playback(1.0).mark("now") is True


def test_clear_drops_the_sound_and_gives_the_marks_back() -> None:
    """After a clear nothing is heard, and the caller learns which marks were waiting."""
    playback = Playback(1.0)
    playback.add(b"a" * 320)
    playback.mark("one")
    playback.add(b"a" * 320)
    playback.mark("two")
    assert playback.clear() == ["one", "two"]
    assert (playback.next_frame(), playback.waiting_s) == ((SILENCE, []), 0.0)


def test_a_full_buffer_drops_and_counts() -> None:
    """Sound beyond the limit is refused and counted, and what was there before still plays."""
    playback = Playback(0.02)
    assert playback.add(b"a" * 160) is True
    assert playback.add(b"b" * 160) is False
    assert playback.dropped_bytes == 160
    assert playback.next_frame()[0] == b"a" * 160


@given(st.lists(st.one_of(st.integers(1, 700), st.just("mark")), max_size=30))
def test_no_byte_is_lost_or_reordered_and_no_mark_early(items: list[int | str]) -> None:
    """Whatever is queued comes out once, in order, and each mark only after all sound before it."""
    playback, sent, marks = Playback(60.0), b"", {}
    for index, item in enumerate(items):
        if isinstance(item, int):
            chunk = bytes([index % 200]) * item
            playback.add(chunk)
            sent += chunk
        elif not playback.mark(f"m{index}"):
            marks[f"m{index}"] = len(sent)
    heard, reached = b"", {}
    for _ in range(len(sent) // FRAME + len(items) + 2):
        frame, done = playback.next_frame()
        heard += frame
        reached |= {name: len(heard) for name in done}
    assert heard[: len(sent)] == sent
    assert set(reached) == set(marks)
    assert all(reached[name] >= due for name, due in marks.items())
