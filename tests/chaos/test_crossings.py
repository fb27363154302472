"""Whom a phone heard, read off its sound."""

import pytest

from carriers.lab.says import builtin
from carriers.lab.sound import to_wav, tone
from gateway.chaos.crossings import LOWEST_HZ, PITCHES, STEP_HZ, hummed, pitch


@pytest.mark.parametrize("hertz", [LOWEST_HZ + STEP_HZ * step for step in range(0, PITCHES, 3)])
def test_a_hum_is_known_by_its_height(hertz: int) -> None:
    """Each pitch of the table is found as itself and as no other."""
    assert hummed(to_wav(b"\xff" * 3000 + tone(hertz, 1.5))) == {hertz}


def test_a_strange_voice_is_heard_beside_the_own() -> None:
    """Two calls that were joined one after the other on one phone show as two pitches."""
    assert hummed(to_wav(tone(500, 1.0) + tone(750, 1.0))) == {500, 750}


def test_speech_and_silence_are_nobodys_hum() -> None:
    """What the built-in agent and people say is no pitch, and neither is a click of a tone."""
    for name in ("person", "machine"):
        assert hummed(to_wav(builtin(name))) == frozenset()
    assert hummed(to_wav(b"\xff" * 16_000)) == frozenset()
    assert hummed(to_wav(b"\xff" * 8_000 + tone(700, 0.2) + b"\xff" * 8_000)) == frozenset()


def test_neighbours_have_other_pitches() -> None:
    """Forty numbers in a row hum forty tones, and each number always the same."""
    assert len({pitch(f"+1555010{index:04d}") for index in range(PITCHES)}) == PITCHES
    assert pitch("+15550100007") == pitch("+15550100007") == pitch("+15550104007")
