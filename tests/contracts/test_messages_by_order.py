"""What every carrier that takes messages in live calls promises of them, through its real SDK against the lab."""

import time

import msgspec
import pytest

from carriers.contract import Attempt, CarrierSettings, Handle, Kind
from carriers.lab.lab import Lab
from carriers.messages_left import MessageLeft
from carriers.registry import kinds
from gateway.domain.errors import CarrierError

TAKING = {name: kind for name, kind in kinds().items() if kind.capabilities.takes_messages}
ATTEMPT = Attempt(
    call_id="call_1",
    leg_id="leg_1",
    to="+15550107001",
    caller_id="+15550190001",
    public_url="https://gw.example.com",
    carrier="c",
)
UNKNOWN = Handle(call_id="call_1", leg_id="leg_1", to="+15550107001", caller_id="+15550190001", carrier_call_id="CA" + "0" * 32)


def test_all_four_take_messages() -> None:
    """None is left out of the tests below."""
    assert set(TAKING) == {"twilio", "telnyx", "plivo", "vonage"}


@pytest.mark.parametrize("kind", TAKING.values(), ids=TAKING)
async def test_what_is_not_there_is_none_and_what_is_strange_is_refused(kind: Kind) -> None:
    """A call without a recording has none; ids and addresses that cannot be the carrier's fetch nothing; who is told by
    document has no command, and a call that is gone obeys every command.
    """
    async with Lab(kinds=[kind]) as lab:
        told = lab.credentials(kind.kind)
        credentials = {name: value for name, value in told.items() if name not in {"base_url", "numbers"}}
        keys = msgspec.convert(credentials, kind.credentials)
        carrier = kind.open(CarrierSettings(name="c", credentials=keys, base_url=told["base_url"]), time.time)
        try:
            assert await carrier.message_of(UNKNOWN) is None
            strange = {"url": "http://192.0.2.1/x.wav"}
            message = MessageLeft(recording_id="../Calls", to="", caller="", left_at=0, seconds=1, handle=strange)
            with pytest.raises(CarrierError):
                await carrier.message_audio(message)
            if kind.capabilities.streams_by_command:
                await carrier.begin_message(ATTEMPT, UNKNOWN)
                await carrier.record_message(ATTEMPT, UNKNOWN)
                return
            assert carrier.markup.message(ATTEMPT).body != carrier.markup.farewell().body != b""
            for order in (carrier.begin_message, carrier.record_message):
                with pytest.raises(CarrierError, match="by-document"):
                    await order(ATTEMPT, UNKNOWN)
        finally:
            await carrier.aclose()
