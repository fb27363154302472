"""A fifth carrier is a fifth folder and nothing else: one is put where the registry looks, and calls go through it.

The folder is `fifth_carrier/` beside this file; its README says what it speaks. Gateway, lab and store are the real ones.
"""

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import carriers
from carriers.contract import Carrier, CarrierSettings
from carriers.lab.lab import Lab
from carriers.registry import kinds
from gateway.config import load_lab_config, read_config
from gateway.config.document import Source
from gateway.domain.errors import Misconfigured
from gateway.serving import bind, served

KIND = "sparrow"
OLD = "twilio"
KEY = "fifth-carrier-key-0123456789"
ROOT = Path(__file__).parents[2]
PERSON = "+15550108101"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The one folder, installed for the length of a test: below `carriers`, though not in this repository."""
    home = tmp_path / "more_carriers"
    shutil.copytree(Path(__file__).parent / "fifth_carrier", home / KIND, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(carriers, "__path__", [*carriers.__path__, str(home)])
    kinds.cache_clear()
    yield home / KIND
    kinds.cache_clear()
    forget(f"carriers.{KIND}")
    vars(carriers).pop(KIND, None)


def forget(package: str) -> None:
    """Let no other test find what was imported from a folder of this one."""
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


class World:
    """A lab with the fifth carrier and an old one, and a gateway whose config names both, in an order that the test chose."""

    def __init__(self, lab: Lab, client: httpx.AsyncClient) -> None:
        self.lab, self._client = lab, client

    async def call(self, **body: Any) -> str:
        answer = await self._client.post("/v1/calls", json={"to": PERSON, "agent": "echo", **body})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def seen(self, call_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self._client.get(f"/v1/calls/{call_id}")).json()
        return found

    async def ended(self, call_id: str) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            call = await self.seen(call_id)
            return call if call["status"] == "ended" else None

        found: dict[str, Any] = await self.eventually(look)
        return found

    async def talks(self) -> None:
        """Until the person hears their own voice, which the agent gives back."""

        async def look() -> bool | None:
            call = self.lab.phones.call(PERSON)
            return (call is not None and call.measure(self.lab.now()).speech_seconds > 0.1) or None

        await self.eventually(look)

    async def eventually(self, look: Callable[[], Awaitable[Any]]) -> Any:
        deadline = asyncio.get_running_loop().time() + 15
        while (found := await look()) is None:
            assert asyncio.get_running_loop().time() < deadline, [entry.flat() for entry in self.lab.ledger.entries()]
            await asyncio.sleep(0.1)
        return found

    async def post(self, path: str, body: bytes) -> httpx.Response:
        return await self._client.post(path, content=body)

    def rings(self) -> list[tuple[str, str]]:
        """(carrier, caller id) of each ring."""
        return [(entry.carrier, entry.more["caller_id"]) for entry in self.lab.ledger.entries("ring", number=PERSON)]

    def number_of(self, carrier: str) -> str:
        return str(self.lab.credentials(carrier)["numbers"][0])


def config_file(home: Path, order: list[str]) -> Path:
    """A user's config.yaml that names these carriers: for the new one as many lines as for any other."""
    document = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    known = {entry["kind"]: entry for entry in document["carriers"]}
    new = {
        "name": KIND,
        "kind": KIND,
        "credentials": {"api_key": "${SPARROW_KEY}", "signing_secret": "${SPARROW_SECRET}"},
        "numbers": ["${SPARROW_NUMBER}"],
    }
    document["carriers"] = [known.get(kind, new) for kind in order]
    document["store"]["dir"] = str(home / "store")
    document["dialing"] |= {"resolve_for_s": 2, "ring_timeout_s": 10}
    written = home / "config.yaml"
    written.write_text(yaml.safe_dump(document), encoding="utf-8")
    return written


@asynccontextmanager
async def opened(home: Path, order: list[str]) -> AsyncIterator[World]:
    async with Lab(seed=5, kinds=order, knobs={OLD: {"calls_per_second": 100.0, "ring_extra_s": 0.0}}) as lab:
        lab.phones.put(PERSON, answer_after_s=0.2)
        listener = bind("127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        credentials = {name: lab.credentials(name) for name in order}
        config = load_lab_config(config_file(home, order), {"HOLDLINE_API_KEY": KEY}, credentials, url)
        headers = {"authorization": f"Bearer {KEY}"}
        client = httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=30)
        try:
            async with client, served(config, listener):
                yield World(lab, client)
        finally:
            listener.close()
        assert lab.ledger.entries("crash") == []


@pytest.mark.usefixtures("folder")
def test_the_registry_finds_it() -> None:
    """The folder alone makes it a carrier kind, with the files that every carrier has."""
    assert sorted(kinds()) == sorted([KIND, "plivo", "telnyx", "twilio", "vonage"])
    assert kinds()[KIND].title == "Sparrow"


def test_it_is_gone_without_its_folder() -> None:
    """What the other tests install they take away again."""
    assert KIND not in kinds()
    assert f"carriers.{KIND}" not in sys.modules


async def test_it_may_live_in_a_package_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed by somebody else, it is found by its entry point, under whatever name its package has."""
    shutil.copytree(Path(__file__).parent / "fifth_carrier", tmp_path / "somebodys_carrier")
    installed = tmp_path / "somebodys_carrier-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-carrier\nVersion: 1.0\n", encoding="utf-8")
    (installed / "entry_points.txt").write_text(f"[holdline.carriers]\n{KIND} = somebodys_carrier:KIND\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    kinds.cache_clear()
    try:
        found = kinds()[KIND]
        settings = CarrierSettings(name="s", credentials=found.credentials(api_key="k", signing_secret="s"))
        carrier: Carrier = found.open(settings, lambda: 0.0)
        assert carrier.capabilities == found.capabilities
        await carrier.aclose()
    finally:
        kinds.cache_clear()
        forget("somebodys_carrier")


@pytest.mark.usefixtures("folder")
def test_its_credentials_are_checked_like_any_others() -> None:
    """config.yaml is read by the folder's own struct: a misspelt key is named, with what is allowed."""
    entry = {"name": "s", "kind": KIND, "numbers": ["+15550190001"], "credentials": {"api_key": "k", "signing_secert": "s"}}
    document = {
        "carriers": [entry],
        "routes": [{"name": "all", "agent": "echo"}],
        "agents": [{"name": "echo", "kind": "echo"}],
        "server": {"public_url": "https://gw.example.com"},
    }
    with pytest.raises(Misconfigured) as caught:
        read_config(Source(name="config.yaml", document=document), {})
    told = {problem.path: f"{problem.found}; {problem.allowed}" for problem in caught.value.problems}
    assert told == {
        "carriers[0].credentials.signing_secert": "an unknown key; did you mean `signing_secret`?",
        "carriers[0].credentials.signing_secret": "nothing; this key is required: text",
    }


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"kind": "down"}, id="down"),
        pytest.param({"kind": "reject", "cause": "503"}, id="rejected-later"),
    ],
)
async def test_a_call_fails_over_to_it(tmp_path: Path, fault: Mapping[str, Any]) -> None:
    """The old carrier fails; the phone rings once, through the new one with its own number, and both hear each other."""
    async with opened(tmp_path, [OLD, KIND]) as world:
        world.lab.set_faults(OLD, [dict(fault)])
        call_id = await world.call()
        await world.talks()
        world.lab.phones.hang_up(PERSON)
        call = await world.ended(call_id)
    assert call["outcome"] == "completed"
    assert [leg["carrier"] for leg in call["legs"]] == [OLD, KIND]
    assert world.rings() == [(KIND, world.number_of(KIND))]
    assert [entry.carrier for entry in world.lab.ledger.entries("bridge")] == [KIND]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("fault", "known"),
    [
        pytest.param({"kind": "down"}, "not_sent", id="down"),
        pytest.param({"kind": "rate_limited"}, "refused", id="refused"),
        pytest.param({"kind": "reject", "cause": "storm"}, "refused", id="rejected-later"),
        pytest.param({"kind": "blackhole", "prefix": PERSON}, "unknown", id="black-hole"),
    ],
)
async def test_a_call_fails_over_from_it(tmp_path: Path, fault: Mapping[str, Any], known: str) -> None:
    """The new carrier fails in a way that its own table judges; the phone rings once, through the old one."""
    async with opened(tmp_path, [KIND, OLD]) as world:
        world.lab.set_faults(KIND, [dict(fault)])
        call_id = await world.call()
        await world.talks()
        world.lab.phones.hang_up(PERSON)
        call = await world.ended(call_id)
    assert call["outcome"] == "completed"
    assert [leg["carrier"] for leg in call["legs"]] == [KIND, OLD]
    assert call["legs"][0]["knowledge"] == known
    assert world.rings() == [(OLD, world.number_of(OLD))]


@pytest.mark.usefixtures("folder")
async def test_its_lost_answer_is_no_second_ring(tmp_path: Path) -> None:
    """It took the dial and its answer was lost: the call is known by its webhooks or a look-up, and goes on where it is."""
    async with opened(tmp_path, [KIND, OLD]) as world:
        world.lab.set_faults(KIND, [{"kind": "drop_after_accept"}])
        call_id = await world.call()
        await world.talks()
        world.lab.phones.hang_up(PERSON)
        call = await world.ended(call_id)
    assert call["outcome"] == "completed"
    assert [leg["carrier"] for leg in call["legs"]] == [KIND]
    assert world.rings() == [(KIND, world.number_of(KIND))]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("behavior", "outcome"), [("busy", "busy"), ("decline", "declined"), ("invalid", "invalid_number")], ids=lambda word: word
)
async def test_its_causes_end_a_call_as_its_table_says(tmp_path: Path, behavior: str, outcome: str) -> None:
    """What concerns the person and not the carrier ends the call, and no other carrier is asked."""
    async with opened(tmp_path, [KIND, OLD]) as world:
        world.lab.phones.put(PERSON, behavior=behavior, answer_after_s=0.2)
        call = await world.ended(await world.call())
    assert call["outcome"] == outcome
    assert [leg["carrier"] for leg in call["legs"]] == [KIND]


@pytest.mark.usefixtures("folder")
async def test_a_forged_webhook_of_its_changes_nothing(tmp_path: Path) -> None:
    """Its own signature guards its webhooks: an unsigned report of a live call's end gets 403, and the call goes on."""
    async with opened(tmp_path, [KIND, OLD]) as world:
        call_id = await world.call()
        await world.talks()
        before = await world.seen(call_id)
        leg = before["legs"][0]
        path = f"/carriers/{KIND}/hooks/{call_id}/{leg['id']}/report"
        answer = await world.post(path, b'{"event":"ended","call":"x","serial":9,"cause":"talked"}')
        assert answer.status_code == 403
        assert await world.seen(call_id) == before
        world.lab.phones.hang_up(PERSON)
        await world.ended(call_id)


def test_the_dial_contract_holds_for_it(folder: Path) -> None:
    """The contract of every dial, unchanged and in a process of its own, finds the new folder and holds in every test."""
    # The warning is of the plugin for other people's suites, which is never imported before pytest there.
    program = (
        "import sys, carriers, pytest;"
        "carriers.__path__.append(sys.argv[1]);"
        "strict = ['-W', 'error', '-W', 'ignore::pytest.PytestAssertRewriteWarning'];"
        "sys.exit(pytest.main(['tests/contracts/test_dial_is_one_post.py', '-k', sys.argv[2], *strict]))"
    )
    command = [sys.executable, "-c", program, str(folder.parent), KIND]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # As many tests as each of the others has; a skipped one would stand in this line.
    counted = re.search(r"^(\d+) passed, (\d+) deselected in", ran.stdout, re.MULTILINE)
    assert counted is not None, ran.stdout
    assert int(counted[2]) == int(counted[1]) * (len(kinds()) - 1)
