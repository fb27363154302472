"""Brings a caller and a colleague together: who has whom on the line, and what ends when one of them goes.

    caller waits --the colleague is called--> whispered to --takes the call--> both talk --either hangs up--> both calls end
         +-----nobody answers, or takes it, or the line breaks------> a word, and the next rung of the ladder

Both sessions live in this process (`Colleagues.place`). What is written of the two calls decides, so that a process that
takes the caller's session over finds out where things stand; news of them is taken at once, and asked for every second
besides, since another process may have written it.
"""

import asyncio
from contextlib import suppress

import structlog

from agent.handover import RINGING, TAKE, Party
from gateway.domain.errors import StoreUnavailable
from gateway.domain.events import HandedOver
from gateway.domain.handover import COLLEAGUE, LONGEST_DIALLING_S, Whisper, ends_the_caller, taken, why_not_reached
from gateway.domain.ladder import Rung, RungKind
from gateway.domain.records import Call
from gateway.runtime.calls import News
from gateway.runtime.casting import Gone
from gateway.runtime.clock import Clock
from gateway.runtime.colleagues import Colleagues, NotDialled
from gateway.runtime.errands import Errands
from gateway.runtime.ladder import Ladder

log = structlog.get_logger(__name__)

KEY_WAIT_S = 8.0
"""So long a colleague may think about it."""
ALONE_S = 10.0
"""So long a colleague whose caller's process died waits for the caller to come here."""
LOOK_EVERY_S = 1.0
_WORD_S = 5.0
"""No last word takes longer."""
_NO_RUNG, _NO_KEY, _NO_ANSWER, _LOST = "no-such-rung", "colleague-took-no-call", "colleague-no-answer", "colleague-lost"


class Pair:
    """One caller, and the colleague who is to have them."""

    def __init__(self, caller: Party) -> None:
        self.caller_id = caller.call.call_id
        self.caller: Party | None = caller
        self.colleague: Party | None = None
        self.linked_id = ""
        self.rung: Rung | None = None
        self.arrived_at: float | None = None
        """When the colleague was on the line first."""
        self.taken = self.written = False
        self.over = False
        """The caller goes on down the ladder: who takes the call now is too late."""
        self.news, self.said = asyncio.Event(), asyncio.Event()

    def meet(self) -> None:
        """They talk; who is here alone hears that they wait."""
        self.taken = True
        caller, colleague = self.caller, self.colleague
        if caller is not None and colleague is not None:
            if caller.other is not colleague:
                caller.meet(colleague)
            return
        for party in (caller, colleague):
            if party is not None:
                party.wait()


class Handovers:
    """`agent.handover.Switchboard`, and an observer of commits."""

    def __init__(self, ladder: Ladder, colleagues: Colleagues, clock: Clock) -> None:
        self._ladder, self._colleagues, self._clock = ladder, colleagues, clock
        self._pairs: dict[str, Pair] = {}
        """By the caller's call."""
        self._linked: dict[str, Pair] = {}
        """By the colleague's call."""
        self._of: dict[Party, Pair] = {}
        """Sessions in their pairs; a call that was seated anew has two for a moment."""
        self._strays: dict[str, Party] = {}
        """Colleagues whose caller is not here, by their own call."""
        self._errands = Errands()

    async def heed(self, news: News) -> None:
        """Observer of commits: something happened to one of the two calls."""
        pair = self._pairs.get(news.after.id) or self._linked.get(news.after.id)
        if pair is not None:
            pair.news.set()

    async def aclose(self) -> None:
        """Let what is under way go."""
        await self._errands.aclose(grace_s=0.1)

    # --- what the two sessions tell ------------------------------------------------------------------------------

    def joined(self, party: Party) -> None:
        call_id = party.call.call_id
        if party.call.agent != COLLEAGUE:
            self._pairs[call_id] = self._of[party] = pair = Pair(party)
            self._errands.run("handover", self._hand_over(pair))
        elif call_id in self._linked:
            self._give(self._linked[call_id], party)
        else:
            self._strays[call_id] = party

    def arrived(self, party: Party) -> None:
        pair = self._of.get(party)
        if pair is None:
            if party.call.agent == COLLEAGUE:
                self._errands.run("colleague-alone", self._wait_alone(party))
        else:
            self._let_hear(pair, party)
            pair.news.set()

    def pressed(self, party: Party, key: str) -> None:
        pair = self._of.get(party)
        if pair is not None and pair.colleague is party and key == TAKE:
            self._take(pair)

    def heard(self, party: Party) -> None:
        pair = self._of.get(party)
        if pair is None:
            return
        if party is pair.caller:
            pair.said.set()
        elif pair.rung is not None and pair.rung.whisper is Whisper.ANNOUNCE:
            self._take(pair)

    def left(self, party: Party) -> None:
        if self._strays.get(party.call.call_id) is party:
            del self._strays[party.call.call_id]
        pair = self._of.pop(party, None)
        if pair is None:
            return
        if party is pair.caller:
            pair.caller = None
            pair.said.set()
        elif party is pair.colleague:
            pair.colleague = None
        pair.news.set()

    def _give(self, pair: Pair, colleague: Party) -> None:
        pair.colleague = colleague
        self._of[colleague] = pair

    def _let_hear(self, pair: Pair, party: Party) -> None:
        """What somebody on the line is to hear, as things stand; until that is known, that they wait."""
        if party is pair.colleague and pair.over:
            party.leave("caller-gone")
        elif pair.over or not pair.linked_id:
            party.wait()
        elif pair.taken:
            pair.meet()
        elif party is pair.colleague:
            self._whisper(pair, party)
        else:
            party.wait("connecting", sound=RINGING)

    def _whisper(self, pair: Pair, colleague: Party) -> None:
        pair.arrived_at = self._clock.now() if pair.arrived_at is None else pair.arrived_at
        match pair.rung.whisper if pair.rung else Whisper.PRESS_1:
            case Whisper.PRESS_1:
                colleague.wait(sound="whisper-press-1")
            case Whisper.ANNOUNCE:
                colleague.wait("whisper-announce")
            case Whisper.NONE:
                self._take(pair)

    def _take(self, pair: Pair) -> None:
        if pair.caller is None or pair.taken or pair.over:
            return
        pair.meet()
        log.info("caller-handed-over", call_id=pair.caller_id, to=pair.linked_id)
        pair.news.set()

    # --- one handover --------------------------------------------------------------------------------------------

    async def _hand_over(self, pair: Pair) -> None:
        try:
            why = await self._run(pair)
            if why:
                self._free(pair)
                await self._excuse(pair)
        finally:
            self._forget(pair)
        if why and pair.caller is not None:
            await self._descend(pair.caller, why, began=pair.taken)

    async def _run(self, pair: Pair) -> str:
        """Until both calls are over, or somebody else has the caller; why the caller goes on down the ladder, if they do."""
        found = await self._ladder.rung_of(pair.caller_id)
        if found is None:
            return ""
        caller, pair.rung = found
        if pair.rung is None or pair.rung.kind is not RungKind.HUMAN:
            return _NO_RUNG
        try:
            wanted = self._colleagues.wanted(caller, pair.rung)
            self._link(pair, caller, wanted)
            await self._place(pair, wanted)
        except NotDialled as error:
            return error.reason
        except StoreUnavailable:
            return "store-unavailable"
        return await self._until_over(pair, self._clock.now() + LONGEST_DIALLING_S + pair.rung.ring_s)

    def _link(self, pair: Pair, caller: Call, wanted: Call) -> None:
        """From here on each is known to be the other's; who is on the line already is told where things stand."""
        pair.linked_id = wanted.id
        pair.taken = pair.written = taken(caller, wanted)
        self._linked[wanted.id] = pair
        stray = self._strays.pop(wanted.id, None)
        if stray is not None:
            self._give(pair, stray)
        for party in (pair.caller, pair.colleague):
            if party is not None and party.on_line:
                self._let_hear(pair, party)

    async def _place(self, pair: Pair, wanted: Call) -> None:
        """While the store is away, who waits for a colleague gets the next rung; who has one keeps them."""
        while True:
            pair.news.clear()
            try:
                await self._colleagues.place(wanted)
            except StoreUnavailable:
                if not pair.taken or pair.caller is None:
                    raise
                await self._news(pair, LOOK_EVERY_S)
            else:
                log.info("colleague-called", call_id=pair.caller_id, linked=wanted.id)
                return

    async def _until_over(self, pair: Pair, answered_by: float) -> str:
        while True:
            pair.news.clear()
            left_us = pair.caller is None  # asked before the look: a session closes after its call's end is written
            caller, linked = await self._ladder.call(pair.caller_id), await self._ladder.call(pair.linked_id)
            over = self._over(pair, caller, linked, left_us=left_us)
            if over is not None:
                await self._end(pair, over[0])
                return over[1]
            if pair.taken and not pair.written:
                pair.written = await self._colleagues.tell(pair.caller_id, HandedOver(to=pair.linked_id))
            left = LOOK_EVERY_S if pair.taken else self._due(pair, answered_by) - self._clock.now()
            if left <= 0:
                return _NO_ANSWER if pair.arrived_at is None else _NO_KEY
            await self._news(pair, min(left, LOOK_EVERY_S))

    def _over(self, pair: Pair, caller: Call | None, linked: Call | None, *, left_us: bool) -> tuple[str, str] | None:
        """(who ended it, why the caller goes on down the ladder), once it is over; an empty word: nobody, or does not."""
        if caller is None or caller.ended:
            return "caller", ""
        if left_us:
            return ("" if caller.talks == RungKind.HUMAN else "caller"), ""
        if linked is None or not linked.ended:
            return None
        if not pair.taken:
            return "", why_not_reached(linked) if linked else "colleague-gone"
        return ("colleague", "") if ends_the_caller(linked) else ("", _LOST)

    async def _end(self, pair: Pair, by: str) -> None:
        if by == "caller":
            await self._colleagues.end(pair.linked_id, by)
        elif by == "colleague":
            await self._colleagues.end(pair.caller_id, by)
        elif pair.caller is None and pair.colleague is not None:
            self._moved(pair, pair.colleague)

    def _moved(self, pair: Pair, colleague: Party) -> None:
        """The caller's session is another process' by now, or another one in this."""
        newer = self._linked.get(pair.linked_id)
        if newer is not None and newer is not pair:
            self._give(newer, colleague)
            newer.news.set()
            if colleague.on_line:
                self._let_hear(newer, colleague)
            return
        self._strays[pair.linked_id] = colleague
        self._errands.run("colleague-alone", self._wait_alone(colleague))

    def _due(self, pair: Pair, answered_by: float) -> float:
        return answered_by if pair.arrived_at is None else pair.arrived_at + KEY_WAIT_S

    async def _news(self, pair: Pair, for_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(for_s):
                await pair.news.wait()

    # --- the ends ------------------------------------------------------------------------------------------------

    def _free(self, pair: Pair) -> None:
        """The caller goes on without the colleague, who is rung no more; whoever has talked with them is told."""
        pair.over = True
        if pair.colleague is not None:
            pair.colleague.part()
        if pair.taken and pair.colleague is not None and pair.colleague.on_line:
            pair.colleague.leave("caller-gone")
        elif pair.linked_id:
            self._errands.run("colleague-freed", self._colleagues.end(pair.linked_id, "gateway"))

    async def _excuse(self, pair: Pair) -> None:
        """A word to the caller, to its end."""
        if pair.caller is None or not pair.caller.on_line:
            return
        pair.said.clear()
        pair.caller.wait("colleague-lost" if pair.taken else "colleague-unreached")
        with suppress(TimeoutError):
            async with asyncio.timeout(_WORD_S):
                await pair.said.wait()

    async def _descend(self, caller: Party, why: str, *, began: bool) -> None:
        call = await self._ladder.call(caller.call.call_id)
        if call is not None and not call.ended:
            gone = Gone(call=call, agent=RungKind.HUMAN.value, reason=why, began=began, context=caller.context())
            await self._ladder.descend(gone)

    def _forget(self, pair: Pair) -> None:
        for pairs, call_id in ((self._pairs, pair.caller_id), (self._linked, pair.linked_id)):
            if pairs.get(call_id) is pair:
                del pairs[call_id]
        for party in (pair.caller, pair.colleague):
            if party is not None and self._of.get(party) is pair:
                del self._of[party]

    async def _wait_alone(self, colleague: Party) -> None:
        """The process that had both is gone, or the caller moved on to another one: nobody is left on an empty line."""
        call_id = colleague.call.call_id
        colleague.wait()
        until = self._clock.now() + ALONE_S
        while True:
            may_come = self._clock.now() < until and await self._may_come(call_id)
            if self._strays.get(call_id) is not colleague:
                return
            if not may_come:
                break
            await self._clock.sleep(LOOK_EVERY_S)
        self._strays.pop(call_id, None)
        log.info("colleague-left-alone", call_id=call_id)
        colleague.leave("caller-gone")

    async def _may_come(self, call_id: str) -> bool:
        """Whether there is still a caller who may come. While the store is away we know of callers here alone: they may."""
        linked = await self._ladder.call(call_id)
        caller = await self._ladder.call(linked.handed_from) if linked is not None else None
        return caller is None or (not caller.ended and caller.talks == RungKind.HUMAN)
