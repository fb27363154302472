// One call's whole story: what it is now, its legs on a time line, why each carrier was taken, lost or passed over.

import { api } from "./api.js";
import { ask } from "./confirm.js";
import { find, glyph, h } from "./dom.js";
import { model, put, touch } from "./model.js";
import { axis, lanes } from "./timeline.js";
import { length, local, seconds, utc } from "./time.js";
import { eventTone, eventWords, lost, plain, stateOf, verdictWords } from "./words.js";

let open = null; // {id, call, events, trouble}
let asking = false;
let may = {};

export function listenToStory(scopes) {
  may = scopes;
  const dialog = find("story");
  dialog.addEventListener("close", () => {
    open = null;
    if (location.hash.startsWith("#/calls/")) history.replaceState(null, "", location.pathname);
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}

export function grant(scopes) {
  may = scopes;
}

export async function openStory(id) {
  open = { id, call: model.calls.get(id) ?? null, events: [], drawn: null, trouble: "" };
  draw(Date.now() / 1000);
  if (!find("story").open) find("story").showModal();
  await refresh();
}

export function closeStory() {
  if (find("story").open) find("story").close();
}

// Called with every change of the model: the story follows its call.
export function drawStory(known, now) {
  if (!open) return;
  const call = known.calls.get(open.id);
  if (call && call !== open.call) {
    open.call = call;
    refresh();
  }
  if (open.call && open.call.status !== "ended") draw(now);
}

async function refresh() {
  if (asking || !open) return;
  asking = true;
  const mine = open;
  try {
    const [call, log] = await Promise.all([api("GET", `/v1/calls/${mine.id}`), api("GET", `/v1/calls/${mine.id}/events?limit=1000`)]);
    Object.assign(mine, { call, events: log.items, trouble: "" });
    if (model.calls.get(call.id)?.status !== call.status) put(call);
  } catch (error) {
    if (!("words" in error)) throw error;
    mine.trouble = error.words;
  } finally {
    asking = false;
  }
  if (open === mine) draw(Date.now() / 1000);
}

function draw(now) {
  const { call, events, trouble } = open;
  const looks = JSON.stringify([call, events.length, trouble, call && call.status !== "ended" ? Math.floor(now) : 0]);
  if (open.drawn === looks) return;
  open.drawn = looks;
  const dialog = find("story");
  const focused = dialog.contains(document.activeElement) ? document.activeElement.dataset.deed : null;
  const place = dialog.scrollTop;
  dialog.replaceChildren(h("div", { class: "inside" }, head(call), trouble && h("p", { class: "trouble", role: "alert" }, trouble), call && [facts(call, now), picture(call, now), legs(call), log(call, events)]));
  dialog.scrollTop = place;
  if (focused) dialog.querySelector(`[data-deed="${focused}"]`)?.focus({ preventScroll: true });
}

function head(call) {
  const state = call && stateOf(call);
  return h("header", { class: "head" },
    h("div", {}, h("h2", { id: "story-title" }, call ? (call.direction === "inbound" ? `Call from ${call.from ?? "a withheld number"}` : `Call to ${call.to}`) : "A call"),
      call && h("p", { class: `state tone-${state.tone}` }, glyph(state.glyph), h("strong", {}, state.word), call.reason && h("span", { class: "why" }, plain(call.reason)))),
    h("div", { class: "row" },
      call && call.status !== "ended" && may.write && h("button", { type: "button", class: "danger", data: { deed: "end" }, on: { click: () => end(call) } }, call.answered_at ? "Hang up" : "Cancel the call"),
      h("button", { type: "button", data: { deed: "close" }, autofocus: true, on: { click: () => find("story").close() } }, "Close")));
}

function facts(call, now) {
  const end = call.ended_at ? seconds(call.ended_at) : now;
  const pairs = [
    ["Accepted", moment(call.created_at)],
    ["To answer", call.answered_at ? length(seconds(call.answered_at) - seconds(call.created_at)) : "not answered"],
    ["Talked", call.answered_at ? length(end - seconds(call.answered_at)) : "–"],
    ["Caller id", call.from ?? "each carrier's own"],
    ["Agent", call.agent],
    ["Route", call.route],
    ...(call.callback ? [["Tried again", moment(call.callback.due_at)], ["Promised because", plain(call.callback.reason)]] : []),
    ...Object.entries(call.metadata),
    ["Id", call.id],
  ];
  return h("dl", { class: "pairs" }, pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

function moment(iso) {
  return h("time", { datetime: iso, title: utc(iso) }, local(iso));
}

function picture(call, now) {
  return h("div", { class: "picture" }, lanes(call, now, { most: 20 }), axis(call, now), h("p", { class: "hint" }, "Long stretches are squeezed; order and figures are true."));
}

function legs(call) {
  if (!call.legs.length) return null;
  return h("section", { "aria-label": "Legs" }, h("h3", {}, call.legs.length === 1 ? "One leg" : `${call.legs.length} legs`),
    h("ol", { class: "legs" }, call.legs.map((leg) => h("li", { class: lost(leg) ? "lost" : "" },
      h("p", { class: "title" }, glyph(lost(leg) ? "bad" : leg.answered_at ? "ok" : "none"), h("strong", {}, leg.carrier), h("span", { class: "soft" }, ` as ${leg.from}, ${leg.status}`)),
      h("p", {}, verdictWords(leg) || (leg.answered_at ? "Answered." : "Under way.")),
      h("p", { class: "soft fine" }, media(leg), leg.carrier_call_id ? ` The carrier's id: ${leg.carrier_call_id}` : "")))));
}

function media(leg) {
  const { frames_in: heard, frames_out: said, longest_gap_ms: gap } = leg.media;
  return heard || said ? `Heard ${length(heard / 50)}, said ${length(said / 50)}, longest gap ${gap} ms.` : "No sound.";
}

function log(call, events) {
  const zero = seconds(call.created_at);
  return h("section", { "aria-label": "What happened" }, h("h3", {}, "What happened"),
    h("ol", { class: "log" }, events.map((event) => h("li", { class: `tone-${eventTone(event)}` },
      h("time", { datetime: event.at, title: `${local(event.at)} here, ${utc(event.at)}` }, `+${length(seconds(event.at) - zero)}`), h("span", {}, eventWords(event))))));
}

function end(call) {
  const answered = Boolean(call.answered_at);
  ask({
    title: answered ? "Hang up this call?" : "Cancel this call?",
    text: [answered ? `The person at ${call.to} is cut off.` : `${call.to} is not called any more; what rings stops ringing.`],
    yes: answered ? "Hang up" : "Cancel the call",
    danger: true,
    act: async () => {
      put(await api("POST", `/v1/calls/${call.id}/hangup`));
      touch(call.id);
      return answered ? "Hung up" : "Cancelled";
    },
  });
}
