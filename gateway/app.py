"""Puts the gateway together, and takes it apart again: nothing here decides anything."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from agent.contract import Agent
from agent.registry import agent_of
from carriers.contract import CarrierSettings, Wanted
from carriers.registry import kinds
from gateway.callback_terms import callback_terms
from gateway.config.structs import Config
from gateway.domain.commands import Answer, Command, Dial, HangUp, OpenStream, Reject, Resend, Resolve, Route, Timer
from gateway.domain.ladder import RungKind
from gateway.domain.policy import Policy
from gateway.domain.records import Call
from gateway.inbound_terms import inbound_terms
from gateway.runtime.answering import Answering
from gateway.runtime.arrivals import Arrivals
from gateway.runtime.call_log import CallLog
from gateway.runtime.callback_desk import CallbackDesk
from gateway.runtime.callback_requests import CallbackRequests
from gateway.runtime.callbacks import Callbacks
from gateway.runtime.calls import Calls
from gateway.runtime.clock import Clock, SystemClock, random_id, random_token
from gateway.runtime.dialer import HOLD_SLACK_S, Dialer, RouteRule
from gateway.runtime.ends import Ends
from gateway.runtime.fleet import Fleet, Member
from gateway.runtime.health import HealthWatch
from gateway.runtime.heartbeat import Heartbeat
from gateway.runtime.inbox import Inbox
from gateway.runtime.last_words import LastWords
from gateway.runtime.leases import Leases
from gateway.runtime.live import LiveCalls, Room
from gateway.runtime.outbox import Handler, Outbox
from gateway.runtime.promise_pace import PromisePace
from gateway.runtime.provisioning import Provisioning
from gateway.runtime.reconciler import Reconciler
from gateway.runtime.resending import Resending
from gateway.runtime.seats import Seats
from gateway.runtime.sessions import Sessions
from gateway.runtime.store.contract import CommitResult, IdempotencyRecord, Store
from gateway.runtime.store.embedded import EmbeddedServer
from gateway.runtime.store.redis_store import RedisStore
from gateway.runtime.supervision import for_ever
from gateway.runtime.telemetry.metrics import Metrics
from gateway.runtime.ticker import Ticker
from gateway.runtime.upkeep import Upkeep
from gateway.runtime.user_webhook_deliveries import Send, unsent
from gateway.runtime.voicemail_files import MessageFiles
from gateway.runtime.voicemail_marker import claim
from gateway.talking import Talking
from gateway.voicemail_works import VoicemailWorks
from gateway.web import relay as relays
from gateway.web.app import create_app
from gateway.web.media import MediaSockets, takes
from gateway.web.peers import Connect, websocket_link
from gateway.web.places import Places
from gateway.web.relay import Relay, RelayDoor
from gateway.web.services import Services
from gateway.webhook_endpoints import open_sending, user_webhooks

log = structlog.get_logger(__name__)

Cast = Callable[[str, str, Any], Agent]
"""(kind, name, settings) -> the agent of one entry of the config."""


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a gateway takes from the machine that it runs on, in one place, so that a simulation can hand in its own."""

    clock: Clock
    new_id: Callable[[str], str] = random_id
    new_token: Callable[[], str] = random_token
    jitter: random.Random = field(default_factory=random.Random)
    ticker: Ticker = field(default_factory=Ticker.of_running_loop)
    agent_of: Cast = agent_of
    connect: Connect = websocket_link
    """To another gateway on the same store."""
    send: Send = unsent
    """Notices to the user's systems."""
    voicemail_files: MessageFiles | None = None
    """None: on the disk."""
    dress: Callable[[Agent], Agent] = lambda agent: agent
    """Put round the gateway's own agents, those of the ladder and of messages."""
    commands_poll_s: float = 0.2
    """How often the store is asked for commands that another process wrote, or whose time has come."""
    promises_poll_s: float = 0.25


class Desk:
    """What the web asks of calls, and whether this process takes new ones."""

    def __init__(self, calls: Calls, room: Room) -> None:
        self._calls, self._room = calls, room
        self.draining = False

    def full(self) -> bool:
        """As many calls live in this process as the config allows."""
        return self._room.full()

    def ready(self) -> bool:
        """Started and not draining; a carrier's outage never makes the gateway unready."""
        return not self.draining

    async def accept(self, call: Call, idempotency: IdempotencyRecord) -> CommitResult:
        with self._room.coming(call.id):
            return await self._calls.accept(call, idempotency)

    async def cancel(self, call_id: str) -> Call:
        return await self._calls.cancel(call_id)

    async def hang_up(self, call_id: str) -> Call:
        return await self._calls.hang_up(call_id)


class Gateway:
    """A running gateway: an ASGI application, and a way to end it gently."""

    def __init__(self, rest: Any, sockets: MediaSockets, door: RelayDoor, desk: Desk, works: "Works") -> None:
        self._rest, self._sockets, self._door, self._desk, self._works = rest, sockets, door, desk, works
        self._live = works.live

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI: media sockets stand in front of the web framework."""
        if relays.takes(scope):
            await self._door(scope, receive, send)
        else:
            await (self._sockets if takes(scope) else self._rest)(scope, receive, send)

    async def drain(self, for_s: float) -> None:
        """Begin no new calls, promised ones included, and let the live ones finish for `for_s` seconds; what lives on is left
        to the other gateways.
        """
        self._desk.draining = self._works.heartbeat.draining = True
        self._works.callbacks.rest()
        log.info("draining", live_calls=len(self._live), for_s=for_s)
        try:
            await asyncio.wait_for(_first(self._live.none_left(), self._works.nothing_here()), for_s)
        except TimeoutError:
            log.warning("drained-with-live-calls", live_calls=len(self._live))
        await self.leave()

    async def leave(self) -> None:
        """Leave every session to the other gateways, before the connections are closed."""
        await self._works.seats.leave()


@asynccontextmanager
async def open_gateway(
    config: Config, clock: Clock | None = None, lab_url: str | None = None, cast: Cast = agent_of
) -> AsyncIterator[Gateway]:
    """Start everything that `config` names; raise StoreUnavailable if there is no store to start with.

    `lab_url` is where its carriers are simulated, if they are. `cast` makes the agents; a test kit hands in its own.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        store, server = await _open_store(config, stack)
        await claim(Path(config.voicemail_dir), store, random_id)
        fleet = _open_fleet(config, clock)
        stack.push_async_callback(fleet.aclose)
        works = Works(config, store, fleet, Means(clock=clock, agent_of=cast, send=await open_sending(config, stack)))
        stack.push_async_callback(works.messages.desk.aclose)
        stack.push_async_callback(works.talking.aclose)
        stack.push_async_callback(works.inbox.aclose)
        stack.push_async_callback(works.sessions.aclose)
        stack.push_async_callback(works.heartbeat.retire)
        upkeep = Upkeep(store, clock, config.store.keep_days, server)
        jobs = works.jobs(lab_url) | {
            "purge": upkeep.run_purge,
            "server": upkeep.run_server,
            "voicemails": works.messages.collecting(fleet).run,
            "salvage": works.messages.salvage.run,
        }
        tasks = [asyncio.create_task(for_ever(name, job, clock), name=f"gateway-{name}") for name, job in jobs.items()]
        stack.push_async_callback(_stop, tasks)
        yield works.gateway(lab_url)


class Works:
    """The parts, wired: who hears of what is written, and who carries out which command."""

    def __init__(self, config: Config, store: Store, fleet: Fleet, means: Means) -> None:
        self._config, self._store, self._fleet, self._means = config, store, fleet, means
        self._clock = clock = means.clock
        self.metrics, self.live = Metrics(), LiveCalls()
        self.room = Room(self.live, config.server.max_live_calls)
        self._known_secret = ""
        policy = policy_of(config)
        self.user_webhooks = user_webhooks(config, store, clock, means.send, self.metrics, means.jitter, means.new_id)
        self.calls = calls = Calls(store, clock, means.new_id, policy, self.user_webhooks.announcer)
        self.dialer = Dialer(
            calls,
            fleet,
            _routes(config),
            clock,
            means.new_id,
            means.new_token,
            policy,
            config.breaker,
            nobody=lambda call: self.talking.ladder.nobody(call),
        )
        self.resending = Resending(calls, fleet, clock, HOLD_SLACK_S)
        self.reconciler = Reconciler(calls, fleet, clock.sleep, means.jitter)
        self.callbacks = Callbacks(calls, clock, PromisePace(fleet, store, clock), poll_s=means.promises_poll_s)
        self.callback_requests = CallbackRequests(calls, callback_terms(config), clock)
        self.heartbeat = Heartbeat(
            store, clock, means.new_id("gw"), config.server.internal_url or "", lambda dead: self.seats.inherit(dead)
        )
        self.leases = Leases(calls, self.heartbeat.me, lambda call_id: self.bridge.let_go(call_id))
        self.messages = VoicemailWorks(
            config, calls, self.leases, self.heartbeat, clock, new_id=means.new_id, files=means.voicemail_files
        )
        self.talking = self._talking()
        self.bridge = self.talking.bridge
        self.relay = Relay(means.connect, self._secret, clock.now)
        self.seats = Seats(calls, self.leases, self.bridge, self.heartbeat, clock, self.relay)
        self.sessions = Sessions(self.bridge, LastWords(store))
        self.ends = Ends(store, clock, self.live, self.bridge)
        self.inbox = Inbox(calls, fleet, self.live, clock, self.metrics.count, self.seats.orphaned)
        self.arrivals = self._arrivals()
        self.answering = Answering(calls, fleet)
        call_log = CallLog(self.metrics)
        self.health = self._health(call_log)
        self.outbox = Outbox(
            store,
            clock,
            self._handlers(),
            poll_s=means.commands_poll_s,
            holder=self.heartbeat.me().id,
            resting=self.heartbeat.relieved,
        )
        hearers = (self.live, self.leases, self.sessions, self.health, call_log, self.outbox, self.user_webhooks)
        for part in (self.dialer, self.resending, *hearers):
            calls.observe(part.heed)

    def jobs(self, lab_url: str | None = None) -> dict[str, Callable[[], Awaitable[None]]]:
        """What runs for as long as the gateway does, beside the answering of requests."""
        jobs: dict[str, Callable[[], Awaitable[None]]] = {
            "outbox": self.outbox.run,
            "callbacks": self.callbacks.run,
            "health": self.health.run,
            "ends": self.ends.run,
            "heartbeat": self.heartbeat.run,
            "seats": self.seats.run,
        }
        jobs |= {"user-webhooks": self.user_webhooks.run} if self.user_webhooks.endpoints else {}
        return jobs | ({"provisioning": self._provisioning().run} if lab_url else {})

    def _provisioning(self) -> Provisioning:
        url, members = self._fleet.public_url, self._fleet.members
        wanted = {name: Wanted(carrier=name, public_url=url, numbers=member.numbers) for name, member in members.items()}
        return Provisioning({name: member.carrier for name, member in members.items()}, wanted, self._clock)

    def gateway(self, lab_url: str | None = None, web: Callable[[Services], Any] = create_app) -> Gateway:
        """The application over all of it; `web` makes the part that is no media socket."""
        desk = Desk(self.calls, self.room)
        services = Services(
            config=self._config,
            store=self._store,
            clock=self._clock,
            new_id=self._means.new_id,
            calls=desk,
            callbacks=CallbackDesk(self.calls, self._clock),
            inbox=self.inbox,
            arrivals=self.arrivals,
            metrics=self.metrics,
            voicemail_files=self.messages.files,
            user_webhooks=self.user_webhooks,
            announcer=self.user_webhooks.announcer,
            agents=self.talking.health.states,
            lab_url=lab_url,
        )
        sockets = MediaSockets(
            carriers={name: member.carrier for name, member in self._fleet.members.items()},
            load=self._store.load,
            bridge=self.bridge,
            public_url=self._fleet.public_url,
            clock=self._clock.now,
            count=self.metrics.count,
            place=Places(self.seats, self.relay),
        )
        door = RelayDoor(sockets, self.seats, self._secret, self._clock.now)
        return Gateway(web(services), sockets, door, desk, self)

    async def _secret(self) -> str:
        if not self._known_secret:
            self._known_secret = await self._store.shared_secret(self._means.new_token())
        return self._known_secret

    async def nothing_here(self) -> None:
        """Wait until we are relieved, and no session, no relayed socket and no command is in this process: calls that live in
        others are theirs to wait for.
        """
        while not self.heartbeat.relieved() or self.bridge.call_ids or self.relay.carried or self.outbox.busy:
            await self._clock.sleep(1.0)

    def _arrivals(self) -> Arrivals:
        return Arrivals(
            self.calls,
            self._fleet,
            self.inbox,
            inbound_terms(self._config),
            clock=self._clock,
            new_id=self._means.new_id,
            new_token=self._means.new_token,
            room=self.room,
            count=self.metrics.count,
        )

    def _talking(self) -> Talking:
        return Talking(
            self._config,
            self._agents(),
            store=self._store,
            clock=self._clock,
            ticker=self._means.ticker,
            leases=self.leases,
            live=self.live,
            metrics=self.metrics,
            asking=self.callback_requests,
            calls=self.calls,
            sit=lambda call_id: self.seats.claim(call_id),
            fleet=self._fleet,
            no_message=self.messages.desk.obstacle,
            no_callback=self.callback_requests.obstacle,
            dress=self._means.dress,
        )

    def _agents(self) -> Mapping[str, Agent]:
        configured = {one.name: self._means.agent_of(one.kind, one.name, one.settings) for one in self._config.agents}
        return configured | {RungKind.VOICEMAIL.value: self._means.dress(self.messages.agent)}

    def _health(self, call_log: CallLog) -> HealthWatch:
        return HealthWatch(
            self._store,
            self._fleet,
            self._clock,
            self._config.breaker,
            self._means.jitter,
            idle_every_s=self._config.health.idle_every_s,
            failing_every_s=self._config.health.failing_every_s,
            on_change=call_log.breaker_changed,
            announcer=self.user_webhooks.announcer,
        )

    def _handlers(self) -> Mapping[type[Command], Handler]:
        return {
            Route: self.dialer.route,
            Dial: self.dialer.dial,
            Resend: self.resending.resend,
            Resolve: self.reconciler.resolve,
            HangUp: self.reconciler.hang_up,
            Answer: self.answering.answer,
            OpenStream: self.answering.open_stream,
            Reject: self.answering.reject,
            Timer: self.callbacks.fire,
            **self.messages.handlers(self._fleet),
        }


async def _open_store(config: Config, stack: AsyncExitStack) -> tuple[RedisStore, EmbeddedServer | None]:
    settings = config.store
    server = None
    url = settings.url
    if url is None:
        program = "" if settings.server == "auto" else settings.server
        server = await stack.enter_async_context(EmbeddedServer(Path(settings.dir), program=program))
        url = server.url
    store = RedisStore.connect(url, f"{{{settings.tag}}}", wait_replicas=settings.wait_replicas)
    stack.push_async_callback(store.aclose)
    for finding in await store.findings():
        log.warning("store-finding", finding=finding)
    return store, server


def _open_fleet(config: Config, clock: Clock) -> Fleet:
    """Opening a carrier imports its SDK: only those that the config names, and before the gateway is ready."""
    members = [
        Member(
            carrier=kinds()[entry.kind].open(
                CarrierSettings(
                    name=entry.name,
                    credentials=entry.credentials,
                    base_url=entry.base_url,
                    threads=_threads(entry.limits.calls_per_second),
                ),
                clock.now,
            ),
            kind=entry.kind,
            numbers=entry.numbers,
            calls_per_second=entry.limits.calls_per_second,
            concurrent_calls=entry.limits.concurrent_calls,
        )
        for entry in config.carriers
    ]
    return Fleet(members, config.server.public_url.rstrip("/"))


def _threads(calls_per_second: float) -> int:
    """Enough for the carrier's pace at half a second a dial, and bounded, since each holds an SDK client of its own."""
    return min(16, max(4, math.ceil(calls_per_second / 2)))


def policy_of(config: Config) -> Policy:
    """The core's times, as the config has them."""
    dialing, retry = config.dialing, config.callbacks.retry
    return Policy(
        resolve_for_s=dialing.resolve_for_s,
        assume_alerted_s=dialing.assume_alerted_s,
        silent_after_s=dialing.silent_after_s,
        stream_start_s=dialing.stream_start_s,
        retry_every_s=dialing.retry_every_s,
        pace_wait_s=dialing.pace_wait_s,
        retry_first_s=retry.first_s,
        retry_factor=retry.factor,
        retry_limit_s=retry.limit_s,
        retry_attempts=retry.attempts,
    )


def _routes(config: Config) -> Mapping[str, RouteRule]:
    every = tuple(carrier.name for carrier in config.carriers)
    return {route.name: RouteRule(carriers=route.carriers or every, compliance=route.compliance) for route in config.routes}


async def _first(*waits: Coroutine[Any, Any, None]) -> None:
    """Until one of them is over; the others are given up."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _stop(jobs: list[asyncio.Task[None]]) -> None:
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
