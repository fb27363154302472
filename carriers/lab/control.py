"""The lab's control surface over HTTP: every route of the lab beside the carriers' own APIs. Thin: all sense is elsewhere.

Errors are `application/problem+json` with `code`, `field` and `cure`, so that a wrong word in a fault says what the right
words are.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Litestar, Request, Response, WebSocket, delete, get, post, put
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.handlers.websocket_handlers import websocket
from litestar.params import FromPath, FromQuery

from carriers.lab.fields import KEY, BadField, phone_number, read_fields
from carriers.lab.line_socket import attend_line
from carriers.lab.origins import refused
from carriers.lab.phones import PhoneCall, read_phone
from carriers.lab.sound import to_wav
from carriers.lab.telephone_page import telephone_routes

if TYPE_CHECKING:
    from carriers.lab.lab import Lab

_STATUS = {"not-found": 404, "conflict": 409}
_MAX_BODY = 30_000_000
"""A phone may be given a WAV of some minutes as base64."""
MAX_WAIT_S = 60.0
"""How long a question to the ledger may wait for what it asks about."""


def control_app(lab: "Lab") -> Litestar:
    """The ASGI application of one lab."""
    return Litestar(
        route_handlers=[*_carrier_routes(lab), *_phone_routes(lab), *_people_routes(lab), *_lab_routes(lab), *telephone_routes()],
        guards=[_no_foreign_page(lab), _no_unknown_parameter],
        openapi_config=None,
        logging_config=None,  # else Litestar configures the whole process
        exception_handlers={BadField: _bad_field, HTTPException: _http_error},
        request_max_body_size=_MAX_BODY,
    )


def _no_foreign_page(lab: "Lab") -> Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], None]:
    def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        why = refused(str(connection.scope.get("method", "")), connection.headers, lab.host)
        if why:
            raise PermissionDeniedException(why)

    return guard


def _no_unknown_parameter(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    allowed = handler.opt.get("takes", ())
    for name in connection.query_params:
        if name not in allowed:
            raise BadField(name, f"unknown parameter; allowed are: {', '.join(allowed) or 'none'}")


def _lab_routes(lab: "Lab") -> list[BaseRouteHandler]:
    @get("/lab/credentials")
    async def credentials() -> dict[str, Any]:
        return lab.exchange.credentials()

    @get("/lab/ledger", opt={"takes": ("kind", "carrier", "number", "count", "wait_s", "after")})
    async def ledger(
        kind: FromQuery[str] = "",
        carrier: FromQuery[str] = "",
        number: FromQuery[str] = "",
        count: FromQuery[int] = 1,
        wait_s: FromQuery[float] = 0.0,
        after: FromQuery[int | None] = None,
    ) -> dict[str, Any]:
        if not 0 <= wait_s <= MAX_WAIT_S:
            raise BadField("wait_s", f"must be a number from 0 to {MAX_WAIT_S:g}: how long to wait for count entries")
        kind = kind and lab.ledger.known(kind)
        carrier = carrier and lab.exchange.desk(carrier).name
        number = number and phone_number(number)
        if after is not None:
            return await _followed(lab, after, wait_s)
        if wait_s:
            await lab.wait(kind, count=count, carrier=carrier, number=number, wait_s=wait_s)
        entries = lab.ledger.entries(kind, carrier, number)
        return {"entries": [entry.flat() for entry in entries], "dropped": lab.ledger.dropped}

    @delete("/lab")
    async def reset() -> None:
        lab.reset()

    return [credentials, ledger, reset]


async def _followed(lab: "Lab", after: int, wait_s: float) -> dict[str, Any]:
    """Everything that is newer than the first `after` entries, of whatever kind; `end` is the next question's `after`."""
    if after < 0:
        raise BadField("after", "must be 0, or the `end` of the answer before")
    if wait_s:
        await lab.wait("", count=after + 1 - lab.ledger.dropped, carrier="", number="", wait_s=wait_s)
    entries, end = lab.ledger.after(after), lab.ledger.written
    return {"entries": [entry.flat() for entry in entries], "dropped": lab.ledger.dropped, "end": end}


def _carrier_routes(lab: "Lab") -> list[BaseRouteHandler]:
    @get("/lab/carriers")
    async def carriers() -> dict[str, Any]:
        return {"carriers": [msgspec.to_builtins(report) for report in lab.carriers()]}

    @put("/lab/carriers/{name:str}/faults")
    async def set_faults(name: FromPath[str], request: Request[Any, Any, Any]) -> dict[str, Any]:
        body = await _json(request)
        if not isinstance(body, dict) or set(body) != {"faults"} or not isinstance(body["faults"], list):
            raise BadField("faults", 'send {"faults": [{"kind": ...}, ...]} and nothing beside it')
        return {"faults": msgspec.to_builtins(lab.set_faults(name, body["faults"]))}

    @delete("/lab/carriers/{name:str}/faults")
    async def clear_faults(name: FromPath[str]) -> None:
        lab.clear_faults(name)

    return [carriers, set_faults, clear_faults]


def _phone_routes(lab: "Lab") -> list[BaseRouteHandler]:
    @put("/lab/phones/{number:str}")
    async def set_phone(number: FromPath[str], request: Request[Any, Any, Any]) -> dict[str, Any]:
        return lab.phones.set_up(phone_number(number), read_phone(await _json(request))).report(lab.now())

    @get("/lab/phones/{number:str}")
    async def get_phone(number: FromPath[str]) -> dict[str, Any]:
        return lab.phones.get(phone_number(number)).report(lab.now())

    @get("/lab/phones/{number:str}/audio", media_type="audio/wav", opt={"takes": ("said", "call")})
    async def audio(number: FromPath[str], said: FromQuery[int] = 0, call: FromQuery[int | None] = None) -> bytes:
        recorded = _recorded(lab, phone_number(number), call)
        return _wav(recorded, stereo=bool(said))

    @post("/lab/phones/{number:str}/call")
    async def dial(number: FromPath[str], request: Request[Any, Any, Any]) -> dict[str, Any]:
        body = await _json(request)
        if not isinstance(body, dict):
            raise BadField("body", 'must be an object: {"to": "+15550190001"}')
        return lab.phones.dial(phone_number(number), **{"to": "", **body}).report(lab.now())

    @websocket("/lab/phones/{number:str}/line")
    async def line(number: FromPath[str], socket: WebSocket[Any, Any, Any]) -> None:
        await attend_line(lab.lines, number, socket)

    return [set_phone, get_phone, audio, dial, line]


def _people_routes(lab: "Lab") -> list[BaseRouteHandler]:
    @post("/lab/phones/{number:str}/answer", status_code=200)
    async def answer(number: FromPath[str]) -> dict[str, bool]:
        return {"done": lab.phones.answer(phone_number(number))}

    @post("/lab/phones/{number:str}/hang_up", status_code=200)
    async def hang_up(number: FromPath[str]) -> dict[str, bool]:
        return {"done": lab.phones.hang_up(phone_number(number))}

    @post("/lab/phones/{number:str}/press", status_code=200)
    async def press(number: FromPath[str], request: Request[Any, Any, Any]) -> dict[str, bool]:
        wish = read_fields(await _json(request), {"digit": KEY})
        if not wish:
            raise BadField("digit", 'say which key: {"digit": "5"}')
        return {"done": lab.phones.press(phone_number(number), wish["digit"])}

    return [answer, hang_up, press]


async def _json(request: Request[Any, Any, Any]) -> Any:
    try:
        return msgspec.json.decode(await request.body())
    except msgspec.DecodeError as error:
        raise BadField("body", f"must be JSON: {error}") from error


def _recorded(lab: "Lab", number: str, index: int | None) -> PhoneCall:
    if index == 0:
        raise BadField("call", "calls are counted from 1, or from -1 backwards; leave it out for the last one")
    place = -1 if index is None else index - 1 if index > 0 else index
    call = lab.phones.call(number, place)
    if call is None:
        raise BadField("call", f"{number} has no such answered call whose sound is kept", code="not-found")
    return call


def _wav(call: PhoneCall, *, stereo: bool) -> bytes:
    if call.recording is None:
        raise BadField("call", "its sound is not kept any more", code="not-found")
    heard, said = bytes(call.recording.heard.sound), bytes(call.recording.said.sound)
    return to_wav(said, heard) if stereo else to_wav(heard)


def _bad_field(_request: Request[Any, Any, Any], error: BadField) -> Response[bytes]:
    status = _STATUS.get(error.code, 422)
    return _problem(status, error.code, str(error), field=error.field, cure=error.cure)


def _http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    cure = "see carriers/lab/README.md for the routes" if error.status_code in {404, 405} else error.detail
    return _problem(error.status_code, "http-error", error.detail, field=request.url.path, cure=cure)


def _problem(status: int, code: str, detail: str, **more: str) -> Response[bytes]:
    body = {"type": f"urn:holdline:lab:{code}", "title": code, "status": status, "detail": detail, "code": code, **more}
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/problem+json")
