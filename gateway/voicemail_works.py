"""Everything about messages, wired: the agent that takes them, their files, and what brings home and salvages the others."""

from collections.abc import Callable, Mapping
from pathlib import Path

from agent.voicemail import Terms, VoicemailAgent
from gateway.config.greeting import greeting_sound
from gateway.config.structs import Config
from gateway.domain.commands import CollectMessage, Command, RecordMessage
from gateway.runtime.calls import Calls
from gateway.runtime.carrier_recordings import CarrierRecordings
from gateway.runtime.clock import Clock
from gateway.runtime.fleet import Fleet
from gateway.runtime.heartbeat import Heartbeat
from gateway.runtime.leases import Leases
from gateway.runtime.outbox import Handler
from gateway.runtime.voicemail_desk import VoicemailDesk
from gateway.runtime.voicemail_files import MessageFiles, VoicemailFiles
from gateway.runtime.voicemail_recording import Lengths
from gateway.runtime.voicemail_salvage import VoicemailSalvage
from gateway.runtime.voicemails import Voicemails


class VoicemailWorks:
    """`files` None: on the disk, where the config says; a simulation hands in its own."""

    def __init__(
        self,
        config: Config,
        calls: Calls,
        leases: Leases,
        heartbeat: Heartbeat,
        clock: Clock,
        *,
        new_id: Callable[[str], str],
        files: MessageFiles | None = None,
    ) -> None:
        terms, self._storage = config.voicemail, config.storage
        self._calls, self._clock, self._shortest_s = calls, clock, terms.min_message_s
        self.files = files or VoicemailFiles(Path(config.voicemail_dir), config.storage.max_total_mb)
        self.desk = VoicemailDesk(
            calls.store,
            self.files,
            clock,
            Lengths(longest_s=terms.max_message_s, shortest_s=terms.min_message_s),
            say=leases.say,
            owner=lambda: heartbeat.me().id,
            new_id=new_id,
            announcer=calls.announcer,
        )
        self.salvage = VoicemailSalvage(calls, self.files, heartbeat, clock, shortest_s=terms.min_message_s)
        self.agent = VoicemailAgent(
            Terms(greeting=greeting_sound(terms.greeting), max_message_s=terms.max_message_s, silence_s=terms.silence_s),
            self.desk.recording,
        )

    def handlers(self, fleet: Fleet) -> Mapping[type[Command], Handler]:
        """Who has messages recorded at the carriers by our order, and brings them home."""
        recordings = CarrierRecordings(
            self._calls,
            fleet,
            self.files,
            self._clock,
            shortest_s=self._shortest_s,
            delete_at_carrier=self._storage.delete_at_carrier,
        )
        return {RecordMessage: recordings.record, CollectMessage: recordings.collect}

    def collecting(self, fleet: Fleet) -> Voicemails:
        """What brings messages home that were left at the carriers."""
        return Voicemails(
            {name: (member.carrier, member.numbers) for name, member in fleet.members.items()},
            self._calls.store,
            self.files,
            self._clock,
            keep_days=self._storage.keep_days,
            delete_at_carrier=self._storage.delete_at_carrier,
            announcer=self._calls.announcer,
        )
