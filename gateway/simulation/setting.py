"""The configuration of a world's gateways, as `config.yaml` would have it."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from carriers.registry import kinds
from gateway.config.ladder_structs import SHIPPED, CallbackRung, RungConfig, Word
from gateway.config.structs import (
    AgentConfig,
    ApiKey,
    CallbackSettings,
    CarrierConfig,
    Config,
    Dialing,
    HealthSettings,
    Limits,
    RetrySettings,
    Route,
    Server,
)
from gateway.simulation.agents import CAST
from gateway.simulation.calling import inbound_routes
from gateway.simulation.plan import CarrierPlan, Plan

PUBLIC_URL = "http://gateway.sim"
API_KEY = "a-key-for-simulated-clients"


_PROMISE = RungConfig(callback=CallbackRung(by_default_after_s=1.5))
_LADDERS: Mapping[str, tuple[Word | RungConfig, ...]] = {
    "shipped": SHIPPED,
    "another": (RungConfig(agent="brief"), _PROMISE),
    "message": ("voicemail",),
    "promise": (_PROMISE,),
    "nothing": (),
}


def config_of(plan: Plan, credentials: Mapping[str, Mapping[str, Any]]) -> Config:
    """`credentials` by carrier, as the lab tells them."""
    key_hash = hashlib.sha256(API_KEY.encode()).hexdigest()
    return Config(
        carriers=tuple(_carrier(carrier, credentials[carrier.name]) for carrier in plan.carriers),
        routes=(Route(name="out", agent="acting"), *inbound_routes()),
        agents=tuple(AgentConfig(name=name, kind="acting") for name in CAST),
        server=Server(public_url=PUBLIC_URL, max_live_calls=plan.max_live_calls),
        keys=(ApiKey(name="clients", scopes=("calls:write", "calls:read"), hash=key_hash),),
        dialing=Dialing(
            ring_timeout_s=plan.ring_timeout_s, max_duration_s=plan.max_duration_s, expires_after_s=plan.expires_after_s
        ),
        health=HealthSettings(idle_every_s=20.0, failing_every_s=5.0),
        callbacks=CallbackSettings(
            after_s=5.0, expires_after_s=45.0, retry=RetrySettings(first_s=6.0, factor=2.0, limit_s=20.0, attempts=3)
        ),
        ladder=_LADDERS[plan.ladder],
    )


def _carrier(plan: CarrierPlan, told: Mapping[str, Any]) -> CarrierConfig:
    wanted = kinds()[plan.kind].credentials
    fields = {field: told[field] for field in wanted.__struct_fields__ if field in told}
    return CarrierConfig(
        name=plan.name,
        kind=plan.kind,
        credentials=msgspec.convert(fields, wanted),
        numbers=plan.numbers,
        limits=Limits(calls_per_second=plan.calls_per_second, concurrent_calls=plan.concurrent_calls),
    )
