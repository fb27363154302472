"""Text messages of the simulated carrier: `POST /v1/messages` for SMS, and the webhooks that tell their fate."""

import re
from typing import Any

from msgspec import Struct

from carriers.lab.contract import PhoneEvent, RestReply
from carriers.vonage.simulator_account import ERRORS, as_json
from carriers.vonage.simulator_events import stamp
from carriers.vonage.simulator_parts import Parts
from carriers.vonage.simulator_requests import NUMBER, Asked, json_object

_FIELDS = frozenset({"channel", "message_type", "to", "from", "text", "client_ref", "webhook_url"})
_SENDER = re.compile(r"[1-9]\d{6,14}|[A-Za-z0-9 ]{1,11}")
LONGEST = 3200
PRICE = "0.0333"
_ERRORS = {"1120": "Illegal Sender Address - rejected", "1260": "Destination unreachable"}


class Message(Struct, frozen=True, kw_only=True):
    """One that was accepted. Numbers without `+`."""

    id: str
    to: str
    from_: str
    client_ref: str
    url: str
    application_id: str


class Messages:
    """Of one account."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._sent: dict[str, Message] = {}

    def send(self, now: float, asked: Asked) -> RestReply:
        """Accept a message; what becomes of it comes as webhooks."""
        body = json_object(asked.request.body)
        wrong = _faults(body)
        if wrong:
            return self._invalid(now, wrong)
        application_id = asked.application_id or self._parts.account.application_id
        message = Message(
            id=self._parts.new_uuid(),
            to=body["to"],
            from_=body["from"],
            client_ref=body.get("client_ref", ""),
            url=body.get("webhook_url") or self._parts.applications.of(application_id).status_url,
            application_id=application_id,
        )
        self._sent[message.id] = message
        self._pass_on(now, message, body["text"])
        return as_json(202, {"message_uuid": message.id})

    def _pass_on(self, now: float, message: Message, text: str) -> None:
        site = self._parts.site
        who = {"carrier": site.name, "number": f"+{message.to}", "carrier_call_id": message.id}
        site.ledger.write(now, "message", caller_id=message.from_, **who)
        own = f"+{message.from_}" in site.numbers
        # Only a sender that is the account's own gets through in the country of the lab's numbers.
        if not own:
            self._tell(now, message, "rejected", "1120")
            return
        self._tell(now, message, "submitted")
        site.network.text(now, carrier=site.name, ref=message.id, to=f"+{message.to}", caller_id=f"+{message.from_}", body=text)

    def on_phone(self, now: float, told: PhoneEvent) -> bool:
        """The message reached its phone, or did not; False if it is none of ours."""
        message = self._sent.get(told.ref)
        if message is None:
            return False
        if told.kind == "delivered":
            self._tell(now, message, "delivered")
        else:
            self._tell(now, message, "rejected", str(self._parts.knob("undelivered_code", "1260")))
        return True

    def _tell(self, now: float, message: Message, status: str, code: str = "") -> None:
        if not message.url:
            return
        body: dict[str, Any] = {
            "message_uuid": message.id,
            "to": message.to,
            "from": message.from_,
            "timestamp": stamp(now),
            "status": status,
            "channel": "sms",
        }
        if message.client_ref:
            body["client_ref"] = message.client_ref
        body |= self._error(code) if code else {"usage": {"currency": "EUR", "price": PRICE}, "sms": {"count_total": "1"}}
        number = f"+{message.to}"
        self._parts.post.tell_of_message(now, message.url, message.application_id, message.id, number, body)

    def _error(self, code: str) -> dict[str, Any]:
        title = _ERRORS.get(code, "Undeliverable")
        return {
            "error": {"type": f"{ERRORS}/messages#{code}", "title": code, "detail": title, "instance": self._parts.new_uuid()}
        }

    def _invalid(self, now: float, wrong: dict[str, str]) -> RestReply:
        for name, reason in wrong.items():
            if "not simulated" in reason:
                self._parts.refused(now, f"messages: {name} {reason}")
        body: dict[str, Any] = {"type": f"{ERRORS}/messages#1020", "title": "Invalid params"}
        body |= {"detail": "The value of one or more parameters is invalid", "instance": self._parts.new_uuid()}
        body["invalid_parameters"] = [{"name": name, "reason": reason} for name, reason in wrong.items()]
        return as_json(422, body, "application/problem+json")

    def reset(self) -> None:
        """Forget all messages."""
        self._sent.clear()


def _faults(body: dict[str, Any]) -> dict[str, str]:
    wrong = dict.fromkeys((name for name in body if name not in _FIELDS), "is not simulated")
    if body.get("channel") != "sms":
        wrong["channel"] = f"{body.get('channel')!r} is not simulated, only sms"
    if body.get("message_type") != "text":
        wrong["message_type"] = f"{body.get('message_type')!r} is not simulated, only text"
    if not NUMBER.fullmatch(str(body.get("to", ""))):
        wrong["to"] = "must be E.164 without a leading +"
    if not _SENDER.fullmatch(str(body.get("from", ""))):
        wrong["from"] = "must be a number without +, or up to 11 letters and digits"
    text = body.get("text")
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        wrong["text"] = f"must have 1 to {LONGEST} characters"
    return wrong
