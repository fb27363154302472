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
    request("delete a call", f"DELETE {AC}/Calls/*.json"),
    request("start a recording", f"POST {AC}/Calls/*/Recordings.json"),
    request("pause, resume and stop a recording", f"POST {AC}/Calls/*/Recordings/*.json"),
    request("list and fetch a call's recordings", f"GET {AC}/Calls/*/Recordings.json", f"GET {AC}/Calls/*/Recordings/*.json"),
    request("delete a call's recording", f"DELETE {AC}/Calls/*/Recordings/*.json"),
    request("list recordings", f"GET {AC}/Recordings.json"),
    request("fetch a recording", f"GET {AC}/Recordings/*.json"),
    request("download a recording", f"GET {AC}/Recordings/*"),
    request("delete a recording", f"DELETE {AC}/Recordings/*.json"),
    request("start a stream", f"POST {AC}/Calls/*/Streams.json"),
    request("stop a stream", f"POST {AC}/Calls/*/Streams/*.json"),
    request("fetch a number", f"GET {AC}/IncomingPhoneNumbers/*.json"),
    request("update a number", f"POST {AC}/IncomingPhoneNumbers/*.json"),
    request("create an application", f"POST {AC}/Applications.json"),
    request("fetch an application", f"GET {AC}/Applications/*.json"),
    request("list applications", f"GET {AC}/Applications.json"),
    request("update an application", f"POST {AC}/Applications/*.json"),
    request("delete an application", f"DELETE {AC}/Applications/*.json"),
    request("send a message", f"POST {AC}/Messages.json"),
    request("fetch a message", f"GET {AC}/Messages/*.json"),
    request("list messages", f"GET {AC}/Messages.json"),
    request("delete a message", f"DELETE {AC}/Messages/*.json"),
    *rows(
        Group.WEBHOOK,
        "request for a document",
        "request to the fallback URL",
        "call events",
        "stream events",
        "request to Connect's action",
        "upgrade of the media socket",
    ),
    *rows(
        Group.DOCUMENT,
        "Say, Hangup",
        "Play, Pause",
        "Redirect",
        "Gather",
        "Record",
        "Dial, Number",
        "Connect, Stream, Parameter",
        "Start, Stop",
        "Reject",
    ),
    *rows(
        Group.WEBHOOK,
        "call from a phone",
        "request of a Redirect",
        "request to Gather's action",
        "request to Record's action",
        "status of a recording",
        "request to Dial's action",
        "events of a dialled leg",
        "machine detection",
        "status of a message",
    ),
    *rows(Group.MEDIA, "start", "the person's sound", "sound for the person", "keys", "mark", "clear", "stop"),
)

DELETED = ("a call", "a call's recording", "a recording", "an application", "a message")
UNDESCRIBED = ("list applications", "list recordings", "download a recording")
SUBSET = "the description that could be had is a subset without it"
UNRECORDED = (
    "call from a phone",
    "request of a Redirect",
    "request to Gather's action",
    "request to Record's action",
    "status of a recording",
    "request to Dial's action",
    "events of a dialled leg",
    "machine detection",
    "status of a message",
)
NOT_RECORDED = "nobody has recorded one where this repository could read it"

TABLE = Table(
    kind="twilio",
    title="Twilio",
    operations=OPERATIONS,
    reasons={
        ("stop", By.PIPECAT): "pipecat makes nothing of this message",
        **dict.fromkeys([(f"delete {what}", By.MODELS) for what in DELETED], "the answer is a 204 without a body"),
        ("download a recording", By.MODELS): "the answer is sound, and the SDK has no model of it",
        **dict.fromkeys([(f"{act} an application", By.DESCRIPTION) for act in ("create", "fetch", "update", "delete")], SUBSET),
        **dict.fromkeys([(name, By.DESCRIPTION) for name in UNDESCRIBED], SUBSET),
        ("document", By.MODELS): "the builder writes elements and has no model to read them with",
        ("document", By.DESCRIPTION): "the description is of the REST API only",
        **dict.fromkeys([(name, By.VECTORS) for name in UNRECORDED], NOT_RECORDED),
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
