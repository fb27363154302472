"""The lab's Plivo: its REST API, as far as a gateway needs it. Everything else is refused by name. Pure."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Any, Protocol
from urllib.parse import parse_qsl

from carriers.lab.contract import RestReply, RestRequest, Site
from carriers.plivo.simulator_calls import Call, Phase, new_uuid
from carriers.plivo.simulator_views import finished_call, live_call, rented_number

PAGE_LIMIT = 20
_OBEYED = frozenset(
    {"from", "to", "answer_url", "answer_method", "ring_url", "ring_method", "hangup_url", "hangup_method"}
    | {"fallback_url", "fallback_method", "ring_timeout", "time_limit", "caller_name"}
)
_HARMLESS: Mapping[str, Any] = {
    # What the SDK sends with every call; anything but these values would ask for something that the lab does not do.
    "machine_detection_time": 5000,
    "machine_detection_method": "POST",
    "error_if_parent_not_found": False,
}
_FILTERS = frozenset({"limit", "offset", "status", "from_number", "to_number", "call_direction", "end_time__gte"})
_NUMBER = re.compile(r"\+?[1-9]\d{6,14}")
_URL = re.compile(r"https?://\S+")
_UNANSWERED = frozenset({Phase.QUEUED, Phase.DIALED, Phase.RINGING})

Fields = Mapping[str, Any]


class Office(Protocol):
    """What the API lets happen."""

    calls: dict[str, Call]

    def accept(self, now: float, fields: Fields) -> tuple[str, Call]:
        """Take a call: the message of the 201 and the call."""
        ...

    def end(self, now: float, call: Call, code: int, source: str) -> None:
        """Begin to end a call."""
        ...


class Refusal(Exception):
    """An answer that is no 2xx."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


class RestApi:
    """Answers requests below `/v1/Account/{auth_id}/`."""

    def __init__(self, site: Site, office: Office, auth_id: str, auth_token: str, zone: tzinfo, zone_name: str) -> None:
        self._site, self._office, self._auth_id, self._zone = site, office, auth_id, zone
        self._zone_name = zone_name
        self._basic = "Basic " + base64.b64encode(f"{auth_id}:{auth_token}".encode()).decode()
        self._routes: tuple[tuple[str, re.Pattern[str], Callable[..., RestReply]], ...] = (
            ("GET", re.compile(r""), self._account),
            ("POST", re.compile(r"Call/"), self._create),
            ("GET", re.compile(r"Call/"), self._list),
            ("GET", re.compile(r"Call/([^/]+)/"), self._get),
            ("DELETE", re.compile(r"Call/([^/]+)/"), self._delete),
            ("DELETE", re.compile(r"Call//?"), self._delete_all),
            ("DELETE", re.compile(r"Request/([^/]+)/"), self._cancel),
            ("GET", re.compile(r"Number/"), self._numbers),
            ("GET", re.compile(r"Number/(\d+)/"), self._number),
        )

    def dial_target(self, request: RestRequest) -> str | None:
        """The destination (E.164 with `+`) if the request would create a call."""
        if request.method != "POST" or not re.fullmatch(r"/v1/Account/[^/]+/Call/", request.path):
            return None
        return "+" + _digits(str(_body(request).get("to", "")))

    def answer(self, now: float, request: RestRequest) -> RestReply:
        """Never raises for bad input."""
        target = self.dial_target(request)
        if target is not None:
            self._site.ledger.write(now, "dial", carrier=self._site.name, number=target)
        try:
            self._authenticate(request)
            return self._route(now, request)
        except Refusal as refusal:
            return self.error(refusal.status, refusal.error)

    def error(self, status: int, text: str) -> RestReply:
        """Error bodies are JSON but for 401 (plain text) and what a proxy in front makes (HTML)."""
        if status == 401:
            return RestReply(status=401, body=_LOGIN.encode(), content_type="text/plain")
        if status in {502, 503, 504}:
            return RestReply(
                status=status, body=f"<html><body><h1>{status}</h1></body></html>".encode(), content_type="text/html"
            )
        return self._json(status, {"error": text})

    # --- the way to a handler ------------------------------------------------------------------------------------

    def _authenticate(self, request: RestRequest) -> None:
        own = request.path.startswith(f"/v1/Account/{self._auth_id}/")
        if request.headers.get("authorization") != self._basic or not own:
            raise Refusal(401, "")

    def _route(self, now: float, request: RestRequest) -> RestReply:
        below = request.path.removeprefix(f"/v1/Account/{self._auth_id}/")
        for method, pattern, handler in self._routes:
            found = pattern.fullmatch(below) if method == request.method else None
            if found:
                return handler(now, request, *found.groups())
        return self._refused(now, 404, f"{request.method} {request.path} is not simulated")

    def _refused(self, now: float, status: int, what: str) -> RestReply:
        """Loud: what Plivo might know and the lab does not must not pass for a carrier's answer."""
        self._site.ledger.write(now, "refused", carrier=self._site.name, what=what)
        return self._json(status, {"error": f"lab: {what}"})

    def _json(self, status: int, content: Mapping[str, Any]) -> RestReply:
        return RestReply(status=status, body=json.dumps({"api_id": new_uuid(self._site.random), **content}).encode())

    # --- calls ---------------------------------------------------------------------------------------------------

    def _create(self, now: float, request: RestRequest) -> RestReply:
        fields = _body(request)
        strange = [name for name, value in fields.items() if name not in _OBEYED and _HARMLESS.get(name, ...) != value]
        if strange:
            return self._refused(now, 400, f"create call with {', '.join(strange)} is not simulated")
        _check_call(fields)
        if self._site.knobs.get("foreign_caller_id", "hangup") == "refuse" and not self._owns(str(fields["from"])):
            raise Refusal(400, f"from parameter is invalid. {fields['from']} is not associated with your account")
        message, call = self._office.accept(now, fields)
        return self._json(201, {"message": message, "request_uuid": call.uuid})

    def _owns(self, number: str) -> bool:
        return _digits(number) in {_digits(own) for own in self._site.numbers}

    def _list(self, now: float, request: RestRequest) -> RestReply:
        query = _query(request)
        unknown = set(query) - _FILTERS
        if unknown:
            return self._refused(now, 400, f"listing calls by {', '.join(sorted(unknown))} is not simulated")
        start, size = int(query.get("offset", "0")), min(int(query.get("limit", "20")), PAGE_LIMIT)
        status = query.get("status", "")
        found = [call for call in self._listed(now, status) if _matches(call, query, self._zone)]
        page = found[start : start + size]
        if status:
            return self._json(200, {"calls": [call.uuid for call in page]})
        meta = {"limit": size, "offset": start, "next": None, "previous": None, "total_count": len(found)}
        return self._json(200, {"meta": meta, "objects": [finished_call(call, self._auth_id, self._zone) for call in page]})

    def _get(self, now: float, request: RestRequest, uuid: str) -> RestReply:
        status = _query(request).get("status", "")
        call = next((call for call in self._listed(now, status) if call.uuid == uuid), None)
        if call is None:
            raise Refusal(404, "call not found")
        return self._json(200, live_call(call, status) if status else finished_call(call, self._auth_id, self._zone))

    def _listed(self, now: float, status: str) -> Iterable[Call]:
        """The calls of one list, newest first: queued, live, or finished (status empty)."""
        lag = self._site.knobs.get("listing_lag_s", 0.0)
        unanswered = self._site.knobs.get("unanswered_listed_as", "live")
        for call in reversed(self._office.calls.values()):
            if _list_of(call, unanswered) == status and self._visible(now, call, lag):
                yield call

    def _visible(self, now: float, call: Call, lag: float) -> bool:
        listed_at: float = call.accepted_at + lag
        if call.phase is Phase.ENDED:
            listed_at = call.ended_at + self._site.knobs.get("cdr_lag_s", 2.0)
        return now >= listed_at

    def _delete(self, now: float, _request: RestRequest, uuid: str) -> RestReply:
        call = self._office.calls.get(uuid)
        if call is None or call.phase is Phase.ENDED:
            raise Refusal(404, "call not found")
        self._office.end(now, call, 4000 if call.answered else 1000, "API Request")
        return RestReply(status=204)

    def _delete_all(self, now: float, _request: RestRequest) -> RestReply:
        """The trap: without an id, every call of the account is hung up."""
        self._site.ledger.write(now, "refused", carrier=self._site.name, what="DELETE Call/ without an id ended every call")
        for call in [call for call in self._office.calls.values() if call.phase is not Phase.ENDED]:
            self._office.end(now, call, 0, "API Request")
        return RestReply(status=204)

    def _cancel(self, now: float, _request: RestRequest, uuid: str) -> RestReply:
        call = self._office.calls.get(uuid)
        if call is None or call.phase not in _UNANSWERED:
            raise Refusal(404, "request not found")
        self._office.end(now, call, 1000, "API Request")
        return RestReply(status=204)

    # --- account and numbers -------------------------------------------------------------------------------------

    def _account(self, _now: float, _request: RestRequest) -> RestReply:
        content = {
            "account_type": "standard",
            "auth_id": self._auth_id,
            "auto_recharge": False,
            "billing_mode": "prepaid",
            "cash_credits": str(self._site.knobs.get("cash_credits", "100.00000")),
            "name": "Holdline lab",
            "resource_uri": f"/v1/Account/{self._auth_id}/",
            "timezone": self._zone_name,
        }
        return self._json(200, content)

    def _numbers(self, _now: float, request: RestRequest) -> RestReply:
        query = _query(request)
        start, size = int(query.get("offset", "0")), min(int(query.get("limit", "20")), PAGE_LIMIT)
        page = self._site.numbers[start : start + size]
        meta = {"limit": size, "offset": start, "next": None, "previous": None, "total_count": len(self._site.numbers)}
        return self._json(200, {"meta": meta, "objects": [rented_number(number, self._auth_id) for number in page]})

    def _number(self, _now: float, _request: RestRequest, digits: str) -> RestReply:
        if f"+{digits}" not in self._site.numbers:
            raise Refusal(404, "number not found")
        return self._json(200, rented_number(f"+{digits}", self._auth_id))


_LOGIN = "Could not verify your access level for that URL. You have to login with proper credentials"


def _body(request: RestRequest) -> Fields:
    """JSON as the SDK sends it, or a form; what is neither has no fields."""
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
    try:
        content = json.loads(request.body or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _query(request: RestRequest) -> dict[str, str]:
    query = dict(parse_qsl(request.query))
    for name in ("limit", "offset"):
        if not query.get(name, "0").isdecimal():
            raise Refusal(400, f"{name} must be a number")
    return query


def _check_call(fields: Fields) -> None:
    missing = [name for name in ("from", "to", "answer_url") if not fields.get(name)]
    if missing:
        raise Refusal(400, f"{', '.join(missing)} parameter is missing")
    for name in ("from", "to"):
        if not _NUMBER.fullmatch(str(fields[name])):
            raise Refusal(400, f"{name} parameter is invalid")
    for name in ("answer_url", "ring_url", "hangup_url", "fallback_url"):
        if name in fields and not _URL.fullmatch(str(fields[name])):
            raise Refusal(400, f"{name} parameter is invalid")
    for name in ("ring_timeout", "time_limit"):
        if not str(fields.get(name, "1")).isdecimal() or not int(fields.get(name, 1)):
            raise Refusal(400, f"{name} parameter is invalid")


def _list_of(call: Call, unanswered: str) -> str:
    """Which of the three lists holds a call; where a ringing one is listed is not documented."""
    names = {Phase.RINGING: unanswered, Phase.ANSWERED: "live", Phase.ENDED: ""}
    return names.get(call.phase, "queued")


def _matches(call: Call, query: Mapping[str, str], zone: tzinfo) -> bool:
    """The time filter is read in the account's own zone."""
    fits = (
        "from_number" not in query or _digits(query["from_number"]) == _digits(call.caller),
        "to_number" not in query or _digits(query["to_number"]) == _digits(call.to),
        query.get("call_direction", "outbound") == "outbound",
        "end_time__gte" not in query or call.ended_at >= _moment(query["end_time__gte"], zone),
    )
    return all(fits)


def _moment(text: str, zone: tzinfo) -> float:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()
    except ValueError as error:
        raise Refusal(400, "end_time__gte must look like 2026-11-22 12:00:00") from error


def _digits(number: str) -> str:
    return "".join(filter(str.isdigit, number))
