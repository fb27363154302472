"""What is told when, in the words of docs/webhooks.md: every type is made to happen, and its example has its shape."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from carriers.contract import Arrival, Expectation, Hook, Placed
from gateway.domain.breaker import Breaker, BreakerState
from gateway.domain.call import BreakerWord
from gateway.domain.events import LegAnswered, LegEnded, LegRinging, StreamOpened, VoicemailStarted
from gateway.domain.hand import ServiceState
from gateway.domain.happenings import EVERYTHING, PATTERNS, Happening, meant
from gateway.domain.inbound import ids_of
from gateway.domain.outcome import CallStatus, Knowledge, Outcome
from gateway.domain.verdict import Attribution, Signal, ended_normally, next_carrier, stop
from gateway.runtime.hands import decide
from gateway.runtime.health import HealthWatch
from gateway.runtime.store.codec import decode_notice
from gateway.runtime.store.notice_contract import Notice
from gateway.runtime.store.voicemail_contract import RECORDING, Voicemail
from gateway.runtime.user_webhook_announcing import SILENT, Announcer, payload_of
from gateway.runtime.voicemails import drop

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
EXAMPLES = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]
NOT_NOW = Placed(knowledge=Knowledge.REFUSED, verdict=next_carrier("service-unavailable"))


class Told:
    """A runtime whose endpoint `all` is told everything, and what it was told so far."""

    def __init__(self, rig: Any, **wanted: frozenset[Happening]) -> None:
        self.rig = rig
        self.announcer = Announcer({"all": meant((EVERYTHING,)), **wanted}, rig.new_id)
        rig.calls.announcer = self.announcer
        rig.health = HealthWatch(
            rig.store, rig.fleet, rig.clock, rig.breaker_policy, rig.health._jitter, announcer=self.announcer
        )

    def notices(self, endpoint: str = "all") -> list[Notice]:
        there = self.rig.store.endpoints.get(endpoint)
        return [decode_notice(there.notices[known].body) for known in there.backlog] if there else []

    def types(self, endpoint: str = "all") -> list[str]:
        return [notice.type for notice in self.notices(endpoint)]

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(notice.payload) for notice in self.notices()]

    async def hand(self, state: ServiceState, *carriers: str) -> None:
        for carrier in carriers or ("a", "b"):
            await decide(self.rig.store, self.rig.clock, carrier, state, "ops", self.announcer)

    # --- stories -------------------------------------------------------------------------------------------------

    async def a_call(self) -> None:
        """Its first carrier refuses; then it rings, is answered and ends."""
        self.rig.a.answers.append(NOT_NOW)
        await self.rig.accept(metadata={"order": "4711"}, agent="receptionist", route="default")
        await self.rig.settle()
        for event in (LegRinging(), LegAnswered(), StreamOpened(), LegEnded(verdict=ended_normally())):
            await self.rig.report(event)

    async def a_promise(self) -> None:
        """For later, then deferred because no carrier is in service, then kept until the user takes it back."""
        await self.rig.accept("call_2", not_before=self.rig.clock.time + 60)
        await self.hand(ServiceState.DISABLED)
        await self.rig.wait(61)
        await self.rig.calls.cancel("call_2")

    async def a_caller(self) -> None:
        """Comes, and leaves a message."""
        self.rig.a.arrival = Arrival(
            carrier_call_id="x-1",
            to="+15550190001",
            caller_id="+15550100001",
            hook=Hook(expects=Expectation.ANSWER_DOCUMENT),
        )
        await self.rig.arrive("a")
        call_id, leg_id = ids_of("a", "x-1")
        await self.rig.calls.report(call_id, leg_id, LegAnswered())
        started = VoicemailStarted(voicemail_id="vm_1", reason="agent-unavailable")
        await self.rig.calls.apply(call_id, lambda _call: (started,))

    async def a_message(self) -> None:
        """Is kept, and deleted."""
        now = self.rig.clock.time
        message = Voicemail(
            id="vm_1",
            carrier="a",
            call_id="call_1",
            caller="+15550100001",
            to="+15550190001",
            left_at=now,
            collected_at=now,
            seconds=7.5,
            reason="agent-unavailable",
        )
        store, announcer = self.rig.store, self.announcer
        assert await store.put_voicemail(message, now, notices=announcer.of_voicemail(message, now))
        assert await drop("vm_1", store, NoFiles(), now, notices=announcer.of_deleted(message, now))  # type: ignore[arg-type]

    async def a_carriers_trouble(self) -> None:
        """Its breaker opens, and closes again; people drain and disable it, and put it back."""
        for _ in range(5):
            await self.rig.health.hear(word(Signal.FAILURE))
        self.rig.clock.time += 400
        opened = await self.rig.store.breaker("a")
        half = replace(opened, state=BreakerState.HALF_OPEN, epoch=opened.epoch + 1, probe_at=self.rig.clock.time)
        assert await self.rig.store.swap_breaker("a", opened.version, half)
        for _ in range(3):
            await self.rig.health.hear(word(Signal.SUCCESS, half.epoch, probe=True))
        for state in (ServiceState.DRAINING, ServiceState.DISABLED, ServiceState.ACTIVE):
            await self.hand(state, "a")


class NoFiles:
    """A directory of voicemails without one."""

    async def remove(self, _voicemail_id: str) -> None: ...


def word(signal: Signal, epoch: int = 0, *, probe: bool = False) -> BreakerWord:
    return BreakerWord(carrier="a", signal=signal, epoch=epoch, probe=probe)


@pytest.fixture
async def told(rig: Any) -> Told:
    return Told(rig)


async def test_a_calls_way_is_told_step_by_step(told: Told) -> None:
    """In order, each with the call as it then stands, and with the failover between."""
    await told.a_call()
    assert told.types() == ["call.accepted", "call.failed_over", "call.ringing", "call.in_progress", "call.ended"]
    assert {notice.about for notice in told.notices()} == {"call_1"}
    calls = [body["data"]["call"] for body in told.bodies()]
    assert [call["status"] for call in calls] == ["dialing", "dialing", "ringing", "in_progress", "ended"]
    assert [call["carrier"] for call in calls] == [None, "b", "b", "b", "b"]
    assert told.bodies()[1]["data"]["failover"] == {"from": "a", "to": "b", "reason": "service-unavailable"}
    assert (calls[-1]["outcome"], calls[-1]["metadata"], calls[-1]["to"]) == ("completed", {"order": "4711"}, "+15550100001")
    assert "token" not in str(told.bodies())


async def test_a_promise_is_told_from_its_making_to_its_end(told: Told) -> None:
    """A callback that is deferred and taken back, beside the call's own statuses."""
    await told.a_promise()
    assert [kind for kind in told.types() if not kind.startswith("carrier.")] == [
        *("call.accepted", "call.scheduled", "callback.created"),
        *("call.dialing", "callback.due", "call.scheduled", "callback.deferred"),
        *("call.ended", "callback.ended"),
    ]
    callbacks = [body["data"]["callback"] for body in told.bodies() if body["type"].startswith("callback.")]
    assert {callback["id"] for callback in callbacks} == {"cb_call_2"}
    assert [callback["due_at"] is None for callback in callbacks] == [False, True, False, True]
    assert [callback["attempts"] for callback in callbacks] == [0, 1, 1, 1]


async def test_a_retry_is_told_with_the_end_that_asked_for_it(told: Told) -> None:
    """The new call's notices are in the same write as the old one's end, under an id and in a line of their own."""
    await told.rig.accept(retry_on=(Outcome.BUSY,))
    await told.rig.settle()
    busy = stop("user-busy", Outcome.BUSY, attribution=Attribution.CALLEE)
    await told.rig.report(LegEnded(verdict=busy, alerted=True))
    ended = next(body["data"]["call"] for body in told.bodies() if body["type"] == "call.ended")
    retry = [notice.type for notice in told.notices() if notice.about == ended["retried_as"]]
    assert (ended["id"], retry) == ("call_1", ["call.accepted", "call.scheduled", "callback.created"])


async def test_a_caller_is_told_from_the_first_ring(told: Told) -> None:
    """Who arrived is no accepted request; a message being taken is a status."""
    await told.a_caller()
    assert told.types() == ["call.arrived", "call.ringing", "call.in_progress", "call.voicemail"]
    assert {(body["data"]["call"]["from"], body["data"]["call"]["direction"]) for body in told.bodies()} == {
        ("+15550100001", "inbound")
    }


async def test_what_changes_nothing_tells_nothing(told: Told) -> None:
    """A repeated event, a refused step, a late word after the end."""
    await told.a_call()
    before = told.types()
    await told.rig.report(LegRinging())
    await told.rig.calls.hang_up("call_1")
    await told.rig.accept()
    assert told.types() == before


async def test_a_carrier_is_down_once_and_up_once(told: Told) -> None:
    """Whatever happens to its breaker in between; hands are told with who they were."""
    await told.a_carriers_trouble()
    assert told.types() == ["carrier.down", "carrier.up", "carrier.drained", "carrier.disabled", "carrier.enabled"]
    down, up, drained, *_rest = (body["data"]["carrier"] for body in told.bodies())
    assert (down["name"], down["breaker"], down["state"]) == ("a", "open", None)
    assert (up["breaker"], drained["state"], drained["by"]) == ("closed", "draining", "ops")


def test_reopening_is_no_second_outage() -> None:
    """A failed probe is not news: the carrier is down already."""
    announcer = Announcer({"all": meant((EVERYTHING,))}, lambda prefix: prefix)
    half, opened = Breaker(state=BreakerState.HALF_OPEN), Breaker(state=BreakerState.OPEN)
    assert announcer.of_breaker("a", half, opened, 0.0) == ()
    assert announcer.of_breaker("a", opened, half, 0.0) == ()
    assert announcer.of_breaker("a", Breaker(), Breaker(consecutive=1), 0.0) == ()


async def test_a_message_is_told_when_it_is_kept(told: Told) -> None:
    """Not while it is being recorded; and a recording that is thrown away was never told of."""
    await told.a_message()
    assert told.types() == ["voicemail.kept", "voicemail.deleted"]
    now = told.rig.clock.time
    recording = Voicemail(id="vm_2", carrier="a", left_at=now, collected_at=now, seconds=0, reason="r", status=RECORDING)
    assert told.announcer.of_voicemail(recording, now) == told.announcer.of_deleted(recording, now) == ()


async def test_endpoints_are_told_what_they_want(rig: Any) -> None:
    """Each its own part, under the same id; who wants nothing of it gets nothing."""
    told = Told(rig, ends=meant(("call.ended",)), carriers=meant(("carrier.*",)))
    await told.a_call()
    assert told.types("ends") == ["call.ended"]
    assert told.notices("ends")[0].id == told.notices()[-1].id
    assert told.types("carriers") == []


async def test_a_colleagues_call_names_the_one_that_is_handed_over(told: Told) -> None:
    """Else it would look like a call to a customer."""
    await told.rig.accept("call_2", handed_from="call_1")
    assert told.bodies()[0]["data"]["call"]["handed_from"] == "call_1"


async def test_without_endpoints_nothing_is_written(rig: Any) -> None:
    """The store of a gateway that tells nobody looks as it always did."""
    told = Told(rig)
    told.rig.calls.announcer = SILENT
    await told.a_call()
    assert not {"notices", "backlog", "notice_places"} & (await rig.store.dump()).keys()


async def test_a_write_that_loses_tells_nothing(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two writers of one call: what is told is what was written, once."""
    await told.rig.accept()
    await told.rig.settle()
    real, raced = told.rig.store.load, []

    async def load(call_id: str) -> Any:
        found = await real(call_id)
        if not raced:
            raced.append(call_id)
            await told.rig.report(LegRinging())
        return found

    monkeypatch.setattr(told.rig.store, "load", load)
    await told.rig.calls.hang_up("call_1")
    assert told.types().count("call.ringing") == 1
    assert len(raced) == 1


def test_patterns_mean_what_they_say() -> None:
    """A family is all of its types; a ping belongs to none."""
    assert meant(("callback.*",)) == {one for one in Happening if one.value.startswith("callback.")}
    assert meant(("call.*",)).isdisjoint(meant(("callback.*",)))
    assert Happening.PING not in meant(PATTERNS)


def test_every_status_of_a_call_has_a_type() -> None:
    """But `reconnecting`, which nothing enters yet."""
    without = {status for status in CallStatus if f"call.{status.value}" not in set(Happening)}
    assert without == {CallStatus.RECONNECTING}


# --- the page ------------------------------------------------------------------------------------------------------


def shape(value: Any) -> Any:
    """Names and kinds; null fits anything, and the user's own metadata are any words."""
    if isinstance(value, dict):
        return {key: "metadata" if key == "metadata" else shape(inner) for key, inner in sorted(value.items())}
    return None if value is None else type(value).__name__ if not isinstance(value, int | float) else "number"


def fits(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(fits(one[key], other[key]) for key in one)
    return one is None or other is None or one == other


STORIES: list[Callable[[Told], Any]] = [Told.a_call, Told.a_promise, Told.a_caller, Told.a_message, Told.a_carriers_trouble]


async def everything_told(new_rig: Any) -> dict[str, list[dict[str, Any]]]:
    """By type, all bodies of all stories."""
    found: dict[str, list[dict[str, Any]]] = {}
    for story in STORIES:
        told = Told(new_rig())
        await story(told)
        for body in told.bodies():
            found.setdefault(body["type"], []).append(body)
    ping = payload_of(Happening.PING, {"endpoint": "shop"}, 0.0)
    return found | {"webhook.ping": [json.loads(ping)]}


async def test_the_page_shows_every_type_as_it_is_sent(new_rig: Any) -> None:
    """One example of each, no other, and each has the fields of what is really sent, with values of the same kinds."""
    sent = await everything_told(new_rig)
    assert sent.keys() == {one.value for one in Happening}
    assert sorted(example["type"] for example in EXAMPLES) == sorted(sent)
    for example in EXAMPLES:
        for body in sent[example["type"]]:
            assert fits(shape(example), shape(body)), (example, body)


def test_the_page_names_every_type_and_family() -> None:
    """In its table, so that a reader finds what to ask for."""
    assert all(f"`{one}`" in PAGE for one in PATTERNS)
