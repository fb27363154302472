"""What a call's agent knew at its end, kept with the call: whoever calls the person back is told it.

Small, and best effort: a context that is too long, or that came while the store was away, is not kept; then the one that the
session stored last while it lived is, which is at most a second older.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from gateway.domain.errors import StoreUnavailable
from gateway.domain.records import Call
from gateway.runtime.store.contract import Store

log = structlog.get_logger(__name__)

_STAND_IN = "kept"
"""Who asked for patience in a lost agent's place keeps that agent's context under this name ..."""
_OFFERED = "lost_context"
"""... and who offered the callback under this one (agent/callback_offer.py)."""


class LastWords:
    """Between the sessions and the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(self, call_id: str, context: Mapping[str, Any]) -> None:
        """At the call's end; an empty context is none."""
        if not context:
            return
        try:
            if not await self._store.keep_last_context(call_id, msgspec.json.encode(context).decode()):
                log.info("last-context-not-kept", call_id=call_id)
        except StoreUnavailable as error:
            log.warning("last-context-store-unavailable", call_id=call_id, error=str(error))

    async def of_earlier(self, call: Call) -> Mapping[str, Any]:
        """What the earlier call's agent knew, for the one that calls back; empty if there is no such call, or nothing known."""
        if not call.callback_of:
            return {}
        try:
            kept = await self._store.last_context(call.callback_of)
        except StoreUnavailable as error:
            log.warning("last-context-store-unavailable", call_id=call.id, error=str(error))
            return {}
        context: dict[str, Any] = msgspec.json.decode(kept) if kept else {}
        return _of_the_agent(context)


def _of_the_agent(context: dict[str, Any]) -> Mapping[str, Any]:
    """Without what only those know who spoke in its place."""
    stand_in = context.get(_STAND_IN)
    if isinstance(stand_in, dict):
        found = stand_in.get("context", {})
    else:
        found = context[_OFFERED] if {_OFFERED, "mood", "word"} <= context.keys() else context
    return found if isinstance(found, dict) else {}
