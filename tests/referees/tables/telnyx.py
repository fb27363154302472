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
    request("answer", f"{ACT}/answer"),
    request("reject", f"{ACT}/reject"),
    request("speak", f"{ACT}/speak"),
    request("play", f"{ACT}/playback_start"),
    request("stop playing", f"{ACT}/playback_stop"),
    request("gather", f"{ACT}/gather"),
    request("gather using speech", f"{ACT}/gather_using_speak"),
    request("gather using a sound", f"{ACT}/gather_using_audio"),
    request("stop gathering", f"{ACT}/gather_stop"),
    request("send digits", f"{ACT}/send_dtmf"),
    request("start a recording", f"{ACT}/record_start"),
    request("stop a recording", f"{ACT}/record_stop"),
    request("pause a recording", f"{ACT}/record_pause"),
    request("resume a recording", f"{ACT}/record_resume"),
    request("transfer", f"{ACT}/transfer"),
    request("bridge", f"{ACT}/bridge"),
    request("update the client state", "PUT /v2/calls/*/actions/client_state_update"),
    request("list recordings", "GET /v2/recordings"),
    request("fetch a recording", "GET /v2/recordings/*"),
    request("download a recording", "GET /telnyx-recordings/*"),
    request("delete a recording", "DELETE /v2/recordings/*"),
    request("fetch a number", "GET /v2/phone_numbers/*"),
    request("update a number", "PATCH /v2/phone_numbers/*"),
    request("create an application", "POST /v2/call_control_applications"),
    request("list applications", "GET /v2/call_control_applications"),
    request("update an application", "PATCH /v2/call_control_applications/*"),
    request("delete an application", "DELETE /v2/call_control_applications/*"),
    request("send a message", "POST /v2/messages"),
    request("fetch a message", "GET /v2/messages/*"),
    request("list webhook deliveries", "GET /v2/webhook_deliveries"),
    request("fetch a webhook delivery", "GET /v2/webhook_deliveries/*"),
    *rows(Group.WEBHOOK, "call events", "stream events", "failure of a stream"),
    *rows(
        Group.WEBHOOK,
        "call from a phone",
        "events of speech",
        "events of a playback",
        "keys and gather",
        "event of a recording",
        "event of a bridge",
        "machine detection",
        "status of a message",
    ),
    *rows(Group.MEDIA, "start", "the person's sound", "sound for the person", "keys", "mark", "clear", "stop", "error"),
)

UNRECORDED = (
    "events of speech",
    "events of a playback",
    "keys and gather",
    "event of a recording",
    "event of a bridge",
    "machine detection",
    "status of a message",
)

NOT_RECORDED = "nobody has recorded one where this repository could read it"

TABLE = Table(
    kind="telnyx",
    title="Telnyx",
    operations=OPERATIONS,
    reasons={
        ("stop", By.PIPECAT): "pipecat makes nothing of this message",
        ("error", By.PIPECAT): "pipecat makes nothing of this message",
        **dict.fromkeys([(name, By.VECTORS) for name in UNRECORDED], NOT_RECORDED),
        ("download a recording", By.MODELS): "the answer is sound, and the SDK has no model of it",
        (
            "*",
            By.DESCRIPTION,
        ): "no description of Telnyx' API could be had; the SDK's models are generated from it and judge instead",
    },
)
