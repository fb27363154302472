"""One line per event, and no full number or media token in any of them."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway.runtime.telemetry.logs import configure_logs

NUMBER = "+15550100001"
TOKEN_URL = "wss://gw.example.com/carriers/alpha/media/call_1/leg_1/unguessable-token"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    handlers = logging.getLogger().handlers
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers = handlers


def logged(*, as_json: bool) -> tuple[structlog.stdlib.BoundLogger, io.StringIO]:
    out = io.StringIO()
    configure_logs(stream=out, as_json=as_json)
    return structlog.get_logger("test"), out


def test_a_line_is_one_json_object() -> None:
    """Event, level, time and values, on one line."""
    log, out = logged(as_json=True)
    log.info("leg-ringing", call_id="call_1", seconds=1.5)
    (line,) = out.getvalue().splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"], told["call_id"], told["seconds"]) == ("leg-ringing", "info", "call_1", 1.5)
    assert told["timestamp"].endswith("Z")


@pytest.mark.parametrize("as_json", [True, False])
def test_numbers_and_tokens_are_masked_wherever_they_stand(as_json: bool) -> None:
    """In values, in the event's text, deep inside, in objects that are no text, and in a traceback."""
    log, out = logged(as_json=as_json)
    text = f"calling {NUMBER}"
    log.info(text, to=NUMBER, nested={"legs": [{"caller_id": NUMBER}]}, url=TOKEN_URL, error=ValueError(NUMBER))
    try:
        raise RuntimeError(f"cannot reach {NUMBER} at {TOKEN_URL}")
    except RuntimeError:
        log.exception("failed", secret_local=TOKEN_URL)
    assert NUMBER not in out.getvalue()
    assert NUMBER[1:] not in out.getvalue()
    assert "unguessable-token" not in out.getvalue()
    assert "+1555***0001" in out.getvalue()
    assert "cannot reach" in out.getvalue()


def test_a_terminal_gets_columns_and_a_pipe_gets_json() -> None:
    """Where nobody says otherwise the stream decides."""
    pipe = io.StringIO()
    configure_logs(stream=pipe)
    structlog.get_logger("test").info("started")
    assert json.loads(pipe.getvalue())["event"] == "started"


def test_quiet_levels_are_left_out() -> None:
    """Debug lines are written only when asked for."""
    log, out = logged(as_json=True)
    log.debug("detail")
    assert out.getvalue() == ""


@pytest.mark.parametrize("as_json", [True, False])
def test_what_libraries_log_is_masked_as_well(as_json: bool) -> None:
    """A warning of an SDK or a server takes the same way; its chatter below that is left out."""
    _, out = logged(as_json=as_json)
    library = logging.getLogger("some.sdk")
    library.warning("cannot reach %s", NUMBER)
    library.info("posting")
    try:
        raise RuntimeError(NUMBER)
    except RuntimeError:
        library.exception("request failed")
    assert "cannot reach +1555***0001" in out.getvalue()
    assert NUMBER not in out.getvalue()
    assert "RuntimeError" in out.getvalue()
    assert "posting" not in out.getvalue()


def test_setting_up_twice_tells_everything_once() -> None:
    """A second set-up takes the place of the first."""
    logged(as_json=True)
    _, out = logged(as_json=True)
    logging.getLogger("some.sdk").warning("once")
    assert out.getvalue().count("once") == 1
