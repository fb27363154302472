"""HAProxy on the configuration that users take."""

from pathlib import Path

import pytest

from gateway.chaos.haproxy import NoHaproxy, adapted, command_of

SHIPPED = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"


def test_only_the_ports_are_others() -> None:
    """Bind and members are the run's; every other line stands as it is shipped."""
    shipped = SHIPPED.read_text(encoding="utf-8")
    ours = adapted(shipped, 20_001, [20_002, 20_003])
    assert "    bind 127.0.0.1:20001\n" in ours
    assert "    server gateway1 127.0.0.1:20002\n    server gateway2 127.0.0.1:20003\n" in ours
    assert ours.count("\n    server ") == 2
    kept = [line for line in shipped.splitlines() if not line.strip().startswith(("bind ", "server "))]
    assert [line for line in ours.splitlines() if not line.strip().startswith(("bind ", "server "))] == kept


def test_a_machine_without_it_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the packages."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoHaproxy, match="apt-get install haproxy"):
        command_of(SHIPPED, tmp_path, 1, [2])
