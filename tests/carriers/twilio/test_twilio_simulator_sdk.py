"""The lab's Twilio behind its real listener, driven by Twilio's SDK: every operation, and a customer who answers its requests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
import uvicorn
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.voice_response import Dial, Gather, VoiceResponse

from carriers.lab.lab import Lab
from carriers.lab.sound import to_wav, tone

OURS, THEIRS, COLLEAGUE = "+15550190001", "+15550100001", "+15550100005"
QUIET = '<Response><Pause length="30"/></Response>'
pytestmark = pytest.mark.asyncio(loop_scope="module")


class Customer:
    """A web server that answers each path with a document of the test's, and checks every signature with the SDK's validator."""

    def __init__(self, token: str) -> None:
        self._validator = RequestValidator(token)
        self.url = ""
        self.documents: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.forged: list[str] = []
        self._news = asyncio.Condition()

    def told(self, path: str) -> list[dict[str, str]]:
        return [fields for asked, fields in self.asked if asked == path]

    async def until(self, path: str, count: int = 1) -> dict[str, str]:
        """The fields of the count-th request to a path."""
        async with asyncio.timeout(8), self._news:
            await self._news.wait_for(lambda: len(self.told(path)) >= count)
        return self.told(path)[count - 1]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["path"] in self.files:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"audio/x-wav")]})
            await send({"type": "http.response.body", "body": self.files[scope["path"]]})
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if not self._validator.validate(self.url + scope["path"], fields, headers.get("x-twilio-signature", "")):
            self.forged.append(scope["path"])
        document = self.documents.get(scope["path"])
        status, text = (204, "") if document is None else (200, document)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/xml")]})
        await send({"type": "http.response.body", "body": text.encode()})
        async with self._news:
            self.asked.append((scope["path"], fields))
            self._news.notify_all()


class Stage:
    """The lab, the SDK on a thread, the customer."""

    def __init__(self, lab: Lab, customer: Customer) -> None:
        self.lab, self.customer = lab, customer
        told = lab.credentials("twilio")
        self.account, self.token = told["account_sid"], told["auth_token"]
        self._client = Client(self.account, self.token)
        self._client.api.base_url = told["base_url"]

    async def sdk(self, job: Callable[[Client], Any]) -> Any:
        return await asyncio.to_thread(job, self._client)

    async def get(self, url: str, *, auth: bool = True) -> requests.Response:
        credentials = (self.account, self.token) if auth else None
        return await asyncio.to_thread(lambda: requests.get(url, auth=credentials, timeout=5))

    async def talking(self, document: str = QUIET, **more: Any) -> Any:
        """An answered call, its document fetched."""
        self.customer.documents["/answer"] = document
        before = len(self.customer.told("/answer"))
        given = {"to": THEIRS, "from_": OURS, "url": f"{self.customer.url}/answer"} | more
        call = await self.sdk(lambda client: client.calls.create(**given))
        await self.customer.until("/answer", before + 1)
        return call


@asynccontextmanager
async def staged(lab: Lab) -> AsyncIterator[Stage]:
    lab.phones.put(THEIRS, answer_after_s=0.05, says="tone")
    lab.phones.put(COLLEAGUE, answer_after_s=0.05, says="tone:600")
    customer = Customer(lab.credentials("twilio")["auth_token"])
    config = uvicorn.Config(customer, port=0, lifespan="off", log_level="error", ws="websockets-sansio", access_log=False)
    server = uvicorn.Server(config)
    sockets = [config.bind_socket()]
    customer.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    serving = asyncio.create_task(server.serve(sockets=sockets))
    try:
        yield Stage(lab, customer)
        assert customer.forged == []
        assert lab.ledger.entries("crash") == []
    finally:
        lab.reset()
        server.should_exit = True
        await serving
        sockets[0].close()


async def test_numbers_and_applications(shared_lab: Lab) -> None:
    """List, fetch and update a number; create, fetch, list, update and delete an application."""
    async with staged(shared_lab) as stage:
        (number,) = await stage.sdk(lambda client: client.incoming_phone_numbers.list(phone_number=OURS))
        assert (number.phone_number, number.capabilities["voice"]) == (OURS, True)
        app = await stage.sdk(lambda client: client.applications.create(friendly_name="a", voice_url="http://gw.test/a"))
        changed = await stage.sdk(
            lambda client: client.incoming_phone_numbers(number.sid).update(voice_application_sid=app.sid, voice_method="GET")
        )
        assert (changed.voice_application_sid, changed.voice_method) == (app.sid, "GET")
        found = await stage.sdk(lambda client: client.applications(app.sid).update(voice_fallback_url="http://gw.test/b"))
        assert (found.voice_url, found.voice_fallback_url) == ("http://gw.test/a", "http://gw.test/b")
        assert [one.sid for one in await stage.sdk(lambda client: client.applications.list(friendly_name="a"))] == [app.sid]
        assert await stage.sdk(lambda client: client.applications(app.sid).delete())
        back = {"voice_application_sid": "", "voice_method": "POST"}
        await stage.sdk(lambda client: client.incoming_phone_numbers(number.sid).update(**back))
        with pytest.raises(TwilioRestException) as refused:
            await stage.sdk(lambda client: client.applications(app.sid).fetch())
        assert (refused.value.status, refused.value.code) == (404, 20404)


async def test_a_caller_types(shared_lab: Lab) -> None:
    """A phone calls our number; a document of the SDK's builder gathers keys; the caller's last status is told."""
    async with staged(shared_lab) as stage:
        url = stage.customer.url
        (number,) = await stage.sdk(lambda client: client.incoming_phone_numbers.list(phone_number=OURS))
        urls = {"voice_url": f"{url}/in", "status_callback": f"{url}/status"}
        await stage.sdk(lambda client: client.incoming_phone_numbers(number.sid).update(**urls))
        gather = Gather(action="/keys", num_digits=2, timeout=3)
        gather.say("Type two digits.")
        document = VoiceResponse()
        document.append(gather)
        goodbye = VoiceResponse()
        goodbye.say("Bye.")
        stage.customer.documents |= {"/in": str(document), "/keys": str(goodbye)}
        shared_lab.phones.dial(THEIRS, OURS, dtmf="42")
        asked = await stage.customer.until("/in")
        assert (asked["CallStatus"], asked["From"], asked["StirVerstat"]) == ("ringing", THEIRS, "TN-Validation-Passed-A")
        assert (await stage.customer.until("/keys"))["Digits"] == "42"
        last = await stage.customer.until("/status")
        assert (last["CallStatus"], last["Direction"]) == ("completed", "inbound")
        (call,) = await stage.sdk(lambda client: client.calls.list(to=OURS, from_=THEIRS))
        assert (call.direction, call.status) == ("inbound", "completed")
        heard = shared_lab.phones.get(THEIRS).report(shared_lab.now())["heard"]
        assert heard["speech_seconds"] > 0.2
        for name in urls:
            await stage.sdk(lambda client, name=name: client.incoming_phone_numbers(number.sid).update(**{name: ""}))


async def test_play_a_file(shared_lab: Lab) -> None:
    """A `<Play>` fetches the customer's file, and the person hears it; then the document ends the call."""
    async with staged(shared_lab) as stage:
        stage.customer.files["/tone.wav"] = to_wav(tone(700, 0.5))
        document = VoiceResponse()
        document.play("tone.wav", loop=2)
        await stage.talking(str(document))
        await shared_lab.until("hangup", number=THEIRS)
        (fetched,) = shared_lab.ledger.entries("fetch")
        assert fetched.more["url"] == f"{stage.customer.url}/tone.wav"
        heard = shared_lab.phones.get(THEIRS).report(shared_lab.now())["heard"]
        assert 0.8 <= heard["speech_seconds"] <= 1.2


async def test_reject(shared_lab: Lab) -> None:
    """`<Reject>` sends a caller away unanswered."""
    async with staged(shared_lab) as stage:
        (number,) = await stage.sdk(lambda client: client.incoming_phone_numbers.list(phone_number=OURS))
        await stage.sdk(lambda client: client.incoming_phone_numbers(number.sid).update(voice_url=f"{stage.customer.url}/in"))
        document = VoiceResponse()
        document.reject(reason="busy")
        stage.customer.documents["/in"] = str(document)
        call = shared_lab.phones.dial(THEIRS, OURS)
        (entry,) = await shared_lab.until("hangup", number=THEIRS)
        assert (entry.more["cause"], entry.more["answered"]) == ("busy", False)
        found = await stage.sdk(lambda client: client.calls(call.ref).fetch())
        assert found.status == "busy"
        await stage.sdk(lambda client: client.incoming_phone_numbers(number.sid).update(voice_url=""))


async def test_recordings(shared_lab: Lab) -> None:
    """A recording is begun, paused, resumed, stopped, told, listed, fetched, downloaded with credentials only, and deleted."""
    async with staged(shared_lab) as stage:
        call = await stage.talking()
        report = {"recording_status_callback": f"{stage.customer.url}/rec", "recording_channels": "dual"}
        recording = await stage.sdk(lambda client: client.calls(call.sid).recordings.create(**report))
        assert (recording.status, recording.channels) == ("in-progress", 2)
        current = "Twilio.CURRENT"
        for status in ("paused", "in-progress"):
            moved = await stage.sdk(
                lambda client, status=status: client.calls(call.sid).recordings(current).update(status=status)
            )
            assert moved.status == status
        await stage.sdk(lambda client: client.calls(call.sid).recordings(current).update(status="stopped"))
        told = await stage.customer.until("/rec")
        assert (told["RecordingSid"], told["RecordingStatus"]) == (recording.sid, "completed")
        assert (await stage.get(told["RecordingUrl"])).content[:4] == b"RIFF"
        assert (await stage.get(told["RecordingUrl"], auth=False)).status_code == 401
        listed = await stage.sdk(lambda client: client.calls(call.sid).recordings.list())
        everything = await stage.sdk(lambda client: client.recordings.list(call_sid=call.sid))
        assert [one.sid for one in listed] == [one.sid for one in everything] == [recording.sid]
        assert (await stage.sdk(lambda client: client.recordings(recording.sid).fetch())).status == "completed"
        assert await stage.sdk(lambda client: client.recordings(recording.sid).delete())
        assert (await stage.get(told["RecordingUrl"])).status_code == 404


async def test_create_with_all_that_is_obeyed(shared_lab: Lab) -> None:
    """A create with keys, recording, background machine detection: each has its effect and its callback."""
    async with staged(shared_lab) as stage:
        url = stage.customer.url
        call = await stage.talking(
            send_digits="1",
            record=True,
            recording_status_callback=f"{url}/rec",
            recording_status_callback_event=["in-progress", "completed"],
            trim="do-not-trim",
        )
        assert (await stage.customer.until("/rec"))["RecordingStatus"] == "in-progress"
        assert [entry.more["digits"] for entry in shared_lab.ledger.entries("keys")] == ["1"]
        await stage.sdk(lambda client: client.calls(call.sid).update(status="completed"))
        assert (await stage.customer.until("/rec", 2))["RecordingStatus"] == "completed"
        assert await stage.sdk(lambda client: client.calls(call.sid).delete())
        background = {"async_amd": "true", "async_amd_status_callback": f"{url}/amd", "machine_detection": "Enable"}
        again = await stage.talking(machine_detection_speech_end_threshold=500, **background)
        assert (await stage.customer.until("/amd"))["AnsweredBy"] == "human"
        assert (await stage.sdk(lambda client: client.calls(again.sid).fetch())).answered_by == "human"


async def test_a_machine_answers(shared_lab: Lab) -> None:
    """Without AsyncAmd the document is asked for when the machine has been recognised, and says so."""
    async with staged(shared_lab) as stage:
        shared_lab.phones.put(THEIRS, behavior="machine", answer_after_s=0.05)
        call = await stage.talking(machine_detection="Enable", machine_detection_speech_threshold=1000)
        (asked,) = stage.customer.told("/answer")
        assert (asked["AnsweredBy"], asked["MachineDetectionDuration"]) == ("machine_start", "1000")
        assert (await stage.sdk(lambda client: client.calls(call.sid).fetch())).answered_by == "machine_start"


async def test_transfer(shared_lab: Lab) -> None:
    """A call is redirected to a `<Dial>`; both phones hear each other; the action is asked when the colleague goes."""
    async with staged(shared_lab) as stage:
        call = await stage.talking()
        dial = Dial(action=f"{stage.customer.url}/after", caller_id=OURS, timeout=10)
        dial.number(COLLEAGUE, status_callback=f"{stage.customer.url}/leg", status_callback_event="initiated answered completed")
        document = VoiceResponse()
        document.append(dial)
        await stage.sdk(lambda client: client.calls(call.sid).update(twiml=str(document)))
        await shared_lab.until("joined")
        (child,) = await stage.sdk(lambda client: client.calls.list(parent_call_sid=call.sid))
        assert (child.direction, child.to, child.status) == ("outbound-dial", COLLEAGUE, "in-progress")
        stage.customer.documents["/after"] = "<Response><Hangup/></Response>"
        shared_lab.phones.hang_up(COLLEAGUE)
        assert (await stage.customer.until("/after"))["DialCallStatus"] == "completed"
        await stage.customer.until("/leg", 3)
        assert {fields["CallStatus"] for fields in stage.customer.told("/leg")} == {"initiated", "in-progress", "completed"}
        await shared_lab.until("hangup", number=THEIRS)


async def test_streams_resource(shared_lab: Lab) -> None:
    """A one-way stream is begun through the API (its socket refused here, and told); one that is gone is 404."""
    async with staged(shared_lab) as stage:
        call = await stage.talking()
        report = {"status_callback": f"{stage.customer.url}/stream", "parameter1_name": "a", "parameter1_value": "b"}
        address = stage.customer.url.replace("http", "ws") + "/none"
        stream = await stage.sdk(lambda client: client.calls(call.sid).streams.create(url=address, name="tap", **report))
        assert (stream.status, stream.name) == ("in-progress", "tap")
        assert (await stage.customer.until("/stream"))["StreamEvent"] == "stream-error"
        with pytest.raises(TwilioRestException) as refused:
            await stage.sdk(lambda client: client.calls(call.sid).streams("tap").update(status="stopped"))
        assert refused.value.code == 20404


async def test_lists(shared_lab: Lab) -> None:
    """Calls are listed by status and time, page by page."""
    async with staged(shared_lab) as stage:
        calls = [(await stage.talking()).sid]
        await stage.sdk(lambda client: client.calls(calls[0]).update(status="completed"))
        calls.append((await stage.talking()).sid)
        listed = await stage.sdk(lambda client: client.calls.list(page_size=1))
        assert [one.sid for one in listed] == calls[::-1]
        assert [one.sid for one in await stage.sdk(lambda client: client.calls.list(status="completed"))] == calls[:1]
        soon = datetime.now(UTC) + timedelta(hours=1)
        assert await stage.sdk(lambda client: client.calls.list(start_time_after=soon)) == []
        assert len(await stage.sdk(lambda client: client.calls.list(start_time_before=soon))) == 2


async def test_message(shared_lab: Lab) -> None:
    """A text is created, told, delivered, fetched, listed, deleted."""
    async with staged(shared_lab) as stage:
        given = {"to": THEIRS, "from_": OURS, "body": "Hello", "status_callback": f"{stage.customer.url}/text"}
        message = await stage.sdk(lambda client: client.messages.create(**given))
        assert message.status == "queued"
        await stage.customer.until("/text", 3)
        assert {fields["MessageStatus"] for fields in stage.customer.told("/text")} == {"sending", "sent", "delivered"}
        found = await stage.sdk(lambda client: client.messages(message.sid).fetch())
        assert (found.status, found.body) == ("delivered", "Hello")
        assert [one.sid for one in await stage.sdk(lambda client: client.messages.list(to=THEIRS))] == [message.sid]
        assert [text.body for text in shared_lab.phones.get(THEIRS).messages] == ["Hello"]
        assert await stage.sdk(lambda client: client.messages(message.sid).delete())
