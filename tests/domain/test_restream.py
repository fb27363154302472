"""A leg that answered and has no stream, at a carrier that opens streams by command: told so, again, and not for ever."""

from gateway.domain.commands import HangUp, OpenStream
from gateway.domain.events import DialReported, DialSending, LegAnswered, LegEvent, StreamClosed, StreamFailed, StreamOpened
from gateway.domain.leg import step, want_hangup, watch
from gateway.domain.leg_step import LegStep
from gateway.domain.outcome import Knowledge
from gateway.domain.policy import Policy
from gateway.domain.records import Leg

POLICY = Policy(stream_start_s=5.0, answer_again_s=2.0)
OURS_DIED = StreamClosed(orphaned=True)


class Line:
    """One leg with a person on the line from second 1 on."""

    def __init__(self, *, by_command: bool = True) -> None:
        self.moved = LegStep(
            leg=Leg(
                id="leg_a",
                call_id="call_1",
                carrier="a",
                caller_id="+15550190001",
                media_token="t",
                round=1,
                created_at=0.0,
                streams_by_command=by_command,
            )
        )
        self.hears(0.0, DialSending(fence=1, deadline=8.0))
        self.hears(0.1, DialReported(knowledge=Knowledge.ACCEPTED, carrier_call_id="x"))
        self.hears(1.0, LegAnswered())

    def hears(self, now: float, event: LegEvent) -> "Line":
        self.moved = step(self.moved.leg, event, now, POLICY)
        return self

    def wakes(self) -> "Line":
        """Its timer fires, in time."""
        self.moved = watch(self.moved.leg, self.moved.leg.watch_at, POLICY)
        return self

    @property
    def turns(self) -> list[int]:
        """The orders of the last step."""
        return [command.turn for command in self.moved.commands if isinstance(command, OpenStream)]

    @property
    def given_up(self) -> bool:
        """Whether the last step asked for its end."""
        return any(isinstance(command, HangUp) for command in self.moved.commands)


def test_a_stream_that_died_with_our_process_is_ordered_anew_at_once() -> None:
    """The first order goes out with the news, and the leg is looked after soon."""
    line = Line().hears(1.1, StreamOpened()).hears(10.0, OURS_DIED)
    assert (line.turns, line.moved.leg.watch_at, line.given_up) == ([1], 12.0, False)


def test_orders_are_repeated_until_the_stream_has_been_missing_too_long() -> None:
    """At 10, 12 and 14 s; at 15 s nobody may be left in silence any longer, and the leg is ended."""
    line = Line().hears(1.1, StreamOpened()).hears(10.0, OURS_DIED)
    assert (line.wakes().turns, line.moved.leg.watch_at) == ([2], 14.0)
    assert (line.wakes().turns, line.moved.leg.watch_at) == ([3], 15.0)
    assert (line.wakes().turns, line.given_up) == ([], True)


def test_a_stream_that_comes_ends_the_asking() -> None:
    """And one that is lost later is ordered under a number that was never used."""
    line = Line().hears(1.1, StreamOpened()).hears(10.0, OURS_DIED).hears(10.5, StreamOpened())
    assert (line.turns, line.moved.leg.stream_open, line.moved.leg.orphaned) == ([], True, False)
    assert line.hears(100.0, OURS_DIED).turns == [2]
    assert line.moved.leg.watch_at == 102.0


def test_a_stream_that_never_began_is_ordered_once() -> None:
    """By the carrier's word that it failed, or without one when it is missing; the second failure ends the leg."""
    told = Line().hears(2.0, StreamFailed(reason="connection-failed"))
    assert (told.turns, told.moved.leg.watch_at) == ([1], 7.0)
    assert told.hears(2.5, StreamFailed(reason="connection-failed")).given_up
    silent = Line().wakes()
    assert (silent.turns, silent.moved.leg.watch_at) == ([1], 11.0)
    assert silent.wakes().given_up


def test_a_stream_that_somebody_ended_is_not_ordered_anew() -> None:
    """The carrier or the person closed it, or it broke in the middle of the talk."""
    for ended in (StreamClosed(), StreamClosed(by_agent=True), StreamFailed(reason="cut")):
        assert Line().hears(1.1, StreamOpened()).hears(10.0, ended).turns == []


def test_nor_is_one_of_a_leg_that_is_to_end() -> None:
    """Whoever wants it ended does not want it heard."""
    line = Line().hears(1.1, StreamOpened())
    line.moved = want_hangup(line.moved.leg, 9.0, POLICY)
    assert line.hears(10.0, OURS_DIED).turns == []


def test_a_carrier_that_asks_by_itself_is_told_nothing() -> None:
    """Its own question is answered with a document."""
    line = Line(by_command=False).hears(1.1, StreamOpened()).hears(10.0, OURS_DIED)
    assert (line.turns, line.moved.leg.watch_at) == ([], 15.0)
    assert line.wakes().given_up
