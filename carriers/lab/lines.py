"""Who sits at which phone: the clients of `/lab/phones/{number}/line`, one a phone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from carriers.lab.exchange import Exchange
from carriers.lab.fields import BadField, e164
from carriers.lab.network import PhoneNetwork
from carriers.lab.notices import LineNotice
from carriers.lab.phones import read_call
from carriers.lab.shell import Shell

T = TypeVar("T")

MAX_WAITING = 1000
"""Notices that a client who does not read may leave waiting: 20 s of sound; older ones are dropped."""


class Seat:
    """A client's place at a phone: notices come out of `notices`, deeds go in."""

    def __init__(self, number: str, exchange: Exchange, shell: Shell) -> None:
        self.number = number
        self.notices: asyncio.Queue[LineNotice] = asyncio.Queue(MAX_WAITING)
        self._exchange, self._shell = exchange, shell

    def sit(self, present: bool) -> None:
        """Take the phone, or leave it; leaving hangs up."""
        self._do(lambda network, now: network.attend(now, self.number, present))

    def answer(self) -> bool:
        """Pick up; False if it does not ring."""
        return self._do(lambda network, now: network.pick_up(now, self.number))

    def hang_up(self) -> bool:
        """Put down, or decline; False if there is no call."""
        return self._do(lambda network, now: network.put_down(now, self.number))

    def call(self, wish: dict[str, Any]) -> None:
        """Call one of our numbers: the fields of `POST /lab/phones/{number}/call`. Raise BadField for what is wrong."""
        plan = read_call(wish, self._exchange.network.phone(self.number).setup)
        self._shell.act(lambda now: self._exchange.place_call(now, self.number, plan))

    def press(self, digit: str) -> bool:
        """Press a key; False if there is no answered call."""
        return self._do(lambda network, _now: network.press(self.number, digit))

    def speak(self, mulaw: bytes) -> bool:
        """Say something; False if there is nobody to hear it."""
        return self._do(lambda network, _now: network.speak(self.number, mulaw))

    def _do(self, deed: Callable[[PhoneNetwork, float], T]) -> T:
        return self._shell.act(lambda now: self._exchange.as_people(now, deed))


class Lines:
    """All seats of a lab; the shell's notices are handed to the right one."""

    def __init__(self, exchange: Exchange, shell: Shell) -> None:
        self._exchange, self._shell = exchange, shell
        self._seats: dict[str, Seat] = {}
        shell.on_line = self._hand_on

    @asynccontextmanager
    async def take(self, number: str) -> AsyncIterator[Seat]:
        """Be that phone for as long as the context lasts; raise BadField if somebody else is."""
        known = e164(number)
        if known in self._seats:
            raise BadField("number", f"somebody is at the line of {known} already; one client a phone", code="conflict")
        seat = self._seats[known] = Seat(known, self._exchange, self._shell)
        seat.sit(True)
        try:
            yield seat
        finally:
            del self._seats[known]
            seat.sit(False)

    def _hand_on(self, notice: LineNotice) -> None:
        seat = self._seats.get(notice.number)
        if seat is None:
            return
        if seat.notices.full():
            seat.notices.get_nowait()  # the oldest sound goes, as on any live line
        seat.notices.put_nowait(notice)
