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
    *rows(
        Group.WEBHOOK,
        "request for a document",
        "call events",
        "event of an error",
        "events of the media leg",
        "notify",
        "upgrade of the media socket",
    ),
    *rows(Group.MEDIA, "start", "the person's sound", "sound for the person", "keys", "mark", "clear"),
)

VOICE_ONLY = "the description is the Voice API's; this request goes to another of Vonage's APIs"
ANSWER_ONLY = "of what Vonage posts, its SDK models the request for a document only"
NO_MODEL = "the answer is a 204 without a body"

TABLE = Table(
    kind="vonage",
    title="Vonage",
    operations=OPERATIONS,
    reasons={
        ("start", By.PIPECAT): "pipecat makes nothing of Vonage's first message but a line in its log",
        **dict.fromkeys(
            (("call events", By.MODELS), ("event of an error", By.MODELS), ("events of the media leg", By.MODELS)), ANSWER_ONLY
        ),
        **dict.fromkeys((("notify", By.MODELS), ("upgrade of the media socket", By.MODELS)), ANSWER_ONLY),
        ("upgrade of the media socket", By.VECTORS): "nobody has recorded one where this repository could read it",
        ("webhook", By.DESCRIPTION): "the description is of requests to the Voice API only",
        ("end a call", By.MODELS): NO_MODEL,
        ("redirect a call", By.MODELS): NO_MODEL,
        ("fetch the balance", By.DESCRIPTION): VOICE_ONLY,
        ("list numbers", By.DESCRIPTION): VOICE_ONLY,
    },
)
