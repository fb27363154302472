"""The call-control documents (NCCO) that Vonage obeys: a JSON array of actions, carried out in order."""

from typing import Any

import msgspec

from carriers.contract import Attempt, Document
from carriers.messages_left import LEAVE, MESSAGE_S, SORRY, THANKS

CONTENT_TYPE = "application/json"
_RECORD: dict[str, Any] = {
    "action": "record",
    "format": "wav",
    "beepStart": True,
    "endOnSilence": 5,
    "endOnKey": "#",
    "timeOut": MESSAGE_S,
}
AUDIO = "audio/l16;rate=8000"
"""The smallest of the three rates; Vonage speaks no mu-law on its sockets."""


class NccoMarkup:
    """Implements `carriers.contract.Markup`."""

    def connect(self, attempt: Attempt) -> Document:
        """Connect the WebSocket leg; when it is gone, or never came about, ask what to do.

        Vonage asks twice: `stream` gets the socket leg's end (eventType synchronous: an NCCO in the answer is obeyed),
        and if that answer never arrives the next action asks again on `after`.
        """
        return _ncco(_socket(attempt), _ask(attempt))

    def hang_up(self) -> Document:
        """There is no hang-up action: a flow without actions ends the call."""
        return _ncco()

    def reject(self, cause: str) -> Document:
        """Vonage has answered before it asks, and NCCO has no early reject: an empty flow ends the call at once."""
        return _ncco()

    def voicemail(self) -> Document:
        return _ncco({"action": "talk", "text": SORRY}, _RECORD, {"action": "talk", "text": THANKS})

    def message(self, attempt: Attempt) -> Document:
        """The recording's address is told once, to `eventUrl`; afterwards the flow ends by itself."""
        record = {**_RECORD, "eventUrl": [attempt.hook("recorded")], "eventMethod": "POST"}
        return _ncco({"action": "talk", "text": LEAVE}, record, {"action": "talk", "text": THANKS})

    def farewell(self) -> Document:
        return _ncco({"action": "talk", "text": THANKS})

    def acknowledge(self) -> Document:
        """No body at all: a JSON array in the answer to a synchronous event would be carried out."""
        return Document(status=204)


def _socket(attempt: Attempt) -> dict[str, Any]:
    return {
        "action": "connect",
        "eventType": "synchronous",
        "eventUrl": [attempt.hook("stream")],
        "eventMethod": "POST",
        "from": attempt.caller_id.removeprefix("+"),
        "endpoint": [
            {
                "type": "websocket",
                "uri": attempt.media_url,
                "content-type": AUDIO,
                # The upgrade then carries the same signed token as the webhooks.
                "authorization": {"type": "vonage"},
            }
        ],
    }


def _ask(attempt: Attempt) -> dict[str, Any]:
    return {
        "action": "notify",
        "payload": {"leg": attempt.leg_id},
        "eventUrl": [attempt.hook("after")],
        "eventMethod": "POST",
    }


def _ncco(*actions: dict[str, Any]) -> Document:
    return Document(body=msgspec.json.encode(actions), content_type=CONTENT_TYPE)
