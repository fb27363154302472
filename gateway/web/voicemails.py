"""`/v1/voicemails`: messages that callers left: look, listen, delete."""

from typing import Annotated

from litestar import Request, Response, Router, delete, get
from litestar.datastructures import State
from litestar.params import PathParameter, QueryParameter

from gateway.runtime.store.voicemail_contract import Voicemail
from gateway.runtime.voicemails import drop
from gateway.web.paging import read_place, refuse_unknown_parameters
from gateway.web.problems import Refusal, refusal
from gateway.web.responses import protected
from gateway.web.services import GivenServices, Services
from gateway.web.shapes import VoicemailPage, VoicemailView
from gateway.web.views import voicemail_view

ApiRequest = Request[object, object, State]

VoicemailId = Annotated[str, PathParameter(description="`vm_...`, as the list has it.")]


@get("/", **protected("calls:read", "List voicemails", "A page of voicemails."))
async def list_voicemails(
    request: ApiRequest,
    services: GivenServices,
    limit: Annotated[int, QueryParameter(description="At most so many.", ge=1, le=200)] = 50,
    cursor: Annotated[str | None, QueryParameter(description="`next` of the page before.", max_length=200)] = None,
) -> VoicemailPage:
    """Newest first, by when they were left."""
    refuse_unknown_parameters(request, ("limit", "cursor"))
    page = await services.store.list_voicemails(limit, read_place(cursor))
    return VoicemailPage(items=tuple(voicemail_view(one) for one in page.items), next=page.next)


@get("/{voicemail_id:str}", **protected("calls:read", "One voicemail", "The voicemail."))
async def get_voicemail(voicemail_id: VoicemailId, services: GivenServices) -> VoicemailView:
    """Who left it, when, and for which number."""
    return voicemail_view(await _load(voicemail_id, services))


@get(
    "/{voicemail_id:str}/audio",
    media_type="audio/wav",
    **protected("calls:read", "Listen to a voicemail", "The sound; of a message that is being recorded, as far as it goes."),
)
async def get_audio(voicemail_id: VoicemailId, services: GivenServices) -> Response[bytes]:
    """A WAV file: 16-bit, 8 kHz where we recorded it ourselves; else as the carrier made it."""
    wav = await services.voicemail_files.read((await _load(voicemail_id, services)).id)
    if wav is None:
        raise refusal("not-found", "The voicemail's file is not in `storage.dir` of this gateway.")
    name = f'attachment; filename="{voicemail_id}.wav"'
    return Response(wav, media_type="audio/wav", headers={"Content-Disposition": name, "Cache-Control": "private"})


@delete(
    "/{voicemail_id:str}",
    status_code=204,
    **protected("calls:write", "Delete a voicemail", "It is gone, and is not collected again."),
)
async def delete_voicemail(voicemail_id: VoicemailId, services: GivenServices) -> None:
    """Record and sound; what the carrier keeps is deleted there only if `storage.delete_at_carrier` says so.

    A message that is being recorded is not deleted (409): hang its call up first, or wait for its end.
    """
    voicemail = await _load(voicemail_id, services)
    now = services.clock.now()
    notices = services.announcer.of_deleted(voicemail, now)
    if not await drop(voicemail.id, services.store, services.voicemail_files, now, notices=notices):
        raise _being_recorded(await _load(voicemail_id, services))


async def _load(voicemail_id: str, services: Services) -> Voicemail:
    voicemail = await services.store.voicemail(voicemail_id)
    if voicemail is None:
        raise _none_of_this_id()
    return voicemail


def _being_recorded(voicemail: Voicemail) -> Refusal:
    cure = f"POST /v1/calls/{voicemail.call_id}/hangup ends its call; delete it when it is kept."
    return refusal("conflict", f"It is being recorded. {cure}")


def _none_of_this_id() -> Refusal:
    return refusal("not-found", "There is no voicemail of this id, or it was deleted.")


ROUTER = Router(
    "/v1/voicemails", route_handlers=[list_voicemails, get_voicemail, get_audio, delete_voicemail], tags=["voicemails"]
)
