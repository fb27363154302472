"""The simulated Telnyx' account: its key and its balance."""

from carriers.lab.contract import RestReply, RestRequest, Site
from carriers.telnyx import simulator_rest as rest


class Account:
    """One account. Knob: `available_credit`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.api_key = f"KEY{site.random.getrandbits(128):032X}_{site.random.getrandbits(64):016x}"

    def unauthenticated(self, request: RestRequest) -> RestReply | None:
        """The refusal of a request with a wrong key, or none."""
        given = request.headers.get("authorization", "")
        if not given:
            return rest.failure(404, "10005")  # no 401: the API hides from the unauthenticated
        return None if given == f"Bearer {self.api_key}" else rest.failure(401, "10009")

    def routes(self) -> dict[str, rest.Handler]:
        """What it answers."""
        return {"GET balance": self._balance}

    def _balance(self, _now: float, _request: RestRequest, _words: rest.Words) -> RestReply:
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
