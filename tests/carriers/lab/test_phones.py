"""How phones are set up, and what they refuse."""

import base64
from pathlib import Path
from typing import Any

import pytest

from carriers.lab import sound
from carriers.lab.fields import BadField
from carriers.lab.phones import KEPT_RECORDINGS, Behavior, CallState, Phone, PhoneCall, PhoneSetup, read_phone
from carriers.lab.recording import Recording


def said_by(setup: PhoneSetup, frames: int) -> bytes:
    voice = setup.speech.voice()
    return b"".join(voice.next_frame() for _ in range(frames))


def test_a_phone_nobody_set_up_answers_after_a_second_and_speaks() -> None:
    """The default of the lab: rings 1 s, answers, says speech, never hangs up."""
    setup = Phone(number="+15550107001").setup
    assert (setup.behavior, setup.answer_after_s, setup.hangup_after_s) == (Behavior.ANSWER, 1.0, None)
    assert sum(map(sound.is_loud, sound.frames(said_by(setup, 100)))) > 50


def test_speech_goes_on_and_on() -> None:
    """Speech begins again when it ends, with pauses in it."""
    spoken = sound.frames(said_by(read_phone({"says": "speech"}), 1000))
    assert any(map(sound.is_loud, spoken[-400:]))
    assert not all(map(sound.is_loud, spoken[:400]))


def test_silence_says_nothing() -> None:
    """A silent phone's frames are mu-law silence."""
    assert said_by(read_phone({"says": "silence"}), 3) == sound.SILENCE * 3


def test_a_tone_may_have_a_frequency() -> None:
    """`tone:600` differs from `tone`, so that a test can tell two phones apart."""
    assert said_by(read_phone({"says": "tone:600"}), 5) != said_by(read_phone({"says": "tone"}), 5)


def test_an_echo_says_what_it_heard_a_little_later() -> None:
    """What an echo hears comes back after 0.2 s."""
    voice = read_phone({"says": "echo"}).speech.voice()
    said = []
    for index in range(12):
        voice.heard(bytes([index]) * 160)
        said.append(voice.next_frame())
    assert said[:10] == [sound.SILENCE] * 10
    assert said[10:] == [bytes([0]) * 160, bytes([1]) * 160]


def test_a_wav_is_said_once(tmp_path: Path) -> None:
    """A WAV, as a path or as base64, is played once and then the person is silent."""
    tone = sound.tone(700, 0.04)
    wav = sound.to_wav(tone)
    path = tmp_path / "person.wav"
    path.write_bytes(wav)
    for says in (str(path), "data:audio/wav;base64," + base64.b64encode(wav).decode()):
        assert said_by(read_phone({"says": says}), 3) == tone + sound.SILENCE


def test_a_machine_greets_and_beeps_once() -> None:
    """A machine without words of its own says the greeting that comes with the lab, then listens."""
    frames = sound.frames(said_by(read_phone({"behavior": "machine"}), 500))
    assert sum(map(sound.is_loud, frames)) > 100
    assert not any(map(sound.is_loud, frames[-100:]))


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"behavior": "sleep"}, "behavior"),
        ({"answer_after_s": -1}, "answer_after_s"),
        ({"answer_after_s": "1"}, "answer_after_s"),
        ({"answer_after_s": True}, "answer_after_s"),
        ({"hangup_after_s": 1e9}, "hangup_after_s"),
        ({"says": "hello"}, "says"),
        ({"says": 5}, "says"),
        ({"says": "tone:9"}, "says"),
        ({"says": "tone:x"}, "says"),
        ({"says": "/nowhere/x.wav"}, "says"),
        ({"says": "/etc/passwd"}, "says"),
        ({"says": "data:audio/wav;base64,????"}, "says"),
        ({"says": "data:audio/wav;base64,AAAA"}, "says"),
        ({"dtmf": "12x"}, "dtmf"),
        ({"dtmf": 12}, "dtmf"),
        ({"colour": "red"}, "colour"),
        ([], "body"),
    ],
)
def test_wrong_words_are_refused_by_field(data: Any, field: str) -> None:
    """Every wrong value names its field and what would be right."""
    with pytest.raises(BadField) as caught:
        read_phone(data)
    assert caught.value.field == field
    assert caught.value.cure


def test_only_the_newest_sounds_are_kept() -> None:
    """A phone that is called often keeps the sound of its last calls, and the measures of all."""
    phone = Phone(number="+15550107001")
    for index in range(KEPT_RECORDINGS + 3):
        phone.keep(
            PhoneCall(
                carrier="fake",
                ref=str(index),
                number=phone.number,
                caller_id="",
                setup=phone.setup,
                state=CallState.ENDED,
                recording=Recording(0.0),
            )
        )
    assert len(phone.calls) == KEPT_RECORDINGS + 3
    assert [call.ref for call in phone.calls if call.recording] == ["3", "4", "5", "6", "7"]
    last, first = phone.recorded(), phone.recorded(0)
    assert (last and last.ref, first and first.ref, phone.recorded(9)) == ("7", "3", None)
