"""The agents of a call that is handed to a colleague: one has the caller's line, the other the colleague's, until both meet.

They decide nothing: whoever brings people together (`Switchboard`) tells each what to say, and who it is that the other
one talks with. From then on what one person says is what the other one hears, frame by frame as it came, and keys too.
While one of the two is off the line for a moment, the other one hears that they wait.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from agent.contract import CallInfo, Line
from agent.patience import SOUND, Patience
from agent.speech import sentence
from gateway.domain.media import MULAW_8K

RINGING = "ringing"
TAKE = "1"
"""The key with which a colleague takes the call."""


@runtime_checkable
class LiveLine(Protocol):
    """A line that knows what is spoken now from what is recorded, as the gateway's own do."""

    def relay(self, frame: bytes) -> None:
        """As `Line.play`; thrown away rather than heard late."""
        ...


class Switchboard(Protocol):
    """Brings people together. Called in the event loop; none of it may block."""

    def joined(self, party: "Party") -> None:
        """Its session has started; nobody may be on the line yet."""
        ...

    def arrived(self, party: "Party") -> None:
        """Somebody is on the line (again): say what they are to hear."""
        ...

    def pressed(self, party: "Party", key: str) -> None:
        """A key, by somebody who talks with nobody yet."""
        ...

    def heard(self, party: "Party") -> None:
        """The sentence of the last `wait` was heard to its end."""
        ...

    def left(self, party: "Party") -> None:
        """Its session is closed."""
        ...


class Party:
    """`agent.contract.AgentSession`: one of the two people. `kept` travels in its context, untouched."""

    format = MULAW_8K

    def __init__(self, call: CallInfo, board: Switchboard) -> None:
        self.call = call
        self.kept: dict[str, Any] = {}
        self.on_line = False
        self.other: Party | None = None
        """Whom it talks with."""
        self._board = board
        self._patience = Patience()
        self._awaited = ""
        self._line: Line | None = None
        self._relay: Callable[[bytes], None] = _unheard

    # --- what the bridge tells it ---

    async def start(self, line: Line) -> None:
        self._line = line
        self._relay = line.relay if isinstance(line, LiveLine) else line.play
        self._board.joined(self)

    def on_answer(self) -> None:
        self.on_line = True
        self._board.arrived(self)
        self._changed()

    def on_audio(self, frame: bytes) -> None:
        if self.other is not None:
            self.other.hear(frame)
        self._was_heard(self._patience.frame())

    def on_digit(self, digit: str) -> None:
        if self.other is None:
            self._board.pressed(self, digit)
        else:
            self.other.hear_key(digit)

    def on_mark(self, name: str) -> None:
        self._was_heard(self._patience.mark(name))

    def on_line_lost(self) -> None:
        self.on_line = False
        self._patience.stop()
        self._changed()

    def on_line_back(self) -> None:
        self.on_answer()

    def context(self) -> dict[str, Any]:
        return dict(self.kept)

    def resume(self, context: Mapping[str, Any]) -> None:
        self.kept = dict(context)

    async def close(self) -> None:
        self._line = None
        self.on_line = False
        self.part()
        self._board.left(self)

    # --- what the switchboard tells it ---

    def wait(self, *sentences: str, sound: str = SOUND) -> None:
        """Say these, and let the sound be heard until something else is wanted."""
        if self._line is None or not self.on_line:
            return
        self._awaited = sentences[-1] if sentences else ""
        self._patience.begin(self._line, *sentences, sound=sound)

    def meet(self, other: "Party") -> None:
        """Each hears the other from here on."""
        for one, two in ((self, other), (other, self)):
            one.other = two
        self._changed()

    def part(self) -> None:
        """They talk no more: the other one waits."""
        other, self.other = self.other, None
        if other is not None and other.other is self:
            other.other = None
            other.wait()

    def leave(self, word: str) -> None:
        """Say it, and end the call."""
        self.part()
        self._patience.stop()
        if self._line is not None:
            self._line.play(sentence(word))
            self._line.hang_up()

    # --- what the other one says ---

    def hear(self, frame: bytes) -> None:
        """20 ms of their sound. Nothing of it is kept for somebody who is off the line."""
        if self.on_line:
            self._relay(frame)

    def hear_key(self, digit: str) -> None:
        """As a tone."""
        if self._line is not None and self.on_line:
            self._line.send_digits(digit)

    # --- inside ---

    def _changed(self) -> None:
        """One of two who talk came or went: who is left alone hears that they wait, and who is not hears the other."""
        if self.other is None:
            return
        together = self.on_line and self.other.on_line
        for one in (self, self.other):
            if together:
                one.stop_waiting()
            else:
                one.wait()

    def stop_waiting(self) -> None:
        """Be silent, that the other one may be heard."""
        self._awaited = ""
        self._patience.stop()

    def _was_heard(self, name: str) -> None:
        if name and name == self._awaited:
            self._awaited = ""
            self._board.heard(self)


def _unheard(_frame: bytes) -> None:
    """Before the start."""


class Handover:
    """`agent.contract.Agent`, of both sides."""

    def __init__(self, board: Callable[[], Switchboard]) -> None:
        self._board = board

    def session(self, call: CallInfo) -> Party:
        return Party(call, self._board())
