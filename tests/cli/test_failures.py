"""What a user can cause ends with a sentence and its cure, never with a traceback."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gateway.commands.failure import port_failure, without_password

KEY = "cli-test-key-0123456789"
LAB_CREDENTIALS = {
    "twilio": {"account_sid": "AC" + "0" * 32, "auth_token": "0" * 32},
    "telnyx": {"api_key": "KEY0", "public_key": "A" * 43 + "=", "connection_id": "1"},
}


@contextmanager
def answering(body: bytes, status: str = "200 OK") -> Iterator[str]:
    """A server that answers whatever is asked with this, once; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body))

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def lab_answer(*kinds: str) -> bytes:
    known = {kind: {**LAB_CREDENTIALS[kind], "base_url": "http://127.0.0.1:9", "numbers": ["+15550190001"]} for kind in kinds}
    return json.dumps(known).encode()


@pytest.mark.parametrize("command", ["serve", "check"])
def test_every_problem_of_a_config_is_told_at_once(cli: Any, command: str) -> None:
    """A file with three mistakes gets three lines, each with its key, and exit code 2."""
    text = (cli.folder / "config.yaml").read_text()
    text = (
        text.replace("kind: twilio ", "kind: twillio")
        .replace("  port: 8080", "  prot: 8080")
        .replace("keep_days: 30", "keep_days: no")
    )
    (cli.folder / "config.yaml").write_text(text)
    told = cli.run(command)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr
    for key, cure in (("carriers[0].kind", "twilio"), ("server.prot", "port"), ("store.keep_days", "number")):
        line = next(line for line in told.stderr.splitlines() if line.strip().startswith(key))
        assert cure in line
        assert "(line " in line


def test_machines_get_the_problems_as_json(cli: Any) -> None:
    """With --json the same problems are one JSON object on standard output, and standard error is empty."""
    told = cli.run("serve", "--json")
    failure = json.loads(told.stdout)
    assert (told.returncode, failure["ok"], told.stderr) == (2, False, "")
    paths = [problem["path"] for problem in failure["problems"]]
    assert {"carriers[0].credentials.auth_token", "carriers[3].numbers[0]", "server.public_url"} <= set(paths)
    assert all(problem["found"] and problem["allowed"] for problem in failure["problems"])
    assert "--lab" in failure["cure"]


@pytest.mark.parametrize("command", ["serve", "check"])
def test_no_config(cli: Any, command: str) -> None:
    """A file that is not there is named, with the folder it was looked for in."""
    (cli.folder / "config.yaml").unlink()
    told = cli.run(command)
    assert told.returncode == 2
    assert f"There is no config.yaml in {cli.folder}" in told.stderr
    assert f"holdline {command}" in told.stderr


def test_a_taken_port(cli: Any, taken_port: int) -> None:
    """The port is named, and how to choose another."""
    cli.keep("twilio")
    with answering(lab_answer("twilio")) as lab:
        told = cli.run("serve", "--lab", lab, "--port", str(taken_port))
    assert told.returncode == 1
    assert told.stderr == (
        f"holdline: Port {taken_port} on 127.0.0.1 is taken.\n"
        f"  Choose another: --port {taken_port + 1 if taken_port < 65535 else 8080}, or server.port in config.yaml.\n"
    )


def test_a_carrier_that_the_lab_does_not_have(cli: Any) -> None:
    """The carrier is named by its place in the file, and what the lab has."""
    cli.keep("twilio", "telnyx")
    with answering(lab_answer("twilio")) as lab:
        told = cli.run("serve", "--lab", lab)
    assert told.returncode == 2
    assert "carriers[1]" in told.stderr
    assert "allowed: twilio" in told.stderr


def test_something_that_is_no_lab(cli: Any) -> None:
    """A server that answers otherwise is not waited for."""
    with answering(b"<h1>hello</h1>") as url:
        told = cli.run("serve", "--lab", url)
    assert told.returncode == 1
    assert f"What answers at {url} is not a lab" in told.stderr


def test_a_store_that_cannot_be(cli: Any) -> None:
    """A data directory below a file is refused, with the option that names another."""
    cli.keep("twilio")
    (cli.folder / "file").write_text("")
    with answering(lab_answer("twilio")) as lab:
        told = cli.run("serve", "--lab", lab, "--port", "0", "--data", "file")
    assert told.returncode == 1
    assert "file/store cannot be used" in told.stderr
    assert "--data" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_store_that_does_not_answer(cli: Any, free_port: int) -> None:
    """A store.url where nobody listens is said before anything is served; its password is not."""
    cli.keep("twilio")
    config = cli.folder / "config.yaml"
    config.write_text(config.read_text().replace("\n  url: null", f"\n  url: redis://:geheim@127.0.0.1:{free_port}"))
    with answering(lab_answer("twilio")) as lab:
        told = cli.run("serve", "--lab", lab, "--port", "0")
    assert told.returncode == 1
    assert "The store cannot be used" in told.stderr
    assert "store" in told.stderr.splitlines()[-1]
    assert "geheim" not in told.stderr
    assert "Traceback" not in told.stderr


def test_data_and_a_store_url_exclude_each_other(cli: Any) -> None:
    """--data would be ignored beside store.url, so it is refused."""
    cli.keep("twilio")
    config = cli.folder / "config.yaml"
    config.write_text(config.read_text().replace("\n  url: null", "\n  url: redis://:geheim@127.0.0.1:6379"))
    with answering(lab_answer("twilio")) as lab:
        told = cli.run("serve", "--lab", lab, "--data", "here")
    assert told.returncode == 2
    assert "store.url is redis://***@127.0.0.1:6379" in told.stderr


@pytest.mark.parametrize("command", [("carriers",), ("call", "+15550100001")])
def test_no_key(cli: Any, command: tuple[str, ...]) -> None:
    """Without a key nothing is sent, and the variable is named."""
    told = cli.run(*command)
    assert told.returncode == 2
    assert "HOLDLINE_API_KEY is not set" in told.stderr


@pytest.mark.parametrize("command", [("carriers",), ("call", "+15550100001")])
def test_no_gateway(cli: Any, free_port: int, command: tuple[str, ...]) -> None:
    """A gateway that is not there is said, and how one is started or found."""
    told = cli.run(*command, HOLDLINE_API_KEY=KEY, HOLDLINE_URL=f"http://127.0.0.1:{free_port}")
    assert told.returncode == 1
    assert "No gateway answers" in told.stderr
    assert "holdline serve" in told.stderr
    assert "--url" in told.stderr


@pytest.mark.parametrize(("body", "status"), [(b"<h1>hello</h1>", "200 OK"), (b'{"error": 1}', "404 Not Found")])
def test_something_that_is_no_gateway(cli: Any, body: bytes, status: str) -> None:
    """A server that is something else is said to be."""
    with answering(body, status) as url:
        told = cli.run("carriers", "--url", url, HOLDLINE_API_KEY=KEY)
    assert told.returncode == 1
    assert f"What answers at {url} is not Holdline" in told.stderr


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://127.0.0.1"])
def test_a_url_that_is_none(cli: Any, url: str) -> None:
    """A URL without a scheme that can work is refused before anything is sent."""
    told = cli.run("carriers", "--url", url, HOLDLINE_API_KEY=KEY)
    assert told.returncode == 2
    assert "http://" in told.stderr


@pytest.mark.parametrize(
    ("error", "said", "cure"),
    [
        (OSError(98, "Address already in use"), "Port 65535 on 127.0.0.1 is taken.", "--port 8080"),
        (PermissionError(13, "Permission denied"), "needs more rights", "above 1023"),
        (OSError(99, "Cannot assign requested address"), "Cannot assign", "server.host"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known", "server.host"),
    ],
)
def test_why_nothing_can_listen(error: OSError, said: str, cure: str) -> None:
    """Each reason has its own cure."""
    failure = port_failure(error, "127.0.0.1", 65535)
    assert said in failure.said
    assert cure in failure.cure


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:geheim@db:6379/0", "redis://***@db:6379/0"),
        ("redis://:geheim@db", "redis://***@db"),
        ("redis://db:6379", "redis://db:6379"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    """What is printed and logged never holds the store's password."""
    assert without_password(url) == shown
