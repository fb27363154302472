"""What the demo prints is readable in 80 columns, without colours, and ready to paste."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from gateway.demo.paste import commands, edit, pages
from gateway.demo.recording import Hearing
from gateway.demo.telling import Teller, failed_over
from gateway.demo.witness import Finding

TITLES = {"twilio": "Twilio", "telnyx": "Telnyx", "plivo": "Plivo"}
LEG = {"carrier": "telnyx", "knowledge": "refused", "verdict": {"reason": "service-unavailable"}}
HEIR = {"carrier": "plivo", "from": "+15550190001"}
KEY = "demo-0123456789abcdef"


def _teller(width: int = 80) -> tuple[Teller, io.StringIO]:
    page = io.StringIO()
    return Teller(console=Console(file=page, width=width, highlight=False)), page


def test_a_failover_says_all_five_things_in_one_line_of_80_columns() -> None:
    """Carrier, reason, what was known, caller id, and the seconds until the next ring, unwrapped."""
    teller, page = _teller()
    teller.at(0.4, failed_over(LEG, HEIR, 0.2345, TITLES))
    assert page.getvalue() == " 0.4s  Telnyx service unavailable, refused → Plivo as +15550190001, ring in 0.2s\n"
    assert len(page.getvalue().rstrip("\n")) <= 80


@pytest.mark.parametrize(
    ("knowledge", "heir", "ring", "text"),
    [
        ("not_sent", HEIR, None, "Telnyx service unavailable, not sent → Plivo as +15550190001"),
        (None, None, None, "Telnyx service unavailable, not sent → no carrier is left"),
        ("unknown", HEIR, 7.0, "Telnyx service unavailable, fate unknown, given up → Plivo as +15550190001, ring in 7.0s"),
    ],
)
def test_a_failover_is_worded_by_what_is_known(
    knowledge: str | None, heir: dict[str, str] | None, ring: float | None, text: str
) -> None:
    """What was known of the attempt is in plain words; without a next carrier the line says so."""
    assert failed_over({**LEG, "knowledge": knowledge}, heir, ring, TITLES) == text


@pytest.mark.parametrize("width", [80, 120])
def test_sentences_wrap_under_themselves(width: int) -> None:
    """Nothing is wider than the terminal, and a second line begins where the first one's words do."""
    teller, page = _teller(width)
    teller.intro()
    teller.at(3.0, "a phone that rings and rings " * 8)
    lines = page.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert lines[-1][:7].isspace()
    assert not lines[-1][7].isspace()
    assert all(line == line.rstrip() for line in lines)


def test_a_pipe_gets_no_escape_sequences(capsys: pytest.CaptureFixture[str]) -> None:
    """Plain output holds text only, whatever is told."""
    teller = Teller(plain=True)
    teller.step(1, "A call", "Twilio is off the air")
    with teller.starting("the lab"):
        teller.started("lab", "http://127.0.0.1:4010", "phones", 1.0)
    teller.heard(Hearing(seconds=6.0, person_s=1.0, agent_s=3.0, answered_after_s=0.7))
    teller.summary("all held", ok=True)
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "Alex heard 3.0s of speech; the agent heard 1.0s and answered 0.7s later" in told


def test_no_color_is_obeyed_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR set a terminal gets no colours."""
    monkeypatch.setenv("NO_COLOR", "1")
    page = io.StringIO()
    Teller(console=Console(file=page, force_terminal=True, width=80)).problem("taken")
    assert "\x1b[31m" not in page.getvalue()


def test_a_step_that_failed_says_what_where_and_which_logs() -> None:
    """Expected, seen, and the logs' paths in one piece; what held is not listed."""
    teller, page = _teller()
    log = Path("/a/rather/long/path/that/is/wider/than/the/terminal/on/which/all/of/this/is/shown/gateway.log")
    held = Finding(expected="one dial", saw="once", ok=True)
    teller.verdict([held, Finding(expected="one ring", saw="no ring", ok=False)], "fine", [log])
    assert "expected: one ring; seen: no ring" in page.getvalue()
    assert str(log) in page.getvalue()
    assert "fine" not in page.getvalue()
    assert "one dial" not in page.getvalue()


def test_commands_are_printed_as_they_can_be_pasted() -> None:
    """Each command stands in the output exactly, key included, and continues only where a backslash says so."""
    teller, page = _teller(60)
    offered = commands("http://127.0.0.1:8080", "http://127.0.0.1:4010", KEY, "twilio", "Twilio")
    teller.commands(offered, "edit lines 1-2, run `holdline check`")
    for title, command in offered:
        assert f"# {title}\n{command}\n" in page.getvalue()
        assert all(line.endswith("\\") for line in command.splitlines()[:-1])
    assert sum(KEY in command for _, command in offered) == 2


def test_the_pages_are_named_with_the_key_that_opens_them() -> None:
    """Console and telephone, each address alone on its line; the console's key stands above it. They come last but for the
    two closing lines.
    """
    teller, page = _teller(60)
    shown = pages("http://127.0.0.1:8080", KEY)
    teller.commands((), "edit lines 1-2, run `holdline check`", shown)
    assert [address for _, address in shown] == ["http://127.0.0.1:8080/", "http://127.0.0.1:8080/phone"]
    for title, address in shown:
        assert f"# {title}\n{address}\n" in page.getvalue()
    assert KEY in shown[0][0]
    told = [line for line in page.getvalue().splitlines() if line]
    assert told[-3:-1] == [shown[-1][1], "Ctrl-C stops all of it."]


def test_the_last_line_names_the_lines_to_edit(tmp_path: Path) -> None:
    """The lines are those of the file at hand: the carriers from first to last, and public_url."""
    config = tmp_path / "config.yaml"
    config.write_text("# mine\ncarriers:\n  - name: a\n    credentials:\n      token: x\nserver:\n  public_url: http://h\n")
    assert edit(config) == (
        f"With your own account: edit lines 2-5 (your carriers) and line 7 (public_url) of {config}, run `holdline check`."
    )


def test_the_shipped_config_has_the_lines_that_are_named() -> None:
    """In the repository's own config.yaml the named lines begin with `carriers:` and hold `public_url:`."""
    config = Path(__file__).parents[2] / "config.yaml"
    words = edit(config)
    lines = config.read_text().splitlines()
    first = int(words.split("lines ")[1].split("-")[0])
    public_url = int(words.split("and line ")[1].split(" ")[0])
    assert lines[first - 1].startswith("carriers:")
    assert lines[public_url - 1].strip().startswith("public_url:")
