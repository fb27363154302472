"""The JSON Schema of config.yaml, made from the Structs, for editors: `holdline schema`."""

from collections.abc import Mapping
from typing import Any

import msgspec

from carriers.contract import Kind
from carriers.registry import kinds as known_carriers
from gateway.config.structs import Config


def schema(carriers: Mapping[str, Kind] | None = None) -> dict[str, Any]:
    """JSON Schema 2020-12; a carrier's credentials are those of its kind."""
    kinds = known_carriers() if carriers is None else carriers
    types = [Config, *(kind.credentials for kind in kinds.values())]
    (root, *credentials), parts = msgspec.json.schema_components(types, ref_template="#/$defs/{name}")
    parts["CarrierConfig"]["properties"]["kind"]["enum"] = list(kinds)
    parts["CarrierConfig"]["allOf"] = [_when(kind, ref) for kind, ref in zip(kinds, credentials, strict=True)]
    heading = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Holdline's config.yaml"}
    return {**heading, **root, "$defs": parts}


def _when(kind: str, credentials: dict[str, Any]) -> dict[str, Any]:
    return {
        "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
        "then": {"properties": {"credentials": credentials}},
    }
