"""The voice activity detector: energy, onset, hangover."""

import math
import struct

from agent.speech import sentence
from agent.voice_activity import HANGOVER_FRAMES, ONSET_FRAMES, Voice, VoiceActivity
from gateway.domain.media import MULAW_FRAME, MULAW_SILENCE
from gateway.domain.pcm import lin2ulaw


def tone(amplitude: int) -> bytes:
    samples = [int(amplitude * math.sin(2 * math.pi * 440 * at / 8000)) for at in range(160)]
    return lin2ulaw(struct.pack("<160h", *samples), 2)


def changes(voice: VoiceActivity, frames: list[bytes]) -> list[tuple[int, Voice]]:
    heard = [(number, voice.hear(frame)) for number, frame in enumerate(frames, start=1)]
    return [(number, change) for number, change in heard if change is not None]


def test_speech_begins_after_the_onset_and_ends_after_the_hangover() -> None:
    """A loud stretch is one start and one stop, at the frames that onset and hangover name."""
    loud, quiet = [tone(8000)] * 50, [MULAW_SILENCE] * 100
    assert changes(VoiceActivity(), loud + quiet) == [(ONSET_FRAMES, Voice.STARTED), (50 + HANGOVER_FRAMES, Voice.STOPPED)]


def test_a_click_is_no_speech() -> None:
    """Fewer loud frames than the onset change nothing, however often they come."""
    clicks = ([tone(20000)] * (ONSET_FRAMES - 1) + [MULAW_SILENCE]) * 20
    assert changes(VoiceActivity(), clicks) == []


def test_hum_is_no_speech() -> None:
    """A quiet line is not silent, and is not spoken on either."""
    assert changes(VoiceActivity(), [tone(300)] * 200) == []


def test_a_pause_between_words_does_not_end_speech() -> None:
    """Quiet shorter than the hangover keeps the state."""
    words = ([tone(8000)] * 20 + [MULAW_SILENCE] * (HANGOVER_FRAMES - 1)) * 5
    assert changes(VoiceActivity(), words) == [(ONSET_FRAMES, Voice.STARTED)]


def test_a_spoken_sentence_is_speech() -> None:
    """Real speech, with its soft sounds and pauses, starts and stops exactly once."""
    spoken = sentence("menu")
    frames = [spoken[at : at + MULAW_FRAME] for at in range(0, len(spoken) - MULAW_FRAME, MULAW_FRAME)]
    found = [change for _, change in changes(VoiceActivity(), frames + [MULAW_SILENCE] * 60)]
    assert found == [Voice.STARTED, Voice.STOPPED]


def test_forgetting_ends_speech_without_a_word() -> None:
    """After the line was lost nobody is taken to be speaking."""
    voice = VoiceActivity()
    changes(voice, [tone(8000)] * 20)
    voice.forget()
    assert not voice.speaking
