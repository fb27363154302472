"""The simulated Telnyx' lists: filters, which are refused by name where the lab does not know them, and pages. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from carriers.lab.contract import RestReply, RestRequest
from carriers.telnyx import simulator_rest as rest

Item = dict[str, Any]
Filter = Callable[[Any, str], bool]
"""(what the entry has, what was asked for): whether the entry stays."""

PAGE_SIZE, MOST_PER_PAGE = 20, 250
PAGING = frozenset({"page[number]", "page[size]"})


def equal(has: Any, asked: str) -> bool:
    """For a field that must be the same."""
    return has is not None and str(has) == asked


def contains(has: Any, asked: str) -> bool:
    """For a name of which a part is known; the case does not matter."""
    return asked.lower() in str(has or "").lower()


def not_before(has: Any, asked: str) -> bool:
    """For a time; whole seconds are compared, because both sides write fractions or leave them out."""
    return str(has or "")[:19] >= asked[:19]


def not_after(has: Any, asked: str) -> bool:
    """For a time, as `not_before`."""
    return str(has or "")[:19] <= asked[:19]


def listed(
    request: RestRequest,
    items: Iterable[Item],
    filters: Mapping[str, tuple[str, Filter]],
    shown: Callable[[Item], Item] = dict,
) -> RestReply:
    """One page of those that pass. `filters`: the query's name, then the entry's field and how both are compared."""
    asked = dict(parse_qsl(request.query, keep_blank_values=True))
    unknown = next((name for name in asked if name not in filters and name not in PAGING), None)
    if unknown is not None:
        return rest.not_simulated(f"the query parameter {unknown}", f"/{unknown}")
    wanted = [(*filters[name], value) for name, value in asked.items() if name in filters]
    found = [item for item in items if all(passes(item.get(field), value) for field, passes, value in wanted)]
    return _page(asked, [shown(item) for item in found])


def _page(asked: Mapping[str, str], items: list[Item]) -> RestReply:
    number = _count(asked.get("page[number]"), 1)
    size = min(MOST_PER_PAGE, _count(asked.get("page[size]"), PAGE_SIZE))
    page = items[(number - 1) * size : number * size]
    pages = -(-len(items) // size)
    meta = {"page_number": number, "page_size": size, "total_pages": pages, "total_results": len(items)}
    return rest.data(page, meta=meta)


def _count(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) > 0 else default
