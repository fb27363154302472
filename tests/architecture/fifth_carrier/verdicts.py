"""Sparrow's causes and refusals, judged. Pure."""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from carriers.contract import Placed
from carriers.shot import HttpAnswer
from gateway.domain.outcome import Knowledge, Outcome
from gateway.domain.verdict import Attribution, Signal, Verdict, ended_normally, next_carrier, stop

BY_CAUSE: Mapping[str, Verdict] = {
    "talked": ended_normally(),
    "engaged": stop("user-busy", Outcome.BUSY),
    "unanswered": stop("no-answer", Outcome.NO_ANSWER),
    "refused": stop("call-declined", Outcome.DECLINED),
    "away": stop("subscriber-unavailable", Outcome.NO_ANSWER),
    "no-such-number": stop("invalid-number", Outcome.INVALID_NUMBER, signal=Signal.RELEASE),
    "recalled": stop("canceled", Outcome.CANCELED, attribution=Attribution.US, signal=Signal.RELEASE),
    "storm": next_carrier("carrier-congestion"),
    "empty-nest": next_carrier("no-credit", attribution=Attribution.US, signal=Signal.MISCONFIGURED),
}

BY_STATUS: Mapping[int, Verdict] = {
    400: next_carrier("bad-request", attribution=Attribution.US, signal=Signal.RELEASE),
    401: next_carrier("unauthorized", attribution=Attribution.US, signal=Signal.MISCONFIGURED),
    403: next_carrier("account-suspended", attribution=Attribution.US, signal=Signal.MISCONFIGURED),
    429: next_carrier("rate-limited", attribution=Attribution.US, signal=Signal.RELEASE, retry_after_s=1.0),
}


def of_cause(cause: str) -> Verdict:
    """How a call ended; a cause that we do not know speaks against the carrier."""
    return replace(BY_CAUSE.get(cause, next_carrier("unmapped", attribution=Attribution.UNKNOWN)), code=cause)


def of_status(status: int) -> Verdict:
    """What an answer that is no 2xx means."""
    return replace(BY_STATUS.get(status, next_carrier("service-unavailable")), code=str(status))


def judge(answer: HttpAnswer) -> Placed:
    """A 4xx placed nothing; whatever else is no 2xx may have."""
    refused = 400 <= answer.status < 500
    verdict = replace(of_status(answer.status), detail=_words(answer.body))
    return Placed(knowledge=Knowledge.REFUSED if refused else Knowledge.UNKNOWN, verdict=verdict)


def _words(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=dict[str, str]).get("error", "")
    except msgspec.MsgspecError:
        return ""
