// The page: log in or show the console, and draw it when the model has changed, once a frame, and once a second for ages.

import { act, api, askNoMore, whenLoggedOut } from "./api.js";
import { drawBoard, standing } from "./board.js";
import { drawCalls, forget as forgetCalls, listenToTools } from "./calls.js";
import { find, show, write } from "./dom.js";
import { end, model, onChange, start } from "./model.js";
import { openPlace } from "./place.js";
import { drawEvents, drawPromises, forget as forgetSide } from "./side.js";
import { closeStory, drawStory, grant, listenToStory, openStory } from "./story.js";
import { tell } from "./telling.js";

const LINE = { connecting: "Connecting", live: "Live", away: "Reconnecting", barred: "May not look" };

let may = { read: false, write: false, admin: false };
let stands = new Map();
let inside = false;

function draw() {
  if (!inside) return;
  const now = Date.now() / 1000;
  drawLine();
  drawBoard(model, may);
  drawCalls(model, now);
  drawPromises(model, now);
  drawEvents(model);
  drawStory(model, now);
  announce();
}

function drawLine() {
  find("console").setAttribute("aria-busy", String(may.read && !model.loaded));
  find("line").dataset.state = model.line;
  write(find("line").lastElementChild, LINE[model.line]);
  const trouble = find("trouble");
  show(trouble, model.trouble !== null);
  write(trouble, model.trouble?.words ?? "");
}

// A carrier that changes how it stands is the one thing that an operator must hear of without looking.
function announce() {
  const now = new Map(model.carriers.map((carrier) => [carrier.name, standing(carrier).word]));
  for (const [name, word] of now) if (stands.has(name) && stands.get(name) !== word) tell(`${name}: ${word}`);
  stands = now;
  const out = [...now.values()].filter((word) => word !== "Fit").length;
  document.title = out ? `${out} carrier${out === 1 ? "" : "s"} not fit · Holdline` : "Holdline";
}

function enter(session) {
  act(session.word);
  const has = (scope) => session.scopes.includes("admin") || session.scopes.includes(scope);
  may = { read: has("calls:read"), write: has("calls:write"), admin: has("admin") };
  inside = true;
  grant(may);
  show(find("login"), false);
  show(find("console"), true);
  show(find("place-call"), may.write);
  show(find("phone-link"), session.lab !== null);
  const lacks = [!may.write && "place calls", !may.admin && "take carriers out of service"].filter(Boolean);
  write(find("who"), `Logged in with the key ${session.key}${lacks.length ? `, which may not ${lacks.join(" or ")}` : ""}.`);
  if (may.read) start();
  else Object.assign(model, { line: "barred", trouble: { words: `The key ${session.key} may not look at calls: log in with one whose scope is calls:read or admin.` } });
  draw();
  heed();
}

function leave(trouble = "") {
  inside = false;
  end();
  forgetCalls();
  forgetSide();
  closeStory();
  stands = new Map();
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  show(find("console"), false);
  show(find("login"), true);
  say(trouble);
  find("key").focus();
}

function say(trouble) {
  show(find("login-trouble"), Boolean(trouble));
  write(find("login-trouble"), trouble);
}

async function logIn(event) {
  event.preventDefault();
  const field = find("key");
  try {
    const session = await api("POST", "/console/session", { key: field.value });
    field.value = "";
    say("");
    enter(session);
  } catch (error) {
    if (!("words" in error)) throw error;
    say(error.words);
    field.select();
  }
}

async function logOut() {
  end();
  await askNoMore();
  try {
    await api("DELETE", "/console/session");
    leave();
  } catch (error) {
    if (!("words" in error)) throw error;
    leave(error.status === 401 ? "" : error.words);
  }
}

// The address says what is open: #/calls/call_... is a call's story, ?call=+1... the form with that number in it.
function heed() {
  if (!inside) return;
  const [, id] = location.hash.match(/^#\/calls\/(call_\w+)$/) ?? [];
  if (id) openStory(id);
  else closeStory();
  const wanted = new URLSearchParams(location.search).get("call");
  if (wanted !== null && may.write) {
    history.replaceState(null, "", location.pathname + location.hash);
    openPlace(wanted.startsWith(" ") ? `+${wanted.slice(1)}` : wanted);
  }
}

async function begin() {
  whenLoggedOut(() => inside && leave("Your session is over. Log in again."));
  onChange(draw);
  listenToTools(draw);
  listenToStory(may);
  find("login-form").addEventListener("submit", logIn);
  find("log-out").addEventListener("click", logOut);
  find("place-call").addEventListener("click", () => openPlace());
  addEventListener("hashchange", heed);
  setInterval(() => document.hidden || draw(), 1000);
  try {
    const session = await api("GET", "/console/session");
    if (session) enter(session);
    else leave();
  } catch (error) {
    if (!("words" in error)) throw error;
    leave(error.words);
  }
}

begin();
