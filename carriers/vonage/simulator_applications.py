"""The account's applications: their webhooks, and the API that sets them (`/v2/applications`).

An application carries the URLs of inbound calls, the default event URL of all calls, and the fallback. The account has one
from the first day, without any URL; `PUT` replaces everything of it but id and key, as the carrier does.
"""

from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from msgspec import Struct

from carriers.lab.contract import RestReply
from carriers.vonage.simulator_account import application_key, application_public_pem, as_json
from carriers.vonage.simulator_parts import Parts
from carriers.vonage.simulator_requests import Asked, Wrong, json_object, whole_parameter

_SOCKET_S = {"answer_url": 5.0, "fallback_answer_url": 5.0, "event_url": 10.0}
_LONGEST_MS = {"answer_url": 5000, "fallback_answer_url": 5000, "event_url": 10000}
_TOP = frozenset({"name", "capabilities", "privacy", "keys"})
_CAPABILITIES = frozenset({"voice", "rtc", "messages", "vbc", "verify"})
_VOICE = frozenset({"webhooks", "signed_callbacks", "conversations_ttl", "leg_persistence_time", "region"})
_HOOK = frozenset({"address", "http_method", "connection_timeout", "socket_timeout"})
_MESSAGES = frozenset({"webhooks", "version", "authenticate_inbound_media"})


class HookPlan(Struct, frozen=True, kw_only=True):
    """One webhook of an application: where, how, and how long the carrier waits."""

    url: str = ""
    method: str = "POST"
    connect_s: float = 1.0
    socket_s: float = 10.0


@dataclass(kw_only=True)
class Application:
    """One application as it was last set. `public_key` verifies its tokens."""

    id: str
    name: str
    public_pem: str
    public_key: Any
    capabilities: dict[str, Any] = field(default_factory=dict)
    privacy: dict[str, Any] = field(default_factory=lambda: {"improve_ai": False})

    def hook(self, name: str) -> HookPlan:
        """A voice webhook: `answer_url`, `fallback_answer_url` or `event_url`; its url is empty if it is unset."""
        given = self.capabilities.get("voice", {}).get("webhooks", {}).get(name, {})
        return HookPlan(
            url=given.get("address", ""),
            method=given.get("http_method", "POST" if name == "event_url" else "GET"),
            connect_s=given.get("connection_timeout", 1000) / 1000,
            socket_s=given.get("socket_timeout", _SOCKET_S[name] * 1000) / 1000,
        )

    @property
    def status_url(self) -> str:
        """Where the fate of text messages is told."""
        return str(self.capabilities.get("messages", {}).get("webhooks", {}).get("status_url", {}).get("address", ""))


class Applications:
    """Of one account. They stay over a reset."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        first = parts.account.application_id
        self._known = {first: self._new(first, "Holdline lab")}

    def of(self, application_id: str) -> Application:
        """A known application; the first one for an id that was deleted meanwhile."""
        return self._known.get(application_id) or self._known[self._parts.account.application_id]

    def exists(self, application_id: str) -> bool:
        """Whether the account has it."""
        return application_id in self._known

    def key_of(self, application_id: str) -> Any:
        """The key that verifies its tokens; KeyError if there is no such application."""
        return self._known[application_id].public_key

    def signs(self, application_id: str) -> bool:
        """Whether its webhooks carry a token: unless it was switched off."""
        return bool(self.of(application_id).capabilities.get("voice", {}).get("signed_callbacks", True))

    # --- the API -------------------------------------------------------------------------------------------------

    def page(self, _now: float, asked: Asked) -> RestReply:
        given = asked.parameters(frozenset({"page_size", "page"}))
        size, page = whole_parameter(given, "page_size", 10, 1, 100), whole_parameter(given, "page", 1, 1, 1_000_000)
        found = [self._shown(application) for application in self._known.values()]
        pages = max(1, -(-len(found) // size))
        links = {"self": {"href": f"/v2/applications?page_size={size}&page={page}"}}
        counts = {"page_size": size, "page": page, "total_items": len(found), "total_pages": pages}
        some = found[(page - 1) * size : page * size]
        return as_json(200, {**counts, "_embedded": {"applications": some}, "_links": links})

    def create(self, _now: float, asked: Asked) -> RestReply:
        body = json_object(asked.request.body)
        _check(body)
        application = self._new(self._parts.new_uuid(), str(body["name"]))
        self._set(application, body)
        self._known[application.id] = application
        shown = self._shown(application)
        if "keys" not in body:
            # The private key is told once, in this answer.
            shown["keys"]["private_key"] = application_key()[0]
        return as_json(201, shown)

    def get(self, _now: float, asked: Asked) -> RestReply:
        return as_json(200, self._shown(self._asked_for(asked)))

    def update(self, _now: float, asked: Asked) -> RestReply:
        application, body = self._asked_for(asked), json_object(asked.request.body)
        _check(body)
        application.capabilities, application.privacy = {}, {"improve_ai": False}
        self._set(application, body)
        return as_json(200, self._shown(application))

    def delete(self, _now: float, asked: Asked) -> RestReply:
        application = self._asked_for(asked)
        if application.id == self._parts.account.application_id:
            raise Wrong({"id": "the lab keeps the application whose key it gave out"})
        del self._known[application.id]
        self._parts.numbers.unlink(application.id)
        return RestReply(status=204)

    def _asked_for(self, asked: Asked) -> Application:
        found = self._known.get(asked.name)
        if found is None:
            raise LookupError(asked.name)
        return found

    def _new(self, application_id: str, name: str) -> Application:
        return Application(id=application_id, name=name, public_pem=application_public_pem(), public_key=application_key()[1])

    def _set(self, application: Application, body: dict[str, Any]) -> None:
        application.name = str(body["name"])
        application.capabilities = body.get("capabilities", {})
        application.privacy = {"improve_ai": False} | body.get("privacy", {})
        pem = body.get("keys", {}).get("public_key")
        if pem:
            application.public_pem, application.public_key = pem, _loaded(pem)

    def _shown(self, application: Application) -> dict[str, Any]:
        return {
            "id": application.id,
            "name": application.name,
            "keys": {"public_key": application.public_pem},
            "capabilities": application.capabilities,
            "privacy": application.privacy,
            "_links": {"self": {"href": f"/v2/applications/{application.id}"}},
        }


# --- what may be set ---------------------------------------------------------------------------------------------


def _check(body: dict[str, Any]) -> None:
    wrong: dict[str, str] = {}
    if not isinstance(body.get("name"), str) or not body["name"]:
        wrong["name"] = "is required"
    _only(body, _TOP, "", wrong)
    capabilities = _object(body, "capabilities", "", wrong)
    _only(capabilities, _CAPABILITIES, "capabilities.", wrong)
    _check_voice(_object(capabilities, "voice", "capabilities.", wrong), wrong)
    messages = _object(capabilities, "messages", "capabilities.", wrong)
    _only(messages, _MESSAGES, "capabilities.messages.", wrong)
    keys = _object(body, "keys", "", wrong)
    if keys.get("public_key") and _loaded(keys["public_key"]) is None:
        wrong["keys.public_key"] = "must be a PEM public key"
    if wrong:
        raise Wrong(wrong)


def _check_voice(voice: dict[str, Any], wrong: dict[str, str]) -> None:
    where = "capabilities.voice."
    _only(voice, _VOICE, where, wrong)
    hooks = _object(voice, "webhooks", where, wrong)
    _only(hooks, frozenset(_SOCKET_S), f"{where}webhooks.", wrong)
    for name in hooks:
        if name in _SOCKET_S:
            _check_hook(name, _object(hooks, name, f"{where}webhooks.", wrong), f"{where}webhooks.{name}.", wrong)


def _check_hook(name: str, hook: dict[str, Any], where: str, wrong: dict[str, str]) -> None:
    _only(hook, _HOOK, where, wrong)
    if not str(hook.get("address", "")).startswith(("http://", "https://")):
        wrong[f"{where}address"] = "must be an http(s) URL"
    if hook.get("http_method", "GET") not in {"GET", "POST"}:
        wrong[f"{where}http_method"] = "must be GET or POST"
    for field_name, least, most in (("connection_timeout", 300, 1000), ("socket_timeout", 1000, _LONGEST_MS[name])):
        value = hook.get(field_name, least)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            wrong[f"{where}{field_name}"] = f"must be milliseconds from {least} to {most}"


def _only(given: dict[str, Any], known: frozenset[str], where: str, wrong: dict[str, str]) -> None:
    for name in given:
        if name == "connect_timeout" and "connection_timeout" in known:
            wrong[f"{where}{name}"] = "the API's documents call it connection_timeout; the Python SDK's name is another"
        elif name not in known:
            wrong[f"{where}{name}"] = "is not simulated"


def _object(given: dict[str, Any], name: str, where: str, wrong: dict[str, str]) -> dict[str, Any]:
    value = given.get(name, {})
    if not isinstance(value, dict):
        wrong[f"{where}{name}"] = "must be an object"
        return {}
    return value


def _loaded(pem: Any) -> Any:
    try:
        return load_pem_public_key(str(pem).encode())
    except ValueError:
        return None
