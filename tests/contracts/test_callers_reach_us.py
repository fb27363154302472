"""Numbers are pointed at us through every real SDK, and a phone's call then comes to our URL, signed; against the lab."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from carriers.contract import (
    Arrival,
    Attempt,
    Carrier,
    CarrierSettings,
    Expectation,
    Handle,
    HookRequest,
    Kind,
    Setting,
    Wanted,
)
from carriers.lab.contract import RestReply, RestRequest
from carriers.lab.http_listener import HttpListener
from carriers.lab.lab import Lab
from carriers.lab.orders import Answer
from carriers.registry import kinds
from gateway.domain.errors import BadSignature
from gateway.domain.events import LegEnded

EVERY_KIND = pytest.mark.parametrize("kind", kinds().values(), ids=kinds())
PARKING = {name: kind for name, kind in kinds().items() if kind.capabilities.answers_by_command}
BY_COMMAND = pytest.mark.parametrize("kind", PARKING.values(), ids=PARKING)
CALLER = "+15550107001"


class Desk:
    """A gateway of one line: takes what the carrier posts, and answers with what the test has laid out."""

    def __init__(self, kind: Kind, lab: Lab, carrier: Carrier, url: str) -> None:
        self.kind, self.lab, self.carrier, self.url = kind, lab, carrier, url
        self.numbers = tuple(lab.credentials(kind.kind)["numbers"])
        self.wanted = Wanted(carrier=kind.kind, public_url=url, numbers=self.numbers[:2])
        self.arrivals: list[Arrival] = []
        self.cause = ""
        self._news = asyncio.Event()

    def serve(self, request: RestRequest) -> Answer:
        step = request.path.rpartition("/inbound/")[2]
        query = f"?{request.query}" if request.query else ""
        hook = HookRequest(
            method=request.method, url=f"{self.url}{request.path}{query}", path=step, headers=request.headers, body=request.body
        )
        self.carrier.webhooks.verify(hook, time.time())
        with pytest.raises(BadSignature):
            self.carrier.webhooks.verify(msgspec.structs.replace(hook, body=hook.body + b"x", url=hook.url + "x"), time.time())
        arrival = self.carrier.webhooks.parse_arrival(hook, time.time())
        if arrival is not None:
            self.arrivals.append(arrival)
            self._news.set()
        return Answer(reply=self._document(arrival))

    def _document(self, arrival: Arrival | None) -> RestReply:
        markup = self.carrier.markup
        asked = arrival is not None and arrival.hook.expects is Expectation.ANSWER_DOCUMENT
        document = markup.acknowledge() if not asked else markup.reject(self.cause) if self.cause else markup.hang_up()
        return RestReply(status=document.status, body=document.body, content_type=document.content_type)

    async def caller(self) -> Arrival:
        async with asyncio.timeout(10):
            while not (found := [arrival for arrival in self.arrivals if arrival.to]):
                self._news.clear()
                await self._news.wait()
        return found[0]

    async def provision(self) -> tuple[Setting, ...]:
        await self.carrier.amend(self.wanted, await self.carrier.survey(self.wanted))
        return await self.carrier.survey(self.wanted)


@asynccontextmanager
async def opened(kind: Kind) -> AsyncIterator[Desk]:
    listener = HttpListener("127.0.0.1")
    async with Lab(kinds=[kind]) as lab:
        told = lab.credentials(kind.kind)
        credentials = {name: value for name, value in told.items() if name not in {"base_url", "numbers"}}
        settings = CarrierSettings(
            name=kind.kind, credentials=msgspec.convert(credentials, kind.credentials), base_url=told["base_url"]
        )
        carrier = kind.open(settings, time.time)
        desk = Desk(kind, lab, carrier, listener.base_url)
        listener.start(desk.serve)
        try:
            yield desk
        finally:
            await carrier.aclose()
            await listener.aclose()


@EVERY_KIND
async def test_what_is_set_is_shown_and_what_is_wrong_is_put_right(kind: Kind) -> None:
    """First wrong, then right; right again without a change; and drift is seen."""
    async with opened(kind) as desk:
        before = await desk.carrier.survey(desk.wanted)
        assert any(not setting.right for setting in before)
        assert await desk.carrier.survey(desk.wanted) == before
        after = await desk.provision()
        assert [setting for setting in after if not setting.right] == []
        assert {setting.subject for setting in after} >= {f"number {number}" for number in desk.numbers[:2]}
        elsewhere = msgspec.structs.replace(desk.wanted, public_url="https://elsewhere.example.com")
        assert any(not setting.right for setting in await desk.carrier.survey(elsewhere))


@EVERY_KIND
async def test_a_number_that_the_account_does_not_own_is_told_with_a_cure(kind: Kind) -> None:
    """It cannot be put right from here, and keeps nothing else from being put right."""
    async with opened(kind) as desk:
        desk.wanted = msgspec.structs.replace(desk.wanted, numbers=(*desk.wanted.numbers, "+15550199999"))
        wrong = [setting for setting in await desk.provision() if not setting.right]
        assert [(setting.subject, bool(setting.cure)) for setting in wrong] == [("number +15550199999", True)]


@EVERY_KIND
async def test_a_fallback_is_set_where_the_carrier_takes_one(kind: Kind) -> None:
    """And is left alone where none is wanted."""
    async with opened(kind) as desk:
        fallback = "https://static.example.com/voicemail.xml"
        desk.wanted = msgspec.structs.replace(desk.wanted, fallback_url=fallback)
        after = await desk.provision()
        assert [setting for setting in after if not setting.right] == []
        assert any(fallback in setting.wanted for setting in after)


@EVERY_KIND
async def test_a_caller_comes_to_our_url(kind: Kind) -> None:
    """Signed by the carrier's own scheme; with both numbers, and a name and attestation where the carrier tells them."""
    async with opened(kind) as desk:
        await desk.provision()
        desk.lab.phones.dial(CALLER, desk.numbers[0], caller_name="Alex", attestation="A")
        arrival = await desk.caller()
        assert (arrival.to, arrival.caller_id) == (desk.numbers[0], CALLER)
        assert arrival.carrier_call_id == desk.lab.ledger.entries("call")[0].carrier_call_id
        assert arrival.attestation in {"A", ""}


@EVERY_KIND
async def test_a_caller_who_withholds_their_number_has_none(kind: Kind) -> None:
    """Whatever word the carrier has for it."""
    async with opened(kind) as desk:
        await desk.provision()
        desk.lab.phones.dial(CALLER, desk.numbers[0], withheld=True)
        assert (await desk.caller()).caller_id == ""


@EVERY_KIND
async def test_a_caller_is_turned_away(kind: Kind) -> None:
    """Before an answer where the carrier can, by document or by command."""
    async with opened(kind) as desk:
        await desk.provision()
        desk.cause = "busy"
        desk.lab.phones.dial(CALLER, desk.numbers[0])
        arrival = await desk.caller()
        if kind.capabilities.answers_by_command:
            handle = Handle(call_id="c", leg_id="l", to=arrival.to, caller_id=CALLER, carrier_call_id=arrival.carrier_call_id)
            await desk.carrier.reject(handle, "busy")
            await desk.carrier.reject(handle, "busy")
        ended = (await desk.lab.until("hangup", number=CALLER, timeout_s=10))[0]
        assert ended.more["by"] == "carrier"
        if kind.capabilities.rejects_unanswered:
            assert (ended.more["cause"], ended.more["answered"]) == ("busy", False)


@BY_COMMAND
async def test_a_caller_who_gives_up_is_reported(kind: Kind) -> None:
    """On the account's URL, since no leg of ours has one yet; only where the carrier parks the call."""
    async with opened(kind) as desk:
        await desk.provision()
        desk.lab.phones.dial(CALLER, desk.numbers[0], patience_s=0.5)
        await desk.caller()
        await desk.lab.until("hangup", number=CALLER, timeout_s=10)
        async with asyncio.timeout(10):
            while not any(isinstance(event, LegEnded) for arrival in desk.arrivals for event in arrival.hook.events):
                desk._news.clear()
                await desk._news.wait()


@BY_COMMAND
async def test_answering_a_caller_who_is_gone_is_no_error(kind: Kind) -> None:
    """The command is repeated until the answer is proven; by then the caller may have given up."""
    async with opened(kind) as desk:
        await desk.provision()
        desk.lab.phones.dial(CALLER, desk.numbers[0], patience_s=0.3)
        arrival = await desk.caller()
        await desk.lab.until("hangup", number=CALLER, timeout_s=10)
        attempt: Any = Attempt(
            call_id="c", leg_id="l", to=arrival.to, caller_id=CALLER, public_url=desk.url, carrier=kind.kind, media_token="t" * 32
        )
        handle = Handle(call_id="c", leg_id="l", to=arrival.to, caller_id=CALLER, carrier_call_id=arrival.carrier_call_id)
        await desk.carrier.answer(attempt, handle)
