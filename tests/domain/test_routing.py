"""The router: order, caller ids, and a reason for everybody who was passed over."""

from msgspec.structs import replace

from gateway.domain.breaker import Breaker, BreakerPolicy, BreakerState
from gateway.domain.hand import Hand, ServiceState
from gateway.domain.outcome import LegPhase
from gateway.domain.records import Call, Leg
from gateway.domain.routing import CarrierView, plan

POLICY = BreakerPolicy()
ALL = ("a", "b", "c")
CLOSED = Breaker()
OPEN = Breaker(state=BreakerState.OPEN, epoch=1, open_until=50.0)


def views(**breakers: Breaker) -> list[CarrierView]:
    return [
        CarrierView(name=name, numbers=(f"+1555019000{i}",), breaker=breakers.get(name, CLOSED)) for i, name in enumerate(ALL, 1)
    ]


def a_call(*tried: str, **more) -> Call:
    legs = tuple(
        Leg(
            id=f"leg_{name}",
            call_id="call_1",
            carrier=name,
            caller_id="+15550190001",
            media_token="t",
            round=1,
            created_at=0.0,
            phase=LegPhase.ENDED,
            ended_at=1.0,
        )
        for name in tried
    )
    return Call(id="call_1", to="+15550100001", session_id="s", created_at=0.0, expires_at=99.0, legs=legs, **more)


def order(call: Call, seen: list[CarrierView], allowed=ALL) -> list[str]:
    return [candidate.carrier for candidate in plan(call, allowed, seen, 10.0, POLICY).candidates]


def test_priority_is_the_order_of_the_config() -> None:
    """The first that is fit comes first."""
    assert order(a_call(), views()) == ["a", "b", "c"]


def test_each_carrier_shows_a_number_of_its_own() -> None:
    """Every candidate's caller id is one that its carrier owns."""
    ids = [candidate.caller_id for candidate in plan(a_call(), ALL, views(), 10.0, POLICY).candidates]
    assert ids == ["+15550190001", "+15550190002", "+15550190003"]


def test_a_wanted_caller_id_is_shown_where_it_is_owned() -> None:
    """Elsewhere the carrier's own is shown, never a foreign one."""
    ids = [c.caller_id for c in plan(a_call(from_number="+15550190002"), ALL, views(), 10.0, POLICY).candidates]
    assert ids == ["+15550190001", "+15550190002", "+15550190003"]


def test_in_one_round_each_is_tried_once() -> None:
    """A carrier that has had its try is passed over with that reason; in the next round it is free again."""
    planned = plan(a_call("a"), ALL, views(), 10.0, POLICY)
    assert [c.carrier for c in planned.candidates] == ["b", "c"]
    assert [str(p) for p in planned.passed] == ["a: tried in this round"]
    assert order(a_call("a", round=2), views()) == ["a", "b", "c"]


def test_an_open_breaker_is_passed_over_until_its_time() -> None:
    """The reason and the time at which to ask again are told."""
    planned = plan(a_call(), ALL, views(a=OPEN), 10.0, POLICY)
    assert [c.carrier for c in planned.candidates] == ["b", "c"]
    assert planned.passed[0].reason == "breaker open"
    assert planned.passed[0].retry_at == 50.0


def test_the_call_restricts_and_orders_within_the_route() -> None:
    """What the route does not allow stays out, whatever the call asks for."""
    assert order(a_call(carriers=("c", "a")), views()) == ["c", "a"]
    assert order(a_call(carriers=("c", "a")), views(), allowed=("a", "b")) == ["a"]


def test_without_a_number_there_is_no_caller_id() -> None:
    """A carrier that owns no number cannot carry an outbound call."""
    bare = [CarrierView(name="a", numbers=(), breaker=CLOSED)]
    assert str(plan(a_call(), ALL, bare, 10.0, POLICY).passed[0]) == "a: owns no caller id"


def test_when_every_breaker_is_open_the_least_bad_is_tried() -> None:
    """One probe, at the carrier that has been re-opened least; failing closed helps nobody."""
    worse = Breaker(state=BreakerState.OPEN, epoch=3, open_until=40.0, reopenings=2)
    planned = plan(a_call(), ALL, views(a=worse, b=OPEN, c=worse), 10.0, POLICY)
    assert [(c.carrier, c.permit.probe) for c in planned.candidates] == [("b", True)]


def test_no_panic_while_any_breaker_lets_through() -> None:
    """A carrier that failed in this round and is closed is no reason to try an open one."""
    assert order(a_call("c"), views(a=OPEN, b=OPEN)) == []


def test_no_second_probe_in_panic() -> None:
    """While the probe is out, nobody else is sent after it."""
    probing = Breaker(state=BreakerState.HALF_OPEN, epoch=2, probe_at=9.0)
    assert order(a_call(), views(a=probing, b=probing, c=probing)) == []


def test_a_carrier_out_of_service_is_passed_over_in_so_many_words() -> None:
    """The reason tells draining from disabled; the others keep their order."""
    seen = views()
    seen[0] = replace(seen[0], hand=Hand(state=ServiceState.DRAINING))
    seen[1] = replace(seen[1], hand=Hand(state=ServiceState.DISABLED))
    found = plan(a_call(), ALL, seen, 10.0, POLICY)
    assert [candidate.carrier for candidate in found.candidates] == ["c"]
    assert [str(entry) for entry in found.passed] == ["a: draining by hand", "b: disabled by hand"]


def test_the_least_bad_carrier_is_never_one_that_a_hand_took_out() -> None:
    """With every breaker in service open, a probe goes to one of those, however well the disabled one is."""
    seen = views(b=OPEN, c=OPEN)
    seen[0] = replace(seen[0], hand=Hand(state=ServiceState.DISABLED))
    assert order(a_call(), seen) == ["b"]
