"""The pytest plugin of the lab (entry point `holdline_lab`): a running lab for anybody's suite. See docs/lab.md.

Nothing is imported or started before a test asks for `holdline_lab`.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from carriers.lab.remote import RemoteLab

OPTION, INI = "--holdline-lab-carriers", "holdline_lab_carriers"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The carriers to simulate: as an option, or in the ini file."""
    about = "carriers that the holdline_lab fixture simulates, separated by commas (default: all)"
    parser.getgroup("holdline", "Holdline's lab").addoption(OPTION, metavar="NAMES", help=about)
    parser.addini(INI, about, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse the name of a carrier that there is not, before any test runs."""
    wanted = _wanted(config)
    if wanted:
        from carriers.registry import kinds

        unknown = [name for name in wanted if name not in kinds()]
        if unknown:
            raise pytest.UsageError(f"{OPTION}: no carrier {', '.join(unknown)}; there are: {', '.join(kinds())}")


def _wanted(config: pytest.Config) -> list[str]:
    text = config.getoption(OPTION) or config.getini(INI)
    return [name.strip() for name in str(text).split(",") if name.strip()]


@pytest.fixture(scope="session")
def holdline_lab_knobs() -> Mapping[str, Mapping[str, Any]]:
    """Override it to turn the simulators' knobs, `{"twilio": {"calls_per_second": 50}}`: see carriers/<name>/README.md."""
    return {}


@pytest.fixture(scope="session")
def holdline_lab_process(
    pytestconfig: pytest.Config, holdline_lab_knobs: Mapping[str, Mapping[str, Any]]
) -> Iterator["RemoteLab"]:
    """The lab of the session, in a process of its own; tests use `holdline_lab`, which is this one, fresh."""
    from carriers.lab.remote import started

    with started(_wanted(pytestconfig) or None, holdline_lab_knobs) as lab:
        yield lab


@pytest.fixture
def holdline_lab(holdline_lab_process: "RemoteLab") -> Iterator["RemoteLab"]:
    """A running lab without calls, faults, phones or ledger: credentials, phones, set_faults, ledger, until. A simulator that
    crashed during the test fails it.
    """
    holdline_lab_process.reset()
    yield holdline_lab_process
    crashes = holdline_lab_process.ledger("crash")
    holdline_lab_process.reset()
    if crashes:
        pytest.fail(f"a simulator of the lab crashed: {crashes[0].get('error')}", pytrace=False)
