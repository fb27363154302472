"""The simulated Telnyx' Call Control applications: where a number's calls and their webhooks go."""

from collections.abc import Mapping
from typing import Any

from carriers.lab.contract import RestReply, RestRequest, Site
from carriers.telnyx import simulator_fields as fields
from carriers.telnyx import simulator_pages as pages
from carriers.telnyx import simulator_rest as rest
from carriers.telnyx.simulator_calls import iso

_URL = fields.url("http", "https")
_SITES = (
    *("Latency", "Chicago, IL", "Ashburn, VA", "San Jose, CA", "London, UK", "Chennai, IN"),
    *("Amsterdam, Netherlands", "Toronto, Canada", "Sydney, Australia"),
)


LIMITS = {
    "inbound": frozenset({"channel_limit", "shaken_stir_enabled"}),
    "outbound": frozenset({"channel_limit", "outbound_voice_profile_id"}),
}
"""What the lab obeys, or keeps, of these two."""


def _limits(value: Any) -> bool:
    limit = value.get("channel_limit") if isinstance(value, dict) else 0
    return isinstance(value, dict) and (limit is None or fields.between(0, 1_000_000)(limit))


FIELDS: fields.Fields = {
    "application_name": ("10015", fields.text(200)),
    "webhook_event_url": ("10015", _URL),
    "webhook_event_failover_url": ("10015", lambda value: value is None or value == "" or _URL(value)),
    "webhook_timeout_secs": ("10015", lambda value: value is None or fields.between(0, 30)(value)),
    "webhook_api_version": ("10015", fields.one_of("1", "2")),
    "active": ("10015", fields.flag),
    "anchorsite_override": ("10015", fields.one_of(*_SITES)),
    "call_cost_in_webhooks": ("10015", fields.flag),
    "dtmf_type": ("10015", fields.one_of("RFC 2833", "Inband", "SIP INFO")),
    "first_command_timeout": ("10015", fields.flag),
    "first_command_timeout_secs": ("10015", fields.between(0, 120)),
    "inbound": ("10015", _limits),
    "outbound": ("10015", _limits),
    "redact_dtmf_debug_logging": ("10015", fields.flag),
    "tags": ("10015", lambda value: isinstance(value, list) and all(isinstance(tag, str) for tag in value)),
}
REQUIRED = ("application_name", "webhook_event_url")
"""On creating and on updating alike."""
DEFAULTS: Mapping[str, Any] = {
    "record_type": "call_control_application",
    "active": True,
    "anchorsite_override": "Latency",
    "call_cost_in_webhooks": False,
    "dtmf_type": "RFC 2833",
    "first_command_timeout": False,
    "first_command_timeout_secs": 30,
    "inbound": {"channel_limit": None, "shaken_stir_enabled": True},
    "outbound": {"channel_limit": None, "outbound_voice_profile_id": "1293384261075731499"},
    "redact_dtmf_debug_logging": False,
    "tags": [],
    "webhook_event_url": None,
    "webhook_event_failover_url": None,
    "webhook_timeout_secs": None,
}
FILTERS: Mapping[str, tuple[str, pages.Filter]] = {"filter[application_name][contains]": ("application_name", pages.contains)}


class Applications:
    """The account's applications by id; the first one exists from the beginning, and the lab's numbers are bound to it.

    It has no webhook URL until somebody sets one. Knob: `webhook_api_version` of that first one.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self.first_id = self._new_id()
        version = str(site.knobs.get("webhook_api_version", "2"))
        first = {"id": self.first_id, "application_name": "lab", "webhook_api_version": version}
        self._known: dict[str, dict[str, Any]] = {self.first_id: dict(DEFAULTS) | first}
        self.bound: set[str] = set()
        """Ids to which a number is bound; the numbers keep it."""

    def get(self, application_id: str) -> dict[str, Any] | None:
        """One of them."""
        return self._known.get(application_id)

    def routes(self) -> dict[str, rest.Handler]:
        """What it answers."""
        return {
            "POST call_control_applications": self._create,
            "GET call_control_applications": self._list,
            "GET call_control_applications *": self._fetch,
            "PATCH call_control_applications *": self._update,
            "DELETE call_control_applications *": self._delete,
        }

    def _create(self, now: float, request: RestRequest, _words: rest.Words) -> RestReply:
        wish = rest.json_object(request.body)
        refused = rest.not_json() if wish is None else _bad(wish)
        if refused is not None or wish is None:
            return refused or rest.not_json()
        made = {"id": self._new_id(), "webhook_api_version": "2", "created_at": iso(now), "updated_at": iso(now)}
        self._known[made["id"]] = dict(DEFAULTS) | made | wish
        return rest.data(self._known[made["id"]])

    def _list(self, _now: float, request: RestRequest, _words: rest.Words) -> RestReply:
        return pages.listed(request, self._known.values(), FILTERS)

    def _fetch(self, _now: float, _request: RestRequest, words: rest.Words) -> RestReply:
        known = self._known.get(words[0])
        return rest.failure(404, "10005") if known is None else rest.data(known)

    def _update(self, now: float, request: RestRequest, words: rest.Words) -> RestReply:
        known, wish = self._known.get(words[0]), rest.json_object(request.body)
        if known is None:
            return rest.failure(404, "10005")
        refused = rest.not_json() if wish is None else _bad(wish)
        if refused is not None or wish is None:
            return refused or rest.not_json()
        known |= wish | {"updated_at": iso(now)}
        return rest.data(known)

    def _delete(self, _now: float, _request: RestRequest, words: rest.Words) -> RestReply:
        if words[0] not in self._known:
            return rest.failure(404, "10005")
        if words[0] in self.bound or words[0] == self.first_id:
            return rest.failure(422, "10021")
        return rest.data(self._known.pop(words[0]))

    def _new_id(self) -> str:
        return str(self._site.random.randrange(10**18, 10**19))


def _bad(wish: Mapping[str, Any]) -> RestReply | None:
    absent = next((name for name in REQUIRED if not wish.get(name)), None)
    return rest.missing(absent) if absent else fields.bad_field(wish, FIELDS) or _unknown_limit(wish)


def _unknown_limit(wish: Mapping[str, Any]) -> RestReply | None:
    inner = ((name, word) for name in LIMITS for word in wish.get(name, ()) if word not in LIMITS[name])
    name, word = next(inner, ("", ""))
    return rest.not_simulated(f"the parameter {name}.{word}", f"/{name}/{word}") if name else None
