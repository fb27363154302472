"""What the simulated API takes in a create-call request, and what it says of the rest. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

NUMBER = re.compile(r"[1-9]\d{6,14}")
_METHODS = ("GET", "POST")
_FIELDS = frozenset(
    {"to", "from", "ncco", "answer_url", "answer_method", "event_url", "event_method", "ringing_timer", "length_timer"}
)
"""Machine detection and random numbers are not simulated: a request for them is refused rather than half obeyed."""


class Order(Struct, frozen=True, kw_only=True):
    """A create-call request that is right. Numbers without `+`."""

    to: str
    from_: str
    ncco: list[dict[str, Any]] | None
    answer_url: str
    answer_method: str
    event_url: str
    event_method: str
    ringing_timer: int
    length_timer: int


class Wrong(Exception):
    """A request that is not: name of the parameter -> reason."""

    def __init__(self, parameters: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in parameters.items()))
        self.parameters = parameters


def json_object(body: bytes) -> dict[str, Any]:
    """The body, if it is a JSON object."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise Wrong({"body": "is not a JSON object"}) from None


def destination(body: bytes) -> str | None:
    """Whom a create-call request wants to reach, with `+`; None for nobody."""
    try:
        to = json_object(body).get("to")
    except Wrong:
        return None
    number = to[0].get("number") if isinstance(to, list) and to and isinstance(to[0], dict) else None
    return f"+{number.lstrip('+')}" if isinstance(number, str) and number else None


def order_of(body: bytes) -> Order:
    """Read a create-call request; Wrong names every parameter that is not right."""
    given = json_object(body)
    wrong = dict.fromkeys((name for name in given if name not in _FIELDS), "is not simulated")
    order = Order(
        to=_one_phone(given.get("to"), wrong),
        from_=_phone("from", given.get("from"), wrong),
        ncco=_inline(given, wrong),
        answer_url=_url("answer_url", given, wrong),
        answer_method=_method("answer_method", given, "GET", wrong),
        event_url=_url("event_url", given, wrong),
        event_method=_method("event_method", given, "POST", wrong),
        ringing_timer=_whole("ringing_timer", given, 60, 120, wrong),
        length_timer=_whole("length_timer", given, 7200, 86400, wrong),
    )
    if (order.ncco is None) == (order.answer_url == ""):
        wrong["answer_url"] = "exactly one of ncco and answer_url is needed"
    if wrong:
        raise Wrong(wrong)
    return order


def _one_phone(value: Any, wrong: dict[str, str]) -> str:
    if not isinstance(value, list) or len(value) != 1:
        wrong["to"] = "must be a list of one endpoint"
        return ""
    return _phone("to", value[0], wrong)


def _phone(name: str, value: Any, wrong: dict[str, str]) -> str:
    if not isinstance(value, dict) or value.get("type") != "phone":
        wrong[name] = "must be an endpoint of type phone"
        return ""
    number = value.get("number")
    if not isinstance(number, str) or not NUMBER.fullmatch(number):
        wrong[name] = "number must be E.164 without a leading +"
        return ""
    return number


def _inline(given: Mapping[str, Any], wrong: dict[str, str]) -> list[dict[str, Any]] | None:
    ncco = given.get("ncco")
    if ncco is not None and not isinstance(ncco, list):
        wrong["ncco"] = "must be a list of actions"
    return ncco if isinstance(ncco, list) else None


def _url(name: str, given: Mapping[str, Any], wrong: dict[str, str]) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, list) or len(value) != 1 or not str(value[0]).startswith(("http://", "https://")):
        wrong[name] = "must be a list of one http(s) URL"
        return ""
    return str(value[0])


def _method(name: str, given: Mapping[str, Any], default: str, wrong: dict[str, str]) -> str:
    value = given.get(name, default)
    if value not in _METHODS:
        wrong[name] = "must be GET or POST"
    return str(value)


def _whole(name: str, given: Mapping[str, Any], default: int, most: int, wrong: dict[str, str]) -> int:
    value = given.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        wrong[name] = f"must be a whole number from 1 to {most}"
        return default
    return value
