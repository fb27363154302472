"""Every error of the API is a problem (RFC 9457), whoever raised it: ours, the framework's, the store's, or a bug's.

`type` is a short word, relative to nothing and stable; `errors` names each wrong field, what was found and the cure.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.params import KwargDefinition
from msgspec import Meta, Struct

from gateway.domain.errors import IllegalTransition, Problem, StoreUnavailable
from gateway.runtime.calls import CallNotFound
from gateway.strict import describe

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5


class FieldError(Struct, frozen=True, kw_only=True):
    """One wrong field of a request."""

    field: Annotated[str, Meta(description="Path in the body (`metadata.order`), or a header's or query parameter's name.")]
    found: Annotated[str, Meta(description="What was there.")]
    allowed: Annotated[str, Meta(description="What is allowed, or the cure.")]


class ProblemDetails(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457, as `application/problem+json`."""

    type: Annotated[str, Meta(description="A stable word: `invalid-request`, `not-supported-yet`, `unauthorized` ...")]
    title: Annotated[str, Meta(description="The type in words.")]
    status: Annotated[int, Meta(description="The HTTP status.")]
    detail: Annotated[str, Meta(description="What is wrong this time, and the cure.")] = ""
    errors: Annotated[tuple[FieldError, ...], Meta(description="Every wrong field.")] = ()


class Refusal(Exception):
    """Raised anywhere below a request to answer it with this problem."""

    def __init__(self, problem: ProblemDetails, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem, self.headers = problem, dict(headers or {})


TITLES: Mapping[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be read"),
    "unauthorized": (401, "A valid API key is needed"),
    "forbidden": (403, "This API key may not do this"),
    "foreign-request": (403, "This request does not come from the console"),
    "bad-signature": (403, "The carrier's signature is missing, wrong or stale"),
    "not-found": (404, "There is nothing here"),
    "method-not-allowed": (405, "This path does not take this method"),
    "conflict": (409, "The call's state forbids it"),
    "promised-already": (409, "A promise to this number for this purpose is open"),
    "too-large": (413, "The request is too large"),
    "unsupported-media-type": (415, "The body must be JSON"),
    "invalid-request": (422, "Some fields are wrong"),
    "not-supported-yet": (422, "Some fields are not supported yet"),
    "idempotency-key-reused": (422, "This idempotency key belongs to another request"),
    "too-many-tries": (429, "Too many wrong keys"),
    "internal-error": (500, "Something went wrong on our side"),
    "unavailable": (503, "Not now; try again soon"),
}
"""type -> (status, title)."""

_TYPE_OF_STATUS = {400: "bad-request", 401: "unauthorized", 403: "forbidden", 404: "not-found", 405: "method-not-allowed"} | {
    409: "conflict",
    413: "too-large",
    415: "unsupported-media-type",
    422: "invalid-request",
    503: "unavailable",
}


def refusal(kind: str, detail: str = "", errors: Iterable[FieldError] = (), headers: Mapping[str, str] | None = None) -> Refusal:
    """The refusal of this type (a key of TITLES)."""
    status, title = TITLES[kind]
    return Refusal(ProblemDetails(type=kind, title=title, status=status, detail=detail, errors=tuple(errors)), headers)


def unavailable(detail: str) -> Refusal:
    """503 with Retry-After."""
    return refusal("unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_S)})


def field_errors(problems: Iterable[Problem]) -> tuple[FieldError, ...]:
    """The faults of a document as the errors of a request. The member is called `allowed`, so its text need not say it."""
    return tuple(
        FieldError(
            field=problem.path or "(the body)",
            found=problem.found,
            allowed=problem.allowed.removeprefix("allowed: ").removeprefix("allowed here: "),
        )
        for problem in problems
    )


def answer(refused: Refusal) -> Response[bytes]:
    """The refusal as a response."""
    body = msgspec.json.encode(refused.problem)
    return Response(body, status_code=refused.problem.status, media_type=MEDIA_TYPE, headers=refused.headers)


# --- what may be raised, and what it means -------------------------------------------------------------------------


def on_refusal(_request: Request[Any, Any, Any], refused: Refusal) -> Response[bytes]:
    """Ours."""
    return answer(refused)


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """The framework's: unknown path, wrong method, too large."""
    kind = _TYPE_OF_STATUS.get(error.status_code)
    _count_garbage(request, kind or "unreadable")
    if kind is None:
        return answer(_unlisted(error.status_code, error.detail))
    return answer(refusal(kind, _DETAILS.get(kind) or error.detail, headers=_headers(request, kind)))


def on_validation(request: Request[Any, Any, Any], error: ValidationException) -> Response[bytes]:
    """The framework's complaint of a path or query parameter."""
    extra = [entry for entry in error.extra if isinstance(entry, Mapping)] if isinstance(error.extra, list) else []
    if any(entry.get("key") == "data" for entry in extra):  # the framework's word for a body that is not there
        return answer(refusal("bad-request", "The body is empty; send a JSON object."))
    faults = [_query_fault(request, entry) for entry in extra]
    return answer(refusal("invalid-request", "Look at `errors`.", faults))


def on_store_unavailable(_request: Request[Any, Any, Any], _error: StoreUnavailable) -> Response[bytes]:
    """Refused before it was accepted: nothing is lost, nothing is half done."""
    return answer(unavailable("The store does not answer. Nothing was accepted; send the request again."))


def on_call_not_found(_request: Request[Any, Any, Any], _error: CallNotFound) -> Response[bytes]:
    """No such call."""
    return answer(no_such_call())


def on_illegal_transition(_request: Request[Any, Any, Any], error: IllegalTransition) -> Response[bytes]:
    """The call moved on while we looked at it."""
    return answer(refusal("conflict", f"The {error.machine} is {error.state}."))


def on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Whatever nobody foresaw: told to the operator in full, and to the client not at all."""
    log.error("request-failed", method=request.method, path=request.url.path, exc_info=error)
    return answer(refusal("internal-error", "The failure has been logged."))


def no_such_call() -> Refusal:
    """404 of a call."""
    return refusal("not-found", "There is no call of this id, or it ended so long ago that it was purged.")


EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = {
    Refusal: on_refusal,
    ValidationException: on_validation,
    HTTPException: on_http_exception,
    StoreUnavailable: on_store_unavailable,
    CallNotFound: on_call_not_found,
    IllegalTransition: on_illegal_transition,
    Exception: on_bug,
}

_DETAILS = {
    "not-found": "No such path; /schema lists them all. What Holdline cannot do yet has no path.",
    "method-not-allowed": "See the Allow header.",
    "too-large": "At most 64 KiB for a request, 256 KiB for a webhook.",
}


def _headers(request: Request[Any, Any, Any], kind: str) -> dict[str, str]:
    return {"Allow": ", ".join(allowed_methods(request))} if kind == "method-not-allowed" else {}


def allowed_methods(request: Request[Any, Any, Any]) -> list[str]:
    """The methods of the route that the request's path names."""
    parts = [part for part in request.url.path.split("/") if part]
    found: set[str] = set()
    for route in request.app.routes:
        if _names(route.path_components, parts):
            found |= {str(method) for method in getattr(route, "methods", ())}
    return sorted(found)


def _names(components: list[Any], parts: list[str]) -> bool:
    if len(components) != len(parts):
        return False
    return all(not isinstance(wanted, str) or wanted == part for wanted, part in zip(components, parts, strict=True))


def _count_garbage(request: Request[Any, Any, Any], kind: str) -> None:
    """What comes to a carrier's paths and reaches no handler is counted as what a handler refuses is."""
    place, _, rest = request.url.path.removeprefix("/").partition("/")
    if place == "carriers":
        name = rest.partition("/")[0]
        services = request.app.state.services
        known = name if services.config.carrier(name) else "unknown"
        services.metrics.count("webhooks_total", carrier=known, result=kind.replace("-", "_"))


def _query_fault(request: Request[Any, Any, Any], entry: Mapping[str, Any]) -> FieldError:
    key = str(entry.get("key", ""))
    allowed = _allowed(request, key) or str(entry.get("message", ""))
    return FieldError(field=key, found=describe(request.query_params.get(key)), allowed=allowed)


def _allowed(request: Request[Any, Any, Any], key: str) -> str:
    """The words or the range of a query parameter, from the handler's own signature; empty if it has neither."""
    parameter = request.route_handler.parsed_fn_signature.parameters.get(key)
    if parameter is None:
        return ""
    types = [one.annotation for one in parameter.inner_types] or [parameter.annotation]
    words = [word.value for one in types if isinstance(one, type) and issubclass(one, StrEnum) for word in one]
    if words:
        return f"one of {', '.join(words)}"
    limits = parameter.kwarg_definition
    if not isinstance(limits, KwargDefinition) or limits.ge is None or limits.le is None:
        return ""
    return f"a whole number from {limits.ge} to {limits.le}"


def _unlisted(status: int, detail: str) -> Refusal:
    """A status that we never give ourselves; RFC 9457's own type for "see the status"."""
    title = HTTPStatus(status).phrase
    return Refusal(ProblemDetails(type="about:blank", title=title, status=status, detail=detail))
