"""Twilio's rows: the REST API below /2010-04-01/Accounts/{AC}, TwiML, webhooks, Media Streams."""

from operations import By, Group, Table, request, rows

AC = "/2010-04-01/Accounts/*"

OPERATIONS = (
    request("create a call", f"POST {AC}/Calls.json"),
    request("fetch a call", f"GET {AC}/Calls/*.json"),
    request("list calls", f"GET {AC}/Calls.json"),
    request("redirect a call", f"POST {AC}/Calls/*.json"),
    request("end a call", f"POST {AC}/Calls/*.json"),
    request("list a call's events", f"GET {AC}/Calls/*/Events.json"),
    request("list a call's notifications", f"GET {AC}/Calls/*/Notifications.json"),
    request("fetch the account", "GET /2010-04-01/Accounts/*.json"),
    request("fetch the balance", f"GET {AC}/Balance.json"),
    request("list numbers", f"GET {AC}/IncomingPhoneNumbers.json"),
    *rows(
        Group.WEBHOOK,
        "request for a document",
        "request to the fallback URL",
        "call events",
        "stream events",
        "request to Connect's action",
        "upgrade of the media socket",
    ),
    *rows(Group.MEDIA, "start", "the person's sound", "sound for the person", "keys", "mark", "clear"),
)

NOT_RECORDED = "nobody has recorded one where this repository could read it"

TABLE = Table(
    kind="twilio",
    title="Twilio",
    operations=OPERATIONS,
    reasons={
        ("webhook", By.MODELS): "Twilio's SDK has no model of what Twilio posts; the validator and our parser read the form",
        ("request to the fallback URL", By.VECTORS): NOT_RECORDED,
        ("request to Connect's action", By.VECTORS): NOT_RECORDED,
        (
            "upgrade of the media socket",
            By.VECTORS,
        ): "recorded is only that the signature covers the URL, which the validator judges",
        ("webhook", By.DESCRIPTION): "the description is of the REST API only",
    },
)
