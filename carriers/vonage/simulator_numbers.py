"""The account's numbers: which application answers each (`/account/numbers`, `/number/update`). They stay over a reset."""

from collections.abc import Mapping
from typing import Any

from carriers.lab.contract import RestReply
from carriers.vonage.simulator_account import as_json
from carriers.vonage.simulator_parts import Parts
from carriers.vonage.simulator_requests import Asked, Wrong, form_of, whole_parameter

_FILTERS = frozenset({"country", "application_id", "has_application", "pattern", "search_pattern", "size", "index"})
_SETTINGS = frozenset({"country", "msisdn", "app_id", "moHttpUrl", "voiceCallbackType", "voiceCallbackValue"})
_COUNTRY = "US"


class Numbers:
    """`links` is number without `+` -> application id. Initially no number is linked."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._own = tuple(number.removeprefix("+") for number in parts.site.numbers)
        self._links: dict[str, str] = {}
        self._text_urls: dict[str, str] = {}

    def application_of(self, number: str) -> str:
        """Who answers a number of the account, without `+`; empty if nobody does."""
        return self._links.get(number, "")

    def of_application(self, application_id: str) -> tuple[str, ...]:
        """The numbers that are linked to it."""
        return tuple(number for number in self._own if self._links.get(number) == application_id)

    def unlink(self, application_id: str) -> None:
        """The application is gone."""
        self._links = {number: owner for number, owner in self._links.items() if owner != application_id}

    # --- the API -------------------------------------------------------------------------------------------------

    def page(self, _now: float, asked: Asked) -> RestReply:
        given = asked.parameters(_FILTERS)
        size, index = whole_parameter(given, "size", 10, 1, 100), whole_parameter(given, "index", 1, 1, 1_000_000)
        found = [number for number in self._own if self._matches(number, given)]
        some = found[(index - 1) * size : index * size]
        # Without any number the answer is an empty object, as the SDK expects.
        return as_json(200, {"count": len(found), "numbers": [self._shown(number) for number in some]} if found else {})

    def update(self, now: float, asked: Asked) -> RestReply:
        given = form_of(asked.request)
        unknown = [name for name in given if name not in _SETTINGS]
        callback = given.get("voiceCallbackType", "app")
        if unknown or callback != "app":
            what = unknown[0] if unknown else f"voiceCallbackType {callback}"
            self._parts.refused(now, f"number/update: {what} is not simulated")
            return _status(420, f"{what} is not simulated")
        number = given.get("msisdn", "").removeprefix("+")
        if number not in self._own or given.get("country", _COUNTRY).upper() != _COUNTRY:
            return _status(420, "method failed")
        return self._link(number, given)

    def _link(self, number: str, given: Mapping[str, str]) -> RestReply:
        kept = not self._parts.knob("number_update_replaces", True)
        before = (self._links.get(number, ""), self._text_urls.get(number, "")) if kept else ("", "")
        wanted = given.get("app_id", given.get("voiceCallbackValue", before[0]))
        if wanted and not self._parts.applications.exists(wanted):
            return _status(420, "method failed")
        self._links.pop(number, None)
        if wanted:
            self._links[number] = wanted
        self._text_urls[number] = given.get("moHttpUrl", before[1])
        return _status(200, "success")

    def _matches(self, number: str, given: Mapping[str, str]) -> bool:
        linked = self._links.get(number, "")
        if "country" in given and given["country"].upper() != _COUNTRY:
            return False
        if "application_id" in given and linked != given["application_id"]:
            return False
        if "has_application" in given and bool(linked) != (given["has_application"].lower() == "true"):
            return False
        return _fits(number, given.get("pattern", ""), given.get("search_pattern", "0"))

    def _shown(self, number: str) -> dict[str, Any]:
        shown: dict[str, Any] = {"country": _COUNTRY, "msisdn": number, "type": "mobile-lvn", "features": ["VOICE", "SMS"]}
        if self._text_urls.get(number):
            shown["moHttpUrl"] = self._text_urls[number]
        if number in self._links:
            shown["app_id"] = self._links[number]
        return shown


def _fits(number: str, pattern: str, how: str) -> bool:
    tests = {"0": number.startswith, "1": number.__contains__, "2": number.endswith}
    if how not in tests:
        raise Wrong({"search_pattern": "must be 0, 1 or 2"})
    return bool(tests[how](pattern))


def _status(code: int, label: str) -> RestReply:
    return as_json(code, {"error-code": str(code), "error-code-label": label})
