"""The gateway is gone, a caller leaves a message with the carrier's fallback document, and the gateway that comes back has it."""

import asyncio
from pathlib import Path
from typing import Any

from carriers.contract import Wanted
from carriers.lab.contract import RestReply, RestRequest
from carriers.lab.http_listener import HttpListener
from carriers.lab.orders import Answer
from carriers.registry import kinds
from gateway.commands.provision import write_documents
from gateway.runtime.provisioning import Provisioning
from gateway.runtime.store.redis_store import RedisStore
from gateway.runtime.voicemail_sound import listen
from gateway.runtime.voicemails import OVERLAP_S

TYPES = {".xml": "application/xml", ".json": "application/json"}


class StaticHost:
    """Any web server, somewhere else: serves the files of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.listener = folder, HttpListener("127.0.0.1")

    def serve(self, request: RestRequest) -> Answer:
        file = self.folder / request.path.rpartition("/")[2]
        return Answer(reply=RestReply(status=200, body=file.read_bytes(), content_type=TYPES[file.suffix]))

    def documents(self) -> dict[str, str]:
        """The address of each carrier's document, by the carrier's name."""
        return {file.stem.removesuffix("-voicemail"): f"{self.listener.base_url}/{file.name}" for file in self.folder.iterdir()}


async def provision(world: Any, host: StaticHost) -> dict[str, str]:
    """Numbers point at the gateway, with the hosted document behind it."""
    await asyncio.to_thread(write_documents, world.config, host.folder)
    host.listener.start(host.serve)
    hosted = host.documents()
    wanted = {
        one.name: Wanted(carrier=one.name, public_url=world.url, numbers=one.numbers, fallback_url=hosted.get(one.name, ""))
        for one in world.config.carriers
    }
    await Provisioning({name: world.opened_carrier(name) for name in wanted}, wanted, world.clock).once()
    return hosted


def number_of(world: Any, carrier: str) -> str:
    return str(world.lab.credentials(carrier)["numbers"][0])


async def leave(world: Any, carrier: str) -> str:
    """Somebody calls, hears the greeting, speaks, and hangs up; the carrier has the recording. The caller's number."""
    caller: str = world.phone(says="speech")
    world.lab.phones.dial(caller, number_of(world, carrier), hangup_after_s=14.0)
    await world.lab.until("recording", number=caller, timeout_s=40)
    assert world.heard_speech_s(caller) > 3.0, world.lab_story()
    return caller


async def voicemails(world: Any) -> list[dict[str, Any]]:
    answer = await world.client.get(f"{world.url}/v1/voicemails")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def collected(world: Any, callers: set[str]) -> list[dict[str, Any]]:
    """The voicemails, once there is one of each of these callers."""

    async def look() -> list[dict[str, Any]] | None:
        found = await voicemails(world)
        return found if {one["from"] for one in found} >= callers else None

    found: list[dict[str, Any]] = await world.eventually(look, 20, world.lab_story)
    return found


async def test_a_message_left_while_we_were_away_comes_home_once(new_world: Any, tmp_path: Path) -> None:
    """With the caller's voice in it; another restart, and another gateway, bring no second one; deleted, it stays away."""
    world = await new_world(voicemails=str(tmp_path / "voicemails"))
    host = StaticHost(tmp_path / "static")
    try:
        hosted = await provision(world, host)
        await world.stop()
        callers = dict(zip(hosted, await asyncio.gather(*(leave(world, carrier) for carrier in hosted)), strict=True))
    finally:
        await host.listener.aclose()
    keeping = {caller: carrier for carrier, caller in callers.items() if kinds()[carrier].capabilities.keeps_messages}
    assert len(keeping) >= 2
    await world.start()
    found = await collected(world, set(keeping))
    assert {one["from"]: one["carrier"] for one in found} == keeping
    for one in found:
        await _check(world, one)
    await world.stop()
    await world.start()
    twin = await world.twin()
    await _looked_again(world, keeping)
    assert await voicemails(world) == await voicemails(twin) == found
    gone = f"{world.url}/v1/voicemails/{found[0]['id']}"
    assert (await world.client.delete(gone)).status_code == 204
    await world.stop()
    await world.start()
    await _looked_again(world, keeping)
    assert await voicemails(world) == found[1:]


async def _check(world: Any, one: dict[str, Any]) -> None:
    assert (one["to"], one["reason"], one["silent"]) == (number_of(world, one["carrier"]), "gateway-down", False)
    assert one["left_at"] < one["collected_at"]
    sound = await world.client.get(f"{world.url}/v1/voicemails/{one['id']}/audio")
    assert (sound.status_code, sound.headers["content-type"]) == (200, "audio/wav")
    heard = listen(sound.content)
    assert not heard.silent
    assert heard.seconds == one["seconds"] > 1.0


async def _looked_again(world: Any, keeping: dict[str, str]) -> None:
    """Every carrier has been asked since now, to the end, and would have told of its message."""
    now, store = world.clock.now(), RedisStore.connect(world._store_url, f"{{{world._tag}}}")

    async def look() -> bool:
        """A look that is over moves the next one's beginning."""
        turns = [await store.take_collection(carrier, world.clock.now(), 0.0) for carrier in keeping.values()]
        return all(since is not None and since > now - OVERLAP_S - 1.0 for since in turns)

    await world.eventually(look, 20)
    await store.aclose()
    for carrier in keeping.values():
        assert len(await world.opened_carrier(carrier).messages_left((number_of(world, carrier),), 0.0)) == 1
