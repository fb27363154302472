"""The shape of config.yaml. `config.yaml` at the top of the repository shows and explains every key.

What is read from the file is checked by `gateway.config.reading`; a `Config` in the program is complete and right:
secrets are resolved, every carrier's credentials are an instance of its kind's own Struct, every limit is a number.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from gateway.config.hours import Hours
from gateway.config.ladder_structs import SHIPPED, LadderConfig
from gateway.domain.breaker import BreakerPolicy
from gateway.domain.outcome import Direction

Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", description="Lower case letters, digits, _ and -; it is part of URLs and metrics."
    ),
]
Number = Annotated[str, Meta(description='E.164 in quotes, such as "+15550190001".')]


class Server(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the gateway listens, and under which address the world reaches it."""

    host: Annotated[str, Meta(min_length=1, description="Address to bind.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="Port for REST, webhooks and media alike.")] = 8080
    public_url: Annotated[str, Meta(description="How carriers reach this gateway: scheme, host and port, no path.")] = (
        "http://127.0.0.1:8080"
    )
    internal_url: (
        Annotated[str, Meta(description="How other gateways on the same store reach this one; null is http://host:port.")] | None
    ) = None
    max_live_calls: Annotated[
        int,
        Meta(
            ge=0, le=100000, description="More than so many in one process are refused before they are accepted; 0 is no limit."
        ),
    ] = 0
    drain_for_s: Annotated[float, Meta(ge=0, le=86400, description="After SIGTERM, live calls get this long to finish.")] = 600.0


class ApiKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may use the API. Give `secret` (as `${ENV}`) or `hash`; only the hash is kept after reading."""

    name: Name
    scopes: Annotated[
        tuple[Literal["calls:write", "calls:read", "admin"], ...], Meta(min_length=1, description="admin includes the others.")
    ]
    secret: Annotated[str, Meta(min_length=16, description="The key itself, as a ${ENV} reference.")] | None = None
    hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the key in hex.")] | None = None


class StoreSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where calls, promises and breakers are kept."""

    url: (
        Annotated[str, Meta(description="redis://, rediss:// or unix:// of a Redis or Valkey; null starts the embedded server.")]
        | None
    ) = None
    dir: Annotated[str, Meta(min_length=1, description="Data directory of the embedded server.")] = ".holdline"
    tag: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Hash tag of every key; one for each cell.")] = (
        "holdline"
    )
    keep_days: Annotated[int, Meta(ge=1, le=3650, description="Ended calls are purged after so many days.")] = 30
    wait_replicas: Annotated[int, Meta(ge=0, le=10, description="Accepting a call waits for so many replicas.")] = 0
    server: Annotated[str, Meta(min_length=1, description="auto, or the path of a valkey-server or redis-server to embed.")] = (
        "auto"
    )


class StorageSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where voicemails are kept, and for how long. All processes on one store share the directory."""

    dir: Annotated[str, Meta(min_length=1, description="Of the sound files; null is `voicemails` in store.dir.")] | None = None
    keep_days: Annotated[int, Meta(ge=1, le=3650, description="Voicemails are deleted after so many days.")] = 90
    max_total_mb: Annotated[
        int, Meta(ge=1, le=10_000_000, description="More is neither taken nor collected until there is room.")
    ] = 2000
    delete_at_carrier: Annotated[bool, Meta(description="Delete a recording at its carrier once it is stored here.")] = False


class VoicemailSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the agent `voicemail` takes messages; it is always there, and stands in no list."""

    greeting: Annotated[
        str, Meta(min_length=1, description="A .wav or .ulaw file of yours, or the name of a sentence in agent/speech.")
    ] = "voicemail-greeting"
    max_message_s: Annotated[int, Meta(ge=5, le=1800, description="The longest message; a word is said before it ends.")] = 180
    silence_s: Annotated[float, Meta(ge=1, le=60, description="So much silence after speech ends a message.")] = 5.0
    min_message_s: Annotated[float, Meta(ge=0, le=30, description="Anything shorter is no message.")] = 1.0


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How hard a carrier may be used. What is not given is taken from the carrier kind's own defaults."""

    calls_per_second: Annotated[
        float, Meta(ge=0.01, le=1000, description="New calls a second; ask your carrier for your account's.")
    ] = 1.0
    concurrent_calls: Annotated[int, Meta(ge=1, le=100000, description="Calls at the same time.")] = 100


class CarrierConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account at one provider. The order of the list is the order of priority."""

    name: Name
    kind: Annotated[str, Meta(description="The folder below carriers/ that speaks its language.")]
    credentials: Annotated[Any, Meta(description="What the kind needs; secrets as ${ENV} references.")]
    numbers: Annotated[
        tuple[Number, ...], Meta(min_length=1, description="Caller ids that this account owns; the first is the default.")
    ]
    base_url: (
        Annotated[str, Meta(description="Another address of the carrier's API, such as the lab's; null is the real one.")] | None
    ) = None
    fallback_url: (
        Annotated[str, Meta(description="A document for callers, hosted elsewhere, that the carrier asks for when we are down.")]
        | None
    ) = None
    limits: Limits = Limits()


class Route(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which calls may be made or are answered, and by whom. The longest prefix wins.

    Inbound, the longest prefix of the caller's number decides next, and then a route with hours before one without.
    """

    name: Name
    agent: Annotated[str, Meta(description="Who talks, one of `agents`.")] = ""
    direction: Direction = Direction.OUTBOUND
    prefix: Annotated[str, Meta(pattern=r"^\+[0-9]{0,15}$", description='Of the number called, in quotes: "+1".')] = "+1"
    carriers: Annotated[tuple[str, ...], Meta(description="Restrict and order; empty is all, in their own order.")] = ()
    compliance: Annotated[Literal["none"], Meta(description="Profile of dialling rules.")] = "none"
    from_prefix: (
        Annotated[str, Meta(pattern=r"^\+[0-9]{0,15}$", description="Inbound: of the caller's number; null is everybody.")] | None
    ) = None
    hours: Annotated[Hours, Meta(description="Inbound: when it is open; null is always.")] | None = None
    language: (
        Annotated[str, Meta(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", description="Inbound: for the agent.")] | None
    ) = None
    max_duration_s: Annotated[int, Meta(ge=10, le=14400, description="Inbound: instead of dialing.max_duration_s.")] | None = None
    refuse: (
        Annotated[Literal["busy", "rejected"], Meta(description="Inbound: turn these callers away, instead of an agent.")] | None
    ) = None
    ladder: Annotated[LadderConfig, Meta(description="Instead of the agent's own, and of the one at the top.")] | None = None


class AgentConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An agent that calls can name."""

    name: Name
    kind: Annotated[str, Meta(description="What it is made of.")]
    settings: Annotated[Any, Meta(description="What the kind needs; secrets as ${ENV} references.")] = {}
    first_word_s: Annotated[float, Meta(ge=0, le=60, description="Silent so long after the answer, it is lost; 0: never.")] = 5.0
    reply_within_s: Annotated[
        float, Meta(ge=0, le=300, description="Silent so long after the person has spoken, it is lost; 0: never.")
    ] = 20.0
    ladder: Annotated[LadderConfig, Meta(description="When it is lost; null: the one at the top.")] | None = None


class Dialing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How patient the gateway is; all in seconds."""

    ring_timeout_s: Annotated[int, Meta(ge=5, le=120, description="How long a phone may ring.")] = 45
    max_duration_s: Annotated[int, Meta(ge=10, le=14400, description="The carrier itself ends a call after this.")] = 3600
    pace_wait_s: Annotated[
        float, Meta(ge=0, le=60, description="How long a call waits for a carrier's pace before it goes to the next.")
    ] = 5.0
    resolve_for_s: Annotated[
        float, Meta(ge=1, le=60, description="How long an ambiguous dial is looked for before it is condemned.")
    ] = 6.0
    assume_alerted_s: Annotated[
        float, Meta(ge=1, le=60, description="Without ringing events, a failure later than this counts as after ringing.")
    ] = 6.0
    stream_start_s: Annotated[float, Meta(ge=1, le=60, description="An answered leg must open its stream within this.")] = 5.0
    retry_every_s: Annotated[
        float, Meta(ge=1, le=3600, description="A call that no carrier could take is tried again at the latest after this.")
    ] = 15.0
    expires_after_s: Annotated[
        float, Meta(ge=10, le=604800, description="And given up after this, unless the request says otherwise.")
    ] = 3600.0
    silent_after_s: Annotated[
        float, Meta(ge=2, le=120, description="An accepted leg of which nothing is heard for so long is asked after.")
    ] = 10.0


class RetrySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a call that reached nobody is tried again (`retry_on`); each pause is up to a quarter longer, never shorter."""

    first_s: Annotated[float, Meta(ge=1, le=86400, description="Before the first retry.")] = 60.0
    factor: Annotated[float, Meta(ge=1, le=10, description="Each following pause is so many times as long.")] = 2.0
    limit_s: Annotated[float, Meta(ge=1, le=604800, description="But no longer than this.")] = 1800.0
    attempts: Annotated[int, Meta(ge=1, le=100, description="Calls in all, the first one counted.")] = 3


class CallbackSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How promises to call are kept; times in seconds."""

    after_s: Annotated[
        float, Meta(ge=0, le=86400, description="A callback is due so long after it was promised, unless it has a time.")
    ] = 10.0
    expires_after_s: Annotated[float, Meta(ge=10, le=604800, description="And given up so long after it was due.")] = 14400.0
    window: (
        Annotated[Hours, Meta(description="Callbacks are dialled only then, unless the earlier call has its own window.")] | None
    ) = None
    retry_on: Annotated[
        tuple[Literal["busy", "no_answer", "declined"], ...],
        Meta(description="Callbacks that end so are tried again."),
    ] = ("busy", "no_answer")
    retry: RetrySettings = RetrySettings()


class HealthSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a carrier is asked for its health with one cheap request."""

    idle_every_s: Annotated[float, Meta(ge=1, le=3600, description="While it is well.")] = 15.0
    failing_every_s: Annotated[float, Meta(ge=1, le=3600, description="While its breaker is not closed.")] = 5.0


class WebhookConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of your systems that is told what happens here, signed after the Standard Webhooks specification."""

    name: Name
    url: Annotated[str, Meta(min_length=1, max_length=2000, description="Where we POST; https, or http in your own network.")]
    secret: Annotated[str, Meta(description="whsec_... as a ${ENV} reference; signs what we send.")]
    previous_secret: Annotated[str, Meta(description="Signs besides, while you change the secret.")] | None = None
    events: Annotated[
        tuple[str, ...], Meta(min_length=1, description="Types, or families such as call.*; docs/webhooks.md has them all.")
    ] = ("*",)


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of config.yaml."""

    carriers: Annotated[tuple[CarrierConfig, ...], Meta(min_length=1, description="In order of priority.")]
    routes: Annotated[tuple[Route, ...], Meta(min_length=1, description="What no route matches is refused.")]
    agents: Annotated[tuple[AgentConfig, ...], Meta(min_length=1, description="Who can talk.")]
    server: Server = Server()
    keys: tuple[ApiKey, ...] = ()
    store: StoreSettings = StoreSettings()
    storage: StorageSettings = StorageSettings()
    voicemail: VoicemailSettings = VoicemailSettings()
    dialing: Dialing = Dialing()
    callbacks: CallbackSettings = CallbackSettings()
    ladder: Annotated[LadderConfig, Meta(description="What a person gets when the agent is lost, in this order.")] = SHIPPED
    breaker: BreakerPolicy = BreakerPolicy()
    health: HealthSettings = HealthSettings()
    webhooks: Annotated[tuple[WebhookConfig, ...], Meta(max_length=16, description="Your systems that are told.")] = ()

    @property
    def voicemail_dir(self) -> str:
        """Where the WAV files are."""
        return self.storage.dir or f"{self.store.dir}/voicemails"

    def carrier(self, name: str) -> CarrierConfig | None:
        """The carrier of this name."""
        return next((carrier for carrier in self.carriers if carrier.name == name), None)

    def agent(self, name: str) -> AgentConfig | None:
        """The agent of this name."""
        return next((agent for agent in self.agents if agent.name == name), None)

    def route(self, name: str) -> Route | None:
        """The route of this name."""
        return next((route for route in self.routes if route.name == name), None)

    def route_for(self, direction: Direction, number: str) -> Route | None:
        """The route with the longest prefix of `number` (E.164); None if no route allows it."""
        fitting = [route for route in self.routes if route.direction is direction and number.startswith(route.prefix)]
        return max(fitting, key=lambda route: len(route.prefix), default=None)
