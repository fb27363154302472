"""Messages that a fallback document took at a carrier while we were away are brought home.

Order of a message: its sound on the disk, then its record in the store, then, if the config says so, its end at the
carrier. A crash anywhere leaves at most a file that the next collection writes again. A record's id comes from carrier
and recording, so that neither another process nor another start makes it a second message.
"""

import asyncio
from collections.abc import Mapping

import structlog

from carriers.contract import Carrier
from carriers.messages_left import MessageLeft
from gateway.domain.errors import CarrierError, StoreUnavailable
from gateway.domain.inbound import ids_of
from gateway.runtime.clock import Clock
from gateway.runtime.store.contract import Store
from gateway.runtime.store.notice_contract import Notice
from gateway.runtime.store.voicemail_contract import Voicemail, voicemail_id
from gateway.runtime.supervision import heed_cancellation
from gateway.runtime.user_webhook_announcing import SILENT, Announcer
from gateway.runtime.voicemail_files import MessageFiles, NoRoom
from gateway.runtime.voicemail_sound import is_wav, length_s, listen

log = structlog.get_logger(__name__)

EVERY_S = 60.0
TURN_S = 300.0
"""How long a process that has died keeps the others from collecting at a carrier."""
LOOK_BACK_S = 28 * 86_400.0
"""How far the first collection looks back, and the longest that a message is tried for; carriers keep them for 30 days."""
MOST_AT_ONCE = 50
"""New messages of one look at one carrier; the others are for the next."""
OVERLAP_S = 900.0
"""Every look goes back so far behind the last one: a message begins up to three minutes before it can be had."""
LEAST_S = 1.0
"""Less is no message, where it was recorded by our order."""
DAY_S = 86_400.0
PURGE_BATCH = 100
GATEWAY_DOWN = "gateway-down"
TOO_SHORT = "too-short"
"""Why there is no message of a call in which the carrier recorded one."""


class Voicemails:
    """`carriers` by the config's name, with the numbers whose messages are ours. `run` works until cancelled."""

    def __init__(
        self,
        carriers: Mapping[str, tuple[Carrier, tuple[str, ...]]],
        store: Store,
        files: MessageFiles,
        clock: Clock,
        *,
        keep_days: float,
        delete_at_carrier: bool,
        announcer: Announcer = SILENT,
    ) -> None:
        self._carriers = {name: one for name, one in carriers.items() if one[0].capabilities.keeps_messages}
        self._store, self._files, self._clock = store, files, clock
        self._keep_s, self._delete_at_carrier, self._announcer = keep_days * DAY_S, delete_at_carrier, announcer

    async def run(self, every_s: float = EVERY_S) -> None:
        """Collect at once, and then every minute."""
        while True:
            await self.once()
            heed_cancellation()
            await self._clock.sleep(every_s)

    async def once(self) -> None:
        """Every carrier, side by side: one that fails, or is slow, is no matter of the others."""
        await asyncio.gather(*(self._collect(name) for name in self._carriers))
        try:
            await self._purge()
        except (StoreUnavailable, OSError) as error:
            log.warning("voicemails-not-purged", error=str(error))

    async def _collect(self, name: str) -> None:
        began = self._clock.now()
        try:
            since = await self._store.take_collection(name, began, TURN_S)
            if since is not None:
                await self._store.end_collection(name, await self._look(name, since, began))
        except StoreUnavailable as error:
            log.warning("voicemails-store-unavailable", carrier=name, error=str(error))

    async def _look(self, name: str, since: float, began: float) -> float:
        """How far back the next look goes: to the first message that could not be had, or a little behind this one."""
        carrier, numbers = self._carriers[name]
        earliest = max(since, began - LOOK_BACK_S)
        try:
            found = await carrier.messages_left(numbers, earliest)
        except CarrierError as error:
            log.warning("voicemails-not-listed", carrier=name, reason=error.reason)
            return since
        new = [message for message in found if not await self._knows(name, message) and not await self._ours(name, message)]
        missed = await self._bring_all(name, carrier, new[:MOST_AT_ONCE]) + new[MOST_AT_ONCE:]
        return min([began - OVERLAP_S, *(message.left_at for message in missed)])

    async def _knows(self, name: str, message: MessageLeft) -> bool:
        return await self._store.knows_voicemail(voicemail_id(name, message.recording_id), self._clock.now())

    async def _ours(self, name: str, message: MessageLeft) -> bool:
        """Recorded by our order in a live call, which brings it home itself (carrier_recordings.py), unless it came too late."""
        if not message.carrier_call_id:
            return False
        call = await self._store.load(ids_of(name, message.carrier_call_id)[0])
        if call is None or all(leg.message is None for leg in call.legs):
            return False
        if not call.ended or call.voicemail == voicemail_id(name, message.recording_id) or message.seconds < LEAST_S:
            return True
        entries = await self._store.entries(call.id)
        return any(one.kind == "voicemail-missing" and one.data.get("reason") == TOO_SHORT for one in entries)

    async def _bring_all(self, name: str, carrier: Carrier, messages: list[MessageLeft]) -> list[MessageLeft]:
        """Those that could not be had. Where there is no room, none is fetched only to be thrown away."""
        missed = []
        for at, message in enumerate(messages):
            try:
                if not await self._bring(name, carrier, message):
                    missed.append(message)
            except NoRoom as error:
                log.warning("voicemails-no-room", carrier=name, waiting=len(messages) - at, error=str(error))
                return missed + messages[at:]
        return missed

    async def _bring(self, name: str, carrier: Carrier, message: MessageLeft) -> bool:
        """True if it is here now. NoRoom."""
        known = voicemail_id(name, message.recording_id)
        try:
            wav = await carrier.message_audio(message)
            if not is_wav(wav):
                raise CarrierError("unreadable-answer", "a recording that is no WAV file")
            await self._files.write(known, wav)
        except (CarrierError, OSError) as error:
            log.warning("voicemail-not-collected", carrier=name, recording=message.recording_id, error=str(error))
            return False
        await self._keep(name, message, known, wav)
        if self._delete_at_carrier:
            await forget(name, carrier, message)
        return True

    async def _keep(self, name: str, message: MessageLeft, known: str, wav: bytes) -> None:
        heard, now = listen(wav), self._clock.now()
        voicemail = Voicemail(
            id=known,
            carrier=name,
            recording_id=message.recording_id,
            caller=message.caller,
            to=message.to,
            left_at=message.left_at,
            collected_at=now,
            seconds=round(length_s(heard, message.seconds), 3),
            silent=heard.silent,
            reason=GATEWAY_DOWN,
        )
        if await self._store.put_voicemail(voicemail, now, notices=self._announcer.of_voicemail(voicemail, now)):
            log.info("voicemail-collected", carrier=name, voicemail=known, seconds=voicemail.seconds)

    async def _purge(self) -> None:
        while True:
            old = await self._store.oldest_voicemails(self._clock.now() - self._keep_s, PURGE_BATCH)
            for voicemail in old:
                now = self._clock.now()
                gone = self._announcer.of_deleted(voicemail, now)
                await drop(voicemail.id, self._store, self._files, now, notices=gone)
            if len(old) < PURGE_BATCH:
                return


async def forget(name: str, carrier: Carrier, message: MessageLeft) -> None:
    """Delete it at the carrier, if the carrier obeys."""
    try:
        await carrier.forget_message(message)
    except CarrierError as error:
        log.warning("voicemail-left-at-carrier", carrier=name, recording=message.recording_id, reason=error.reason)


async def drop(
    known: str, store: Store, files: MessageFiles, now: float, *, owner: str = "", notices: tuple[Notice, ...] = ()
) -> bool:
    """Forget a message: record first, so that none is shown whose sound is gone. `owner` as in the store. False if there was
    none; the sound of one that others are recording stays.
    """
    dropped = await store.drop_voicemail(known, now, owner=owner, notices=notices)
    if dropped or await store.voicemail(known) is None:
        await files.remove(known)
    return dropped
