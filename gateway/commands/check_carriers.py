"""What one carrier's account says about what config.yaml says about it."""

import asyncio
import re
import time
from collections.abc import Sequence

from carriers.contract import Carrier, CarrierSettings, Finding, Wanted
from carriers.registry import kinds
from gateway.commands.provision import wanted_of
from gateway.config.structs import CarrierConfig
from gateway.domain.errors import CarrierError, Misconfigured

_LOOK_S = 30.0
"""For all look-ups of a carrier together; each has a time-out of its own below that."""
_NUMBER = re.compile(r"\+?(\d{7,15})")
_FIRST_PAGE = 20
"""A list this long may go on where the carrier's own look ended."""


def opened(entry: CarrierConfig) -> Carrier | tuple[Finding, ...]:
    """The adapter, or why there is none. Open every carrier before the first is asked anything: importing one's SDK takes
    seconds, and would eat another's time-out.
    """
    settings = CarrierSettings(name=entry.name, credentials=entry.credentials, base_url=entry.base_url)
    try:
        carrier: Carrier = kinds()[entry.kind].open(settings, time.time)
        return carrier
    except Misconfigured as error:
        return tuple(Finding(what=p.path.rpartition(".")[2], ok=False, detail=p.found, cure=p.allowed) for p in error.problems)
    # An SDK may raise whatever it likes about a key that is no key.
    except Exception as error:
        detail = f"cannot be used: {type(error).__name__}: {error}"
        return (Finding(what="credentials", ok=False, detail=_one_line(detail), cure="copy them anew, with every line of a key"),)


async def look_at(entry: CarrierConfig, carrier: Carrier | tuple[Finding, ...], public_url: str) -> tuple[Finding, ...]:
    """What `opened` gave, asked, and closed. Never raises: what fails is a finding."""
    if isinstance(carrier, tuple):
        return carrier
    try:
        findings = await asyncio.wait_for(carrier.check(), _LOOK_S)
        reached = all(finding.ok for finding in findings)
        callers = (await asyncio.wait_for(_callers(carrier, wanted_of(entry, public_url)), _LOOK_S),) if reached else ()
    except TimeoutError:
        cure = "look at this machine's way to the carrier's API"
        return (Finding(what="credentials", ok=False, detail=f"no answer within {_LOOK_S:g} s", cure=cure),)
    finally:
        await carrier.aclose()
    return (*findings, *configured_numbers(entry.numbers, findings), *callers)


async def _callers(carrier: Carrier, wanted: Wanted) -> Finding:
    """Whether callers of our numbers come to this gateway: drift since `holdline provision --yes`."""
    try:
        found = await carrier.survey(wanted)
    except CarrierError as error:
        return Finding(what="callers", ok=False, detail=str(error), cure="try again; see the other findings of this carrier")
    wrong = [setting for setting in found if not setting.right]
    if not wrong:
        return Finding(what="callers", ok=True, detail="come to this gateway")
    detail = f"{len(wrong)} settings differ, first {wrong[0].subject}, {wrong[0].name}"
    return Finding(
        what="callers", ok=False, detail=detail, cure="look with `holdline provision`, then `holdline provision --yes`"
    )


def configured_numbers(wanted: Sequence[str], findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Whether the account owns every number that config.yaml gives it; nothing if its numbers could not be listed."""
    listed = next((finding for finding in findings if finding.what == "numbers" and finding.ok), None)
    if listed is None:
        return ()
    owned = set(_NUMBER.findall(listed.detail))
    missing = [number for number in wanted if number.removeprefix("+") not in owned]
    if not missing:
        return (Finding(what="caller ids", ok=True, detail=f"{', '.join(wanted)}: owned"),)
    if len(owned) >= _FIRST_PAGE:
        detail = f"{', '.join(missing)}: not among the first {len(owned)} numbers, so not looked at further"
        return (Finding(what="caller ids", ok=True, detail=detail),)
    cure = "correct `numbers`, or rent the number: the carrier refuses a caller id that is not the account's"
    return (Finding(what="caller ids", ok=False, detail=f"{', '.join(missing)}: not owned by the account", cure=cure),)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
