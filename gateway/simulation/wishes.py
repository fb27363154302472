"""What a seed means for promises: clients who want a call tried again, made in a window, kept at once, or taken back. Pure.

Drawn apart from the rest of a world's plan, call by call.
"""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

WINDOW_S = 120.0
"""So long a call with a window lives: by default it would live on until its window has opened again, tomorrow."""
_ZONES = ("UTC", "America/New_York", "Asia/Tokyo")
_RETRY_ON = (["busy"], ["busy", "no_answer"], ["declined", "no_answer", "busy"])
_PURPOSES = ("informational", "transactional")


def promise_of(chance: Random, begin: float, at: float) -> dict[str, Any]:
    """Further fields of the request. `begin`: unix time of the world's first moment; `at`: of the request, from there."""
    wish: dict[str, Any] = {}
    if chance.random() < 0.4:
        wish["retry_on"] = chance.choice(_RETRY_ON)
    if chance.random() < 0.3:
        wish["purpose"] = chance.choice(_PURPOSES)
    if chance.random() < 0.15:
        wish["window"] = _window(chance, begin)
        wish["expires_at"] = datetime.fromtimestamp(begin + at + WINDOW_S, UTC).isoformat()
    if chance.random() < 0.2:
        wish["priority"] = chance.choice(("low", "high"))
    if chance.random() < 0.1:
        wish["duplicate"] = True
    return wish


def steering_of(chance: Random) -> tuple[tuple[str, float], ...]:
    """(`run` or `take-back`, so long after it was accepted); both at once now and then."""
    if chance.random() > 0.15:
        return ()
    wishes = chance.choice((("run",), ("take-back",), ("run", "take-back")))
    return tuple((wish, chance.choice((0.0, 1.0, 5.0, 5.0, 12.0, 20.0))) for wish in wishes)


def _window(chance: Random, begin: float) -> dict[str, Any]:
    """One that opens, or closes, within the first minutes of the world."""
    zone = chance.choice(_ZONES)
    local, hour = datetime.fromtimestamp(begin, ZoneInfo(zone)), timedelta(hours=1)
    near = local + timedelta(minutes=chance.choice((1, 1, 2, 3)))
    opens, closes = chance.choice(((near, near + hour), (local - hour, near)))
    return {"timezone": zone, "opens": f"{opens:%H:%M}", "closes": f"{closes:%H:%M}"}
