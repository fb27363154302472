"""The telephone's page: what the lab serves, and under which policy."""

import re
from collections.abc import AsyncIterator
from importlib.resources import files

import httpx
import pytest

from carriers.lab.lab import Lab

FOLDER = files("carriers.lab") / "telephone"
NAMES = sorted(file.name for file in FOLDER.iterdir() if file.name.rpartition(".")[2] in {"html", "css", "js", "svg"})


@pytest.fixture(scope="module")
def names() -> list[str]:
    return NAMES


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with Lab() as lab, httpx.AsyncClient(base_url=lab.url, trust_env=False) as one:
        yield one


async def test_every_file_is_served_under_a_strict_policy(client: httpx.AsyncClient, names: list[str]) -> None:
    """The page and its parts; nothing inline, nothing from elsewhere, no frame around it; the microphone is its own."""
    for path in ("/lab/phone", *(f"/lab/phone/{name}" for name in names)):
        answer = await client.get(path)
        assert answer.status_code == 200, path
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "microphone=(self)" in answer.headers["permissions-policy"]


async def test_nothing_else_is_served(client: httpx.AsyncClient) -> None:
    """No Python, and no way out of the folder."""
    for name in ("__init__.py", "..%2Fcontrol.py", "none.js"):
        answer = await client.get(f"/lab/phone/{name}")
        assert answer.status_code == 404
        assert "import" not in answer.text


def test_no_file_asks_another_host_or_writes_markup(names: list[str]) -> None:
    """No address of anybody else, no script in the page's text, nothing parsed as HTML."""
    for name in names:
        text = (FOLDER / name).read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text), name
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\(|\sstyle=|\son[a-z]+=\"", text), name
