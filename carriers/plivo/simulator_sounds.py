"""The lab's Plivo: what is spoken and played to a call, one piece after the other. Pure."""

from collections.abc import Callable

from msgspec import Struct

from carriers.lab.contract import Fetch, WebhookReply
from carriers.lab.sound import SILENCE, NotWav, from_wav, tone
from carriers.lab.speaking import spoken
from carriers.plivo.simulator_calls import Call, Phase, new_uuid
from carriers.plivo.simulator_documents import Verb
from carriers.plivo.simulator_switch import Switch

FETCH_TIMEOUT_S, FETCH_TRIES = 122.0, 2
"""Of audio files: 2 s to connect, 120 s to read, one retry whatever went wrong."""
MAX_FILE = 10 * 1024 * 1024
MAX_WAIT_S = 600
"""Of a pause among prompts, so that nobody asks for the lab's memory."""
BEEP = tone(1000, 0.5)
_FRAMES_PER_S = 50


class Programme(Struct, kw_only=True, eq=False):
    """Elements that are played to one call, and what comes after them."""

    id: str
    call: Call
    pieces: list[Verb]
    then: Callable[[float], None]
    sound: bytes = b""
    left: int = 0
    """How often the current sound is played again; -1 for ever."""
    tries: int = 0


class Sounds:
    """All programmes of the account; a call may have several, whose sounds follow each other."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._programmes: dict[str, Programme] = {}
        self._fetches: dict[str, tuple[Programme, str]] = {}

    def forget(self) -> None:
        """Drop everything."""
        self._programmes.clear()
        self._fetches.clear()

    def play(self, now: float, call: Call, pieces: list[Verb], then: Callable[[float], None]) -> str:
        """Play Speak, Play, Wait and Beep elements; `then` follows their last sound. The programme's id."""
        programme = Programme(id=new_uuid(self._switch.site.random), call=call, pieces=list(pieces), then=then)
        self._programmes[programme.id] = programme
        self._next(now, programme)
        return programme.id

    def stop(self, now: float, programme_id: str) -> None:
        """Break it off: `then` does not follow. What else is played to the call goes on."""
        programme = self._programmes.pop(programme_id, None)
        if programme is not None:
            self._silence(programme.call, {programme_id}, now)

    def stopper(self, programmes: list[str]) -> Callable[[float], None]:
        """Stops whatever the list holds when it is called."""

        def stop(at: float) -> None:
            for each in programmes:
                self.stop(at, each)

        return stop

    def stop_all(self, now: float, call: Call) -> None:
        """Whatever is played to the call ends now, and what follows it comes."""
        for programme in [each for each in self._programmes.values() if each.call is call]:
            if programme.id in self._programmes:
                del self._programmes[programme.id]
                self._silence(call, {programme.id}, now)
                programme.then(now)

    def on_played(self, now: float, key: str) -> None:
        """A clip was heard to its end."""
        programme = self._programmes.get(key)
        if programme is None:
            return
        if programme.left:
            programme.left -= programme.left > 0
            self._sound(programme)
        else:
            self._next(now, programme)

    def on_fetched(self, now: float, fetch_id: str, reply: WebhookReply) -> None:
        """A file came, or did not; what cannot be played is passed over."""
        programme, url = self._fetches.pop(fetch_id, (None, ""))
        if programme is None or programme.id not in self._programmes:
            return
        if not 200 <= reply.status < 300:
            self._fetch_again(now, programme, url)
            return
        try:
            programme.sound = from_wav(reply.body) if len(reply.body) <= MAX_FILE else b""
        except NotWav as error:
            self._switch.refused(now, f"<Play> of {url} is not simulated: {error}", programme.call)
            programme.sound = b""
        self._begin_sound(now, programme)

    def on_ended(self, _now: float, call: Call) -> None:
        """The call is over."""
        for programme in [each for each in self._programmes.values() if each.call is call]:
            del self._programmes[programme.id]

    # --- inside --------------------------------------------------------------------------------------------------

    def _next(self, now: float, programme: Programme) -> None:
        if not programme.pieces or programme.call.phase is Phase.ENDED:
            self._programmes.pop(programme.id, None)
            programme.then(now)
            return
        piece = programme.pieces.pop(0)
        loop = piece.whole("loop", 1)
        programme.left = loop - 1
        if piece.name == "Play":
            programme.tries = 1
            self._fetch(programme, piece.text)
            return
        programme.sound = _sound_of(piece)
        self._begin_sound(now, programme)

    def _begin_sound(self, now: float, programme: Programme) -> None:
        if programme.sound:
            self._sound(programme)
        else:
            self._next(now, programme)

    def _sound(self, programme: Programme) -> None:
        self._switch.sound_of(programme.call).play(programme.sound, programme.id)

    def _fetch(self, programme: Programme, url: str) -> None:
        fetch_id = new_uuid(self._switch.site.random)
        self._fetches[fetch_id] = (programme, url)
        call = programme.call
        self._switch.site.emit(
            Fetch(id=fetch_id, url=url, timeout_s=FETCH_TIMEOUT_S, carrier_call_id=call.uuid, number=call.person)
        )

    def _fetch_again(self, now: float, programme: Programme, url: str) -> None:
        if programme.tries < FETCH_TRIES:
            programme.tries += 1
            self._fetch(programme, url)
        else:
            self._next(now, programme)

    def _silence(self, call: Call, dropped: set[str], now: float) -> None:
        """Clips can only be dropped together: what belongs to other programmes goes on with their next piece."""
        audio = self._switch.audio.get(call.uuid)
        if audio is None:
            return
        for key in audio.stop():
            if key not in dropped:
                self.on_played(now, key)


def _sound_of(piece: Verb) -> bytes:
    if piece.name == "Wait":
        return SILENCE * (min(piece.whole("length", 1), MAX_WAIT_S) * _FRAMES_PER_S)
    return BEEP if piece.name == "Beep" else spoken(piece.text)


def beep() -> Verb:
    """An element of the lab's own: the tone before a recording."""
    return Verb("Beep", {}, "")
