// What a screen reader says by itself: rarely, and only what changes what an operator would do. What comes within the same
// ten seconds is said in one go.

import { find } from "./dom.js";

const PAUSE_MS = 10_000;

let waiting = [];
let timer = null;
let spoken = -PAUSE_MS;

export function tell(text) {
  waiting.push(text);
  if (timer !== null) return;
  timer = setTimeout(say, Math.max(150, spoken + PAUSE_MS - performance.now()));
}

function say() {
  timer = null;
  spoken = performance.now();
  find("told").textContent = waiting.slice(-3).join(". ");
  waiting = [];
}
