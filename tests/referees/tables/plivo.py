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
        ("end a call", By.MODELS): NO_MODEL,
        ("cancel a request", By.MODELS): NO_MODEL,
    },
)
