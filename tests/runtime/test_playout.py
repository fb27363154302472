"""The queue of what the agent has said, and the marks that a carrier has been given."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.media import LINEAR_8K, MULAW_8K
from gateway.runtime.marks import Marks
from gateway.runtime.playout import Mark, Playout


def playout(limit_s: float = 60.0) -> Playout:
    return Playout(MULAW_8K, limit_s)


def test_a_frame_comes_out_as_the_same_object() -> None:
    """A frame of the agent is not copied."""
    queue, frame = playout(), bytes(160)
    queue.add(frame)
    assert queue.frame(pad=False) is frame


def test_a_last_piece_waits_for_more() -> None:
    """Half a frame is kept until it is whole, or until it is to be padded."""
    queue = playout()
    queue.add(b"\x01" * 100)
    assert queue.frame(pad=False) is None
    queue.add(b"\x02" * 100)
    assert queue.frame(pad=False) == b"\x01" * 100 + b"\x02" * 60
    assert queue.frame(pad=True) == b"\x02" * 40 + b"\xff" * 120
    assert queue.frame(pad=True) is None


def test_silence_is_that_of_the_format() -> None:
    """Zeroes in linear sound."""
    queue = Playout(LINEAR_8K, 1.0)
    queue.add(b"\x01\x02")
    assert queue.frame(pad=True) == b"\x01\x02" + bytes(318)


def test_a_mark_closes_the_piece_before_it() -> None:
    """What stands before a mark is played whole before it; the mark is due only then."""
    queue = playout()
    queue.add(b"\x01" * 200)
    queue.mark(Mark("end"))
    queue.add(b"\x02" * 160)
    assert queue.due_marks() == []
    assert queue.frame(pad=False) == b"\x01" * 160
    assert queue.due_marks() == []
    assert queue.frame(pad=False) == b"\x01" * 40 + b"\xff" * 120
    assert queue.due_marks() == [Mark("end")]
    assert queue.frame(pad=False) == b"\x02" * 160


def test_what_exceeds_the_bound_is_thrown_away_and_told() -> None:
    """The beginning is kept; room comes back as it is played."""
    queue = playout(limit_s=0.04)
    assert queue.add(bytes(500)) == 180
    assert queue.add(b"\x01") == 1
    queue.frame(pad=False)
    assert queue.add(bytes(160)) == 0


def test_clearing_gives_the_marks_back_in_order() -> None:
    """And leaves nothing."""
    queue = playout()
    for name in ("one", "two"):
        queue.add(bytes(200))
        queue.mark(Mark(name))
    assert queue.clear() == [Mark("one"), Mark("two")]
    assert queue.waiting_bytes == 0
    assert queue.frame(pad=True) is None
    assert queue.due_marks() == []


@given(st.lists(st.one_of(st.binary(max_size=700), st.just(None), st.booleans()), max_size=40))
def test_nothing_is_lost_or_moved(steps: list[bytes | bool | None]) -> None:
    """Whatever is added and taken in whatever order: without padding, sound comes out as it went in."""
    queue, went_in, came_out = playout(), b"", b""
    for step in steps:
        if isinstance(step, bytes):
            queue.add(step)
            went_in += step
        else:
            came_out += queue.frame(pad=False) or b""
        assert queue.waiting_bytes == len(went_in) - len(came_out)
    while (frame := queue.frame(pad=False)) is not None:
        came_out += frame
    assert came_out == went_in[: len(went_in) - len(went_in) % 160]


@given(st.lists(st.one_of(st.just("send"), st.just("take"), st.integers(1, 30)), max_size=60))
def test_every_mark_comes_out_exactly_once_and_in_order(steps: list[str | int]) -> None:
    """Echoes that are late, repeated, unknown or out of order make no difference."""
    marks, sent, out = Marks(), 0, []
    for step in steps:
        if step == "send":
            sent += 1
            marks.sent(Mark(str(sent)))
        elif step == "take":
            out += marks.take()
        else:
            out += marks.played(f"m{step}")
    out += marks.take()
    assert [mark.name for mark in out] == [str(number) for number in range(1, sent + 1)]
