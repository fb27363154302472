"""The lab's Plivo: rented numbers and the applications that say whom to ask about calls to them. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from carriers.lab.contract import RestRequest
from carriers.plivo.simulator_refusals import Refusal, check_urls, digits, fields_of, page_of, query_of
from carriers.plivo.simulator_switch import Switch

Answer = tuple[int, dict[str, Any]]

_URLS = ("answer_url", "hangup_url", "fallback_answer_url", "message_url")
_METHODS = ("answer_method", "hangup_method", "fallback_method", "message_method")
_KNOWN = frozenset({*_URLS, *_METHODS, "app_name", "public_uri"})
_HARMLESS = {"default_number_app": False, "default_endpoint_app": False, "log_incoming_messages": True}
"""What the SDK sends with every application."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")


class Application(Struct, kw_only=True, eq=False):
    """One application; `fields` are URLs and methods as they were set."""

    id: str
    name: str
    fields: dict[str, Any]


class Numbers:
    """What `reset` does not touch."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._applications: dict[str, Application] = {}
        self._app_of: dict[str, str] = {}
        self._aliases: dict[str, str] = {}

    def settings_of(self, number: str) -> Mapping[str, str]:
        """Whom to ask about a call to this number, in the words of create-call; empty without an application."""
        application = self._applications.get(self._app_of.get(number, ""))
        if application is None or not application.fields.get("answer_url"):
            return {}
        fields = application.fields
        told = {name: str(fields[name]) for name in ("answer_url", "hangup_url", *_METHODS) if fields.get(name)}
        return {**told, **({"fallback_url": fields["fallback_answer_url"]} if fields.get("fallback_answer_url") else {})}

    # --- applications --------------------------------------------------------------------------------------------

    def create_application(self, _now: float, request: RestRequest) -> Answer:
        """201 with the new id."""
        fields = fields_of(request, "create application", _KNOWN, _HARMLESS)
        name = str(fields.get("app_name", ""))
        if not _NAME.fullmatch(name):
            raise Refusal(400, "app_name parameter is invalid")
        if not fields.get("answer_url"):
            raise Refusal(400, "answer_url parameter is missing")
        if any(other.name == name for other in self._applications.values()):
            raise Refusal(400, "app_name already exists")
        check_urls(fields)
        app_id = str(self._switch.site.random.randrange(10**16, 10**17))
        self._applications[app_id] = Application(id=app_id, name=name, fields=dict(fields))
        return 201, {"message": "created", "app_id": app_id}

    def list_applications(self, _now: float, request: RestRequest) -> Answer:
        """Newest first; `app_name` filters by its beginning."""
        query = query_of(request, "listing applications", frozenset({"app_name"}))
        found = [each for each in self._applications.values() if each.name.startswith(query.get("app_name", ""))]
        meta, page = page_of(request.path, query, found[::-1])
        return 200, {"meta": meta, "objects": [self._shown(each) for each in page]}

    def get_application(self, _now: float, _request: RestRequest, app_id: str) -> Answer:
        """One."""
        return 200, self._shown(self._application(app_id))

    def update_application(self, _now: float, request: RestRequest, app_id: str) -> Answer:
        """What is not named stays."""
        application = self._application(app_id)
        fields = fields_of(request, "update application", _KNOWN - {"app_name"}, _HARMLESS)
        check_urls(fields)
        application.fields.update({name: value for name, value in fields.items() if value is not None})
        return 202, {"message": "changed"}

    def delete_application(self, _now: float, request: RestRequest, app_id: str) -> Answer:
        """Its numbers have none then."""
        self._application(app_id)
        fields_of(request, "delete application", frozenset({"app_id"}), {"cascade": None})
        del self._applications[app_id]
        self._app_of = {number: app for number, app in self._app_of.items() if app != app_id}
        return 204, {}

    def _application(self, app_id: str) -> Application:
        if app_id not in self._applications:
            raise Refusal(404, "not found")
        return self._applications[app_id]

    def _shown(self, application: Application) -> dict[str, Any]:
        fields = application.fields
        return {
            **{name: fields.get(name) or "" for name in _URLS},
            **{name: fields.get(name, "POST") for name in _METHODS},
            "app_id": application.id,
            "app_name": application.name,
            "default_app": False,
            "default_endpoint_app": False,
            "enabled": True,
            "log_incoming_messages": True,
            "public_uri": bool(fields.get("public_uri", False)),
            "resource_uri": self._uri("Application", application.id),
            "sip_uri": f"sip:{application.id}@app.plivo.com",
            "sub_account": None,
        }

    # --- numbers -------------------------------------------------------------------------------------------------

    def list_numbers(self, _now: float, request: RestRequest) -> Answer:
        """In the order in which they were rented."""
        known = frozenset({"number_startswith", "services", "alias", "type"})
        query = query_of(request, "listing numbers", known)
        found = [number for number in self._switch.site.numbers if self._matches(number, query)]
        meta, page = page_of(request.path, query, found)
        return 200, {"meta": meta, "objects": [self._number(number) for number in page]}

    def _matches(self, number: str, query: Mapping[str, str]) -> bool:
        fits = (
            digits(number).startswith(query.get("number_startswith", "")),
            set(query.get("services", "voice").split(",")) <= {"voice", "sms"},
            query.get("alias", self._aliases.get(number)) == self._aliases.get(number),
            query.get("type", "local") == "local",
        )
        return all(fits)

    def get_number(self, _now: float, _request: RestRequest, number: str) -> Answer:
        """One."""
        return 200, self._number(self._own(number))

    def update_number(self, _now: float, request: RestRequest, number: str) -> Answer:
        """`app_id` sends calls and messages to another application; an empty one to none."""
        own = self._own(number)
        fields = fields_of(request, "update number", frozenset({"app_id", "alias", "number"}))
        app_id = str(fields.get("app_id") or "")
        if app_id and app_id not in self._applications:
            raise Refusal(400, "app_id parameter is invalid")
        if "app_id" in fields:
            self._app_of[own] = app_id
        if "alias" in fields:
            self._aliases[own] = str(fields["alias"])
        return 202, {"message": "changed"}

    def _own(self, number: str) -> str:
        if f"+{digits(number)}" not in self._switch.site.numbers:
            raise Refusal(404, "number not found")
        return f"+{digits(number)}"

    def _number(self, number: str) -> dict[str, Any]:
        app_id = self._app_of.get(number, "")
        return {
            "active": True,
            "added_on": "2026-01-05",
            "alias": self._aliases.get(number),
            "application": self._uri("Application", app_id) if app_id else None,
            "carrier": "Plivo",
            "city": "",
            "compliance_application_id": None,
            "compliance_status": None,
            "country": "United States",
            "mms_enabled": False,
            "mms_rate": "0.00000",
            "monthly_rental_rate": "0.80000",
            "number": digits(number),
            "number_type": "local",
            "region": "United States",
            "renewal_date": "2027-01-05",
            "resource_uri": self._uri("Number", digits(number)),
            "sms_enabled": True,
            "sms_rate": "0.00000",
            "sub_account": None,
            "tendlc_campaign_id": None,
            "tendlc_registration_status": "UNREGISTERED",
            "toll_free_sms_verification": None,
            "voice_enabled": True,
            "voice_rate": "0.00850",
        }

    def _uri(self, resource: str, name: str) -> str:
        return f"/v1/Account/{self._switch.account.auth_id}/{resource}/{name}/"
