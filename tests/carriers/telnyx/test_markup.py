"""Telnyx reads no documents."""

import pytest

from carriers.contract import Attempt, Document
from carriers.telnyx.markup import TelnyxMarkup


@pytest.mark.parametrize("word", ["connect", "hang_up", "acknowledge"])
def test_every_document_is_an_empty_200(word: str) -> None:
    """Anything but 200 makes Telnyx repeat its webhook; a body is ignored, so there is none."""
    markup = TelnyxMarkup()
    attempt = Attempt(call_id="call_1", leg_id="leg_1", to="+15550100001", caller_id="+15550190011")
    documents = {"connect": markup.connect(attempt), "hang_up": markup.hang_up(), "acknowledge": markup.acknowledge()}
    assert documents[word] == Document(body=b"", status=200)
