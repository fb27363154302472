"""Telnyx' rows: Call Control commands and the rest of /v2, webhooks, media streaming. It obeys commands, never documents."""

from operations import By, Group, Table, request, rows

ACT = "POST /v2/calls/*/actions"

OPERATIONS = (
    request("create a call", "POST /v2/calls"),
    request("fetch a call", "GET /v2/calls/*"),
    request("list calls", "GET /v2/connections/*/active_calls"),
    request("list a call's events", "GET /v2/call_events"),
    request("end a call", f"{ACT}/hangup"),
    request("start a stream", f"{ACT}/streaming_start"),
    request("stop a stream", f"{ACT}/streaming_stop"),
    request("fetch the balance", "GET /v2/balance"),
    request("list numbers", "GET /v2/phone_numbers"),
    request("fetch an application", "GET /v2/call_control_applications/*"),
    *rows(Group.WEBHOOK, "call events", "stream events", "failure of a stream"),
    *rows(Group.MEDIA, "start", "the person's sound", "sound for the person", "keys", "mark", "clear"),
)

TABLE = Table(
    kind="telnyx",
    title="Telnyx",
    operations=OPERATIONS,
    reasons={
        (
            "*",
            By.DESCRIPTION,
        ): "no description of Telnyx' API could be had; the SDK's models are generated from it and judge instead"
    },
)
