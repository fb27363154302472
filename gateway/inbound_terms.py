"""config.yaml's inbound routes in the core's words."""

from zoneinfo import ZoneInfo

from gateway.config.hours import Hours
from gateway.config.structs import Config, Route
from gateway.domain.admission import InboundRule, OpeningHours
from gateway.domain.outcome import Direction
from gateway.runtime.arrivals import InboundTerms

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def inbound_terms(config: Config) -> InboundTerms:
    """What this configuration says of calls that come to us."""
    return InboundTerms(
        rules=tuple(_rule(route) for route in config.routes if route.direction is Direction.INBOUND),
        max_duration_s=config.dialing.max_duration_s,
        ring_timeout_s=config.dialing.ring_timeout_s,
    )


def _rule(route: Route) -> InboundRule:
    return InboundRule(
        name=route.name,
        prefix=route.prefix,
        from_prefix=route.from_prefix or "",
        carriers=route.carriers,
        hours=opening_hours(route.hours) if route.hours else None,
        agent=route.agent,
        refuse=route.refuse or "",
        language=route.language or "",
        max_duration_s=route.max_duration_s,
    )


def opening_hours(hours: Hours) -> OpeningHours:
    """Opening hours in the core's words."""
    return OpeningHours(
        zone=ZoneInfo(hours.timezone),
        days=frozenset(map(_DAYS.index, hours.days)),
        opens=_minute(hours.opens),
        closes=_minute(hours.closes),
    )


def _minute(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)
