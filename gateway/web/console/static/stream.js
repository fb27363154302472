// Server-sent events over fetch, because EventSource hides why a stream was refused: events come as objects, in order, and
// a stream that breaks is taken up again behind the last event that was seen.

import { Trouble, trouble } from "./api.js";

const SILENT_MS = 40_000; // the gateway says something at least every 15 s
const WAITS_MS = [250, 1000, 2000, 5000];

export async function follow(path, { heard, state, signal }) {
  let last = null;
  for (let failures = 0; !signal.aborted; ) {
    try {
      await read(path, last, signal, (event) => { last = event.seq; heard(event); }, () => { failures = 0; state("live", last !== null); });
    } catch (error) {
      if (error instanceof Trouble && error.status === 401) return;
    }
    if (signal.aborted) return;
    state("away");
    await pause(WAITS_MS[Math.min(failures++, WAITS_MS.length - 1)], signal);
  }
}

async function read(path, last, signal, heard, opened) {
  const silence = new AbortController();
  let alarm = setTimeout(() => silence.abort(), SILENT_MS);
  const either = AbortSignal.any([signal, silence.signal]);
  try {
    const answer = await fetch(path, { headers: { Accept: "text/event-stream", ...(last === null ? {} : { "Last-Event-ID": String(last) }) }, signal: either, cache: "no-store" });
    if (!answer.ok) throw await trouble(answer, path);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let first = true; ; first = false) {
      const { value, done } = await reader.read();
      if (done) return;
      if (first) opened();
      clearTimeout(alarm);
      alarm = setTimeout(() => silence.abort(), SILENT_MS);
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const line = block.split("\n").find((one) => one.startsWith("data:"));
        if (line) heard(JSON.parse(line.slice(5)));
      }
    }
  } finally {
    clearTimeout(alarm);
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
