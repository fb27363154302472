"""When an agent is wanted for a call, and when it is let go."""

from typing import Any

from carriers.contract import Placed
from gateway.domain.events import LegEnded
from gateway.domain.outcome import CallStatus, Knowledge, Outcome
from gateway.domain.records import Call
from gateway.domain.verdict import next_carrier, stop
from gateway.runtime.last_words import LastWords
from gateway.runtime.sessions import Sessions

DOWN = Placed(knowledge=Knowledge.REFUSED, verdict=next_carrier("service-unavailable"))


class PaperBridge:
    """Writes down what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def prepare(self, _call: Call) -> None:
        self.asked.append("prepare")

    async def let_go(self, _call_id: str) -> None:
        self.asked.append("let-go")

    async def close(self, _call_id: str) -> None:
        self.asked.append("close")

    def context(self, _call_id: str) -> None:
        return None


async def test_no_agent_waits_with_a_call_that_waits_for_its_time(rig: Any) -> None:
    """It is let go once, when the call becomes a promise; the next leg that is placed wants one anew, and the end none."""
    bridge = PaperBridge()
    sessions = Sessions(bridge, LastWords(rig.store))  # type: ignore[arg-type]
    rig.calls.observe(sessions.heed)
    rig.a.answers.append(DOWN)
    rig.b.answers.append(DOWN)
    await rig.accept()
    await rig.settle()
    assert (await rig.call()).status is CallStatus.SCHEDULED
    rig.clock.time += rig.policy.retry_every_s
    await rig.settle()
    await rig.report(LegEnded(verdict=stop("busy", Outcome.BUSY)))
    assert (await rig.call()).ended
    await sessions.aclose()
    assert bridge.asked == ["let-go", "prepare", "close"]
