"""Plivo's own SDK against the running lab, over HTTP: each operation as a customer would use it."""

import asyncio
import io
import urllib.request
import wave
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qsl

import plivo
import pytest
import pytest_asyncio
from plivo import plivoxml
from plivo.exceptions import PlivoRestError, ResourceNotFoundError, ValidationError
from plivo.utils import validate_signature, validate_v3_signature
from requests.adapters import HTTPAdapter
from websockets.asyncio.server import ServerConnection, serve

from carriers.lab.lab import Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

PERSON, FRIEND = "+15550101000", "+15550102000"


class _ToTheLab(HTTPAdapter):
    """Sends what is meant for Plivo to the lab."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        request.url = request.url.replace("https://api.plivo.com", self._base_url, 1)
        return super().send(request, *args, **kwargs)


class Customer:
    """Answers with the documents that a test sets, and checks every signature with the SDK's validators."""

    def __init__(self) -> None:
        self.documents: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.forged: list[str] = []
        self.news = asyncio.Event()
        self.url = self.token = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, target, _ = (await reader.readline()).decode().split(" ", 2)
        headers: dict[str, str] = {}
        while (line := (await reader.readline()).decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        form = dict(
            parse_qsl((await reader.readexactly(int(headers.get("content-length", "0")))).decode(), keep_blank_values=True)
        )
        if not self._genuine(method, self.url + target, headers, form):
            self.forged.append(target)
        body = self.documents.get(target, "").encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
        self.asked.append((target, form))
        self.news.set()

    def _genuine(self, method: str, url: str, headers: dict[str, str], form: dict[str, str]) -> bool:
        if "x-plivo-signature-v3" in headers:
            nonce, signature = headers["x-plivo-signature-v3-nonce"], headers["x-plivo-signature-v3"]
            return bool(validate_v3_signature(method, url, nonce, self.token, signature, form))
        nonce, signature = headers.get("x-plivo-signature-v2-nonce", ""), headers.get("x-plivo-signature-v2", "")
        return bool(validate_signature(url, nonce, signature, self.token))

    async def until(self, target: str, fits: Callable[[dict[str, str]], bool] = lambda _form: True) -> dict[str, str]:
        """The first request to this path that fits."""
        async with asyncio.timeout(10.0):
            while True:
                self.news.clear()
                for asked, form in self.asked:
                    if asked == target and fits(form):
                        return form
                await self.news.wait()


class Bench:
    """A lab with Plivo alone, an SDK client on it, and a customer."""

    def __init__(self, lab: Lab, customer: Customer) -> None:
        self.lab, self.customer = lab, customer
        told = lab.credentials("plivo")
        self.number = told["numbers"][0]
        self._client = plivo.RestClient(told["auth_id"], told["auth_token"], timeout=5)
        self._client.session.mount("https://api.plivo.com", _ToTheLab(told["base_url"]))
        customer.token = told["auth_token"]

    async def do(self, job: Callable[[Any], Any]) -> Any:
        """Use the client, which blocks, beside the lab's loop."""
        return await asyncio.to_thread(job, self._client)

    def answer(self, target: str, *elements: Any) -> str:
        """Put a document, built with the SDK, at a path; its URL."""
        response = plivoxml.ResponseElement()
        for element in elements:
            response.add(element)
        self.customer.documents[target] = response.to_string()
        return self.customer.url + target

    async def call(self, *elements: Any, **more: Any) -> str:
        """An answered call that obeys these elements."""
        urls = {"answer_url": self.answer("/answer", *elements), "hangup_url": f"{self.customer.url}/hangup"}
        created = await self.do(lambda client: client.calls.create(from_=self.number, to_=PERSON, **{**urls, **more}))
        assert created.message == "call fired"
        await self.customer.until("/answer", lambda form: form["CallUUID"] == created.request_uuid)
        return str(created.request_uuid)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_bench() -> AsyncIterator[Bench]:
    customer = Customer()
    server = await asyncio.start_server(customer.serve, "127.0.0.1", 0)
    customer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    knobs = {"cps": 50, "setup_s": 0.01, "cdr_lag_s": 0.0, "recording_ready_s": 0.02, "message_send_s": 0.01}
    async with Lab(seed=11, kinds=("plivo",), knobs={"plivo": knobs}) as lab:
        yield Bench(lab, customer)
    server.close()


@pytest_asyncio.fixture(name="bench", loop_scope="module")
async def a_bench(shared_bench: Bench) -> AsyncIterator[Bench]:
    """The same lab for all tests, without calls and memory; whatever came was signed."""
    shared_bench.lab.reset()
    customer = shared_bench.customer
    customer.documents.clear()
    customer.asked.clear()
    shared_bench.lab.phones.put(PERSON, behavior="answer", answer_after_s=0.05, says="tone")
    yield shared_bench
    assert customer.forged == []


async def test_account(bench: Bench) -> None:
    """The account and its balance."""
    account = await bench.do(lambda client: client.account.get())
    assert (account.cash_credits, account.billing_mode) == ("100.00000", "prepaid")


async def test_applications_and_numbers(bench: Bench) -> None:
    """An application is created, shown, listed, changed, linked to a number, and deleted."""
    created = await bench.do(lambda client: client.applications.create("shop", answer_url="https://gw.example.com/a"))
    assert created.message == "created"
    shown = await bench.do(lambda client: client.applications.get(created.app_id))
    assert (shown.app_name, shown.answer_url, shown.answer_method) == ("shop", "https://gw.example.com/a", "POST")
    changed = await bench.do(lambda client: client.applications.update(created.app_id, answer_url="https://gw.example.com/b"))
    assert changed.message == "changed"
    (listed,) = (await bench.do(lambda client: client.applications.list(app_name="sho"))).objects
    assert listed.answer_url == "https://gw.example.com/b"
    linked = await bench.do(lambda client: client.numbers.update(bench.number, app_id=created.app_id))
    assert linked.message == "changed"
    number = await bench.do(lambda client: client.numbers.get(bench.number))
    assert number.application.endswith(f"/Application/{created.app_id}/")
    await bench.do(lambda client: client.applications.delete(created.app_id))
    numbers = await bench.do(lambda client: client.numbers.list(services="voice"))
    assert [each.application for each in numbers] == [None, None, None]
    with pytest.raises(ResourceNotFoundError):
        await bench.do(lambda client: client.applications.get(created.app_id))


async def test_call_to_a_number(bench: Bench) -> None:
    """A phone calls the number: a menu, a message after the beep, and its recording with its file."""
    menu = plivoxml.GetDigitsElement(action=f"{bench.customer.url}/menu", num_digits=1, timeout=5)
    menu.add(plivoxml.SpeakElement("press one"))
    bench.answer("/answer", menu)
    record = plivoxml.RecordElement(action=f"{bench.customer.url}/kept", file_format="wav", max_length=1, play_beep=True)
    bench.answer("/menu", record)
    bench.answer("/kept", plivoxml.SpeakElement("ok"), plivoxml.HangupElement())
    urls = {"answer_url": f"{bench.customer.url}/answer", "hangup_url": f"{bench.customer.url}/hangup"}
    created = await bench.do(lambda client: client.applications.create("desk", **urls))
    await bench.do(lambda client: client.numbers.update(bench.number, app_id=created.app_id))
    bench.lab.phones.dial(PERSON, bench.number, says="tone", dtmf="1", caller_name="ADA")
    start = await bench.customer.until("/answer")
    assert (start["Direction"], start["From"], start["CallStatus"]) == ("inbound", PERSON[1:], "ringing")
    assert (await bench.customer.until("/menu"))["Digits"] == "1"
    kept = await bench.customer.until("/kept")
    assert kept["RecordingDurationMs"] == "1000"
    end = await bench.customer.until("/hangup")
    assert (end["HangupCauseCode"], end["HangupSource"]) == ("4000", "Answer XML")
    await bench.lab.until("recording")
    (found,) = (await bench.do(lambda client: client.recordings.list(call_uuid=start["CallUUID"]))).objects
    shown = await bench.do(lambda client: client.recordings.get(found.recording_id))
    assert shown.recording_url == kept["RecordUrl"]
    body = await asyncio.to_thread(lambda: urllib.request.urlopen(shown.recording_url, timeout=5).read())
    with wave.open(io.BytesIO(body)) as file:
        assert (file.getnchannels(), file.getnframes()) == (1, 8000)
    await bench.do(lambda client: client.recordings.delete(found.recording_id))
    with pytest.raises(ResourceNotFoundError):
        await bench.do(lambda client: client.recordings.get(found.recording_id))
    await bench.do(lambda client: client.applications.delete(created.app_id))


async def test_caller_without_a_number(bench: Bench) -> None:
    """Who withholds the number is anonymous, and talks all the same; who hangs up first is the caller."""
    urls = {"answer_url": bench.answer("/answer", plivoxml.SpeakElement("hello")), "hangup_url": f"{bench.customer.url}/hangup"}
    created = await bench.do(lambda client: client.applications.create("shy", **urls))
    await bench.do(lambda client: client.numbers.update(bench.number, app_id=created.app_id))
    bench.lab.phones.dial(PERSON, bench.number, withheld=True, hangup_after_s=0.2)
    start = await bench.customer.until("/answer")
    assert start["From"] == "anonymous"
    end = await bench.customer.until("/hangup")
    assert (end["HangupSource"], end["CallStatus"]) == ("Caller", "completed")
    await bench.do(lambda client: client.applications.delete(created.app_id))


async def test_number_that_points_nowhere(bench: Bench) -> None:
    """Without an application nobody is asked, and the phone hears that nobody can be reached."""
    bench.lab.phones.dial(PERSON, bench.number)
    (ended,) = await bench.lab.until("hangup")
    assert (ended.more["by"], ended.more["cause"], ended.more["answered"]) == ("carrier", "unreachable", False)
    assert bench.customer.asked == []


async def test_life_of_a_call(bench: Bench) -> None:
    """Placed, listed live, spoken to, given keys, recorded, transferred, hung up, and shown as finished."""
    ref = await bench.call(plivoxml.WaitElement(length=60))
    assert ref in (await bench.do(lambda client: client.live_calls.list_ids())).calls
    live = await bench.do(lambda client: client.live_calls.get(ref))
    assert (live.call_status, live.to) == ("in-progress", PERSON[1:])
    assert (await bench.do(lambda client: client.calls.speak(ref, "hello you"))).message == "speak started"
    await bench.do(lambda client: client.calls.speak_stop(ref))
    assert (await bench.do(lambda client: client.calls.send_digits(ref, "12w3", leg="aleg"))).message == "digits sent"
    await bench.lab.until("keys", count=2)
    recording = await bench.do(lambda client: client.calls.record(ref, file_format="wav", time_limit=60))
    assert recording.url.endswith(f"{recording.recording_id}.wav")
    await bench.do(lambda client: client.calls.record_stop(ref))
    moved = await bench.do(
        lambda client: client.calls.transfer(ref, legs="aleg", aleg_url=bench.answer("/new", plivoxml.WaitElement(length=60)))
    )
    assert moved.message == "call transfered"
    await bench.customer.until("/new")
    await bench.do(lambda client: client.calls.hangup(ref))
    end = await bench.customer.until("/hangup")
    assert (end["HangupSource"], end["CallStatus"]) == ("API Request", "completed")
    await bench.lab.until("recording")
    listed = await bench.do(lambda client: client.calls.list(to_number=PERSON[1:], call_direction="outbound"))
    assert [each.call_uuid for each in listed] == [ref]
    assert (await bench.do(lambda client: client.calls.get(ref))).hangup_source == "API Request"
    with pytest.raises(ResourceNotFoundError):
        await bench.do(lambda client: client.calls.hangup(ref))


async def test_files_are_played(bench: Bench) -> None:
    """A WAV of the customer's is fetched and heard; the fetch stands in the ledger."""
    ref = await bench.call(plivoxml.WaitElement(length=60))
    url = f"{bench.customer.url}/nothing.wav"
    assert (await bench.do(lambda client: client.calls.play(ref, url))).message == "play started"
    fetched = await bench.lab.until("fetch", count=1)
    assert fetched[0].more["url"] == url
    await bench.do(lambda client: client.calls.play_stop(ref))
    bench.customer.forged.clear()  # a file is asked for without a signature


async def test_dial(bench: Bench) -> None:
    """Another person is called and joined; what happens is told, and the caller goes on after it."""
    bench.lab.phones.put(FRIEND, behavior="answer", answer_after_s=0.05, says="tone:700", hangup_after_s=0.6)
    bench.answer("/done", plivoxml.HangupElement())
    dial = plivoxml.DialElement(action=f"{bench.customer.url}/done", callback_url=f"{bench.customer.url}/live")
    dial.add(plivoxml.NumberElement(FRIEND))
    ref = await bench.call(dial)
    done = await bench.customer.until("/done")
    assert (done["DialStatus"], done["DialALegUUID"]) == ("completed", ref)
    await bench.customer.until("/live", lambda form: form["DialAction"] == "hangup")
    assert [form["DialAction"] for target, form in bench.customer.asked if target == "/live"] == ["answer", "connected", "hangup"]
    heard = bench.lab.phones.call(FRIEND)
    assert heard is not None
    assert heard.heard.speech_seconds > 0.3
    await bench.customer.until("/hangup", lambda form: form["CallUUID"] == ref)


async def test_machine(bench: Bench) -> None:
    """A machine is reported to the URL that asked for it, beside the document."""
    bench.lab.phones.put(PERSON, behavior="machine", answer_after_s=0.05)
    more = {"machine_detection": "true", "machine_detection_time": 2000, "machine_detection_url": f"{bench.customer.url}/machine"}
    ref = await bench.call(plivoxml.WaitElement(length=60), **more)
    told = await bench.customer.until("/machine")
    assert (told["Machine"], told["Event"], told["CallUUID"]) == ("true", "MachineDetection", ref)


async def test_stream(bench: Bench) -> None:
    """A stream is begun, shown and stopped through the API, and carries sound both ways meanwhile."""
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def listen(socket: ServerConnection) -> None:
        async for message in socket:
            heard.put_nowait(str(message))

    async with serve(listen, "127.0.0.1", 0, compression=None) as media:
        port = next(iter(media.sockets)).getsockname()[1]
        ref = await bench.call(plivoxml.WaitElement(length=60))
        started = await bench.do(
            lambda client: client.calls.start_stream(
                ref, f"ws://127.0.0.1:{port}/media", bidirectional=True, content_type="audio/x-mulaw;rate=8000"
            )
        )
        assert started.message == "audio streaming started"
        async with asyncio.timeout(5.0):
            assert '"event": "start"' in await heard.get()
            assert '"event": "media"' in await heard.get()
        shown = await bench.do(lambda client: client.calls.get_details_of_specific_stream(ref, started.stream_id))
        assert shown.status == "in-progress"
        await bench.do(lambda client: client.calls.delete_specific_stream(ref, started.stream_id))
        await bench.lab.until("stream_close")
        listed = await bench.do(lambda client: client.calls.get_all_streams(ref))
        assert [each.status for each in listed.objects] == ["completed"]
        await bench.do(lambda client: client.calls.delete_all_streams(ref))


async def test_message(bench: Bench) -> None:
    """A text is sent, reported with the older signature, shown, listed, and on the phone."""
    url = f"{bench.customer.url}/text"
    sent = await bench.do(lambda client: client.messages.create(src=bench.number, dst=PERSON, text="hello", url=url))
    (message,) = sent.message_uuid
    await bench.customer.until("/text", lambda form: form["Status"] == "delivered")
    shown = await bench.do(lambda client: client.messages.get(message))
    assert (shown.message_state, shown.to_number) == ("delivered", PERSON[1:])
    listed = await bench.do(lambda client: client.messages.list(message_state="delivered"))
    assert [each.message_uuid for each in listed] == [message]
    assert [text.body for text in bench.lab.phones.get(PERSON).messages] == ["hello"]


async def test_queue_and_cancel(bench: Bench) -> None:
    """A call that has not been answered is cancelled by the id of its request."""
    bench.lab.phones.put(PERSON, behavior="no_answer")
    urls = {"answer_url": f"{bench.customer.url}/answer", "hangup_url": f"{bench.customer.url}/hangup"}
    created = await bench.do(lambda client: client.calls.create(from_=bench.number, to_=PERSON, **urls))
    await bench.lab.until("ring")
    assert (await bench.do(lambda client: client.queued_calls.list_ids())).calls == []
    await bench.do(lambda client: client.calls.cancel(created.request_uuid))
    assert (await bench.customer.until("/hangup"))["HangupCauseCode"] == "1000"


async def test_refusals_reach_the_sdk(bench: Bench) -> None:
    """What is wrong is the SDK's own exception with Plivo's words; what is not played says so by its name."""
    with pytest.raises(ValidationError, match="to parameter is invalid"):
        await bench.do(lambda client: client.calls.create(from_=bench.number, to_="123", answer_url="http://gw.example.com"))
    with pytest.raises(PlivoRestError, match=r"lab: GET .*/Conference/ is not simulated"):
        await bench.do(lambda client: client.conferences.list())
    with pytest.raises(ValidationError, match="lab: create call to several numbers"):
        await bench.do(
            lambda client: client.calls.create(
                from_=bench.number, to_="15550101000<15550101001", answer_url="http://gw.example.com"
            )
        )
    assert len(bench.lab.ledger.entries("refused")) == 2
