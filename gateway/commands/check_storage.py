"""Whether the directory of voicemails is this store's, and can be written: messages are promised to callers."""

from pathlib import Path

from carriers.contract import Finding
from gateway.config.structs import Config
from gateway.domain.errors import Misconfigured, StoreUnavailable
from gateway.runtime.store.data_directory import DataDirectory
from gateway.runtime.store.redis_store import RedisStore
from gateway.runtime.voicemail_marker import look

WHAT = "voicemails"


async def look_at_storage(config: Config) -> Finding:
    """Makes nothing. An embedded server is asked only while it runs: `check` starts none."""
    store = None
    try:
        url = config.store.url or _running(Path(config.store.dir))
        store = RedisStore.connect(url, f"{{{config.store.tag}}}") if url else None
        return Finding(what=WHAT, ok=True, detail=await look(Path(config.voicemail_dir), store))
    except Misconfigured as error:
        (problem,) = error.problems
        return Finding(what=WHAT, ok=False, detail=problem.found, cure=f"{problem.path}: {problem.allowed}")
    except StoreUnavailable as error:
        return _unasked(config, error)
    finally:
        if store is not None:
            await store.aclose()


def _unasked(config: Config, error: StoreUnavailable) -> Finding:
    """A store of its own that is down is nobody's fault here: the gateway starts it."""
    if config.store.url is None:
        return Finding(what=WHAT, ok=True, detail=f"{config.voicemail_dir}, compared with the store when the gateway starts")
    return Finding(what=WHAT, ok=False, detail=f"the store cannot be asked: {error}", cure="see store.url in config.yaml")


def _running(data_dir: Path) -> str:
    """The address of the embedded server, if one was left running; empty if not."""
    if not (data_dir / "store").is_dir():
        return ""
    running = DataDirectory(data_dir).running()
    return f"unix://{running.socket}" if running is not None and running.pid else ""
