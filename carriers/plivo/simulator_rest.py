"""The lab's Plivo: the way of an API request to what answers it. Pure."""

import base64
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from carriers.lab.contract import RestReply, RestRequest
from carriers.plivo.simulator_calls import new_uuid
from carriers.plivo.simulator_refusals import NotPlayed, Refusal, body_of, digits
from carriers.plivo.simulator_switch import Switch

Handler = Callable[..., tuple[int, dict[str, Any]]]
"""(now, request, *parts of the path) -> (status, body without api_id)."""
Route = tuple[str, str, Handler]
"""Method, pattern of the path below `/v1/Account/{auth_id}/`, handler."""

_LOGIN = "Could not verify your access level for that URL. You have to login with proper credentials"
_WINDOW_S = 5.0


class RestApi:
    """Answers requests below `/v1/Account/{auth_id}/`.

    `files` answers what may need no credentials, or None; it is told whether the request has the right ones.
    """

    def __init__(
        self, switch: Switch, routes: Iterable[Route], files: Callable[[float, RestRequest, bool], RestReply | None]
    ) -> None:
        self._switch, self._site, self._files = switch, switch.site, files
        account = switch.account
        self._root = f"/v1/Account/{account.auth_id}/"
        self._basic = "Basic " + base64.b64encode(f"{account.auth_id}:{account.auth_token}".encode()).decode()
        self._routes = tuple((method, re.compile(pattern), handler) for method, pattern, handler in routes)
        self._recent: deque[float] = deque()

    def dial_target(self, request: RestRequest) -> str | None:
        """The destination (E.164 with `+`) if the request would create a call."""
        if request.method != "POST" or not re.fullmatch(r"/v1/Account/[^/]+/Call/", request.path):
            return None
        return "+" + digits(str(body_of(request).get("to", "")))

    def answer(self, now: float, request: RestRequest) -> RestReply:
        """Never raises for bad input."""
        target = self.dial_target(request)
        if target is not None:
            self._site.ledger.write(now, "dial", carrier=self._site.name, number=target)
        try:
            return self._files(now, request, self._known(request)) or self._authenticated(now, request, target)
        except Refusal as refusal:
            return self.error(refusal.status, refusal.error)
        except NotPlayed as refused:
            # What Plivo might know and the lab does not must not pass for a carrier's answer.
            self._switch.refused(now, refused.what)
            return self.json(refused.status, {"error": f"lab: {refused.what}"})

    def error(self, status: int, text: str) -> RestReply:
        """Error bodies are JSON but for 401 (plain text) and what a proxy in front makes (HTML)."""
        if status == 401:
            return RestReply(status=401, body=_LOGIN.encode(), content_type="text/plain")
        if status in {502, 503, 504}:
            return RestReply(
                status=status, body=f"<html><body><h1>{status}</h1></body></html>".encode(), content_type="text/html"
            )
        return self.json(status, {"error": text})

    def json(self, status: int, content: Mapping[str, Any]) -> RestReply:
        """With an api_id, which a handler may have drawn itself."""
        return RestReply(status=status, body=json.dumps({"api_id": new_uuid(self._site.random), **content}).encode())

    def _authenticated(self, now: float, request: RestRequest, target: str | None) -> RestReply:
        if not self._known(request) or not request.path.startswith(self._root):
            raise Refusal(401, "")
        if target is None:
            self._count(now)
        below = request.path.removeprefix(self._root)
        for method, pattern, handler in self._routes:
            found = pattern.fullmatch(below) if method == request.method else None
            if found:
                status, content = handler(now, request, *found.groups())
                return RestReply(status=204) if status == 204 else self.json(status, content)
        raise NotPlayed(f"{request.method} {request.path} is not simulated", 404)

    def _known(self, request: RestRequest) -> bool:
        return request.headers.get("authorization") == self._basic

    def _count(self, now: float) -> None:
        """300 requests in 5 s; creating calls does not count."""
        while self._recent and self._recent[0] <= now - _WINDOW_S:
            self._recent.popleft()
        self._recent.append(now)
        if len(self._recent) > int(self._site.knobs.get("requests_per_5s", 300)):
            raise Refusal(429, "Too many requests")
