"""What an endpoint's answer means: delivered, tried again later, given up, or an endpoint that is gone. Pure but for chance.

The pauses are those that the Standard Webhooks specification gives as its example, up to the one that ends on the second
day. A notice that is behind others about the same call waits for them, so besides the tries its age counts; but however
old it is, it gets a few tries of its own.
"""

import random
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from msgspec import Struct

from gateway.runtime.store.notice_contract import Settlement

PAUSES_S = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0)
"""Before the second try, the third ...; the eighth and last comes 31.6 hours after the first."""
JITTER = 0.1
"""A pause is so much longer at most, so that what failed together does not come back together."""
OLD_S = 36 * 3600.0
TRIES_OF_THE_OLD = 3
LONGEST_WISH_S = 86_400.0
"""Retry-After is obeyed up to here."""
_THROTTLES = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""With Retry-After these speak for the whole endpoint."""


class Reply(Struct, frozen=True, kw_only=True):
    """What came back; `status` 0 and an `error` if nothing did."""

    status: int = 0
    retry_after: str = ""
    error: str = ""


def judged(reply: Reply, attempts: int, age_s: float, url_mark: str, now: float, chance: random.Random) -> Settlement:
    """`attempts` counts this one; `url_mark` is the endpoint's URL, should it be gone."""
    if 200 <= reply.status < 300:
        return Settlement(delivered=True)
    error = reply.error or f"HTTP {reply.status}"
    if reply.status == HTTPStatus.GONE:
        return Settlement(retry_in_s=0.0, error=error, disable=url_mark)
    wish_s = wished_pause(reply.retry_after, now)
    if attempts > len(PAUSES_S) or (age_s > OLD_S and attempts >= TRIES_OF_THE_OLD):
        return Settlement(error=error)
    pause_s = PAUSES_S[attempts - 1] * (1 + chance.uniform(0, JITTER))
    return Settlement(retry_in_s=max(pause_s, wish_s), error=error, pause_s=wish_s if reply.status in _THROTTLES else 0.0)


def wished_pause(retry_after: str, now: float) -> float:
    """Retry-After in seconds, given as seconds or as a date; 0 for what is neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), LONGEST_WISH_S)
    try:
        until = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(until - now, 0.0), LONGEST_WISH_S)
