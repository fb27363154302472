"""What became of a call: Plivo keeps queued calls, live calls and finished ones in three lists. Works on an SDK client.

The lists are asked in the order in which a call moves through them, so one that moves in between is still met. There is no
tag to search by (the URLs cannot be listed), so a call without an id is known by its numbers and its time.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from carriers.contract import Handle, LegAtCarrier, Sighting
from carriers.plivo import verdicts
from gateway.domain.errors import CarrierError

PAGE = 20
"""The most that Plivo lists at once."""
_MAX_PAGES = 5
_CLOCK_SKEW_S = 5.0
"""How far before our own time of sending Plivo's clock may place a call."""
_STATES = {"queued": LegAtCarrier.ACCEPTED, "ringing": LegAtCarrier.RINGING, "in-progress": LegAtCarrier.ANSWERED}


class AnswerRefused(Exception):
    """Plivo answered, but not with a 2xx."""

    def __init__(self, status: int, message: str, retry_after: str | None = None) -> None:
        super().__init__(f"{status}: {message[:200]}")
        self.status, self.message, self.retry_after = status, message, retry_after


def by_id(client: Any, call_id: str) -> Sighting:
    """Three requests at most."""
    for get in (client.queued_calls.get, client.live_calls.get):
        sighting = _alive(_known(get, call_id))
        if sighting is not None:
            return sighting
    record = _known(client.calls.get, call_id)
    return Sighting(state=LegAtCarrier.MISSING) if record is None else _finished(record)


def by_numbers(client: Any, handle: Handle) -> Sighting:
    """Raise CarrierError if several calls fit, or several legs look for one: the wrong one must be neither adopted nor hung up.

    Without a time of sending the finished calls are left out, since any older call to the same person would fit.
    """
    found = [*_living(client, handle), *(_past(client, handle) if handle.sent_at else ())]
    distinct = {sighting.carrier_call_id: sighting for sighting in found if sighting.carrier_call_id not in handle.foreign}
    if len(distinct) > 1 or (distinct and handle.rivals):
        told = f"calls between the same numbers at that time: {len(distinct)}, legs that look for one: {1 + handle.rivals}"
        raise CarrierError("ambiguous", told)
    return next(iter(distinct.values()), Sighting(state=LegAtCarrier.MISSING))


def _living(client: Any, handle: Handle) -> Iterator[Sighting]:
    # The live list takes filters; in which spelling is told nowhere, but the documents' examples have no `+`.
    filters = {"from_number": _digits(handle.caller_id), "to_number": _digits(handle.to), "call_direction": "outbound"}
    sources: tuple[tuple[Any, dict[str, str]], ...] = ((client.queued_calls, {}), (client.live_calls, filters))
    for resource, wanted in sources:
        for call_id in _ids(resource.list_ids, wanted):
            call = _known(resource.get, call_id)
            sighting = _alive(call)
            if sighting is not None and _fits(call, "from", "to", handle) and _late_enough(call, "session_start", UTC, handle):
                yield sighting


def _past(client: Any, handle: Handle) -> Iterator[Sighting]:
    """Finished calls. The filter's time zone is the account's, or not: a day's slack makes it not matter."""
    since = datetime.fromtimestamp(handle.sent_at, UTC) - timedelta(days=1)
    answer = client.calls.list(
        from_number=_digits(handle.caller_id),
        to_number=_digits(handle.to),
        call_direction="outbound",
        end_time__gte=since.strftime("%Y-%m-%d %H:%M:%S"),
        limit=PAGE,
    )
    records = getattr(answer, "objects", None) or []
    zone = _zone(client) if records else UTC
    for record in records:
        if _fits(record, "from_number", "to_number", handle) and _late_enough(record, "initiation_time", zone, handle):
            yield _finished(record)


def _known(get: Callable[[str], Any], call_id: str) -> Any | None:
    try:
        return get(call_id)
    except AnswerRefused as refused:
        if refused.status == 404:
            return None
        raise


def _ids(list_ids: Callable[..., Any], filters: Mapping[str, str]) -> Iterator[str]:
    for page in range(_MAX_PAGES):
        ids = getattr(list_ids(limit=PAGE, offset=page * PAGE, **filters), "calls", None) or []
        yield from ids
        if len(ids) < PAGE:
            return


def _alive(call: Any | None) -> Sighting | None:
    """None for a call that is not there, or has just ended and is only listed still."""
    status = getattr(call, "call_status", "")
    if call is None or status in verdicts.CALL_STATUSES:
        return None
    return Sighting(state=_STATES.get(status, LegAtCarrier.ACCEPTED), carrier_call_id=getattr(call, "call_uuid", ""))


def _finished(record: Any) -> Sighting:
    answered = bool(getattr(record, "answer_time", None))
    code = getattr(record, "hangup_cause_code", None)
    end = verdicts.terminal(
        "" if code is None else str(code), answered=answered, detail=str(getattr(record, "hangup_cause_name", None) or "")
    )
    call_id = getattr(record, "call_uuid", "")
    return Sighting(state=LegAtCarrier.ENDED, carrier_call_id=call_id, verdict=end.verdict)


def _fits(call: Any, from_field: str, to_field: str, handle: Handle) -> bool:
    """Plivo writes one number with `+` and the other without, differently from list to list."""
    there = (_digits(getattr(call, from_field, "") or ""), _digits(getattr(call, to_field, "") or ""))
    return there == (_digits(handle.caller_id), _digits(handle.to))


def _late_enough(call: Any, field: str, zone: Any, handle: Handle) -> bool:
    """Whether the call began after our POST; True where Plivo does not say when it began (queued calls)."""
    told = getattr(call, field, None)
    if not told or not handle.sent_at:
        return True
    try:
        began = datetime.fromisoformat(told)
    except ValueError:
        return True
    if began.tzinfo is None:
        began = began.replace(tzinfo=zone)
    return began.timestamp() >= handle.sent_at - _CLOCK_SKEW_S


def _zone(client: Any) -> Any:
    """Times of finished calls are in the account's zone, with an offset or without one."""
    try:
        return ZoneInfo(getattr(client.account.get(), "timezone", "") or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def _digits(number: str) -> str:
    return "".join(character for character in number if character.isdigit())
