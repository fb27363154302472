"""What the in-memory store keeps of a call and of a client's key."""

from msgspec import Struct


class StoredCall(Struct, kw_only=True):
    """A call, and all that goes when it is purged."""

    version: int
    body: str
    position: str
    indexes: tuple[str, ...]
    entries: list[tuple[int, str]]
    media: dict[str, str]
    keys: set[str]
    last_context: str | None = None


class BoundKey(Struct, kw_only=True):
    """An idempotency key; `expires_at` is None until its call has ended."""

    call_id: str
    record: str
    expires_at: float | None = None

    def expired(self, clock: float) -> bool:
        """Whether the key is free again."""
        return self.expires_at is not None and self.expires_at <= clock
