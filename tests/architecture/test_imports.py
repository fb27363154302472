"""Imports point one way: domain decides, runtime does, web listens, carriers translate, agent talks, compliance may say no."""

import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import PurePath

from carriers.registry import kinds

Imports = Mapping[str, frozenset[str]]

OURS = frozenset({"agent", "carriers", "gateway"})
WIRES = frozenset(
    {"carriers.shot", "carriers.sdk_threads", "carriers.requests_wire", "carriers.httpx_wire", "carriers.in_memory"}
)
EVERYWHERE = frozenset({"gateway.domain"})

MAY_KNOW: Mapping[str, frozenset[str]] = {
    # The test kit is no agent: it plays a whole gateway and a lab around one. Nothing of ours imports it but tests.
    "agent/testing.py": EVERYWHERE
    | {"agent.contract", "agent.registry", "carriers.contract", "carriers.lab", "carriers.registry"}
    | {"gateway.config", "gateway.runtime", "gateway.serving"},
    "agent": EVERYWHERE,
    "carriers/__init__.py": frozenset(),
    "carriers/by_document.py": EVERYWHERE | {"carriers.contract"},
    "carriers/contract.py": EVERYWHERE | {"carriers.messages_left"},
    "carriers/httpx_wire.py": EVERYWHERE | WIRES,
    "carriers/in_memory.py": EVERYWHERE | WIRES | {"carriers.contract", "carriers.messages_left"},
    "carriers/lab": frozenset({"carriers.contract", "carriers.registry"}),
    "carriers/messages_left.py": EVERYWHERE,
    "carriers/registry.py": frozenset({"carriers", "carriers.contract"}),
    "carriers/requests_wire.py": EVERYWHERE | WIRES,
    "carriers/sdk_threads.py": EVERYWHERE | WIRES | {"carriers.contract"},
    "carriers/shot.py": EVERYWHERE,
    "gateway/__init__.py": frozenset(),
    "gateway/app.py": EVERYWHERE
    | {"agent.contract", "agent.registry", "carriers.contract", "carriers.registry"}
    | {"gateway.callback_terms", "gateway.config", "gateway.inbound_terms", "gateway.runtime", "gateway.talking", "gateway.web"}
    | {"gateway.voicemail_works", "gateway.webhook_endpoints"},
    "gateway/callback_terms.py": EVERYWHERE | {"gateway.config", "gateway.runtime"},
    # Judges real processes by the simulation's promises; starts them as commands, and imports none of their workings.
    "gateway/chaos": EVERYWHERE | {"carriers.lab", "gateway.app", "gateway.config", "gateway.runtime", "gateway.simulation"},
    "gateway/cli.py": frozenset({"gateway.commands", "gateway.demo"}),
    "gateway/commands": EVERYWHERE
    | {"carriers.contract", "carriers.lab.serve", "carriers.registry"}
    | {"gateway.chaos", "gateway.config", "gateway.runtime", "gateway.serving", "gateway.simulation"},
    "gateway/compliance": EVERYWHERE,
    "gateway/config": EVERYWHERE
    | {"agent.registry", "agent.speech", "carriers.contract", "carriers.registry", "gateway.half_characters", "gateway.strict"},
    "gateway/demo": EVERYWHERE | {"carriers.lab", "carriers.registry", "gateway.config", "gateway.runtime.store"},
    "gateway/domain": frozenset(),
    "gateway/ladder_terms.py": EVERYWHERE
    | {"gateway.callback_terms", "gateway.config", "gateway.inbound_terms", "gateway.runtime"},
    "gateway/talking.py": EVERYWHERE
    | {"agent.callback_offer", "agent.contract", "agent.goodbye", "agent.handover", "agent.hold"}
    | {"gateway.config", "gateway.ladder_terms", "gateway.runtime"},
    "gateway/voicemail_works.py": EVERYWHERE | {"agent.voicemail", "gateway.config", "gateway.runtime"},
    "gateway/inbound_terms.py": EVERYWHERE | {"gateway.config", "gateway.runtime"},
    "gateway/webhook_endpoints.py": EVERYWHERE | {"gateway.config", "gateway.runtime"},
    # It joins two agents of our own, frame by frame.
    "gateway/runtime/handover.py": EVERYWHERE | {"agent.contract", "agent.handover", "gateway.runtime"},
    "gateway/runtime": EVERYWHERE | {"agent.contract", "carriers.contract", "carriers.messages_left", "gateway.compliance"},
    "gateway/serving.py": frozenset({"agent.registry", "gateway.app", "gateway.config", "gateway.web"}),
    "gateway/simulation": EVERYWHERE
    | {"agent.contract", "carriers.contract", "carriers.in_memory", "carriers.lab", "carriers.registry", "carriers.shot"}
    | {"gateway.app", "gateway.config", "gateway.runtime", "gateway.web"},
    "gateway/half_characters.py": EVERYWHERE,
    "gateway/strict.py": EVERYWHERE,
    "gateway/web": EVERYWHERE
    | {
        "agent.twilio_stream",
        "carriers.contract",
        "gateway.config",
        "gateway.half_characters",
        "gateway.runtime",
        "gateway.strict",
    },
}
"""What each part of the tree may import of ours, beside itself. A carrier's folder is not named here: see below."""

CARRIER_KNOWS = EVERYWHERE | WIRES | {"carriers.by_document", "carriers.contract", "carriers.messages_left"}
CALLING_CARD_KNOWS = EVERYWHERE | {"carriers.contract", "carriers.in_memory", "carriers.lab.contract"}
SIMULATOR_KNOWS = frozenset(
    {f"carriers.lab.{part}" for part in ("contract", "playback", "sound", "call_audio", "call_recorder", "speaking")}
)
"""In a carrier's folder: its adapter, its `__init__`, and its simulator, which knows nothing of the gateway at all."""

APART = ("dialer", "reconciler", "callbacks", "bridge")
"""These talk through events and commands in the store, and never to each other."""

ONLY_IN: Mapping[str, frozenset[str]] = {
    "twilio": frozenset({"carriers/twilio/api.py"}),
    "telnyx": frozenset({"carriers/telnyx/api.py"}),
    "plivo": frozenset({"carriers/plivo/api.py"}),
    "vonage": frozenset({"carriers/vonage/api.py"}),
    "requests": frozenset({"carriers/requests_wire.py", "carriers/*/api.py"}),
    "urllib3": frozenset({"carriers/requests_wire.py", "carriers/*/api.py"}),
    "httpx": frozenset(
        {"carriers/httpx_wire.py", "carriers/*/api.py", "carriers/lab/webhook_sender.py", "gateway/commands/*", "gateway/demo/*"}
        | {"agent/testing.py", "gateway/chaos/*", "gateway/runtime/user_webhook_sending.py"}
    ),
    "h11": frozenset({"carriers/lab/http_listener.py"}),
    "websockets": frozenset(
        {"carriers/lab/media_client.py", "agent/socket.py", "gateway/demo/parrot.py", "gateway/web/peers.py"}
        | {"gateway/chaos/agent.py"}
    ),
    "redis": frozenset({"gateway/runtime/store/*"}),
    "litestar": frozenset(
        {"gateway/web/*", "gateway/web/console/*", "carriers/lab/control.py", "carriers/lab/control_server.py"}
        | {"carriers/lab/line_socket.py", "carriers/lab/telephone_page.py"}
    ),
    "uvicorn": frozenset({"gateway/serving.py", "carriers/lab/control_server.py"}),
    "typer": frozenset({"gateway/cli.py", "gateway/commands/*"}),
}
"""Libraries that touch the world, and where. An SDK is imported by one file: the rest cannot come to depend on it."""

PURE_LIBRARIES = frozenset(
    {
        "audioop",
        "collections",
        "dataclasses",
        "datetime",
        "enum",
        "functools",
        "hashlib",
        "itertools",
        "math",
        "msgspec",
        "re",
        "typing",
    }
    | {"warnings", "zoneinfo"}
)
"""What the domain and the compliance rules may use: nothing here awaits, listens, connects or reads a file."""

IMPURE_LIBRARIES = frozenset(
    {"asyncio", "concurrent", "multiprocessing", "threading", "subprocess", "signal"}
    | {
        "http",
        "httpx",
        "litestar",
        "redis",
        "requests",
        "select",
        "selectors",
        "socket",
        "ssl",
        "urllib3",
        "uvicorn",
        "websockets",
    }
    | {"fcntl", "os", "pathlib", "shutil", "tempfile", "logging", "structlog"}
)
"""What no carrier's folder may use outside its `api.py`, and no agent outside the socket that they share."""

AGENTS_MAY_ALSO = frozenset({"structlog"})
"""An agent tells why it was lost: nobody else knows."""


def test_every_part_imports_only_what_it_may_know(imports: Imports) -> None:
    """Each module imports of ours only its own part and what the table allows that part."""
    wrong = [
        f"{path} imports {name}"
        for path, names in imports.items()
        for name in sorted(names)
        if ours(name) and not any(under(name, allowed) for allowed in may_know(path))
    ]
    assert wrong == []


def test_a_simulator_shares_no_file_with_its_adapter(imports: Imports) -> None:
    """A simulator imports its own `simulator*` files and the lab; nothing of its folder but `__init__` imports a simulator."""
    wrong = []
    for path, names in imports.items():
        folder, _, file = path.rpartition("/")
        if folder.removeprefix("carriers/") not in kinds():
            continue
        own = sorted(name for name in names if under(name, folder.replace("/", ".")))
        of_simulators = [name for name in own if name.split(".")[2].startswith("simulator")]
        if file.startswith("simulator"):
            wrong += [f"{path} imports {name}" for name in own if name not in of_simulators]
        elif file != "__init__.py":
            wrong += [f"{path} imports {name}" for name in of_simulators]
    assert wrong == []


def test_what_works_through_the_store_is_not_wired_together(imports: Imports) -> None:
    """Dialer, reconciler, callbacks and bridge import none of each other."""
    homes = {name: f"gateway/runtime/{name}.py" for name in APART}
    wrong = [
        f"{homes[one]} imports {other}"
        for one in APART
        for other in APART
        if one != other and any(under(name, f"gateway.runtime.{other}") for name in imports[homes[one]])
    ]
    assert wrong == []


def test_libraries_that_touch_the_world_stay_where_they_belong(imports: Imports) -> None:
    """Each SDK, client, server and parser is imported in its one place only."""
    wrong = [
        f"{path} imports {library}"
        for path, names in imports.items()
        for library in sorted({name.partition(".")[0] for name in names} & set(ONLY_IN))
        if not any(PurePath(path).match(place) for place in ONLY_IN[library])
    ]
    assert wrong == []


def test_every_carriers_sdk_has_its_rule() -> None:
    """A carrier whose SDK is named like its folder stands in the table; those are all that we ship."""
    assert set(kinds()) <= set(ONLY_IN)


def test_the_core_uses_pure_libraries_only(imports: Imports) -> None:
    """Domain and compliance import nothing that could wait, listen, connect or read."""
    core = {path: names for path, names in imports.items() if path.startswith(("gateway/domain/", "gateway/compliance/"))}
    assert len(core) > 10
    assert libraries_beyond(core, allowed=PURE_LIBRARIES) == []


def test_a_carriers_folder_touches_the_world_in_its_api_only(imports: Imports) -> None:
    """Webhooks, markup, media, verdicts and simulators are pure, and so are the agents but for the socket that they share."""
    folders = {
        path: names
        for path, names in imports.items()
        if (path.split("/")[1] in kinds() and not path.endswith("/api.py"))
        or (path.startswith("agent/") and path not in {"agent/socket.py", "agent/testing.py"})
    }
    wrong = [
        f"{path} imports {library}"
        for path, names in folders.items()
        for library in sorted({name.partition(".")[0] for name in names} & IMPURE_LIBRARIES)
        if not (path.startswith("agent/") and library in AGENTS_MAY_ALSO)
    ]
    assert wrong == []


def test_only_the_registries_import_by_name(imports: Imports) -> None:
    """No module is reached by a name made at run time, past these tests, but carriers' folders and users' own agents."""
    assert [path for path, names in imports.items() if "importlib.import_module" in names or "runpy" in names] == []
    by_name = sorted(path for path, names in imports.items() if "importlib" in names)
    assert by_name == ["agent/python_agent.py", "carriers/registry.py"]


def test_no_sdk_is_imported_before_a_carrier_is_opened() -> None:
    """The whole gateway, the command line, every carrier's calling card and its simulator do without the SDKs."""
    program = (
        "import sys, gateway.cli, gateway.serving, carriers.lab.lab, carriers.registry as r;"
        "r.kinds(); carriers.lab.lab.Lab();"
        "print(*sorted(sys.modules.keys() & set(sys.argv[1:])))"
    )
    ran = subprocess.run([sys.executable, "-c", program, *kinds()], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.split() == []


# --- the rules themselves ------------------------------------------------------------------------------------------


def ours(name: str) -> bool:
    return name.partition(".")[0] in OURS


def under(name: str, package: str) -> bool:
    """Whether a dotted name is this package or module, or in it; `carriers` is only the package itself."""
    return name == package or (name.startswith(f"{package}.") and package != "carriers")


def may_know(path: str) -> Collection[str]:
    """What this file may import of ours; nothing if no rule covers it, so that a new part needs a rule."""
    for part, allowed in MAY_KNOW.items():
        if path == part or path.startswith(f"{part}/"):
            return allowed | {part.removesuffix(".py").replace("/", ".")}
    _, folder, file = (*path.split("/"), "", "")[:3]
    return _known_in_a_folder(file) | {f"carriers.{folder}"} if folder in kinds() else frozenset()


def _known_in_a_folder(file: str) -> frozenset[str]:
    if file.startswith("simulator"):
        return SIMULATOR_KNOWS
    return CALLING_CARD_KNOWS if file == "__init__.py" else CARRIER_KNOWS


def libraries_beyond(modules: Imports, allowed: frozenset[str]) -> list[str]:
    return [
        f"{path} imports {library}"
        for path, names in modules.items()
        for library in sorted({name.partition(".")[0] for name in names} - allowed - OURS)
    ]


def test_the_rules_see_what_they_should() -> None:
    """A module without a rule may import nothing of ours; a package is not confused with another that begins alike."""
    assert may_know("gateway/new_part/file.py") == frozenset()
    assert "gateway.web" not in may_know("gateway/runtime/dialer.py")
    assert "gateway.domain" not in may_know("carriers/twilio/simulator_rest.py")
    assert "carriers.telnyx" not in may_know("carriers/twilio/api.py")
    assert under("gateway.domain.call.step", "gateway.domain")
    assert not under("gateway.domains", "gateway.domain")
    assert not under("carriers.twilio.api", "carriers")
    assert libraries_beyond({"gateway/domain/x.py": frozenset({"socket", "enum.StrEnum"})}, PURE_LIBRARIES) == [
        "gateway/domain/x.py imports socket"
    ]
