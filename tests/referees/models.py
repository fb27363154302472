"""Judges answers by the SDKs' own response models: every field there, known, and of the type that the model gives it."""

import ast
import inspect
import json
import textwrap
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any
from urllib.parse import parse_qsl

from played import Recording
from plivo_shapes import plivo_problems
from pydantic import BaseModel, ValidationError
from sdks import telnyx_client
from validators import Signed
from vonage_voice.models.webhooks import AnswerWebhook

MISTAKEN: Mapping[str, type[Any]] = {
    # Text, says the SDK; an object, says the published description, and the SDK hands out what came.
    "IncomingPhoneNumberInstance.capabilities": dict,
}
"""Where a model's own annotation is wrong, and what is right."""


def twilio_problems(recording: Recording) -> Iterator[str]:
    """Twilio's instances annotate their attributes, and keep what they could not convert as it came."""
    for instance in recording.objects():
        for name, wanted in _annotated(type(instance)).items():
            value = getattr(instance, name)
            if not _fits(value, MISTAKEN.get(f"{type(instance).__name__}.{name}", wanted)):
                yield f"{type(instance).__name__}.{name}: {value!r} is no {wanted}"


@cache
def _annotated(model: type[Any]) -> Mapping[str, Any]:
    """The types that a model's constructor gives its attributes."""
    module = inspect.getmodule(model)
    names = {**vars(module), model.__name__: model}
    tree = ast.parse(textwrap.dedent(inspect.getsource(model.__init__)))
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Attribute) and not node.target.attr.startswith("_"):
            found[node.target.attr] = _resolved(eval(ast.unparse(node.annotation), names), names)
    return found


def _resolved(wanted: Any, names: Mapping[str, Any]) -> Any:
    """Forward references in quotes stand for what they name; the words of Twilio's enumerations are plain text."""
    parts = typing.get_args(wanted)
    if isinstance(wanted, typing.ForwardRef):
        return eval(wanted.__forward_arg__, dict(names))
    if typing.get_origin(wanted) in {typing.Union, UnionType}:
        return typing.Union[tuple(_resolved(part, names) for part in parts)]  # noqa: UP007
    return wanted


def _fits(value: Any, wanted: Any) -> bool:
    if wanted is Any:
        return True
    origin, parts = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in {typing.Union, UnionType}:
        return any(_fits(value, part) for part in parts)
    if origin is list:
        return isinstance(value, list) and all(_fits(item, part) for item in value for part in parts)
    if origin is not None:
        return isinstance(value, origin)
    if wanted is NoneType:
        return value is None
    words = [word for name, word in vars(wanted).items() if not name.startswith("_")] if _is_words(wanted) else None
    return value in words if words is not None else isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))


def _is_words(wanted: Any) -> bool:
    """Twilio's enumerations are classes of text constants that derive from `object`."""
    return isinstance(wanted, type) and "." in wanted.__qualname__ and not issubclass(wanted, BaseModel)


BEYOND = (
    # The SDK's page object does not read these, though the SDK's own `PaginationMeta` names them.
    "meta.page_size",
    "meta.total_results",
    # The SDK says of `gather_id` that it comes back in this event.
    "CallGatherEndedWebhookEvent.payload.gather_id",
    # On recorded webhooks of real calls (2025-09, 2025-11), but not in the SDK's models.
    "payload.calling_party_type",
    "payload.from_sip_uri",
    "payload.to_sip_uri",
    "payload.speak_id",
    "CallAnsweredWebhookEvent.payload.codec",
    "CallAnsweredWebhookEvent.payload.sampling_rate",
    "CallHangupWebhookEvent.payload.end_time",
)
"""Fields that Telnyx sends and that the models lack."""


def telnyx_problems(recording: Recording) -> Iterator[str]:
    """Telnyx' SDK builds its models without looking; here each is asked to look, and may not have been given unknown fields."""
    for model in recording.objects():
        yield from validated(type(model), model.to_dict(mode="json"))
        yield from extras(model, type(model).__name__)


def validated(model: type[BaseModel], document: Any) -> Iterator[str]:
    """What pydantic says of a document."""
    try:
        model.model_validate(document, by_alias=True, by_name=True)
    except ValidationError as error:
        for problem in error.errors():
            yield f"{model.__name__}{problem['loc']}: {problem['msg']}, not {problem['input']!r}"


def extras(value: Any, where: str) -> Iterator[str]:
    """Fields that the model does not know."""
    if isinstance(value, BaseModel):
        known = {told.alias for told in type(value).model_fields.values()}
        strange = [f"{where}.{name}" for name in value.model_extra or () if name not in known]
        yield from (f"{name} is no field of the model" for name in strange if not name.endswith(BEYOND))
        for name in type(value).model_fields:
            yield from extras(getattr(value, name, None), f"{where}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from extras(item, f"{where}[]")


ENVELOPE = frozenset(
    {"count", "page_size", "record_index", "total_items", "total_pages", "page", "numbers", "calls", "applications"}
    | {"_embedded", "_links", "self", "href", "private_key"}
)
"""What the SDK validates (`CallList`, `HalLinks`, the lists) and unpacks, so that its objects do not show it; and the private key
of a new application, which the API shows once and the SDK lets fall.
"""


def vonage_problems(recording: Recording) -> Iterator[str]:
    """Vonage's SDK validates by itself; what it does not tell is which fields its model let fall."""
    models = [told for told in recording.objects() if isinstance(told, BaseModel)]
    for asked, reply in recording.exchanges:
        if reply.status // 100 == 2 and reply.body and "json" in reply.content_type:
            known = {name for model in models for name in _names(model)}
            strange = [name for name in _keys(json.loads(reply.body)) if models and name not in known | ENVELOPE]
            yield from (f"{asked.method} {asked.path}: {name} is in no model" for name in strange)


def _names(model: Any) -> Iterator[str]:
    """Every name under which the model and those in it take fields."""
    if isinstance(model, BaseModel):
        for name, told in type(model).model_fields.items():
            yield from (name, str(told.alias or name), str(told.validation_alias or name))
            yield from _names(getattr(model, name, None))
    elif isinstance(model, list | tuple):
        for item in model:
            yield from _names(item)


def _keys(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield name
            yield from _keys(value)
    elif isinstance(document, list):
        for item in document:
            yield from _keys(item)


MODEL_OF: Mapping[str, str] = {"message.sent": "deliveryupdate", "message.finalized": "deliveryupdate"}
"""By event: the model whose name is not the event's."""


def telnyx_webhook(account: Mapping[str, Any], signed: Signed, _row: str) -> Iterator[str]:
    """The SDK unwraps into a union of all events, and takes another member where a field is wrong: so the member is looked at."""
    event = telnyx_client(account).webhooks.unwrap(signed.request.body.decode(), headers=dict(signed.request.headers))
    document = json.loads(signed.request.body)
    told = document["data"]["event_type"]
    shown = type(event).__name__.lower()
    named = MODEL_OF.get(told, told.replace(".", "").replace("_", ""))
    if getattr(event.data, "event_type", None) != told or named not in shown:
        yield f"{told} was read as {type(event).__name__}"
        return
    yield from validated(type(event), document)
    yield from extras(event.data, type(event).__name__)


def vonage_webhook(_account: Mapping[str, Any], signed: Signed, _row: str) -> Iterator[str]:
    """`AnswerWebhook` lets unknown fields fall, so they are looked for."""
    asked = signed.request
    document = json.loads(asked.body) if asked.method == "POST" else dict(parse_qsl(asked.url.partition("?")[2]))
    yield from validated(AnswerWebhook, document)
    known = {str(told.alias or told.validation_alias or name) for name, told in AnswerWebhook.model_fields.items()}
    yield from (f"{name} is no field of AnswerWebhook" for name in document if name not in known)


WEBHOOK_MODELS: Mapping[str, Callable[[Mapping[str, Any], Signed, str], Iterator[str]]] = {
    "telnyx": telnyx_webhook,
    "vonage": vonage_webhook,
}

MODELS: Mapping[str, Callable[[Recording], Iterator[str]]] = {
    "twilio": twilio_problems,
    "telnyx": telnyx_problems,
    "plivo": plivo_problems,
    "vonage": vonage_problems,
}
