"""The simulated Telnyx' a leg's life, from dial to hang-up."""

import json
from typing import Any

import pytest

from carriers.lab.contract import (
    WebhookReply,
)
from carriers.telnyx.simulator import TelnyxSimulator

NOW = 1_795_000_000.0


def test_a_call_that_is_answered_and_hung_up_by_the_person(new_world: Any) -> None:
    """Initiated, answered, streaming.started, then streaming.stopped and hangup; never a word of ringing."""
    world = new_world()
    ref = world.place()
    world.phone(ref, "ringing")
    world.phone(ref, "answered")
    world.phone(ref, "ended", cause="normal", by="phone")
    assert world.told() == ["call.initiated", "call.answered", "streaming.started", "streaming.stopped", "call.hangup"]
    assert world.hangup()[:2] == ("normal_clearing", "callee")
    assert world.telnyx.live_calls() == 0


@pytest.mark.parametrize(
    ("cause", "by", "words"),
    [
        ("busy", "phone", ("user_busy", "callee", "486")),
        ("declined", "phone", ("call_rejected", "callee", "603")),
        ("no_answer", "network", ("no_answer", "callee", "480")),
        ("unreachable", "network", ("unspecified", "callee", "480")),
        ("normal", "network", ("unspecified", "unknown", "unspecified")),
    ],
)
def test_what_the_telephone_network_says_in_telnyx_words(
    new_world: Any, cause: str, by: str, words: tuple[str, str, str]
) -> None:
    """Each cause of the network has its hang-up; a line lost in the network is the one without a word."""
    world = new_world()
    world.phone(world.place(), "ended", cause=cause, by=by)
    assert world.hangup() == words


def test_a_number_that_does_not_exist_takes_the_network_its_time(new_world: Any) -> None:
    """A 404 of the telephone network never comes at once; that is how it differs from Telnyx' own."""
    world = new_world()
    world.phone(world.place(), "ended", cause="invalid", by="network")
    assert world.told() == ["call.initiated"]
    world.wake("end")
    assert (world.hangup(), world.now - NOW) == (("not_found", "callee", "404"), 1.5)


@pytest.mark.parametrize("cause", sorted(TelnyxSimulator.causes))
def test_every_reject_cause_ends_the_leg_before_any_ringing(new_world: Any, cause: str) -> None:
    """The fault `reject` accepts the dial, rings nobody, and hangs up with its cause."""
    world = new_world()
    world.cause = cause
    world.place()
    world.wake("end")
    assert cause in world.hangup()
    assert not world.dialled


def test_a_foreign_caller_id_is_found_out_late(new_world: Any) -> None:
    """An unverified caller id is no refusal of the dial; it comes as a hang-up with 403."""
    world = new_world()
    world.place(**{"from": "+15550190099"})
    world.wake("end")
    assert world.hangup() == ("call_rejected", "unknown", "403")


@pytest.mark.parametrize(("retries", "cause"), [(False, "no_answer"), (True, "timeout"), (None, "timeout")])
def test_ringing_ends_with_its_time_out(new_world: Any, retries: bool | None, cause: str) -> None:
    """After timeout_secs the leg ends; `retry_on_timeout` chooses the word."""
    world = new_world()
    world.place(timeout_secs=7, retry_on_timeout=retries)
    world.wake("ring")
    assert (world.hangup()[0], world.now - NOW) == (cause, 7.0)


def test_a_call_ends_with_its_time_limit(new_world: Any) -> None:
    """time_limit_secs counts from the answer."""
    world = new_world()
    ref = world.place(time_limit_secs=60)
    world.now += 3
    world.phone(ref, "answered")
    world.wake("limit")
    assert (world.hangup()[0], world.now - NOW) == ("time_limit", 63.0)


@pytest.mark.parametrize(("answered", "cause"), [(False, "originator_cancel"), (True, "normal_clearing")])
def test_a_hang_up_by_command(new_world: Any, answered: bool, cause: str) -> None:
    """The command ends the leg; a second one is answered with 90018, one for a strange id with 90015."""
    world = new_world()
    ref = world.place()
    if answered:
        world.phone(ref, "answered")
    assert json.loads(world.ask("POST", f"/v2/calls/{ref}/actions/hangup", {}).body) == {"data": {"result": "ok"}}
    assert world.hangup()[:2] == (cause, "caller")
    assert world.error(world.ask("POST", f"/v2/calls/{ref}/actions/hangup")) == (422, "90018", "")
    assert world.error(world.ask("POST", "/v2/calls/v3:none/actions/hangup")) == (422, "90015", "")


def test_a_leg_can_be_hung_up_while_its_rejection_is_on_its_way(new_world: Any) -> None:
    """The command wins, and the timer that comes later changes nothing."""
    world = new_world()
    world.cause = "503"
    ref = world.place()
    world.ask("POST", f"/v2/calls/{ref}/actions/hangup")
    assert world.hangup()[0] == "originator_cancel"
    world.wake("end")
    assert world.told().count("call.hangup") == 1


def test_a_happy_call_may_end_with_503(new_world: Any) -> None:
    """A knob turns on what was captured on a real leg."""
    world = new_world(normal_sip="503")
    ref = world.place()
    world.phone(ref, "answered")
    world.ask("POST", f"/v2/calls/{ref}/actions/hangup")
    assert world.hangup() == ("normal_clearing", "caller", "503")


@pytest.mark.parametrize(("knob", "expected"), [(True, ["streaming.stopped"]), (False, [])])
def test_a_stream_that_never_began_may_stop(new_world: Any, knob: bool, expected: list[str]) -> None:
    """A dial with a stream that nobody answered also yields streaming.stopped, says one project; a knob says no."""
    world = new_world(stopped_when_unanswered=knob)
    world.phone(world.place(), "ended", cause="busy", by="phone")
    assert world.told() == ["call.initiated", *expected, "call.hangup"]


def test_reset_forgets_calls_and_keeps_the_account(new_world: Any) -> None:
    """Credentials outlive the calls, and late timers and replies of an earlier life do nothing."""
    world = new_world()
    ref = world.place()
    world.telnyx.reset()
    assert (world.telnyx.live_calls(), world.telnyx.credentials()) == (0, world.credentials)
    world.wake("ring")
    world.phone(ref, "answered")
    world.telnyx.on_webhook_reply(world.now, world.hooks[0].id, WebhookReply(status=500))
    assert world.told() == ["call.initiated"]
