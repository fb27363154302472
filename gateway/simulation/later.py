"""Promises that are kept after a world is over: a callback keeps its call's window, which may open again tomorrow only. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from gateway.domain.records import Call
from gateway.domain.window import Window

SAFE_S = 30.0
"""Clocks that were set, and the last moments of a world."""


def allows(window: Window, at: float) -> bool:
    """Whether the window is open at that unix time; told in other words than the gateway's own."""
    local = datetime.fromtimestamp(at, ZoneInfo(window.timezone))
    return window.opens <= f"{local:%H:%M}" < window.closes and f"{local:%a}".lower() in window.days


def waits_for_its_window(call: Call, now: float) -> bool:
    """Whether it is right that this callback still waits, and will for longer than any world lasts."""
    if call.promise is None or call.window is None or not call.callback_of or call.legs:
        return False
    due = call.promise.due_at
    return due > now + SAFE_S and allows(call.window, due) and not allows(call.window, due - 60) and not allows(call.window, now)
