"""Lets the framework hand a checked request to the handler, and describe it in OpenAPI, while we do the reading."""

from collections.abc import Iterator
from typing import Any, ClassVar, TypeVar

from litestar._openapi.schema_generation import SchemaCreator
from litestar.dto import AbstractDTO, DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from gateway.web.requests import CreateCall, ExplainRoute, read_create_call, read_explain_route, read_json

T = TypeVar("T")


class StrictBody(AbstractDTO[T]):
    """Raises Refusals of ours, where the framework would stop at the first fault and speak to programmers."""

    shape: ClassVar[type[Any]]

    @classmethod
    def read(cls, document: Any) -> Any:
        """Plain data to the shape; raise Refusal."""
        raise NotImplementedError

    def decode_bytes(self, value: bytes) -> Any:
        """The body, read strictly."""
        return self.read(read_json(value, self.asgi_connection.headers.get("content-type", "")))

    def decode_builtins(self, value: dict[str, Any]) -> Any:
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
        return schema_creator.for_field_definition(FieldDefinition.from_annotation(cls.shape))

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Iterator[DTOFieldDefinition]:  # type: ignore[override]  # noqa: ARG003
        """None: see create_for_field_definition."""
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:  # noqa: ARG003
        """None: see create_for_field_definition."""
        return False


class CreateCallBody(StrictBody[CreateCall]):
    """Of `POST /v1/calls`."""

    shape = CreateCall

    @classmethod
    def read(cls, document: Any) -> CreateCall:
        return read_create_call(document)


class ExplainRouteBody(StrictBody[ExplainRoute]):
    """Of `POST /v1/routes/explain`."""

    shape = ExplainRoute

    @classmethod
    def read(cls, document: Any) -> ExplainRoute:
        return read_explain_route(document)
