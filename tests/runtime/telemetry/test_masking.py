"""Masks for numbers and tokens."""

import pytest

from gateway.runtime.telemetry.masking import mask_media_path, mask_number


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+15550190001", "+1555***0001"),
        ("to=+15550190001, from=+15550100002.", "to=+1555***0001, from=+1555***0002."),
        ("%2B15550190001", "%2B1555***0001"),
        ("x+15550190001y", "x+1555***0001y"),
        ("15550190001", "1555***0001"),
        ("'15550190001'", "'1555***0001'"),
        ("+4912345", "+49***45"),
    ],
)
def test_numbers_are_cut_down(text: str, masked: str) -> None:
    """With and without the plus, alone and inside other text, what is left still tells two numbers apart."""
    assert mask_number(text) == masked


@pytest.mark.parametrize("text", ["call_8f3a", "1764000000.25", "took 12345 ms", "CA15550190001abc", "leg_15550190001", ""])
def test_what_is_no_number_stays(text: str) -> None:
    """Ids, times and counts are left as they are."""
    assert mask_number(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("/carriers/one/media/call_1/leg_1/s3cr3t", "/carriers/one/media/call_1/leg_1/***"),
        ("GET wss://gw.example.com/carriers/one/media/call_1/leg_1/s3/cr3t?x=1 failed", None),
    ],
)
def test_media_tokens_are_replaced(text: str, masked: str | None) -> None:
    """The path keeps its ids and loses its token, wherever it stands."""
    found = mask_media_path(text)
    assert "s3" not in found
    assert "/carriers/one/media/call_1/leg_1/***" in found
    assert masked is None or found == masked
