"""config.yaml's callbacks in the core's words."""

from gateway.config.hours import Hours
from gateway.config.structs import Config
from gateway.domain.outcome import Direction, Outcome
from gateway.domain.window import Window
from gateway.runtime.callback_requests import CallbackTerms, OutboundRoute


def callback_terms(config: Config) -> CallbackTerms:
    """What this configuration says of calls that we promise."""
    settings = config.callbacks
    outbound = (route for route in config.routes if route.direction is Direction.OUTBOUND)
    return CallbackTerms(
        routes=tuple(OutboundRoute(name=route.name, prefix=route.prefix, agent=route.agent) for route in outbound),
        agents=frozenset(agent.name for agent in config.agents),
        after_s=settings.after_s,
        expires_after_s=settings.expires_after_s,
        retry_on=tuple(map(Outcome, settings.retry_on)),
        window=None if settings.window is None else window_of(settings.window),
        ring_timeout_s=config.dialing.ring_timeout_s,
        max_duration_s=config.dialing.max_duration_s,
    )


def window_of(hours: Hours) -> Window:
    """Opening hours as a window in which calls may be dialled."""
    return Window(timezone=hours.timezone, opens=hours.opens, closes=hours.closes, days=hours.days)
