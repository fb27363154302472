"""A message that Telnyx takes by command: what is asked in which order, what a refusal is, and what its webhooks say."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from carriers.contract import Attempt, Handle, HookRequest
from carriers.messages_left import LEAVE, MessageDeclined, MessageLeft
from carriers.telnyx.messages import TelnyxMessages
from carriers.telnyx.webhooks import TelnyxWebhooks, tag_of
from gateway.domain.errors import CarrierError
from gateway.domain.events import LegEvent, MessageRecorded, MessageSpoken

ATTEMPT = Attempt(call_id="call_1", leg_id="leg_1", to="+15550100001", caller_id="+15550190011", carrier="telnyx")
HANDLE = Handle(call_id="call_1", leg_id="leg_1", to="", caller_id="", carrier_call_id="v3:1")
PUBLIC = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


class Asked(TelnyxMessages):
    """Keeps what the SDK's client is asked; `refuses` are the details of refusals, by what is asked."""

    def __init__(self, **refuses: str) -> None:
        self._base_url, self.told, self._refuses = "http://127.0.0.1:4012/v2", [], refuses  # type: ignore[var-annotated]
        self.listed: list[Any] = []
        actions = {name: self._action(name) for name in ("speak", "stop_streaming", "start_recording")}
        recordings = SimpleNamespace(
            list=lambda **_asked: SimpleNamespace(data=self.listed),
            retrieve=lambda _id: SimpleNamespace(data=self.listed[0]),
        )
        self.client = SimpleNamespace(calls=SimpleNamespace(actions=SimpleNamespace(**actions)), recordings=recordings)

    def _action(self, name: str) -> Callable[..., None]:
        def act(call: str, **more: Any) -> None:
            self.told.append((name, call, more))
            if name in self._refuses:
                raise CarrierError("refused", self._refuses[name])

        return act

    async def _ask(self, job: Callable[[Any], Any], timeout_s: float = 6.0) -> Any:
        return job(self.client)


def recording(seconds: float, call: str = "v3:1", link: str = "") -> Any:
    urls = SimpleNamespace(wav=link)
    known = {"recording_started_at": "2026-11-22T12:00:00.000000Z", "download_urls": urls, "call_control_id": call}
    return SimpleNamespace(id=f"r-{seconds:g}", duration_millis=int(seconds * 1000), **known)


async def test_the_greeting_is_ordered_before_the_stream_is_stopped() -> None:
    """Each under an id of its own, by which a repeat is ignored."""
    telnyx = Asked(stop_streaming="500 ")
    await telnyx.begin_message(ATTEMPT, HANDLE)
    assert [(name, call) for name, call, _ in telnyx.told] == [("speak", "v3:1"), ("stop_streaming", "v3:1")]
    said = telnyx.told[0][2]
    assert (said["payload"], said["client_state"], said["command_id"]) == (LEAVE, tag_of("leg_1"), "greet-leg_1")


async def test_a_refused_greeting_leaves_the_stream_alone() -> None:
    """The person still has us; a call that is gone already is no refusal."""
    refused = Asked(speak="401 10009")
    with pytest.raises(CarrierError):
        await refused.begin_message(ATTEMPT, HANDLE)
    assert [name for name, _, _ in refused.told] == ["speak"]
    await Asked(speak="422 90018").begin_message(ATTEMPT, HANDLE)


async def test_only_the_person_is_recorded_after_a_tone() -> None:
    """As WAV, until five seconds of silence or three minutes."""
    telnyx = Asked()
    await telnyx.record_message(ATTEMPT, HANDLE)
    ((name, _, wish),) = telnyx.told
    assert (name, wish["format"], wish["recording_track"], wish["play_beep"]) == ("start_recording", "wav", "inbound", True)
    assert (wish["max_length"], wish["timeout_secs"], wish["command_id"]) == (180, 5, "record-leg_1")
    with pytest.raises(CarrierError):
        await Asked(start_recording="422 90020").record_message(ATTEMPT, HANDLE)


@pytest.mark.parametrize(
    ("detail", "declined"),
    [
        ("422 90020", True),
        ("401 10009", True),
        ("429 10011", False),
        ("503 ", False),
        ("no answer in time", False),
    ],
    ids=str,
)
async def test_only_a_no_of_telnyx_is_a_no(detail: str, *, declined: bool) -> None:
    """Too many requests, a broken platform or no answer at all may be otherwise a second later."""
    with pytest.raises(CarrierError) as refused:
        await Asked(start_recording=detail).record_message(ATTEMPT, HANDLE)
    assert (isinstance(refused.value, MessageDeclined), refused.value.detail) == (declined, detail)


async def test_the_longest_of_the_legs_recordings_is_the_message() -> None:
    """A list that holds another call's, too, gives none of them."""
    telnyx = Asked()
    assert await telnyx.message_of(HANDLE) is None
    telnyx.listed = [recording(1.0), recording(4.0), recording(9.0, call="v3:2")]
    message = await telnyx.message_of(HANDLE)
    assert message is not None
    assert (message.recording_id, message.seconds, message.left_at) == ("r-4", 4.0, 1795348800.0)


@pytest.mark.parametrize("millis", [None, 0], ids=repr)
async def test_a_recording_of_unknown_length_is_one_all_the_same(millis: int | None) -> None:
    """Whoever fetches it hears how long it is; without a second it would be taken for none."""
    telnyx = Asked()
    telnyx.listed = [recording(3.0)]
    telnyx.listed[0].duration_millis = millis
    message = await telnyx.message_of(HANDLE)
    assert message is not None
    assert message.seconds == 1.0


@pytest.mark.parametrize("link", ["", "http://192.0.2.1/x.wav", "file:///etc/passwd"], ids=str)
async def test_a_link_that_is_none_is_not_followed(link: str) -> None:
    """Only https, or the lab's own."""
    telnyx = Asked()
    telnyx.listed = [recording(1.0, link=link)]
    with pytest.raises(CarrierError, match="malformed-recording-url"):
        await telnyx.message_audio(MessageLeft(recording_id="r-1", to="", caller="", left_at=0.0, seconds=1.0))


def events(kind: str, **payload: str) -> tuple[LegEvent, ...]:
    body = json.dumps({"data": {"event_type": kind, "id": "e1", "payload": payload}}).encode()
    request = HookRequest(method="POST", url="https://gw.example/x", path="events", headers={}, body=body, leg_id="leg_1")
    return TelnyxWebhooks(PUBLIC).parse(request, 0.0).events


def test_what_its_webhooks_say() -> None:
    """The greeting is over; the recording is, though no call is named. Without call and tag it is nobody's."""
    assert events("call.speak.ended", call_control_id="v3:1") == (MessageSpoken(carrier_call_id="v3:1"),)
    for kind in ("call.recording.saved", "call.recording.error"):
        assert events(kind, client_state=tag_of("leg_1")) == (MessageRecorded(),)
        assert events(kind, call_leg_id="x") == ()
