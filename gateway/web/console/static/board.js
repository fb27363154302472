// The carriers, one tile each: fit or not and why, its breaker, its load, its last verdicts, and the hand that stops it.

import { api } from "./api.js";
import { arrange, fill, find, glyph, h, write } from "./dom.js";
import { ask } from "./confirm.js";
import { putCarrier } from "./model.js";
import { ago, local, utc } from "./time.js";
import { lost, plain, verdictWords } from "./words.js";

const VERDICTS = 14;

const HANDS = {
  drain: { word: "Drain", done: "is draining" },
  disable: { word: "Disable", done: "is disabled" },
  enable: { word: "Enable", done: "is back in service" },
};

// How a carrier stands, worst first: a hand counts before the breaker, the breaker before the last health request.
export function standing(carrier) {
  const open = Object.entries(carrier.breaker).find(([, one]) => one.state !== "closed");
  if (carrier.state === "disabled") return { word: "Disabled", glyph: "off", tone: "plain", why: byHand(carrier) };
  if (carrier.state === "draining") return { word: "Draining", glyph: "hold", tone: "wait", why: byHand(carrier) };
  if (open && open[1].state === "open") return { word: "Breaker open", glyph: "bad", tone: "bad", why: plain(open[1].reason ?? "") };
  if (open) return { word: "Probing", glyph: "warn", tone: "wait", why: "one call at a time may try" };
  if (!carrier.well) return { word: "Unwell", glyph: "warn", tone: "wait", why: "its last health request failed" };
  return { word: "Fit", glyph: "ok", tone: "ok", why: "" };
}

export function fit(carrier) {
  const { tone } = standing(carrier);
  return tone === "ok" || (carrier.state === "active" && carrier.breaker.place?.state === "closed");
}

function byHand(carrier) {
  return `by hand${carrier.state_by ? `, key ${carrier.state_by}` : ""}${carrier.state_at ? `, since ${local(carrier.state_at)}` : ""}`;
}

const tiles = new Map();

export function drawBoard(model, may) {
  const legs = recentLegs(model.calls);
  for (const name of tiles.keys()) if (!model.carriers.some((one) => one.name === name)) tiles.delete(name);
  for (const carrier of model.carriers) {
    const verdicts = legs.get(carrier.name) ?? [];
    const looks = JSON.stringify([carrier, may.admin, model.carriers.filter(fit).length, verdicts.map((leg) => leg.id), verdicts[0] ? ago(verdicts[0].ended_at ?? verdicts[0].answered_at) : ""]);
    const known = tiles.get(carrier.name);
    if (known?.looks === looks) continue;
    const element = known?.element ?? h("li", { class: "tile", data: { carrier: carrier.name } });
    const focused = element.contains(document.activeElement) ? document.activeElement.dataset.hand : null;
    fill(element, tile(carrier, verdicts, may, model));
    element.className = `tile tone-${standing(carrier).tone}`;
    if (focused) (element.querySelector(`[data-hand="${focused}"]`) ?? element.querySelector("button"))?.focus();
    tiles.set(carrier.name, { element, looks });
  }
  arrange(find("board"), model.carriers.map((carrier) => tiles.get(carrier.name).element));
  const able = model.carriers.filter(fit).length;
  write(find("carriers-sum"), model.carriers.length ? `${able} of ${model.carriers.length} take calls` : "");
}

// The newest legs of each carrier that came to a verdict or an answer, newest first.
function recentLegs(calls) {
  const judged = new Map();
  for (const call of calls.values()) {
    for (const leg of call.legs) {
      if (!leg.verdict && !leg.answered_at && leg.status !== "condemned") continue;
      if (!judged.has(leg.carrier)) judged.set(leg.carrier, []);
      judged.get(leg.carrier).push(leg);
    }
  }
  const at = (leg) => leg.ended_at ?? leg.answered_at ?? leg.created_at;
  for (const [name, legs] of judged) judged.set(name, legs.sort((a, b) => (at(a) < at(b) ? 1 : -1)).slice(0, VERDICTS));
  return judged;
}

function tile(carrier, verdicts, may, model) {
  const stands = standing(carrier);
  const until = carrier.breaker.place?.open_until;
  return [
    h("div", { class: "who" }, h("h3", {}, carrier.name), carrier.kind !== carrier.name && h("span", { class: "kind" }, carrier.kind), h("span", { class: "rank", title: "Its place in the config" }, `no. ${carrier.priority}`)),
    h("p", { class: `state tone-${stands.tone}` }, glyph(stands.glyph), h("strong", {}, stands.word), stands.why && h("span", { class: "why" }, stands.why)),
    h("dl", { class: "facts" },
      h("div", {}, h("dt", {}, "Live legs"), h("dd", { class: "big" }, String(carrier.live_legs), h("span", { class: "of" }, ` / ${carrier.limits.concurrent_calls}`))),
      h("div", {}, h("dt", {}, "Pace"), h("dd", { class: "big" }, pace(carrier.limits.calls_per_second), h("span", { class: "of" }, " calls/s"))),
      Object.entries(carrier.breaker).map(([operation, one]) => h("div", {}, h("dt", {}, `Breaker, ${operation}`), h("dd", { class: "big word" }, plain(one.state), until && h("span", { class: "of", title: utc(until) }, ` till ${local(until)}`))))),
    load(carrier),
    marks(verdicts),
    may.admin && h("div", { class: "hands" }, hands(carrier).map((hand) => button(carrier, hand, model))),
  ];
}

function pace(perSecond) {
  return perSecond >= 1e5 ? "∞" : String(Number(perSecond.toPrecision(3)));
}

function load(carrier) {
  const part = Math.min(1, carrier.live_legs / carrier.limits.concurrent_calls);
  return h("div", { class: `load${part >= 0.9 ? " full" : ""}`, vars: { part: `${part * 100}%` }, "aria-hidden": "true" }, h("span", {}));
}

function marks(verdicts) {
  if (!verdicts.length) return h("p", { class: "marks soft" }, "No verdict yet");
  const failing = verdicts.find(lost);
  const last = verdicts[0].ended_at ?? verdicts[0].answered_at;
  const text = failing ? `Last loss: ${plain(failing.verdict?.reason ?? failing.status)}, ${ago(failing.ended_at ?? failing.created_at)}` : `Nothing lost in the last ${verdicts.length}; newest ${ago(last)}`;
  return h("div", { class: "marks" },
    h("span", { class: "row", role: "img", "aria-label": `The last ${verdicts.length} verdicts, newest first: ${verdicts.map((leg) => (lost(leg) ? "lost" : "fine")).join(", ")}` },
      verdicts.map((leg) => h("span", { class: lost(leg) ? "mark lost" : "mark fine", title: `${verdictWords(leg) || "Talking"} ${utc(leg.ended_at ?? leg.answered_at ?? leg.created_at)}` }, glyph(lost(leg) ? "bad" : "ok")))),
    h("span", { class: "soft", title: failing ? verdictWords(failing) : null }, text));
}

function hands(carrier) {
  return carrier.state === "active" ? ["drain", "disable"] : carrier.state === "draining" ? ["enable", "disable"] : ["enable"];
}

function button(carrier, hand, model) {
  return h("button", { type: "button", data: { hand }, "aria-label": `${HANDS[hand].word} ${carrier.name}`, on: { click: () => decide(carrier, hand, model) } }, HANDS[hand].word);
}

function consequences(carrier, hand, model) {
  const live = carrier.live_legs === 1 ? "One live leg goes on" : `${carrier.live_legs} live legs go on`;
  if (hand === "enable") return ["New calls may go there again at once, if its breaker agrees. Calls that wait for a carrier are tried right away."];
  const others = model.carriers.filter((one) => one.name !== carrier.name && one.state === "active");
  const last = !others.length ? "No other carrier is in service: every new call becomes a promise and waits." : !others.some(fit) ? "No other carrier is fit just now." : "";
  const meant = hand === "disable" ? "Disabled says: not expected back soon." : "Draining says: it will be back.";
  return [`New calls go round it, on every gateway of this store. ${live}. ${meant}`, "It stays so until somebody enables it; no probe and no recovery undoes it.", last];
}

function decide(carrier, hand, model) {
  const loud = hand !== "enable";
  ask({
    title: `${HANDS[hand].word} ${carrier.name}?`,
    text: consequences(carrier, hand, model).filter(Boolean),
    yes: HANDS[hand].word,
    danger: loud,
    act: async () => {
      putCarrier(await api("POST", `/v1/carriers/${encodeURIComponent(carrier.name)}/${hand}`));
      return `${carrier.name} ${HANDS[hand].done}`;
    },
  });
}

