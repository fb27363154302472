"""Lets the framework hand a checked CreateCall to the handler, and describe it in OpenAPI, while we do the reading."""

from collections.abc import Iterator
from typing import Any

from litestar._openapi.schema_generation import SchemaCreator
from litestar.dto import AbstractDTO, DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from gateway.web.requests import CreateCall, read_create_call, read_json


class CreateCallBody(AbstractDTO[CreateCall]):
    """Raises Refusals of ours, where the framework would stop at the first fault and speak to programmers."""

    def decode_bytes(self, value: bytes) -> CreateCall:
        """The body, read strictly."""
        return read_create_call(read_json(value, self.asgi_connection.headers.get("content-type", "")))

    def decode_builtins(self, value: dict[str, Any]) -> CreateCall:
        """A form: never JSON, so refused as such."""
        return self.decode_bytes(b"")

    @classmethod
    def create_for_field_definition(cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None) -> None:
        """Nothing to prepare: no transfer model stands between body and Struct."""

    @classmethod
    def create_openapi_schema(
        cls,
        field_definition: FieldDefinition,  # noqa: ARG003 - the framework's signature
        handler_id: str,  # noqa: ARG003
        schema_creator: SchemaCreator,
    ) -> Reference | Schema:
        """The Struct's own schema."""
        return schema_creator.for_field_definition(FieldDefinition.from_annotation(CreateCall))

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Iterator[DTOFieldDefinition]:  # type: ignore[override]  # noqa: ARG003
        """None: see create_for_field_definition."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:  # noqa: ARG003
        """None: see create_for_field_definition."""
        return False
