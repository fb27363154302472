"""Who may speak to us as Vonage: tokens made by the simulator, judged by the SDK's verifier and by ours."""

import base64
import hashlib
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from vonage_jwt import VonageVerifyJwtError, verify_signature

from carriers.contract import HookRequest
from carriers.lab.contract import OpenSocket
from carriers.vonage.webhooks import VonageWebhooks
from gateway.domain.errors import BadSignature

SECRET = "an-invented-signature-secret-" + "0123456789" * 4
APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
NOW = 1_790_000_000.0
HOOKS = "https://gw.example.com/carriers/vonage/hooks/call_1/leg_1"
BODY = b'{"uuid":"u","status":"started","timestamp":"2026-11-22T12:00:00.000Z"}'


def token(body: bytes | None = BODY, secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A token as the carrier makes it; None takes a claim away."""
    own: dict[str, Any] = {"iat": int(NOW), "jti": "j-1", "iss": "Vonage", "api_key": "k", "application_id": APPLICATION}
    if body is not None:
        own["payload_hash"] = hashlib.sha256(body).hexdigest()
    merged = {name: value for name, value in (own | claims).items() if value is not None}
    return jwt.encode(merged, secret, algorithm=algorithm)


def request(bearer: str, body: bytes = BODY, step: str = "event", method: str = "POST", query: str = "") -> HookRequest:
    headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
    return HookRequest(method=method, url=f"{HOOKS}/{step}{query}", path=step, headers=headers, body=body)


def ours(**options: Any) -> VonageWebhooks:
    return VonageWebhooks(SECRET, APPLICATION, **options)


def test_what_the_simulator_signs_is_accepted_by_the_sdk_and_by_us(stage: Any) -> None:
    """Three authors agree: the simulated carrier signs, the vendor's verifier and ours accept."""
    stage.now = float(int(time.time()))  # the SDK's verifier reads the wall clock
    stage.place()
    stage.pass_time(1)
    (webhook,) = stage.webhooks()
    secret, bearer = stage.sim.credentials()["signature_secret"], webhook.headers["authorization"]
    assert verify_signature(bearer.removeprefix("Bearer "), secret) is True
    hook = HookRequest(method="POST", url=webhook.url, path="event", headers=webhook.headers, body=webhook.body)
    assert VonageWebhooks(secret, stage.sim.credentials()["application_id"]).verify(hook, stage.now).key


@pytest.mark.parametrize("covers", ["json", "query"])
def test_signed_gets_are_accepted_in_both_readings(make_stage: Callable[..., Any], covers: str) -> None:
    """The hash of a GET covers its parameters as compact JSON, by some accounts the raw query: both are taken."""
    stage = make_stage(get_hash_over=covers)
    ref = stage.place(answer_method="GET")
    stage.answer_phone(ref)
    asked = next(webhook for webhook in stage.webhooks() if webhook.method == "GET")
    hook = HookRequest(method="GET", url=asked.url, path="answer", headers=asked.headers, body=b"")
    webhooks = VonageWebhooks(stage.sim.credentials()["signature_secret"])
    assert webhooks.verify(hook, stage.now).key
    tampered = HookRequest(
        method="GET", url=asked.url.replace("15550100001", "15550100002"), path="answer", headers=asked.headers, body=b""
    )
    with pytest.raises(BadSignature, match="payload-hash"):
        webhooks.verify(tampered, stage.now)


def test_the_hash_of_a_get_has_a_known_value() -> None:
    """The compact JSON of the decoded parameters in the URL's order, worked out by hand."""
    covered = b'{"to":"15550190031","endpoint_type":"phone","from":"15550100001","note":"a b"}'
    query = "?to=15550190031&endpoint_type=phone&from=15550100001&note=a%20b"
    assert ours().verify(request(token(covered), b"", "answer", "GET", query), NOW).key


def test_a_wrong_secret_fails_in_both() -> None:
    """The SDK's verifier and ours refuse the same token."""
    forged = token(secret="another-invented-secret-of-enough-length")
    assert verify_signature(forged, SECRET) is False
    with pytest.raises(BadSignature, match="wrong-signature"):
        ours().verify(request(forged), NOW)


def test_a_garbled_token_fails_in_both() -> None:
    """Neither takes what is no token."""
    with pytest.raises(VonageVerifyJwtError):
        verify_signature("garbage", SECRET)
    with pytest.raises(BadSignature):
        ours().verify(request("garbage"), NOW)


def test_we_are_stricter_than_the_sdk() -> None:
    """The SDK takes a day-old token with any body; we want the hash of this body, and a fresh token."""
    assert verify_signature(token(iat=int(NOW) - 86400), SECRET) is True
    with pytest.raises(BadSignature, match="stale"):
        ours().verify(request(token(iat=int(NOW) - 86400)), NOW)
    with pytest.raises(BadSignature, match="payload-hash-mismatch"):
        ours().verify(request(token(), BODY.replace(b"started", b"answered")), NOW)


@pytest.mark.parametrize(
    ("bearer", "reason"),
    [
        ("", "unsigned"),
        ("a.b", "garbled-token|wrong-algorithm"),
        ("a.b.c", "garbled-token"),
        (base64.urlsafe_b64encode(b'{"alg":' + b"[" * 3000).decode() + ".b.c", "garbled-token"),
        (token(iat=int(NOW) - 301), "stale"),
        (token(iat=int(NOW) + 301), "stale"),
        (token(exp=int(NOW) - 301), "stale"),
        (token(iat=None), "no-age"),
        (token(iat="now"), "no-age"),
        (token(jti=None), "no-age"),
        (token(iss="Somebody"), "wrong-issuer"),
        (token(iss=None), "wrong-issuer"),
        (token(application_id="another"), "wrong-application"),
        (token(None), "no-payload-hash"),
        (token(payload_hash="0" * 64), "payload-hash-mismatch"),
        (token(payload_hash="é"), "payload-hash-mismatch"),
        (token(algorithm="HS512"), "wrong-algorithm"),
        (token().rpartition(".")[0] + ".", "wrong-signature"),
        (jwt.encode({"iat": int(NOW), "jti": "j", "iss": "Vonage"}, None, algorithm="none"), "wrong-algorithm"),
    ],
)
def test_every_other_token_is_refused(bearer: str, reason: str) -> None:
    """Unsigned, stale, foreign, hashless and differently signed requests are refused by name."""
    with pytest.raises(BadSignature, match=reason):
        ours().verify(request(bearer), NOW)


@pytest.mark.parametrize("age", [-299, 0, 299])
def test_clocks_may_differ_by_five_minutes(age: int) -> None:
    """A token a little old, or a little in the future, is as good as a new one."""
    assert ours().verify(request(token(iat=int(NOW) - age)), NOW).key


def test_the_payload_hash_can_be_made_optional() -> None:
    """Where an account sends none, one setting takes such tokens; a hash that is there must still be right."""
    lenient = ours(require_payload_hash=False)
    assert lenient.verify(request(token(None)), NOW).key
    with pytest.raises(BadSignature):
        lenient.verify(request(token(payload_hash="0" * 64)), NOW)


def test_a_retry_has_the_key_of_its_first_attempt() -> None:
    """A repeat carries a new token for the same body: one delivery, one key."""
    first, again = request(token()), request(token(jti="j-2", iat=int(NOW) + 2))
    assert ours().verify(first, NOW).key == ours().verify(again, NOW).key


def test_every_other_delivery_has_a_key_of_its_own() -> None:
    """Another body, another step or another leg is another delivery."""
    other_body = BODY.replace(b"started", b"ringing")
    other_leg = HookRequest(
        method="POST", url=f"{HOOKS}2/event", path="event", headers={"authorization": f"Bearer {token()}"}, body=BODY
    )
    hooks = [request(token()), request(token(other_body), other_body), request(token(), step="stream"), other_leg]
    assert len({ours().verify(hook, NOW).key for hook in hooks}) == len(hooks)


def test_asking_twice_what_comes_after_the_stream_is_two_deliveries() -> None:
    """The body of `after` may carry no time: then the token's id tells two questions apart."""
    bare, timed = b'{"payload":{"leg":"leg_1"}}', b'{"payload":{"leg":"leg_1"},"timestamp":"2026-11-22T12:00:00.000Z"}'

    def key(body: bytes, jti: str) -> str:
        return ours().verify(request(token(body, jti=jti), body, "after"), NOW).key

    assert key(bare, "j-1") != key(bare, "j-2")
    assert key(timed, "j-1") == key(timed, "j-2")


def test_the_upgrade_of_the_stream_is_signed(stage: Any) -> None:
    """The connect action asks for a signed upgrade: the simulator's is accepted, none or a stale one is refused."""
    ref = stage.place(answer_url=None, ncco=[socket_action()])
    stage.answer_phone(ref)
    (opening,) = stage.take(OpenSocket)
    webhooks = VonageWebhooks(stage.sim.credentials()["signature_secret"])
    assert webhooks.verify_upgrade(opening.url, opening.headers, stage.now) is True
    for headers, now in [({}, stage.now), (opening.headers, stage.now + 400), ({"authorization": "Bearer x"}, stage.now)]:
        with pytest.raises(BadSignature):
            webhooks.verify_upgrade(opening.url, headers, now)


def socket_action() -> dict[str, Any]:
    """A connect action that asks for a signed upgrade."""
    endpoint = {"type": "websocket", "uri": "wss://gw.example.com/media", "content-type": "audio/l16;rate=8000"}
    return {"action": "connect", "endpoint": [{**endpoint, "authorization": {"type": "vonage"}}]}
