"""What a caller says to a fallback document is found and fetched through every real SDK; against the lab."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from carriers.contract import Carrier, CarrierSettings, Document, Kind, Wanted
from carriers.lab.contract import RestReply, RestRequest
from carriers.lab.http_listener import HttpListener
from carriers.lab.lab import Lab
from carriers.lab.orders import Answer
from carriers.messages_left import MessageLeft
from carriers.registry import kinds
from gateway.domain.errors import CarrierError

KEEPING = {name: kind for name, kind in kinds().items() if kind.capabilities.keeps_messages}
FORGETTING = {name: kind for name, kind in kinds().items() if not kind.capabilities.keeps_messages}
EVERY_KEEPING_KIND = pytest.mark.parametrize("kind", KEEPING.values(), ids=KEEPING)
CALLER = "+15550107101"
DEAD = "http://127.0.0.1:9"
"""A gateway that is not there: nothing listens on the discard port."""


class Host:
    """The machine that fallback documents are hosted on, and the carrier whose numbers point at it."""

    def __init__(self, kind: Kind, lab: Lab, carrier: Carrier) -> None:
        self.kind, self.lab, self.carrier = kind, lab, carrier
        self.numbers = tuple(lab.credentials(kind.kind)["numbers"])

    def serve(self, request: RestRequest) -> Answer:
        document = self.carrier.markup.voicemail() or Document(status=404)
        return Answer(reply=RestReply(status=document.status, body=document.body, content_type=document.content_type))

    async def provision(self, url: str) -> None:
        wanted = Wanted(carrier=self.kind.kind, public_url=DEAD, numbers=self.numbers, fallback_url=f"{url}/voicemail")
        await self.carrier.amend(wanted, await self.carrier.survey(wanted))

    async def leave(self, caller: str, number: str) -> float:
        """Somebody calls while we are away, speaks after the greeting, and hangs up; seconds of the recording."""
        self.lab.phones.put(caller, says="speech")
        self.lab.phones.dial(caller, number, hangup_after_s=14.0)
        told = (await self.lab.until("recording", number=caller, timeout_s=30))[0]
        return float(told.more["seconds"])

    async def messages(self, since: float, numbers: tuple[str, ...] | None = None) -> tuple[MessageLeft, ...]:
        return await self.carrier.messages_left(self.numbers if numbers is None else numbers, since)


@asynccontextmanager
async def opened(kind: Kind) -> AsyncIterator[Host]:
    listener = HttpListener("127.0.0.1")
    async with Lab(kinds=[kind]) as lab:
        told = lab.credentials(kind.kind)
        credentials = {name: value for name, value in told.items() if name not in {"base_url", "numbers"}}
        settings = CarrierSettings(
            name=kind.kind, credentials=msgspec.convert(credentials, kind.credentials), base_url=told["base_url"]
        )
        carrier = kind.open(settings, time.time)
        host = Host(kind, lab, carrier)
        listener.start(host.serve)
        try:
            await host.provision(listener.base_url)
            yield host
        finally:
            await carrier.aclose()
            await listener.aclose()


@EVERY_KEEPING_KIND
async def test_a_message_is_found_fetched_and_deleted(kind: Kind) -> None:
    """With both numbers, its time and its length; not for others' numbers, nor before its time; deleted once and for all."""
    async with opened(kind) as host:
        began = time.time()
        assert await host.messages(began - 60) == ()
        seconds = await host.leave(CALLER, host.numbers[0])
        (message,) = await host.messages(began - 60)
        assert (message.to, message.caller) == (host.numbers[0], CALLER)
        assert began - 1 <= message.left_at <= time.time()
        assert message.seconds == pytest.approx(seconds, abs=0.6)
        assert await host.messages(began - 60, ("+15550199999",)) == ()
        assert await host.messages(message.left_at + 1) == ()
        sound = await host.carrier.message_audio(message)
        assert (sound[:4], sound[8:12]) == (b"RIFF", b"WAVE")
        assert len(sound) > 8000 * 2 * seconds * 0.9
        await host.carrier.forget_message(message)
        await host.carrier.forget_message(message)
        assert await host.messages(began - 60) == ()
        with pytest.raises(CarrierError):
            await host.carrier.message_audio(message)


@EVERY_KEEPING_KIND
async def test_a_message_that_is_not_of_the_carrier_is_not_asked_for(kind: Kind) -> None:
    """Ids and addresses become parts of requests: what cannot be the carrier's is refused before anything is sent."""
    async with opened(kind) as host:
        strange = MessageLeft(
            recording_id="../Calls", to="", caller="", left_at=0, seconds=0, handle={"url": "http://192.0.2.1/v1/x.wav"}
        )
        before = len(host.lab.ledger.entries())
        with pytest.raises(CarrierError):
            await host.carrier.message_audio(strange)
        with pytest.raises(CarrierError):
            await host.carrier.forget_message(strange)
        assert len(host.lab.ledger.entries()) == before


@pytest.mark.parametrize("kind", FORGETTING.values(), ids=FORGETTING)
async def test_a_carrier_that_keeps_none_says_so(kind: Kind) -> None:
    """Nothing is listed, and nothing can be fetched."""
    async with opened(kind) as host:
        assert await asyncio.wait_for(host.messages(0.0), 5) == ()
        with pytest.raises(CarrierError):
            await host.carrier.message_audio(MessageLeft(recording_id="x", to="", caller="", left_at=0, seconds=0))
