"""The lab's Twilio: the account and its balance."""

from typing import Any

from carriers.lab.contract import Site
from carriers.twilio.simulator_call import API_VERSION, stamp


class Account:
    """One account; `root` begins every path of its resources."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.sid = f"AC{site.random.getrandbits(128):032x}"
        self.auth_token = f"{site.random.getrandbits(128):032x}"
        self.root = f"/{API_VERSION}/Accounts/{self.sid}"

    def credentials(self) -> dict[str, Any]:
        """As `/lab/credentials` prints them."""
        return {
            "account_sid": self.sid,
            "auth_token": self.auth_token,
            "base_url": self._site.base_url,
            "numbers": list(self._site.numbers),
        }

    def show(self) -> dict[str, Any]:
        """The Account resource."""
        return {
            "sid": self.sid,
            "owner_account_sid": self.sid,
            "friendly_name": "Holdline lab",
            "status": self._site.knobs.get("account_status", "active"),
            "type": self._site.knobs.get("account_type", "Full"),
            "auth_token": None,
            "date_created": stamp(0.0),
            "date_updated": stamp(0.0),
            "subresource_uris": {"calls": f"{self.root}/Calls.json"},
            "uri": f"{self.root}.json",
        }

    def balance(self) -> dict[str, Any]:
        """The Balance resource."""
        return {"account_sid": self.sid, "balance": self._site.knobs.get("balance", "50.00"), "currency": "USD"}
