"""The lab's Twilio under whatever happens in whatever order: it never raises, and what has ended stays ended."""

import json
from collections.abc import Callable
from random import Random

import pytest

from carriers.lab.contract import Fetch, Greeting, WebhookReply
from carriers.lab.sound import to_wav, tone

OURS = "+15550190001"
FINAL = {"completed", "busy", "failed", "no-answer", "canceled"}
VERBS = (
    "<Say>Hello there.</Say>",
    "<Pause length='1'/>",
    "<Play>tone.wav</Play>",
    "<Play digits='1w2'/>",
    "<Gather numDigits='2' action='/keys'><Say>Type.</Say><Play>tone.wav</Play></Gather>",
    "<Record action='/message' maxLength='2' recordingStatusCallback='/rec'/>",
    "<Dial action='/after' timeout='3' record='true'>+15550100005</Dial>",
    "<Dial hangupOnStar='true'><Number url='/whisper'>+15550100005</Number><Number>+15550100006</Number></Dial>",
    "<Connect action='/after'><Stream url='ws://gw.test/m' statusCallback='/stream'/></Connect>",
    "<Start><Stream url='ws://gw.test/f' name='f' track='both_tracks'/></Start>",
    "<Stop><Stream name='f'/></Stop>",
    "<Start><Recording/></Start>",
    "<Redirect>/again</Redirect>",
    "<Reject/>",
    "<Hangup/>",
    "<Pay/>",
)
CREATES = (
    {},
    {"Record": "true", "RecordingStatusCallback": "http://gw.test/rec"},
    {"MachineDetection": "DetectMessageEnd"},
    {"MachineDetection": "Enable", "AsyncAmd": "true", "AsyncAmdStatusCallback": "http://gw.test/amd"},
    {"SendDigits": "12", "FallbackUrl": "http://gw.test/fallback"},
)
UPDATES = ({"Status": "completed"}, {"Status": "canceled"}, {"Url": "http://gw.test/new"}, {"TimeLimit": "2"})


class Chance:
    """One course of events, drawn from a seed."""

    def __init__(self, world, seed: int) -> None:
        self.world, self.draw = world, Random(seed)
        self.replied: set[str] = set()
        self.opened: set[str] = set()
        self.ends: dict[str, str] = {}
        world.greets = self.draw.choice([None, Greeting(machine=True, ends_s=4, beep_s=5), Greeting(machine=False, ends_s=0.7)])
        world.configure(VoiceUrl="http://gw.test/in", StatusCallback="http://gw.test/status")
        self.deeds: tuple[Callable[[], object], ...] = (
            self.place,
            self.call_in,
            self.phone,
            self.reply,
            self.reply,
            self.reply,
            self.fetch,
            self.socket,
            self.update,
            self.wait,
            self.wait,
        )

    def document(self) -> str:
        return "<Response>" + "".join(self.draw.choices(VERBS, k=self.draw.randint(0, 3))) + "</Response>"

    def place(self) -> None:
        self.world.place(**self.draw.choice(CREATES))

    def call_in(self) -> None:
        self.world.incoming()

    def calls(self) -> list[str]:
        return [call["sid"] for call in self.world.shown("/Calls.json")["calls"]]

    def phone(self) -> None:
        events = ({"kind": "ringing"}, {"kind": "answered"}, {"kind": "digit", "digit": self.draw.choice("12#*")})
        ended = {"kind": "ended", "cause": self.draw.choice(["normal", "busy", "no_answer", "canceled"]), "by": "phone"}
        calls = self.calls()
        if calls:
            self.world.phone(self.draw.choice(calls), **self.draw.choice((*events, *events, ended)))

    def reply(self) -> None:
        waiting = [hook for hook in self.world.webhooks if hook.id not in self.replied]
        if not waiting:
            return
        hook = self.draw.choice(waiting)
        self.replied.add(hook.id)
        good = WebhookReply(status=200, body=self.document().encode(), content_type="text/xml")
        bad = (WebhookReply(status=503), WebhookReply(status=0, failure="connect"))
        self.world.sim.on_webhook_reply(self.world.now, hook.id, self.draw.choice((good, good, good, *bad)))

    def fetch(self) -> None:
        if self.world.of(Fetch):
            self.world.fetched(self.draw.choice([to_wav(tone(500, 0.3)), b"no sound"]), self.draw.choice([200, 404]))

    def socket(self) -> None:
        wishes = [wish.stream for wish in self.world.effects if type(wish).__name__ == "OpenSocket"]
        if not wishes:
            return
        stream, sim, now = self.draw.choice(wishes), self.world.sim, self.world.now
        if stream not in self.opened:
            self.opened.add(stream)
            self.draw.choice((lambda: sim.on_socket_open(now, stream), lambda: sim.on_socket_refused(now, stream, 503)))()
        else:
            frame = json.dumps({"event": "clear", "streamSid": stream})
            deeds = (
                lambda: sim.on_socket_frame(now, stream, frame),
                lambda: sim.on_socket_frame(now, stream, b"x"),
                lambda: sim.on_socket_closed(now, stream, self.draw.choice([1000, 1006])),
            )
            self.draw.choice(deeds)()

    def update(self) -> None:
        calls = self.calls()
        if calls:
            sid = self.draw.choice(calls)
            fields = self.draw.choice((*UPDATES, {"Twiml": self.document()}))
            self.world.api("POST", f"/Calls/{sid}.json", fields)
            self.world.api("POST", f"/Calls/{sid}/Recordings.json", {})

    def wait(self) -> None:
        self.world.pass_time(self.draw.choice([0.1, 0.5, 2.0]))

    def check(self) -> None:
        """An end is final, and told at most once."""
        for call in self.world.shown("/Calls.json?PageSize=1000")["calls"]:
            before = self.ends.get(call["sid"])
            assert before in {None, call["status"]}
            if call["status"] in FINAL:
                self.ends[call["sid"]] = call["status"]
        told = [fields["CallSid"] for fields in self.world.told("/status") if fields["CallStatus"] in FINAL]
        repeats = {hook.body for hook in self.world.webhooks if hook.attempt > 1}
        assert len(told) - len(set(told)) <= len(repeats)


@pytest.mark.parametrize("seed", range(20))
def test_anything(make_world, seed: int) -> None:
    """Twenty courses of seventy random events each; at the end everybody hangs up, and no call is left."""
    world = make_world(calls_per_second=20.0, bad_frame_breaks_stream=bool(seed % 2), action_after_hangup=bool(seed % 3))
    chance = Chance(world, seed)
    for _ in range(70):
        chance.draw.choice(chance.deeds)()
        chance.check()
    world.pass_time(1)
    for sid in [call["sid"] for call in world.shown("/Calls.json?PageSize=1000")["calls"]]:
        world.phone(sid, "ended", cause="normal", by="phone")
    chance.check()
    assert world.sim.live_calls() == 0
    assert not world.sim.ticking()
