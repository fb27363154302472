"""The lab's Twilio: Say, Play, Pause, keys, and Gather."""

import pytest

from carriers.lab.contract import Fetch, WebhookReply
from carriers.lab.sound import to_wav, tone

SOUND = tone(500, 1.0)
END = "<Pause length='60'/>"


def response(verbs: str) -> str:
    return f"<Response>{verbs}</Response>"


def keys(world) -> list[str]:
    return [what for act, _, what in world.network_acts if act == "keys"]


def test_say_is_heard(world) -> None:
    """The person hears speech for as long as the text takes, then silence."""
    world.answered_call(response("<Say>Hello, how can I help you?</Say>" + END))
    world.pass_time(1)
    assert b"".join(world.heard).strip(b"\xff")
    world.pass_time(1)
    world.heard.clear()
    world.pass_time(1)
    assert world.heard == []


def test_say_in_a_loop(world) -> None:
    """`loop` repeats the text."""
    sid = world.answered_call(response('<Say loop="3">Hello, how can I help?!</Say>'))
    world.pass_time(4.4)
    assert world.status(sid) == "in-progress"
    world.pass_time(0.5)
    assert world.status(sid) == "completed"


def test_play_fetches_and_plays(world) -> None:
    """A WAV file is fetched (relative to the document) and played as it is."""
    sid = world.answered_call(response('<Play loop="2">tone.wav</Play>'))
    assert world.of(Fetch)[-1].url == "http://gw.test/tone.wav"
    world.fetched(to_wav(SOUND))
    world.pass_time(0.5)
    assert b"".join(world.heard[:20]).strip(b"\xff")
    world.pass_time(1.4)
    assert world.status(sid) == "in-progress"
    world.pass_time(0.3)
    assert world.status(sid) == "completed"


def test_other_formats_are_loud(world) -> None:
    """What is no WAV is refused by name in the ledger, and the document has failed."""
    world.answered_call(response("<Play>song.mp3</Play>"), FallbackUrl="http://gw.test/fallback")
    world.fetched(b"ID3 something")
    assert "not simulated" in world.refused[0]["detail"]
    assert world.asked[-1][0] == "/fallback"


def test_late_file_means_nothing(world) -> None:
    """A file that comes after new instructions is not played."""
    sid = world.answered_call(response("<Play>tone.wav</Play>"))
    world.api("POST", f"/Calls/{sid}.json", {"Twiml": response(END)})
    world.fetched(to_wav(SOUND))
    world.pass_time(1)
    assert world.heard == []


def test_play_digits(world) -> None:
    """Keys are pressed one after the other; `w` and `W` wait."""
    sid = world.answered_call(response('<Play digits="1w2W#"/>'))
    assert keys(world) == ["1"]
    world.pass_time(0.6)
    assert keys(world) == ["1"]
    world.pass_time(0.2)
    assert keys(world) == ["1", "2"]
    world.pass_time(2)
    assert keys(world) == ["1", "2", "#"]
    assert world.status(sid) == "completed"


def test_send_digits(world) -> None:
    """SendDigits are pressed after the answer, before any document."""
    world.answered_call("", SendDigits="ww42", Url=None, Twiml=response(END))
    assert keys(world) == []
    world.pass_time(1)
    assert keys(world) == ["4"]
    world.pass_time(1)
    assert keys(world) == ["4", "2"]


# --- Gather --------------------------------------------------------------------------------------------------------


GATHER = '<Gather numDigits="3" timeout="4" action="http://gw.test/keys"><Say>Type three digits, please.</Say></Gather>'
BEHIND = "<Redirect>http://gw.test/behind</Redirect>"


def press(world, sid: str, digits: str) -> None:
    for digit in digits:
        world.phone(sid, "digit", digit=digit)


def test_gather_to_the_last_digit(world) -> None:
    """The action is asked when numDigits have come."""
    sid = world.answered_call(response(GATHER + BEHIND))
    press(world, sid, "12")
    assert world.asked[-1][0] == "/answer"
    press(world, sid, "3")
    path, fields = world.asked[-1]
    assert (path, fields["Digits"], fields["FinishedOnKey"]) == ("/keys", "123", "")


def test_first_key_silences_the_prompt(world) -> None:
    """After the first key the prompt is not heard any more."""
    sid = world.answered_call(response(GATHER + BEHIND))
    world.pass_time(0.2)
    assert world.heard
    press(world, sid, "1")
    world.heard.clear()
    world.pass_time(1)
    assert world.heard == []


def test_finish_key(world) -> None:
    """`#` ends the input and is not part of it; the action is told which key it was."""
    sid = world.answered_call(response(GATHER + BEHIND))
    press(world, sid, "1#")
    path, fields = world.asked[-1]
    assert (path, fields["Digits"], fields["FinishedOnKey"]) == ("/keys", "1", "#")


def test_finish_key_of_ones_own(world) -> None:
    """With another finishOnKey `#` is a digit; with none at all every key is."""
    sid = world.answered_call(response('<Gather finishOnKey="*" action="http://gw.test/keys"/>'))
    press(world, sid, "1#*")
    assert world.asked[-1][1]["Digits"] == "1#"
    other = world.answered_call(response('<Gather finishOnKey="" numDigits="2" action="http://gw.test/keys"/>'))
    press(world, other, "#*")
    assert world.asked[-1][1]["Digits"] == "#*"


def test_time_runs_from_the_last_key(world) -> None:
    """What was typed is sent when no further key comes for `timeout` seconds."""
    sid = world.answered_call(response(GATHER + BEHIND))
    press(world, sid, "1")
    world.pass_time(3)
    press(world, sid, "2")
    world.pass_time(3.9)
    assert world.asked[-1][0] == "/answer"
    world.pass_time(0.2)
    assert world.asked[-1][1]["Digits"] == "12"


@pytest.mark.parametrize(("attribute", "path"), [("", "/behind"), ('actionOnEmptyResult="true" ', "/keys")])
def test_no_key_at_all(world, attribute: str, path: str) -> None:
    """Without input the document goes on after prompt and time-out, unless actionOnEmptyResult asks otherwise."""
    world.answered_call(response(GATHER.replace("<Gather ", f"<Gather {attribute}") + BEHIND))
    world.pass_time(5.5)
    assert world.asked[-1][0] == "/answer"
    world.pass_time(0.4)
    assert world.asked[-1][0] == path


def test_gather_without_action_asks_its_own_document_again(world) -> None:
    """The default action is the URL of the document itself."""
    sid = world.answered_call(response('<Gather numDigits="1"/>'))
    press(world, sid, "9")
    path, fields = world.asked[-1]
    assert (path, fields["Digits"]) == ("/answer", "9")


def test_gather_plays_files_and_pauses(world) -> None:
    """Prompts of all three kinds run in order inside a Gather."""
    document = '<Gather timeout="2"><Pause length="1"/><Play>tone.wav</Play><Say>Now.</Say></Gather>'
    sid = world.answered_call(response(document))
    assert world.of(Fetch) == []
    world.pass_time(1.1)
    world.fetched(to_wav(SOUND))
    world.pass_time(3.0)
    assert world.status(sid) == "in-progress"
    world.pass_time(1)
    assert world.status(sid) == "completed"


def test_a_key_ends_what_the_prompt_waited_for(world) -> None:
    """After the first key neither a pause that is over nor a file that comes lets the time-out begin anew."""
    for prompt in ('<Pause length="3"/>', "<Play>tone.wav</Play>"):
        sid = world.answered_call(response(f'<Gather timeout="4" action="/keys">{prompt}</Gather>'))
        world.pass_time(1)
        world.phone(sid, "digit", digit="7")
        world.pass_time(2.5)
        for wish in world.of(Fetch):
            world.sim.on_fetched(world.now, wish.id, WebhookReply(status=404))
        world.pass_time(1.6)
        assert world.told("/keys")[-1] | {"Digits": "7"} == world.told("/keys")[-1]
        assert world.told("/keys")[-1]["CallSid"] == sid
