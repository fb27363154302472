"""Handles RecordMessage and CollectMessage: a message that a leg's carrier records by itself, from the tone to our list.

Until it is here, or is known not to exist, its call waits in the status `voicemail`, whose leg is over: for `COLLECT_FOR_S` at
most. A message that the carrier has and we cannot get (our disk is full) makes the call's outcome all the same; where the carrier
cannot be asked there may be none, and the call has failed. Either is tried for as long as any other that was left at a carrier.
Whichever process has the command does all this.
"""

import asyncio
from collections import defaultdict

import structlog
from msgspec.structs import replace

from carriers.contract import Carrier
from carriers.messages_left import MessageDeclined, MessageLeft
from gateway.domain.errors import CarrierError, HoldlineError, IllegalTransition, StoreUnavailable
from gateway.domain.events import CallEvent, LegReported, MessageRecording, MessageRefused, VoicemailMissing, VoicemailTaken
from gateway.domain.records import Call, Leg
from gateway.domain.voicemail import MessageStage
from gateway.runtime.calls import CallNotFound, Calls
from gateway.runtime.clock import Clock
from gateway.runtime.fleet import Fleet, handle_of
from gateway.runtime.store.contract import Claim, Fenced
from gateway.runtime.store.voicemail_contract import KEPT, Voicemail, voicemail_id
from gateway.runtime.voicemail_files import MessageFiles, NoRoom
from gateway.runtime.voicemail_record import kept_word, record_of
from gateway.runtime.voicemail_sound import Heard, is_wav, length_s, listen
from gateway.runtime.voicemails import LOOK_BACK_S, TOO_SHORT, forget

log = structlog.get_logger(__name__)

COLLECT_FOR_S = 120.0
"""After the end of the leg: a recording that is not listed by then is not waited for any longer."""
AGAIN_S, LATER_S = 2.0, 60.0
SEATS = 2
"""So many recordings of one carrier are fetched at once; the others wait for a seat ..."""
SEAT_WITHIN_S = 5.0
"""... so long, and then come again."""
BYTES_PER_S = 16_000
"""Of a recording, 8 kHz and 16 bits: what room is asked for before it is fetched. The file itself is weighed when it is there."""
IN_HAND_S = 10.0
"""A command that is delivered again while we are at it: a fetch may outlast the lease."""
RECORD_AGAIN_S = 1.0
"""While somebody who was asked to speak hears nothing."""
NO_RECORDING, DEFECT, NOT_CONFIGURED = "no-recording", "defect", "carrier-not-configured"


class Busy(HoldlineError):
    """Enough is being fetched from this carrier."""


class CarrierRecordings:
    """`shortest_s`: less than that is no message."""

    def __init__(
        self, calls: Calls, fleet: Fleet, files: MessageFiles, clock: Clock, *, shortest_s: float, delete_at_carrier: bool
    ) -> None:
        self._calls, self._fleet, self._files, self._clock = calls, fleet, files, clock
        self._shortest_s, self._delete_at_carrier = shortest_s, delete_at_carrier
        self._in_hand: set[str] = set()
        self._seats: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(SEATS))

    async def record(self, claim: Claim) -> None:
        """The greeting has been said. A carrier that says no, or nothing in time, has refused the message."""
        call, leg, carrier = await self._subject(claim)
        if leg.message is not MessageStage.ORDERED or not leg.live or leg.hangup_wanted:
            await self._calls.store.done(claim)
            return
        told = await self._told_to_record(call, leg, carrier)
        if told is None:
            await self._calls.store.defer(claim, self._clock.now() + RECORD_AGAIN_S)
        else:
            await self._commit(claim, LegReported(leg_id=leg.id, event=told))

    async def _told_to_record(self, call: Call, leg: Leg, carrier: Carrier | None) -> MessageRecording | MessageRefused | None:
        """None: it may yet, and somebody waits to speak. The leg's timer, which ordered this, says how long."""
        if carrier is None:
            return MessageRefused(reason=NOT_CONFIGURED)
        try:
            await carrier.record_message(self._fleet.attempt(call, leg), handle_of(call, leg))
        except Exception as error:
            reason = error.reason if isinstance(error, CarrierError) else DEFECT
            log.warning("carrier-message-refused", call_id=call.id, carrier=leg.carrier, reason=reason, error=repr(error))
            over = self._clock.now() + RECORD_AGAIN_S >= leg.watch_at
            return MessageRefused(reason=reason) if over or isinstance(error, MessageDeclined) else None
        return MessageRecording()

    async def collect(self, claim: Claim) -> None:
        """Bring it home, come back later, or say that there is none."""
        if claim.command_id in self._in_hand:
            await self._calls.store.defer(claim, self._clock.now() + IN_HAND_S)
            return
        self._in_hand.add(claim.command_id)
        try:
            await self._settle(claim)
        finally:
            self._in_hand.discard(claim.command_id)

    async def _settle(self, claim: Claim) -> None:
        """No defect, ours or an SDK's, may keep the call waiting for ever."""
        call, leg, carrier = await self._subject(claim)
        if carrier is None:
            await self._say(claim, VoicemailMissing(reason=NOT_CONFIGURED))
            return
        try:
            await self._look(claim, call, leg, carrier)
        except (StoreUnavailable, IllegalTransition, CallNotFound):
            raise
        except Exception:
            log.exception("voicemail-not-collected", call_id=call.id, carrier=leg.carrier)
            await self._not_told(claim, leg, DEFECT)

    async def _look(self, claim: Claim, call: Call, leg: Leg, carrier: Carrier) -> None:
        try:
            message = await carrier.message_of(handle_of(call, leg))
        except CarrierError as error:
            await self._not_told(claim, leg, error.reason)
            return
        if message is None:
            await self._none_yet(claim, leg)
        elif not message.seconds:
            await self._say(claim, VoicemailMissing(reason=NO_RECORDING))
        elif await self._known(claim, call, voicemail_id(leg.carrier, message.recording_id)):
            await self._forget(leg, carrier, message)
        else:
            await self._fetch(claim, call, leg, carrier, message)

    async def _known(self, claim: Claim, call: Call, known: str) -> bool:
        """It is here already, and its call hears that now: whoever brought it died, or lost the command, before it said so."""
        store = self._calls.store
        if not await store.knows_voicemail(known, self._clock.now()):
            return False
        kept = await store.voicemail(known)
        if kept is None:  # deleted since
            await self._say(claim, VoicemailTaken(voicemail_id=known))
        elif await self._heard_of(call, known):
            await store.done(claim)
        else:
            await self._say(claim, kept_word(kept))
        return True

    async def _heard_of(self, call: Call, known: str) -> bool:
        entries = await self._calls.store.entries(call.id)
        return any(one.kind == "voicemail-kept" and one.data.get("voicemail_id") == known for one in entries)

    async def _fetch(self, claim: Claim, call: Call, leg: Leg, carrier: Carrier, message: MessageLeft) -> None:
        try:
            kept = await self._in_turn(call, leg, carrier, message)
        except (CarrierError, NoRoom, Busy, OSError) as error:
            log.warning("voicemail-not-collected", carrier=leg.carrier, recording=message.recording_id, error=str(error))
            await self._not_had(claim, call, leg, message)
            return
        if kept is None:
            await self._say(claim, VoicemailMissing(reason=TOO_SHORT))
            return
        await self._say(claim, kept_word(kept))
        await self._forget(leg, carrier, message)

    async def _forget(self, leg: Leg, carrier: Carrier, message: MessageLeft) -> None:
        """Only what is kept here, or was."""
        if self._delete_at_carrier:
            await forget(leg.carrier, carrier, message)

    async def _in_turn(self, call: Call, leg: Leg, carrier: Carrier, message: MessageLeft) -> Voicemail | None:
        """What our disk cannot take is not even fetched. NoRoom, Busy, and as `_brought`."""
        seats = self._seats[leg.carrier]
        try:
            async with asyncio.timeout(SEAT_WITHIN_S):
                await seats.acquire()
        except TimeoutError as error:
            raise Busy(f"{SEATS} recordings of {leg.carrier} are being fetched") from error
        try:
            if not await self._files.room(int(message.seconds * BYTES_PER_S)):
                raise NoRoom("no room for it in storage.dir")
            return await self._brought(call, leg, carrier, message)
        finally:
            seats.release()

    async def _brought(self, call: Call, leg: Leg, carrier: Carrier, message: MessageLeft) -> Voicemail | None:
        """On the disk, then in the store. None: too little to be a message."""
        wav = await carrier.message_audio(message)
        if not is_wav(wav):
            raise CarrierError("unreadable-answer", "a recording that is no WAV file")
        heard = listen(wav)
        if length_s(heard, message.seconds) < self._shortest_s:
            return None
        voicemail = self._record(call, leg, message, heard)
        await self._files.write(voicemail.id, wav)
        now = self._clock.now()
        notices = self._calls.announcer.of_voicemail(voicemail, now)
        if await self._calls.store.put_voicemail(voicemail, now, notices=notices):
            log.info("voicemail-collected", carrier=leg.carrier, voicemail=voicemail.id, seconds=voicemail.seconds)
        return voicemail

    def _record(self, call: Call, leg: Leg, message: MessageLeft, heard: Heard) -> Voicemail:
        begun = record_of(call, voicemail_id(leg.carrier, message.recording_id), self._clock.now())
        return replace(
            begun,
            recording_id=message.recording_id,
            left_at=message.left_at or leg.ended_at or begun.left_at,
            seconds=round(length_s(heard, message.seconds), 3),
            silent=heard.silent,
            status=KEPT,
        )

    # --- not yet, or not at all ----------------------------------------------------------------------------------

    async def _none_yet(self, claim: Claim, leg: Leg) -> None:
        """The carrier's own word: it lists nothing."""
        if self._waited_s(leg) < COLLECT_FOR_S:
            await self._calls.store.defer(claim, self._clock.now() + AGAIN_S)
            return
        log.warning("voicemail-missing", call_id=leg.call_id, carrier=leg.carrier, why=NO_RECORDING)
        await self._say(claim, VoicemailMissing(reason=NO_RECORDING))

    async def _not_told(self, claim: Claim, leg: Leg, why: str) -> None:
        """It may have a message: the call does not wait for that longer than for any other, and we go on asking."""
        waited_s, missing = self._waited_s(leg), VoicemailMissing(reason=why)
        if waited_s >= LOOK_BACK_S:
            await self._say(claim, missing)
            return
        if waited_s >= COLLECT_FOR_S:
            log.warning("voicemail-not-asked-for", call_id=leg.call_id, carrier=leg.carrier, why=why)
            await self._calls.apply(leg.call_id, lambda call: () if call.ended else (missing,))
        pause_s = _growing_s(waited_s) if waited_s < COLLECT_FOR_S else LATER_S
        await self._calls.store.defer(claim, self._clock.now() + pause_s)

    async def _not_had(self, claim: Claim, call: Call, leg: Leg, message: MessageLeft) -> None:
        """The carrier has it: that much is certain."""
        waited_s = self._waited_s(leg)
        if waited_s >= LOOK_BACK_S:
            await self._calls.store.done(claim)
            return
        if waited_s >= COLLECT_FOR_S and not call.ended:
            taken = VoicemailTaken(voicemail_id=voicemail_id(leg.carrier, message.recording_id))
            await self._calls.apply(call.id, lambda _call: (taken,))
        await self._calls.store.defer(claim, self._clock.now() + _growing_s(waited_s))

    def _waited_s(self, leg: Leg) -> float:
        return self._clock.now() - (leg.ended_at or 0.0)

    # --- small pieces --------------------------------------------------------------------------------------------

    async def _say(self, claim: Claim, event: CallEvent) -> None:
        """A fetch may have taken longer than the lease: then the word is said without the command, which is somebody else's by
        now. Whoever has it might be as slow, and the call would wait for ever.
        """
        if not await self._commit(claim, event):
            await self._calls.apply(claim.command.call_id, lambda call: () if call.ended else (event,))

    async def _commit(self, claim: Claim, event: CallEvent) -> bool:
        """False, and nothing is written, if the command has been delivered to somebody else meanwhile."""
        done = (claim.command_id, claim.token)
        applied = await self._calls.apply(claim.command.call_id, lambda _call: (event,), done=done)
        return not isinstance(applied.result, Fenced)

    async def _subject(self, claim: Claim) -> tuple[Call, Leg, Carrier | None]:
        """Raise CallNotFound."""
        call = await self._calls.store.load(claim.command.call_id)
        leg = call.find(claim.command.leg_id) if call else None
        if call is None or leg is None:
            raise CallNotFound(claim.command.call_id)
        member = self._fleet.members.get(leg.carrier)
        return call, leg, member.carrier if member else None


def _growing_s(waited_s: float) -> float:
    """A pause: neither a full disk nor a carrier that does not answer is asked every two seconds for all of its calls."""
    return min(max(waited_s / 4, AGAIN_S), LATER_S)
