"""The lab's Plivo: answers of the API that are no 2xx, and what every request is read with. Pure."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any
from urllib.parse import parse_qsl

from carriers.lab.contract import RestRequest

PAGE_LIMIT = 20
NUMBER = re.compile(r"\+?[1-9]\d{6,14}")
URL = re.compile(r"https?://\S+")
Fields = Mapping[str, Any]


class Refusal(Exception):
    """An answer in Plivo's own words."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


class NotPlayed(Exception):
    """Something that Plivo may know and the lab does not: refused by name, in the answer and in the ledger."""

    def __init__(self, what: str, status: int = 400) -> None:
        super().__init__(what)
        self.what, self.status = what, status


def body_of(request: RestRequest) -> Fields:
    """JSON as the SDK sends it, or a form; what is neither has no fields."""
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
    try:
        content = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def fields_of(request: RestRequest, what: str, known: frozenset[str], harmless: Fields | None = None) -> Fields:
    """The body's fields; one that is not obeyed is refused, unless it has the value with which it asks for nothing."""
    fields = body_of(request)
    strange = [name for name, value in fields.items() if name not in known and (harmless or {}).get(name, ...) != value]
    if strange:
        raise NotPlayed(f"{what} with {', '.join(sorted(strange))} is not simulated")
    return fields


def query_of(request: RestRequest, what: str, known: frozenset[str]) -> dict[str, str]:
    """The query's filters."""
    query = dict(parse_qsl(request.query))
    strange = set(query) - known - {"limit", "offset"}
    if strange:
        raise NotPlayed(f"{what} by {', '.join(sorted(strange))} is not simulated")
    for name in ("limit", "offset"):
        if not _whole(query.get(name, "0")):
            raise Refusal(400, f"{name} must be a number")
    if int(query.get("limit", "20")) > PAGE_LIMIT or query.get("limit") == "0":
        raise Refusal(400, "limit must be between 1 and 20")
    return query


def page_of(path: str, query: Mapping[str, str], found: list[Any]) -> tuple[dict[str, Any], list[Any]]:
    """`meta` and the page."""
    start, size = int(query.get("offset", "0")), int(query.get("limit", "20"))
    after, before = start + size, max(0, start - size)
    meta = {
        "limit": size,
        "offset": start,
        "next": f"{path}?limit={size}&offset={after}" if after < len(found) else None,
        "previous": f"{path}?limit={size}&offset={before}" if start else None,
        "total_count": len(found),
    }
    return meta, found[start:after]


def check_urls(fields: Fields) -> None:
    """Everything whose name says that it is a URL or a method."""
    for name, value in fields.items():
        if name.endswith("_url") and value and not URL.fullmatch(str(value)):
            raise Refusal(400, f"{name} parameter is invalid")
        if name.endswith("_method") and str(value).upper() not in {"GET", "POST"}:
            raise Refusal(400, f"{name} parameter is invalid")


def check_whole(fields: Fields, name: str, low: int = 1, high: int | None = None) -> None:
    """A number within its range, if it is there."""
    text = str(fields.get(name, low))
    if not _whole(text) or int(text) < low or (high is not None and int(text) > high):
        raise Refusal(400, f"{name} parameter is invalid")


def _whole(text: str) -> bool:
    return text.isdecimal() and len(text) <= 9


def moment(text: str, zone: tzinfo) -> float:
    """A time in a filter, read in the account's own zone."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()
    except ValueError as error:
        raise Refusal(400, "times must look like 2026-11-22 12:00:00") from error


def check_comparisons(query: Mapping[str, str], **reads: Any) -> None:
    """Refuse what cannot be read, whether or not there is anything to compare with."""
    for name, read in reads.items():
        compares(query, name, 0.0, read)


def compares(query: Mapping[str, str], name: str, value: float, read: Any = float) -> bool:
    """`name`, `name__gt`, `name__gte`, `name__lt`, `name__lte`: whether the value fits all that are there."""
    tests = {
        "": value.__eq__,
        "__gt": value.__gt__,
        "__gte": value.__ge__,
        "__lt": value.__lt__,
        "__lte": value.__le__,
    }
    try:
        return all(test(read(query[name + suffix])) for suffix, test in tests.items() if name + suffix in query)
    except ValueError as error:
        raise Refusal(400, f"{name} parameter is invalid") from error


def digits(number: str) -> str:
    """Without `+` and whatever else."""
    return "".join(filter(str.isdigit, number))
