"""The seam between the lab's shell (sockets, clock) and its pure cores (the four simulators and the telephone network).

A simulator is its carrier, backwards: requests, webhook answers, timers, phone events and socket frames come in, each
with `now`; answers are returned, everything else is asked for as an `Effect` through `Site.emit`. No simulator awaits,
reads a clock, draws randomness of its own or opens a socket, so that the same core runs behind real listeners in the
lab and in memory in a simulation.

A simulator never imports its carrier's api, webhooks, media, markup or verdicts: adapter and simulator must not be able
to agree on one author's mistake.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Protocol

from msgspec import Struct

# --- HTTP, both ways ---------------------------------------------------------------------------------------------


class RestRequest(Struct, frozen=True, kw_only=True):
    """A request to the carrier's API. `path` starts with `/` and has no query; header names are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""


class RestReply(Struct, frozen=True, kw_only=True):
    """The carrier's answer."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}


class WebhookReply(Struct, frozen=True, kw_only=True):
    """What the customer answered to a webhook; `status` 0 means that none came, and `failure` says how."""

    status: int
    body: bytes = b""
    content_type: str = ""
    failure: str = ""
    """`connect` (refused, no route, connect time-out), `timeout` (connected, no answer in time) or `reset`."""


# --- what a core asks the shell to do ----------------------------------------------------------------------------


class Effect(Struct, frozen=True, kw_only=True, tag=True):
    """Base of all effects."""


class Webhook(Effect, frozen=True, kw_only=True):
    """Request the customer's URL; the reply comes back through `Simulator.on_webhook_reply` under the same `id`."""

    id: str
    url: str
    method: str = "POST"
    headers: Mapping[str, str] = {}
    body: bytes = b""
    connect_timeout_s: float = 5.0
    timeout_s: float = 15.0
    carrier_call_id: str = ""
    number: str = ""
    attempt: int = 1


class Wake(Effect, frozen=True, kw_only=True):
    """Call `Simulator.on_timer(now, key)` at unix time `at`. A core ignores keys that no longer mean anything."""

    at: float
    key: str


class Fetch(Effect, frozen=True, kw_only=True):
    """GET a file of the customer's (audio to play); comes back through `Simulator.on_fetched` under the same `id`.

    Not a webhook: unsigned, never repeated by a fault, and of its own kind (`fetch`) in the ledger.
    """

    id: str
    url: str
    headers: Mapping[str, str] = {}
    timeout_s: float = 10.0
    carrier_call_id: str = ""
    number: str = ""


class OpenSocket(Effect, frozen=True, kw_only=True):
    """Connect a media WebSocket; `stream` is the core's own id for it."""

    stream: str
    url: str
    headers: Mapping[str, str] = {}
    carrier_call_id: str = ""
    number: str = ""


class SendFrame(Effect, frozen=True, kw_only=True):
    """Send one WebSocket message: str is a text frame, bytes a binary one."""

    stream: str
    data: str | bytes


class CloseSocket(Effect, frozen=True, kw_only=True):
    """Close the media WebSocket. `abrupt` drops the TCP connection (the other side sees 1006)."""

    stream: str
    code: int = 1000
    abrupt: bool = False


# --- the telephone network, shared by all carriers ---------------------------------------------------------------


class PhoneEvent(Struct, frozen=True, kw_only=True):
    """What the network tells the carrier that dialled, or was called. `ref` is the carrier's own id of the call.

    kinds: `ringing`; `answered`; `ended`, with `cause` (one of CAUSES) and `by` (`phone`, `carrier`, `network`);
    `digit`, with `digit`. Of a call that a phone placed only `digit` and `ended` come (`canceled` by `phone`: the caller
    gave up before the answer). Of a text message: `delivered` or `undelivered`, with the message's id as `ref`.
    """

    carrier: str
    ref: str
    kind: str
    cause: str = ""
    by: str = ""
    digit: str = ""


CAUSES = frozenset({"normal", "busy", "no_answer", "declined", "unreachable", "invalid", "canceled"})
"""Why a phone call ended: `normal` only after an answer; `unreachable` is a phone that is off."""


class Incoming(Struct, frozen=True, kw_only=True):
    """A phone calls a number of the account. Numbers are E.164 with `+`."""

    to: str
    caller_id: str
    """Empty where the caller withholds it."""
    caller_name: str = ""
    attestation: str = ""
    """STIR/SHAKEN: `A`, `B`, `C`, or empty."""


class Greeting(Struct, frozen=True, kw_only=True):
    """What answering machine detection could hear, in seconds since the answer."""

    machine: bool
    """A machine answered; a person says a short hello and waits."""
    ends_s: float
    """When the greeting is over: a person's hello, or a machine's last word."""
    beep_s: float | None = None
    """When a machine's beep is over, so that a message can be left; None if there is no beep."""


class Network(Protocol):
    """Phones and the wires to them. One call of one carrier to or from one phone is (`carrier`, `ref`)."""

    def dial(self, now: float, *, carrier: str, ref: str, to: str, caller_id: str) -> None:
        """Let the phone ring, or not, as it was set up; PhoneEvents follow. Numbers with or without `+`."""
        ...

    def hang_up(self, now: float, *, carrier: str, ref: str) -> None:
        """The carrier ends the call; an `ended` event follows (cause `canceled` before the answer, else `normal`)."""
        ...

    def answer(self, now: float, *, carrier: str, ref: str) -> None:
        """The carrier answers a call that a phone placed: the caller talks from now on. Idempotent; no event follows."""
        ...

    def refuse(self, now: float, *, carrier: str, ref: str, cause: str) -> None:
        """The carrier turns a call away that it has not answered; the caller hears `cause` (`busy`, `declined`,
        `unreachable`, `invalid`). An `ended` event by `carrier` follows.
        """
        ...

    def press_keys(self, now: float, *, carrier: str, ref: str, digits: str) -> None:
        """Let the person hear DTMF; the phone and the ledger (kind `keys`) remember it."""
        ...

    def greeting(self, carrier: str, ref: str) -> Greeting | None:
        """How the answered call was greeted; None while it is not answered, or if nothing is ever said."""
        ...

    def text(self, now: float, *, carrier: str, ref: str, to: str, caller_id: str, body: str) -> None:
        """Deliver a text message to a phone; `delivered` or `undelivered` follows. `ref` is the message's id."""
        ...

    def say(self, carrier: str, ref: str) -> bytes:
        """The next 20 ms that the person says: 160 bytes of mu-law."""
        ...

    def hear(self, carrier: str, ref: str, frame: bytes) -> None:
        """Let the person hear 20 ms (160 bytes of mu-law). Call it once a tick, with silence if there is nothing."""
        ...


class Ledger(Protocol):
    """The ground truth of every reliability test. Kinds and fields: see `carriers.lab.ledger`."""

    def write(
        self, now: float, kind: str, *, carrier: str = "", number: str = "", carrier_call_id: str = "", **more: Any
    ) -> None:
        """Add one entry; the network itself writes ring, answer and hangup, the shell writes webhook and stream_*.
        The simulator writes `dial` for each create-call POST that it receives, `message` and `rejected_frame`.
        """
        ...


class Site(Struct, kw_only=True):
    """All that a simulator is given of the world."""

    name: str
    """The carrier's name in the lab; equals its kind unless the lab runs two of one kind."""
    base_url: str
    """Where the shell listens for it, for the links that answers carry: `http://127.0.0.1:4011`."""
    numbers: tuple[str, ...]
    """E.164 with `+`; the account's own numbers."""
    random: Random
    network: Network
    ledger: Ledger
    emit: Callable[[Effect], None]
    reject_cause: Callable[[float, str], str | None]
    """(now, to): the cause of an active `reject` fault for this destination; ask it for every dial accepted."""
    knobs: dict[str, Any] = {}
    """Settings of guesses and unverified facts, by name; each simulator documents its own with defaults."""


class Simulator(Protocol):
    """A carrier, backwards. Pure: see this file's head.

    One whose errors have a closed set of codes also has `error_codes: frozenset[str]`; the fault `http_error` takes no other
    `code` then.
    """

    causes: frozenset[str]
    """What `reject {cause}` understands: the carrier's own codes or words for an asynchronous failure before ringing."""
    signature_headers: frozenset[str]
    """Names (lower case) of the webhook headers that carry the signature; the fault `webhooks_unsigned` strips them."""

    def credentials(self) -> dict[str, Any]:
        """As `/lab/credentials` prints them (lab.md), including `base_url` and `numbers`."""
        ...

    def is_dial(self, request: RestRequest) -> str | None:
        """The destination (E.164 with `+`) if the request creates a call, else None. Faults with `prefix` need it."""
        ...

    def on_request(self, now: float, request: RestRequest) -> RestReply:
        """Answer an API request: authentication, validation, everything. Never raises for bad input."""
        ...

    def fault_reply(self, kind: str, status: int | None = None, code: str | None = None) -> RestReply:
        """The carrier's own wording of a fault: kind `http_error` (with status, code), `auth_error`, `suspended` ..."""
        ...

    def on_webhook_reply(self, now: float, webhook_id: str, reply: WebhookReply) -> None:
        """The customer answered (or did not): retry, fall back, obey the document."""
        ...

    def on_timer(self, now: float, key: str) -> None:
        """A `Wake` is due."""
        ...

    def on_phone(self, now: float, event: PhoneEvent) -> None:
        """Something happened at the phone."""
        ...

    def incoming_ref(self, now: float, incoming: Incoming) -> str | None:
        """The id under which the account will know this call; None if the number is not in service (the caller hears so).

        Only the id is drawn here; `on_incoming` follows at once under it.
        """
        ...

    def on_incoming(self, now: float, ref: str, incoming: Incoming) -> None:
        """A phone calls, and hears ringing: ask the customer, answer, refuse, as the carrier does."""
        ...

    def on_fetched(self, now: float, fetch_id: str, reply: WebhookReply) -> None:
        """A `Fetch` came back: the file, or why not."""
        ...

    def on_socket_open(self, now: float, stream: str) -> None:
        """The upgrade was answered with 101."""
        ...

    def on_socket_refused(self, now: float, stream: str, status: int) -> None:
        """The upgrade was refused with this HTTP status, or (0) the connection failed."""
        ...

    def on_socket_frame(self, now: float, stream: str, data: str | bytes) -> None:
        """One WebSocket message from the customer."""
        ...

    def on_socket_closed(self, now: float, stream: str, code: int) -> None:
        """The customer closed, or the connection broke (1006)."""
        ...

    def ticking(self) -> bool:
        """Whether any call wants sound now though no stream is open: something is played, recorded, or joined."""
        ...

    def on_tick(self, now: float) -> None:
        """Every 20 ms while any of its streams is open, or `ticking`: one frame each way on each call."""
        ...

    def live_calls(self) -> int:
        """Calls that have not ended, for `/lab/carriers`."""
        ...

    def reset(self) -> None:
        """Forget calls, recordings and messages; keep credentials, numbers, applications and the URLs set on them."""
        ...
