"""The words after `holdline callbacks`; apart, so that the command line's help imports nothing else."""

from enum import StrEnum


class CallbackAction(StrEnum):
    """What to do."""

    LIST = "list"
    RUN = "run"
    CANCEL = "cancel"
