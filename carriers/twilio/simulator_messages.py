"""The lab's Twilio: one text message, from the create to its last status."""

from typing import Any

from msgspec import Struct

from carriers.lab.contract import PhoneEvent, RestReply, RestRequest, Site, Wake
from carriers.twilio import simulator_rules as rules
from carriers.twilio.simulator_account import Account
from carriers.twilio.simulator_call import API_VERSION, Target, stamp
from carriers.twilio.simulator_hooks import Hooks
from carriers.twilio.simulator_numbers import Numbers
from carriers.twilio.simulator_rest import NoSuch, answer, form, gone, only, page, query

CREATE = frozenset({"To", "From", "Body", "StatusCallback", "ValidityPeriod"})
LONGEST = 1600
UNREACHABLE = 30003
SENT_S = 0.1
"""From the create to the network; guessed, and nothing depends on it."""
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)
FINAL = frozenset({"delivered", "undelivered"})


class Message(Struct, kw_only=True, eq=False):
    """One outbound text."""

    sid: str
    to: str
    caller_id: str
    body: str
    report: Target
    created: float
    updated: float
    sent: float | None = None
    status: str = "queued"
    error: int | None = None


class Messages:
    """Outbound texts; phones write none."""

    def __init__(self, site: Site, hooks: Hooks, account: Account, numbers: Numbers) -> None:
        self._site, self._hooks, self._account, self._numbers = site, hooks, account, numbers
        self.by_sid: dict[str, Message] = {}

    def create(self, now: float, request: RestRequest) -> RestReply:
        """201, `queued`."""
        fields = form(request)
        only(fields, CREATE)
        one = {name: values[-1] for name, values in fields.items()}
        self._check(one.get("To", ""), one.get("From", ""), one.get("Body", ""))
        rules.number(one.get("ValidityPeriod", "36000"), 1, 36000, 20001)
        message = Message(
            sid=f"SM{self._site.random.getrandbits(128):032x}",
            to=one["To"],
            caller_id=one["From"],
            body=one["Body"],
            report=rules.target("StatusCallback", fields),
            created=now,
            updated=now,
        )
        self.by_sid[message.sid] = message
        self._site.ledger.write(
            now, "message", carrier=self._site.name, number=message.to, carrier_call_id=message.sid, body=message.body
        )
        self._site.emit(Wake(at=now + SENT_S, key=f"message {message.sid} 0"))
        return answer(self._show(message), 201)

    def list(self, now: float, request: RestRequest) -> RestReply:
        """Newest first, filtered by To and From."""
        asked = query(request)
        only(asked, frozenset({"To", "From", "PageSize", "Page", "PageToken"}))
        found = [one for one in self.by_sid.values() if asked.get("To") in {None, one.to}]
        found = [one for one in found if asked.get("From") in {None, one.caller_id}]
        return page("messages", request, found[::-1], self._show)

    def one(self, now: float, request: RestRequest, sid: str) -> RestReply:
        """Fetch (GET) or delete one."""
        if sid not in self.by_sid:
            raise NoSuch(404, 20404, f"message {sid}")
        if request.method == "DELETE":
            del self.by_sid[sid]
            return gone()
        return answer(self._show(self.by_sid[sid]))

    def timer(self, now: float, sid: str) -> None:
        """It leaves for the network: `sent`."""
        message = self.by_sid.get(sid)
        if message is None:
            return
        self._become(now, message, "sending")
        name, to, caller_id = self._site.name, message.to, message.caller_id
        self._site.network.text(now, carrier=name, ref=sid, to=to, caller_id=caller_id, body=message.body)
        message.sent = now
        self._become(now, message, "sent")

    def phone(self, now: float, event: PhoneEvent) -> None:
        """The network delivered it, or not."""
        message = self.by_sid.get(event.ref)
        if message is None or event.kind not in FINAL:
            return
        message.error = UNREACHABLE if event.kind == "undelivered" else None
        self._become(now, message, event.kind)

    def _check(self, to: str, caller_id: str, body: str) -> None:
        rules.telephone("To", to)
        rules.telephone("From", caller_id)
        problems = (
            (not to, 21604),
            (not rules.E164.fullmatch(to), 21211),
            (not caller_id, 21213),
            (not self._numbers.owns(caller_id), 21606),
            (not body, 21602),
            (len(body) > LONGEST, 21617),
        )
        for wrong, code in problems:
            if wrong:
                raise NoSuch(400, code)

    def _become(self, now: float, message: Message, status: str) -> None:
        """Each status is told, in one callback each; they carry no time and no number."""
        message.status, message.updated = status, now
        if not message.report.url:
            return
        fields = {
            "AccountSid": self._account.sid,
            "ApiVersion": API_VERSION,
            "From": message.caller_id,
            "To": message.to,
            "MessageSid": message.sid,
            "MessageStatus": status,
            "SmsSid": message.sid,
            "SmsStatus": status,
        } | ({"ErrorCode": str(message.error)} if message.error else {})
        report = message.report
        self._hooks.post(now, "message", message.sid, message.to, report.url, report.method, fields)

    def _show(self, message: Message) -> dict[str, Any]:
        uri = f"{self._account.root}/Messages/{message.sid}"
        return {
            "sid": message.sid,
            "account_sid": self._account.sid,
            "api_version": API_VERSION,
            "messaging_service_sid": None,
            "to": message.to,
            "from": message.caller_id,
            "body": message.body,
            "status": message.status,
            "direction": "outbound-api",
            "num_segments": str(segments(message.body)),
            "num_media": "0",
            "price": None,
            "price_unit": "USD",
            "error_code": message.error,
            "error_message": None,
            "date_created": stamp(message.created),
            "date_updated": stamp(message.updated),
            "date_sent": stamp(message.sent),
            "uri": f"{uri}.json",
            "subresource_uris": {"media": f"{uri}/Media.json"},
        }


def segments(body: str) -> int:
    """160 characters of the GSM alphabet or 70 others in one; 153 or 67 each in several. Some GSM ones count twice."""
    if set(body) <= _GSM:
        size, single, several = len(body) + sum(map(body.count, "^{}\\[~]|€")), 160, 153
    else:
        size, single, several = len(body.encode("utf-16-le")) // 2, 70, 67
    return 1 if size <= single else -(-size // several)
