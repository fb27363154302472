"""A lab in a process of its own, driven over its control surface by blocking code."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from carriers.lab.remote import LabRefused, RemoteLab, started
from carriers.registry import kinds

NAME = min(kinds())
PERSON = "+15550107001"


@pytest.fixture(scope="module")
def shared() -> Iterator[RemoteLab]:
    """One lab with one carrier for the module."""
    with started([NAME]) as lab:
        yield lab


@pytest.fixture
def remote(shared: RemoteLab) -> RemoteLab:
    """It, fresh."""
    shared.reset()
    return shared


def test_it_knows_its_carriers(remote: RemoteLab) -> None:
    """Credentials are those of the control surface; a carrier that was not asked for is named with those that are there."""
    assert remote.carriers == (NAME,)
    assert httpx.get(f"{remote.url}/lab/credentials", trust_env=False).json() == {NAME: remote.credentials(NAME)}
    with pytest.raises(KeyError, match=f"it has {NAME}"):
        remote.credentials("nobody")


def test_phones_and_faults_are_set_over_the_wire(remote: RemoteLab) -> None:
    """What is put is reported, what is set is in force, and reset forgets it."""
    assert remote.phones.put(PERSON, behavior="busy")["behavior"] == "busy"
    remote.set_faults(NAME, {"kind": "slow", "s": 2})
    assert [entry["faults"] for entry in remote.ledger("fault")] == [["slow"]]
    remote.reset()
    assert (remote.phones.get(PERSON)["behavior"], remote.ledger()) == ("answer", [])


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        (lambda lab: lab.set_faults(NAME, {"kind": "nope"}), "faults.0..kind: must be one of"),
        (lambda lab: lab.set_faults("nobody"), f"there are: {NAME}"),
        (lambda lab: lab.phones.put(PERSON, behaviour="busy"), "behaviour: unknown field"),
        (lambda lab: lab.phones.put("alice"), "3 to 15 digits"),
        (lambda lab: lab.phones.dial(PERSON, "+15550199999"), "no carrier's number"),
        (lambda lab: lab.phones.press(PERSON, "x"), "digit: must be one of"),
        (lambda lab: lab.phones.audio(PERSON), "no such answered call"),
        (lambda lab: lab.ask("POST", f"/lab/phones/{PERSON}/press", {}), "digit: say which key"),
        (lambda lab: lab.ask("GET", "/lab/ledger?wait_s=1e9"), "wait_s: must be a number"),
    ],
)
def test_refusals_carry_the_cure(remote: RemoteLab, deed: Any, says: str) -> None:
    """What the control surface refuses raises an error that says field and cure."""
    with pytest.raises(LabRefused, match=says):
        deed(remote)


def test_people_do_nothing_without_a_call(remote: RemoteLab) -> None:
    """Answering, hanging up and pressing say that there was nothing to do it to."""
    phones = remote.phones
    assert [phones.answer(PERSON), phones.hang_up(PERSON), phones.press(PERSON, "5")] == [False, False, False]


def test_waiting_ends_with_the_entry(remote: RemoteLab) -> None:
    """An entry that is there, or comes, ends the wait; what does not come is a time-out that shows the ledger."""
    remote.set_faults(NAME, {"kind": "slow", "s": 2})
    assert remote.until("fault", carrier=NAME)[0]["faults"] == ["slow"]
    with pytest.raises(TimeoutError, match=r"no 1 x ring within 0.05 s; the ledger: .*slow"):
        remote.until("ring", timeout_s=0.05)


async def test_an_event_loop_may_wait_too(remote: RemoteLab) -> None:
    """While one task waits for the ledger, others go on and may cause what it waits for."""
    waiting = asyncio.create_task(remote.until_async("fault", count=2))
    await asyncio.to_thread(remote.set_faults, NAME)
    await asyncio.to_thread(remote.set_faults, NAME)
    assert len(await asyncio.wait_for(waiting, 5)) == 2


def test_the_lab_ends_with_its_starter() -> None:
    """A suite that is killed leaves no lab behind: the lab's standard output ends when its starter's pipe does."""
    command = [sys.executable, "-m", "carriers.lab", f'{{"kinds": ["{NAME}"]}}']
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert b'"ready": true' in process.stdout.readline()
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(10) == 0


def test_a_lab_that_cannot_start_says_why() -> None:
    """A carrier that there is not is no lab, and no process is left."""
    with pytest.raises(RuntimeError, match="did not start"), started(["nobody"]):
        pass
