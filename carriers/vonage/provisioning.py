"""Where the calls to a Vonage number go: the application that it is linked to, and that application's webhooks. Pure.

Source: the Applications API v2 and the Numbers API. An application is replaced as a whole by an update, so what is there is
read first and kept.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from carriers.contract import Setting, Wanted

MISSING = "rent the number in the Vonage dashboard, or take it out of config.yaml"


def wishes(wanted: Wanted) -> dict[str, tuple[str, str]]:
    """Voice webhooks of the application: address and method."""
    hooks = {
        "answer_url": (wanted.arrival("answer"), "POST"),
        "event_url": (wanted.arrival("event"), "POST"),
    }
    return hooks | ({"fallback_answer_url": (wanted.fallback_url, "GET")} if wanted.fallback_url else {})


def settings(application: Mapping[str, Any], owned: Mapping[str, Mapping[str, str]], wanted: Wanted) -> Iterator[Setting]:
    """`application` as the API shows it; `owned`: by number with `+`, its `country` and `app_id`."""
    app_id, hooks = str(application.get("id", "")), _hooks(application)
    for name, (address, method) in wishes(wanted).items():
        hook = hooks.get(name, {})
        found = f"{hook.get('http_method', '')} {hook.get('address', '')}".strip()
        handle = {"application": app_id, "field": name}
        yield Setting(subject=f"application {app_id}", name=name, found=found, wanted=f"{method} {address}", handle=handle)
    for number in wanted.numbers:
        subject = f"number {number}"
        if number not in owned:
            yield Setting(subject=subject, name="rented by the account", found="no", wanted="yes", cure=MISSING)
        else:
            handle = {"number": number.removeprefix("+"), "country": owned[number]["country"]}
            yield Setting(subject=subject, name="application", found=owned[number]["app_id"], wanted=app_id, handle=handle)


def amended(application: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """The body of the update: everything that was there, and our webhooks. The private key is never sent back."""
    body = {name: copy.deepcopy(application[name]) for name in ("name", "capabilities", "privacy") if name in application}
    voice = body.setdefault("capabilities", {}).setdefault("voice", {})
    hooks = voice.setdefault("webhooks", {})
    for name, (address, method) in wishes(wanted).items():
        hooks[name] = {**hooks.get(name, {}), "address": address, "http_method": method}
    public = application.get("keys", {}).get("public_key")
    return {**body, **({"keys": {"public_key": public}} if public else {})}


def _hooks(application: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]]:
    hooks = application.get("capabilities", {}).get("voice", {}).get("webhooks", {})
    return hooks if isinstance(hooks, Mapping) else {}
