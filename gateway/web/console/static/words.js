// The gateway's closed sets of words, said to people. What stands in no table is shown as it came, dashes as spaces.

export const STATUS = {
  scheduled: { word: "Promised", glyph: "wait", tone: "wait" },
  dialing: { word: "Dialing", glyph: "dial", tone: "dial" },
  ringing: { word: "Ringing", glyph: "ring", tone: "ring" },
  in_progress: { word: "Talking", glyph: "talk", tone: "ok" },
  reconnecting: { word: "Reconnecting", glyph: "warn", tone: "bad" },
  voicemail: { word: "Voicemail", glyph: "talk", tone: "wait" },
};

export const OUTCOME = {
  completed: { word: "Completed", glyph: "ok", tone: "ok" },
  voicemail: { word: "Voicemail", glyph: "ok", tone: "ok" },
  busy: { word: "Busy", glyph: "none", tone: "plain" },
  no_answer: { word: "No answer", glyph: "none", tone: "plain" },
  declined: { word: "Declined", glyph: "none", tone: "plain" },
  canceled: { word: "Cancelled", glyph: "none", tone: "plain" },
  abandoned: { word: "Caller gave up", glyph: "none", tone: "plain" },
  invalid_number: { word: "No such number", glyph: "warn", tone: "wait" },
  blocked: { word: "Blocked", glyph: "warn", tone: "wait" },
  denied: { word: "Not allowed", glyph: "warn", tone: "wait" },
  dropped: { word: "Dropped", glyph: "bad", tone: "bad" },
  failed: { word: "Failed", glyph: "bad", tone: "bad" },
  expired: { word: "Expired", glyph: "bad", tone: "bad" },
  exhausted: { word: "No carrier left", glyph: "bad", tone: "bad" },
};

const KNOWN = {
  not_sent: "Nothing was sent, so nothing can ring.",
  refused: "It refused the call, so nothing rang.",
  accepted: "It took the call.",
  alerted: "The phone rang.",
  unknown: "Nobody knows yet whether it dialled; it is being looked for.",
};

const FAULT = {
  carrier: "The carrier's fault",
  callee: "The person's choice",
  us: "Our own doing",
  network: "The network's fault",
  unknown: "Nobody's known fault",
};

const FOLLOWS = {
  next_carrier: "the next carrier may try",
  later: "it is tried again later",
  stop: "no other carrier would change it",
  suppress: "this number is not to be called again",
};

export function plain(word) {
  return String(word ?? "").replaceAll("-", " ").replaceAll("_", " ");
}

export function stateOf(call) {
  const table = call.status === "ended" ? OUTCOME[call.outcome] : STATUS[call.status];
  return table ?? { word: plain(call.outcome ?? call.status), glyph: "none", tone: "plain" };
}

export function capital(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : text;
}

// Ends that we or our users wanted.
const MEANT = new Set(["canceled", "max-duration", "time-limit"]);

// Whether this leg's end is a failure that a person should see as one.
export function lost(leg) {
  if (leg.status === "condemned") return true;
  if (!leg.verdict) return false;
  const { attribution, disposition, reason } = leg.verdict;
  if (disposition === "next_carrier" || disposition === "later") return true;
  return attribution !== "callee" && !MEANT.has(reason) && !reason.endsWith("-hung-up");
}

export function movedOn(call) {
  return call.legs.length > 1;
}

export function verdictWords(leg) {
  if (!leg.verdict) return leg.status === "condemned" ? "Condemned: whatever it does now is hung up." : "";
  const { reason, code, attribution, disposition } = leg.verdict;
  const known = KNOWN[leg.knowledge] ?? "";
  if (reason === "normal-clearing") return "A conversation that ended as conversations do.";
  const coded = code ? ` (the carrier's code ${code})` : "";
  const condemned = leg.status === "condemned" ? " Condemned: whatever it does now is hung up." : "";
  return `${capital(plain(reason))}${coded}. ${FAULT[attribution] ?? plain(attribution)}; ${FOLLOWS[disposition] ?? plain(disposition)}. ${known}${condemned}`;
}

export function failoverWords(failover) {
  const known = (KNOWN[failover.known] ?? "").replace(/\.$/, "").toLowerCase();
  return `${failover.from} → ${failover.to}: ${plain(failover.reason)}${known ? `; ${known}` : ""}`;
}

const EVENTS = {
  "call-accepted": () => "Accepted",
  "call-arrived": () => "A person calls us",
  "route-chosen": (e) => (e.data.failover ? `Failover ${failoverWords(e.data.failover)}. Now as ${e.data.caller_id}` : `Goes to ${e.carrier} as ${e.data.caller_id} (${e.data.why})`) + passed(e),
  "route-exhausted": (e) => `No carrier can take it now${passed(e)}`,
  "pace-held": (e) => `Waits for ${e.data.carrier ?? "a carrier"}'s pace`,
  "dial-denied": (e) => `Not allowed now by the rule ${e.data.rule}`,
  "dial-sending": (e) => `Dialling through ${e.carrier}`,
  "dial-reported": (e) => `${e.carrier} answered the dial: ${told(e)}`,
  "dial-orphaned": (e) => `The process that dialled through ${e.carrier} is gone; the call is looked for`,
  "leg-progressed": (e) => `${e.carrier}: ${plain(e.data.phase)}`,
  "leg-ringing": (e) => `Rings through ${e.carrier}`,
  "leg-answered": (e) => `Answered, through ${e.carrier}`,
  "leg-ended": (e) => `${e.carrier}'s leg ended: ${told(e)}`,
  "leg-found": (e) => `Found at ${e.carrier}: ${told(e)}`,
  "leg-missing": (e) => `Not found at ${e.carrier}: ${told(e)}`,
  "lookup-failed": (e) => `${e.carrier} could not be asked`,
  "stream-opened": (e) => `Sound flows through ${e.carrier}`,
  "stream-failed": (e) => `No sound through ${e.carrier}`,
  "stream-closed": (e) => `${e.carrier}'s sound ended`,
  "promise-due": () => "The promise is due",
  "cancel-requested": () => "Cancelled by a user",
  "hangup-requested": () => "Hung up by a user",
  "timer-fired": (e) => `The timer ${plain(e.data.name)} went off`,
  "call-scheduled": (e) => `Promised: ${plain(e.data.reason)}`,
  "call-dialing": () => "Dialing",
  "call-ringing": () => "The phone rings",
  "call-in-progress": () => "Talking",
  "call-ended": (e) => `Ended: ${OUTCOME[e.data.outcome]?.word.toLowerCase() ?? plain(e.data.outcome)}${e.data.reason ? ` (${plain(e.data.reason)})` : ""}`,
};

function told(event) {
  const { reason, code, knowledge, phase } = event.data;
  if (reason) return `${plain(reason)}${code ? ` (${code})` : ""}`;
  return plain(knowledge ?? phase ?? "");
}

function passed(event) {
  const names = (event.data.passed ?? []).filter((one) => !one.endsWith("tried in this round"));
  return names.length ? `. Passed over: ${names.map(plain).join("; ")}` : "";
}

export function eventWords(event) {
  return EVENTS[event.kind]?.(event) ?? capital(plain(event.kind));
}

// Events that the feed of the whole gateway shows; the story of one call shows all of them.
const QUIET = new Set(["dial-sending", "dial-reported", "leg-progressed", "timer-fired", "leg-ringing", "leg-answered", "call-dialing", "stream-closed", "promise-due"]);

export function loud(event) {
  return !QUIET.has(event.kind) && !(event.kind === "leg-ended" && !event.data.reason);
}

export function eventTone(event) {
  if (event.kind === "route-chosen" && event.data.failover) return "bad";
  if (event.kind === "call-ended") return OUTCOME[event.data.outcome]?.tone ?? "plain";
  return { "call-scheduled": "wait", "route-exhausted": "bad", "call-in-progress": "ok", "call-ringing": "ring", "stream-failed": "bad" }[event.kind] ?? "plain";
}
