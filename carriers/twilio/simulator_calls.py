"""The lab's Twilio: the Calls resource, with a call's Events and Notifications."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from carriers.lab.contract import RestReply, RestRequest, Site, Wake
from carriers.twilio.simulator_account import Account
from carriers.twilio.simulator_call import API_VERSION, OUTBOUND, Call, call_json, stamp
from carriers.twilio.simulator_life import NORMAL, Life
from carriers.twilio.simulator_numbers import Numbers
from carriers.twilio.simulator_order import Change, Order, read_change, read_order
from carriers.twilio.simulator_rest import NoSuch, answer, form, gone, only, page, query

LONGEST_QUEUE_S = 86400.0
"""More than a day of calls waiting is refused (22005)."""
FILTERS = frozenset({"To", "From", "Status", "ParentCallSid", "PageSize", "Page", "PageToken"}) | frozenset(
    f"{name}{sign}" for name in ("StartTime", "EndTime") for sign in ("", "<", ">")
)


class Calls:
    """All calls of the account; the shelf that every other part looks them up on."""

    def __init__(self, site: Site, account: Account, numbers: Numbers, life: Life) -> None:
        self._site, self._account, self._numbers, self._life = site, account, numbers, life
        self.by_sid: dict[str, Call] = {}
        self._next_turn = 0.0

    def new_sid(self) -> str:
        """An id for a call."""
        return f"CA{self._site.random.getrandbits(128):032x}"

    def keep(self, call: Call) -> None:
        """Put a call on the shelf."""
        self.by_sid[call.sid] = call

    def live(self) -> int:
        """How many have not ended."""
        return sum(call.live for call in self.by_sid.values())

    def forget(self) -> None:
        """Begin anew."""
        self.by_sid.clear()
        self._next_turn = 0.0

    # --- create -----------------------------------------------------------------------------------------------------

    def create(self, now: float, request: RestRequest) -> RestReply:
        """201 means queued: past the account's pace Twilio keeps silent and `queue_time` tells."""
        order = read_order(form(request))
        if not self._may_call_from(order):
            raise NoSuch(400, 21210)
        limit = self._site.knobs.get("concurrent_calls", 0)
        if limit and self.live() >= limit:
            raise NoSuch(self._limit_status, 10004)
        turn = max(now, self._next_turn)
        if turn - now > LONGEST_QUEUE_S:
            raise NoSuch(self._limit_status, 22005)
        self._next_turn = turn + 1 / self._site.knobs.get("calls_per_second", 1.0)
        call = self._new_call(now, order, round((turn - now) * 1000))
        call.requests.append((now, _creation(request)))
        self.keep(call)
        self._site.emit(Wake(at=turn + self._site.knobs.get("dial_after_s", 0.05), key=f"dial {call.sid} 0"))
        return answer(call_json(call), 201)

    @property
    def _limit_status(self) -> int:
        return int(self._site.knobs.get("limit_status", 400))

    def _may_call_from(self, order: Order) -> bool:
        """A number of the account, or with CallToken the caller of an inbound call that is being passed on."""
        if self._numbers.owns(order.caller_id):
            return True
        given = [call for call in self.by_sid.values() if call.extra.get("CallToken") == order.call_token]
        return bool(order.call_token) and any(call.caller_id == order.caller_id for call in given)

    def _new_call(self, now: float, order: Order, queue_ms: int) -> Call:
        sid, told = self.new_sid(), order.instructions
        if order.application_sid:
            told = self._numbers.application(order.application_sid)
        return Call(
            sid=sid,
            uri=f"{self._account.root}/Calls/{sid}",
            account_sid=self._account.sid,
            number_sid=self._numbers.number_sid(order.caller_id),
            to=order.to,
            caller_id=order.caller_id,
            direction=OUTBOUND,
            created=now,
            url=told.url,
            method=told.method,
            twiml=told.twiml,
            fallback_url=told.fallback_url,
            fallback_method=told.fallback_method,
            report=told.report,
            timeout_s=order.timeout_s,
            time_limit_s=order.time_limit_s,
            queue_ms=queue_ms,
            send_digits=order.send_digits,
            detection=order.detection,
            recording=order.recording,
        )

    # --- one call ---------------------------------------------------------------------------------------------------

    def find(self, sid: str) -> Call:
        """Raise NoSuch with 20404."""
        if sid not in self.by_sid:
            raise NoSuch(404, 20404, f"call {sid}")
        return self.by_sid[sid]

    def one(self, now: float, request: RestRequest, sid: str) -> RestReply:
        """Fetch (GET), end or instruct anew (POST), or delete what has ended."""
        call = self.find(sid)
        if request.method == "DELETE":
            return self._delete(call)
        if request.method == "POST":
            self._update(now, call, read_change(form(request)))
        return answer(call_json(call))

    def _delete(self, call: Call) -> RestReply:
        if call.live:
            raise NoSuch(409, 20409, call.status)
        del self.by_sid[call.sid]
        return gone()

    def _update(self, now: float, call: Call, change: Change) -> None:
        if not call.live or call.ending is not None:
            if change.status == "completed" and self._site.knobs.get("completed_when_ended", "refuse") == "accept":
                return
            raise NoSuch(400, 21220)
        if (change.url or change.twiml) and call.status != "in-progress":
            raise NoSuch(400, 21220)
        self._redirect_reports(call, change)
        if change.time_limit_s is not None:
            call.time_limit_s = change.time_limit_s
            self._life.limit(call)
        if change.status:
            self._end(now, call, change.status)
        elif change.url or change.twiml:
            self._life.documents.take_over(now, call, change.url, change.method, change.twiml)

    @staticmethod
    def _redirect_reports(call: Call, change: Change) -> None:
        """What is not named stays; the events asked for stay always."""
        if change.fallback_url is not None:
            call.fallback_url = change.fallback_url
        call.fallback_method = change.fallback_method or call.fallback_method
        url = call.report.url if change.report_url is None else change.report_url
        call.report = structs.replace(call.report, url=url, method=change.report_method or call.report.method)

    def _end(self, now: float, call: Call, wanted: str) -> None:
        """`completed` in any state, `canceled` only before the answer."""
        if call.answered is not None:
            if wanted == "completed":
                self._life.end(now, call, *NORMAL)
            elif self._site.knobs.get("canceled_when_answered", "refuse") == "refuse":
                raise NoSuch(400, 20001, f"Status={wanted} while {call.status}")
            return
        status = self._site.knobs.get("completed_before_answer", "canceled") if wanted == "completed" else "canceled"
        self._life.end(now, call, status, "487")

    # --- lists ------------------------------------------------------------------------------------------------------

    def list(self, now: float, request: RestRequest) -> RestReply:
        """Newest first. A filter by StartTime hides what was not dialled yet: such a call has none."""
        asked = query(request)
        only(asked, FILTERS)
        lag = self._site.knobs.get("list_lag_s", 0.0)
        seen = [call for call in self.by_sid.values() if call.created <= now - lag and _matches(call, asked)]
        return page("calls", request, seen[::-1], call_json)

    def events(self, now: float, request: RestRequest, sid: str) -> RestReply:
        """The requests that made and moved the call, the create POST first."""
        call, lag = self.find(sid), self._site.knobs.get("events_lag_s", 0.0)
        only(query(request), frozenset({"PageSize", "Page", "PageToken"}))
        return page("events", request, [event for at, event in call.requests if at <= now - lag], dict)

    def notifications(self, now: float, request: RestRequest, sid: str) -> RestReply:
        """What Twilio's debugger says of the call."""
        call = self.find(sid)
        only(query(request), frozenset({"PageSize", "Page", "PageToken"}))
        notes = [_notification(call, index, *note) for index, note in enumerate(call.notifications)]
        return page("notifications", request, notes, dict)


def _creation(request: RestRequest) -> dict[str, Any]:
    parameters = {_snake(name): values[-1] for name, values in form(request).items()}
    asked = {"method": "POST", "url": f"https://api.twilio.com{request.path}", "parameters": parameters}
    return {"request": asked, "response": {"response_code": 201}}


def _snake(name: str) -> str:
    """`StatusCallback` -> `status_callback`, as the Events resource writes parameters."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _matches(call: Call, asked: Mapping[str, str]) -> bool:
    mine = {"To": call.to, "From": call.caller_id, "Status": call.status, "ParentCallSid": call.parent_sid}
    if any(asked[name] != mine[name] for name in set(mine) & set(asked)):
        return False
    moments = {"StartTime": call.dialled, "EndTime": call.ended if call.ends_shown else None}
    dated = [name for name in asked if name.rstrip("<>") in moments]
    return all(_in_time(moments[name.rstrip("<>")], name, asked[name]) for name in dated)


def _in_time(moment: float | None, name: str, text: str) -> bool:
    """`StartTime=2026-11-22` is that day, `StartTime>` from then on, `StartTime<` until then (a day: to its end)."""
    first = _moment(text)
    last = first.replace(hour=23, minute=59, second=59, microsecond=999999) if len(text) == len("2026-11-22") else first
    if moment is None:
        return False
    at = datetime.fromtimestamp(moment, UTC)
    return at >= first if name.endswith(">") else at <= last if name.endswith("<") else first <= at <= last


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise NoSuch(400, 20001, f"date {text}") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _notification(call: Call, index: int, at: float, code: str, url: str) -> dict[str, Any]:
    sid = f"NO{index:032x}"
    return {
        "account_sid": call.account_sid,
        "call_sid": call.sid,
        "sid": sid,
        "api_version": API_VERSION,
        "date_created": stamp(at),
        "date_updated": stamp(at),
        "error_code": code,
        "log": "0",
        "message_date": stamp(at),
        "message_text": f"ErrorCode={code}",
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "request_method": None,
        "request_url": url,
        "uri": f"{call.uri}/Notifications/{sid}.json",
    }
