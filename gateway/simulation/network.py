"""The ways between gateways and the world: requests to carriers, webhooks and media sockets from them, clients' requests.

In front of the processes stands a balancer as in production: by a hash of the call's id where the URL has one, any
process otherwise; now and then it sends a request elsewhere, and it notices a death only when a connection is refused.
"""

from collections.abc import Callable, Mapping
from random import Random
from zlib import crc32

from carriers.in_memory import Heard, Request
from carriers.lab.contract import RestReply, RestRequest, Webhook, WebhookReply
from carriers.shot import HttpAnswer
from gateway.simulation.history import History
from gateway.simulation.hooks import Taken
from gateway.simulation.lab import LabDriver, Wire
from gateway.simulation.processes import Process
from gateway.simulation.sockets import Answer, WebSocket
from gateway.simulation.truth import Post, Truth, leg_of

ASTRAY = 0.1
"""Share of requests that the balancer sends to another process than the hash says."""


class Network:
    """Of one world. `named(carrier, answer)` reads the call's id out of a carrier's answer to a dial."""

    def __init__(
        self,
        processes: list[Process],
        history: History,
        truth: Truth,
        chance: Random,
        *,
        lost_requests: float,
        named: Callable[[str, HttpAnswer], str],
    ) -> None:
        self.processes, self._history, self._truth, self._chance = processes, history, truth, chance
        self._lost_requests, self._named = lost_requests, named
        self.lab: LabDriver
        self.taken: list[Taken] = []
        """Webhooks that were delivered, with our answers: material for the judge, and for forgers."""
        self.bugs: list[str] = []
        self.sockets_opened: list[tuple[str, str]] = []
        """(leg id, token) of media sockets that a carrier asked for."""
        self._post: Post | None = None

    # --- to the carriers -----------------------------------------------------------------------------------------

    def line(self, process: str, carrier: str, request: Request) -> Heard:
        """One request of a process to a carrier: what came of it."""
        there, back = self._chance.uniform(0.0, 0.03), self._chance.uniform(0.01, 0.15)
        if self._chance.random() < self._lost_requests:
            self._history.note(process, "request-lost", carrier, request.method, request.path.rpartition("/")[2][:12])
            return Heard(lost="closed", delay_s=there)
        self._post = None
        asked = RestRequest(
            method=request.method, path=request.path, query=request.query, headers=request.headers, body=request.body
        )
        is_dial = self.lab.exchange.desks[carrier].simulator.is_dial(asked) is not None
        if is_dial and self.lab.exchange.desks[carrier].listening:
            self._post = self._truth.post(self.lab.now(), process, carrier, request.body)
        answer = self.lab.request(carrier, asked)
        heard = _heard(answer.reply if answer else None, there + back + (answer.delay_s if answer else 0.0))
        if answer is None:
            heard = Heard(lost="refused")
        elif answer.reply is None:
            heard = Heard(lost=answer.otherwise, delay_s=heard.delay_s)
        status = heard.answer.status if heard.answer else heard.lost
        leg = self._post.leg_id if self._post else ""
        self._history.note(process, "dial" if is_dial else "request", carrier, request.method, leg or request.path[-14:], status)
        return heard

    def overheard(self, carrier: str, _request: RestRequest, reply: RestReply) -> None:
        """What the carrier's core answered, whatever a fault made of it afterwards."""
        if self._post is not None and self._post.carrier == carrier and not self._post.status:
            self._post.status = reply.status
            self._post.carrier_call_id = self._named(carrier, _answer(reply))

    # --- from the carriers ---------------------------------------------------------------------------------------

    async def deliver(self, hook: Webhook) -> WebhookReply:
        """Send a webhook as a carrier does."""
        sent_at = self.lab.now()
        try:
            answer = await self.send(hook.method, hook.url, hook.headers, hook.body, hook.timeout_s)
        except ConnectionRefusedError:
            return WebhookReply(status=0, failure="connect")
        except OSError:
            return WebhookReply(status=0, failure="reset")
        except TimeoutError:
            return WebhookReply(status=0, failure="timeout")
        self.taken.append(Taken(hook=hook, answer=answer, sent_at=sent_at, answered_at=self.lab.now()))
        return WebhookReply(status=answer.status, body=answer.body, content_type=answer.headers.get("content-type", ""))

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> Answer:
        """One request to the gateway's public address. OSError or TimeoutError if no answer comes."""
        process = self._chosen(url)
        if process is None:
            raise ConnectionRefusedError("no process")
        answer = await process.request(method, url.partition("#")[0], headers, body, timeout_s)
        if answer.status == 500:  # nobody foresees one
            self.bugs.append(f"{method} {url} was answered with 500")
        return answer

    def connect(self, url: str, headers: Mapping[str, str], wire: Wire) -> WebSocket | None:
        """A media socket; None if nobody is there."""
        process = self._chosen(url)
        if process is None or not process.alive:
            return None
        leg, token = url.rsplit("/", 2)[1:]
        self.sockets_opened.append((leg, token))
        socket = WebSocket(url, headers, wire, wire.later)
        process.accept(socket)
        return socket

    def _chosen(self, url: str) -> Process | None:
        """Not a dead one, except when the balancer has not noticed yet."""
        living = [process for process in self.processes if process.alive and not process.draining]
        living = living or [process for process in self.processes if process.alive]
        candidates = living if living and self._chance.random() > 0.02 else self.processes
        leg = leg_of(url.replace("/media/", "/hooks/"))
        if leg is None or self._chance.random() < ASTRAY:
            return self._chance.choice(candidates)
        return candidates[crc32(leg[0].encode()) % len(candidates)]


def _answer(reply: RestReply) -> HttpAnswer:
    headers = {name.lower(): value for name, value in reply.headers.items()} | {"content-type": reply.content_type}
    return HttpAnswer(status=reply.status, headers=headers, body=reply.body)


def _heard(reply: RestReply | None, delay_s: float) -> Heard:
    return Heard(answer=_answer(reply) if reply else None, delay_s=delay_s)
