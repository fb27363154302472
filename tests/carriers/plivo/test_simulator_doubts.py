"""What Plivo's pages leave open about documents and causes, told both ways, and what must never pass in silence."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import pytest

from carriers.contract import HookRequest
from carriers.lab.contract import OpenSocket, WebhookReply
from carriers.plivo import verdicts
from carriers.plivo.webhooks import PlivoWebhooks
from gateway.domain.events import LegEnded

HOOKS = "https://gw.example.com/hooks"
MULAW = 'contentType="audio/x-mulaw;rate=8000"'
WorldWith = Callable[..., Any]


def _form(hook: Any) -> dict[str, str]:
    return dict(parse_qsl(hook.body.decode(), keep_blank_values=True))


def _end(world: Any, ref: str, **how: str) -> LegEnded:
    """The phone call is over: what our adapter reads of the report."""
    world.phone(ref, "ended", **how)
    hook = world.sent("Hangup")[-1]
    webhooks = PlivoWebhooks(world.simulator.credentials()["auth_token"])
    headers = {name.lower(): value for name, value in hook.headers.items()}
    request = HookRequest(method=hook.method, url=hook.url, path="hangup", headers=headers, body=hook.body)
    webhooks.verify(request, world.now)
    (ended,) = webhooks.parse(request, world.now).events
    assert isinstance(ended, LegEnded)
    return ended


# --- documents ---------------------------------------------------------------------------------------------------


@pytest.mark.knob("plivo", "content_type_matters")
@pytest.mark.parametrize(("matters", "obeyed"), [(True, False), (False, True)])
def test_document_that_is_no_xml_by_name(world_with: WorldWith, matters: bool, obeyed: bool) -> None:
    """A frame-work's default of text/html cannot be read, or is: to our adapter the first is our own outage."""
    world = world_with(content_type_matters=matters)
    ref = world.answered()
    body = b'<Response><Wait length="3"/></Response>'
    world.simulator.on_webhook_reply(
        world.now, world.sent()[-1].id, WebhookReply(status=200, body=body, content_type="text/html; charset=utf-8")
    )
    assert bool(world.hung_up) is not obeyed
    world.run(3.1)
    ended = _end(world, ref, cause="normal", by="carrier")
    assert ended.verdict.code == ("4010" if obeyed else "8011")


@pytest.mark.parametrize("kind", ["text/xml", "application/xml; charset=utf-8", "Application/XML"])
def test_document_that_is_xml_by_name(world: Any, kind: str) -> None:
    """Both names are taken, whatever their case and parameters."""
    world.answered()
    reply = WebhookReply(status=200, body=b'<Response><Wait length="3"/></Response>', content_type=kind)
    world.simulator.on_webhook_reply(world.now, world.sent()[-1].id, reply)
    assert world.hung_up == []


# --- time --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fragment", "first_s"), [("tt=300", 0.3), ("tt=20000", 17.0), ("ct=500&rt=1000", 1.5), ("", 17.0)])
def test_total_time_bounds_a_try(world: Any, fragment: str, first_s: float) -> None:
    """`tt` cuts a try short that the other two times would allow."""
    world.application(answer_url=f"{HOOKS}/answer#{fragment}")
    world.incoming()
    assert world.sent()[-1].timeout_s == pytest.approx(first_s)


def test_second_try_has_what_the_first_left(world: Any) -> None:
    """All tries of a URL share `tt`; the fallback has a time of its own."""
    world.application(answer_url=f"{HOOKS}/answer#tt=5000&rt=4000&rc=1", fallback_answer_url=f"{HOOKS}/fallback")
    world.incoming()
    world.run(4.0)
    world.reply(world.sent()[-1], status=0, failure="timeout")
    world.run(0.2)
    assert (len(world.sent()), world.sent()[-1].timeout_s) == (2, pytest.approx(0.9))
    world.run(0.8)
    world.reply(world.sent()[-1], status=0, failure="timeout")
    assert (world.sent()[-1].url, world.sent()[-1].timeout_s) == (f"{HOOKS}/fallback", 17.0)


# --- causes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "source"),
    [("1010", "Plivo"), ("3010", "Carrier"), ("3070", "Carrier"), ("3080", "Error"), ("5010", "Error"), ("5020", "Plivo")],
)
def test_source_of_a_failure(world: Any, cause: str, source: str) -> None:
    """Who is named differs by cause, as another platform's list has it."""
    world.reject = cause
    world.place()
    world.run(1.0)
    (hook,) = world.sent("Hangup")
    assert (_form(hook)["HangupSource"], _form(hook)["HangupCauseCode"]) == (source, cause)


def test_busy_phone_is_the_carriers_word(world: Any) -> None:
    """Nobody took the call: Callee is said of people who hung up."""
    ref = world.place()
    world.run(1.0)
    world.phone(ref, "ended", cause="busy", by="phone")
    assert _form(world.sent("Hangup")[0])["HangupSource"] == "Carrier"


@pytest.mark.parametrize("code", [code for code in verdicts.HANGUP_CAUSES if code < 4000 or 4200 <= code < 6000])
def test_every_cause_before_the_answer_can_be_played(world: Any, code: int) -> None:
    """Whatever our table knows of calls that nobody took, a fault `reject` takes and reports."""
    assert str(code) in world.simulator.causes
    world.reject = str(code)
    world.place()
    world.run(1.0)
    assert _form(world.sent("Hangup")[0])["HangupCauseCode"] == str(code)


# --- nothing in silence ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        '<Record recordSession="true" callbackUrl="/rec"/><Wait length="2"/>',
        '<GetDigits action="/keys" redirect="false" timeout="1"/>',
        f'<Stream bidirectional="true" keepCallAlive="true" {MULAW} statusCallbackUrl="/rec">wss://gw.example.com/m</Stream>',
    ],
)
def test_callback_that_is_no_url(world: Any, document: str) -> None:
    """Nobody can be told, and the ledger says so."""
    ref = world.answered()
    world.obey(document)
    for opening in world.of(OpenSocket):
        world.simulator.on_socket_open(world.now, opening.stream)
    for key in "1#":
        world.phone(ref, "digit", digit=key)
    world.run(3.0)
    world.phone(ref, "ended", cause="normal", by="phone")
    world.run(1.0)
    assert any("no URL" in entry["what"] for entry in world.refusals("refused"))
    assert all(hook.url.startswith("https://") for hook in world.sent())
