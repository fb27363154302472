"""What a phone's ear and mouth keep of a call."""

from carriers.lab.recording import LIMIT_FRAMES, Recording, Tape
from carriers.lab.sound import SILENCE, tone

LOUD = tone(440, 0.02)


def test_speech_and_the_longest_silence_are_measured() -> None:
    """One second of sound after half a second of nothing, then a quarter: 1 s of speech, 0.5 s of silence."""
    recording = Recording(100.0)
    for index in range(25):
        recording.hear(100.0 + index * 0.02, SILENCE)
    for index in range(25, 75):
        recording.hear(100.0 + index * 0.02, LOUD)
    measured = recording.measure(101.76)
    assert (measured.seconds, measured.speech_seconds, measured.longest_silence_s) == (1.76, 1.0, 0.5)


def test_a_time_without_stream_is_silence_in_both_tracks() -> None:
    """Nobody asks the person or speaks to them for two seconds: both tracks have it, so they stay aligned."""
    recording = Recording(100.0)
    recording.say(100.02, LOUD)
    recording.hear(100.02, LOUD)
    recording.say(102.02, LOUD)
    recording.hear(102.02, LOUD)
    assert len(recording.said.sound) == len(recording.heard.sound) == 160 * 102
    assert bytes(recording.said.sound[-160:]) == bytes(recording.heard.sound[-160:]) == LOUD
    assert recording.measure(102.04).longest_silence_s == 2.0


def test_silence_that_still_goes_on_counts() -> None:
    """A call that has heard nothing since the answer says so while it lasts, without changing the recording."""
    recording = Recording(100.0)
    assert recording.measure(107.0).longest_silence_s == 7.0
    assert recording.heard.frames == 0


def test_a_jittering_ticker_adds_no_silence() -> None:
    """Frames that come 60 ms late and then in a bunch are not padded."""
    recording = Recording(100.0)
    for at in (100.08, 100.08, 100.08, 100.08):
        recording.hear(at, LOUD)
        recording.say(at, LOUD)
    assert recording.heard.frames == 4


def test_the_end_fills_both_tracks() -> None:
    """After the end both tracks are as long as the call."""
    recording = Recording(100.0)
    recording.hear(100.02, LOUD)
    recording.finish(103.0)
    assert len(recording.said.sound) == len(recording.heard.sound) == 160 * 150


def test_ten_minutes_are_kept_and_the_measure_goes_on() -> None:
    """An hour of a call keeps ten minutes of sound and the whole hour's measure."""
    recording = Recording(0.0)
    recording.hear(3600.0, LOUD)
    assert len(recording.heard.sound) <= LIMIT_FRAMES * 160
    assert recording.measure(3600.02).seconds > 3599


def test_a_short_frame_is_filled_up() -> None:
    """A carrier that hands over less than 20 ms does not shift the recording."""
    recording = Recording(100.0)
    recording.hear(100.02, b"\x10" * 80)
    assert bytes(recording.heard.sound) == b"\x10" * 80 + b"\xff" * 80


def test_recordings_share_one_tape() -> None:
    """When the tape is used up a recording keeps a whole beginning and goes on measuring; what is forgotten is free again."""
    tape = Tape(limit=160 * 4)
    first, second = Recording(100.0, tape), Recording(100.0, tape)
    for index in range(6):
        first.say(100.0 + index * 0.02, LOUD)
        first.hear(100.0 + index * 0.02, LOUD)
    assert (len(first.said.sound), len(first.heard.sound)) == (320, 320)
    assert first.measure(100.12).speech_seconds == 0.12
    second.hear(100.0, LOUD)
    assert second.heard.sound == b""
    first.forget()
    third = Recording(100.0, tape)
    third.hear(100.0, LOUD)
    assert len(third.heard.sound) == 160
