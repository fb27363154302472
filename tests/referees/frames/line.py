"""One call whose media stream is open, in memory and virtual time: the simulator on one side, and on the other the parts of our
adapter that place a call and answer its webhooks. What goes over the socket is for the test.
"""

from typing import Any

import msgspec

from carriers.contract import Attempt, Carrier, CarrierSettings, Expectation, HookRequest, MediaCodec
from carriers.in_memory import Heard, Request
from carriers.lab.contract import CloseSocket, OpenSocket, RestRequest, SendFrame, Webhook, WebhookReply
from carriers.lab.desk import DeskPlan
from carriers.lab.exchange import Exchange
from carriers.lab.orders import Deliver
from carriers.lab.phones import read_phone
from carriers.registry import kinds
from carriers.shot import HttpAnswer

START = 1_795_345_200.0
PERSON, OURS = "+15550106001", "+15550190001"
FRAME_S = 0.02


class OpenLine:
    """`frames` is what the simulator sent; `await OpenLine.of(...)` makes one."""

    def __init__(self, kind: str, phone: dict[str, Any]) -> None:
        self.kind, self.now = kind, START
        self.frames: list[str | bytes] = []
        self.closed = False
        self._card, self._stream = kinds()[kind], ""
        plan = DeskPlan(name=kind, kind=kind, simulator=self._card.simulator, base_url="http://127.0.0.1:4011", numbers=(OURS,))
        self.exchange = Exchange([plan], 1)
        self.exchange.set_phone(START, PERSON, read_phone({"answer_after_s": 0.1} | phone))
        self.carrier = self._opened()
        self.attempt = Attempt(
            call_id="call_1",
            leg_id="leg_1",
            to=PERSON,
            caller_id=OURS,
            public_url="https://gw.example.com",
            carrier=kind,
            media_token="token",
        )

    @classmethod
    async def of(cls, kind: str, **phone: Any) -> "OpenLine":
        """A call that was placed and answered, its stream open; the phone as the lab sets one up."""
        line = cls(kind, phone)
        placed = await line.carrier.place(line.attempt, line.now + 5, lambda: True)
        assert placed.carrier_call_id, placed
        line.run(1.0)
        assert line._stream, "the simulator opened no socket"
        return line

    def _opened(self) -> Carrier:
        told = self.exchange.credentials()[self.kind]
        known = {name: value for name, value in told.items() if name in self._card.credentials.__struct_fields__}
        settings = CarrierSettings(name=self.kind, credentials=msgspec.convert(known, self._card.credentials))
        carrier: Carrier = self._card.in_memory(settings, lambda: self.now, self._ask)
        return carrier

    def _ask(self, request: Request) -> Heard:
        told = RestRequest(
            method=request.method, path=request.path, query=request.query, headers=request.headers, body=request.body
        )
        reply = self.exchange.on_request(self.now, self.kind, told).reply
        assert reply is not None
        return Heard(answer=HttpAnswer(status=reply.status, headers=dict(reply.headers), body=reply.body))

    # --- time ----------------------------------------------------------------------------------------------------

    def run(self, seconds: float) -> None:
        """Let time pass in steps of one frame."""
        for _ in range(round(seconds / FRAME_S)):
            self.now += FRAME_S
            self.exchange.on_time(self.now)
            self._obey()
            self.exchange.on_tick(self.now)
            self._obey()

    def _obey(self) -> None:
        while orders := self.exchange.take_orders():
            for order in orders:
                match order.effect:
                    case Deliver() as delivery:
                        self.exchange.on_webhook_reply(self.now, self.kind, delivery.key, self._answer(delivery.webhook))
                    case OpenSocket() as wish:
                        self._stream = wish.stream
                        self.exchange.on_socket_open(self.now, self.kind, wish.stream)
                    case SendFrame() as frame:
                        self.frames.append(frame.data)
                    case CloseSocket():
                        self.closed = True

    def _answer(self, webhook: Webhook) -> WebhookReply:
        """Our adapter reads the webhook and says what we answer."""
        headers = {name.lower(): value for name, value in webhook.headers.items()}
        path = webhook.url.partition("#")[0].partition("?")[0].rpartition("/")[2]
        asked = HookRequest(
            method=webhook.method,
            url=webhook.url,
            path=path,
            headers=headers,
            body=webhook.body,
            call_id="call_1",
            leg_id="leg_1",
        )
        expects = self.carrier.webhooks.parse(asked, self.now).expects
        markup = self.carrier.markup
        document = markup.connect(self.attempt) if expects is Expectation.ANSWER_DOCUMENT else markup.acknowledge()
        return WebhookReply(status=document.status, body=document.body, content_type=document.content_type)

    # --- the socket ----------------------------------------------------------------------------------------------

    def say(self, frame: str | bytes) -> None:
        """The customer sends one message."""
        self.exchange.on_socket_frame(self.now, self.kind, self._stream, frame)
        self._obey()

    def hang_up(self) -> None:
        """The person hangs up."""
        self.exchange.as_people(self.now, lambda network, now: network.put_down(now, PERSON))
        self.run(0.2)

    def codec(self) -> MediaCodec:
        """Ours, having read all that came so far."""
        codec = self.carrier.media()
        for frame in self.frames:
            codec.decode(frame)
        return codec

    def heard(self) -> bytes:
        """mu-law: all that the person heard since the answer."""
        call = self.exchange.network.phone(PERSON).recorded()
        assert call is not None
        assert call.recording is not None
        return bytes(call.recording.heard.sound)
