// The list of calls: live ones first, newest first, a page at a time; searched and filtered. A thousand live calls change
// many times a second: only rows that are shown are drawn, only when their call has changed, and once a frame.

import { arrange, fill, find, glyph, h, show, write } from "./dom.js";
import { lanes } from "./timeline.js";
import { length, local, seconds, utc } from "./time.js";
import { lost, movedOn, plain, stateOf } from "./words.js";

const STEP = 40;

const FILTERS = {
  all: () => true,
  live: (call) => call.status !== "ended" && call.status !== "scheduled",
  moved: movedOn,
  bad: (call) => stateOf(call).tone === "bad",
  ended: (call) => call.status === "ended",
};

const rows = new Map();
let shown = STEP;
let held = null;

export function listenToTools(redraw) {
  const again = () => { shown = STEP; held = null; press(false); redraw(); };
  find("search").addEventListener("input", again);
  find("filter").addEventListener("change", again);
  find("more").addEventListener("click", () => { shown += STEP; held = null; press(false); redraw(); });
  find("hold").addEventListener("click", () => { press(held === null); redraw(); });
}

// Held still, the list keeps its calls and their order; what happens in each row still shows.
function press(on) {
  held = on ? [...find("call-list").children].map((row) => row.dataset.call) : null;
  find("hold").setAttribute("aria-pressed", String(on));
}

export function forget() {
  rows.clear();
  shown = STEP;
  held = null;
}

export function drawCalls(model, now) {
  const live = [...model.calls.values()].filter(FILTERS.live);
  const found = wanted(model.calls);
  const page = (held ? held.map((id) => model.calls.get(id)).filter(Boolean) : found.slice(0, shown));
  for (const id of rows.keys()) if (!page.some((call) => call.id === id)) rows.delete(id);
  arrange(find("call-list"), page.map((call) => row(call, now)));
  const fresh = held ? found.slice(0, shown).filter((call) => !held.includes(call.id)).length : 0;
  write(find("hold"), held ? `Held still${fresh ? `, ${fresh} new` : ""}` : "Hold still");
  write(find("calls-sum"), `${live.length} live${found.length < model.calls.size ? `, ${found.length} found` : ""}`);
  show(find("more"), !held && found.length > shown);
  write(find("more"), `Show ${Math.min(STEP, found.length - shown)} more of ${found.length}`);
  show(find("calls-none"), model.loaded && page.length === 0);
  write(find("calls-none"), model.calls.size ? "No call matches." : "No calls yet. Place one here, or with `holdline call`.");
}

function wanted(calls) {
  const words = find("search").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const fits = FILTERS[find("filter").value];
  const found = [...calls.values()].filter((call) => fits(call) && words.every((word) => text(call).includes(word)));
  return found.sort((a, b) => rank(a) - rank(b) || (a.created_at < b.created_at ? 1 : -1));
}

function rank(call) {
  return { ended: 2, scheduled: 1 }[call.status] ?? 0;
}

const texts = new WeakMap();

function text(call) {
  if (!texts.has(call)) {
    const parts = [call.id, call.to, call.from, call.agent, call.route, call.status, call.outcome, call.reason, stateOf(call).word, ...call.legs.flatMap((leg) => [leg.carrier, leg.verdict?.reason, leg.carrier_call_id]), ...Object.entries(call.metadata).flat()];
    texts.set(call, parts.filter(Boolean).join(" ").toLowerCase());
  }
  return texts.get(call);
}

function row(call, now) {
  const known = rows.get(call.id);
  if (known?.call === call) {
    if (call.status !== "ended") age(known.element, call, now);
    return known.element;
  }
  const element = known?.element ?? h("li", { data: { call: call.id } }, h("a", { class: "call", href: `#/calls/${call.id}` }));
  fill(element.firstElementChild, cells(call, now));
  element.firstElementChild.className = `call tone-${stateOf(call).tone}${movedOn(call) ? " moved" : ""}`;
  rows.set(call.id, { call, element });
  return element;
}

// A live row grows older without its call having changed: the figure each second, the lanes with it.
function age(element, call, now) {
  const figure = element.querySelector(".lasted");
  const told = lasted(call, now);
  if (figure.textContent === told) return;
  figure.textContent = told;
  element.querySelector(".lanes").replaceWith(lanes(call, now));
}

function lasted(call, now) {
  return length((call.ended_at ? seconds(call.ended_at) : now) - seconds(call.answered_at ?? call.created_at));
}

function cells(call, now) {
  const state = stateOf(call);
  const losses = call.legs.filter(lost);
  const other = call.direction === "inbound" ? call.from ?? "withheld" : call.to;
  return [
    h("span", { class: "status" }, glyph(state.glyph), h("strong", {}, state.word), call.status === "ended" && call.reason && state.tone !== "ok" ? h("span", { class: "why" }, plain(call.reason)) : null),
    h("span", { class: "number" }, h("span", { class: "unseen" }, call.direction === "inbound" ? "from " : "to "), other, h("span", { class: "by" }, call.direction === "inbound" ? `in, ${call.agent}` : call.agent)),
    lanes(call, now),
    h("span", { class: "when" }, h("span", { class: "lasted" }, lasted(call, now)), h("time", { datetime: call.created_at, title: utc(call.created_at) }, local(call.created_at))),
    losses.length > 0 && movedOn(call) && h("span", { class: "unseen" }, `Failed over ${call.legs.length - 1} times.`),
  ];
}
