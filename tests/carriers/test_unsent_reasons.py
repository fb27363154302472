"""How the reason of an unsent dial is found in what an SDK raises."""

from itertools import islice

from carriers.sdk_threads import _chain
from gateway.domain.errors import NotSent


def test_a_ring_of_causes_comes_to_an_end() -> None:
    """A cause that is raised again inside its own handler leads back to itself; each exception is looked at once."""
    wrapped, inner = RuntimeError("the SDK's"), NotSent("gate-closed")
    wrapped.__cause__, inner.__context__ = inner, wrapped
    assert list(islice(_chain(inner), 10)) == [inner, wrapped]
