"""Which web pages may drive a lab."""

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from carriers.lab.lab import Lab
from carriers.lab.origins import refused

OWN = "127.0.0.1:4010"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("PUT", {"host": OWN}),
        ("", {"host": OWN}),
        ("PUT", {"host": OWN, "origin": f"http://{OWN}"}),
        ("", {"host": "localhost:4010", "origin": "http://localhost:4010"}),
        ("POST", {"host": "[::1]:4010", "origin": "http://[::1]:4010"}),
        ("POST", {"host": "lab:4010", "origin": "http://lab:4010"}),
        ("GET", {"host": OWN, "origin": "http://evil.test"}),
    ],
)
def test_programs_the_own_page_and_readers_are_obeyed(method: str, headers: dict[str, str]) -> None:
    """No Origin, the lab's own origin, and what changes nothing, are let through."""
    assert refused(method, headers, "lab") == ""


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", ""])
@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (OWN, "http://evil.test"),
        (OWN, "http://127.0.0.1:8080"),
        (OWN, "https://127.0.0.1:4010"),
        (OWN, "null"),
        (OWN, ""),
        ("evil.test:4010", "http://evil.test:4010"),
        ("[", "http://["),
        ("", "http://"),
    ],
)
def test_foreign_pages_are_refused(method: str, host: str, origin: str) -> None:
    """Another page may change nothing and open no socket, not even one whose name was pointed at this machine."""
    assert "Origin" in refused(method, {"host": host, "origin": origin}, "lab")


async def test_a_foreign_page_cannot_kill_a_carrier(lab: Lab) -> None:
    """Over HTTP the refusal is a 403 problem, nothing has changed, and looking is allowed."""
    async with httpx.AsyncClient(base_url=lab.url, headers={"Origin": "http://evil.test"}, trust_env=False) as page:
        put = await page.put("/lab/carriers/fake/faults", json={"faults": [{"kind": "down"}]})
        assert (put.status_code, put.headers["content-type"]) == (403, "application/problem+json")
        assert "Origin" in put.json()["cure"]
        assert (await page.delete("/lab")).status_code == 403
        assert (await page.post("/lab/phones/+15550107001/call", json={"to": "+15550190001"})).status_code == 403
        assert (await page.get("/lab/carriers")).json()["carriers"][0]["faults"] == []


async def test_a_foreign_page_cannot_take_a_line(lab: Lab) -> None:
    """The upgrade is refused before it is accepted, and the line is still free for the lab's own page."""
    url = f"{lab.url.replace('http', 'ws')}/lab/phones/+15550107001/line"
    with pytest.raises(InvalidStatus) as caught:
        await connect(url, proxy=None, additional_headers={"Origin": "http://evil.test"})
    assert caught.value.response.status_code == 403
    async with connect(url, proxy=None, additional_headers={"Origin": lab.url}) as line:
        await line.send('{"event":"answer"}')
        assert "no ringing call" in str(await line.recv())
