"""RFC 3339, as all of the API speaks it."""

from gateway.domain.times import from_rfc3339, rfc3339, told

__all__ = ["from_rfc3339", "rfc3339", "told"]
