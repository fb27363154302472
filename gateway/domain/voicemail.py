"""The words between the agent that takes a message and the recording that keeps it. Pure."""

from enum import StrEnum


class RecordingEnd(StrEnum):
    """What ended a recording."""

    HUNG_UP = "hung-up"
    """The call, or our part in it, was over."""
    KEY = "key"
    SILENCE = "silence"
    LENGTH = "length"
    DISK_FULL = "disk-full"
    WRITE_FAILED = "write-failed"
    GATEWAY_DIED = "gateway-died"
    """The process was gone; another one kept what lay on the disk."""


class MessageStage(StrEnum):
    """How far a message has come that a leg's carrier records by itself (carrier_message.py)."""

    ORDERED = "ordered"
    RECORDING = "recording"
    """The carrier has all that it needs: greeting, tone and recording are its own."""
    MISSING = "missing"
    """It was waited for in vain; should the carrier tell of it after all, it is looked for once more."""


class Told(StrEnum):
    """What a recording tells of itself."""

    READY = "ready"
    """The record is there: say the tone."""
    REFUSED = "refused"
    """No message can be taken."""
    CUT = "cut"
    """Nothing more can be written; what was written is being kept."""
    KEPT = "kept"
    NOTHING = "nothing"
    """It was too short to be a message, and is gone."""
