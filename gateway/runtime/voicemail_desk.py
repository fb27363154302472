"""Where the calls of this process leave their messages: makes a recording for each, and knows whether there is room."""

from collections.abc import Callable

from agent.contract import CallInfo
from gateway.domain.media import MULAW_8K
from gateway.domain.records import Call
from gateway.runtime.clock import Clock
from gateway.runtime.errands import Errands
from gateway.runtime.store.contract import Store
from gateway.runtime.user_webhook_announcing import SILENT, Announcer
from gateway.runtime.voicemail_files import MessageFiles
from gateway.runtime.voicemail_recording import Lengths, MessageRecording, Say

NO_ROOM = "no room for a message"


class VoicemailDesk:
    """`owner` is this process, as the others know it; `say` speaks to a call in its session's name."""

    def __init__(
        self,
        store: Store,
        files: MessageFiles,
        clock: Clock,
        lengths: Lengths,
        *,
        say: Say,
        owner: Callable[[], str],
        new_id: Callable[[str], str],
        announcer: Announcer = SILENT,
    ) -> None:
        self.store, self.files, self.clock, self.lengths = store, files, clock, lengths
        self.say, self.owner, self.new_id, self.announcer = say, owner, new_id, announcer
        self.errands = Errands()

    def recording(self, call: CallInfo) -> MessageRecording:
        """The one message of this session."""
        return MessageRecording(call, self)

    async def room(self) -> bool:
        """For one message more of full length, beside those that are being recorded here. Other processes' are counted as far
        as they are on the disk: together they may exceed `storage.max_total_mb` by what they are recording.
        """
        return await self.files.room((len(self.errands) + 1) * int(self.lengths.longest_s * MULAW_8K.rate))

    async def obstacle(self, _call: Call) -> str:
        """Why no message can be taken now; empty: one can."""
        try:
            return "" if await self.room() else NO_ROOM
        except OSError as error:
            return f"storage.dir: {error.strerror or error}"

    async def aclose(self) -> None:
        """The process ends. What is not kept by then is kept by another one, or at the next start."""
        await self.errands.aclose()
