"""A scenario, played once for all who judge it: what the SDK gave back, and every exchange with the simulator on the way."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from stage import Stage, staged

from carriers.lab.contract import RestReply, RestRequest

Scenario = Callable[[Stage], Awaitable[Any]]
Exchange = tuple[RestRequest, RestReply]


@dataclass(frozen=True)
class Recording:
    """`told` is what the scenario returned: an object of the SDK, or a list of them."""

    told: Any
    exchanges: tuple[Exchange, ...]

    def objects(self) -> list[Any]:
        """What the SDK made of the answers."""
        return list(self.told) if isinstance(self.told, list | tuple) else [self.told]


async def played(kind: str, scenario: Scenario) -> Recording:
    """Play it, in a lab of its own."""
    async with staged(kind) as stage:
        exchanges = overheard(stage)
        told = await scenario(stage)
        return Recording(told, tuple(exchanges))


def overheard(stage: Stage) -> list[Exchange]:
    """Every request to this lab's simulator from now on, with its answer."""
    simulator = stage.lab.exchange.desk(stage.kind).simulator
    plain, heard = simulator.on_request, list[Exchange]()

    def on_request(now: float, request: RestRequest) -> RestReply:
        reply = plain(now, request)
        heard.append((request, reply))
        return reply

    simulator.on_request = on_request
    return heard
