"""The lab's Telnyx is given addresses and numbers that are none: a refusal that points at the field, and never a crash."""

from typing import Any

import pytest

NOWHERE = ("{}://", "{}://[", "{}://gw.test:99999/x", "{}://gw.test:abc/x", "{}://gw.test:0/x")


@pytest.mark.parametrize("form", NOWHERE)
@pytest.mark.parametrize(("field", "scheme"), [("stream_url", "wss"), ("webhook_url", "https"), ("audio_url", "http")])
def test_an_address_that_is_none(new_world: Any, field: str, scheme: str, form: str) -> None:
    """No host, brackets that do not close, a port that no machine has: 422 at that field, and nobody is dialled."""
    world = new_world()
    reply = world.ask("POST", "/v2/calls", world.wish(**{field: form.format(scheme)}))
    assert world.error(reply) == (422, "10015", f"/{field}")
    assert not world.dialled


@pytest.mark.parametrize("number", ["+1٥٥٥0100001", "+1555010０001"])
def test_digits_of_another_alphabet(new_world: Any, number: str) -> None:
    """Digits of other scripts are no telephone number."""
    world = new_world()
    assert world.error(world.ask("POST", "/v2/calls", world.wish(to=number))) == (422, "10016", "/to")


def test_a_path_that_is_not_simulated_is_asked_once(new_world: Any) -> None:
    """The SDK repeats what ends in 5xx, but not where it is told not to."""
    reply = new_world().ask("POST", "/v2/conferences", {})
    assert (reply.status, reply.headers) == (501, {"x-should-retry": "false"})
