"""Reads the webhooks of a world once more, for the judge: what we took, under which key, about which leg."""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from carriers.contract import Arrival, Carrier, Expectation, Hook, HookRequest
from carriers.lab.contract import Webhook
from gateway.domain.records import Call
from gateway.simulation.invariants.evidence import Delivered
from gateway.simulation.sockets import Answer


class Taken(Struct, frozen=True, kw_only=True):
    """A genuine webhook that got an answer. Unix seconds."""

    hook: Webhook
    answer: Answer
    sent_at: float
    answered_at: float


def delivered(taken: Iterable[Taken], readers: Mapping[str, Carrier], calls: Mapping[str, Call]) -> Iterator[Delivered]:
    """Those on our URLs that we answered with 200. `readers` by carrier; `calls` as they are stored."""
    legs = {(leg.carrier, leg.carrier_call_id): (call.id, leg.id) for call in calls.values() for leg in call.legs}
    for one in taken:
        path = one.hook.url.partition("#")[0].split("/")[3:]
        if one.answer.status != 200 or path[0] != "carriers" or path[1] not in readers:
            continue
        if path[2] == "hooks":
            yield _of_leg(one, readers[path[1]], path)
        elif path[2] == "inbound":
            yield from _of_caller(one, readers[path[1]], path, legs)


def _of_leg(one: Taken, carrier: Carrier, path: list[str]) -> Delivered:
    request = _request(one.hook, "/".join(path[5:]), path[3], path[4])
    hook = carrier.webhooks.parse(request, one.answered_at)
    return _delivered(one, carrier, request, hook, (path[3], path[4]))


def _of_caller(
    one: Taken, carrier: Carrier, path: list[str], legs: Mapping[tuple[str, str], tuple[str, str]]
) -> Iterator[Delivered]:
    request = _request(one.hook, "/".join(path[3:]), "", "")
    arrival: Arrival | None = carrier.webhooks.parse_arrival(request, one.answered_at)
    if arrival is not None:
        leg = legs.get((carrier.name, arrival.carrier_call_id), ("", ""))
        yield _delivered(one, carrier, request, arrival.hook, leg, arrival)


def _request(hook: Webhook, step: str, call_id: str, leg_id: str) -> HookRequest:
    return HookRequest(
        method=hook.method,
        url=hook.url.partition("#")[0],
        path=step.partition("?")[0],
        headers={name.lower(): value for name, value in hook.headers.items()},
        body=hook.body,
        call_id=call_id,
        leg_id=leg_id,
    )


def _delivered(
    one: Taken, carrier: Carrier, request: HookRequest, hook: Hook, leg: tuple[str, str], arrival: Arrival | None = None
) -> Delivered:
    return Delivered(
        key=f"{carrier.name}:{carrier.webhooks.verify(request, one.answered_at).key}",
        sent_at=one.sent_at,
        answered_at=one.answered_at,
        carrier=carrier.name,
        call_id=leg[0],
        leg_id=leg[1],
        wants_document=hook.expects is not Expectation.ACKNOWLEDGEMENT,
        caller=arrival.carrier_call_id if arrival else "",
        announces=arrival is not None and bool(arrival.to),
    )
