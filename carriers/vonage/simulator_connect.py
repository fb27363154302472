"""The `connect` action of the simulated carrier: legs to phones and sockets, and what their ends mean for the flow.

A connect waits until its leg is over. Where eventType is synchronous a failure is told in a request whose answer may bring
another flow; otherwise it is told as any event, and the next action follows.
"""

from collections.abc import Mapping
from typing import Any

from carriers.vonage.simulator_events import answered_event, completed_event, event
from carriers.vonage.simulator_legs import AnyLeg, PhoneLeg, SocketLeg
from carriers.vonage.simulator_ncco import file_url, first, rate_of
from carriers.vonage.simulator_parts import Parts
from carriers.vonage.simulator_requests import machine_wish

ASKED_ABOUT = frozenset({"busy", "disconnected", "failed", "rejected", "timeout", "unanswered"})
"""Ends of a connected leg that a synchronous connect asks about."""


class Connects:
    """Legs that have a parent."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def connect(self, now: float, leg: PhoneLeg, action: Mapping[str, Any]) -> None:
        """Carry the action out, if the account's pace allows it."""
        if not self._parts.account.may_connect(now):
            self._parts.refused(now, "a connect action over the pace of the account", leg)
            self._parts.post.complain(now, leg, "Rate limit exceeded. The connect action was not executed.")
            self._parts.flow.next(now, leg)
            return
        endpoint = action["endpoint"][0]
        shared = self._shared(now, leg, action)
        ringback = file_url(action.get("ringbackTone")) or file_url(endpoint.get("onAnswer", {}).get("ringbackTone"))
        if ringback:
            self._parts.sounds.fetch(leg, self._parts.sounds.new_key("ringback"), ringback, {"loop": 0})
        if endpoint["type"] == "websocket":
            self._to_socket(now, leg, action, shared)
        else:
            self._to_phone(now, leg, action, endpoint, shared)

    def _shared(self, now: float, leg: PhoneLeg, action: Mapping[str, Any]) -> dict[str, Any]:
        synchronous = action.get("eventType") == "synchronous"
        return {
            "uuid": self._parts.new_uuid(),
            "conversation_uuid": leg.conversation_uuid,
            "application_id": leg.application_id,
            "event_url": first(action.get("eventUrl", []), leg.event_url),
            "event_method": action.get("eventMethod", "POST"),
            "created_at": now,
            "parent": leg,
            "synchronous": synchronous,
            "frees_flow": not self._parts.knob("async_connect_blocks", True) and not synchronous,
            "from_": self._caller(leg, action),
        }

    def _caller(self, leg: PhoneLeg, action: Mapping[str, Any]) -> str:
        if action.get("randomFromNumber"):
            return self._parts.calls.random_number(leg.application_id)
        return str(action.get("from", leg.from_ if action["endpoint"][0]["type"] == "websocket" else ""))

    # --- sockets -------------------------------------------------------------------------------------------------

    def _to_socket(self, now: float, leg: PhoneLeg, action: Mapping[str, Any], shared: dict[str, Any]) -> None:
        endpoint = action["endpoint"][0]
        socket = SocketLeg(
            **shared,
            to=endpoint["uri"],
            ref=leg.ref,
            person=leg.person,
            rate=rate_of(endpoint),
            headers=endpoint.get("headers", {}),
            playback=self._parts.sockets.playback(),
        )
        leg.connecting = socket
        self._parts.rooms.add(socket)
        self._parts.post.tell(now, socket, event(socket, "started", now))
        self._parts.sockets.connect(now, socket, endpoint.get("authorization"))
        self._parts.wake(now + action.get("timeout", 60), "unopened", socket.uuid)
        self._parts.wake(now + action.get("limit", 7200), "limit", socket.uuid)

    def on_timer(self, now: float, socket: SocketLeg, kind: str) -> None:
        """It took too long to open, or has been open long enough."""
        if kind == "limit":
            self.end_socket(now, socket)
        elif not socket.open:
            self._parts.sockets.close(socket, abrupt=True)
            self.socket_lost(now, socket, "unanswered")

    def socket_opened(self, now: float, socket: SocketLeg) -> None:
        """The customer accepted the upgrade."""
        socket.status, socket.start_time = "answered", now
        self._parts.sockets.opened(socket)
        self._parts.post.tell(now, socket, answered_event(socket, now))
        self._free(now, socket)

    def socket_lost(self, now: float, socket: SocketLeg, status: str) -> None:
        """Never opened (`failed`, `unanswered`), or closed by the customer (`disconnected`)."""
        left = self._over(now, socket, status)
        told = event(socket, status, now)
        asked = self.ask_about(now, socket, told)
        if not asked and self._is_told(socket, status):
            self._parts.post.tell(now, socket, told)
        self._parts.rooms.clear_up(now, left)
        if not asked:
            self.over(now, socket)

    def _is_told(self, socket: SocketLeg, status: str) -> bool:
        """Of a socket that never opened only a synchronous connect hears, as Vonage's guide words it."""
        opened = status == "disconnected"
        return opened or socket.synchronous or bool(self._parts.knob("async_failures_told", False))

    def end_socket(self, now: float, socket: SocketLeg) -> None:
        """Close the stream from the carrier's side: a normal end, without a `disconnected`."""
        socket.disconnected_by = "platform"
        self._parts.sockets.close(socket)
        left = self._over(now, socket, "completed")
        self._parts.post.tell(now, socket, completed_event(socket, now))
        self._parts.rooms.clear_up(now, left)
        self.over(now, socket)

    def _over(self, now: float, socket: SocketLeg, status: str) -> list[AnyLeg]:
        socket.status, socket.end_time = status, now
        return self._parts.rooms.remove(socket)

    # --- phones --------------------------------------------------------------------------------------------------

    def _to_phone(
        self, now: float, leg: PhoneLeg, action: Mapping[str, Any], endpoint: Mapping[str, Any], shared: dict[str, Any]
    ) -> None:
        advanced, standard = action.get("advancedMachineDetection"), action.get("machineDetection")
        child = PhoneLeg(
            **shared,
            to=endpoint["number"],
            ringing_timer=action.get("timeout", 60),
            length_timer=action.get("limit", 7200),
            dtmf_answer=endpoint.get("dtmfAnswer", ""),
            on_answer=endpoint.get("onAnswer", {}).get("url", ""),
            machine=machine_wish(standard, advanced, bool(self._parts.knob("standard_detection_waits", True)), {}),
        )
        if self._is_foreign(leg, child.from_):
            self._parts.calls.mark_foreign(child)
        leg.connecting = child
        self._parts.calls.launch(now, child)

    def _is_foreign(self, leg: PhoneLeg, caller: str) -> bool:
        # Allowed beside the account's own numbers: nobody's, and the number of who is on the line already.
        return bool(caller) and caller != leg.from_ and not self._parts.calls.owns(caller)

    def let_in(self, now: float, leg: PhoneLeg) -> None:
        """The called party has answered (and heard what it was to hear first): everybody hears everybody."""
        leg.waiting_to_join, leg.idle = False, True
        others = [other for other in self._parts.rooms.companions(leg) if isinstance(other, PhoneLeg)]
        for other in others:
            site = self._parts.site
            who = {"carrier": site.name, "number": leg.person, "carrier_call_id": leg.uuid}
            site.ledger.write(now, "joined", **who, **{"with": other.uuid})
        self._free(now, leg)

    # --- what it means for the flow ------------------------------------------------------------------------------

    def _free(self, now: float, leg: AnyLeg) -> None:
        if leg.parent is not None:
            self._parts.sounds.stop(leg.parent, "ringback:")
        if leg.parent is not None and leg.frees_flow and leg.parent.connecting is leg:
            leg.parent.connecting = None
            self._parts.flow.next(now, leg.parent)

    def ask_about(self, now: float, leg: AnyLeg, told: Mapping[str, Any]) -> bool:
        """Tell of an end and ask for a flow, if the connect that waits for it wants that; False if it does not."""
        parent = leg.parent
        waits = parent is not None and not parent.ended and parent.connecting is leg
        if parent is None or not waits or not leg.synchronous or told["status"] not in ASKED_ABOUT or not leg.event_url:
            return False
        parent.connecting = None
        self._parts.sounds.stop(parent, "ringback:")
        self._parts.post.ask(now, parent, "flow", leg.event_url, leg.event_method, told)
        return True

    def over(self, now: float, leg: AnyLeg) -> None:
        """A connected leg is gone: the flow that waited for it goes on."""
        parent = leg.parent
        if parent is None or parent.ended:
            return
        self._parts.sounds.stop(parent, "ringback:")
        if parent.connecting is leg:
            parent.connecting = None
            self._parts.flow.next(now, parent)
        elif parent.idle and parent.parent is None and not parent.ends_room:
            self._parts.flow.at_end(now, parent)

    def dismiss(self, now: float, leg: AnyLeg) -> None:
        """The carrier ends a leg whose company has gone."""
        if isinstance(leg, SocketLeg):
            self.end_socket(now, leg)
        else:
            self._parts.calls.hang_up(now, leg)
