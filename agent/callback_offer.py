"""The agent that offers to call back: "press one". It promises nothing itself: it says what it is told has been promised.

OFFERING --1, or long enough without a key--> ASKING --promised, or not--> LEAVING
    +----long enough, and no default--------------------------------------> LEAVING
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from agent.contract import CallInfo, Line
from agent.patience import Patience
from agent.speech import sentence
from gateway.domain.media import MULAW_8K

KEY = "1"
WAIT_S = 8.0
"""How long the offer stands, where silence does not mean yes."""
OFFER, PROMISED, BY_DEFAULT, REFUSED, GOODBYE = (
    "callback-offer",
    "callback-promised",
    "callback-by-default",
    "callback-refused",
    "sorry-goodbye",
)

LOST_CONTEXT = "lost_context"
"""In an offer's context."""

Ask = Callable[[CallInfo, Callable[[bool], None]], None]
"""(call, told): promise the callback; `told` is called later, once, with whether it stands."""


class Mood(StrEnum):
    """Where the conversation is."""

    OFFERING = "offering"
    ASKING = "asking"
    LEAVING = "leaving"


class CallbackOfferSession:
    """One offer. In its context: `by_default_after_s`, if silence means yes, the mood, and what the lost agent knew, which is
    what the agent that calls back is to be told.
    """

    format = MULAW_8K

    def __init__(self, call: CallInfo, ask: Ask) -> None:
        self._call, self._ask = call, ask
        self._known = next((dict(one.context) for one in reversed(call.lost) if one.context), {})
        self._patience = Patience()
        self.mood = Mood.OFFERING
        self._by_default_after_s: float | None = None
        self._last_word = ""
        self._line: Line | None = None

    async def start(self, line: Line) -> None:
        self._line = line

    def on_answer(self) -> None:
        self._speak()

    def on_audio(self, frame: bytes) -> None:
        self._patience.frame()
        self._wait()

    def on_digit(self, digit: str) -> None:
        if self.mood is not Mood.OFFERING:
            return
        if digit == KEY:
            self._promise(PROMISED)
        else:
            self._patience.begin(self._phone, OFFER)

    def on_mark(self, name: str) -> None:
        self._patience.mark(name)
        self._wait()

    def on_line_lost(self) -> None:
        self._patience.stop()

    def on_line_back(self) -> None:
        self._speak()

    def context(self) -> dict[str, Any]:
        kept: dict[str, Any] = {"mood": self.mood.value, "word": self._last_word, LOST_CONTEXT: self._known}
        default = self._by_default_after_s
        return kept if default is None else {**kept, "by_default_after_s": default}

    def resume(self, context: Mapping[str, Any]) -> None:
        """Asked in another process and not answered there: it is asked again, which gives the same promise."""
        self.mood = Mood(context.get("mood", Mood.OFFERING))
        self._last_word = str(context.get("word", ""))
        self._known = self._known or dict(context.get(LOST_CONTEXT, {}))
        default = context.get("by_default_after_s")
        self._by_default_after_s = None if default is None else float(default)

    async def close(self) -> None:
        self._line = None

    # --- what it does ---

    @property
    def _phone(self) -> Line:
        assert self._line is not None, "the bridge starts a session before it tells it anything"
        return self._line

    def _speak(self) -> None:
        if self.mood is Mood.LEAVING:
            self._leave(self._last_word)
        elif self.mood is Mood.ASKING:
            self._promise(self._last_word)
        else:
            self._patience.begin(self._phone, OFFER)

    def _wait(self) -> None:
        default = self._by_default_after_s
        if self.mood is not Mood.OFFERING or self._patience.waited_s < (WAIT_S if default is None else default):
            return
        if default is None:
            self._leave(GOODBYE)
        else:
            self._promise(BY_DEFAULT)

    def _promise(self, word: str) -> None:
        self.mood, self._last_word = Mood.ASKING, word
        self._patience.begin(self._phone)
        self._ask(self._call, self._told)

    def _told(self, promised: bool) -> None:
        if self._line is not None and self.mood is Mood.ASKING:
            self._leave(self._last_word if promised else REFUSED)

    def _leave(self, word: str) -> None:
        self.mood, self._last_word = Mood.LEAVING, word
        self._patience.stop()
        self._phone.play(sentence(word))
        self._phone.hang_up()


class CallbackOffer:
    """`agent.contract.Agent`."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def session(self, call: CallInfo) -> CallbackOfferSession:
        return CallbackOfferSession(call, self._ask)
