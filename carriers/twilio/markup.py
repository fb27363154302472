"""TwiML, as far as Holdline speaks it. Pure."""

from xml.sax.saxutils import quoteattr

from carriers.contract import Attempt, Document
from carriers.messages_left import LEAVE, MESSAGE_S, SORRY, THANKS

XML = "text/xml"
_RECORD = f'maxLength="{MESSAGE_S}" timeout="5" finishOnKey="#" playBeep="true" trim="do-not-trim"'


class TwilioMarkup:
    """Documents for the answer URL, for `action` of `<Connect>`, and for status callbacks."""

    def connect(self, attempt: Attempt) -> Document:
        """`<Connect>` and not `<Start>`: the latter is one-way, and the person would hear silence.

        Twilio never reconnects a stream by itself. When it ends, for whatever reason, Twilio asks `action`; without one the
        call would simply end. The stream's URL may carry no query (Twilio drops it in silence): the token is in the path.
        """
        action, report, media = attempt.hook("after"), attempt.hook("stream"), attempt.media_url
        return _twiml(
            f'<Connect action={quoteattr(action)} method="POST">'
            f'<Stream url={quoteattr(media)} statusCallback={quoteattr(report)} statusCallbackMethod="POST"/>'
            "</Connect>"
        )

    def hang_up(self) -> Document:
        return _twiml("<Hangup/>")

    def reject(self, cause: str) -> Document:
        """As the first verb it turns the caller away before the call is answered, and is not billed."""
        return _twiml(f"<Reject reason={quoteattr(cause)}/>")

    def voicemail(self) -> Document:
        """Without an `action` the same document would be asked for again after the recording, and greet for ever: the hosted
        copy is static, so what follows `<Record>` is reached only through silence; a pressed key or a hang-up ends it.
        """
        return _twiml(f"<Say>{SORRY}</Say><Record {_RECORD}/><Say>{THANKS}</Say><Hangup/>")

    def message(self, attempt: Attempt) -> Document:
        """When the recording is over, by a hang-up too, Twilio asks `action`; without one it would ask for this again."""
        record = f'<Record action={quoteattr(attempt.hook("recorded"))} method="POST" {_RECORD}/>'
        return _twiml(f"<Say>{LEAVE}</Say>{record}<Say>{THANKS}</Say><Hangup/>")

    def farewell(self) -> Document:
        return _twiml(f"<Say>{THANKS}</Say><Hangup/>")

    def acknowledge(self) -> Document:
        """204: an empty 200 would be invalid TwiML if Twilio ever took it for a document."""
        return Document(status=204)


def _twiml(verbs: str) -> Document:
    text = f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>'
    return Document(body=text.encode(), content_type=XML)
