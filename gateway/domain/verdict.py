"""What a failure means: whose fault, what follows, and why.

Attribution is a type and not a comment, because everything hangs on it: a carrier that refuses us for *our* pace must
not lose its good name, and a busy person says nothing about the carrier that reached them.
"""

from enum import StrEnum

from msgspec import Struct

from gateway.domain.outcome import Outcome


class Attribution(StrEnum):
    """Whose fault it was."""

    CARRIER = "carrier"
    CALLEE = "callee"
    US = "us"
    NETWORK = "network"
    UNKNOWN = "unknown"


class Disposition(StrEnum):
    """What follows: try the next carrier, try again later, stop, or stop and never call this number again."""

    NEXT_CARRIER = "next_carrier"
    LATER = "later"
    STOP = "stop"
    SUPPRESS = "suppress"


class Signal(StrEnum):
    """What a verdict tells the carrier's circuit breaker.

    `RELEASE` gives a permit back without a word on the carrier's health; `MISCONFIGURED` opens at once, because
    wrong credentials do not heal by trying.
    """

    SUCCESS = "success"
    FAILURE = "failure"
    RELEASE = "release"
    MISCONFIGURED = "misconfigured"


class Verdict(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One failure (or end), judged. Each carrier judges its own codes in its `verdicts` file."""

    attribution: Attribution
    disposition: Disposition
    reason: str
    """Kebab-case, stable, for people and dashboards: `service-unavailable`, `user-busy`."""
    code: str | None = None
    """The carrier's own code, as it sent it."""
    outcome: Outcome | None = None
    """How the call ends if the disposition stops it; required for STOP and SUPPRESS."""
    signal: Signal = Signal.RELEASE
    retry_after_s: float | None = None
    """Seconds for which the carrier asked to be left alone."""
    detail: str = ""
    """The carrier's own words, without numbers or secrets; for logs and operators."""


def next_carrier(
    reason: str,
    *,
    attribution: Attribution = Attribution.CARRIER,
    signal: Signal = Signal.FAILURE,
    code: str | None = None,
    retry_after_s: float | None = None,
    detail: str = "",
) -> Verdict:
    """A failure that another carrier may not share."""
    return Verdict(
        attribution=attribution,
        disposition=Disposition.NEXT_CARRIER,
        reason=reason,
        code=code,
        signal=signal,
        retry_after_s=retry_after_s,
        detail=detail,
    )


def stop(
    reason: str,
    outcome: Outcome,
    *,
    attribution: Attribution = Attribution.CALLEE,
    signal: Signal = Signal.SUCCESS,
    code: str | None = None,
    detail: str = "",
) -> Verdict:
    """An end that no other carrier would change: the person is busy, declined, or does not exist."""
    return Verdict(
        attribution=attribution,
        disposition=Disposition.STOP,
        reason=reason,
        code=code,
        outcome=outcome,
        signal=signal,
        detail=detail,
    )


def ended_normally(code: str | None = None) -> Verdict:
    """The end of a conversation that took place."""
    return stop("normal-clearing", Outcome.COMPLETED, code=code)
