// The telephone: off, idle, ringing, calling, talking. What it may do next hangs on that word alone.

import { Line } from "/lab/phone/line.js";
import { Sound } from "/lab/phone/sound.js";
import { ask, watchSwitches } from "/lab/phone/switches.js";

const $ = (id) => document.getElementById(id);
const STATES = { off: "Off", idle: "Ready, on the hook", ringing: "It rings", calling: "Calling", talking: "Talking" };
const MAY = { answer: ["ringing"], "hang-up": ["ringing", "calling", "talking"], dial: ["idle"] };
const LOUD = 4;

let state = "off";
let line = null;
let sound = null;
let since = 0;

function become(next, peer = "") {
  state = next;
  since = performance.now();
  document.body.dataset.state = next;
  $("state").textContent = STATES[next];
  $("peer").textContent = peer;
  for (const [id, states] of Object.entries(MAY)) $(id).disabled = !states.includes(next);
  for (const key of $("keys").children) key.disabled = next !== "talking";
  $("hang-up").lastElementChild.textContent = next === "ringing" ? "Decline" : "Hang up";
  $("power").textContent = next === "off" ? "Switch on" : "Switch off";
  $("number").readOnly = next !== "off";
  sound?.ring(next === "ringing");
  ringMe();
}

function told(text, kind = "") {
  const item = document.createElement("li");
  const time = document.createElement("time");
  time.textContent = new Date().toLocaleTimeString(undefined, { hour12: false });
  item.className = kind;
  item.append(time, ` ${text}`);
  if ($("log").firstElementChild?.className === "soft") $("log").replaceChildren();
  $("log").prepend(item);
  while ($("log").children.length > 40) $("log").lastElementChild.remove();
}

function complain(text) {
  $("trouble").hidden = !text;
  $("trouble").textContent = text;
}

const NOTICES = {
  ring: (n) => { become("ringing", `${n.from}, through ${n.carrier}`); told(`Rings: ${n.from}, through ${n.carrier}`); },
  knock: (n) => told(`${n.from} called meanwhile and got busy`),
  calling: (n) => { become("calling", n.to); told(`Calls ${n.to}, at ${n.carrier}`); },
  answered: (n) => { sound.quiet(); become("talking", n.to ? `${n.to}, at ${n.carrier}` : `${n.from}, through ${n.carrier}`); told("Answered"); $("hang-up").focus(); },
  ended: (n) => { told(`Ended${n.by ? ` by the ${n.by}` : ""}${n.cause ? `: ${n.cause.replaceAll("_", " ").replaceAll("-", " ")}` : ""}`, n.by === "phone" ? "" : "end"); become("idle"); },
  keys: (n) => told(`The other side pressed ${n.digits}`),
  text: (n) => told(`Text message: ${n.body}`),
  error: (n) => complain(`${n.field}: ${n.cure}`),
};

async function switchOn() {
  complain("");
  const number = $("number").value.trim();
  sound = new Sound({ said: speak, heard: count });
  await sound.start();
  line = new Line(number, { sound: (buffer) => sound.play(buffer), notice: (n) => NOTICES[n.event]?.(n), gone: switchedOff });
  await line.opened;
  become("idle");
  told(`Switched on as ${number}`);
  await chooseVoice();
}

function switchedOff(why) {
  if (state !== "off") told(why || "Switched off");
  complain(why);
  sound?.close();
  line = sound = null;
  become("off");
}

function speak({ sound: frame, level }) {
  $("said").value = state === "talking" ? Math.min(1, level * LOUD) : 0;
  if (state === "talking") line?.speak(frame);
}

function count(counts) {
  $("heard").value = Math.min(1, counts.level * LOUD);
  const { frames, loud, gaps, waiting_ms: waiting } = counts;
  const text = frames ? `Heard ${(frames / 50).toFixed(0)} s, ${(loud / 50).toFixed(1)} s of it loud; ${gaps} gaps; ${waiting} ms waiting.` : "Nothing heard yet.";
  if ($("counts").textContent !== text) $("counts").textContent = text;
  Object.assign($("counts").dataset, { frames, loud });
}

// Whoever asks for a microphone may answer after the phone was switched off: then nothing is said any more.
async function chooseVoice() {
  const voice = document.querySelector("input[name=voice]:checked").value;
  $("file").hidden = voice !== "file";
  const mine = sound;
  if (!mine) return;
  try {
    complain("");
    await mine.speak(voice, $("file").files[0]);
  } catch (error) {
    if (mine !== sound) return;
    const why = error.name === "NotAllowedError" ? "the browser was told not to give it" : error.name === "NotFoundError" ? "there is none here" : error.message;
    if (voice === "microphone") {
      document.querySelector("input[name=voice][value=tone]").checked = true;
      complain(`No microphone (${why}); the phone hums a tone instead.`);
      await mine.speak("tone");
    } else complain(why);
  }
}

function press(digit) {
  sound?.key(digit);
  line?.send("digit", { digit });
  told(`Pressed ${digit}`);
}

// Where the gateway's console is, as the console itself said; only an address of this network is believed.
function consoleAddress() {
  const given = new URLSearchParams(location.search).get("console");
  try {
    const url = new URL(given);
    const near = url.hostname === location.hostname || ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
    return near && ["http:", "https:"].includes(url.protocol) ? url.origin : null;
  } catch {
    return null;
  }
}

function ringMe() {
  const known = consoleAddress();
  const number = $("number").value.trim();
  $("ring-me").hidden = !known || state === "off";
  $("console").hidden = !known;
  if (known) {
    $("console").href = `${known}/`;
    $("ring-me").href = `${known}/?call=${encodeURIComponent(number)}`;
  }
  $("ring-me-way").textContent = state === "off" ? "Switch the phone on first." : known ? "" : `Place a call to ${number}: with the console, or \`holdline call ${number}\`.`;
}

async function ourNumbers() {
  const known = await ask("GET", "/lab/credentials");
  for (const [carrier, { numbers }] of Object.entries(known)) {
    for (const number of numbers) $("ours").append(new Option(`${number} (${carrier})`, number));
  }
}

function build() {
  for (const digit of "123456789*0#") {
    const key = document.createElement("button");
    key.type = "button";
    key.textContent = digit;
    key.disabled = true;
    key.addEventListener("click", () => press(digit));
    $("keys").append(key);
  }
  const wanted = new URLSearchParams(location.search).get("number");
  if (wanted) $("number").value = wanted.trim().replace(/^(?=\d)/, "+");
  $("seat").addEventListener("submit", (event) => {
    event.preventDefault();
    if (state === "off") switchOn().catch((error) => switchedOff(error.message));
    else line.close();
  });
  $("answer").addEventListener("click", () => line.send("answer"));
  $("hang-up").addEventListener("click", () => line.send("hang_up"));
  $("out").addEventListener("submit", (event) => { event.preventDefault(); complain(""); line.send("call", { to: $("ours").value }); });
  for (const choice of document.querySelectorAll("input[name=voice]")) choice.addEventListener("change", chooseVoice);
  $("file").addEventListener("change", chooseVoice);
  document.addEventListener("keydown", (event) => {
    if (state === "talking" && /^[0-9*#]$/.test(event.key) && !/INPUT|SELECT/.test(event.target.tagName)) press(event.key);
  });
  setInterval(() => {
    const s = Math.floor((performance.now() - since) / 1000);
    $("since").textContent = state === "talking" || state === "ringing" ? `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}` : "";
  }, 500);
  ourNumbers().catch((error) => complain(error.message));
  watchSwitches($("switches"), complain);
  become("off");
}

build();
