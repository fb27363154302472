"""Promises about who may do what: sessions, webhooks, sockets, workers; and that nothing goes wrong unforeseen."""

from collections import Counter, defaultdict

from gateway.simulation.invariants.evidence import Checks, Evidence, first_writes


def one_session(evidence: Evidence, check: Checks) -> None:
    """A session belongs to one call, and a call has one session, in whatever process."""
    of_session: dict[str, set[str]] = defaultdict(set)
    of_call: dict[str, set[str]] = defaultdict(set)
    for _, call_id, session_id in evidence.answers:
        of_session[session_id].add(call_id)
        of_call[call_id].add(session_id)
    for owner, owned in (*of_session.items(), *of_call.items()):
        check(len(owned) == 1, f"{owner} belongs to {sorted(owned)}")


def webhooks_once(evidence: Evidence, check: Checks) -> None:
    """No webhook is applied twice, and none that only reports is acknowledged before it is stored."""
    marks = [(write.change.mark.key, write.at) for write in evidence.watch.writes if write.change.mark is not None]
    for key, count in Counter(key for key, _ in marks).items():
        check(count == 1, f"webhook {key} was applied {count} times")
    stored, begun = dict(marks), first_writes(evidence.watch.writes)
    for hook in evidence.delivered:
        unheard_of = not hook.call_id or begun[hook.call_id].at > hook.sent_at
        if hook.caller and not hook.announces and unheard_of:
            check.note("news of callers whom no announcement had told of yet, acknowledged")
        elif not hook.wants_document:
            kept = stored.get(hook.key)
            check(
                kept is not None and kept <= hook.answered_at, f"webhook {hook.key} of {hook.leg_id} was acknowledged, not stored"
            )
    forged = [text for text in evidence.watch.forged if "socket" not in text]
    for _ in range(evidence.watch.forgeries):
        check(True, "")
    for text in forged:
        check(False, text)


def no_strangers(evidence: Evidence, check: Checks) -> None:
    """A media socket without its leg's token is refused."""
    for _ in range(evidence.watch.forgeries):
        check(True, "")
    for text in evidence.watch.forged:
        check("socket" not in text, text)


def stale_workers(evidence: Evidence, check: Checks) -> None:
    """Only the newest delivery of a command acknowledges it."""
    check(not evidence.watch.stale, lambda: "; ".join(evidence.watch.stale))
    for _ in range(evidence.watch.fenced):
        check(True, "")


def no_surprises(evidence: Evidence, check: Checks) -> None:
    """Nobody raised what nobody expects, and no state was given an event that it does not know."""
    check(not evidence.surprises, lambda: "; ".join(evidence.surprises[:5]))
