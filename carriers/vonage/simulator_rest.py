"""The requests of the simulated carrier that are about calls: create, list, fetch, change, play, press keys."""

from collections.abc import Callable, Mapping
from typing import Any

from carriers.lab.contract import RestReply, RestRequest
from carriers.vonage.simulator_account import as_json
from carriers.vonage.simulator_events import record
from carriers.vonage.simulator_legs import AnyLeg, PhoneLeg, SocketLeg
from carriers.vonage.simulator_ncco import checked, plain, sound_fault
from carriers.vonage.simulator_parts import Parts
from carriers.vonage.simulator_requests import (
    DTMF,
    Asked,
    Order,
    Wrong,
    destination,
    json_object,
    order_of,
    time_parameter,
    whole_parameter,
)

_FILTERS = frozenset({"status", "date_start", "date_end", "page_size", "record_index", "order", "conversation_uuid"})
_STATUSES = frozenset(
    {"started", "ringing", "answered", "machine", "completed", "busy", "cancelled", "failed", "rejected", "timeout", "unanswered"}
)
_DESTINATION = frozenset({"type", "ncco", "url"})
_TALK = frozenset({"text", "language", "style", "premium", "voice_name", "loop", "level"})
_STREAM = frozenset({"stream_url", "loop", "level"})


class CallsApi:
    """`LookupError` says that there is no such call, `Wrong` that the request is not right."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    # --- create, list, fetch -------------------------------------------------------------------------------------

    def create(self, now: float, asked: Asked) -> RestReply:
        waits = bool(self._parts.knob("standard_detection_waits", True))
        try:
            order = order_of(asked.request.body, waits)
            if self._refuses(order):
                self.note_dial(now, asked.request, 403)
                return self._parts.account.problem("forbidden")
            leg = self._parts.calls.place(now, asked.application_id, order)
        except Wrong:
            self.note_dial(now, asked.request, 400)
            raise
        self.note_dial(now, asked.request, 201, leg.uuid)
        body = {"uuid": leg.uuid, "status": "started", "direction": "outbound", "conversation_uuid": leg.conversation_uuid}
        return as_json(201, body)

    def _refuses(self, order: Order) -> bool:
        refuses = self._parts.knob("foreign_caller_id", "restricted") == "refuse"
        return refuses and bool(order.from_) and not self._parts.calls.owns(order.from_)

    def note_dial(self, now: float, request: RestRequest, status: int, uuid: str = "") -> None:
        """Every attempt to create a call is in the ledger, refused ones too."""
        site, number = self._parts.site, destination(request.body) or ""
        site.ledger.write(now, "dial", carrier=site.name, number=number, carrier_call_id=uuid, status=status)

    def fetch(self, now: float, asked: Asked) -> RestReply:
        return as_json(200, record(self._leg(asked), now))

    def page(self, now: float, asked: Asked) -> RestReply:
        given = asked.parameters(_FILTERS)
        size, start = whole_parameter(given, "page_size", 10, 1, 100), whole_parameter(given, "record_index", 0, 0, 10**6)
        legs = self._matching(now, asked.application_id, given)
        page = [record(leg, now) for leg in legs[start : start + size]]
        links = {"self": {"href": f"/calls?page_size={size}&record_index={start}"}}
        if start + size < len(legs):
            links["next"] = {"href": f"/calls?page_size={size}&record_index={start + size}"}
        counts = {"count": len(legs), "page_size": size, "record_index": start}
        return as_json(200, {**counts, "_links": links, "_embedded": {"calls": page}})

    def _matching(self, now: float, application_id: str, given: Mapping[str, str]) -> list[AnyLeg]:
        if given.get("status", "started") not in _STATUSES:
            raise Wrong({"status": f"must be one of {', '.join(sorted(_STATUSES))}"})
        if given.get("order", "asc") not in {"asc", "desc"}:
            raise Wrong({"order": "must be asc or desc"})
        known = now - float(self._parts.knob("listed_after_s", 0.5))
        since, until = time_parameter(given, "date_start", 0.0), min(time_parameter(given, "date_end", now), known)
        found = [leg for leg in self._parts.rooms.legs.values() if since <= leg.created_at <= until]
        found = [leg for leg in found if leg.application_id == application_id and _fits(leg, given)]
        return sorted(found, key=lambda leg: leg.created_at, reverse=given.get("order") == "desc")

    # --- change --------------------------------------------------------------------------------------------------

    def modify(self, now: float, asked: Asked) -> RestReply:
        leg, body = self._leg(asked), json_object(asked.request.body)
        if leg.ended:
            return self._too_late()
        act = self._acts().get(str(body.get("action")))
        if act is None:
            raise Wrong({"action": f"{body.get('action')!r} is not simulated"})
        _check_change(body)
        act(now, leg, body)
        return RestReply(status=204)

    def _acts(self) -> dict[str, Callable[[float, AnyLeg, Mapping[str, Any]], None]]:
        return {
            "hangup": lambda now, leg, _: self._parts.connects.dismiss(now, leg),
            "transfer": self._transfer,
            "mute": lambda now, leg, _: self._mute(leg, True),
            "unmute": lambda now, leg, _: self._mute(leg, False),
            "earmuff": lambda now, leg, _: self._earmuff(leg, True),
            "unearmuff": lambda now, leg, _: self._earmuff(leg, False),
        }

    def _mute(self, leg: AnyLeg, muted: bool) -> None:
        leg.muted = muted
        if isinstance(leg, SocketLeg) and self._parts.knob("mute_updates_media", False):
            self._parts.sockets.media_update(leg, not muted)

    def _earmuff(self, leg: AnyLeg, earmuffed: bool) -> None:
        leg.earmuffed = earmuffed
        if isinstance(leg, SocketLeg):
            self._parts.sockets.media_update(leg, not earmuffed)

    def _transfer(self, now: float, leg: AnyLeg, body: Mapping[str, Any]) -> None:
        place = body.get("destination")
        if not isinstance(place, dict) or place.get("type") != "ncco" or ("ncco" in place) == ("url" in place):
            raise Wrong({"destination": "must be of type ncco, with either ncco or url"})
        if not isinstance(leg, PhoneLeg) or not leg.answered:
            raise Wrong({"uuid": "only an answered phone leg can be transferred"})
        urls = place.get("url")
        url = str(urls[0]) if isinstance(urls, list) and urls else ""
        if "url" in place and not url.startswith(("http://", "https://")):
            raise Wrong({"destination.url": "must be a list of one http(s) URL"})
        actions = [] if url else checked(place["ncco"])
        self._move(now, leg, actions, url)

    def _move(self, now: float, leg: PhoneLeg, actions: list[dict[str, Any]], url: str) -> None:
        """To a conversation of its own, with another flow; a flow that had waited for this leg goes on."""
        self._parts.flow.interrupt(now, leg)
        self._parts.recordings.stop_all(now, leg)
        self._parts.rooms.leave(now, leg)
        self._parts.connects.over(now, leg)
        leg.parent, leg.idle, leg.waiting_to_join, leg.ends_room = None, False, False, False
        if url:
            self._parts.flow.ask(now, leg, url, "GET")
        else:
            self._parts.flow.start(now, leg, actions)

    # --- play and press ------------------------------------------------------------------------------------------

    def talk(self, now: float, asked: Asked) -> RestReply:
        leg, body = self._talking(asked), json_object(asked.request.body)
        _only(body, _TALK)
        if not isinstance(body.get("text"), str) or not plain(body["text"]):
            raise Wrong({"text": "is required"})
        self._parts.sounds.say(leg, self._parts.sounds.new_key("talk"), body)
        return as_json(200, {"message": "Talk started", "uuid": leg.uuid})

    def stream(self, now: float, asked: Asked) -> RestReply:
        leg, body = self._talking(asked), json_object(asked.request.body)
        _only(body, _STREAM)
        urls = body.get("stream_url")
        if not isinstance(urls, list) or len(urls) != 1 or not str(urls[0]).startswith(("http://", "https://")):
            raise Wrong({"stream_url": "must be a list of one http(s) URL"})
        self._parts.sounds.fetch(leg, self._parts.sounds.new_key("stream"), str(urls[0]), body)
        return as_json(200, {"message": "Stream started", "uuid": leg.uuid})

    def stop_talk(self, now: float, asked: Asked) -> RestReply:
        return self._stop(now, asked, "talk")

    def stop_stream(self, now: float, asked: Asked) -> RestReply:
        return self._stop(now, asked, "stream")

    def _stop(self, now: float, asked: Asked, kind: str) -> RestReply:
        leg = self._talking(asked)
        self._parts.sounds.cut(now, leg, f"{kind}:")
        return as_json(200, {"message": f"{kind.title()} stopped", "uuid": leg.uuid})

    def keys(self, now: float, asked: Asked) -> RestReply:
        leg, body = self._talking(asked), json_object(asked.request.body)
        _only(body, frozenset({"digits"}))
        digits = body.get("digits")
        if not isinstance(digits, str) or not DTMF.fullmatch(digits):
            raise Wrong({"digits": "must be of 0-9 # * p"})
        self._parts.calls.send_keys(now, leg, digits)
        return as_json(200, {"message": "DTMF sent", "uuid": leg.uuid})

    # --- finding -------------------------------------------------------------------------------------------------

    def _leg(self, asked: Asked) -> AnyLeg:
        leg = self._parts.rooms.legs.get(asked.name)
        if leg is None or leg.application_id != asked.application_id:
            raise LookupError(asked.name)
        return leg

    def _talking(self, asked: Asked) -> PhoneLeg:
        leg = self._leg(asked)
        if isinstance(leg, SocketLeg):
            raise Wrong({"uuid": "playing into a websocket leg is not simulated"})
        if leg.ended or not leg.answered:
            raise LookupError(asked.name)
        return leg

    def _too_late(self) -> RestReply:
        """What a finished call answers is not documented: 404 by default, another status by knob."""
        return self._parts.account.problem("not-found", status=int(self._parts.knob("ended_call_status", 404)))


def _check_change(body: Mapping[str, Any]) -> None:
    """Refuse what a change of a call says beside its action; only a transfer has more to say."""
    known = {"action", "destination"} if body["action"] == "transfer" else {"action"}
    place = body.get("destination")
    further = [f"destination.{name}" for name in place if name not in _DESTINATION] if isinstance(place, dict) else []
    unknown = [*(name for name in body if name not in known), *further]
    if unknown:
        raise Wrong(dict.fromkeys(unknown, "is not simulated"))


def _only(body: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = {name: "is not simulated" for name in body if name not in known}
    fault = sound_fault(body)
    if unknown or fault:
        raise Wrong(unknown or {fault.partition(" ")[0]: fault})


def _fits(leg: AnyLeg, given: Mapping[str, str]) -> bool:
    same_status = given.get("status", leg.status) == leg.status
    return same_status and given.get("conversation_uuid", leg.conversation_uuid) == leg.conversation_uuid
