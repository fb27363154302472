"""The voicemail's settings: what is refused, and which greetings can be spoken."""

import wave
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.speech import sentence
from gateway.config.crosschecks import route_references
from gateway.config.greeting import LONGEST_S, NoGreeting, greeting_sound
from gateway.config.voicemail_checks import voicemail

SHIPPED = Path(__file__).parents[2] / "config.yaml"


def write_wav(path: Path, seconds: float, rate: int = 8000, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(b"\x10" * (width * channels * int(seconds * rate)))
    return path


def test_the_default_is_one_of_our_sentences() -> None:
    """Nothing has to be recorded before the first call."""
    assert greeting_sound("voicemail-greeting") == sentence("voicemail-greeting")
    assert list(voicemail({})) == list(voicemail(yaml.safe_load(SHIPPED.read_text()))) == []


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16000, 1), (44100, 2)])
def test_a_wav_file_is_brought_to_the_telephones_format(tmp_path: Path, rate: int, channels: int) -> None:
    """Any rate, the first channel."""
    sound = greeting_sound(str(write_wav(tmp_path / "hello.wav", 2.0, rate, channels)))
    assert len(sound) == pytest.approx(16_000, abs=2)
    assert sound[8000] != 0xFF


def test_raw_mulaw_is_taken_as_it_is(tmp_path: Path) -> None:
    """For who has it already."""
    (tmp_path / "hello.ulaw").write_bytes(b"\x11" * 900)
    assert greeting_sound(str(tmp_path / "hello.ulaw")) == b"\x11" * 900


def test_what_cannot_be_spoken_is_refused(tmp_path: Path) -> None:
    """No file, no sound, too much of it, another format: each by its own words, with key and cure."""
    (tmp_path / "page.wav").write_text("<html>")
    (tmp_path / "empty.ulaw").write_bytes(b"")
    wrong = {
        "no-such-sentence": "neither",
        str(tmp_path / "none.wav"): "No such file",
        str(tmp_path / "page.wav"): "no PCM WAV",
        str(tmp_path / "empty.ulaw"): "0 s",
        str(write_wav(tmp_path / "long.wav", LONGEST_S + 2)): "61 s",
        str(write_wav(tmp_path / "bytes.wav", 1.0, width=1)): "8-bit",
        str(tmp_path / "hello.mp3"): "neither",
    }
    for name, why in wrong.items():
        with pytest.raises(NoGreeting, match=why):
            greeting_sound(name)
        (problem,) = voicemail({"voicemail": {"greeting": name}})
        assert (problem.path, why in problem.found, ".wav" in problem.allowed) == ("voicemail.greeting", True, True)


def test_one_message_must_fit_the_directory() -> None:
    """A limit on the disk that no message of full length meets would turn every caller away."""
    (problem,) = voicemail({"voicemail": {"max_message_s": 180}, "storage": {"max_total_mb": 1}})
    assert (problem.path, "storage.max_total_mb" in problem.allowed) == ("voicemail.max_message_s", True)
    assert list(voicemail({"voicemail": {"max_message_s": 120}, "storage": {"max_total_mb": 1}})) == []


@pytest.mark.parametrize(
    "document", [None, [], {"voicemail": 3}, {"voicemail": {"greeting": 1, "max_message_s": "x"}, "storage": []}]
)
def test_any_shape_is_borne(document: Any) -> None:
    """The shape is complained of elsewhere."""
    assert list(voicemail(document)) == []


def test_a_route_may_name_the_voicemail() -> None:
    """It stands in no list of agents; a name that nobody bears is refused as before."""
    known = {"agents": [{"name": "bot"}], "routes": [{"agent": "voicemail"}, {"agent": "voicemial"}]}
    (problem,) = route_references(known)
    assert problem.path == "routes[1].agent"
    assert "voicemail" in problem.allowed
