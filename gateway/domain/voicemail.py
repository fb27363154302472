"""What ends the recording of a message on a call's stream. Pure."""

from enum import StrEnum


class RecordingEnd(StrEnum):
    """`CUT` ends are ours; the others are the person's, or the agreed limits."""

    HUNG_UP = "hung-up"
    """The call, or our part in it, was over."""
    KEY = "key"
    SILENCE = "silence"
    LENGTH = "length"
    DISK_FULL = "disk-full"
    WRITE_FAILED = "write-failed"
    GATEWAY_DIED = "gateway-died"
    """The process was gone; another one kept what lay on the disk."""
