"""How the API shows your webhooks and their dead letters: the shapes, and how they are made from what the store keeps."""

from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from gateway.domain.times import rfc3339, told
from gateway.runtime.store.notice_contract import DeadNotice, EndpointState
from gateway.runtime.user_webhook_deliveries import Endpoint


class WebhookView(Struct, frozen=True, kw_only=True):
    """One endpoint, and how its deliveries stand."""

    name: Annotated[str, Meta(description="As the config names it.")]
    origin: Annotated[str, Meta(description="Scheme, host and port of its URL; the rest may hold a token.")]
    events: Annotated[tuple[str, ...], Meta(description="The types that it is told, families spelt out.")]
    state: Annotated[str, Meta(description="`active`, `failing`, `paused` (it said Retry-After) or `disabled` (it said 410).")]
    backlog: Annotated[int, Meta(description="Notices that wait; at most 10,000, then the oldest become dead letters.")]
    oldest_at: Annotated[str, Meta(description="When the oldest of them happened.")] | None
    dead: Annotated[int, Meta(description="Dead letters that are kept; at most 10,000.")]
    delivered: Annotated[int, Meta(description="Ever.")]
    delivered_at: Annotated[str, Meta(description="Last.")] | None
    failures: Annotated[int, Meta(description="In a row; 0 after a success.")]
    failing_since: str | None
    error: Annotated[str, Meta(description="The last one; it stays after a success.")] | None
    error_at: str | None
    paused_until: str | None
    disabled_at: str | None
    overflowed: Annotated[int, Meta(description="Ever became dead letters because the backlog was full.")]
    forgotten: Annotated[int, Meta(description="Dead letters ever dropped because there were too many.")]


class DeadNoticeView(Struct, frozen=True, kw_only=True):
    """A notice that is not tried any more."""

    id: Annotated[str, Meta(description="`msg_...`, the `webhook-id` of all its tries.")]
    type: str
    about: Annotated[str, Meta(description="The call, voicemail or carrier that it tells of.")]
    at: Annotated[str, Meta(description="When that happened.")]
    tries: int
    why: Annotated[str, Meta(description="The last error; `backlog-full` if there were too many.")]
    dead_at: str
    body: Annotated[dict[str, Any], Meta(description="What is sent.")]


class WebhookPage(Struct, frozen=True, kw_only=True):
    """All endpoints."""

    items: tuple[WebhookView, ...]
    next: None = None


class DeadNoticePage(Struct, frozen=True, kw_only=True):
    """Dead letters, the newest dead first."""

    items: tuple[DeadNoticeView, ...]
    next: Annotated[str, Meta(description="`cursor` of the following page.")] | None


class Replayed(Struct, frozen=True, kw_only=True):
    """How many dead letters wait again."""

    replayed: int


def webhook_view(endpoint: Endpoint, state: EndpointState, now: float) -> WebhookView:
    """Never shows a secret, nor the URL's path and query."""
    url = urlsplit(endpoint.url)
    return WebhookView(
        name=endpoint.name,
        origin=f"{url.scheme}://{url.netloc}",
        events=tuple(sorted(one.value for one in endpoint.wanted)),
        state=_state(endpoint, state, now),
        backlog=state.backlog,
        oldest_at=rfc3339(state.oldest.at) if state.oldest else None,
        dead=state.dead,
        delivered=state.delivered,
        delivered_at=told(state.delivered_at),
        failures=state.failures,
        failing_since=told(state.failing_since),
        error=state.error or None,
        error_at=told(state.error_at),
        paused_until=told(state.paused_until if (state.paused_until or 0.0) > now else None),
        disabled_at=told(state.disabled_at if state.disabled == endpoint.url_mark else None),
        overflowed=state.overflowed,
        forgotten=state.forgotten,
    )


def dead_view(dead: DeadNotice) -> DeadNoticeView:
    """With the whole body, for people who must decide."""
    return DeadNoticeView(
        id=dead.notice.id,
        type=dead.notice.type,
        about=dead.notice.about.removeprefix("carrier:"),
        at=rfc3339(dead.notice.at),
        tries=dead.attempts,
        why=dead.why,
        dead_at=rfc3339(dead.dead_at),
        body=msgspec.json.decode(dead.notice.payload),
    )


def _state(endpoint: Endpoint, state: EndpointState, now: float) -> str:
    if state.disabled == endpoint.url_mark:
        return "disabled"
    if (state.paused_until or 0.0) > now:
        return "paused"
    return "failing" if state.failures else "active"
