"""Twilio's REST API for agents behind `twilio_stream`."""

import base64
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from msgspec.structs import replace

from agent.twilio_stream import Settings, account_of
from agent.twilio_stream.sids import call_sid
from gateway.config.structs import AgentConfig
from gateway.domain.errors import IllegalTransition
from gateway.domain.outcome import CallStatus, Outcome
from gateway.domain.records import Call
from gateway.web.agents_rest import twilio_view

SETTINGS = Settings(url="wss://agent.example.com/bot", auth_token="agent-token-0123456789")
OTHER = Settings(url="wss://agent.example.com/bot", auth_token="other-token-0123456789")
ACCOUNT = account_of("bot", SETTINGS)
CALL_ID = "call_" + "a" * 24
PATH = f"/twilio/2010-04-01/Accounts/{ACCOUNT}/Calls/{call_sid(CALL_ID)}.json"
CALL = Call(
    id=CALL_ID,
    to="+15550100001",
    session_id="s",
    created_at=1_795_000_000.0,
    expires_at=1_795_003_600.0,
    agent="bot",
    status=CallStatus.IN_PROGRESS,
    answered_at=1_795_000_005.0,
)


def basic(user: str = ACCOUNT, password: str = SETTINGS.auth_token) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def bot(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The gateway with two such agents, and one call of the first."""
    agents = (
        AgentConfig(name="bot", kind="twilio_stream", settings=SETTINGS),
        AgentConfig(name="other", kind="twilio_stream", settings=OTHER),
    )
    object.__setattr__(gateway.services, "config", replace(gateway.services.config, agents=agents))
    calls = {CALL_ID: CALL}

    async def load(call_id: str) -> Call | None:
        return calls.get(call_id)

    async def hang_up(call_id: str) -> Call:
        calls[call_id] = replace(calls[call_id], status=CallStatus.ENDED, outcome=Outcome.COMPLETED, ended_at=1_795_000_065.0)
        return calls[call_id]

    async def cancel(call_id: str) -> Call:
        raise IllegalTransition("call", "in_progress", "CancelRequested")

    monkeypatch.setattr(gateway.store, "load", load)
    monkeypatch.setattr(gateway.desk, "hang_up", hang_up)
    monkeypatch.setattr(gateway.desk, "cancel", cancel)
    gateway.calls = calls
    return gateway


async def test_a_call_is_fetched_in_twilios_words(bot: Any) -> None:
    """With the fields that an SDK reads."""
    response = await bot.client.get(PATH, headers=basic())
    assert response.status_code == 200
    shown = response.json()
    assert (shown["sid"], shown["account_sid"], shown["status"]) == (call_sid(CALL_ID), ACCOUNT, "in-progress")
    assert shown["start_time"] == format_datetime(datetime.fromtimestamp(1_795_000_005.0, UTC))
    assert (shown["to"], shown["direction"], shown["duration"]) == ("+15550100001", "outbound-api", None)


async def test_completed_ends_the_call(bot: Any) -> None:
    """The form that Twilio takes, answered with the call."""
    response = await bot.client.post(PATH, data={"Status": "completed"}, headers=basic())
    assert (response.status_code, response.json()["sid"]) == (200, call_sid(CALL_ID))
    assert response.json()["status"] == "completed"


async def test_an_answered_call_is_not_cancelled(bot: Any) -> None:
    """As at Twilio: that is what completed is for."""
    response = await bot.client.post(PATH, data={"Status": "canceled"}, headers=basic())
    assert (response.status_code, response.json()["code"]) == (400, 21220)


@pytest.mark.parametrize(
    "headers", [{}, basic(password="wrong-token-0123456789"), basic(user="AC" + "0" * 32), {"Authorization": "Basic ???"}]
)
async def test_without_the_agents_credentials_nothing_is_told(bot: Any, headers: dict[str, str]) -> None:
    """401 with Twilio's own code, and no word on whether the call exists."""
    response = await bot.client.get(PATH, headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, 20003)


async def test_another_agents_call_is_not_found(bot: Any) -> None:
    """Each sees its own calls alone."""
    path = PATH.replace(ACCOUNT, account_of("other", OTHER))
    headers = basic(account_of("other", OTHER), OTHER.auth_token)
    response = await bot.client.get(path, headers=headers)
    assert (response.status_code, response.json()["code"]) == (404, 20404)


@pytest.mark.parametrize("sid", ["CA" + "f" * 32, "nonsense", call_sid("call_" + "b" * 24)])
async def test_a_call_that_is_not_there(bot: Any, sid: str) -> None:
    """Twilio's own sids, words, and calls that were purged."""
    response = await bot.client.get(PATH.replace(call_sid(CALL_ID), sid), headers=basic())
    assert (response.status_code, response.json()["code"]) == (404, 20404)


@pytest.mark.parametrize(
    "form", [{}, {"Status": "paused"}, {"Twiml": "<Response/>"}, {"Status": "completed", "Url": "https://x"}]
)
async def test_what_is_not_done_here_is_refused(bot: Any, form: dict[str, str]) -> None:
    """400, in words, and nothing happens."""
    response = await bot.client.post(PATH, data=form, headers=basic())
    assert (response.status_code, response.json()["code"]) == (400, 20001)


async def test_a_call_that_has_ended_cannot_be_ended(bot: Any) -> None:
    """Twilio's 21220, which SDKs take for success."""
    bot.calls[CALL_ID] = replace(CALL, status=CallStatus.ENDED, outcome=Outcome.COMPLETED, ended_at=1_795_000_065.0)
    response = await bot.client.post(PATH, data={"Status": "completed"}, headers=basic())
    assert (response.status_code, response.json()["code"]) == (400, 21220)
    shown = twilio_view(bot.calls[CALL_ID], ACCOUNT)
    assert (shown["status"], shown["duration"]) == ("completed", "60")


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_a_word_of_twilios(outcome: Outcome) -> None:
    """One that its SDK knows."""
    ended = replace(CALL, status=CallStatus.ENDED, outcome=outcome, ended_at=1_795_000_065.0)
    assert twilio_view(ended, ACCOUNT)["status"] in {"completed", "busy", "failed", "no-answer", "canceled"}
