"""Vonage's rows: Voice API v1, account and numbers, NCCO, webhooks, the WebSocket endpoint."""

from operations import By, Group, Table, request, rows

OPERATIONS = (
    request("create a call", "POST /v1/calls"),
    request("fetch a call", "GET /v1/calls/*"),
    request("list calls", "GET /v1/calls"),
    request("end a call", "PUT /v1/calls/*"),
    request("redirect a call", "PUT /v1/calls/*"),
    request("fetch the balance", "GET /account/get-balance"),
    request("list numbers", "GET /account/numbers"),
)

VOICE_ONLY = "the description is the Voice API's; this request goes to another of Vonage's APIs"
NO_MODEL = "the answer is a 204 without a body"

TABLE = Table(
    kind="vonage",
    title="Vonage",
    operations=OPERATIONS,
    reasons={
        ("end a call", By.MODELS): NO_MODEL,
        ("redirect a call", By.MODELS): NO_MODEL,
        ("fetch the balance", By.DESCRIPTION): VOICE_ONLY,
        ("list numbers", By.DESCRIPTION): VOICE_ONLY,
    },
)
