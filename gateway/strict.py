"""What is wrong with plain data (from YAML or JSON), measured against a type: every fault at once, each with its cure.

msgspec stops at the first fault and names it for programmers. People who edit a file or write a request want all of
them, with the path of the key, what was found, what is allowed, and the nearest right name for a misspelt key. So this
module looks first, and msgspec converts what was found faultless.

Only what our own Structs use is understood: Structs, lists and tuples of one kind, mappings with text keys, text,
numbers, booleans, enums, literals, `... | None` and Any; bounds and patterns come from `msgspec.Meta`.
"""

import math
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache
from typing import Any

import msgspec.inspect as mi

from gateway.domain.errors import Problem

Hide = Callable[[str], bool]
"""Says of a path whether its value is secret and must not be repeated in a message."""


def faults(value: object, wanted: object, path: str = "", hide: Hide = lambda _: False) -> tuple[Problem, ...]:
    """Every fault of `value` as a `wanted` (a type); empty if msgspec will take it. `path` names the value itself."""
    return tuple(_faults(value, _type_info(wanted), path, hide))


_type_info = cache(mi.type_info)
"""Once for each type: for a request's body it takes longer than everything else that is done with it."""


def describe(value: object) -> str:
    """The value in a few words, for people; long ones are cut."""
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..." ({len(value)} characters)'
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing (null)"}[value]
    return str(value)[:60] if isinstance(value, int | float) else _kind(value)


def unknown_key(path: str, key: str, known: Iterable[str]) -> Problem:
    """The fault of a key that nobody knows, with the nearest right name, or all of them."""
    names = sorted(known)
    near = get_close_matches(key, names, n=1, cutoff=0.6)
    allowed = f"did you mean `{near[0]}`?" if near else f"allowed here: {', '.join(names) or 'nothing'}"
    return Problem(_below(path, key), "an unknown key", allowed)


def unknown_name(path: str, name: str, known: Iterable[str], what: str) -> Problem:
    """The fault of a reference to something that does not exist; `what` is its kind: `carrier`, `agent`."""
    names = tuple(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    guess = f"did you mean `{near[0]}`? " if near else ""
    return Problem(path, f"{describe(name)}, which is no {what}", f"{guess}allowed: {', '.join(names) or 'none is configured'}")


# --- one function for each kind of type ----------------------------------------------------------------------------


def _faults(value: object, wanted: mi.Type, path: str, hide: Hide) -> Iterable[Problem]:
    hint, plain = _unwrapped(wanted)
    for problem in _CHECKS[type(plain)](value, plain, path, hide):
        mine = hint and problem.path == path
        yield Problem(path, problem.found, f"{problem.allowed} ({hint})") if mine else problem


def _struct(value: object, wanted: mi.StructType, path: str, hide: Hide) -> Iterable[Problem]:
    if not isinstance(value, dict):
        yield _wrong(value, "a mapping of keys to values", path, hide)
        return
    fields = {field.encode_name: field for field in wanted.fields}
    for key in value:
        if key not in fields:
            yield unknown_key(path, str(key), fields)
    for name, field in fields.items():
        if name in value:
            yield from _faults(value[name], field.type, _below(path, name), hide)
        elif field.required:
            yield Problem(_below(path, name), "nothing", f"this key is required: {_allowed(field.type)}")


def _list(value: object, wanted: Any, path: str, hide: Hide) -> Iterable[Problem]:
    if not isinstance(value, list | tuple):
        yield _wrong(value, _allowed(wanted), path, hide)
        return
    if not _fits(len(value), wanted.min_length, wanted.max_length):
        yield Problem(path, _counted(len(value), "entries"), f"allowed: {_lengths(wanted, 'entries')}")
    for index, entry in enumerate(value):
        yield from _faults(entry, wanted.item_type, f"{path}[{index}]", hide)


def _mapping(value: object, wanted: mi.DictType, path: str, hide: Hide) -> Iterable[Problem]:
    if not isinstance(value, dict):
        yield _wrong(value, _allowed(wanted), path, hide)
        return
    if not _fits(len(value), wanted.min_length, wanted.max_length):
        yield Problem(path, _counted(len(value), "keys"), f"allowed: {_lengths(wanted, 'keys')}")
    for key, entry in value.items():
        below = _below(path, str(key)[:80])
        yield from _faults(key, wanted.key_type, below, hide)
        yield from _faults(entry, wanted.value_type, below, hide)


def _text(value: object, wanted: mi.StrType, path: str, hide: Hide) -> Iterable[Problem]:
    if not (isinstance(value, str) and _fits(len(value), wanted.min_length, wanted.max_length) and _matches(value, wanted)):
        yield _wrong(value, _allowed(wanted), path, hide)


def _number(value: object, wanted: Any, path: str, hide: Hide) -> Iterable[Problem]:
    kinds = (int,) if isinstance(wanted, mi.IntType) else (int, float)
    low = -math.inf if wanted.ge is None else wanted.ge
    high = math.inf if wanted.le is None else wanted.le
    # Written so that NaN, which is neither above nor below anything, is refused.
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        yield _wrong(value, _allowed(wanted), path, hide)


def _boolean(value: object, wanted: mi.BoolType, path: str, hide: Hide) -> Iterable[Problem]:
    if not isinstance(value, bool):
        yield _wrong(value, _allowed(wanted), path, hide)


def _nothing(value: object, wanted: mi.NoneType, path: str, hide: Hide) -> Iterable[Problem]:
    if value is not None:
        yield _wrong(value, _allowed(wanted), path, hide)


def _choice(value: object, wanted: Any, path: str, hide: Hide) -> Iterable[Problem]:
    if not isinstance(value, str) or value not in _choices(wanted):
        yield _wrong(value, _allowed(wanted), path, hide)


def _optional(value: object, wanted: mi.UnionType, path: str, hide: Hide) -> Iterable[Problem]:
    if value is None and any(isinstance(member, mi.NoneType) for member in wanted.types):
        return ()
    members = [member for member in wanted.types if not isinstance(member, mi.NoneType)]
    if isinstance(value, dict):  # a mapping that is nearly right is told so, whatever else would have been allowed
        members = [member for member in members if isinstance(_unwrapped(member)[1], mi.StructType | mi.DictType)] or members
    tried = [tuple(_faults(value, member, path, hide)) for member in members]
    return min(tried, key=len)


_CHECKS: dict[type[mi.Type], Callable[[object, Any, str, Hide], Iterable[Problem]]] = {
    mi.AnyType: lambda *_: (),
    mi.StructType: _struct,
    mi.ListType: _list,
    mi.VarTupleType: _list,
    mi.DictType: _mapping,
    mi.StrType: _text,
    mi.IntType: _number,
    mi.FloatType: _number,
    mi.BoolType: _boolean,
    mi.NoneType: _nothing,
    mi.EnumType: _choice,
    mi.LiteralType: _choice,
    mi.UnionType: _optional,
}

# --- words for people -----------------------------------------------------------------------------------------------

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "text"),
    (dict, "a mapping"),
    ((list, tuple), "a list"),
)

_WORDS: dict[type[mi.Type], Callable[[Any], str]] = {
    mi.StructType: lambda wanted: "a mapping with the keys " + ", ".join(field.encode_name for field in wanted.fields),
    mi.ListType: lambda _: "a list",
    mi.VarTupleType: lambda _: "a list",
    mi.DictType: lambda _: "a mapping of text to text",
    mi.StrType: lambda wanted: _text_words(wanted),
    mi.IntType: lambda wanted: "a whole number" + _bounds(wanted),
    mi.FloatType: lambda wanted: "a number" + _bounds(wanted),
    mi.BoolType: lambda _: "true or false",
    mi.NoneType: lambda _: "null",
    mi.EnumType: lambda wanted: "one of " + ", ".join(_choices(wanted)),
    mi.LiteralType: lambda wanted: "one of " + ", ".join(_choices(wanted)),
    mi.UnionType: lambda wanted: " or ".join(_allowed(member) for member in wanted.types),
}


def _allowed(wanted: mi.Type) -> str:
    hint, plain = _unwrapped(wanted)
    words = _WORDS.get(type(plain), lambda _: "a value")(plain)
    return f"{words} ({hint})" if hint else words


def _unwrapped(wanted: mi.Type) -> tuple[str, mi.Type]:
    """The description that `Meta` gave, and the type itself."""
    hint = ""
    while isinstance(wanted, mi.Metadata):
        hint = hint or (wanted.extra_json_schema or {}).get("description", "").rstrip(".")
        wanted = wanted.type
    return hint, wanted


def _wrong(value: object, allowed: str, path: str, hide: Hide) -> Problem:
    found = f"{_kind(value)} (not shown: it is secret)" if hide(path) else describe(value)
    return Problem(path, found, f"allowed: {allowed}")


def _kind(value: object) -> str:
    return next((word for kind, word in _KINDS if isinstance(value, kind)), type(value).__name__)


def _choices(wanted: Any) -> tuple[str, ...]:
    if isinstance(wanted, mi.EnumType):
        return tuple(str(member.value) for member in wanted.cls)
    return tuple(str(value) for value in wanted.values)


def _text_words(wanted: mi.StrType) -> str:
    length = _lengths(wanted, "characters")
    return "text" + (f" of {length}" if length else "") + (f" like {wanted.pattern}" if wanted.pattern else "")


def _bounds(wanted: Any) -> str:
    low, high = wanted.ge, wanted.le
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    return f" of at least {low:g}" if low is not None else f" of at most {high:g}" if high is not None else ""


def _lengths(wanted: Any, what: str) -> str:
    low, high = wanted.min_length, wanted.max_length
    if low is not None and high is not None:
        return f"{low} to {high} {what}"
    return f"at least {_counted(low, what)}" if low is not None else f"at most {_counted(high, what)}" if high is not None else ""


_ONE = {"entries": "entry", "keys": "key", "characters": "character"}


def _counted(count: int, what: str) -> str:
    return f"{count} {_ONE[what] if count == 1 else what}"


def _fits(length: int, low: int | None, high: int | None) -> bool:
    return (low is None or length >= low) and (high is None or length <= high)


def _matches(text: str, wanted: mi.StrType) -> bool:
    return wanted.pattern is None or re.search(wanted.pattern, text) is not None


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
