"""The console's files: what is served, to whom, and under which policy."""

import re
from importlib.resources import files
from typing import Any

import pytest

STATIC = files("gateway.web.console") / "static"
NAMES = sorted(file.name for file in STATIC.iterdir() if file.name.rpartition(".")[2] in {"html", "css", "js", "svg"})


@pytest.mark.parametrize("path", ["/", *(f"/console/{name}" for name in NAMES)])
async def test_every_file_is_there_under_a_strict_policy(gateway: Any, path: str) -> None:
    """Nothing from elsewhere, nothing inline, no framing; open to all, since the files hold no secret."""
    response = await gateway.client.get(path)
    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "charset=utf-8" in response.headers["content-type"] or path.endswith(".svg")


async def test_a_file_that_is_known_is_not_sent_again(gateway: Any) -> None:
    """304 for the tag of the file as it is."""
    first = await gateway.client.get("/")
    again = await gateway.client.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]


@pytest.mark.parametrize("name", ["none.js", "__init__.py", "..%2Fsession.py", "%2e%2e%2fpages.py"])
async def test_nothing_else_is_served(gateway: Any, name: str) -> None:
    """Only the page's own files; a path leads nowhere."""
    response = await gateway.client.get(f"/console/{name}")
    assert response.status_code == 404
    assert b"import" not in response.content


def test_no_file_asks_another_host() -> None:
    """No address, script, style or font of anybody else; SVG's namespace is a name and no address."""
    for name in NAMES:
        text = (STATIC / name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text), name


def test_nothing_is_inline() -> None:
    """The policy would forbid it; here it is not even tried."""
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|style=|<script(?![^>]*\ssrc=)|\son[a-z]+=|javascript:", page)
    for name in NAMES:
        if name.endswith(".js"):
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", _text(name)), (
                name
            )


def _text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


async def test_the_phone_is_the_labs(gateway: Any) -> None:
    """Without a lab there is none, in words; with one the browser is sent there, and knows the way back."""
    assert (await gateway.client.get("/phone")).status_code == 404
    object.__setattr__(gateway.services, "lab_url", "http://127.0.0.1:4010")
    response = await gateway.client.get("/phone")
    assert response.status_code == 302
    assert response.headers["location"] == "http://127.0.0.1:4010/lab/phone?console=http%3A%2F%2Fwrong-host.example"
