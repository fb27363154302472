"""Where the calls to a Twilio number go: what its resource says, and what it should say. Pure.

A number asks its application, or its trunk, if it has one, and its own URLs only then. Source: the IncomingPhoneNumber
resource of Twilio's API reference.
"""

from collections.abc import Iterator, Mapping

from carriers.contract import Setting, Wanted
from carriers.twilio.webhooks import RETRIES

MISSING = "buy the number in the Twilio console, or take it out of config.yaml"


def wishes(wanted: Wanted) -> dict[str, str]:
    """Fields of the resource, as the SDK names them, and their values."""
    fields = {
        "voice_application_sid": "",
        "trunk_sid": "",
        "voice_url": wanted.arrival("voice") + RETRIES,
        "voice_method": "POST",
        "status_callback": wanted.arrival("status") + RETRIES,
        "status_callback_method": "POST",
    }
    if wanted.fallback_url:
        fields |= {"voice_fallback_url": wanted.fallback_url, "voice_fallback_method": "GET"}
    return fields


def settings(owned: Mapping[str, Mapping[str, str]], wanted: Wanted) -> Iterator[Setting]:
    """`owned`: by number, the fields of its resource and its `sid`."""
    for number in wanted.numbers:
        found = owned.get(number)
        if found is None:
            yield Setting(subject=f"number {number}", name="owned by the account", found="no", wanted="yes", cure=MISSING)
            continue
        for name, value in wishes(wanted).items():
            handle = {"sid": found["sid"], "field": name}
            yield Setting(subject=f"number {number}", name=name, found=found.get(name, ""), wanted=value, handle=handle)


def changes(settings: tuple[Setting, ...]) -> dict[str, dict[str, str]]:
    """By sid, the fields to set, so that a number is asked once."""
    by_sid: dict[str, dict[str, str]] = {}
    for setting in settings:
        if not setting.right and not setting.cure:
            by_sid.setdefault(setting.handle["sid"], {})[setting.handle["field"]] = setting.wanted
    return by_sid
