"""A lab and a gateway as processes of their own, used as in two terminals."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.commands.failure import Failure
from gateway.commands.lab_access import lab_credentials

KEY = "cli-test-key-0123456789"
PHONE = "+15550100001"


class World:
    """A gateway with its lab, and the commands that talk to it."""

    def __init__(self, cli: Any, told: dict[str, Any]) -> None:
        self._cli, self.told = cli, told
        self.url, self._lab = told["url"], told["lab"]

    def run(self, *arguments: str, key: str = KEY) -> "subprocess.CompletedProcess[str]":
        """Run `holdline` against the gateway."""
        told: subprocess.CompletedProcess[str] = self._cli.run(*arguments, "--url", self.url, HOLDLINE_API_KEY=key)
        return told

    def set_phone(self, **setup: object) -> None:
        """Tell the called phone what to do."""
        httpx.put(f"{self._lab}/lab/phones/{PHONE}", json=setup, trust_env=False).raise_for_status()

    def set_faults(self, carrier: str, *kinds: str) -> None:
        """Break a carrier, or mend it."""
        faults = {"faults": [{"kind": kind} for kind in kinds]}
        httpx.put(f"{self._lab}/lab/carriers/{carrier}/faults", json=faults, trust_env=False).raise_for_status()

    def ledger(self, kind: str) -> list[dict[str, Any]]:
        """What really happened."""
        entries: list[dict[str, Any]] = httpx.get(f"{self._lab}/lab/ledger?kind={kind}", trust_env=False).json()["entries"]
        return entries

    def calls(self) -> list[str]:
        """The ids of all calls that the gateway has accepted."""
        answer = httpx.get(f"{self.url}/v1/calls", headers={"Authorization": f"Bearer {KEY}"}, trust_env=False)
        return [call["id"] for call in answer.json()["items"]]


@pytest.fixture(scope="module")
def world(module_cli: Any) -> Iterator[World]:
    """`holdline lab` and `holdline serve --lab` on free ports."""
    with module_cli.running("lab", "--port", "0", "--json") as lab:
        arguments = ("--json", "--lab", lab.ready()["url"], "--port", "0", "--data", str(module_cli.folder))
        with module_cli.running("serve", *arguments, HOLDLINE_API_KEY=KEY) as gateway:
            yield World(module_cli, gateway.ready())


def test_it_says_what_it_serves(world: World) -> None:
    """The line for machines names URL, carriers in order, store and lab; /healthz answers at the URL."""
    assert httpx.get(f"{world.url}/healthz", trust_env=False).json() == {"status": "ok"}
    assert world.told["public_url"] == world.url
    assert world.told["carriers"] == ["twilio", "telnyx", "plivo", "vonage"]
    assert world.told["store"].startswith("embedded in ")


def test_a_call_is_placed_and_watched(world: World) -> None:
    """`call --wait` tells each step of the way around a dead carrier, and ends with 0 when the person was reached."""
    world.set_phone(behavior="answer", answer_after_s=0.2, hangup_after_s=1)
    world.set_faults("twilio", "down")
    rings = len(world.ledger("ring"))
    told = world.run("call", PHONE, "--agent", "echo", "--wait")
    world.set_faults("twilio")
    assert (told.returncode, told.stderr) == (0, "")
    assert "agent echo" in told.stdout
    assert "twilio did not deliver it" in told.stdout
    assert "ringing through telnyx" in told.stdout
    assert "ended: completed" in told.stdout
    assert [entry["carrier"] for entry in world.ledger("ring")[rings:]] == ["telnyx"]


def test_machines_get_the_call(world: World) -> None:
    """`call --json --wait` prints the call as the API has it, once it has ended; a busy phone is exit code 1."""
    world.set_phone(behavior="busy")
    told = world.run("call", PHONE, "--json", "--wait")
    call = json.loads(told.stdout)
    assert (told.returncode, call["status"], call["outcome"]) == (1, "ended", "busy")


def test_an_accepted_call_is_enough_without_wait(world: World) -> None:
    """Without --wait the command ends at once, with the call's id and where to look."""
    world.set_phone(behavior="answer", answer_after_s=0.2, hangup_after_s=0.5)
    told = world.run("call", PHONE)
    call_id = told.stdout.split()[0]
    assert told.returncode == 0
    assert f"{world.url}/v1/calls/{call_id}" in told.stdout
    assert call_id in world.calls()


def test_a_call_that_cannot_be(world: World) -> None:
    """Every wrong field is named, and no call is made of it."""
    calls = world.calls()
    told = world.run("call", "+1555", "--from", "nobody")
    assert told.returncode == 1
    assert "to: found" in told.stderr
    assert "from: found" in told.stderr
    assert world.calls() == calls


def test_carriers_are_listed(world: World) -> None:
    """One line for each carrier in order of priority, without colours in a pipe; --json is the API's own answer."""
    told = world.run("carriers")
    lines = [line.split() for line in told.stdout.splitlines()]
    assert [line[0] for line in lines] == ["carrier", "twilio", "telnyx", "plivo", "vonage"]
    assert "\x1b" not in told.stdout
    data = json.loads(world.run("carriers", "--json").stdout)
    assert [carrier["priority"] for carrier in data["items"]] == [1, 2, 3, 4]


def test_a_route_is_explained(world: World) -> None:
    """One line for each carrier in the order of the dial, with caller id and reason; nothing is dialled."""
    calls = world.calls()
    lines = world.run("route", "+15550108444").stdout.splitlines()
    assert lines[0] == "+15550108444 by route default, agent receptionist"
    assert [line.split()[:2] for line in lines[1:]] == [
        ["place", "carrier"],
        *([str(place), name] for place, name in enumerate(("twilio", "telnyx", "plivo", "vonage"), 1)),
    ]
    assert all("priority" in line for line in lines[2:])
    told = json.loads(world.run("route", "+15550108444", "--json").stdout)
    assert [one["place"] for one in told["carriers"]] == [1, 2, 3, 4]
    wrong = world.run("route", "+4930123456")
    assert wrong.returncode == 1
    assert "no route matches" in wrong.stderr
    assert world.calls() == calls


def test_a_wrong_key(world: World) -> None:
    """A key that the gateway does not know is named by its variable."""
    told = world.run("carriers", key="another-key-0123456789")
    assert told.returncode == 1
    assert "HOLDLINE_API_KEY must be" in told.stderr


def test_it_waits_for_its_lab_and_ends_cleanly(cli: Any, free_port: int) -> None:
    """A gateway may be started before its lab; without calls SIGTERM ends both with 0 within seconds, and the store too."""
    cli.keep("telnyx")
    url = f"http://127.0.0.1:{free_port}"
    with (
        cli.running("serve", "--lab", url, "--port", "0", "--data", "data", HOLDLINE_API_KEY=KEY) as gateway,
        cli.running("lab", "--port", str(free_port)) as lab,
    ):
        line = gateway.line()
        assert line.startswith("Holdline is ready at http://127.0.0.1:")
        assert f"in the lab at {url}" in line
        assert (gateway.end(signal.SIGTERM), lab.end(signal.SIGTERM)) == (0, 0)
    assert "Traceback" not in gateway.said()
    assert not (cli.folder / "data" / "store" / "running.json").exists()


def test_a_gateway_without_a_key_says_so(cli: Any) -> None:
    """Without any key the log names the variable, because every request would be refused; Ctrl-C ends it with 0."""
    cli.keep("plivo")
    with cli.running("lab", "--port", "0", "--json") as lab:
        lab_url = lab.ready()["url"]
        with cli.running("serve", "--lab", lab_url, "--port", "0", "--json", "--data", "data") as gateway:
            url = gateway.ready()["url"]
            assert httpx.get(f"{url}/v1/carriers", trust_env=False).status_code == 401
            assert gateway.end(signal.SIGINT) == 0
    assert "HOLDLINE_API_KEY" in gateway.said()


def test_a_taken_port_of_the_lab_as_json(cli: Any, taken_port: int) -> None:
    """The lab's failure for machines has the same shape as every other command's."""
    told = cli.run("lab", "--port", str(taken_port), "--json")
    failure = json.loads(told.stdout)
    assert (told.returncode, failure["ok"]) == (1, False)
    assert "--port" in failure["cure"]


def test_no_lab(free_port: int) -> None:
    """A lab that never comes is waited for, which is said once, and then named with the cure."""
    waiting: list[bool] = []
    with pytest.raises(Failure) as caught:
        lab_credentials(f"http://127.0.0.1:{free_port}", 0.6, lambda: waiting.append(True))
    assert waiting == [True]
    assert caught.value.said == f"No lab answers at http://127.0.0.1:{free_port}."
    assert "holdline lab" in caught.value.cure


def test_a_wrong_file_is_said_before_the_lab_is_looked_for(cli: Any, free_port: int) -> None:
    """What is no YAML does not wait for a lab."""
    Path(cli.folder / "config.yaml").write_text("carriers: [")
    told = cli.run("serve", "--lab", f"http://127.0.0.1:{free_port}")
    assert told.returncode == 2
    assert "waiting-for-the-lab" not in told.stderr
