"""Everything at once, in any order: the simulated carrier never raises, and when all phones are put down nothing is left."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from carriers.lab.contract import CloseSocket, Fetch, Greeting, OpenSocket, WebhookReply
from carriers.lab.sound import to_wav, tone

HOOK = "https://gw.example.com/"
NUMBER = "15550190031"
SOCKET = {"type": "websocket", "uri": "wss://gw.example.com/media", "content-type": "audio/l16;rate=8000"}
OTHER = {"type": "phone", "number": "15550100002", "dtmfAnswer": "1p2"}
STEPS = 80

ACTIONS: list[dict[str, Any]] = [
    {"action": "connect", "endpoint": [SOCKET], "eventType": "synchronous", "eventUrl": [f"{HOOK}stream"]},
    {"action": "connect", "endpoint": [SOCKET], "limit": 2},
    {"action": "connect", "endpoint": [OTHER], "from": NUMBER, "eventType": "synchronous", "timeout": 3},
    {"action": "connect", "endpoint": [OTHER | {"onAnswer": {"url": f"{HOOK}whisper"}}], "ringbackTone": f"{HOOK}ring.wav"},
    {"action": "connect", "endpoint": [OTHER], "from": NUMBER, "advancedMachineDetection": {"mode": "detect_beep"}},
    {"action": "talk", "text": "Hello", "loop": 2},
    {"action": "talk", "text": "...", "loop": 0},
    {"action": "stream", "streamUrl": [f"{HOOK}hold.wav"], "loop": 0},
    {"action": "record", "format": "wav", "beepStart": True},
    {"action": "record", "format": "wav", "endOnKey": "#", "timeOut": 3},
    {"action": "input", "dtmf": {"timeOut": 1}},
    {"action": "conversation", "name": "room", "startOnEnter": False, "musicOnHoldUrl": [f"{HOOK}hold.wav"]},
    {"action": "conversation", "name": "room", "endOnExit": True},
    {"action": "transfer", "conversationId": "CON-nobody"},
    {"action": "notify", "payload": {}, "eventUrl": [f"{HOOK}after"]},
    {"action": "wait", "timeout": 0.5},
    {"action": "dance"},
]
REQUESTS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("PUT", "", {"action": "hangup"}),
    ("PUT", "", {"action": "mute"}),
    ("PUT", "", {"action": "earmuff"}),
    ("PUT", "", {"action": "transfer", "destination": {"type": "ncco", "url": [f"{HOOK}next"]}}),
    ("PUT", "/talk", {"text": "Hello", "loop": 0}),
    ("DELETE", "/talk", None),
    ("PUT", "/stream", {"stream_url": [f"{HOOK}hold.wav"]}),
    ("DELETE", "/stream", None),
    ("PUT", "/dtmf", {"digits": "1p2"}),
    ("GET", "", None),
]


class Storm:
    """Phones that keep to the network's contract, a customer who answers anything, and requests at random."""

    def __init__(self, stage: Any, seed: int) -> None:
        self.stage, self.random = stage, Random(seed)
        self.ringing: dict[str, bool] = {}
        """By leg: whether it may still ring; False once it has been answered."""
        self.seen = 0
        self.hung_up = 0
        self.sockets: set[str] = set()
        self.stage.configure(answer_url=f"{HOOK}inbound", event_url=f"{HOOK}news", fallback_answer_url=f"{HOOK}fallback")

    def flow(self) -> list[dict[str, Any]]:
        chosen = [dict(self.random.choice(ACTIONS)) for _ in range(self.random.randint(0, 4))]
        # A flow with one wrong action is wrong as a whole: seldom enough.
        return chosen if self.random.random() < 0.2 else [action for action in chosen if action["action"] != "dance"]

    def step(self) -> None:
        deeds = [self.place, self.call, self.phone, self.phone, self.answer, self.answer, self.answer, self.socket, self.ask]
        self.random.choice(deeds)()
        self.stage.tick(times=self.random.choice([0, 1, 10, 60]))
        self.catch_up()

    def catch_up(self) -> None:
        """The network's own events: what was dialled, and what the carrier hung up."""
        for dialled in self.stage.network.dials[self.seen :]:
            self.ringing[dialled["ref"]] = True
        self.seen = len(self.stage.network.dials)
        gone = [*self.stage.network.hung_up, *(ref for ref, _ in self.stage.network.refused)]
        for ref in gone[self.hung_up :]:
            if ref in self.ringing:
                self.end(ref, "carrier")
        self.hung_up = len(gone)
        for ref in self.stage.network.answered:
            if ref in self.ringing:
                self.ringing[ref] = False

    def end(self, ref: str, by: str) -> None:
        rings = self.ringing.pop(ref)
        self.stage.phone(ref, "ended", cause="canceled" if rings else "normal", by=by)
        self.catch_up()

    def place(self) -> None:
        self.stage.network.greets = self.random.choice([None, Greeting(machine=True, ends_s=1.0, beep_s=2.0)])
        wish = self.random.choice([{}, {"machine_detection": "continue"}, {"advanced_machine_detection": {"mode": "default"}}])
        self.stage.place(**wish)

    def call(self) -> None:
        self.ringing[self.stage.incoming()] = True

    def phone(self) -> None:
        if not self.ringing:
            return
        ref = self.random.choice(sorted(self.ringing))
        outbound = any(dialled["ref"] == ref for dialled in self.stage.network.dials)
        if self.ringing[ref] and outbound and self.random.random() < 0.8:
            self.stage.phone(ref, "ringing")
            self.ringing[ref] = False
            self.stage.phone(ref, "answered")
        elif self.ringing[ref] or self.random.random() < 0.3:
            self.end(ref, "phone")
        else:
            self.stage.phone(ref, "digit", digit=self.random.choice("12#"))

    def answer(self) -> None:
        for webhook in self.stage.webhooks():
            status, failure = self.random.choice([(200, ""), (200, ""), (200, ""), (204, ""), (503, ""), (0, "timeout")])
            self.stage.reply(webhook, self.flow() if status == 200 else None, status, failure)
        for wish in self.stage.take(Fetch):
            body = self.random.choice([to_wav(tone(500, 0.1)), b"ID3"])
            self.stage.sim.on_fetched(self.stage.now, wish.id, WebhookReply(status=200, body=body))

    def socket(self) -> None:
        for opening in self.stage.take(OpenSocket):
            if self.random.random() < 0.7:
                self.sockets.add(opening.stream)
                self.stage.sim.on_socket_open(self.stage.now, opening.stream)
            else:
                self.stage.sim.on_socket_refused(self.stage.now, opening.stream, 403)
        self.sockets -= {closing.stream for closing in self.stage.take(CloseSocket)}
        for stream in sorted(self.sockets):
            frame = self.random.choice(
                [b"\0" * 320, b"\x40" * 320, '{"action":"clear"}', '{"action":"notify","payload":{}}', b"\0", ""]
            )
            self.stage.sim.on_socket_frame(self.stage.now, stream, frame)
            if self.random.random() < 0.2:
                self.sockets.discard(stream)
                self.stage.sim.on_socket_closed(self.stage.now, stream, 1006)

    def ask(self) -> None:
        legs = [entry["carrier_call_id"] for entry in self.stage.ledger.kinds("dial")] + sorted(self.sockets)
        if legs:
            method, part, body = self.random.choice(REQUESTS)
            reply = self.stage.request(method, f"/v1/calls/{self.random.choice(legs)}{part}", body)
            assert reply.status in {200, 204, 400, 404}


@pytest.mark.parametrize("seed", range(8))
def test_nothing_breaks_and_nothing_is_left(make_stage: Callable[..., Any], seed: int) -> None:
    """Calls both ways, any flow, any answer, any request; then every phone is put down."""
    stage = make_stage(calls_per_second=10_000, requests_per_second=10_000, async_connect_blocks=bool(seed % 2))
    storm = Storm(stage, seed)
    for _ in range(STEPS):
        storm.step()
    stage.pass_time(1)
    storm.catch_up()
    for ref in sorted(storm.ringing):
        if ref in storm.ringing:
            storm.end(ref, "phone")
    assert (stage.sim.live_calls(), stage.sim.ticking()) == (0, False)
