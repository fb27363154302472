"""What every protected path says of itself: who may ask, and the refusals that it may answer with, as OpenAPI shows them."""

from typing import Any

from litestar.openapi import ResponseSpec

from gateway.web.auth import needs
from gateway.web.problems import MEDIA_TYPE, TITLES, ProblemDetails

_STATUSES = (400, 401, 403, 404, 409, 413, 415, 422, 500, 503)


def _spec(status: int) -> ResponseSpec:
    words = " / ".join(f"`{kind}`" for kind, (of, _) in TITLES.items() if of == status)
    return ResponseSpec(data_container=ProblemDetails, description=words, media_type=MEDIA_TYPE, generate_examples=False)


REFUSALS: dict[int, ResponseSpec] = {status: _spec(status) for status in _STATUSES}


def hook_refusals() -> dict[int, ResponseSpec]:
    """What a carrier, or somebody who is none, may be answered: bad signature, no such leg, too large, a bug, no store."""
    return {status: REFUSALS[status] for status in (403, 404, 413, 500, 503)}


def protected(scope: str, summary: str, answer: str) -> dict[str, Any]:
    """Of a handler that needs a key with this scope: its title, and what it answers if all is well."""
    return {"guards": [needs(scope)], "summary": summary, "response_description": answer, "responses": REFUSALS}
