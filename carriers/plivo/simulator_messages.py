"""The lab's Plivo: one text message, its reports and its record. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from carriers.lab.contract import PhoneEvent, RestRequest
from carriers.plivo.simulator_calls import Call, new_uuid
from carriers.plivo.simulator_delivery import Delivery, read_policy
from carriers.plivo.simulator_documents import Verb
from carriers.plivo.simulator_refusals import (
    NUMBER,
    NotPlayed,
    Refusal,
    check_comparisons,
    check_urls,
    compares,
    digits,
    fields_of,
    moment,
    page_of,
    query_of,
)
from carriers.plivo.simulator_rest import Route
from carriers.plivo.simulator_scripts import VerbHandler
from carriers.plivo.simulator_switch import Switch
from carriers.plivo.simulator_views import stamp

_KNOWN = frozenset({"src", "dst", "text", "url", "method"})
_HARMLESS: Mapping[str, Any] = {"type": "sms", "log": "true", "trackable": False}
_TIMES = frozenset(f"message_time{suffix}" for suffix in ("", "__gt", "__gte", "__lt", "__lte"))
_FILTERS = frozenset({"message_direction", "message_state", "from_number", "to_number", "error_code"}) | _TIMES
_RATE = 0.0055
_ERRORS = {"40": "Invalid source number", "80": "Destination temporarily unavailable"}
_UNITS = {True: (160, 153), False: (70, 67)}
"""Characters of a message alone and of a part, for 7-bit text and for any other."""


class Message(Struct, kw_only=True, eq=False):
    """One text. Times are unix seconds, 0.0 for not yet."""

    id: str
    source: str
    destination: str
    text: str
    callback: tuple[str, str]
    queued_at: float
    state: str = "queued"
    error: str | None = None
    """`000` once it was delivered."""
    sent_at: float = 0.0
    reported_at: float = 0.0
    updated_at: float = 0.0
    sequence: int = 0


class Messages:
    """All texts of the account."""

    def __init__(self, switch: Switch) -> None:
        self._switch, self._site = switch, switch.site
        self._messages: dict[str, Message] = {}

    def forget(self) -> None:
        """Drop all."""
        self._messages.clear()

    def handlers(self) -> Mapping[str, VerbHandler]:
        """For `Scripts.verbs`."""
        return {"Message": self._message}

    def _message(self, now: float, _call: Call, verb: Verb) -> bool:
        told = verb.attributes
        callback = (told.get("callbackUrl", ""), told.get("callbackMethod", "POST"))
        self._accept(now, told["src"], told["dst"], verb.text, callback)
        return False

    # --- its life ------------------------------------------------------------------------------------------------

    def _accept(self, now: float, source: str, destination: str, text: str, callback: tuple[str, str]) -> Message:
        message = Message(
            id=new_uuid(self._site.random),
            source=digits(source),
            destination=digits(destination),
            text=text,
            callback=callback,
            queued_at=now,
        )
        self._messages[message.id] = message
        who = {"carrier": self._site.name, "number": "+" + message.destination, "carrier_call_id": message.id}
        self._site.ledger.write(now, "message", text=text, **who)
        self._report(now, message)
        self._switch.wake(now + self._site.knobs.get("message_send_s", 0.1), "message", message.id)
        return message

    def on_time(self, now: float, message_id: str) -> None:
        """It leaves for the destination's network, if it may."""
        message = self._messages.get(message_id)
        if message is None:
            return
        if not self._switch.owns(message.source):
            self._become(now, message, "failed", "40")
            return
        message.sent_at = now
        self._become(now, message, "sent")
        self._site.network.text(
            now,
            carrier=self._site.name,
            ref=message.id,
            to="+" + message.destination,
            caller_id="+" + message.source,
            body=message.text,
        )

    def on_phone(self, now: float, event: PhoneEvent) -> bool:
        """Whether the event was of a message: it arrived, or did not. Not every network says so."""
        message = self._messages.get(event.ref)
        if message is None:
            return False
        if self._site.knobs.get("delivery_reports", True):
            message.reported_at = now
            self._become(now, message, event.kind, "000" if event.kind == "delivered" else "80")
        return True

    def _become(self, now: float, message: Message, state: str, error: str | None = None) -> None:
        message.state, message.error, message.updated_at = state, error, now
        self._report(now, message)

    def _report(self, now: float, message: Message) -> None:
        url, method = message.callback
        if not url:
            return
        message.sequence += 1
        delivery = Delivery(
            purpose="message",
            call_uuid=message.id,
            number="+" + message.destination,
            url=url,
            method=method.upper(),
            form=_form(message),
            policy=read_policy(url),
            began_at=now,
            sealed=self._site.knobs.get("message_signature", "v2"),
        )
        self._switch.deliveries.send(now, delivery)

    # --- the API -------------------------------------------------------------------------------------------------

    def routes(self) -> Iterable[Route]:
        """For `RestApi`."""
        return (
            ("POST", r"Message/", self._create),
            ("GET", r"Message/", self._list),
            ("GET", r"Message/([^/]+)/", self._get),
        )

    def _create(self, now: float, request: RestRequest) -> tuple[int, dict[str, Any]]:
        fields = fields_of(request, "send message", _KNOWN, _HARMLESS)
        missing = [name for name in ("src", "dst", "text") if not fields.get(name)]
        if missing:
            raise Refusal(400, f"{', '.join(missing)} parameter is missing")
        if "<" in str(fields["dst"]):
            raise NotPlayed("send message to several numbers is not simulated")
        for name in ("src", "dst"):
            if not NUMBER.fullmatch(str(fields[name])):
                raise Refusal(400, f"{name} parameter is invalid")
        check_urls({"url_url": fields.get("url"), "url_method": fields.get("method", "POST")})
        callback = (str(fields.get("url") or ""), str(fields.get("method", "POST")))
        message = self._accept(now, str(fields["src"]), str(fields["dst"]), str(fields["text"]), callback)
        return 202, {"message": "message(s) queued", "message_uuid": [message.id]}

    def _list(self, _now: float, request: RestRequest) -> tuple[int, dict[str, Any]]:
        query = query_of(request, "listing messages", _FILTERS)
        check_comparisons(query, message_time=self._moment)
        found = [message for message in reversed(self._messages.values()) if self._matches(message, query)]
        meta, page = page_of(request.path, query, found)
        return 200, {"meta": meta, "objects": [self._shown(message) for message in page]}

    def _moment(self, text: str) -> float:
        return moment(text, self._switch.account.zone)

    def _matches(self, message: Message, query: Mapping[str, str]) -> bool:
        fits = (
            query.get("message_direction", "outbound") == "outbound",
            query.get("message_state", message.state) == message.state,
            digits(query.get("from_number", message.source)) == message.source,
            digits(query.get("to_number", message.destination)) == message.destination,
            query.get("error_code", message.error) == message.error,
            compares(query, "message_time", message.queued_at, self._moment),
        )
        return all(fits)

    def _get(self, _now: float, _request: RestRequest, message_id: str) -> tuple[int, dict[str, Any]]:
        if message_id not in self._messages:
            raise Refusal(404, "not found")
        return 200, self._shown(self._messages[message_id])

    def _shown(self, message: Message) -> dict[str, Any]:
        zone = self._switch.account.zone
        return {
            "error_code": message.error,
            "error_message": _ERRORS.get(message.error or ""),
            "from_number": message.source,
            "message_direction": "outbound",
            "message_sent_time": stamp(message.sent_at, zone) if message.sent_at else None,
            "message_state": message.state,
            "message_time": stamp(message.queued_at, zone),
            "message_type": "sms",
            "message_updated_time": stamp(message.updated_at or message.queued_at, zone),
            "message_uuid": message.id,
            "resource_uri": f"/v1/Account/{self._switch.account.auth_id}/Message/{message.id}/",
            "to_number": message.destination,
            "total_amount": f"{units_of(message.text) * _RATE:.5f}",
            "total_rate": f"{_RATE:.5f}",
            "units": units_of(message.text),
        }


def units_of(text: str) -> int:
    """In how many parts a text goes: long ones lose some characters of each part."""
    alone, part = _UNITS[text.isascii()]
    return 1 if len(text) <= alone else -(-len(text) // part)


def _form(message: Message) -> dict[str, str]:
    units = units_of(message.text)
    failed = {"ErrorCode": message.error or ""} if message.state in {"failed", "undelivered"} else {}
    return {
        "DeliveryReportTime": _moment(message.reported_at),
        "From": message.source,
        "MCC": "310",
        "MNC": "000",
        "MessageTime": _moment(message.queued_at),
        "MessageUUID": message.id,
        "ParentMessageUUID": message.id,
        "PartInfo": f"1 of {units}",
        "PowerpackUUID": "",
        "QueuedTime": _moment(message.queued_at),
        "SentTime": _moment(message.sent_at),
        "Sequence": str(message.sequence),
        "Status": message.state,
        "To": message.destination,
        "TotalAmount": f"{units * _RATE:.5f}",
        "TotalRate": f"{_RATE:.5f}",
        "Type": "sms",
        "Units": str(units),
        **failed,
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f") if at else ""
