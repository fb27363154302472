"""The steps of the demo, made from the carriers that the config names: a call while all is well, then one for each
carrier that dies, then one while none is left. Pure.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct


class Carrier(Struct, frozen=True, kw_only=True):
    """One carrier as the story needs it: its names in the config, in the lab and for people; the numbers it owns."""

    name: str
    lab: str
    title: str
    numbers: tuple[str, ...]
    reject_cause: str | None = None
    """A cause with which it can fail a call after having taken it, if the demo knows one."""


class Death(Struct, frozen=True, kw_only=True):
    """One way for a carrier to fail: the lab's fault, and what it means."""

    fault: Mapping[str, Any]
    told: str


class Step(Struct, frozen=True, kw_only=True):
    """One call. `through` is the carrier that must ring the phone; `tried` are those that must fail before it, in order."""

    name: str
    title: str
    through: Carrier
    tried: tuple[Carrier, ...] = ()
    dies: tuple[Carrier, Death] | None = None
    comes_back: bool = False
    """All carriers are dead; `through` comes back once the call is scheduled."""
    voice: str
    """Which sentence Alex says."""
    agent_hangs_up: bool = False
    """Alex presses 9 for it; otherwise Alex hangs up."""
    agent: str | None = None
    """Who talks, if it is not the one of the route."""
    goodbye: str = "Alex presses 9; the agent says goodbye and hangs up"


REJECT_CAUSES: Mapping[str, str] = {"twilio": "503", "telnyx": "503", "plivo": "2000", "vonage": "internal_error"}
"""By carrier kind: how it says that its own network failed."""

_VOICES = ("again", "still", "last")


def story(carriers: Sequence[Carrier]) -> tuple[Step, ...]:
    """The steps for these carriers, in their order of priority; at least one."""
    first, last = carriers[0], carriers[-1]
    return (
        Step(
            name="first-call",
            title=f"All is well: a call goes out through {first.title}",
            through=first,
            voice="hello",
            agent_hangs_up=True,
        ),
        *(_failover(carriers, place) for place in range(1, len(carriers))),
        Step(
            name="all-dead",
            title=f"{last.title} dies too: no carrier is left, and then {first.title} comes back",
            through=first,
            tried=tuple(carriers),
            dies=(last, _off_air(last)),
            comes_back=True,
            voice="back",
        ),
    )


def from_outside(carriers: Sequence[Carrier], agent: str) -> Step:
    """The call of an agent behind a WebSocket: the first carrier takes it and fails it, and the agent need not know."""
    first, heir = carriers[0], carriers[1] if len(carriers) > 1 else carriers[0]
    through = f"{first.title} fails its call, {heir.title} carries it" if heir != first else f"{first.title} carries its call"
    return Step(
        name="agent-from-outside",
        title=f"An agent behind a WebSocket: {through}",
        through=heir,
        tried=(first,) if heir != first else (),
        dies=(first, _rejects(first)) if heir != first else None,
        voice="hello",
        agent_hangs_up=True,
        agent=agent,
        goodbye="Alex presses 9; the agent closes its socket, and that ends the call",
    )


def _failover(carriers: Sequence[Carrier], place: int) -> Step:
    victim, heir = carriers[place - 1], carriers[place]
    too = "" if place == 1 else " too"
    return Step(
        name=f"failover-to-{heir.name}",
        title=f"{victim.title} dies{too}: the next call goes out through {heir.title}",
        through=heir,
        tried=tuple(islice(carriers, place)),
        dies=(victim, _death(victim, place)),
        voice=_VOICES[(place - 1) % len(_VOICES)],
    )


def _death(carrier: Carrier, place: int) -> Death:
    """Carriers die in different ways, so that the story shows more than one kind of knowledge."""
    return _DEATHS[(place - 1) % len(_DEATHS)](carrier)


def _off_air(carrier: Carrier) -> Death:
    return Death(fault={"kind": "down"}, told=f"{carrier.title} is off the air: it refuses connections")


def _rejects(carrier: Carrier) -> Death:
    if carrier.reject_cause is None:
        return _off_air(carrier)
    told = f"{carrier.title} still takes calls, and then fails them before they ring"
    return Death(fault={"kind": "reject", "cause": carrier.reject_cause}, told=told)


def _locks_out(carrier: Carrier) -> Death:
    return Death(fault={"kind": "auth_error"}, told=f"{carrier.title} has locked the account: it answers 401")


_DEATHS = (_off_air, _rejects, _locks_out)
