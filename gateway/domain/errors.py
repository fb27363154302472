"""The tree of errors that cross a border in Holdline, split by the question that decides everything: was it sent?

HoldlineError
+-- IllegalTransition      a state was given an event that it neither takes nor ignores: a bug, ours or a carrier's
+-- CarrierError           something between us and a carrier
|   +-- NotSent            not one byte of the request left: another carrier may be tried at once
|   +-- BadSignature       a webhook or upgrade that is unsigned, wrongly signed or stale: 403, nothing changes
|   +-- Malformed          signed, but not in the carrier's language
+-- AgentUnavailable       the agent cannot take the call: known while the phone rings, before anybody hears dead air
+-- StoreUnavailable       the store did not answer: refuse new work before accepting it
+-- Misconfigured          the configuration cannot work; carries every problem at once
"""


class HoldlineError(Exception):
    """All errors that Holdline raises on purpose."""


class IllegalTransition(HoldlineError):
    """Names the state and the event, so that the log line alone says what happened."""

    def __init__(self, machine: str, state: str, event: str) -> None:
        super().__init__(f"a {machine} that is {state} cannot take {event}")
        self.machine, self.state, self.event = machine, state, event


class CarrierError(HoldlineError):
    """Something between us and a carrier; `reason` is kebab-case."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


class NotSent(CarrierError):
    """Not one byte of the request left this machine."""


class BadSignature(CarrierError):
    """Unsigned, wrongly signed or stale."""


class Malformed(CarrierError):
    """Authentic, but not what the carrier's documents promise."""


class AgentUnavailable(HoldlineError):
    """The agent of a call could not be started; `reason` is kebab-case."""

    def __init__(self, agent: str, reason: str) -> None:
        super().__init__(f"agent {agent!r} is unavailable: {reason}")
        self.agent, self.reason = agent, reason


class StoreUnavailable(HoldlineError):
    """The store did not answer in time."""


class Problem(HoldlineError):
    """One wrong key of a configuration: where, what was found, what is allowed; `line` is the file's, counted from 1."""

    def __init__(self, path: str, found: str, allowed: str, line: int | None = None) -> None:
        where = f"{path} (line {line})" if line else path
        super().__init__(f"{where}: found {found}; {allowed}")
        self.path, self.found, self.allowed, self.line = path, found, allowed, line


class Misconfigured(HoldlineError):
    """Every problem of a configuration, all at once."""

    def __init__(self, problems: tuple[Problem, ...], source: str = "config.yaml") -> None:
        super().__init__("\n".join(f"{source}: {problem}" for problem in problems))
        self.problems, self.source = problems, source
