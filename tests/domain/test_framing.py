"""Cutting sound into frames."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.framing import Framer


def test_a_whole_frame_goes_through_as_it_is() -> None:
    """The same bytes object, since that is what every carrier sends 50 times a second."""
    frame = bytes(160)
    assert Framer(160).cut(frame)[0] is frame


@given(st.lists(st.binary(max_size=500), max_size=20))
def test_nothing_is_lost_added_or_moved(pieces: list[bytes]) -> None:
    """However the sound is cut up on its way, the frames are its beginning, and less than a frame is kept back."""
    framer = Framer(160)
    frames = [frame for piece in pieces for frame in framer.cut(piece)]
    sound = b"".join(pieces)
    assert all(len(frame) == 160 for frame in frames)
    assert b"".join(frames) == sound[: len(sound) - len(sound) % 160]
