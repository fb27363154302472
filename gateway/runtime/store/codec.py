"""Bodies back to values. Readers ignore fields that they do not know, so that two versions of Holdline can share a store."""

import msgspec
from msgspec.structs import replace

from gateway.domain.breaker import Breaker
from gateway.domain.commands import AnyCommand
from gateway.domain.hand import Hand
from gateway.domain.records import Call, MediaCounters
from gateway.runtime.store.contract import ConsoleSession, IdempotencyRecord, LogEntry, Process
from gateway.runtime.store.notice_contract import Notice
from gateway.runtime.store.voicemail_contract import Voicemail

decode_call = msgspec.json.Decoder(Call).decode
decode_breaker = msgspec.json.Decoder(Breaker).decode
decode_hand = msgspec.json.Decoder(Hand).decode
decode_session = msgspec.json.Decoder(ConsoleSession).decode
decode_notice = msgspec.json.Decoder(Notice).decode
decode_voicemail = msgspec.json.Decoder(Voicemail).decode
decode_process = msgspec.json.Decoder(Process).decode
decode_media = msgspec.json.Decoder(MediaCounters).decode
decode_record = msgspec.json.Decoder(IdempotencyRecord).decode
plain = msgspec.json.Decoder().decode
"""A body as dicts and lists, for dumps."""

_encode = msgspec.json.Encoder().encode
_decode_command = msgspec.json.Decoder(AnyCommand).decode
_decode_entry = msgspec.json.Decoder(LogEntry).decode


def encode(value: msgspec.Struct) -> str:
    """A body: JSON, as text, since the MessagePack of Redis' Lua knows no binary."""
    return _encode(value).decode()


def decode_command(body: bytes | str) -> AnyCommand | None:
    """None for a command that only another version of Holdline knows: its lease runs out, and that one may have it."""
    try:
        return _decode_command(body)  # type: ignore[no-any-return]
    except msgspec.ValidationError:
        return None


def decode_entry(seq: int, body: bytes | str) -> LogEntry:
    """A log line with the number that the store gave it."""
    return replace(_decode_entry(body), seq=seq)
