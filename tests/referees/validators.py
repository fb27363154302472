"""Two verifiers for everything that a simulator signs: the SDK's own, and our adapter's. And how a signed request is forged."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import msgspec
from msgspec.structs import replace
from plivo.utils import validate_signature, validate_v3_signature
from sdks import CLIENTS
from twilio.request_validator import RequestValidator
from vonage_jwt.errors import VonageVerifyJwtError
from vonage_jwt.verify_jwt import verify_signature

from carriers.contract import CarrierSettings, HookRequest, Webhooks
from carriers.registry import kinds
from gateway.domain.errors import BadSignature


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A request as it came, at the URL that was signed (for a media socket's upgrade: `ws://...`, method GET)."""

    request: HookRequest
    upgrade: bool = False


Accepts = Callable[[Mapping[str, Any], Signed], bool]


def fields(body: str) -> dict[str, Any]:
    """A form as frameworks hand it out: one value is text, several are a list."""
    found = parse_qs(body, keep_blank_values=True)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def twilio_accepts(account: Mapping[str, Any], signed: Signed) -> bool:
    """`RequestValidator`, with a form's fields, or none for a GET and for an upgrade."""
    asked = signed.request
    form = fields(asked.body.decode()) if asked.method == "POST" else {}
    signature = asked.headers.get("x-twilio-signature", "")
    return bool(RequestValidator(account["auth_token"]).validate(asked.url, form, signature))


def telnyx_accepts(account: Mapping[str, Any], signed: Signed) -> bool:
    """`client.webhooks.unwrap`, which raises a plain ValueError where it refuses."""
    try:
        CLIENTS["telnyx"](account).webhooks.unwrap(signed.request.body.decode(), headers=dict(signed.request.headers))
    except ValueError:
        return False
    return True


def plivo_accepts(account: Mapping[str, Any], signed: Signed) -> bool:
    """`validate_v3_signature`. It takes no ws URL: an upgrade is judged by the http spelling, which is what was seen signed."""
    asked = signed.request
    older = asked.headers.get("x-plivo-signature-v2")
    if older is not None:  # of messages: over the URL alone
        return bool(validate_signature(asked.url, asked.headers["x-plivo-signature-v2-nonce"], older, account["auth_token"]))
    form = fields(asked.body.decode()) if asked.method == "POST" else {}
    nonce = asked.headers.get("x-plivo-signature-v3-nonce", "")
    signature = asked.headers.get("x-plivo-signature-v3", "")
    url = asked.url.replace("ws", "http", 1) if signed.upgrade else asked.url
    return bool(validate_v3_signature(asked.method, url, nonce, account["auth_token"], signature, form))


def vonage_accepts(account: Mapping[str, Any], signed: Signed) -> bool:
    """`verify_signature`, which looks at the token alone."""
    token = signed.request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        return bool(verify_signature(token, account["signature_secret"]))
    except VonageVerifyJwtError:
        return False


SDK_ACCEPTS: Mapping[str, Accepts] = {
    "twilio": twilio_accepts,
    "telnyx": telnyx_accepts,
    "plivo": plivo_accepts,
    "vonage": vonage_accepts,
}


def our_webhooks(kind: str, account: Mapping[str, Any]) -> Webhooks:
    """The adapter's, as an opened carrier has them."""
    card = kinds()[kind]
    known = {name: value for name, value in account.items() if name in card.credentials.__struct_fields__}
    settings = CarrierSettings(name=kind, credentials=msgspec.convert(known, card.credentials), base_url=account["base_url"])
    found: Webhooks = card.open(settings, time.time).webhooks
    return found


def we_accept(webhooks: Webhooks, signed: Signed) -> bool:
    """Our adapter's word."""
    asked = signed.request
    try:
        if signed.upgrade:
            return webhooks.verify_upgrade(asked.url, asked.headers, time.time())
        webhooks.verify(asked, time.time())
    except BadSignature:
        return False
    return True


# --- forging -----------------------------------------------------------------------------------------------------

SIGNATURES: Mapping[str, tuple[str, ...]] = {
    "twilio": ("x-twilio-signature",),
    "telnyx": ("telnyx-signature-ed25519",),
    "plivo": tuple(f"x-plivo-signature-{whose}{version}" for whose in ("", "ma-") for version in ("v2", "v3")),
    "vonage": ("authorization",),
}
SDK_BLIND: Mapping[str, frozenset[str]] = {
    "twilio": frozenset(),
    "telnyx": frozenset({"another URL"}),
    "plivo": frozenset(),
    "vonage": frozenset({"another URL", "another body"}),
}
"""Forgeries that the SDK's validator cannot see: Telnyx' signature does not cover the URL, and Vonage's SDK looks at no hash."""
WITHOUT_US: Mapping[tuple[str, str], str] = {
    (
        "plivo",
        "status of a message",
    ): "Plivo signs these by its older scheme, and the gateway takes no webhooks of messages",
}
"""Rows that the SDK's validator judges alone."""
WE_ARE_BLIND: Mapping[str, frozenset[str]] = {
    "twilio": frozenset(),
    "telnyx": frozenset({"another URL"}),
    "plivo": frozenset(),
    "vonage": frozenset({"another URL"}),
}
"""Forgeries that no verifier could see, because the carrier does not sign it."""


def sdk_is_blind(kind: str, signed: Signed, name: str) -> bool:
    """Whether the SDK's validator cannot see a forgery of this request."""
    over_the_url_alone = "x-plivo-signature-v2" in signed.request.headers
    return name in SDK_BLIND[kind] or (over_the_url_alone and name == "another body")


def forgeries(kind: str, signed: Signed) -> Iterator[tuple[str, Signed]]:
    """What an attacker could change, each by name."""
    asked = signed.request
    bare = {name: value for name, value in asked.headers.items() if name not in SIGNATURES[kind]}
    turned = {name: _turned(asked.headers[name]) for name in SIGNATURES[kind] if name in asked.headers}
    yield "no signature", _with(signed, headers=bare)
    yield "another signature", _with(signed, headers=bare | turned)
    yield "another URL", _with(signed, url=asked.url.replace("127.0.0.1", "127.0.0.2", 1))
    if asked.method == "POST" and not signed.upgrade:
        yield "another body", _with(signed, body=asked.body[:-2] + bytes([asked.body[-2] ^ 1]) + asked.body[-1:])


def _with(signed: Signed, **changes: Any) -> Signed:
    return Signed(request=replace(signed.request, **changes), upgrade=signed.upgrade)


def _turned(signature: str) -> str:
    """The same length and alphabet, another value: a letter in the middle of it is another."""
    middle = len(signature) - 12
    return signature[:middle] + ("A" if signature[middle] != "A" else "B") + signature[middle + 1 :]
