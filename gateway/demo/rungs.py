"""The rungs of the ladder as the demo shows them: one caller for each, and the config that sends each down a ladder of its own.

Pure; what must hold for each of them is judged in `lost_agent`.
"""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from msgspec import Struct

from gateway.demo.own_config import OUTSIDE_KIND

MORTAL, RETURNING, CALLING, SECOND = "demo-mortal", "demo-returning", "demo-calling", "demo-second"
"""Three names for the agent that dies, since each has a breaker of its own: those who need it again have one for themselves;
and the agent that takes over.
"""
HOLD_S = 20.0


class Fate(Struct, frozen=True, kw_only=True):
    """A caller, and the only rung of their ladder."""

    name: str
    number: str
    rung: Any
    """As config.yaml has it."""
    told: str
    agent: str = MORTAL


NEXT = Fate(name="Hana", number="+15550100031", rung={"agent": SECOND}, told="another agent takes over")
HELD = Fate(
    name="Ivo",
    number="+15550100032",
    rung={"hold": {"for_s": HOLD_S}},
    told="waits until the agent is back",
    agent=RETURNING,
)
MESSAGE = Fate(name="Jo", number="+15550100033", rung="voicemail", told="leaves a message")
CALLBACK = Fate(name="Kim", number="+15550100034", rung="callback", told="presses 1 and is called back", agent=CALLING)
GOODBYE = Fate(name="Lou", number="+15550100035", rung="goodbye", told="hears an honest goodbye")
COLLEAGUE = "+15550100040"
CALLER_HZ, COLLEAGUE_HZ = 700, 1300
"""What Max and Nora say: tones, so that each can be found in the other's ear."""
HANDED = Fate(name="Max", number="+15550100036", rung={"human": {"to": COLLEAGUE, "ring_s": 20}}, told="talks with a person")
AT_CARRIER = Fate(name="Pia", number="+15550100037", rung="carrier_voicemail", told="leaves a message with the carrier")
FATES = (NEXT, HELD, MESSAGE, CALLBACK, HANDED, GOODBYE, AT_CARRIER)


def agents(url: str, auth_token: str) -> list[dict[str, Any]]:
    """Additions to `agents`: who dies, under both names, and who does not."""
    settings = {"url": url, "auth_token": auth_token}
    dies = [{"name": name, "kind": OUTSIDE_KIND, "settings": settings} for name in (MORTAL, RETURNING, CALLING)]
    return [*dies, {"name": SECOND, "kind": "receptionist"}]


def numbers_called(ours: Sequence[str]) -> list[tuple[Fate, str]]:
    """Who calls which of our numbers: round the carriers."""
    return list(zip(FATES, cycle(ours), strict=False))


def routes(ours: Sequence[str]) -> list[dict[str, Any]]:
    """Additions to `routes`, for every caller and each of these numbers: whole numbers are the longest prefixes, so they win
    over everybody else's.
    """
    return [
        {
            "name": f"demo-{fate.name.lower()}-{place}",
            "direction": "inbound",
            "prefix": number,
            "from_prefix": fate.number,
            "agent": fate.agent,
            "ladder": [fate.rung],
        }
        for fate in FATES
        for place, number in enumerate(ours, 1)
    ]
