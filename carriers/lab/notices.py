"""What a person at a line client sees and hears. A pure value."""

from msgspec import Struct


class LineNotice(Struct, frozen=True, kw_only=True):
    """For the client of `/lab/phones/{number}/line`. kinds: ring, answered, ended, audio (`sound`: mu-law)."""

    number: str
    kind: str
    carrier: str = ""
    carrier_call_id: str = ""
    caller_id: str = ""
    cause: str = ""
    by: str = ""
    sound: bytes = b""
