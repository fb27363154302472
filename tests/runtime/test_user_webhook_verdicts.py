"""What an endpoint's answer means."""

import random

import pytest

from gateway.runtime.store.notice_contract import Settlement
from gateway.runtime.user_webhook_verdicts import JITTER, LONGEST_WISH_S, OLD_S, PAUSES_S, Reply, judged, wished_pause

NOW = 1_795_000_000.0
HOUR_S = 3600.0


def judge(reply: Reply, attempts: int = 1, age_s: float = 0.0) -> Settlement:
    return judged(reply, attempts, age_s, "mark", NOW, random.Random(attempts))


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(status: int) -> None:
    """And nothing else is needed."""
    assert judge(Reply(status=status)) == Settlement(delivered=True)


@pytest.mark.parametrize("status", [100, 301, 302, 307, 400, 401, 404, 422, 500, 502, 503, 504])
def test_anything_else_is_tried_again(status: int) -> None:
    """Redirects too: they are not followed."""
    settlement = judge(Reply(status=status))
    assert not settlement.delivered
    assert settlement.error == f"HTTP {status}"
    assert settlement.retry_in_s is not None
    assert (settlement.disable, settlement.pause_s) == ("", 0.0)


def test_no_answer_is_tried_again() -> None:
    """With what went wrong as its error."""
    settlement = judge(Reply(error="no answer within 15 s"))
    assert (settlement.error, settlement.delivered) == ("no answer within 15 s", False)
    assert settlement.retry_in_s is not None


def test_the_pauses_grow_over_a_day_and_the_eighth_failure_is_the_last() -> None:
    """Each up to a tenth longer, never shorter; together between 31.5 and 35 hours."""
    waited = []
    for attempts, pause_s in enumerate(PAUSES_S, 1):
        retry_in_s = judge(Reply(status=500), attempts).retry_in_s
        assert retry_in_s is not None
        assert pause_s <= retry_in_s <= pause_s * (1 + JITTER)
        waited.append(retry_in_s)
    assert 31.5 * HOUR_S < sum(waited) < 35 * HOUR_S
    assert len({wait / pause for wait, pause in zip(waited, PAUSES_S, strict=True)}) == len(PAUSES_S)
    last = judge(Reply(status=500), len(PAUSES_S) + 1)
    assert (last.retry_in_s, last.error) == (None, "HTTP 500")


def test_what_is_old_gets_three_tries_of_its_own() -> None:
    """What waited for another notice of its call is not given up for the other's failures alone, nor tried for days again."""
    old = OLD_S + 1
    assert judge(Reply(status=500), 1, old).retry_in_s is not None
    assert judge(Reply(status=500), 2, old).retry_in_s is not None
    assert judge(Reply(status=500), 3, old).retry_in_s is None
    assert judge(Reply(status=500), 3, OLD_S).retry_in_s is not None


def test_410_disables_the_endpoint_and_keeps_the_notice() -> None:
    """However often it was tried: it waits for somebody to enable the endpoint, or to change its URL."""
    for attempts in (1, 99):
        assert judge(Reply(status=410), attempts, 10 * OLD_S) == Settlement(retry_in_s=0.0, error="HTTP 410", disable="mark")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("99999999999999999999", LONGEST_WISH_S),
        ("Wed, 18 Nov 2026 11:07:40 GMT", 60.0),
        ("Wed, 18 Nov 2026 11:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WISH_S),
        ("", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("٣", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(text: str, seconds: float) -> None:
    """Up to a day; what is neither is as if it were not there."""
    assert wished_pause(text, NOW) == seconds


def test_retry_after_is_obeyed() -> None:
    """Where it is longer than our own pause; with 429 and 503 it holds for the whole endpoint."""
    for status, pause_s in ((429, 600.0), (503, 600.0), (500, 0.0)):
        settlement = judge(Reply(status=status, retry_after="600"))
        assert (settlement.retry_in_s, settlement.pause_s) == (600.0, pause_s)
    short = judge(Reply(status=500, retry_after="1"), 2)
    assert short.retry_in_s is not None
    assert short.retry_in_s >= PAUSES_S[1]
