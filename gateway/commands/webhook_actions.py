"""What `holdline webhooks` can do; apart, so that the command line knows it without importing what does it."""

from enum import StrEnum


class Action(StrEnum):
    """The word after `holdline webhooks`."""

    LIST = "list"
    DEAD = "dead"
    REPLAY = "replay"
    ENABLE = "enable"
    TEST = "test"
