"""What `holdline check` says of the directory of voicemails."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.commands.check_storage import look_at_storage
from gateway.config.reading import load_lab_config
from gateway.config.structs import Config
from gateway.runtime.store.embedded import EmbeddedServer
from gateway.runtime.store.redis_store import RedisStore
from gateway.runtime.voicemail_marker import MARKER, claim

SHIPPED = Path(__file__).parents[2] / "config.yaml"
LAB: dict[str, dict[str, Any]] = {
    "twilio": {"account_sid": "AC1", "auth_token": "t"},
    "telnyx": {"api_key": "KEY", "public_key": "p", "connection_id": "1"},
    "plivo": {"auth_id": "MA1", "auth_token": "t"},
    "vonage": {"application_id": "a", "private_key": "k", "api_key": "k", "api_secret": "s", "signature_secret": "s"},
}
for _entry in LAB.values():
    _entry |= {"base_url": "http://127.0.0.1:4010", "numbers": ["+15550190000"]}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer(tmp_path / "data") as running:
        yield running


def config_of(tmp_path: Path, folder: str = "", url: str | None = None) -> Config:
    config = load_lab_config(SHIPPED, {}, LAB, "http://127.0.0.1:8080")
    store = replace(config.store, dir=str(tmp_path / "data"), url=url)
    return replace(config, store=store, storage=replace(config.storage, dir=folder or None))


async def test_before_the_first_start_nothing_is_made(tmp_path: Path) -> None:
    """No server, no directory: the start will compare."""
    finding = await look_at_storage(config_of(tmp_path))
    assert finding.ok
    assert "when the gateway starts" in finding.detail
    assert not (tmp_path / "data").exists()


async def test_a_running_store_is_asked(tmp_path: Path, server: EmbeddedServer) -> None:
    """Embedded or not: its directory is well, and another one is named with the key and the cure."""
    store = RedisStore.connect(server.url)
    await claim(tmp_path / "data" / "voicemails", store, lambda prefix: f"{prefix}_1")
    await store.aclose()
    for url in (None, server.url):
        finding = await look_at_storage(config_of(tmp_path, url=url))
        assert (finding.ok, "this store's" in finding.detail) == (True, True)
        wrong = await look_at_storage(config_of(tmp_path, str(tmp_path / "elsewhere"), url))
        assert not wrong.ok
        assert str(tmp_path / "elsewhere") in wrong.detail
        assert "storage.dir" in wrong.cure
        assert str(tmp_path / "elsewhere" / MARKER) in wrong.cure
    assert not (tmp_path / "elsewhere").exists()


async def test_a_store_that_is_down_cannot_be_asked(tmp_path: Path) -> None:
    """Somebody else's server is needed; our own is started with the gateway."""
    finding = await look_at_storage(config_of(tmp_path, url=f"unix://{tmp_path}/nobody.sock"))
    assert (finding.ok, "store.url" in finding.cure) == (False, True)


async def test_a_directory_that_cannot_be_made_is_found(tmp_path: Path) -> None:
    """Before a caller finds it."""
    (tmp_path / "file").write_text("")
    finding = await look_at_storage(config_of(tmp_path, str(tmp_path / "file")))
    assert (finding.ok, str(tmp_path / "file") in finding.detail) == (False, True)
