"""The simulated Telnyx' media player: speak, playback_start and playback_stop, one queue a call."""

import base64
import re
from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from carriers.lab.call_audio import Ticked
from carriers.lab.contract import Fetch, RestReply, Site, WebhookReply
from carriers.lab.sound import NotWav, from_wav
from carriers.lab.speaking import spoken
from carriers.telnyx import simulator_calls as calls
from carriers.telnyx import simulator_fields as fields
from carriers.telnyx import simulator_rest as rest
from carriers.telnyx.simulator_calls import Call
from carriers.telnyx.simulator_commands import Verb
from carriers.telnyx.simulator_hooks import Hooks
from carriers.telnyx.simulator_lines import Lines

FOREVER = -1
FETCH_TIMEOUT_S = 10.0
_TAGS = re.compile(r"<[^>]*>")


class Sound(Struct, frozen=True, kw_only=True):
    """What is to be heard: text, a file of the customer's, or a file that came with the command."""

    text: str = ""
    url: str = ""
    content: bytes = b""


class Job(Struct, kw_only=True, eq=False):
    """One entry of a call's queue. `events` is `speak`, `playback`, or empty where no webhook tells of it."""

    key: str
    sound: Sound
    events: str
    times: int = 1
    """How often it is played; FOREVER."""
    mulaw: bytes | None = None
    """None while the file is on its way."""
    begun: bool = False
    then: Callable[[float, bool], None] | None = None
    """Told at its end whether all of it was played."""


class Playing:
    """Knob: `speak_stopped_status`."""

    def __init__(self, site: Site, lines: Lines, hooks: Hooks) -> None:
        self._site, self._hooks = site, hooks
        self._queues: dict[str, deque[Job]] = {}
        self._fetching: dict[str, tuple[Call, Job]] = {}
        lines.on_ending.append(self._on_ending)
        lines.on_ticked.append(self._on_ticked)

    def verbs(self) -> dict[str, Verb]:
        """The commands it obeys."""
        return {
            "speak": Verb(act=self._speak, fields=fields.SPEAK, required=("payload", "voice")),
            "playback_start": Verb(act=self._start, fields=fields.PLAYBACK_START),
            "playback_stop": Verb(act=self._stop, fields=fields.PLAYBACK_STOP),
        }

    def forget(self) -> None:
        """All queues."""
        self._queues.clear()
        self._fetching.clear()

    # --- commands ------------------------------------------------------------------------------------------------

    def _speak(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        if "stop" in body:
            self.stop(now, call, everything=body["stop"] == "all")
        self.play(now, call, Sound(text=said(body)), events="speak", times=_times(body))
        return None

    def _start(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        if ("audio_url" in body) == ("playback_content" in body):
            return rest.failure(422, "10015", "give one of audio_url and playback_content", "/audio_url")
        content = base64.b64decode(body.get("playback_content", ""))
        if content and isinstance(_mulaw(content), str):
            return rest.not_simulated("audio that is no WAV file", "/playback_content")
        if "stop" in body:
            self.stop(now, call, everything=body["stop"] == "all")
        self.play(now, call, Sound(url=body.get("audio_url", ""), content=content), events="playback", times=_times(body))
        return None

    def _stop(self, now: float, call: Call, body: dict[str, Any]) -> RestReply | None:
        self.stop(now, call, everything=body.get("stop", "all") == "all")
        return None

    # --- the queue -----------------------------------------------------------------------------------------------

    def play(
        self,
        now: float,
        call: Call,
        sound: Sound,
        *,
        events: str = "",
        times: int = 1,
        then: Callable[[float, bool], None] | None = None,
    ) -> Job:
        """Let it be heard behind what waits already."""
        job = Job(key=calls.new_uuid(self._site.random), sound=sound, events=events, times=times, then=then)
        queue = self._queues.setdefault(call.call_control_id, deque())
        queue.append(job)
        if len(queue) == 1:
            self._begin(now, call, job)
        return job

    def cancel(self, now: float, call: Call, job: Job) -> None:
        """Take one job out, wherever it is in the queue."""
        queue = self._queues.get(call.call_control_id, deque())
        if job in queue:
            job.then = None
            if queue[0] is job:
                self.stop(now, call, everything=False)
            else:
                queue.remove(job)

    def stop(self, now: float, call: Call, *, everything: bool, status: str = "cancelled") -> None:
        """End what is heard, and drop what waits too (`everything`) or go on with it."""
        queue = self._queues.get(call.call_control_id)
        if not queue:
            return
        job = queue.popleft()
        if everything:
            queue.clear()
        if call.audio is not None:
            call.audio.stop()
        self._end(now, call, job, status)
        self._next(now, call)

    def _begin(self, now: float, call: Call, job: Job) -> None:
        if job.sound.url and job.mulaw is None:
            self._fetching[job.key] = (call, job)
            self._site.emit(
                Fetch(
                    id=job.key,
                    url=job.sound.url,
                    timeout_s=FETCH_TIMEOUT_S,
                    carrier_call_id=call.call_control_id,
                    number=call.phone,
                )
            )
            return
        if job.mulaw is None:
            made = _mulaw(job.sound.content) if job.sound.content else spoken(job.sound.text)
            job.mulaw = made if isinstance(made, bytes) else b""
        self._sound(now, call, job)

    def _sound(self, now: float, call: Call, job: Job) -> None:
        job.begun = True
        if job.events:
            self._hooks.tell(now, call, f"call.{job.events}.started", self._about(call, job))
        if call.audio is not None:
            call.audio.play(job.mulaw or b"", job.key)

    def on_fetched(self, now: float, fetch_id: str, reply: WebhookReply) -> None:
        """A file came, or did not."""
        call, job = self._fetching.pop(fetch_id, (None, None))
        if call is None or job is None or job not in self._queues.get(call.call_control_id, ()):
            return
        made = _mulaw(reply.body) if reply.status == 200 else ""
        if isinstance(made, bytes):
            job.mulaw = made
            self._sound(now, call, job)
            return
        self._queues[call.call_control_id].remove(job)
        self._fail(now, call, job, made)
        self._next(now, call)

    def _fail(self, now: float, call: Call, job: Job, detail: str) -> None:
        """A file that is not there, or one that the lab cannot play."""
        if detail:
            who = {"carrier": self._site.name, "number": call.phone, "carrier_call_id": call.call_control_id}
            self._site.ledger.write(now, "refused", detail=detail, url=job.sound.url, **who)
        self._end(now, call, job, "failed" if detail else "file_not_found", detail)

    def _on_ticked(self, now: float, call: Call, ticked: Ticked) -> None:
        for key in ticked.played:
            queue = self._queues.get(call.call_control_id)
            if queue and queue[0].key == key:
                self._played(now, call, queue)

    def _played(self, now: float, call: Call, queue: deque[Job]) -> None:
        job = queue[0]
        job.times = job.times if job.times == FOREVER else job.times - 1
        if job.times != 0 and call.audio is not None:
            call.audio.play(job.mulaw or b"", job.key)
            return
        queue.popleft()
        self._end(now, call, job, "completed")
        self._next(now, call)

    def _next(self, now: float, call: Call) -> None:
        queue = self._queues.get(call.call_control_id)
        if queue and not queue[0].begun and queue[0].key not in self._fetching:
            self._begin(now, call, queue[0])

    def _on_ending(self, now: float, call: Call) -> None:
        queue = self._queues.pop(call.call_control_id, None)
        if queue and queue[0].begun:
            self._end(now, call, queue[0], "call_hangup")

    def _end(self, now: float, call: Call, job: Job, status: str, detail: str = "") -> None:
        if job.events and (job.begun or status in {"failed", "file_not_found"}):
            told = self._about(call, job) | {"status": self._status(job, status)}
            more = {"status_detail": detail} if detail else {}
            ids = {"speak_id": job.key} if job.events == "speak" else {}  # as captured; only here
            self._hooks.tell(now, call, f"call.{job.events}.ended", told | ids | more)
        if job.then is not None:
            job.then(now, status == "completed")

    def _status(self, job: Job, status: str) -> str:
        """The SDK's type of `call.speak.ended` has no word for a stop."""
        stopped = job.events == "speak" and status == "cancelled"
        return str(self._site.knobs.get("speak_stopped_status", "completed")) if stopped else status

    def _about(self, call: Call, job: Job) -> dict[str, Any]:
        if job.events == "speak":
            return call.ids()
        media = {"media_url": job.sound.url} if job.sound.url else {}
        return call.ids() | media | {"overlay": False}


def said(body: dict[str, Any], name: str = "payload") -> str:
    """The text of a payload; of SSML what is between the tags."""
    text = str(body[name])
    return _TAGS.sub(" ", text) if body.get("payload_type") == "ssml" else text


def _times(body: dict[str, Any]) -> int:
    loop = body.get("loop", 1)
    return FOREVER if loop == "infinity" else int(loop)


def _mulaw(file: bytes) -> bytes | str:
    """The sound of a WAV file; a string says why there is none."""
    try:
        return from_wav(file)
    except NotWav as error:
        return f"{rest.NOT_SIMULATED} audio that is no WAV file: {error}"
