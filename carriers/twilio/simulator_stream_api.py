"""The lab's Twilio: the Streams resource of a call, for one-way streams only (API description)."""

import re
from collections.abc import Mapping

from carriers.lab.contract import RestReply, RestRequest
from carriers.twilio import simulator_rules as rules
from carriers.twilio.simulator_call import Call
from carriers.twilio.simulator_rest import NoSuch, answer, form, only, single
from carriers.twilio.simulator_stream import TRACKS, StreamOrder, StreamRefused, Streams
from carriers.twilio.simulator_streaming import Streaming, stream_json

PARAMETER = re.compile(r"Parameter([1-9]\d?)\.(Name|Value)")
CREATE = frozenset({"Url", "Name", "Track", "StatusCallback", "StatusCallbackMethod"})


class StreamApi:
    """Begin and end; there is no list."""

    def __init__(self, streaming: Streaming, streams: Streams) -> None:
        self._streaming, self._streams = streaming, streams

    def begin(self, now: float, request: RestRequest, call: Call) -> RestReply:
        """Fork the sound of a call in progress to a socket."""
        fields = form(request)
        only({name: 1 for name in fields if not PARAMETER.fullmatch(name)}, CREATE)
        if not call.talking:
            raise NoSuch(400, 21220)
        try:
            stream = self._streams.open(call, _order(fields))
        except StreamRefused as refusal:
            raise NoSuch(400, int(refusal.code), "Url or Track") from refusal
        return answer(stream_json(stream, "in-progress", now))

    def end(self, now: float, request: RestRequest, call: Call, name: str) -> RestReply:
        """`Status=stopped`, by sid or name."""
        fields = single(request)
        only(fields, frozenset({"Status"}))
        rules.word("Status", fields.get("Status", ""), frozenset({"stopped"}))
        stream = self._streaming.named(call, name)
        if stream is None:
            raise NoSuch(404, 20404, f"stream {name}")
        self._streams.close(now, stream)
        return answer(stream_json(stream, "stopped", now))


def _order(fields: Mapping[str, list[str]]) -> StreamOrder:
    one = {name: values[-1] for name, values in fields.items()}
    named = {match[1]: one[name] for name in one if (match := PARAMETER.fullmatch(name)) and match[2] == "Name"}
    return StreamOrder(
        url=one.get("Url", ""),
        both_ways=False,
        name=one.get("Name", ""),
        track=rules.word("Track", one.get("Track", "inbound_track"), frozenset(TRACKS)),
        parameters={name: one.get(f"Parameter{index}.Value", "") for index, name in named.items()},
        report=rules.target("StatusCallback", {name: fields[name] for name in fields if name != "StatusCallbackEvent"}),
    )
