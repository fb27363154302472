"""Text that holds half of a character: a surrogate without its other half, which no UTF-8 can say.

JSON and YAML may write one as an escape (backslash, u, d83d), mostly where a program has cut a text in the middle of an
emoji. Nothing behind us could store it or send it on, so it is refused, with its place and the cure.
"""

import re
from collections.abc import Iterator

from gateway.domain.errors import Problem

_HALF = re.compile(r"[\ud800-\udfff]")
CURE = (
    "allowed: whole characters; an escape such as \\ud83d needs its other half behind it (\\ud83d\\ude00), or write the character"
)


def half_characters(value: object, path: str = "") -> Iterator[Problem]:
    """Every text in plain data that holds one, keys included."""
    if isinstance(value, str):
        if found := _HALF.search(value):
            yield Problem(path, f"{_shown(found[0])}, half of a character, at place {found.start() + 1}", CURE)
    elif isinstance(value, dict):
        for key, below in value.items():
            here = f"{path}.{_shown(str(key))}" if path else _shown(str(key))
            yield from half_characters(key, here)
            yield from half_characters(below, here)
    elif isinstance(value, list | tuple):
        for index, below in enumerate(value):
            yield from half_characters(below, f"{path}[{index}]")


def _shown(text: str) -> str:
    """With the halves as escapes, so that it can be told."""
    return text.encode("utf-8", "backslashreplace").decode()
