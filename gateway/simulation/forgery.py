"""Somebody who knows our URLs, and has seen webhooks: forges, tampers, replays, and knocks at media sockets.

A refusal that comes for another reason (the store is away, a process died) proves nothing and counts as no forgery.
"""

from random import Random

from carriers.lab.contract import Webhook
from gateway.simulation.lab import Wire
from gateway.simulation.network import Network
from gateway.simulation.sockets import Answer
from gateway.simulation.watch import Watch


class Forger:
    """One forger's one deed."""

    def __init__(self, network: Network, watch: Watch, chance: Random, public_url: str) -> None:
        self._network, self._watch, self._chance, self._public_url = network, watch, chance, public_url

    async def try_one(self) -> None:
        """Any of the tricks."""
        genuine = [(one.hook, one.answer) for one in self._network.taken if one.answer.status == 200]
        if genuine:
            hook, answer = self._chance.choice(genuine)
            await self._chance.choice((self._unsigned, self._tampered, self._replayed, self._misdirected))(hook, answer)
        self._knock()

    async def _unsigned(self, hook: Webhook, _answer: Answer) -> None:
        bare = {name: value for name, value in hook.headers.items() if name.lower() in {"content-type", "accept"}}
        await self._expect_refusal("unsigned webhook", hook, hook.url, bare, hook.body)

    async def _tampered(self, hook: Webhook, _answer: Answer) -> None:
        if hook.body:
            await self._expect_refusal("tampered webhook", hook, hook.url, dict(hook.headers), hook.body + b" ")

    async def _misdirected(self, hook: Webhook, _answer: Answer) -> None:
        """A genuine webhook, once more, at another call's URL: refused, or a repeat that changes nothing."""
        parts = hook.url.split("/")
        if parts[5] != "hooks":
            return
        others = [
            (call.id, leg.id)
            for call in self._watch.calls.values()
            for leg in call.legs
            if leg.carrier == parts[4] and leg.id != parts[7] and leg.carrier_call_id
        ]
        if others:
            parts[6], parts[7] = self._chance.choice(others)
            before = self._watch.calls[parts[6]].version
            answer = await self._try(hook, "/".join(parts), dict(hook.headers), hook.body)
            self._watch.forgeries += answer is not None
            mine = [write for write in self._watch.writes if write.after.id == parts[6] and write.after.version > before]
            marks = [write.change.mark.key for write in mine if write.change.mark is not None]
            if answer is not None and answer.status == 200 and len(marks) != len(set(marks)):
                self._watch.forged.append(f"a webhook of leg {hook.url.split('/')[7]} was taken for leg {parts[7]}")

    async def _replayed(self, hook: Webhook, first: Answer) -> None:
        answer = await self._try(hook, hook.url, dict(hook.headers), hook.body)
        self._watch.forgeries += answer is not None
        remembered = bool(self._watch.store_troubles)  # without a store the first answer may have come from memory
        if answer is not None and answer.status == 200 and answer.body != first.body and not remembered:
            self._watch.forged.append(f"a replay of {hook.url} got another answer than the first")

    async def _expect_refusal(self, what: str, hook: Webhook, url: str, headers: dict[str, str], body: bytes) -> None:
        answer = await self._try(hook, url, headers, body)
        self._watch.forgeries += answer is not None
        if answer is not None and answer.status < 400:
            self._watch.forged.append(f"{what} at {url} got {answer.status}")

    async def _try(self, hook: Webhook, url: str, headers: dict[str, str], body: bytes) -> Answer | None:
        try:
            answer = await self._network.send(hook.method, url, headers, body, 10.0)
        except (OSError, TimeoutError):
            return None
        return None if answer.status == 503 else answer

    def _knock(self) -> None:
        legs = [(call.id, leg) for call in self._watch.calls.values() for leg in call.legs]
        if not legs:
            return
        call_id, leg = self._chance.choice(legs)
        url = f"{self._public_url.replace('http', 'ws', 1)}/carriers/{leg.carrier}/media/{call_id}/{leg.id}/{'0' * 64}"
        self._watch.forgeries += 1
        self._network.connect(url, {}, Stranger(self._watch, self._network, leg.carrier))


class Stranger(Wire):
    """Listens at a socket that should never open."""

    def __init__(self, watch: Watch, network: Network, carrier: str) -> None:
        super().__init__(network.lab, carrier, "stranger")
        self._watch = watch

    def opened(self) -> None:
        self._watch.forged.append("a media socket without a valid token was accepted")

    def frame(self, data: str | bytes) -> None:
        self._watch.forged.append("a media socket without a valid token was sent sound")

    def refused(self, status: int) -> None:
        """As it should be."""

    def closed(self, code: int) -> None:
        """As it should be."""
