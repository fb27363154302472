// What the page knows of the gateway, kept fresh: a look at everything, then the events, each of which says which call to
// ask for again. Nothing is concluded here from an event; what a call is, REST says. Readers are told in a frame of the
// browser's, and at a pace that people can follow.

import { api } from "./api.js";
import { follow } from "./stream.js";

const LIVE = ["in_progress", "ringing", "dialing", "reconnecting", "voicemail", "scheduled"];
const PAGE = 200;
const PAGES = 5; // of each live status: 1,000 calls
const KEPT_CALLS = 3000;
const KEPT_EVENTS = 300;
const CARRIERS_MS = 2500;
const SETTLE_MS = 300; // events come in swarms: one look for all of them
const ONE_BY_ONE = 12;
const AT_ONCE = 6;
const PACE_MS = 120;
const AGAIN_MS = 2000;

export const model = { carriers: [], calls: new Map(), events: [], line: "connecting", trouble: null, loaded: false };

const readers = new Set();
const dirty = new Set();
let framed = false;
let drawn = -PACE_MS;
let looking = false;
let stop = null;

export function onChange(reader) {
  readers.add(reader);
}

function changed() {
  if (framed) return;
  framed = true;
  setTimeout(() => requestAnimationFrame(draw), Math.max(0, drawn + PACE_MS - performance.now()));
}

function draw() {
  framed = false;
  drawn = performance.now();
  for (const reader of readers) reader(model);
}

export function start() {
  stop = new AbortController();
  const { signal } = stop;
  follow("/v1/events", {
    signal,
    heard: (event) => {
      model.events.unshift(event);
      model.events.length = Math.min(model.events.length, KEPT_EVENTS);
      touch(event.call_id);
      changed();
    },
    state: (state) => {
      model.line = state;
      if (state === "live") lookUntilSeen();
      changed();
    },
  });
  const again = setInterval(() => document.hidden || guarded(lookAtCarriers), CARRIERS_MS);
  signal.addEventListener("abort", () => clearInterval(again));
}

export function end() {
  stop?.abort();
  stop = null;
  dirty.clear();
  Object.assign(model, { carriers: [], calls: new Map(), events: [], line: "connecting", trouble: null, loaded: false });
}

export function put(call) {
  model.calls.set(call.id, call);
  changed();
}

export function putCarrier(carrier) {
  model.carriers = model.carriers.map((one) => (one.name === carrier.name ? carrier : one));
  changed();
}

// This call has moved: ask for it again, soon.
export function touch(callId) {
  dirty.add(callId);
  if (looking) return;
  looking = true;
  setTimeout(lookSoon, SETTLE_MS);
}

async function lookSoon() {
  const well = await guarded(lookAtDirty);
  looking = Boolean(stop) && dirty.size > 0;
  if (looking) setTimeout(lookSoon, well ? SETTLE_MS : AGAIN_MS);
}

// Whether it went well; what went wrong is shown until the next look that goes well.
async function guarded(look) {
  const mine = stop;
  try {
    await look();
    if (stop === mine) model.trouble = null;
    return true;
  } catch (error) {
    if (!("words" in error)) throw error;
    if (stop === mine && error.status !== 401) model.trouble = error;
    return false;
  } finally {
    changed();
  }
}

async function lookUntilSeen() {
  const mine = stop;
  while (stop === mine && !(await guarded(lookAtAll))) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
}

// One page after the other: a gateway with a thousand calls has other work than to show them all at once.
async function lookAtAll() {
  const { calls } = model;
  await lookAtCarriers();
  keep(calls, await page(""));
  for (const status of LIVE) keep(calls, await every(status));
  model.loaded = calls === model.calls;
  trim();
}

async function lookAtCarriers() {
  const mine = stop;
  const { items } = await api("GET", "/v1/carriers");
  if (stop === mine) model.carriers = items;
  changed();
}

async function page(query) {
  return (await api("GET", `/v1/calls?limit=${PAGE}${query}`)).items;
}

async function every(status) {
  const found = [];
  let cursor = "";
  for (let number = 0; number < PAGES; number++) {
    const { items, next } = await api("GET", `/v1/calls?limit=${PAGE}&status=${status}${cursor}`);
    found.push(...items);
    if (!next) break;
    cursor = `&cursor=${encodeURIComponent(next)}`;
  }
  return found;
}

// Into the map that was asked for: what comes after a log-out goes into one that nobody shows any more.
function keep(calls, found) {
  for (const call of found) calls.set(call.id, call);
  changed();
}

async function lookAtDirty() {
  const { calls } = model;
  const wanted = [...dirty];
  if (wanted.length > ONE_BY_ONE) {
    // Forgotten before they are asked for, so that an event that comes meanwhile is not lost with them.
    for (const id of wanted) dirty.delete(id);
    const seen = new Set();
    try {
      const newest = await page("");
      keep(calls, newest);
      for (const call of newest) seen.add(call.id);
    } finally {
      for (const id of wanted) if (!seen.has(id)) dirty.add(id);
    }
  }
  const rest = [...dirty].slice(0, 5 * ONE_BY_ONE);
  for (let at = 0; at < rest.length; at += AT_ONCE) await Promise.all(rest.slice(at, at + AT_ONCE).map((id) => one(calls, id)));
  trim();
}

async function one(calls, id) {
  dirty.delete(id);
  try {
    calls.set(id, await api("GET", `/v1/calls/${id}`));
  } catch (error) {
    if (error.status === 404) calls.delete(id);
    else dirty.add(id);
    if (error.status !== 404) throw error;
  }
}

function trim() {
  if (model.calls.size <= KEPT_CALLS) return;
  const ended = [...model.calls.values()].filter((call) => call.status === "ended").sort((a, b) => (a.created_at < b.created_at ? -1 : 1));
  for (const call of ended.slice(0, model.calls.size - KEPT_CALLS)) model.calls.delete(call.id);
}
