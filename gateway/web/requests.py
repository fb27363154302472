"""What a user may ask for, looked at strictly: every wrong field is named at once, and nothing is accepted and ignored.

Three steps, because a repeated request must be known for a repetition even when the configuration has moved on since:
`read_json` (bytes to plain data), `read_create_call` (plain data to CreateCall), `new_call` (CreateCall to a Call, held
against configuration and clock).
"""

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from gateway.config.crosschecks import ROUTABLE, possible_number
from gateway.config.structs import Config, Route
from gateway.domain.errors import Problem
from gateway.domain.outcome import Direction, Outcome, Priority
from gateway.domain.records import Call
from gateway.half_characters import half_characters
from gateway.strict import describe, faults, unknown_name
from gateway.web.problems import field_errors, refusal
from gateway.web.promise_fields import Purpose, RetryOn, WindowRequest, first_opening, window_of, window_problems
from gateway.web.times import from_rfc3339

E164 = 'allowed: E.164 of a possible length, such as "+15550100001"'

FARTHEST_S = 366 * 24 * 3600.0
"""How far ahead a call may be scheduled: a mistyped year is no wish, and the year 9999 has no RFC 3339 behind it."""

MetadataKey = Annotated[str, Meta(min_length=1, max_length=64)]
MetadataValue = Annotated[str, Meta(max_length=512)]


class CreateCall(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call to be placed."""

    to: Annotated[str, Meta(description="The number to call, E.164.")]
    from_: (
        Annotated[str, Meta(description="A caller id that one of the carriers owns; each other carrier uses its own.")] | None
    ) = field(default=None, name="from")
    agent: Annotated[str, Meta(description="Who talks; default: as the route says.")] | None = None
    route: Annotated[str, Meta(description="Default: the route with the longest prefix of `to`.")] | None = None
    carriers: Annotated[tuple[str, ...], Meta(description="Restrict and order; empty: as the route says.", max_length=32)] = ()
    metadata: Annotated[dict[MetadataKey, MetadataValue], Meta(description="Yours; given to the agent.", max_length=32)] = {}
    max_duration_s: (
        Annotated[int, Meta(ge=10, le=14400, description="Seconds; the carrier itself ends the call then.")] | None
    ) = None
    ring_timeout_s: Annotated[int, Meta(ge=5, le=120, description="Seconds.")] | None = None
    not_before: Annotated[str, Meta(description="RFC 3339 with a zone; the call is scheduled until then.")] | None = None
    expires_at: Annotated[str, Meta(description="RFC 3339 with a zone; not placed by then, it is given up.")] | None = None
    on_exhausted: Annotated[
        Literal["callback", "fail"], Meta(description="When no carrier can take it: keep trying until it expires, or end.")
    ] = "callback"
    purpose: (
        Annotated[Purpose, Meta(description="What for. Kept, shown, told to the agent; no rule looks at it. See `duplicate`.")]
        | None
    ) = None
    retry_on: Annotated[
        tuple[RetryOn, ...], Meta(max_length=3, description="Ended so, it is tried again by a new, linked call.")
    ] = ()
    window: Annotated[WindowRequest, Meta(description="It is dialled only then; so are its retries and callbacks.")] | None = None
    priority: Annotated[
        Literal["low", "normal", "high"], Meta(description="In which order promises that are due together are kept.")
    ] = "normal"
    duplicate: Annotated[bool, Meta(description="Also if a promise to the same number for the same purpose is open already.")] = (
        False
    )


class ExplainRoute(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call that is only asked about."""

    to: Annotated[str, Meta(description="The number that would be called, E.164.")]
    from_: Annotated[str, Meta(description="The caller id that would be asked for.")] | None = field(default=None, name="from")
    route: Annotated[str, Meta(description="Default: the route with the longest prefix of `to`.")] | None = None


NOT_YET = ("record", "recipient_timezone", "machine_detection")
"""Fields of the API that nothing obeys yet. Asking for nothing (null, false, []) is no request."""

_NOTHING: tuple[Any, ...] = (None, False, [])


def read_json(body: bytes, content_type: str) -> Any:
    """Plain data; 415 for what does not say that it is JSON, 400 for what is not, 422 for text with half characters."""
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise refusal("unsupported-media-type", f"Found {describe(content_type)}; send Content-Type: application/json.")
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if half := _half_characters(body):
            raise refusal("invalid-request", "Look at `errors`.", field_errors(half)) from error
        raise refusal("bad-request", f"The body is not JSON: {str(error)[:200]}") from error


def _half_characters(body: bytes) -> tuple[Problem, ...]:
    """Why the body could not be read, if that is why: the standard library's reader lets such text pass."""
    try:
        return tuple(half_characters(json.loads(body)))
    except (ValueError, RecursionError):
        return ()


def read_create_call(document: Any) -> CreateCall:
    """The request, whatever it refers to; 422 with every wrong field."""
    wanted = _without_not_yet(document)
    wrong = (*_not_yet(document), *faults(wanted, CreateCall), *_wrong_texts(wanted))
    if wrong:
        only_later = all(problem.path in NOT_YET for problem in wrong)
        raise refusal("not-supported-yet" if only_later else "invalid-request", "Look at `errors`.", field_errors(wrong))
    return msgspec.convert(wanted, CreateCall)


def read_explain_route(document: Any) -> ExplainRoute:
    """The question; 422 with every wrong field."""
    wrong = (*faults(document, ExplainRoute), *_wrong_texts(document))
    if wrong:
        raise refusal("invalid-request", "Look at `errors`.", field_errors(wrong))
    return msgspec.convert(document, ExplainRoute)


def canonical(request: CreateCall) -> dict[str, Any]:
    """The request with every field, as JSON gives it back, so that two ways of saying the same are the same.

    Fields that are younger than the keys that may be stored stand in it only where they say something.
    """
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(request))
    return {name: value for name, value in plain.items() if name not in _YOUNGER or value not in _YOUNGER[name]}


_YOUNGER: dict[str, tuple[Any, ...]] = {
    "purpose": (None,),
    "retry_on": ([],),
    "window": (None,),
    "priority": ("normal",),
    "duplicate": (False,),
}
"""Their ways of saying nothing."""


def new_call(request: CreateCall, config: Config, now: float, new_id: Callable[[str], str]) -> Call:
    """The call as it will be stored; 422 if it refers to what does not exist or cannot be."""
    route = _route(request, config)
    wrong = [*_references(request, config), *_carriers(request, route, config), *_times(request, config, now)]
    wrong += _no_route(request, config) if route is None else ()
    if wrong or route is None:
        raise refusal("invalid-request", "Look at `errors`.", field_errors(wrong))
    not_before, expires_at = _span(request, config, now)
    return Call(
        id=new_id("call"),
        session_id=new_id("ses"),
        to=request.to,
        from_number=request.from_,
        created_at=now,
        expires_at=expires_at,
        not_before=not_before,
        agent=request.agent or route.agent,
        route=route.name,
        carriers=request.carriers,
        metadata=request.metadata,
        max_duration_s=request.max_duration_s or config.dialing.max_duration_s,
        ring_timeout_s=request.ring_timeout_s or config.dialing.ring_timeout_s,
        on_exhausted=request.on_exhausted,
        purpose=request.purpose or "",
        retry_on=tuple(map(Outcome, request.retry_on)),
        window=window_of(request.window),
        priority=Priority(request.priority),
        duplicate=request.duplicate,
    )


# --- one field alone ------------------------------------------------------------------------------------------------


def _without_not_yet(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    return {key: value for key, value in document.items() if key not in NOT_YET and (key, value) != ("retry_on", None)}


def _not_yet(document: Any) -> Iterator[Problem]:
    for name in NOT_YET:
        if isinstance(document, dict) and document.get(name) not in _NOTHING:
            yield Problem(name, describe(document[name]), "not-supported-yet: leave it out")


def _wrong_texts(document: Any) -> Iterator[Problem]:
    """Numbers and times that are text but not what the text should be."""
    given = document if isinstance(document, dict) else {}
    for name in ("to", "from"):
        if isinstance(given.get(name), str) and not possible_number(given[name]):
            yield Problem(name, describe(given[name]), E164)
    for name in ("not_before", "expires_at"):
        if isinstance(given.get(name), str) and from_rfc3339(given[name]) is None:
            yield Problem(name, describe(given[name]), "allowed: RFC 3339 with a zone, such as 2026-12-24T18:00:00Z")


# --- held against the configuration and the clock -------------------------------------------------------------------


def _route(request: CreateCall, config: Config) -> Route | None:
    """The route that this call takes; None if it names none that fits."""
    if request.route is None:
        return config.route_for(Direction.OUTBOUND, request.to)
    named = config.route(request.route)
    fits = named is not None and named.direction is Direction.OUTBOUND and request.to.startswith(named.prefix)
    return named if fits else None


def _no_route(request: CreateCall, config: Config) -> tuple[Problem, ...]:
    routes = [route for route in config.routes if route.direction is Direction.OUTBOUND]
    if request.route is not None and request.route not in [route.name for route in routes]:
        return (unknown_name("route", request.route, [route.name for route in routes], "outbound route"),)
    prefixes = ", ".join(sorted({route.prefix for route in routes if request.route in (None, route.name)})) or "none"
    allowed = f"allowed: numbers that begin with {prefixes}; config.yaml's `routes` say which"
    return (Problem("to", f"{describe(request.to)}, which no route matches", allowed),)


def _references(request: CreateCall, config: Config) -> Iterator[Problem]:
    agents = [*(agent.name for agent in config.agents), *ROUTABLE]
    if request.agent is not None and request.agent not in agents:
        yield unknown_name("agent", request.agent, agents, "agent")
    for index, name in enumerate(request.carriers):
        if config.carrier(name) is None:
            yield unknown_name(f"carriers[{index}]", name, [carrier.name for carrier in config.carriers], "carrier")
        elif name in request.carriers[:index]:
            yield Problem(f"carriers[{index}]", f"{describe(name)} again", "allowed: each carrier once")


def _carriers(request: CreateCall, route: Route | None, config: Config) -> Iterator[Problem]:
    """Carriers that the route does not have, and a caller id that none of the carriers owns, would silently be ignored."""
    if route is None:
        return
    on_route = route.carriers or tuple(carrier.name for carrier in config.carriers)
    for index, name in enumerate(request.carriers):
        if config.carrier(name) is not None and name not in on_route:
            found = f"{describe(name)}, which route {route.name} does not use"
            yield Problem(f"carriers[{index}]", found, f"allowed: {', '.join(on_route)}")
    if request.from_ is not None:
        names = request.carriers or on_route
        owned = [number for carrier in config.carriers if carrier.name in names for number in carrier.numbers]
        if request.from_ not in owned:
            found = f"{describe(request.from_)}, which none of the carriers owns"
            yield Problem("from", found, f"allowed: {', '.join(owned)}, or leave it out")


def _span(request: CreateCall, config: Config, now: float) -> tuple[float | None, float]:
    not_before = from_rfc3339(request.not_before) if request.not_before else None
    expires_at = from_rfc3339(request.expires_at) if request.expires_at else None
    first = first_opening(request.window, max(now, not_before or now))
    return not_before, expires_at or first + config.dialing.expires_after_s


def _times(request: CreateCall, config: Config, now: float) -> Iterator[Problem]:
    not_before, expires_at = _span(request, config, now)
    given = (("not_before", request.not_before, not_before), ("expires_at", request.expires_at, expires_at))
    far = [(name, text) for name, text, at in given if text is not None and at is not None and at > now + FARTHEST_S]
    for name, text in far:
        yield Problem(name, describe(text), "allowed: a time within the next year")
    if expires_at <= now:
        yield Problem("expires_at", describe(request.expires_at), "allowed: a time that has not passed")
    elif not far and not_before is not None and expires_at <= not_before:
        yield Problem("expires_at", describe(request.expires_at), "allowed: a time after `not_before`")
    elif not far:
        yield from window_problems(request.window, max(now, not_before or now), expires_at)
