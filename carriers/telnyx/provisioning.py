"""Where the calls to a Telnyx number go: its connection, and that Call Control application's webhooks. Pure.

Source: the call_control_applications and phone_numbers resources of Telnyx' API reference. A first-command time-out is
set, because a call that nobody commands rings for ever otherwise.
"""

from collections.abc import Iterator, Mapping

from carriers.contract import Setting, Wanted

MISSING = "buy the number in the Telnyx portal, or take it out of config.yaml"
FIRST_COMMAND_S = 10
NUMBER = "connection_id"


def wishes(wanted: Wanted) -> dict[str, str]:
    """Fields of the application and their values, in words."""
    fields = {
        "webhook_event_url": wanted.arrival("events"),
        "webhook_api_version": "2",
        "first_command_timeout": "true",
        "first_command_timeout_secs": str(FIRST_COMMAND_S),
        "active": "true",
    }
    return fields | ({"webhook_event_failover_url": wanted.fallback_url} if wanted.fallback_url else {})


def settings(
    application_id: str, application: Mapping[str, str], owned: Mapping[str, Mapping[str, str]], wanted: Wanted
) -> Iterator[Setting]:
    """`application`: its fields in words; `owned`: by number, its `id` and `connection_id`."""
    for name, value in wishes(wanted).items():
        handle = {"application": application_id, "field": name}
        subject = f"application {application_id}"
        yield Setting(subject=subject, name=name, found=application.get(name, ""), wanted=value, handle=handle)
    for number in wanted.numbers:
        found = owned.get(number)
        subject = f"number {number}"
        if found is None:
            yield Setting(subject=subject, name="owned by the account", found="no", wanted="yes", cure=MISSING)
        else:
            handle = {"number": found["id"], "field": NUMBER}
            yield Setting(subject=subject, name=NUMBER, found=found[NUMBER], wanted=application_id, handle=handle)


def typed(fields: Mapping[str, str]) -> dict[str, str | bool | int]:
    """Words as the API takes them."""
    return {name: _typed(name, value) for name, value in fields.items()}


def _typed(name: str, value: str) -> str | bool | int:
    if name in {"first_command_timeout", "active"}:
        return value == "true"
    return int(value) if name == "first_command_timeout_secs" else value


def in_words(value: object) -> str:
    """As the diff shows it."""
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
