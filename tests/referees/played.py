"""A scenario, played once for all who judge it: what the SDK gave back, and every exchange with the simulator on the way."""

from collections.abc import Awaitable, Callable, Mapping
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


class Player:
    """Plays scenarios and remembers them."""

    def __init__(self) -> None:
        self._played: dict[tuple[str, str], Recording | Exception] = {}

    async def recording(self, kind: str, name: str, scenarios: Mapping[str, Scenario]) -> Recording:
        """The recording of a scenario; what it raised is raised for every judge."""
        key = (kind, name)
        if key not in self._played:
            self._played[key] = await _attempt(kind, scenarios[name])
        found = self._played[key]
        if isinstance(found, Exception):
            raise found
        return found


async def _attempt(kind: str, scenario: Scenario) -> Recording | Exception:
    try:
        async with staged(kind) as stage:
            exchanges = overheard(stage)
            told = await scenario(stage)
            return Recording(told, tuple(exchanges))
    except Exception as error:
        return error


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
