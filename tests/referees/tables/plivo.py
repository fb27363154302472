"""Plivo's rows: the REST API below /v1/Account/{auth_id}, Plivo XML, webhooks, audio streams."""

from operations import By, Group, Table, request, rows

AC = "/v1/Account/*"

OPERATIONS = (
    request("create a call", f"POST {AC}/Call/"),
    request("fetch a call", f"GET {AC}/Call/*/"),
    request("list calls", f"GET {AC}/Call/"),
    request("end a call", f"DELETE {AC}/Call/*/"),
    request("cancel a request", f"DELETE {AC}/Request/*/"),
    request("fetch the account", f"GET {AC}/"),
    request("list numbers", f"GET {AC}/Number/"),
    request("fetch a number", f"GET {AC}/Number/*/"),
    request("end every call", f"DELETE {AC}/Call/", f"DELETE {AC}/Call//"),
    request("redirect a call", f"POST {AC}/Call/*/"),
    request("send digits", f"POST {AC}/Call/*/DTMF/"),
    request("speak", f"POST {AC}/Call/*/Speak/"),
    request("stop speaking", f"DELETE {AC}/Call/*/Speak/"),
    request("play", f"POST {AC}/Call/*/Play/"),
    request("stop playing", f"DELETE {AC}/Call/*/Play/"),
    request("start a recording", f"POST {AC}/Call/*/Record/"),
    request("stop a recording", f"DELETE {AC}/Call/*/Record/"),
    request("fetch a recording", f"GET {AC}/Recording/*/"),
    request("list recordings", f"GET {AC}/Recording/"),
    request("download a recording", f"GET {AC}/Recording/*"),
    request("delete a recording", f"DELETE {AC}/Recording/*/"),
    request("start a stream", f"POST {AC}/Call/*/Stream/"),
    request("list and fetch streams", f"GET {AC}/Call/*/Stream/", f"GET {AC}/Call/*/Stream/*/"),
    request("stop a stream", f"DELETE {AC}/Call/*/Stream/*/"),
    request("stop all streams", f"DELETE {AC}/Call/*/Stream/"),
    request("create an application", f"POST {AC}/Application/"),
    request("fetch an application", f"GET {AC}/Application/*/"),
    request("list applications", f"GET {AC}/Application/"),
    request("update an application", f"POST {AC}/Application/*/"),
    request("delete an application", f"DELETE {AC}/Application/*/"),
    request("update a number", f"POST {AC}/Number/*/"),
    request("send a message", f"POST {AC}/Message/"),
    request("fetch a message", f"GET {AC}/Message/*/"),
    request("list messages", f"GET {AC}/Message/"),
    *rows(
        Group.WEBHOOK,
        "request for a document",
        "request to the fallback URL",
        "call events",
        "stream events",
        "request of a Redirect",
        "upgrade of the media socket",
    ),
    *rows(Group.MEDIA, "start", "the person's sound", "sound for the person", "keys", "mark", "clear"),
)

NO_DESCRIPTION = "Plivo publishes no machine-readable description of its API; its SDK's test data judge under models"
EMPTY = (
    "end a call",
    "end every call",
    "cancel a request",
    "stop speaking",
    "stop playing",
    "stop a recording",
    "delete a recording",
    "stop a stream",
    "stop all streams",
    "delete an application",
)
NOT_RECORDED = "nobody has recorded one where this repository could read it"
NO_MODEL = "the answer is a 204 without a body"

TABLE = Table(
    kind="plivo",
    title="Plivo",
    operations=OPERATIONS,
    reasons={
        ("request to the fallback URL", By.VECTORS): NOT_RECORDED,
        ("request of a Redirect", By.VECTORS): NOT_RECORDED,
        ("upgrade of the media socket", By.VECTORS): NOT_RECORDED,
        ("webhook", By.MODELS): "Plivo's SDK has no model of what Plivo posts, and its test data have none",
        ("*", By.DESCRIPTION): NO_DESCRIPTION,
        **dict.fromkeys([(name, By.MODELS) for name in EMPTY], NO_MODEL),
        ("download a recording", By.MODELS): "the answer is sound, and the SDK has no model of it",
    },
)
