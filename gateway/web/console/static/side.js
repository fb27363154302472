// Promises that wait, soonest first, and what has just happened, newest first. Both are read, not announced.

import { arrange, find, glyph, h, write } from "./dom.js";
import { local, seconds, length, utc } from "./time.js";
import { eventTone, eventWords, loud, plain } from "./words.js";

const SHOWN = 60;
const lines = new Map();

export function drawPromises(model, now) {
  const waiting = [...model.calls.values()].filter((call) => call.callback).sort((a, b) => (a.callback.due_at < b.callback.due_at ? -1 : 1));
  write(find("promises-sum"), waiting.length ? String(waiting.length) : "");
  const list = find("promise-list");
  const looks = JSON.stringify(waiting.slice(0, SHOWN).map((call) => [call.id, call.callback, due(call, now)]));
  if (list.dataset.looks === looks) return;
  list.dataset.looks = looks;
  const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  list.replaceChildren(...(waiting.length ? waiting.slice(0, SHOWN).map((call) => promise(call, now)) : [h("li", { class: "none" }, "None: every accepted call is placed.")]));
  if (focused) list.querySelector(`a[href="${focused}"]`)?.focus({ preventScroll: true });
}

function due(call, now) {
  const left = seconds(call.callback.due_at) - now;
  return left <= 0.5 ? "now" : `in ${left < 60 ? `${Math.ceil(left)} s` : length(left)}`;
}

function promise(call, now) {
  const { due_at: at, attempts, reason } = call.callback;
  return h("li", {}, h("a", { href: `#/calls/${call.id}` },
    glyph("wait"), h("span", { class: "number" }, call.to),
    h("span", { class: "due", title: utc(at) }, `tried ${due(call, now)}`),
    h("span", { class: "soft" }, `${plain(reason)}${attempts ? `; tried ${attempts} ${attempts === 1 ? "time" : "times"} already` : ""}; given up ${local(call.expires_at)}`)));
}

export function drawEvents(model) {
  const told = model.events.filter(loud).slice(0, SHOWN);
  for (const id of lines.keys()) if (!told.some((event) => event.id === id)) lines.delete(id);
  for (const event of told) if (!lines.has(event.id)) lines.set(event.id, line(event));
  for (const event of told) name(lines.get(event.id).lastElementChild, event, model);
  const list = find("event-list");
  if (told.length) arrange(list, told.map((event) => lines.get(event.id)));
  else if (!list.querySelector(".none")) list.replaceChildren(h("li", { class: "none" }, "Quiet since this page was opened."));
}

export function forget() {
  lines.clear();
  delete find("promise-list").dataset.looks;
}

function line(event) {
  return h("li", { class: `tone-${eventTone(event)}` },
    h("time", { datetime: event.at, title: utc(event.at) }, local(event.at)),
    h("a", { href: `#/calls/${event.call_id}`, "aria-label": `${eventWords(event)}, call ${event.call_id.slice(-6)}` }, eventWords(event)),
    h("span", { class: "soft" }));
}

// Whose call it is: the number as soon as the call is known, else the end of its id.
function name(element, event, model) {
  const call = model.calls.get(event.call_id);
  write(element, call ? (call.direction === "inbound" ? `from ${call.from ?? "withheld"}` : call.to) : `…${event.call_id.slice(-6)}`);
}
