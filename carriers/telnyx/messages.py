"""Messages that Telnyx records by command: `speak`, then `record_start`, then the list of recordings. No SDK is imported here.

A link to a recording is good for ten minutes and needs no key (one that came along would be refused): the list gives a new one.
"""

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

from carriers.contract import Attempt, Handle
from carriers.httpx_wire import download
from carriers.messages_left import LEAVE, MESSAGE_S, UNTOLD_S, MessageDeclined, MessageLeft, NoMessages
from carriers.telnyx.webhooks import tag_of
from gateway.domain.errors import CarrierError

T = TypeVar("T")

GONE = frozenset({"90018", "90015", "10005"})
"""Call has already ended; no such call control id; no such resource (a wrong key gets 401, never this)."""
PASSING = frozenset({"408", "409", "425", "429"})
"""HTTP statuses of refusals that a moment later may be none; what is no 4xx at all is another."""
PACED = frozenset({"rate-limited", "pace-limit", "concurrency-limit"})
LARGEST_BYTES = 50_000_000
DOWNLOAD_S = 30.0
QUIET_S = 5
VOICE, LANGUAGE = "female", "en-US"


class TelnyxMessages(NoMessages):
    """A part of `TelnyxCarrier`."""

    _base_url: str

    async def _ask(self, job: Callable[[Any], T], timeout_s: float = 6.0) -> T:
        """`job` is given the SDK's client; a refusal's `detail` begins with the HTTP status and ends with Telnyx' code."""
        raise NotImplementedError

    async def begin_message(self, attempt: Attempt, handle: Handle) -> None:
        """The stream is closed when the greeting has been ordered: refused, the person still has us."""
        call, tag = handle.carrier_call_id, tag_of(attempt.leg_id)
        ids = f"greet-{attempt.leg_id}", f"hush-{attempt.leg_id}"

        def speak(client: Any) -> object:
            return client.calls.actions.speak(
                call, payload=LEAVE, voice=VOICE, language=LANGUAGE, client_state=tag, command_id=ids[0]
            )

        await _unless(GONE, self._ask(speak))
        with suppress(CarrierError):  # the greeting is on its way; our own end of the stream is closed in any case
            await self._ask(lambda client: client.calls.actions.stop_streaming(call, command_id=ids[1]))

    async def record_message(self, attempt: Attempt, handle: Handle) -> None:
        def record(client: Any) -> object:
            return client.calls.actions.start_recording(
                handle.carrier_call_id,
                channels="single",
                format="wav",
                recording_track="inbound",
                play_beep=True,
                max_length=MESSAGE_S,
                timeout_secs=QUIET_S,
                client_state=tag_of(attempt.leg_id),
                command_id=f"record-{attempt.leg_id}",
            )

        try:
            await _unless(GONE, self._ask(record))
        except CarrierError as error:
            if _definite(error):
                raise MessageDeclined(error.reason, error.detail) from error
            raise

    async def message_of(self, handle: Handle) -> MessageLeft | None:
        wanted = {"call_control_id": handle.carrier_call_id}
        page = await self._ask(lambda client: client.recordings.list(filter=wanted, page_size=20).data or [])
        made = [one for one in page if one.id and one.call_control_id in {None, handle.carrier_call_id}]
        return max(map(_left, made), key=lambda one: one.seconds, default=None)

    async def message_audio(self, message: MessageLeft) -> bytes:
        found = await self._ask(lambda client: client.recordings.retrieve(message.recording_id).data)
        link = getattr(getattr(found, "download_urls", None), "wav", None) or ""
        if not link.startswith(("https://", f"{self._origin}/")):
            raise CarrierError("malformed-recording-url", "no https address")
        return await self._ask(lambda _client: download(link, LARGEST_BYTES), DOWNLOAD_S)

    async def forget_message(self, message: MessageLeft) -> None:
        await _unless(GONE, self._ask(lambda client: client.recordings.delete(message.recording_id)))

    @property
    def _origin(self) -> str:
        return self._base_url.removesuffix("/v2")


def _left(one: Any) -> MessageLeft:
    return MessageLeft(
        recording_id=one.id,
        to="",
        caller="",
        left_at=_moment(one.recording_started_at),
        seconds=one.duration_millis / 1000 if one.duration_millis else UNTOLD_S,
        carrier_call_id=one.call_control_id or "",
    )


def _moment(text: str | None) -> float:
    try:
        return datetime.fromisoformat(text or "").timestamp()
    except ValueError:
        return 0.0


def _definite(error: CarrierError) -> bool:
    status = error.detail.partition(" ")[0]
    return len(status) == 3 and status.startswith("4") and status not in PASSING and error.reason not in PACED


async def _unless(codes: Collection[str], asked: Awaitable[object]) -> None:
    """These refusals are as good as success."""
    try:
        await asked
    except CarrierError as error:
        if error.detail.rpartition(" ")[2] not in codes:
            raise
