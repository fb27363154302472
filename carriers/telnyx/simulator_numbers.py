"""The simulated Telnyx' phone numbers: which application each is bound to."""

from collections.abc import Mapping
from typing import Any

from carriers.lab.contract import RestReply, RestRequest, Site
from carriers.telnyx import simulator_fields as fields
from carriers.telnyx import simulator_pages as pages
from carriers.telnyx import simulator_rest as rest
from carriers.telnyx.simulator_applications import Applications

FIRST_ID = 1_293_384_261_075_000_000
BOUGHT_AT = "2026-01-01T00:00:00Z"
FIELDS: fields.Fields = {
    "connection_id": ("10015", fields.text(40, 0)),
    "customer_reference": ("10015", fields.text(200, 0)),
    "tags": ("10015", lambda value: isinstance(value, list) and all(isinstance(tag, str) for tag in value)),
}
FILTERS: Mapping[str, tuple[str, pages.Filter]] = {
    "filter[phone_number]": ("phone_number", lambda has, asked: asked.lstrip("+") in str(has)),
    "filter[connection_id]": ("connection_id", pages.equal),
    "filter[status]": ("status", pages.equal),
    "filter[customer_reference]": ("customer_reference", pages.equal),
    "filter[tag]": ("tags", lambda has, asked: asked in (has or ())),
}


class Numbers:
    """The account's numbers by id; each is bound to the first application, until somebody binds it elsewhere."""

    def __init__(self, site: Site, applications: Applications) -> None:
        self._applications = applications
        self._known = {str(FIRST_ID + place): self._bought(place, number) for place, number in enumerate(site.numbers)}
        self._bind()

    def application_of(self, number: str) -> dict[str, Any] | None:
        """Where calls to this number go; None if it is ours no more, or bound to nothing that is active."""
        bound = next((known for known in self._known.values() if known["phone_number"] == number), None)
        application = self._applications.get(bound["connection_id"]) if bound else None
        return application if application is not None and application["active"] else None

    def routes(self) -> dict[str, rest.Handler]:
        """What it answers."""
        return {"GET phone_numbers": self._list, "GET phone_numbers *": self._fetch, "PATCH phone_numbers *": self._update}

    def _list(self, _now: float, request: RestRequest, _words: rest.Words) -> RestReply:
        return pages.listed(request, self._known.values(), FILTERS)

    def _fetch(self, _now: float, _request: RestRequest, words: rest.Words) -> RestReply:
        known = self._known.get(words[0])
        return rest.failure(404, "10005") if known is None else rest.data(known)

    def _update(self, _now: float, request: RestRequest, words: rest.Words) -> RestReply:
        known, wish = self._known.get(words[0]), rest.json_object(request.body)
        if known is None or wish is None:
            return rest.failure(404, "10005") if known is None else rest.not_json()
        refused = fields.bad_field(wish, FIELDS)
        if refused is None and wish.get("connection_id") and self._applications.get(wish["connection_id"]) is None:
            refused = rest.failure(422, "10017", "no application of this id", "/connection_id")
        if refused is None:
            known |= wish
            self._bind()
        return refused or rest.data(known)

    def _bind(self) -> None:
        self._applications.bound = {known["connection_id"] for known in self._known.values()}
        for known in self._known.values():
            application = self._applications.get(known["connection_id"])
            known["connection_name"] = application["application_name"] if application else None

    def _bought(self, place: int, number: str) -> dict[str, Any]:
        return {
            "record_type": "phone_number",
            "id": str(FIRST_ID + place),
            "phone_number": number,
            "country_iso_alpha2": "US",
            "status": "active",
            "phone_number_type": "local",
            "connection_id": self._applications.first_id,
            "connection_name": None,
            "customer_reference": None,
            "deletion_lock_enabled": False,
            "tags": [],
            "created_at": BOUGHT_AT,
            "purchased_at": BOUGHT_AT,
        }
