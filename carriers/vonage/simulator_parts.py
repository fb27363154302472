"""What the parts of the simulated carrier know of each other: one place that holds them all, and the site.

Each part does one thing and reaches the others through here; there is one `Parts` for each simulator.
"""

from typing import TYPE_CHECKING, Any

from carriers.lab.contract import Site, Wake

if TYPE_CHECKING:
    from carriers.vonage.simulator_account import Account
    from carriers.vonage.simulator_applications import Applications
    from carriers.vonage.simulator_calls import Calls
    from carriers.vonage.simulator_connect import Connects
    from carriers.vonage.simulator_flow import Flow
    from carriers.vonage.simulator_gather import Gathers
    from carriers.vonage.simulator_legs import Leg
    from carriers.vonage.simulator_machines import Machines
    from carriers.vonage.simulator_messages import Messages
    from carriers.vonage.simulator_numbers import Numbers
    from carriers.vonage.simulator_post import Postman
    from carriers.vonage.simulator_recordings import Recordings
    from carriers.vonage.simulator_rooms import Rooms
    from carriers.vonage.simulator_sockets import Sockets
    from carriers.vonage.simulator_sound import Sounds


class Parts:
    """Filled by `VonageSimulator`; every attribute is there before the first request."""

    account: "Account"
    applications: "Applications"
    numbers: "Numbers"
    post: "Postman"
    rooms: "Rooms"
    sockets: "Sockets"
    sounds: "Sounds"
    calls: "Calls"
    flow: "Flow"
    connects: "Connects"
    gathers: "Gathers"
    recordings: "Recordings"
    machines: "Machines"
    messages: "Messages"

    def __init__(self, site: Site) -> None:
        self.site = site

    def knob(self, name: str, default: Any) -> Any:
        """A guess that the lab's user may turn; README.md has the table."""
        return self.site.knobs.get(name, default)

    def new_uuid(self) -> str:
        """A new id in the shape of a UUID of version 4."""
        bits = f"{self.site.random.getrandbits(128):032x}"
        return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-a{bits[17:20]}-{bits[20:]}"

    def wake(self, at: float, kind: str, ref: str, detail: str = "") -> None:
        """Ask for a timer; `VonageSimulator.on_timer` takes the key apart again."""
        self.site.emit(Wake(at=at, key=f"{kind}:{ref}:{detail}"))

    def refused(self, now: float, reason: str, leg: "Leg | None" = None) -> None:
        """Say in the ledger what this lab does not simulate, or what the carrier would not obey."""
        number = getattr(leg, "person", "")
        ref = getattr(leg, "ref", "")
        self.site.ledger.write(now, "refused", carrier=self.site.name, number=number, carrier_call_id=ref, reason=reason)
