"""What a person decided about a carrier. Pure; no verdict, probe or time ever changes it: only another hand does.

Draining and disabled both mean no new calls while the live ones go on; the word tells colleagues whether the carrier is
expected back (draining: maintenance, a change of numbers) or not (disabled: an account that is closed or wrong).
"""

from enum import StrEnum

from msgspec import Struct


class ServiceState(StrEnum):
    """Whether a carrier gets new calls."""

    ACTIVE = "active"
    DRAINING = "draining"
    DISABLED = "disabled"


class Hand(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The newest decision on one carrier, as it stands in the store; without one a carrier is active."""

    state: ServiceState = ServiceState.ACTIVE
    at: float = 0.0
    """Unix seconds; 0 if nobody ever decided."""
    by: str = ""
    """The name of the API key that was used."""

    @property
    def in_service(self) -> bool:
        """May new calls be placed there?"""
        return self.state is ServiceState.ACTIVE
