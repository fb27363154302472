"""Points the carriers' numbers at this gateway. `holdline provision` does it once and asks first; with a lab it is done at
the start and again whenever somebody has set something else, so that a lab needs no setting up.
"""

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from carriers.contract import Carrier, Setting, Wanted
from gateway.domain.errors import CarrierError
from gateway.runtime.clock import Clock

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 15.0


class Provisioning:
    """`wanted` by carrier's name. `run` never ends."""

    def __init__(self, carriers: Mapping[str, Carrier], wanted: Mapping[str, Wanted], clock: Clock) -> None:
        self._carriers, self._wanted, self._clock = carriers, wanted, clock

    async def run(self) -> None:
        """Put right what is wrong, and look again now and then."""
        while True:
            await self.once()
            await self._clock.sleep(LOOK_EVERY_S)

    async def once(self) -> None:
        """Look at every carrier at once; one that does not answer is tried again with the next look."""
        await asyncio.gather(*(self._put_right(name) for name in self._carriers))

    async def _put_right(self, name: str) -> None:
        carrier, wanted = self._carriers[name], self._wanted[name]
        try:
            found = await carrier.survey(wanted)
            wrong = to_amend(found)
            if wrong:
                await carrier.amend(wanted, found)
                log.info("numbers-pointed-here", carrier=name, settings=len(wrong))
        except CarrierError as error:
            log.warning("numbers-not-pointed-here", carrier=name, reason=error.reason)


def to_amend(settings: Sequence[Setting]) -> tuple[Setting, ...]:
    """What is wrong and can be put right from here."""
    return tuple(setting for setting in settings if not setting.right and not setting.cure)
