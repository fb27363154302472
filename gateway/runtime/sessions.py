"""Gets the agent ready while the phone still rings, and lets it go when the call has ended."""

import structlog

from gateway.domain.errors import AgentUnavailable
from gateway.domain.outcome import CallStatus, LegPhase
from gateway.runtime.bridge import Bridge
from gateway.runtime.calls import News
from gateway.runtime.errands import Errands
from gateway.runtime.last_words import LastWords

log = structlog.get_logger(__name__)

_PLACED = frozenset({LegPhase.ACCEPTED, LegPhase.RINGING, LegPhase.ANSWERED})


class Sessions:
    """An observer of commits, between the calls and the bridge, which do not know each other."""

    def __init__(self, bridge: Bridge, last_words: LastWords) -> None:
        self._bridge, self._last_words = bridge, last_words
        self._errands = Errands()

    async def heed(self, news: News) -> None:
        """A placed leg wants an agent; an ended call wants none, and one that waits for its time none until then."""
        call = news.after
        if call.ended:
            if news.before is None or not news.before.ended:
                self._errands.run("close-session", self._close(call.id))
        elif call.status is CallStatus.SCHEDULED:
            if news.before is None or news.before.status is not CallStatus.SCHEDULED:
                self._errands.run("let-session-go", self._bridge.let_go(call.id))
        elif call.leg is not None and call.leg.phase in _PLACED and not _was_placed(news):
            self._errands.run("prepare-session", self._prepare(news))

    async def aclose(self) -> None:
        """Let errands that are under way go."""
        await self._errands.aclose()

    async def _close(self, call_id: str) -> None:
        known = self._bridge.context(call_id)
        await self._bridge.close(call_id)
        await self._last_words.keep(call_id, known or {})

    async def _prepare(self, news: News) -> None:
        try:
            await self._bridge.prepare(news.after)
        except AgentUnavailable as error:
            log.info("agent-not-ready", call_id=news.after.id, error=str(error))  # the bridge has told whom it concerns


def _was_placed(news: News) -> bool:
    before, leg = news.before, news.after.leg
    if before is None or leg is None:
        return False
    known = before.find(leg.id)
    return known is not None and known.phase in _PLACED
