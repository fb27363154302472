"""One key, one call: how a client may repeat a request without calling twice. Pure.

A key is the client's own, at most 255 characters, within the scope of its API key; where it sends none we make one and
return it. The same key with the same request finds the same call as it stands now; with another request it is refused.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from gateway.domain.errors import Problem
from gateway.runtime.store.contract import IdempotencyRecord
from gateway.strict import describe
from gateway.web.problems import Refusal, field_errors, refusal

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
_LONGEST = 255


def client_key(header: str | None, new_id: Callable[[str], str]) -> str:
    """The client's key, or a new one; 400 for one that cannot be kept."""
    if header is None:
        return new_id("idem")
    if not header.strip() or len(header) > _LONGEST:
        raise refusal("bad-request", f"{HEADER}: found {len(header)} characters; allowed: 1 to {_LONGEST}.")
    return header


def record(key: str, scope: str, call_id: str, request: dict[str, Any]) -> IdempotencyRecord:
    """What the store keeps beside the call. `scope` is the API key's name; `request` is canonical."""
    return IdempotencyRecord(key=scoped(key, scope), fingerprint=fingerprint(request), call_id=call_id, request=request)


def scoped(key: str, scope: str) -> str:
    """The store's key: two users' keys never meet. Names of API keys hold no colon."""
    return f"{scope}:{key}"


def fingerprint(request: dict[str, Any]) -> str:
    """SHA-256 of the canonical request."""
    return hashlib.sha256(msgspec.json.encode(request, order="sorted")).hexdigest()


def refuse_another(known: IdempotencyRecord, request: dict[str, Any]) -> Refusal | None:
    """None if the known key belongs to this request, else the refusal that names every field that differs."""
    if known.fingerprint == fingerprint(request):
        return None
    names = sorted({name for name in known.request.keys() | request.keys() if known.request.get(name) != request.get(name)})
    differing = [_difference(name, known.request.get(name), request.get(name)) for name in names]
    detail = f"{HEADER} was used with another body. Repeat that one, or send a new key."
    return refusal("idempotency-key-reused", detail, field_errors(differing))


def _difference(name: str, first: object, now: object) -> Problem:
    return Problem(name, describe(now), f"the key's first request had {describe(first)}")
