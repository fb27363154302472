"""Test vectors, recorded payloads and samples of the carriers' documents (samples.py) against simulators, adapters and SDKs."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
import telnyx
from asked import Asked
from frames.line import OpenLine
from operations import KINDS, By
from plivo.utils import validate_v3_signature
from samples import FORMS, MEDIA, PLIVO_FORM, PLIVO_SIGNATURES, REFUSALS, TELNYX_PAYLOADS, TO_CARRIER, VONAGE_EVENTS, differences
from scenarios.telnyx import talking
from stage import PERSON, staged
from twilio.base.exceptions import TwilioRestException
from validators import fields

from carriers.contract import HookRequest
from carriers.plivo.webhooks import PlivoWebhooks
from gateway.domain.errors import BadSignature
from gateway.domain.media import Encoding

EVENTS: Mapping[str, tuple[str, ...]] = {
    "start": ("connected", "start", "websocket:connected"),
    "the person's sound": ("media",),
    "keys": ("dtmf", "websocket:dtmf"),
    "mark": ("mark", "playedStream", "websocket:notify"),
    "stop": ("stop",),
    "error": ("error",),
    "answer to a clear": ("clearedAudio", "websocket:cleared"),
}
"""By row of media: the events that are its, at whatever carrier."""


def held(row: str, *kinds: str) -> pytest.MarkDecorator:
    """One case for each carrier, holding the same row at each."""
    return pytest.mark.parametrize(
        "kind", [pytest.param(kind, marks=pytest.mark.referee(kind, row, by=By.VECTORS), id=kind) for kind in kinds or KINDS]
    )


async def line_after_everything(kind: str) -> OpenLine:
    """A stream on which a key was pressed and a mark came back."""
    line = await OpenLine.of(kind, says="tone", dtmf="1")
    line.say(line.codec().mark("m-1"))
    line.run(1.0)
    return line


def compared(line: OpenLine, row: str) -> tuple[int, list[str]]:
    """How many messages of a row the simulator sent, and what differs from their samples."""
    told = [json.loads(frame) for frame in line.frames if isinstance(frame, str)]
    mine = [message for message in told if message["event"] in EVENTS[row]]
    samples = MEDIA[line.kind]
    return len(mine), [
        problem for message in mine for problem in differences(samples[message["event"]], message, message["event"])
    ]


@held("start")
async def test_the_first_messages_are_the_samples(kind: str) -> None:
    """What opens a stream has the samples' fields in the samples' types."""
    count, problems = compared(await line_after_everything(kind), "start")
    assert count in {1, 2}
    assert not problems, "\n".join(problems)


@held("the person's sound", "twilio", "telnyx", "plivo")
async def test_messages_of_sound_are_the_samples(kind: str) -> None:
    """Every message of sound has the sample's fields in the sample's types, and 20 ms of sound."""
    line = await line_after_everything(kind)
    count, problems = compared(line, "the person's sound")
    assert count > 40
    assert not problems, "\n".join(problems[:20])


@held("the person's sound", "vonage")
async def test_messages_of_sound_are_binary(kind: str) -> None:
    """Sound comes in binary messages of exactly 20 ms."""
    line = await line_after_everything(kind)
    assert {len(frame) for frame in line.frames if isinstance(frame, bytes)} == {320}


@held("keys")
async def test_messages_of_keys_are_the_samples(kind: str) -> None:
    """A pressed key is told as in the sample."""
    count, problems = compared(await line_after_everything(kind), "keys")
    assert count == 1
    assert not problems, "\n".join(problems)


@held("mark")
async def test_messages_of_marks_are_the_samples(kind: str) -> None:
    """A mark comes back as in the sample; we ask for it as the documents say."""
    line = await line_after_everything(kind)
    count, problems = compared(line, "mark")
    problems += differences(TO_CARRIER[kind]["mark"], json.loads(line.codec().mark("m-1")))
    assert count == 1
    assert not problems, "\n".join(problems)


@held("sound for the person", "twilio", "telnyx", "plivo")
async def test_our_sound_is_the_sample(kind: str) -> None:
    """The gateway's sound is told as the documents say."""
    codec = (await OpenLine.of(kind)).codec()
    assert differences(TO_CARRIER[kind]["sound for the person"], json.loads(codec.audio(b"\x7f" * 160))) == []


@held("sound for the person", "vonage")
async def test_our_sound_is_binary(kind: str) -> None:
    """The gateway sends Vonage binary messages of exactly 20 ms, never a shorter one: a recorded log shows the cost."""
    codec = (await OpenLine.of(kind)).codec()
    assert codec.sends.encoding is Encoding.LINEAR16
    assert [codec.audio(b"\x01\x02" * 160), codec.audio(b"\x01\x02")] == [b"\x01\x02" * 160, b"\x01\x02" + bytes(318)]


@held("clear")
async def test_our_clear_is_the_sample(kind: str) -> None:
    """The gateway's clear is told as the documents say."""
    codec = (await OpenLine.of(kind)).codec()
    assert differences(TO_CARRIER[kind]["clear"], json.loads(codec.clear())) == []


@held("stop", "twilio", "telnyx")
async def test_the_last_message_is_the_sample(kind: str) -> None:
    """Where the carrier says that a stream is over, it says it as in the sample, once, and last."""
    line = await line_after_everything(kind)
    line.hang_up()
    count, problems = compared(line, "stop")
    assert count == 1
    assert json.loads(line.frames[-1])["event"] == "stop"
    assert not problems, "\n".join(problems)


@held("error", "telnyx")
async def test_a_complaint_is_the_sample(kind: str) -> None:
    """A frame that is no JSON is complained of as in the sample."""
    line = await line_after_everything(kind)
    line.say("{")
    count, problems = compared(line, "error")
    assert count == 1
    assert not problems, "\n".join(problems)


@held("answer to a clear", "plivo", "vonage")
async def test_answers_to_a_clear_are_the_samples(kind: str) -> None:
    """A clear is answered as in the sample."""
    line = await line_after_everything(kind)
    line.say(line.codec().clear())
    line.run(0.1)
    count, problems = compared(line, "answer to a clear")
    assert count == 1
    assert not problems, "\n".join(problems)


# --- webhooks ----------------------------------------------------------------------------------------------------


def beside(told: frozenset[str], always: frozenset[str], sometimes: frozenset[str], where: str) -> list[str]:
    """What is missing, and what nobody has seen there."""
    missing = [f"{where}: {name} is missing" for name in sorted(always - told)]
    return missing + [f"{where}: {name} is in no recording" for name in sorted(told - always - sometimes)]


@pytest.mark.parametrize(
    ("kind", "row"), [pytest.param(*key, marks=pytest.mark.referee(*key, by=By.VECTORS), id=": ".join(key)) for key in FORMS]
)
def test_forms_have_the_recorded_fields(asked: Asked, kind: str, row: str) -> None:
    """Every form that the simulator posts has the fields of the recordings, and no others."""
    problems = []
    for signed in asked.requests:
        told = signed.request
        raw = told.body.decode() if told.method == "POST" else told.url.partition("?")[2]
        names = frozenset(fields(raw)) - {"leg"}
        problems += beside(names, *FORMS[kind, row], where=f"{told.method} {told.path}")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, marks=pytest.mark.referee("telnyx", row, by=By.VECTORS))
        for row in ("call events", "stream events", "failure of a stream", "call from a phone")
    ],
)
@pytest.mark.parametrize("kind", ["telnyx"])
def test_telnyx_events_have_the_recorded_fields(asked: Asked, kind: str, row: str) -> None:
    """Envelope and payload of every event have the fields of the recordings, and no others."""
    problems = []
    for signed in asked.requests:
        told = json.loads(signed.request.body)
        event = told["data"]["event_type"]
        problems += beside(frozenset(told), frozenset({"data", "meta"}), frozenset(), event)
        problems += beside(
            frozenset(told["data"]), frozenset({"event_type", "id", "occurred_at", "payload", "record_type"}), frozenset(), event
        )
        problems += beside(frozenset(told["meta"]), frozenset({"attempt", "delivered_to"}), frozenset(), event)
        problems += beside(frozenset(told["data"]["payload"]), *TELNYX_PAYLOADS[event], where=event)
    assert not problems, "\n".join(problems)


VONAGE_ROWS: Mapping[str, str] = {
    "call events": "",
    "events of the media leg": "",
    "event of an error": "",
    "notify": "notify",
    "request for a document": "document",
}


@pytest.mark.parametrize(
    "row", [pytest.param(row, marks=pytest.mark.referee("vonage", row, by=By.VECTORS)) for row in VONAGE_ROWS]
)
@pytest.mark.parametrize("kind", ["vonage"])
def test_vonage_events_have_the_recorded_fields(asked: Asked, kind: str, row: str) -> None:
    """Every event has the fields of the recordings and of the reference, and no others."""
    problems = []
    for signed in asked.requests:
        told: dict[str, Any] = json.loads(signed.request.body)
        word = VONAGE_ROWS[row] or told.get("status") or told.get("type") or "error"
        problems += beside(frozenset(told), *VONAGE_EVENTS[word], where=word)
    assert not problems, "\n".join(problems)


@pytest.mark.referee("telnyx", "end a call", by=By.VECTORS)
async def test_the_end_of_an_ended_call_is_refused_as_recorded() -> None:
    """The SDK's second hang-up gets the 422 that was recorded."""
    async with staged("telnyx") as stage:
        call = await talking(stage)
        await stage.sdk(lambda client: client.calls.actions.hangup(call))
        with pytest.raises(telnyx.UnprocessableEntityError) as refused:
            await stage.sdk(lambda client: client.calls.actions.hangup(call))
        (error,) = refused.value.response.json()["errors"]
    assert differences(REFUSALS["telnyx"], error) == []


@pytest.mark.referee("twilio", "create a call", by=By.VECTORS)
async def test_an_outage_is_told_as_recorded() -> None:
    """A 503 of the lab's Twilio has the recorded body, and the SDK raises it with its code."""
    async with staged("twilio") as stage:
        stage.lab.set_faults("twilio", [{"kind": "http_error", "status": 503}])
        with pytest.raises(TwilioRestException) as refused:
            await stage.sdk(lambda client: client.calls.create(to=PERSON, from_=stage.ours, url=stage.customer.url))
        sent = stage.lab.exchange.desk("twilio").simulator.fault_reply("http_error", 503)
    assert (refused.value.status, refused.value.code) == (503, 20503)
    assert differences(REFUSALS["twilio"], json.loads(sent.body)) == []


@pytest.mark.referee("plivo", "request for a document", by=By.VECTORS)
@pytest.mark.parametrize(("method", "url", "posts", "signature"), PLIVO_SIGNATURES)
def test_signatures_that_plivos_sdk_made(method: str, url: str, posts: bool, signature: str) -> None:
    """Signatures that were made with the SDK are accepted by it and by us, and by neither under another nonce."""
    form = PLIVO_FORM if posts else {}
    for nonce, good in (("12345", True), ("12346", False)):
        assert validate_v3_signature(method, url, nonce, "tok", signature, dict(form)) is good
        headers = {"x-plivo-signature-v3": signature, "x-plivo-signature-v3-nonce": nonce}
        asked = HookRequest(method=method, url=url, path="answer", headers=headers, body=urlencode(form).encode())
        assert accepted(asked) is good


def accepted(asked: HookRequest) -> bool:
    """Our word."""
    try:
        PlivoWebhooks("tok").verify(asked, 0.0)
    except BadSignature:
        return False
    return True
