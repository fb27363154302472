"""Findings of `holdline check` about a Twilio account. Pure: what the API said comes in, lines for people go out."""

from collections.abc import Sequence

from carriers.contract import Finding

NUMBERS_SHOWN = 100
LOW_BALANCE = 1.0


def findings(status: str, account_type: str, balance: str, currency: str, numbers: Sequence[str]) -> tuple[Finding, ...]:
    """All lines, in the order in which a person would look."""
    return (
        Finding(what="credentials", ok=True, detail="accepted"),
        _account(status, account_type),
        _balance(balance, currency),
        _numbers(numbers),
    )


def refused(reason: str, detail: str) -> Finding:
    """The one line when Twilio did not let us look."""
    cure = {
        "bad-credentials": "copy account_sid and auth_token from the first page of the Twilio console",
        "account-suspended": "Twilio suspends an account that is out of funds: see its billing page",
        "forbidden": "Twilio suspends an account that is out of funds: see its billing page",
        "unreachable": "look at this machine's way to the API (Holdline uses no proxy from the environment)",
        "timeout": "look at this machine's way to the API (Holdline uses no proxy from the environment)",
    }.get(reason, "try again; if it stays, see status.twilio.com")
    return Finding(what="credentials", ok=False, detail=f"{reason} {detail}".strip(), cure=cure)


def _account(status: str, account_type: str) -> Finding:
    if status != "active":
        return Finding(what="account", ok=False, detail=f"status {status}", cure="see the billing page of the Twilio console")
    if account_type == "Trial":
        cure = "a trial account calls verified numbers only, five at a time, and speaks first: upgrade it"
        return Finding(what="account", ok=False, detail="active, but a trial", cure=cure)
    return Finding(what="account", ok=True, detail=f"active, {account_type or 'type not told'}")


def _balance(balance: str, currency: str) -> Finding:
    detail = f"{balance} {currency}"
    try:
        enough = float(balance) >= LOW_BALANCE
    except ValueError:
        return Finding(what="balance", ok=False, detail=f"not readable: {detail}", cure="see the billing page of the console")
    return Finding(
        what="balance", ok=enough, detail=detail, cure="" if enough else "add funds before Twilio suspends the account"
    )


def _numbers(numbers: Sequence[str]) -> Finding:
    if not numbers:
        cure = "buy a voice number in the Twilio console, or Twilio will refuse every caller id"
        return Finding(what="numbers", ok=False, detail="the account owns none", cure=cure)
    return Finding(what="numbers", ok=True, detail="the account owns " + ", ".join(numbers))
