"""What Sparrow posts: a signature over time, URL and body, then one JSON object. Pure."""

import hashlib
import hmac
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from carriers.contract import Expectation, Hook, HookRequest, Verified
from gateway.domain.errors import BadSignature, Malformed
from gateway.domain.events import LegAnswered, LegEnded, LegEvent, LegRinging

from . import verdicts

SIGNATURE = "x-sparrow-signature"
MAX_AGE_S = 300.0


class _Report(Struct, frozen=True):
    event: str
    call: str
    serial: int
    cause: str = ""
    rang: bool = False
    answered: bool = False


class SparrowWebhooks:
    """`carriers.contract.Webhooks`."""

    def __init__(self, signing_secret: str) -> None:
        self._secret = signing_secret.encode()

    def verify(self, request: HookRequest, now: float) -> Verified:
        self._check(request.url, request.body, request.headers, now)
        # The URL names call, leg and step, the body a serial number: a retry repeats both, and nothing else does.
        return Verified(key=hashlib.sha256(f"{request.url}\n".encode() + request.body).hexdigest())

    def verify_upgrade(self, url: str, headers: Mapping[str, str], now: float) -> bool:
        self._check(url, b"", headers, now)
        return True

    def parse(self, request: HookRequest, now: float) -> Hook:
        try:
            report = msgspec.json.decode(request.body, type=_Report)
        except msgspec.MsgspecError as error:
            raise Malformed("report", str(error)) from error
        return Hook(events=_events(report), expects=_EXPECTS.get(report.event, Expectation.ACKNOWLEDGEMENT))

    def _check(self, url: str, body: bytes, headers: Mapping[str, str], now: float) -> None:
        stamp, _, given = headers.get(SIGNATURE, "").partition(".")
        text = f"{stamp}\n{url}\n".encode() + body
        wanted = hmac.new(self._secret, text, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted.encode(), given.encode()):
            raise BadSignature("wrong-signature" if given else "unsigned")
        if abs(now - int(stamp)) > MAX_AGE_S:
            raise BadSignature("stale")


_EXPECTS = {"answered": Expectation.ANSWER_DOCUMENT, "stream-over": Expectation.AFTER_STREAM_DOCUMENT}


def _events(report: _Report) -> tuple[LegEvent, ...]:
    match report.event:
        case "ringing":
            return (LegRinging(carrier_call_id=report.call),)
        case "answered":
            return (LegAnswered(carrier_call_id=report.call),)
        case "ended":
            verdict = verdicts.of_cause(report.cause)
            return (LegEnded(carrier_call_id=report.call, verdict=verdict, alerted=report.rang, answered=report.answered),)
        case _:
            return ()
