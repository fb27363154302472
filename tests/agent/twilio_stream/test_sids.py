"""Twilio's names for our things."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from agent.twilio_stream.sids import call_id, call_sid, stream_sid

HEX = some.text("0123456789abcdef", min_size=24, max_size=24)


@given(HEX, some.sampled_from(["call_", "call_in"]))
def test_a_call_is_read_back_from_its_sid(digits: str, word: str) -> None:
    """Without an index, and an inbound call is not an outbound one of the same digits."""
    sid = call_sid(word + digits)
    assert len(sid) == 34
    assert call_id(sid) == word + digits


@pytest.mark.parametrize("sid", ["", "CA", "CA" + "f" * 32, "MZ" + "0" * 32, stream_sid("ses_" + "0" * 24), "CA" + "0" * 31])
def test_what_we_never_made_is_no_call(sid: str) -> None:
    """Twilio's own sids among them."""
    assert call_id(sid) is None


def test_only_ids_of_ours_have_sids() -> None:
    """A wrong id is a bug, told at once."""
    with pytest.raises(ValueError, match="no id of ours"):
        call_sid("leg_" + "0" * 24)
