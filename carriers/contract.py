"""The one interface behind which every carrier stands.

A carrier is a folder `carriers/<kind>/` whose package exports `KIND: Kind`. Nothing else in Holdline knows how many
carriers there are or what they are called (`carriers.registry` finds the folders), so a fifth carrier is a fifth folder.
Every folder holds the same files:

    api.py         the only file that imports the carrier's SDK: place, find, hang_up, probe, check
    webhooks.py    verify and parse what the carrier posts to us (pure)
    markup.py      the documents that we answer with (pure)
    media.py       the carrier's stream frames <-> gateway.domain.media (pure)
    verdicts.py    the carrier's codes, judged (pure; a literal table)
    simulator.py   the carrier, backwards, for the lab; imports none of the files above
    README.md      the quirks, and each fact's source

Flow of an outbound dial: `place(attempt)` is one POST, whatever fails. All later knowledge comes as webhooks on
`attempt.hook(step)` URLs, which carry call and leg in their path, so that any webhook proves the placement.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

from msgspec import Struct

from carriers.messages_left import Messages
from gateway.domain.events import AnyLegEvent
from gateway.domain.media import AudioFormat, StreamEvent
from gateway.domain.outcome import Knowledge
from gateway.domain.verdict import Verdict

# --- what a carrier is told --------------------------------------------------------------------------------------


class Attempt(Struct, frozen=True, kw_only=True):
    """One leg to be placed. Numbers are E.164 with `+`, times in seconds."""

    call_id: str
    leg_id: str
    """Our tag at the carrier (and Telnyx's `command_id`)."""
    to: str
    caller_id: str
    ring_timeout_s: int = 45
    max_duration_s: int = 3600
    public_url: str = ""
    """As configured, no trailing slash: `https://gw.example.com`. Never taken from a Host header."""
    carrier: str = ""
    """The carrier's name in the config; part of every URL."""
    media_token: str = ""

    def hook(self, step: str) -> str:
        """URL on which the carrier reports; `step` is the folder's own word (answer, status, stream ...)."""
        return f"{self.public_url}/carriers/{self.carrier}/hooks/{self.call_id}/{self.leg_id}/{step}"

    @property
    def media_url(self) -> str:
        """ws(s) URL of the leg's stream."""
        scheme, _, rest = self.public_url.partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/carriers/{self.carrier}/media/{self.call_id}/{self.leg_id}/{self.media_token}"


class Handle(Struct, frozen=True, kw_only=True):
    """By what a placed (or perhaps placed) leg can be found and ended."""

    call_id: str
    leg_id: str
    to: str
    caller_id: str
    carrier_call_id: str = ""
    carrier_data: dict[str, str] = {}
    sent_at: float = 0.0
    """Unix time of the POST, 0 if it is not known to have begun."""
    foreign: tuple[str, ...] = ()
    """Ids of other legs' calls to the same number, told where this leg's id is not known: none of them may be found or ended."""
    rivals: int = 0
    """Other legs in doubt between the same two numbers: what is found by these alone may be any of theirs."""


# --- what a carrier answers --------------------------------------------------------------------------------------


class Placed(Struct, frozen=True, kw_only=True):
    """What one POST told. `knowledge` is NOT_SENT, REFUSED, ACCEPTED or UNKNOWN; a verdict unless accepted."""

    knowledge: Knowledge
    verdict: Verdict | None = None
    carrier_call_id: str = ""
    carrier_data: dict[str, str] = {}


class LegAtCarrier(StrEnum):
    """What a look-up can find."""

    MISSING = "missing"
    ACCEPTED = "accepted"
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


class Sighting(Struct, frozen=True, kw_only=True):
    """The answer of one look-up; MISSING means only that the carrier does not list it *yet*."""

    state: LegAtCarrier
    carrier_call_id: str = ""
    carrier_data: dict[str, str] = {}
    verdict: Verdict | None = None
    """Only with ENDED."""


class Health(Struct, frozen=True, kw_only=True):
    """The answer of one cheap, authenticated request. `verdict` is None when the carrier is well."""

    seconds: float
    verdict: Verdict | None = None
    detail: str = ""


class Finding(Struct, frozen=True, kw_only=True):
    """One line of `holdline check`: what was looked at, whether it is well, and the cure if not."""

    what: str
    ok: bool
    detail: str
    cure: str = ""


class Wanted(Struct, frozen=True, kw_only=True):
    """How the carrier's numbers should be set, so that their calls come to this gateway."""

    carrier: str
    """The carrier's name in the config; part of every URL."""
    public_url: str
    numbers: tuple[str, ...]
    """E.164 with `+`; numbers of the account that are not named here are left alone."""
    fallback_url: str = ""
    """Where a document that works without us is hosted, for this carrier; empty leaves what is set there alone."""

    def arrival(self, step: str) -> str:
        """URL on which the carrier tells of callers; `step` is the folder's own word."""
        return f"{self.public_url}/carriers/{self.carrier}/inbound/{step}"


class Setting(Struct, frozen=True, kw_only=True):
    """One thing at the carrier: what is there, and what should be. `handle` is the folder's own, for `amend`."""

    subject: str
    """`number +15550190001`, `application 12ab`."""
    name: str
    found: str
    wanted: str
    handle: dict[str, str] = {}
    cure: str = ""
    """What a person must do about it, where we cannot."""

    @property
    def right(self) -> bool:
        """Nothing is to be done."""
        return self.found == self.wanted


# --- what a carrier posts to us ----------------------------------------------------------------------------------


class HookRequest(Struct, frozen=True, kw_only=True):
    """One request to `/carriers/{name}/hooks/...`, as it came."""

    method: str
    url: str
    """The configured public URL + path + raw query: what the carrier signed. Never built from Host."""
    path: str
    """The part after `/hooks/{call_id}/{leg_id}/`: the step."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    call_id: str = ""
    leg_id: str = ""


class Verified(Struct, frozen=True, kw_only=True):
    """An authentic request. `key` is the same for every repeat of one delivery and for nothing else."""

    key: str


class Expectation(StrEnum):
    """What the carrier wants in the answer to a webhook."""

    ACKNOWLEDGEMENT = "acknowledgement"
    ANSWER_DOCUMENT = "answer_document"
    """The leg was answered (or asks what to do): a document that connects the stream, or hangs up."""
    AFTER_STREAM_DOCUMENT = "after_stream_document"
    """The stream ended and the leg lives: what now?"""
    AFTER_MESSAGE_DOCUMENT = "after_message_document"


class Hook(Struct, frozen=True, kw_only=True):
    """A webhook, understood: the leg's events in order of happening, and what the carrier expects."""

    events: tuple[AnyLegEvent, ...] = ()
    expects: Expectation = Expectation.ACKNOWLEDGEMENT


class Arrival(Struct, frozen=True, kw_only=True):
    """A webhook on the account's own URLs, `/carriers/{name}/inbound/{step}`: a caller at one of our numbers, or later news of
    that call, which the carrier sends to the number's or application's URL and not to a leg's.
    """

    carrier_call_id: str
    to: str = ""
    """Our number, E.164; filled when the webhook announces the call and empty in later news."""
    caller_id: str = ""
    """E.164; empty where it is withheld."""
    caller_name: str = ""
    attestation: str = ""
    """STIR/SHAKEN: A, B, C, or empty where the carrier does not say."""
    carrier_data: dict[str, str] = {}
    hook: Hook = Hook()


class Document(Struct, frozen=True, kw_only=True):
    """An HTTP answer to a carrier."""

    body: bytes = b""
    content_type: str = "text/plain"
    status: int = 200


class Webhooks(Protocol):
    """Verify first, parse after. Both are pure: the clock comes in as `now`."""

    def verify(self, request: HookRequest, now: float) -> Verified:
        """Raise BadSignature unless the carrier sent this, recently. Constant time, raw bytes."""
        ...

    def verify_upgrade(self, url: str, headers: Mapping[str, str], now: float) -> bool:
        """The media socket's upgrade request, `url` as ws(s)://: True if the carrier signed it, False if the carrier signs
        none; raise BadSignature where it signs and the signature is missing or wrong.
        """
        ...

    def parse(self, request: HookRequest, now: float) -> Hook:
        """Raise Malformed for what the carrier's documents do not promise. Unknown fields are ignored."""
        ...

    def parse_arrival(self, request: HookRequest, now: float) -> Arrival | None:
        """The same for a request to `/carriers/{name}/inbound/{step}`, `request.path` being the step; `call_id` and `leg_id`
        are empty. None for authentic news that is of no inbound call.
        """
        ...


class Markup(Protocol):
    """The documents that a carrier obeys. Pure. A carrier that ignores answers returns an empty 200."""

    def connect(self, attempt: Attempt) -> Document:
        """Connect the leg to `attempt.media_url`, both ways; afterwards ask `attempt.hook('after')`."""
        ...

    def hang_up(self) -> Document:
        """End the leg."""
        ...

    def reject(self, cause: str) -> Document:
        """Turn an inbound call away before it costs, where the carrier can; `cause` is `busy` or `rejected`."""
        ...

    def voicemail(self) -> Document | None:
        """To be hosted elsewhere: greets, and records three minutes at most at the carrier, without us. None: not obeyed."""
        ...

    def message(self, attempt: Attempt) -> Document:
        """The same, told to a leg that lives; only where `takes_messages`. Afterwards the leg may ask for `farewell`."""
        ...

    def farewell(self) -> Document:
        """Thanks, and the end of the leg."""
        ...

    def acknowledge(self) -> Document:
        """Nothing to say: a 2xx that the carrier will not take for a document."""
        ...


class MediaCodec(Protocol):
    """One stream's frames; made anew for each socket, may keep state. No I/O."""

    @property
    def sends(self) -> AudioFormat:
        """The format that `audio` takes (known from the start, or from StreamStarted)."""
        ...

    def decode(self, frame: str | bytes) -> tuple[StreamEvent, ...]:
        """Raise Malformed for garbage; unknown event kinds are ignored."""
        ...

    def audio(self, payload: bytes) -> str | bytes:
        """One frame of sound (20 ms of `sends`) to be played."""
        ...

    def mark(self, name: str) -> str | bytes:
        """Ask to be told when all that was sent before has been played."""
        ...

    def clear(self) -> str | bytes:
        """Throw away what has not been played yet (barge-in)."""
        ...


# --- the carrier itself ------------------------------------------------------------------------------------------


class Capabilities(Struct, frozen=True, kw_only=True):
    """What differs between carriers, as data; the core reads this and never a carrier's name."""

    ringing_events: bool = True
    """Whether ringing is reported at all. If not, a late failure counts as after alerting."""
    lookup_settles_s: float = 5.0
    """How long after a POST an empty look-up may still be wrong."""
    resends_safely: bool = False
    """Whether a dial may be re-sent once with the same tag, because the carrier ignores repeats."""
    calls_per_second: float = 1.0
    concurrent_calls: int = 100
    place_timeout_s: float = 8.0
    """Total time that one `place` may take."""
    stream_format: AudioFormat = AudioFormat()
    clear_returns_marks: bool = True
    """Whether `clear` gives back the marks that were outstanding; if not, the bridge drops them itself."""
    upgrade_signed: bool = False
    hooks_sign_url: bool = True
    """Whether a webhook's signature covers its URL. If not, a body that names another call than the leg's own is refused."""
    stream_loss_ends_leg: bool = False
    rejects_unanswered: bool = True
    """Whether an inbound call can be turned away before it is answered, and billed."""
    answers_by_command: bool = False
    """Whether an inbound call is taken and turned away by `answer` and `reject`, since its webhook's answer is ignored."""
    streams_by_command: bool = False
    """Whether an answered leg can be told to open another stream by `open_stream`, and does not ask when its stream is lost."""
    takes_messages: bool = False
    """Whether it can be told in a live call to record a message itself, and `message_of` finds it afterwards."""
    keeps_messages: bool = False
    """Whether what callers said to a fallback document can be asked for afterwards, by `messages_left`."""


class CarrierSettings(Struct, frozen=True, kw_only=True):
    """What a carrier is opened with. `credentials` is an instance of the kind's own Struct."""

    name: str
    credentials: Any
    base_url: str | None = None
    """Where the carrier's API is; None for the real one. The lab's listener in demo and tests."""
    threads: int = 4
    """Bound of the carrier's own dial threads: one hanging carrier never starves another."""


class Gate(Protocol):
    """The last look before the wire, asked by the worker thread in the line before the request is written."""

    def __call__(self) -> bool:
        """True while the dial may still be sent (deadline not passed, `sending` mark still ours)."""
        ...


class Carrier(Messages, Protocol):
    """One account at one provider, opened. All methods are safe to call from the event loop at any time."""

    name: str
    capabilities: Capabilities
    webhooks: Webhooks
    markup: Markup

    async def place(self, attempt: Attempt, deadline: float, gate: Gate) -> Placed:
        """Send exactly one POST, or none. Never raises for what a carrier or a network can do.

        `deadline` is unix time, in total: a job that has not begun by then is NOT_SENT, one that has is UNKNOWN.
        """
        ...

    async def find(self, handle: Handle) -> Sighting:
        """Ask what became of a leg: by its id if known, else by our tag, else by numbers and time. CarrierError if unanswered."""
        ...

    async def hang_up(self, handle: Handle) -> None:
        """End the leg in whatever state; a leg already gone is success. CarrierError if the carrier did not obey."""
        ...

    async def answer(self, attempt: Attempt, handle: Handle) -> None:
        """Take an inbound call and connect it to `attempt.media_url`, both ways, its news going to `attempt.hook(...)`.
        Idempotent; a call that is gone already is success. Only where `answers_by_command`. CarrierError if refused.
        """
        ...

    async def reject(self, handle: Handle, cause: str) -> None:
        """Turn an inbound call away; `cause` as in `Markup.reject`. Idempotent, gone is success. As `answer`."""
        ...

    async def open_stream(self, attempt: Attempt, handle: Handle, turn: int) -> None:
        """Have an answered leg open a stream to `attempt.media_url`; one that is still open is closed first. A repeat of the
        same `turn` (1, 2 ... over the leg's life) is done once; a leg that is gone is success. Only where
        `streams_by_command`. CarrierError if refused.
        """
        ...

    async def probe(self) -> Health:
        """One cheap authenticated request. Never raises."""
        ...

    async def check(self) -> tuple[Finding, ...]:
        """Credentials, balance, numbers: for `holdline check`. Never raises."""
        ...

    async def survey(self, wanted: Wanted) -> tuple[Setting, ...]:
        """Everything at the carrier that decides where callers go, right or wrong. Changes nothing. CarrierError."""
        ...

    async def amend(self, wanted: Wanted, settings: tuple[Setting, ...]) -> None:
        """Set what `survey` has just found wrong and given without a `cure`. CarrierError at the first refusal."""
        ...

    def media(self) -> MediaCodec:
        """A codec for a socket that has just opened."""
        ...

    async def aclose(self) -> None:
        """Let threads and connections go."""
        ...


class Kind(Struct, frozen=True, kw_only=True):
    """A carrier folder's calling card. Importing it must not import the SDK; `open` and `simulator` do so lazily."""

    kind: str
    title: str
    """For people: `Twilio`."""
    credentials: type[Struct]
    """forbid_unknown_fields, kw_only; field names are those of the lab's `/lab/credentials`."""
    capabilities: Capabilities
    open: Any
    """(settings: CarrierSettings, clock: Callable[[], float]) -> Carrier."""
    simulator: Any
    """(site: carriers.lab.contract.Site) -> carriers.lab.contract.Simulator."""
    in_memory: Any = None
    """(settings, clock, line: carriers.in_memory.Line) -> Carrier, for the simulation; None: `holdline sim` leaves it out."""
    look_up_lags: Mapping[str, tuple[float, ...]] = {}
    """Knobs by which the simulator's look-ups lag behind, and values in seconds that `holdline sim` draws from: below
    `lookup_settles_s`, for what is listed later than that nobody waits.
    """
    sdk_snippet: str = ""
    """Python that points the carrier's official SDK at the lab, in as few lines as that SDK allows. Filled in are the lab's
    credentials by name, `{base_url}`, and `{host}` (host:port of it).
    """
