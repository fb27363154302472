// The gateway's REST, with the session's cookie. Whatever goes wrong becomes a Trouble: what happened, and what helps.

export class Trouble extends Error {
  constructor(status, title, cure, errors = []) {
    super(title);
    Object.assign(this, { status, title, cure, errors });
  }

  // One text for people: what, why, and the cure of each field.
  get words() {
    const fields = this.errors.map((error) => `${error.field}: found ${error.found}; ${error.allowed}`);
    return [this.title, this.cure, ...fields].filter(Boolean).join(". ").replaceAll("..", ".");
  }
}

const CURES = {
  401: "Log in again",
  403: "Log in with a key that has this scope; `keys` in the gateway's config.yaml says which has which",
  404: "It may have been purged meanwhile; reload the page",
  409: "It moved on while you looked; look again",
  500: "The gateway's log says more",
  503: "Nothing was accepted; try again in a few seconds",
};

let word = "";
let onLoggedOut = () => {};

const reading = new Set();

let leaving = false;

// Before a log-out: nothing more is asked, and what is under way gets its answer, which would be a 401 afterwards.
export async function askNoMore() {
  leaving = true;
  await Promise.allSettled([...reading]);
}

export function act(as) {
  leaving = false;
  word = as;
}

export function whenLoggedOut(listener) {
  onLoggedOut = listener;
}

export async function api(method, path, body = undefined, headers = {}) {
  const answer = await asked(path, {
    method,
    headers: { ...(method === "GET" ? {} : { "X-Holdline-Console": word }), ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
  });
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  throw await trouble(answer, path);
}

async function asked(path, request) {
  if (leaving && request.method === "GET") return new Promise(() => {});
  const question = fetch(path, request);
  if (request.method === "GET") {
    reading.add(question);
    question.finally(() => reading.delete(question)).catch(() => {});
  }
  try {
    return await question;
  } catch {
    throw new Trouble(0, "The gateway does not answer", "See that it runs and that this machine reaches it; the page tries again by itself");
  }
}

export async function trouble(answer, path) {
  const problem = await answer.json().catch(() => ({}));
  if (answer.status === 401 && path !== "/console/session") onLoggedOut();
  // With errors for each field the detail only points to them.
  const detail = problem.errors?.length ? "" : problem.detail;
  return new Trouble(answer.status, problem.title ?? `The gateway answered ${answer.status}`, detail || CURES[answer.status] || "", problem.errors ?? []);
}

// A key for one request: 128 random bits. (randomUUID is missing where the page came over plain http from afar.)
export function once() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
