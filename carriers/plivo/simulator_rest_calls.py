"""The lab's Plivo: calls through the API: create, list, fetch, end. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from carriers.lab.contract import RestRequest
from carriers.plivo.simulator_calls import Call, Phase
from carriers.plivo.simulator_forms import sip_headers, whole_seconds
from carriers.plivo.simulator_refusals import (
    NUMBER,
    Fields,
    NotPlayed,
    Refusal,
    check_comparisons,
    check_urls,
    check_whole,
    compares,
    digits,
    fields_of,
    moment,
    page_of,
    query_of,
)
from carriers.plivo.simulator_rest import Route
from carriers.plivo.simulator_switch import Switch
from carriers.plivo.simulator_views import account_of, finished_call, live_call

_TUNING: Mapping[str, tuple[int, int]] = {
    "machine_detection_time": (2000, 10000),
    "machine_detection_maximum_speech_length": (1000, 6000),
    "machine_detection_initial_silence": (2000, 10000),
    "machine_detection_maximum_words": (1, 100),
    "machine_detection_maximum_word_length": (1000, 6000),
    "machine_detection_silence": (500, 5000),
}
_OBEYED = frozenset(
    {"from", "to", "answer_url", "answer_method", "ring_url", "ring_method", "hangup_url", "hangup_method"}
    | {"fallback_url", "fallback_method", "ring_timeout", "time_limit", "caller_name", "send_digits", "hangup_on_ring"}
    | {"machine_detection", "machine_detection_url", "machine_detection_method", "sip_headers"}
    | {"parent_call_uuid", "error_if_parent_not_found"}
    | set(_TUNING)
)
_HARMLESS: Fields = {"send_on_preanswer": False}
_TIMES = frozenset(f"end_time{suffix}" for suffix in ("", "__gt", "__gte", "__lt", "__lte"))
_BILLED = frozenset(f"bill_duration{suffix}" for suffix in ("", "__gt", "__gte", "__lt", "__lte"))
_FILTERS = frozenset({"status", "from_number", "to_number", "call_direction", "parent_call_uuid", "hangup_cause_code"})
_UNANSWERED = frozenset({Phase.QUEUED, Phase.DIALED, Phase.RINGING})
_LISTED_S = 7 * 86400
"""Finished calls are listed for so long, unless the request names a time."""


class CallsApi:
    """`/Call/`, `/Request/` and the account itself."""

    def __init__(self, switch: Switch) -> None:
        self._switch, self._site, self._account = switch, switch.site, switch.account

    def routes(self) -> Iterable[Route]:
        """For `RestApi`."""
        return (
            ("GET", r"", self._show_account),
            ("POST", r"Call/", self._create),
            ("GET", r"Call/", self._list),
            ("GET", r"Call/([^/]+)/", self._get),
            ("DELETE", r"Call/([^/]+)/", self._delete),
            ("DELETE", r"Call//?", self._delete_all),
            ("DELETE", r"Request/([^/]+)/", self._cancel),
        )

    def _show_account(self, _now: float, _request: RestRequest) -> tuple[int, dict[str, Any]]:
        return 200, account_of(self._account, str(self._site.knobs.get("cash_credits", "100.00000")))

    # --- create --------------------------------------------------------------------------------------------------

    def _create(self, now: float, request: RestRequest) -> tuple[int, dict[str, Any]]:
        fields = fields_of(request, "create call", _OBEYED, _HARMLESS)
        _check_call(fields)
        self._check_account(fields)
        message, call = self._switch.accept(now, fields)
        return 201, {"message": message, "request_uuid": call.uuid}

    def _check_account(self, fields: Fields) -> None:
        knobs = self._site.knobs
        if knobs.get("foreign_caller_id", "hangup") == "refuse" and not self._switch.owns(str(fields["from"])):
            raise Refusal(400, f"from parameter is invalid. {fields['from']} is not associated with your account")
        barred = [prefix for prefix in str(knobs.get("barred_prefixes", "")).split(",") if prefix]
        if digits(str(fields["to"])).startswith(tuple(digits(prefix) for prefix in barred) or ("none",)):
            raise Refusal(403, "Calls to this destination region are barred")
        limit = int(knobs.get("max_concurrent", 0))
        if limit and len(self._switch.live()) >= limit:
            raise Refusal(403, "Concurrency limit breached")
        parent = str(fields.get("parent_call_uuid") or "")
        if fields.get("error_if_parent_not_found") and parent not in self._switch.calls:
            raise Refusal(404, "parent call not found")

    # --- list and fetch ------------------------------------------------------------------------------------------

    def _list(self, now: float, request: RestRequest) -> tuple[int, dict[str, Any]]:
        query = query_of(request, "listing calls", _FILTERS | _TIMES | _BILLED | {"hangup_source"})
        check_comparisons(query, end_time=self._moment, bill_duration=int)
        status = query.get("status", "")
        found = [call for call in self._listed(now, status) if self._matches(call, query)]
        if not status and not _TIMES & set(query):
            found = [call for call in found if call.ended_at > now - _LISTED_S]
        meta, page = page_of(request.path, query, found)
        if status:
            return 200, {"calls": [call.uuid for call in page]}
        return 200, {"meta": meta, "objects": [finished_call(call, self._account) for call in page]}

    def _get(self, now: float, request: RestRequest, uuid: str) -> tuple[int, dict[str, Any]]:
        status = query_of(request, "fetching a call", frozenset({"status", "call_uuid"})).get("status", "")
        call = next((call for call in self._listed(now, status) if call.uuid == uuid), None)
        if call is None:
            raise Refusal(404, "call not found")
        return 200, live_call(call, status) if status else finished_call(call, self._account)

    def _listed(self, now: float, status: str) -> Iterable[Call]:
        """The calls of one list, newest first: queued, live, or finished (status empty)."""
        if status not in {"", "queued", "live"}:
            raise Refusal(400, "status parameter is invalid")
        lag = self._site.knobs.get("listing_lag_s", 0.0)
        unanswered = self._site.knobs.get("unanswered_listed_as", "live")
        for call in reversed(self._switch.calls.values()):
            if _list_of(call, unanswered) == status and self._visible(now, call, lag):
                yield call

    def _visible(self, now: float, call: Call, lag: float) -> bool:
        listed_at: float = call.accepted_at + lag
        if call.phase is Phase.ENDED:
            listed_at = call.ended_at + self._site.knobs.get("cdr_lag_s", 2.0)
        return now >= listed_at

    def _matches(self, call: Call, query: Mapping[str, str]) -> bool:
        fits = (
            "from_number" not in query or digits(query["from_number"]) == digits(call.caller),
            "to_number" not in query or digits(query["to_number"]) == digits(call.to),
            query.get("call_direction", call.direction) == call.direction,
            query.get("parent_call_uuid", call.parent) == call.parent,
            query.get("hangup_cause_code", str(call.cause)) == str(call.cause),
            query.get("hangup_source", call.source) == call.source,
            compares(query, "end_time", call.ended_at, self._moment),
            compares(query, "bill_duration", whole_seconds(call), int),
        )
        return all(fits)

    def _moment(self, text: str) -> float:
        return moment(text, self._account.zone)

    # --- end -----------------------------------------------------------------------------------------------------

    def _delete(self, now: float, _request: RestRequest, uuid: str) -> tuple[int, dict[str, Any]]:
        call = self._switch.calls.get(uuid)
        if call is None or call.phase is Phase.ENDED:
            raise Refusal(404, "call not found")
        self._switch.end(now, call, 4000 if call.answered else 1000, "API Request")
        return 204, {}

    def _delete_all(self, now: float, _request: RestRequest) -> tuple[int, dict[str, Any]]:
        """The trap: without an id, every call of the account is hung up."""
        self._switch.refused(now, "DELETE Call/ without an id ended every call")
        for call in self._switch.live():
            self._switch.end(now, call, 0, "API Request")
        return 204, {}

    def _cancel(self, now: float, _request: RestRequest, uuid: str) -> tuple[int, dict[str, Any]]:
        call = self._switch.calls.get(uuid)
        if call is None or call.phase not in _UNANSWERED or call.inbound:
            raise Refusal(404, "request not found")
        self._switch.end(now, call, 1000, "API Request")
        return 204, {}


def _check_call(fields: Fields) -> None:
    missing = [name for name in ("from", "to", "answer_url") if not fields.get(name)]
    if missing:
        raise Refusal(400, f"{', '.join(missing)} parameter is missing")
    if "<" in str(fields["to"]) or str(fields["to"]).startswith("sip:"):
        raise NotPlayed("create call to several numbers, or to a SIP address, is not simulated")
    for name in ("from", "to"):
        if not NUMBER.fullmatch(str(fields[name])):
            raise Refusal(400, f"{name} parameter is invalid")
    check_urls(fields)
    for name in ("ring_timeout", "time_limit", "hangup_on_ring"):
        check_whole(fields, name)
    for name, (low, high) in _TUNING.items():
        check_whole(fields, name, low, high)
    _check_words(fields)


def _check_words(fields: Fields) -> None:
    if str(fields.get("machine_detection", "true")) not in {"true", "True", "hangup"}:
        raise Refusal(400, "machine_detection parameter is invalid")
    if len(str(fields.get("caller_name", ""))) > 50:
        raise Refusal(400, "caller_name parameter is invalid")
    if set(str(fields.get("send_digits", ""))) - set("0123456789*#wW"):
        raise Refusal(400, "send_digits parameter is invalid")
    headers = sip_headers(str(fields.get("sip_headers", "")))
    if not all(name.isalnum() and value.isalnum() for name, value in headers.items()):
        raise Refusal(400, "sip_headers parameter is invalid")


def _list_of(call: Call, unanswered: str) -> str:
    """Which of the three lists holds a call; where a ringing one is listed is not documented."""
    names = {Phase.RINGING: "live" if call.inbound else unanswered, Phase.ANSWERED: "live", Phase.ENDED: ""}
    return names.get(call.phase, "queued")
