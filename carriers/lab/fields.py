"""Reads what a user wrote, field by field, so that every refusal names the field and what would be right. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Rule = Callable[[Any], Any]
"""Takes a value, gives it back cleaned; raises ValueError whose text says what is allowed."""


class BadField(ValueError):
    """A value the lab does not take. `code` is `invalid-field`, or `not-supported-yet` for what nothing obeys."""

    def __init__(self, field: str, cure: str, code: str = "invalid-field") -> None:
        super().__init__(f"{field}: {cure}")
        self.field, self.cure, self.code = field, cure, code


def read_fields(data: Any, rules: Mapping[str, Rule], where: str = "") -> dict[str, Any]:
    """Check an object against its rules; fields that are absent stay absent."""
    if not isinstance(data, Mapping):
        raise BadField(where or "body", f"must be a JSON object with any of: {', '.join(sorted(rules))}")
    return {name: _checked(name, value, rules, where) for name, value in data.items()}


def _checked(name: str, value: Any, rules: Mapping[str, Rule], where: str) -> Any:
    field = f"{where}.{name}" if where else name
    rule = rules.get(name)
    if rule is None:
        raise BadField(field, f"unknown field; allowed are: {', '.join(sorted(rules))}")
    try:
        return rule(value)
    except BadField:
        raise
    except ValueError as error:
        raise BadField(field, str(error)) from error


def number_between(low: float, high: float) -> Rule:
    """A JSON number within bounds, both allowed."""

    def rule(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}, not {value!r}")
        return float(value)

    return rule


def whole_between(low: int, high: int) -> Rule:
    """A JSON integer within bounds, both allowed."""

    def rule(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {value!r}")
        return value

    return rule


def one_of(words: Iterable[str]) -> Rule:
    """One word of a closed set."""
    allowed = sorted(map(str, words))

    def rule(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of: {', '.join(allowed)}; not {value!r}")
        return str(value)

    return rule


KEY = one_of("0123456789*#ABCD")
"""A key of a telephone."""


def text_of(letters: str, what: str) -> Rule:
    """A string of at most 200 characters that uses only these letters."""

    def rule(value: Any) -> str:
        if not isinstance(value, str) or len(value) > 200 or set(value) - set(letters):
            raise ValueError(f"must be {what}, not {value!r}")
        return value

    return rule


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {value!r}")  # noqa: TRY004 - the rule's promise is ValueError
    return value


def optional(rule: Rule) -> Rule:
    """The rule, or null."""
    return lambda value: None if value is None else rule(value)


def e164(number: str) -> str:
    """The number with `+` and nothing but digits after it: the lab takes numbers with or without `+`."""
    return "+" + "".join(filter(str.isdigit, number))


def phone_number(text: str, field: str = "number") -> str:
    """E.164 with `+` from what a user wrote; raise BadField if it is no number."""
    if not 3 <= sum(map(str.isdigit, text)) <= 15 or text.strip("+0123456789"):
        raise BadField(field, f"must be a number of 3 to 15 digits, with or without +; not {text[:40]!r}")
    return e164(text)
