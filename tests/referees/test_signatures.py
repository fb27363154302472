"""What a simulator signs passes the SDK's own validator and ours; what was changed on the way passes neither."""

import pytest
from asked import WEBHOOKS, Asked
from models import WEBHOOK_MODELS
from operations import KINDS, By, table
from validators import SDK_ACCEPTS, WE_ARE_BLIND, WITHOUT_US, forgeries, our_webhooks, sdk_is_blind, we_accept


def cases(by: By) -> pytest.MarkDecorator:
    """One case for each row of webhooks that this column has an opinion of."""
    return pytest.mark.parametrize(
        ("kind", "row"),
        [
            pytest.param(kind, row, marks=pytest.mark.referee(kind, row, by=by), id=f"{kind}: {row}")
            for kind in KINDS
            for row in WEBHOOKS[kind]
            if not table(kind).reason(table(kind).of(row), by)
        ],
    )


@cases(By.VALIDATOR)
def test_signed_passes_forged_fails(asked: Asked, kind: str, row: str) -> None:
    """The SDK's validator and our adapter agree on each request of the row, and on each forgery of it that can be seen."""
    webhooks = None if (kind, row) in WITHOUT_US else our_webhooks(kind, asked.account)
    for signed in asked.requests:
        assert SDK_ACCEPTS[kind](asked.account, signed), signed
        assert webhooks is None or we_accept(webhooks, signed), signed
        for name, forged in forgeries(kind, signed):
            blind = sdk_is_blind(kind, signed, name)
            assert SDK_ACCEPTS[kind](asked.account, forged) is blind, f"the SDK, {name}: {forged}"
            assert webhooks is None or we_accept(webhooks, forged) is (name in WE_ARE_BLIND[kind]), f"we, {name}: {forged}"


@cases(By.MODELS)
def test_webhook_fits_the_models(asked: Asked, kind: str, row: str) -> None:
    """Each request of the row loads into the SDK's own model of it, with fields of the right types and none unknown."""
    problems = [problem for signed in asked.requests for problem in WEBHOOK_MODELS[kind](asked.account, signed, row)]
    assert not problems, "\n".join(problems)
