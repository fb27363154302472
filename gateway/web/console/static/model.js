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
      if (state === "live") guarded(lookAtAll);
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
  if (!looking) {
    looking = true;
    setTimeout(async () => {
      await guarded(lookAtDirty);
      looking = false;
      const left = dirty.values().next();
      if (!left.done && stop) touch(left.value);
    }, SETTLE_MS);
  }
}

async function guarded(look) {
  const mine = stop;
  try {
    await look();
    if (stop === mine) model.trouble = null;
  } catch (error) {
    if (!("words" in error)) throw error;
    if (stop === mine && error.status !== 401) model.trouble = error;
  }
  changed();
}

async function lookAtAll() {
  await Promise.all([lookAtCarriers(), page("").then(keep), ...LIVE.map((status) => every(status).then(keep))]);
  model.loaded = true;
  trim();
}

async function lookAtCarriers() {
  model.carriers = (await api("GET", "/v1/carriers")).items;
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

function keep(calls) {
  for (const call of calls) model.calls.set(call.id, call);
  changed();
}

async function lookAtDirty() {
  const wanted = [...dirty];
  if (wanted.length > ONE_BY_ONE) {
    for (const id of wanted) dirty.delete(id);
    const newest = await page("");
    keep(newest);
    const seen = new Set(newest.map((call) => call.id));
    for (const id of wanted) if (!seen.has(id)) dirty.add(id);
  }
  const rest = [...dirty].slice(0, 5 * ONE_BY_ONE);
  for (const id of rest) dirty.delete(id);
  for (let at = 0; at < rest.length; at += AT_ONCE) await Promise.all(rest.slice(at, at + AT_ONCE).map(one));
  trim();
}

async function one(id) {
  try {
    model.calls.set(id, await api("GET", `/v1/calls/${id}`));
  } catch (error) {
    if (error.status !== 404) throw error;
    model.calls.delete(id);
  }
}

function trim() {
  if (model.calls.size <= KEPT_CALLS) return;
  const ended = [...model.calls.values()].filter((call) => call.status === "ended").sort((a, b) => (a.created_at < b.created_at ? -1 : 1));
  for (const call of ended.slice(0, model.calls.size - KEPT_CALLS)) model.calls.delete(call.id);
}
