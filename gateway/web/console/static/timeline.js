// A call's legs as lanes on one time line. The first second of a failover matters as much as the minutes of talk after it,
// so long stretches are squeezed (logarithmically): order and overlap are true, and lengths are written in figures.

import { h, glyph } from "./dom.js";
import { length, seconds } from "./time.js";
import { lost, plain } from "./words.js";

const FINEST_S = 0.15;

// Where a time stands between 0 and 100, and the times themselves.
export function scale(call, now) {
  const times = new Set([seconds(call.created_at)]);
  for (const leg of call.legs) {
    for (const iso of [leg.created_at, leg.alerted_at, leg.answered_at, leg.ended_at]) if (iso) times.add(seconds(iso));
  }
  times.add(call.ended_at ? seconds(call.ended_at) : now);
  const points = [...times].sort((a, b) => a - b);
  const places = new Map([[points[0], 0]]);
  let sum = 0;
  for (let at = 1; at < points.length; at++) {
    sum += Math.log2(1.06 + (points[at] - points[at - 1]) / FINEST_S);
    places.set(points[at], sum);
  }
  const whole = sum || 1;
  for (const [time, place] of places) places.set(time, (place / whole) * 100);
  return { points, place: (time) => places.get(time) };
}

function phases(leg, end) {
  const alerted = leg.alerted_at ?? leg.answered_at;
  const stops = [["dialing", leg.created_at], ["ringing", alerted === leg.answered_at ? null : alerted], ["talking", leg.answered_at]].filter(([, iso]) => iso);
  return stops.map(([kind, iso], index) => ({ kind, from: seconds(iso), to: index + 1 < stops.length ? seconds(stops[index + 1][1]) : end })).filter(({ from, to }) => to >= from);
}

export function lanes(call, now, { most = 4 } = {}) {
  const { points, place } = scale(call, now);
  const last = points[points.length - 1];
  const shown = call.legs.slice(-most);
  const hidden = call.legs.length - shown.length;
  return h("div", { class: "lanes", role: "img", "aria-label": said(call) },
    hidden > 0 && h("p", { class: "earlier" }, `${hidden} earlier ${hidden === 1 ? "leg" : "legs"}`),
    shown.map((leg) => lane(leg, leg.ended_at ? seconds(leg.ended_at) : last, place)),
    call.legs.length === 0 && h("p", { class: "earlier" }, legless(call)));
}

function legless(call) {
  if (call.ended_at) return "no carrier was tried";
  return call.callback ? `no carrier yet: ${plain(call.callback.reason)}` : "no carrier yet";
}

function lane(leg, end, place) {
  const failed = lost(leg);
  const bars = phases(leg, end).map(({ kind, from, to }) => h("span", { class: `bar ${kind}`, vars: { from: `${place(from)}%`, to: `${place(to)}%` } }));
  const note = failed ? `${plain(leg.verdict?.reason ?? leg.status)}` : "";
  // What is written stands right of the lane's end where there is room, else left of its beginning.
  const right = place(end) < 62;
  return h("div", { class: `lane${failed ? " lost" : ""}` },
    h("span", { class: "name" }, leg.carrier),
    h("span", { class: "track" }, bars,
      failed && h("span", { class: "cut", vars: { at: `${place(end)}%` } }, glyph("bad")),
      note && h("span", { class: `note${right ? "" : " left"}`, vars: { at: `${right ? place(end) : place(seconds(leg.created_at))}%` } }, note)));
}

// The same in words, for whoever does not see it.
function said(call) {
  if (!call.legs.length) return "No leg yet";
  return call.legs.map((leg) => {
    const way = leg.answered_at ? "answered" : leg.alerted_at ? "rang" : "dialled";
    return `${leg.carrier}: ${way}${lost(leg) ? `, lost (${plain(leg.verdict?.reason ?? leg.status)})` : ""}`;
  }).join("; then ");
}

// Marks below the lanes: when something happened, counted from the call's beginning. Those that would overlap are left out.
export function axis(call, now) {
  const { points, place } = scale(call, now);
  let free = -1;
  const marks = points.filter((point, index) => {
    const at = place(point);
    if (index !== points.length - 1 && (at < free || at > 88)) return false;
    free = at + 11;
    return true;
  });
  return h("div", { class: "axis", "aria-hidden": "true" }, marks.map((point) => h("span", { vars: { at: `${place(point)}%` }, class: place(point) > 88 ? "end" : "" }, point === points[0] ? "0" : `+${length(point - points[0])}`)));
}
