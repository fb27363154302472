"""What the table of the referees is made of: the parties that judge, and per carrier the operations that they judge.

The operations stand in `tables/<kind>.py`. Every request that a simulator obeys has to match one of them.
"""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

KINDS = ("twilio", "telnyx", "plivo", "vonage")


class By(StrEnum):
    """A column of the table: who judges."""

    DRIVES = "sdk drives"
    VALIDATOR = "sdk validator"
    MODELS = "models"
    DESCRIPTION = "published description"
    PIPECAT = "pipecat"
    VECTORS = "vectors"


class Group(StrEnum):
    """What an operation is, which says which referees can have an opinion of it."""

    REQUEST = "request"
    """The customer asks the carrier's API."""
    DOCUMENT = "document"
    """An element of the document that the customer answers with."""
    WEBHOOK = "webhook"
    """The carrier asks the customer."""
    MEDIA = "media"
    """A message on the media socket."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """A row of the table. `requests` are `METHOD /path` with `*` for one path segment, as the simulator sees them."""

    name: str
    group: Group
    requests: tuple[str, ...] = ()

    def is_request(self, method: str, path: str) -> bool:
        """Whether this request is one of the operation's."""
        return any(_pattern(shown).fullmatch(f"{method} {path}") for shown in self.requests)


@dataclass(frozen=True, kw_only=True)
class Table:
    """One carrier's rows, and why cells are empty: by (operation or group, referee), `*` standing for every row."""

    kind: str
    title: str
    operations: tuple[Operation, ...]
    reasons: Mapping[tuple[str, By], str] = field(default_factory=dict)

    def reason(self, operation: Operation, by: By) -> str:
        """Why nobody of this column judges this row; empty if there is no reason."""
        for key in ((operation.name, by), (operation.group.value, by), ("*", by)):
            if key in self.reasons:
                return self.reasons[key]
        return EVERYWHERE.get((operation.group, by), "")

    def of(self, name: str) -> Operation:
        """The row of this name; KeyError if there is none."""
        return {operation.name: operation for operation in self.operations}[name]

    def matching(self, method: str, path: str) -> Operation | None:
        """The row to which a request belongs."""
        return next((operation for operation in self.operations if operation.is_request(method, path)), None)


EVERYWHERE: Mapping[tuple[Group, By], str] = {
    (Group.REQUEST, By.VECTORS): "the facts that this repository stands on hold no recorded exchange of it",
    (Group.DOCUMENT, By.VECTORS): "the facts that this repository stands on hold no recording of it",
    (
        Group.REQUEST,
        By.VALIDATOR,
    ): "validators judge what the carrier signs; requests to the API carry the customer's key, which the simulator checks",
    (Group.REQUEST, By.PIPECAT): "pipecat's serializers read and write media messages only",
    (Group.DOCUMENT, By.VALIDATOR): "a document is the answer to a signed request and is not signed itself",
    (Group.DOCUMENT, By.PIPECAT): "pipecat's serializers read and write media messages only",
    (Group.WEBHOOK, By.DRIVES): "the carrier asks here, and no SDK sends webhooks",
    (Group.WEBHOOK, By.PIPECAT): "pipecat's serializers read and write media messages only",
    (Group.MEDIA, By.DRIVES): "no carrier's SDK opens or serves a media socket",
    (Group.MEDIA, By.VALIDATOR): "messages on a socket are not signed; the upgrade is, where the row of the webhooks says so",
    (Group.MEDIA, By.MODELS): "no carrier's SDK has models of media messages",
    (Group.MEDIA, By.DESCRIPTION): "no carrier publishes a machine-readable description of its media messages",
}
"""Reasons that hold at every carrier, because of what the row is."""


def _pattern(shown: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(re.escape(part) for part in shown.split("*")))


def request(name: str, *requests: str) -> Operation:
    """A row of the API."""
    return Operation(name=name, group=Group.REQUEST, requests=requests)


def rows(group: Group, *names: str) -> tuple[Operation, ...]:
    """Rows that are no requests."""
    return tuple(Operation(name=name, group=group) for name in names)


def table(kind: str) -> Table:
    """One carrier's table."""
    found: Table = importlib.import_module(f"tables.{kind}").TABLE
    return found
