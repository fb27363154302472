"""What the simulated API takes in a request, and what it says of the rest. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct

from carriers.lab.contract import RestRequest
from carriers.vonage.simulator_legs import MachineWish

NUMBER = re.compile(r"[1-9]\d{6,14}")
DTMF = re.compile(r"[0-9#*p]+")
_METHODS = ("GET", "POST")
_FIELDS = frozenset(
    {
        "to",
        "from",
        "random_from_number",
        "ncco",
        "answer_url",
        "answer_method",
        "event_url",
        "event_method",
        "machine_detection",
        "advanced_machine_detection",
        "ringing_timer",
        "length_timer",
    }
)
_PHONE = frozenset({"type", "number", "dtmfAnswer"})
_ADVANCED = frozenset({"behavior", "mode", "beep_timeout"})
_BEHAVIORS = frozenset({"continue", "hangup"})


class Wrong(Exception):
    """A request that is not right: name of the parameter -> reason."""

    def __init__(self, parameters: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in parameters.items()))
        self.parameters = parameters


class Asked(Struct, frozen=True, kw_only=True):
    """A request that was let in. `name` is the part of the path that names a thing; `application_id` is empty for Basic."""

    request: RestRequest
    application_id: str = ""
    name: str = ""

    def parameters(self, known: frozenset[str]) -> dict[str, str]:
        """The query; Wrong for a name that is not known."""
        given = dict(parse_qsl(self.request.query, keep_blank_values=True))
        unknown = {name: "is not simulated" for name in given if name not in known}
        if unknown:
            raise Wrong(unknown)
        return given


class Order(Struct, frozen=True, kw_only=True):
    """A create-call request that is right. Numbers without `+`; `from_` is empty for a random number of the application."""

    to: str
    dtmf_answer: str
    from_: str
    ncco: list[dict[str, Any]] | None
    answer_url: str
    answer_method: str
    event_url: str
    event_method: str
    ringing_timer: int
    length_timer: int
    machine: MachineWish | None


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


def order_of(body: bytes, standard_waits: bool) -> Order:
    """Read a create-call request; Wrong names every parameter that is not right."""
    given = json_object(body)
    wrong = dict.fromkeys((name for name in given if name not in _FIELDS), "is not simulated")
    order = Order(
        to=_one_phone(given.get("to"), wrong),
        dtmf_answer=_keys(given.get("to"), wrong),
        from_=_caller(given, wrong),
        ncco=_inline(given, wrong),
        answer_url=_url("answer_url", given, wrong),
        answer_method=_method("answer_method", given, "GET", wrong),
        event_url=_url("event_url", given, wrong),
        event_method=_method("event_method", given, "POST", wrong),
        ringing_timer=_whole("ringing_timer", given, 60, 120, wrong),
        length_timer=_whole("length_timer", given, 7200, 86400, wrong),
        machine=machine_wish(given.get("machine_detection"), given.get("advanced_machine_detection"), standard_waits, wrong),
    )
    if (order.ncco is None) == (order.answer_url == ""):
        wrong["answer_url"] = "exactly one of ncco and answer_url is needed"
    if wrong:
        raise Wrong(wrong)
    return order


def machine_wish(standard: Any, advanced: Any, standard_waits: bool, wrong: dict[str, str]) -> MachineWish | None:
    """Read both kinds of machine detection; the advanced one wins."""
    if standard is not None and standard not in _BEHAVIORS:
        wrong["machine_detection"] = "must be continue or hangup"
    if advanced is not None:
        return _advanced(advanced, wrong)
    return None if standard is None else MachineWish(hangs_up=standard == "hangup", waits=standard_waits, beep=False)


def _advanced(given: Any, wrong: dict[str, str]) -> MachineWish | None:
    name = "advanced_machine_detection"
    if not isinstance(given, dict):
        wrong[name] = "must be an object"
        return None
    wrong |= {f"{name}.{key}": "is not simulated" for key in given if key not in _ADVANCED}
    mode, behavior, beep_s = given.get("mode", "default"), given.get("behavior", "continue"), given.get("beep_timeout", 45)
    if mode not in {"default", "detect", "detect_beep"}:
        wrong[f"{name}.mode"] = "must be default, detect or detect_beep"
    if behavior not in _BEHAVIORS:
        wrong[f"{name}.behavior"] = "must be continue or hangup"
    if not isinstance(beep_s, int) or isinstance(beep_s, bool) or not 45 <= beep_s <= 120:
        wrong[f"{name}.beep_timeout"] = "must be a whole number from 45 to 120"
        beep_s = 45
    return MachineWish(hangs_up=behavior == "hangup", waits=mode != "default", beep=mode != "detect", beep_timeout_s=beep_s)


def _one_phone(value: Any, wrong: dict[str, str]) -> str:
    if not isinstance(value, list) or len(value) != 1:
        wrong["to"] = "must be a list of one endpoint"
        return ""
    return _phone("to", value[0], _PHONE, wrong)


def _keys(value: Any, wrong: dict[str, str]) -> str:
    endpoint = value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else {}
    keys = endpoint.get("dtmfAnswer", "")
    if keys and (not isinstance(keys, str) or not DTMF.fullmatch(keys)):
        wrong["to"] = "dtmfAnswer must be of 0-9 # * p"
    return keys if isinstance(keys, str) else ""


def _caller(given: Mapping[str, Any], wrong: dict[str, str]) -> str:
    if given.get("random_from_number") is True:
        if "from" in given:
            wrong["random_from_number"] = "cannot be used together with from"
        return ""
    return _phone("from", given.get("from"), frozenset({"type", "number"}), wrong)


def _phone(name: str, value: Any, known: frozenset[str], wrong: dict[str, str]) -> str:
    if not isinstance(value, dict) or value.get("type") != "phone":
        kind = value.get("type") if isinstance(value, dict) else None
        wrong[name] = f"endpoint type {kind!r} is not simulated" if kind else "must be an endpoint of type phone"
        return ""
    number, unknown = value.get("number"), sorted(set(value) - known)
    if unknown:
        wrong[name] = f"{unknown[0]} is not simulated"
    elif not isinstance(number, str) or not NUMBER.fullmatch(number):
        wrong[name] = "number must be E.164 without a leading +"
        return ""
    return str(number)


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


def whole_parameter(given: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """A number out of a query."""
    value = given.get(name, str(default))
    if not value.isdecimal() or not least <= int(value) <= most:
        raise Wrong({name: f"must be a whole number from {least} to {most}"})
    return int(value)


def time_parameter(given: Mapping[str, str], name: str, default: float) -> float:
    """Unix time of an ISO 8601 parameter; without a zone it is UTC."""
    value = given.get(name)
    if value is None:
        return default
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise Wrong({name: "must be ISO 8601"}) from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def form_of(request: RestRequest) -> dict[str, str]:
    """The fields of a form. The SDK labels forms as JSON once it has sent any JSON, so the label is not looked at."""
    return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
