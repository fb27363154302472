"""What is wrong with the voicemail's settings beyond a single key. Tolerates any shape, as `crosschecks` does."""

from collections.abc import Iterator
from typing import Any

from agent.speech import known
from gateway.config.greeting import ALLOWED, NoGreeting, greeting_sound
from gateway.config.structs import StorageSettings, VoicemailSettings
from gateway.domain.errors import Problem
from gateway.domain.media import MULAW_8K
from gateway.strict import describe

MB = 1_000_000


def voicemail(document: Any) -> Iterator[Problem]:
    """A greeting that can be spoken, and room for one message at least."""
    given = document.get("voicemail") if isinstance(document, dict) else None
    given = given if isinstance(given, dict) else {}
    yield from _greeting(given.get("greeting", VoicemailSettings().greeting))
    longest = given.get("max_message_s", VoicemailSettings().max_message_s)
    storage = document.get("storage") if isinstance(document, dict) else None
    room = (storage if isinstance(storage, dict) else {}).get("max_total_mb", StorageSettings().max_total_mb)
    if _is_number(longest) and _is_number(room) and longest * MULAW_8K.rate > room * MB:
        found = f"{longest} s, {longest * MULAW_8K.rate / MB:.1f} MB for one message"
        yield Problem("voicemail.max_message_s", found, f"allowed: no more than storage.max_total_mb ({room}) holds")


def _greeting(name: object) -> Iterator[Problem]:
    if not isinstance(name, str) or known(name):
        return
    try:
        greeting_sound(name)
    except NoGreeting as error:
        yield Problem("voicemail.greeting", f"{describe(name)}: {error}", f"allowed: {ALLOWED}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
