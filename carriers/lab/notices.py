"""What a person at a line client sees and hears. A pure value."""

from msgspec import Struct


class LineNotice(Struct, frozen=True, kw_only=True):
    """For the client of `/lab/phones/{number}/line`.

    kinds: `ring`; `knock` (a second call reached the phone and got busy); `calling` (the phone calls `called`);
    `answered`; `ended`; `audio` (`sound`: mu-law); `keys` (`text`: DTMF that the other side sent); `text` (a message).
    """

    number: str
    kind: str
    carrier: str = ""
    carrier_call_id: str = ""
    caller_id: str = ""
    cause: str = ""
    by: str = ""
    sound: bytes = b""
    called: str = ""
    """Our number, where the phone placed the call."""
    text: str = ""
