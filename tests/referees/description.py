"""Judges exchanges by the carriers' published API descriptions (OpenAPI 3.0), which lie beside the project and are only read.

HOLDLINE_SPECS names their folder; else it is `../shared/specs`. Where it is absent, nothing is judged, and the table says so.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import yaml
from jsonschema import Draft202012Validator, FormatChecker

from carriers.lab.contract import RestReply, RestRequest

FOLDER = Path(os.environ.get("HOLDLINE_SPECS") or Path(__file__).parents[3] / "shared" / "specs")
FILES: Mapping[str, tuple[str, str]] = {
    "twilio": ("twilio_api_v2010.subset.json", ""),
    "vonage": ("vonage_voice.yml", "/v1/calls"),
}
"""By carrier: the file, and what stands before its paths."""
NEWER = frozenset(
    {
        # In the SDK's model of a call (twilio 9.13), not in the description of April 2026.
        "annotation",
    }
)
"""Names of fields in answers that are younger than the description."""
MISPRINTS: Mapping[str, tuple[str, ...]] = {"vonage": ("UpdateCallRequestUnmute", "UpdateCallRequestUnearmuff")}
"""Schemas whose enumeration allows the opposite of what their text and example say."""
_METHODS = ("get", "post", "put", "delete")

formats = FormatChecker(formats=())


@formats.checks("date-time-rfc-2822", raises=(TypeError, ValueError))
def _rfc_2822(value: object) -> bool:
    return not isinstance(value, str) or parsedate_to_datetime(value) is not None


class Description:
    """One published description."""

    def __init__(self, document: Mapping[str, Any], prefix: str) -> None:
        self._document = document
        self._operations = [
            (method.upper(), _pattern(prefix + path.removesuffix("/")), described)
            for path, methods in document["paths"].items()
            for method, described in methods.items()
            if method in _METHODS
        ]

    def operation(self, request: RestRequest) -> Mapping[str, Any] | None:
        """What the description has for this request; None for a request that it does not know."""
        fits = (found for method, path, found in self._operations if method == request.method and path.fullmatch(request.path))
        return next(fits, None)

    def problems(self, request: RestRequest, reply: RestReply) -> Iterator[str]:
        """What is otherwise in this exchange; refusals and requests that are not described are not judged."""
        described = self.operation(request)
        if described is None or not 200 <= reply.status < 300:
            return
        where = f"{request.method} {request.path}"
        yield from (f"{where}: {problem}" for problem in self._in_query(described, request.query))
        yield from (f"{where}: {problem}" for problem in self._in_request(described, request))
        yield from (f"{where} -> {reply.status}: {problem}" for problem in self._in_reply(described, reply))

    def _in_query(self, described: Mapping[str, Any], query: str) -> Iterator[str]:
        rules = {
            rule["name"]: rule["schema"] for rule in map(self._resolved, described.get("parameters", ())) if rule["in"] == "query"
        }
        for name, values in parse_qs(query, keep_blank_values=True).items():
            if name not in rules:
                yield f"query parameter {name} is not described"
            else:
                yield from self._wrong(_typed(values, self._resolved(rules[name])), rules[name], f"query parameter {name}")

    def _in_request(self, described: Mapping[str, Any], request: RestRequest) -> Iterator[str]:
        content = described.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            yield from self._wrong(json.loads(request.body), content["application/json"]["schema"], "request")
        for form in (rules["schema"] for kind, rules in content.items() if "form" in kind):
            for name, values in parse_qs(request.body.decode(), keep_blank_values=True).items():
                rule = form["properties"].get(name)
                if rule is None:
                    yield f"parameter {name} is not described"
                else:
                    yield from self._wrong(_typed(values, self._resolved(rule)), rule, f"parameter {name}")

    def _in_reply(self, described: Mapping[str, Any], reply: RestReply) -> Iterator[str]:
        answers = described["responses"]
        if str(reply.status) not in answers:
            yield f"the description has {', '.join(answers)} only"
            return
        content = answers[str(reply.status)].get("content", {})
        for kind in ("application/json",):
            if kind in content:
                yield from self._whole(json.loads(reply.body), content[kind]["schema"])

    def _whole(self, document: Any, schema: Mapping[str, Any]) -> Iterator[str]:
        """As `_wrong`, and fields that the description lacks."""
        yield from self._wrong(document, schema, "answer")
        yield from self._strange(document, schema, "answer")

    def _strange(self, value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
        rule = self._resolved(schema)
        if isinstance(value, list):
            for item in value:
                yield from self._strange(item, rule.get("items", {}), f"{where}[]")
        if isinstance(value, dict) and rule.get("properties"):
            for name, inner in value.items():
                if name in rule["properties"]:
                    yield from self._strange(inner, rule["properties"][name], f"{where}.{name}")
                elif name not in NEWER:
                    yield f"{where}.{name} is not described"

    def _wrong(self, value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
        judge = Draft202012Validator(self._plain(schema), format_checker=formats)
        for error in judge.iter_errors(value):
            yield f"{where}{error.json_path.removeprefix('$')}: {error.message[:300]}"

    def _plain(self, schema: Any) -> Any:
        """The schema with its references inlined and OpenAPI's `nullable` in JSON Schema's words."""
        if isinstance(schema, list):
            return [self._plain(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        rule = {name: self._plain(part) for name, part in self._resolved(schema).items() if name not in {"example", "examples"}}
        if "oneOf" in rule:  # endpoints of several types that fit more than one alternative, as they are written there
            rule["anyOf"] = rule.pop("oneOf")
        if rule.pop("nullable", False) is True and isinstance(rule.get("type"), str):
            rule["type"] = [rule["type"], "null"]
            if "enum" in rule:
                rule["enum"] = [*rule["enum"], None]
        return rule

    def _resolved(self, rule: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in rule:
            found: Any = self._document
            for part in rule["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            rule = found
        return rule


@cache
def description_of(kind: str) -> Description | None:
    """The carrier's description; None where it cannot be had."""
    name, prefix = FILES[kind]
    file = FOLDER / name
    if not file.is_file():
        return None
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    for schema in MISPRINTS.get(kind, ()):
        action = document["components"]["schemas"][schema]["properties"]["action"]
        action["enum"] = [action["example"]]
    return Description(document, prefix)


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(re.escape(part) for part in re.split(r"\{\w+\}", path)))


def _typed(values: list[str], rule: Mapping[str, Any]) -> Any:
    """A form's or query's text as the description counts it."""
    if rule.get("type") == "array":
        return values
    text = values[-1]
    if rule.get("type") == "integer" and text.lstrip("-").isdigit():
        return int(text)
    if rule.get("type") == "boolean" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    return text
