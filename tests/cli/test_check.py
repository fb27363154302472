"""`holdline check`, against carriers of the lab."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
import yaml

from carriers.contract import Finding
from carriers.lab.remote import started
from gateway.commands.check_carriers import configured_numbers

KEY = "cli-test-key-0123456789"
OWNED = Finding(what="numbers", ok=True, detail="the account owns +15550190001, 15550190002")


class Account:
    """A config.yaml for the lab's carriers, with its secrets in the environment as for real ones. Its commands are forked where
    all SDKs are there already: each would take longer to import them than to do its work.
    """

    def __init__(self, cli: Any, warm: Any, lab: str, port: int) -> None:
        self._cli, self._warm, self._lab = cli, warm, lab
        self.environ = {"HOLDLINE_API_KEY": KEY}
        known = httpx.get(f"{lab}/lab/credentials", trust_env=False).json()
        document = yaml.safe_load((cli.folder / "config.yaml").read_text())
        for carrier in document["carriers"]:
            carrier["base_url"] = known[carrier["kind"]]["base_url"]
            self._set(carrier, known[carrier["kind"]])
        document["server"] = {"port": port, "public_url": f"http://127.0.0.1:{port}"}
        (cli.folder / "config.yaml").write_text(yaml.safe_dump(document))

    def _set(self, carrier: dict[str, Any], known: dict[str, Any]) -> None:
        for name, reference in carrier["credentials"].items():
            self.environ[reference[2:-1]] = str(known[name])
        self.environ[carrier["numbers"][0][2:-1]] = known["numbers"][0]

    def set_faults(self, carrier: str, *kinds: str) -> None:
        """Break a carrier, or mend it."""
        faults = {"faults": [{"kind": kind} for kind in kinds]}
        httpx.put(f"{self._lab}/lab/carriers/{carrier}/faults", json=faults, trust_env=False).raise_for_status()

    def only(self, kind: str) -> str:
        """Another configuration with this one carrier; the file's name."""
        document = yaml.safe_load((self._cli.folder / "config.yaml").read_text())
        document["carriers"] = [carrier for carrier in document["carriers"] if carrier["kind"] == kind]
        (self._cli.folder / f"{kind}.yaml").write_text(yaml.safe_dump(document))
        return f"{kind}.yaml"

    def provision(self, *arguments: str, **environ: str) -> Any:
        """Run `holdline provision`."""
        return self._run("provision", *arguments, **environ)

    def check(self, *arguments: str, **environ: str) -> Any:
        """Run `holdline check`."""
        return self._run("check", *arguments, **environ)

    def _run(self, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        folder = self._cli.folder
        (folder / "log").unlink(missing_ok=True)
        code = self._warm.run(list(arguments), self._cli.environment({**self.environ, **environ}), folder)
        told, errors = ((folder / name).read_text(encoding="utf-8") for name in ("out", "log"))
        return subprocess.CompletedProcess(arguments, code, told, errors)


@pytest.fixture(scope="module")
def account(module_cli: Any, warm: Any, module_free_port: int) -> Iterator[Account]:
    # Commands that follow each other so quickly ask Vonage more often than it lets anybody ask in a second.
    with started(knobs={"vonage": {"requests_per_second": 1000}}) as lab:
        account = Account(module_cli, warm, lab.url, module_free_port)
        account.first_look = account.provision()
        account.drift = account.check()
        account.change = account.provision("--yes")
        yield account


def test_numbers_are_pointed_here_only_when_told_to(account: Account) -> None:
    """A diff first, that changes nothing and exits with 1; then the change, and nothing is left to do."""
    assert account.first_look.returncode == 1
    assert "Nothing was changed" in account.first_look.stdout
    assert "(unset) -> " in account.first_look.stdout
    assert account.drift.returncode == 1
    assert "holdline provision --yes" in account.drift.stdout
    assert account.change.returncode == 0, account.change.stdout + account.change.stderr
    for carrier in ("twilio", "telnyx", "plivo", "vonage"):
        assert f"{carrier}: callers come here" not in account.first_look.stdout
        assert re.search(rf"{carrier}: \d+ settings changed; callers come here", account.change.stdout)
    again = account.provision("--json")
    told = json.loads(again.stdout)
    assert (again.returncode, told["applied"]) == (0, False), told
    assert all(one == {"error": None, "changed": 0, "wrong": []} for one in told["carriers"].values())


def test_a_carrier_that_does_not_answer_is_told(account: Account) -> None:
    """The others are surveyed all the same; exit code 1."""
    account.set_faults("plivo", "down")
    told = account.provision()
    account.set_faults("plivo")
    assert told.returncode == 1
    assert "plivo: not surveyed:" in told.stdout
    assert "twilio: callers come here" in told.stdout


def test_fallback_documents_are_written_for_carriers_that_obey_them(account: Account, tmp_path: Path) -> None:
    """A voicemail each, well-formed, that asks nothing of us."""
    told = account.provision("--fallback-documents", str(tmp_path / "static"))
    assert told.returncode == 0
    assert sorted(path.name for path in (tmp_path / "static").iterdir()) == [
        "plivo-voicemail.xml",
        "twilio-voicemail.xml",
        "vonage-voicemail.json",
    ]
    for name in ("plivo", "twilio"):
        root = ET.fromstring((tmp_path / "static" / f"{name}-voicemail.xml").read_text())
        assert "Record" in [verb.tag for verb in root]
        assert "127.0.0.1" not in (tmp_path / "static" / f"{name}-voicemail.xml").read_text()
    actions = json.loads((tmp_path / "static" / "vonage-voicemail.json").read_text())
    assert [action["action"] for action in actions] == ["talk", "record", "talk"]
    assert "telnyx: obeys no documents" in told.stdout
    assert [line.partition(":")[0] for line in told.stdout.splitlines() if "cannot be collected" in line] == ["vonage"]


def test_all_is_well(account: Account) -> None:
    """With right credentials every carrier, its numbers and our own URL are found well, in plain columns in a pipe."""
    told = account.check()
    lines = [line.split() for line in told.stdout.splitlines()]
    assert (told.returncode, told.stderr) == (0, "")
    assert {line[1] for line in lines if line[0] == "ok"} == {"twilio", "telnyx", "plivo", "vonage", "gateway"}
    assert "WRONG" not in told.stdout
    assert "\x1b" not in told.stdout
    assert lines[-1] == ["config.yaml:", "all", "is", "well."]


def test_what_is_wrong_is_told_for_each_carrier(account: Account) -> None:
    """Wrong credentials, a dead API, an unusable key and a number of somebody else: each is named with its cure, exit code 1."""
    account.set_faults("twilio", "down")
    account.set_faults("plivo", "auth_error")
    told = account.check("--json", TELNYX_NUMBER="+15550199999", VONAGE_PRIVATE_KEY="no key")
    account.set_faults("twilio")
    account.set_faults("plivo")
    data = json.loads(told.stdout)
    wrong = {(finding["who"], finding["what"]): finding for finding in data["findings"] if not finding["ok"]}
    assert (told.returncode, data["ok"]) == (1, False)
    assert set(wrong) == {
        ("twilio", "credentials"),
        ("plivo", "credentials"),
        ("telnyx", "caller ids"),
        ("telnyx", "callers"),
        ("vonage", "private_key"),
    }
    assert all(finding["cure"] for finding in wrong.values())
    assert "+15550199999" in wrong["telnyx", "caller ids"]["detail"]


def test_cures_are_printed(account: Account) -> None:
    """For people the cures stand below the table, and no secret stands anywhere."""
    told = account.check(account.only("twilio"), HOLDLINE_API_KEY="", TWILIO_AUTH_TOKEN="a-wrong-token-0123456789")
    assert told.returncode == 1
    assert "twilio, credentials:" in told.stdout
    assert "gateway, API keys: set HOLDLINE_API_KEY" in told.stdout
    assert "2 of " in told.stdout.splitlines()[-1]
    assert "a-wrong-token" not in told.stdout + told.stderr


@pytest.mark.parametrize(
    ("wanted", "findings", "ok"),
    [
        (("+15550190001", "+15550190002"), (OWNED,), True),
        (("+15550190001", "+15550190009"), (OWNED,), False),
        (("+155501900",), (OWNED,), False),
    ],
)
def test_configured_numbers_must_be_owned(wanted: tuple[str, ...], findings: tuple[Finding, ...], *, ok: bool) -> None:
    """A number counts as owned only if the account lists exactly it, with or without plus."""
    (finding,) = configured_numbers(wanted, findings)
    assert finding.ok is ok


def test_numbers_that_could_not_be_listed_say_nothing() -> None:
    """Without a list nothing is claimed about a number."""
    assert configured_numbers(("+15550190001",), (Finding(what="numbers", ok=False, detail="no answer"),)) == ()


def test_a_long_list_may_be_cut() -> None:
    """A number missing in a list that may go on is not called wrong."""
    listed = Finding(what="numbers", ok=True, detail=", ".join(f"+155501910{number:02d}" for number in range(20)))
    (finding,) = configured_numbers(("+15550190001",), (listed,))
    assert finding.ok
    assert "not among the first 20" in finding.detail
