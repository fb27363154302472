"""The lab's Twilio: a phone calls one of the account's numbers."""

import json
from urllib.parse import quote

from carriers.lab.contract import Incoming, Site
from carriers.twilio.simulator_call import INBOUND, Call
from carriers.twilio.simulator_documents import Documents
from carriers.twilio.simulator_life import Life
from carriers.twilio.simulator_numbers import Numbers, Route

ATTESTED = "TN-Validation-Passed-{}"
"""StirVerstat is absent where no passport came with the call."""
UNSET = ("unreachable", ("failed", "404"))


class Inbound:
    """Takes calls of phones to the account's numbers."""

    def __init__(self, site: Site, numbers: Numbers, documents: Documents, life: Life) -> None:
        self._site, self._numbers, self._documents, self._life = site, numbers, documents, life

    def new_call(self, now: float, sid: str, root: str, account_sid: str, incoming: Incoming) -> Call:
        """The call as Twilio sees it before anybody was asked."""
        route = self._numbers.route(incoming.to)
        instructions = route.instructions
        caller = incoming.caller_id or self._site.knobs.get("withheld_from", "+266696687")
        return Call(
            sid=sid,
            uri=f"{root}/Calls/{sid}",
            account_sid=account_sid,
            number_sid=route.number_sid,
            to=incoming.to,
            caller_id=caller,
            direction=INBOUND,
            created=now,
            url=instructions.url,
            method=instructions.method,
            fallback_url=instructions.fallback_url,
            fallback_method=instructions.fallback_method,
            report=instructions.report,
            status="ringing",
            dialled=now,
            caller_name=_name(route, incoming),
            extra=_extra(route, incoming, sid),
        )

    def ask(self, now: float, call: Call) -> None:
        """The call is not answered yet: the first request says `ringing`."""
        if call.url:
            self._documents.ask(now, call, call.url, call.method)
            return
        self._documents.refuse(now, call, "", f"{call.to} has neither VoiceUrl nor VoiceApplicationSid")
        if self._site.knobs.get("unset_number", "refuse") == "apology":
            self._documents.apologise(now, call)
        else:
            self._life.refuse(now, call, *UNSET)


def _name(route: Route, incoming: Incoming) -> str | None:
    """Only a number that pays for the look-up learns it."""
    return incoming.caller_name or None if route.looks_up_name else None


def _extra(route: Route, incoming: Incoming, sid: str) -> dict[str, str]:
    """What only an inbound call carries. CallToken is URL-encoded JSON, to be given back with a create (CallToken)."""
    token = {"parentCallInfoToken": f"{sid}.{incoming.caller_id}", "identityHeaderTokens": []}
    fields = {"CallToken": quote(json.dumps(token, separators=(",", ":")), safe="")}
    if incoming.attestation:
        fields["StirVerstat"] = ATTESTED.format(incoming.attestation)
    name = _name(route, incoming)
    return fields | ({"CallerName": name} if name else {})
