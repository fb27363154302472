"""A mute agent and a deaf one, told from one that has nothing to say."""

import pytest

from gateway.domain.media import LINEAR_8K, MULAW_8K, AudioFormat
from gateway.runtime.attention import DEAF, MUTE, Attention, AttentionTerms

LOUD = {MULAW_8K: b"\x10\x90" * 80, LINEAR_8K: b"\x00\x20\x00\xe0" * 80}
QUIET = {MULAW_8K: b"\xff" * 160, LINEAR_8K: b"\x00" * 320}


class House:
    """One agent's attention; `second` is what the bridge asks."""

    def __init__(self, first_word_s: float = 0.0, reply_s: float = 0.0, form: AudioFormat = MULAW_8K) -> None:
        self.form = form
        self.attention = Attention(AttentionTerms(first_word_s=first_word_s, reply_s=reply_s), form)
        self.attention.began(first=True)
        self.said = 0

    def second(self, *, speaks: bool = False, hears: bool = False, audible: bool = False) -> str:
        for _ in range(50):
            self.attention.hear((LOUD if hears else QUIET)[self.form])
        self.said += 8000 if speaks else 0
        return self.attention.second(self.said, audible=audible)


def seconds(house: House, count: int) -> list[str]:
    return [house.second() for _ in range(count)]


def test_an_agent_owes_a_first_word() -> None:
    """And is lost in the second in which it is due."""
    assert seconds(House(first_word_s=3), 3) == ["", "", MUTE]


def test_who_has_spoken_may_be_silent() -> None:
    """A word is a word: from then on it may listen."""
    house = House(first_word_s=2)
    assert house.second(speaks=True) == ""
    assert set(seconds(house, 20)) == {""}


def test_on_a_line_that_is_back_nothing_is_owed() -> None:
    """The person knows that somebody is there."""
    house = House(first_word_s=2)
    house.attention.began(first=False)
    assert set(seconds(house, 20)) == {""}


@pytest.mark.parametrize("form", [MULAW_8K, LINEAR_8K], ids=["mulaw", "linear"])
def test_an_agent_that_leaves_speech_unanswered_is_lost(form: AudioFormat) -> None:
    """Counted from the end of what the person says, in either format."""
    house = House(reply_s=3, form=form)
    assert [house.second(hears=True) for _ in range(10)] == [""] * 10
    assert seconds(house, 3) == ["", "", DEAF]


def test_nobody_need_answer_to_silence() -> None:
    """Two who say nothing are at peace."""
    assert set(seconds(House(reply_s=2), 60)) == {""}


def test_an_answer_settles_it() -> None:
    """Sound that still plays counts, and so does every new word."""
    house = House(reply_s=3)
    house.second(hears=True)
    assert house.second(speaks=True, audible=True) == ""
    assert set(seconds(house, 20)) == {""}


def test_nothing_is_owed_where_nothing_is_asked() -> None:
    """Both at 0: silent for ever."""
    house = House()
    house.second(hears=True)
    assert set(seconds(house, 100)) == {""}
