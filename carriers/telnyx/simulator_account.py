"""The simulated Telnyx' account: what a probe and a check look at, and the pages of its lists."""

from typing import Any
from urllib.parse import parse_qsl

from carriers.lab.contract import RestReply, RestRequest, Site
from carriers.telnyx import simulator_rest as rest


class Account:
    """One account with one Call Control application, to which all its numbers are bound."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.api_key = f"KEY{site.random.getrandbits(128):032X}_{site.random.getrandbits(64):016x}"
        self.connection_id = str(site.random.randrange(10**18, 10**19))

    def unauthenticated(self, request: RestRequest) -> RestReply | None:
        """The refusal of a request with a wrong key, or none."""
        given = request.headers.get("authorization", "")
        if not given:
            return rest.failure(404, "10005")  # no 401: the API hides from the unauthenticated
        return None if given == f"Bearer {self.api_key}" else rest.failure(401, "10009")

    def balance(self, _now: float, _request: RestRequest, _word: str) -> RestReply:
        """GET /v2/balance."""
        available = str(self._site.knobs.get("available_credit", "400.00"))
        return rest.data(
            {
                "record_type": "balance",
                "balance": available,
                "credit_limit": "0.00",
                "available_credit": available,
                "pending": "0.00",
                "currency": "USD",
            }
        )

    def phone_numbers(self, _now: float, request: RestRequest, _word: str) -> RestReply:
        """GET /v2/phone_numbers."""
        wanted = dict(parse_qsl(request.query)).get("filter[phone_number]")
        found = [
            {
                "record_type": "phone_number",
                "id": str(1_000_000 + index),
                "phone_number": number,
                "status": "active",
                "connection_id": self.connection_id,
            }
            for index, number in enumerate(self._site.numbers)
            if wanted in (None, number)
        ]
        return paged(request, found)

    def application(self, _now: float, _request: RestRequest, application_id: str) -> RestReply:
        """GET /v2/call_control_applications/{id}."""
        if application_id != self.connection_id:
            return rest.failure(404, "10005")
        return rest.data(
            {
                "record_type": "call_control_application",
                "id": self.connection_id,
                "application_name": "lab",
                "active": True,
                "webhook_api_version": str(self._site.knobs.get("webhook_api_version", "2")),
            }
        )


def paged(request: RestRequest, items: list[dict[str, Any]]) -> RestReply:
    """One page of a list, as `page[number]` and `page[size]` ask."""
    asked = dict(parse_qsl(request.query))
    number, size = _count(asked.get("page[number]"), 1), _count(asked.get("page[size]"), 20)
    page = items[(number - 1) * size : number * size]
    pages = -(-len(items) // size)
    meta = {"page_number": number, "page_size": size, "total_pages": pages, "total_results": len(items)}
    return rest.data(page, meta=meta)


def _count(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) > 0 else default
