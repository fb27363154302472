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
    request("send digits", "PUT /v1/calls/*/dtmf"),
    request("speak", "PUT /v1/calls/*/talk"),
    request("stop speaking", "DELETE /v1/calls/*/talk"),
    request("play", "PUT /v1/calls/*/stream"),
    request("stop playing", "DELETE /v1/calls/*/stream"),
    request("mute and earmuff", "PUT /v1/calls/*"),
    request("download a recording", "GET /v1/files/*"),
    request("update a number", "POST /number/update"),
    request("create an application", "POST /v2/applications"),
    request("fetch an application", "GET /v2/applications/*"),
    request("list applications", "GET /v2/applications"),
    request("update an application", "PUT /v2/applications/*"),
    request("delete an application", "DELETE /v2/applications/*"),
    request("send a message", "POST /v1/messages"),
    *rows(
        Group.WEBHOOK,
        "request for a document",
        "call events",
        "event of an error",
        "events of the media leg",
        "notify",
        "upgrade of the media socket",
    ),
    *rows(
        Group.DOCUMENT,
        "talk",
        "stream, wait",
        "input",
        "record",
        "connect to a phone",
        "connect to a WebSocket",
        "conversation",
        "notify to an address",
    ),
    *rows(
        Group.WEBHOOK,
        "call from a phone",
        "event of an input",
        "event of a recording",
        "events of a connected leg",
        "machine detection",
        "status of a message",
    ),
    *rows(Group.MEDIA, "start", "the person's sound", "sound for the person", "keys", "mark", "clear", "answer to a clear"),
)

ELSEWHERE = (
    "fetch the balance",
    "list numbers",
    "update a number",
    "download a recording",
    "send a message",
    "list applications",
    *(f"{act} an application" for act in ("create", "fetch", "update", "delete")),
)
VOICE_ONLY = "the description is the Voice API's; this request goes to another of Vonage's APIs"
UNRECORDED = (
    "call from a phone",
    "event of an input",
    "event of a recording",
    "events of a connected leg",
    "machine detection",
    "status of a message",
)
NOT_RECORDED = "nobody has recorded one where this repository could read it"
ANSWER_ONLY = "of what Vonage posts, its SDK models the request for a document only"
NO_MODEL = "the answer is a 204 without a body"

TABLE = Table(
    kind="vonage",
    title="Vonage",
    operations=OPERATIONS,
    reasons={
        ("answer to a clear", By.PIPECAT): "pipecat makes nothing of this message",
        ("start", By.PIPECAT): "pipecat makes nothing of Vonage's first message but a line in its log",
        **dict.fromkeys(
            (("call events", By.MODELS), ("event of an error", By.MODELS), ("events of the media leg", By.MODELS)), ANSWER_ONLY
        ),
        **dict.fromkeys((("notify", By.MODELS), ("upgrade of the media socket", By.MODELS)), ANSWER_ONLY),
        ("upgrade of the media socket", By.VECTORS): NOT_RECORDED,
        ("document", By.DESCRIPTION): "the description says nothing of what stands in an NCCO",
        **dict.fromkeys([(name, By.VECTORS) for name in UNRECORDED], NOT_RECORDED),
        **dict.fromkeys([(name, By.MODELS) for name in UNRECORDED[1:]], ANSWER_ONLY),
        ("webhook", By.DESCRIPTION): "the description is of requests to the Voice API only",
        ("end a call", By.MODELS): NO_MODEL,
        ("redirect a call", By.MODELS): NO_MODEL,
        ("mute and earmuff", By.MODELS): NO_MODEL,
        ("delete an application", By.MODELS): NO_MODEL,
        ("download a recording", By.MODELS): "the answer is sound, and the SDK has no model of it",
        **dict.fromkeys([(name, By.DESCRIPTION) for name in ELSEWHERE], VOICE_ONLY),
    },
)
