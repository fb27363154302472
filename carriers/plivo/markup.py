"""The XML that Plivo obeys. Pure."""

from html import escape

from carriers.contract import Attempt, Document
from carriers.messages_left import LEAVE, MESSAGE_S, SORRY, THANKS

QUICK_RETRIES = "#ct=2000&rt=5000&rc=2&rp=ct,rt,5xx"
"""Plivo takes its retry policy from the URL's fragment, which it neither sends nor signs: connect and read time-out (ms),
retries, and what is retried. Its default is one retry, none after a 5xx; a 503 of ours wants a second chance. The person
is on the line and hears nothing meanwhile, hence only two."""

LASTING_RETRIES = "#ct=2000&rt=5000&tt=55000&rc=5&rp=ct,rt,5xx"
"""For reports that nobody waits for."""

_CONTENT_TYPE = "application/xml"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_CONNECT = (
    _HEAD + '<Response><Stream bidirectional="true" keepCallAlive="true" contentType="audio/x-mulaw;rate=8000"'
    ' statusCallbackUrl="{status_url}" statusCallbackMethod="POST">{media_url}</Stream>'
    '<Redirect method="POST">{after_url}</Redirect></Response>'
)


class PlivoMarkup:
    """`carriers.contract.Markup`."""

    def connect(self, attempt: Attempt) -> Document:
        """`keepCallAlive` holds the call on the stream; without it what follows runs at once and ends the call.

        contentType is always said, because its default is 16-bit linear. Retry fragments do not apply to the stream's
        own callback.
        """
        xml = _CONNECT.format(
            status_url=escape(attempt.hook("stream")),
            media_url=escape(attempt.media_url),
            after_url=escape(attempt.hook("after") + QUICK_RETRIES),
        )
        return _document(xml)

    def hang_up(self) -> Document:
        return _document(_HEAD + "<Response><Hangup/></Response>")

    def reject(self, cause: str) -> Document:
        """As the first element it turns the caller away before the call is answered, and is not billed as answered."""
        return _document(f'{_HEAD}<Response><Hangup reason="{escape(cause)}"/></Response>')

    def voicemail(self) -> Document:
        return _taking(SORRY)

    def message(self, attempt: Attempt) -> Document:
        """`redirect="false"`: what follows the recording is in here, and nothing is asked."""
        return _taking(LEAVE)

    def farewell(self) -> Document:
        return _document(f"{_HEAD}<Response><Speak>{THANKS}</Speak><Hangup/></Response>")

    def acknowledge(self) -> Document:
        return Document()


def _taking(greeting: str) -> Document:
    return _document(
        f"{_HEAD}<Response><Speak>{greeting}</Speak>"
        f'<Record maxLength="{MESSAGE_S}" timeout="5" finishOnKey="#" playBeep="true" fileFormat="wav" redirect="false"/>'
        f"<Speak>{THANKS}</Speak><Hangup/></Response>"
    )


def _document(xml: str) -> Document:
    return Document(body=xml.encode(), content_type=_CONTENT_TYPE)
