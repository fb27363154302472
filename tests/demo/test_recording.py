"""The recording is the witness of who spoke and who answered whom."""

import pytest

from agent.speech import sentence as agent_says
from carriers.lab.sound import FRAME, RATE, SILENCE, to_wav, tone
from gateway.demo.recording import NotStereo, first_sound, listen, speech_s, tone_s
from gateway.demo.voices import sentence as alex_says


def _quiet(seconds: float) -> bytes:
    return SILENCE * round(seconds * RATE / FRAME)


ALEX = _quiet(1.9) + alex_says("hello")
"""As in the demo: into the last word of the greeting, over after 3.2 s."""


def _agent_answering(after_s: float) -> bytes:
    greeting = agent_says("greeting")
    return greeting + _quiet((len(ALEX) - len(greeting)) / RATE + after_s) + agent_says("understood-1")


def test_an_answer_is_measured_from_the_persons_last_word() -> None:
    """The agent's next utterance after the person fell silent is its answer, and its delay is measured."""
    heard = listen(to_wav(ALEX, _agent_answering(0.7)))
    assert heard.answered_after_s == pytest.approx(0.8, abs=0.1)
    assert heard.person_s == pytest.approx(1.0, abs=0.3)
    assert heard.agent_s == pytest.approx(2.6, abs=0.4)


def test_an_agent_that_heard_nothing_has_not_answered() -> None:
    """A menu that follows the greeting at once, while the person speaks, is no answer to the person."""
    deaf = agent_says("greeting") + agent_says("menu") + _quiet(1.0)
    assert listen(to_wav(ALEX, deaf)).answered_after_s is None


def test_a_sentence_much_later_is_no_answer() -> None:
    """What the agent says of its own accord seconds later does not count."""
    assert listen(to_wav(ALEX, _agent_answering(3.5))).answered_after_s is None


def test_a_silent_person_cannot_be_answered() -> None:
    """Without a word of the person there is no answer, however much the agent says."""
    heard = listen(to_wav(_quiet(4.0), agent_says("greeting") + agent_says("menu")))
    assert (heard.person_s, heard.answered_after_s) == (0.0, None)
    assert heard.agent_s > 3.0


def test_left_is_the_person_and_right_the_agent() -> None:
    """The channels are not mixed up: each side's speech is counted in its own."""
    heard = listen(to_wav(ALEX, _quiet(1.0)))
    assert heard.person_s > 0.5
    assert heard.agent_s == 0.0


@pytest.mark.parametrize("wav", [to_wav(ALEX), b"", b"RIFF0000WAVEfmt "])
def test_anything_but_stereo_is_refused(wav: bytes) -> None:
    """A mono file, an empty one and garbage are no recording to judge by."""
    with pytest.raises(NotStereo):
        listen(wav)


def test_how_long_the_ear_got_nothing() -> None:
    """From a second of the recording to the next sound of the agent; the person's own voice does not count."""
    wav = to_wav(tone(440, 4.0), tone(440, 1.0) + SILENCE * 50 + tone(440, 1.0) + SILENCE * 50)
    assert first_sound(wav, 1.2) == pytest.approx(0.8, abs=0.03)
    assert first_sound(wav, 0.5) == 0.0
    assert first_sound(wav, 3.1) is None


def test_seconds_of_speech_of_one_channel_or_the_right_one() -> None:
    """A voicemail has one channel, a phone's recording two."""
    assert speech_s(to_wav(tone(440, 1.0) + SILENCE * 50)) == pytest.approx(1.0, abs=0.03)
    assert speech_s(to_wav(tone(440, 2.0), SILENCE * 100)) == 0.0


def test_a_tone_is_told_from_other_sounds() -> None:
    """Only frames that are mostly that tone count, and only those in the person's ear."""
    wav = to_wav(tone(1300, 3.0), tone(700, 1.0) + tone(1300, 0.5) + alex_says("hello"))
    assert tone_s(wav, 700) == pytest.approx(1.0, abs=0.03)
    assert tone_s(wav, 1300) == pytest.approx(0.5, abs=0.1)
