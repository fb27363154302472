"""Where the calls to a Plivo number go: its application, and that application's URLs. Pure.

Numbers are pointed at an application of ours, `holdline-<carrier>`, which is made if it is not there; others are left
alone. Source: the Application and Number resources of Plivo's API reference.
"""

from collections.abc import Iterator, Mapping

from carriers.contract import Setting, Wanted
from carriers.plivo.markup import LASTING_RETRIES, QUICK_RETRIES

MISSING = "rent the number in Plivo's console, or take it out of config.yaml"
NEW = "(new)"


def application_name(wanted: Wanted) -> str:
    """The application's name: letters, digits, - and _ alone."""
    return f"holdline-{wanted.carrier}"


def wishes(wanted: Wanted) -> dict[str, str]:
    """Fields of the application and their values."""
    fields = {
        "answer_url": wanted.arrival("answer") + QUICK_RETRIES,
        "answer_method": "POST",
        "hangup_url": wanted.arrival("hangup") + LASTING_RETRIES,
        "hangup_method": "POST",
    }
    return fields | ({"fallback_answer_url": wanted.fallback_url, "fallback_method": "GET"} if wanted.fallback_url else {})


def settings(application: Mapping[str, str] | None, owned: Mapping[str, str], wanted: Wanted) -> Iterator[Setting]:
    """`application`: its fields and `app_id`, None if it is not there; `owned`: by number, its application's id."""
    name, app_id = application_name(wanted), application["app_id"] if application else NEW
    for field, value in wishes(wanted).items():
        found = application.get(field, "") if application else ""
        handle = {"application": app_id, "field": field}
        yield Setting(subject=f"application {name}", name=field, found=found, wanted=value, handle=handle)
    for number in wanted.numbers:
        subject = f"number {number}"
        if number not in owned:
            yield Setting(subject=subject, name="rented by the account", found="no", wanted="yes", cure=MISSING)
        else:
            handle = {"number": number.removeprefix("+")}
            yield Setting(subject=subject, name="application", found=owned[number], wanted=app_id, handle=handle)


def app_id_of(resource_uri: str | None) -> str:
    """`/v1/Account/MA.../Application/123/` as the number shows it."""
    return resource_uri.rstrip("/").rpartition("/")[2] if resource_uri else ""
