"""A carrier's media server on one call: clips, joins, streams and recorders, tick by tick."""

import io
import struct
import wave
from typing import Any

import pytest

from carriers.lab import sound
from carriers.lab.call_audio import CallAudio
from carriers.lab.call_recorder import FULL, QUIET, CallRecorder
from carriers.lab.greetings import BEEP_S, PAUSE_BEFORE_BEEP_S, greeting_of
from carriers.lab.phones import read_phone
from carriers.lab.says import builtin
from carriers.lab.sound import FRAME, SILENCE
from carriers.lab.speaking import spoken


def frame(mark: int) -> bytes:
    """A frame that is told from all others."""
    return bytes([mark]) * FRAME


LOUD = sound.tone(800, 0.02)


class Wires:
    """The network as far as sound goes: what each person says, and what they heard."""

    def __init__(self) -> None:
        self.says: dict[str, bytes] = {}
        self.heard: dict[str, list[bytes]] = {}

    def say(self, carrier: str, ref: str) -> bytes:
        return self.says.get(ref, SILENCE)

    def hear(self, carrier: str, ref: str, frame: bytes) -> None:
        self.heard.setdefault(ref, []).append(frame)

    def call(self, ref: str) -> CallAudio:
        network: Any = self
        return CallAudio(network, "fake", ref)


@pytest.fixture
def wires() -> Wires:
    """Two silent people."""
    return Wires()


def test_a_call_without_anything_hears_silence_and_wants_no_ticks(wires: Wires) -> None:
    """The person hears silence each tick, and what they say comes back for the stream."""
    call = wires.call("a")
    wires.says["a"] = LOUD
    assert call.tick().said == LOUD
    assert (wires.heard["a"], call.busy) == ([SILENCE], False)


def test_clips_are_played_in_order_and_named_when_they_end(wires: Wires) -> None:
    """Each key comes with the tick of its last frame; an odd end is filled up with silence."""
    call = wires.call("a")
    call.play(frame(1) + frame(2), "one")
    call.play(b"\x03" * 10, "two")
    assert [call.tick().played for _ in range(4)] == [(), ("one",), ("two",), ()]
    assert wires.heard["a"] == [frame(1), frame(2), b"\x03" * 10 + SILENCE[10:], SILENCE]
    assert (call.playing, call.busy) == (False, False)


def test_an_empty_clip_ends_at_once(wires: Wires) -> None:
    """Sound of no length keeps nobody waiting and hides nothing behind it."""
    call = wires.call("a")
    call.play(b"", "nothing")
    call.play(frame(1), "something")
    assert call.tick().played == ("nothing", "something")
    assert wires.heard["a"] == [frame(1)]


def test_stopping_names_what_was_not_played(wires: Wires) -> None:
    """All clips are dropped, their keys are given back in order."""
    call = wires.call("a")
    call.play(frame(1), "one")
    call.play(frame(2), "two")
    assert call.stop() == ("one", "two")
    assert (call.tick().played, wires.heard["a"]) == ((), [SILENCE])


def test_a_clip_covers_the_stream_whose_clock_runs_on(wires: Wires) -> None:
    """While a clip is heard the stream's playback goes on unheard; afterwards it is where it would have been."""
    call, streamed = wires.call("a"), iter([frame(1), frame(2), frame(3)])
    call.playback = lambda: next(streamed)
    call.play(frame(9), "clip")
    for _ in range(3):
        call.tick()
    assert wires.heard["a"] == [frame(9), frame(2), frame(3)]
    assert call.busy is True


def test_joined_calls_hear_each_other_until_they_part(wires: Wires) -> None:
    """Each hears what the other said, one tick late at most; parted, both hear silence."""
    one, two = wires.call("a"), wires.call("b")
    wires.says = {"a": frame(1), "b": frame(2)}
    one.join(two)
    for _ in range(2):
        one.tick()
        two.tick()
    assert (wires.heard["a"][-1], wires.heard["b"]) == (frame(2), [frame(1), frame(1)])
    one.part()
    one.tick()
    two.tick()
    assert (wires.heard["a"][-1], wires.heard["b"][-1], one.partner, two.partner) == (SILENCE, SILENCE, None, None)


def test_a_new_join_undoes_the_old_one(wires: Wires) -> None:
    """A call that is joined with a third leaves its partner alone."""
    one, two, three = wires.call("a"), wires.call("b"), wires.call("c")
    one.join(two)
    one.join(three)
    assert (one.partner, two.partner, three.partner) == (three, None, one)
    two.part()
    assert one.partner is three


def test_a_muted_person_is_heard_by_nobody(wires: Wires) -> None:
    """Muted, neither partner nor stream nor recorder gets their sound; they still hear."""
    one, two, recorder = wires.call("a"), wires.call("b"), CallRecorder("r")
    wires.says = {"a": LOUD, "b": LOUD}
    one.join(two)
    one.muted = True
    one.recorders.append(recorder)
    two.tick()
    assert one.tick().said == SILENCE
    two.tick()
    assert wires.heard["b"] == [SILENCE, SILENCE]
    assert wires.heard["a"] == [LOUD]
    assert bytes(recorder.said) == SILENCE


def test_a_recorder_ends_when_it_is_full(wires: Wires) -> None:
    """After its length it is handed back with the reason and takes no more."""
    call, recorder = wires.call("a"), CallRecorder("r", max_s=0.06)
    call.recorders.append(recorder)
    ends = [call.tick().recorded for _ in range(4)]
    assert ends == [(), (), ((recorder, FULL),), ()]
    assert (recorder.seconds, call.busy) == (pytest.approx(0.06), False)


def test_a_recorder_ends_after_silence_of_the_person(wires: Wires) -> None:
    """Silence counts at a stretch, of the person alone: what the other side says does not matter."""
    recorder = CallRecorder("r", quiet_s=0.06)
    reasons = [recorder.add(said, LOUD) for said in (SILENCE, SILENCE, LOUD, SILENCE, SILENCE, SILENCE)]
    assert reasons == ["", "", "", "", "", QUIET]


def test_a_paused_recorder_leaves_the_pause_out() -> None:
    """Nothing is kept and nothing counted while it is paused."""
    recorder = CallRecorder("r", max_s=0.04)
    recorder.add(frame(1), SILENCE)
    recorder.paused = True
    assert recorder.add(frame(2), SILENCE) == ""
    recorder.paused = False
    assert recorder.add(frame(3), SILENCE) == FULL
    assert bytes(recorder.said) == frame(1) + frame(3)


def test_trimming_drops_silence_at_both_ends() -> None:
    """Both tracks lose what is before the first and after the last word; silence between stays; nothing said leaves nothing."""
    recorder, empty = CallRecorder("r"), CallRecorder("e")
    for said, heard in ((SILENCE, frame(1)), (LOUD, frame(2)), (SILENCE, frame(3)), (LOUD, frame(4)), (SILENCE, frame(5))):
        recorder.add(said, heard)
        empty.add(SILENCE, heard)
    recorder.trim()
    empty.trim()
    assert bytes(recorder.said) == LOUD + SILENCE + LOUD
    assert bytes(recorder.heard) == frame(2) + frame(3) + frame(4)
    assert (empty.seconds, len(empty.wav()) > 40) == (0, True)


def samples(wav: bytes) -> tuple[int, tuple[int, ...]]:
    """Channels and samples of a WAV file."""
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getframerate(), file.getsampwidth()) == (8000, 2)
        count = file.getnframes() * file.getnchannels()
        return file.getnchannels(), struct.unpack(f"<{count}h", file.readframes(file.getnframes()))


def test_a_recording_is_mixed_dual_or_one_sided() -> None:
    """One channel with the sum of both, clipped; two channels apart; or the person alone."""
    person, other = 0x10, 0x8F
    levels = sound.EXPANDED[person], sound.EXPANDED[other]
    both, alone = CallRecorder("b"), CallRecorder("a", both=False)
    for recorder in (both, alone):
        recorder.add(frame(person), frame(other))
    channels, left_right = samples(both.wav(dual=True))
    assert (channels, set(left_right[0::2]), set(left_right[1::2])) == (2, {levels[0]}, {levels[1]})
    assert samples(alone.wav())[1][:1] == (levels[0],)
    (mixed,) = set(samples(both.wav())[1])
    assert mixed == pytest.approx(sum(levels), abs=abs(sum(levels)) / 16 + 16)
    loud = CallRecorder("l")
    loud.add(frame(0x80), frame(0x80))
    assert set(samples(loud.wav())[1]) == {sound.EXPANDED[0x80]}


def test_text_is_spoken_as_long_as_it_takes() -> None:
    """Fifteen characters a second, never less than 0.2 s, always loud enough to be heard; no letters, no sound."""
    assert len(spoken("x" * 45)) == 3 * sound.RATE
    assert len(spoken("Hi")) == 1600
    assert (spoken(""), spoken(" ... ")) == (b"", b"")
    assert any(map(sound.is_loud, sound.frames(spoken("Hi"))))
    assert len(spoken("long " * 300)) == 100 * sound.RATE


@pytest.mark.parametrize(
    ("setup", "machine", "beeps"),
    [({}, False, False), ({"says": "tone"}, False, False), ({"behavior": "machine"}, True, True)],
)
def test_phones_greet_as_they_are(setup: dict[str, Any], machine: bool, beeps: bool) -> None:
    """A person's hello is short and has no beep; a machine's greeting ends with one."""
    greeting = greeting_of(read_phone(setup))
    assert greeting is not None
    assert (greeting.machine, greeting.beep_s is not None, greeting.ends_s < 2) == (machine, beeps, not machine)


def test_silent_phones_and_machines_with_words_of_their_own(tmp_path: Any) -> None:
    """A phone that says nothing cannot be told apart; a machine with a WAV has no beep but its own sound's end."""
    assert greeting_of(read_phone({"says": "silence"})) is None
    path = tmp_path / "greeting.wav"
    path.write_bytes(sound.to_wav(sound.tone(500, 3.0)))
    greeting = greeting_of(read_phone({"behavior": "machine", "says": str(path)}))
    assert greeting is not None
    assert (greeting.machine, greeting.ends_s, greeting.beep_s) == (True, pytest.approx(3.0), None)


def test_the_machines_sound_is_what_the_greeting_says() -> None:
    """Speech up to the end that is told, a pause, and a beep that lasts to the beep's end."""
    greeting = greeting_of(read_phone({"behavior": "machine"}))
    assert greeting is not None
    assert greeting.beep_s is not None
    loud = [sound.is_loud(one) for one in sound.frames(builtin("machine"))]
    ends, beeps = int(greeting.ends_s * 50), int((greeting.beep_s - BEEP_S) * 50)
    assert beeps - ends == int(PAUSE_BEFORE_BEEP_S * 50)
    assert not any(loud[ends + 2 : beeps - 2])
    assert all(loud[beeps + 2 : -2])
    assert any(loud[ends - 25 : ends])
