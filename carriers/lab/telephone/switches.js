// The lab's switches: each carrier with what ails it, and buttons that make it ill and well again.

const EVERY_MS = 1500;

const ILLS = [
  { word: "Kill", faults: [{ kind: "down" }], tells: "Its listener is closed and every connection reset" },
  { word: "Stall", faults: [{ kind: "blackhole" }], tells: "It takes requests and never answers" },
  { word: "Refuse", faults: [{ kind: "rate_limited" }], tells: "It answers every dial with: too many" },
];

const WORDS = { down: "dead", blackhole: "stalls", rate_limited: "refuses dials" };

export function watchSwitches(list, complain) {
  const look = async () => {
    try {
      const { carriers } = await ask("GET", "/lab/carriers");
      draw(list, carriers, complain, look);
    } catch (error) {
      complain(error.message);
    }
  };
  look();
  setInterval(() => document.hidden || look(), EVERY_MS);
}

function draw(list, carriers, complain, look) {
  const looks = JSON.stringify(carriers.map(({ name, faults, live_calls: live }) => [name, faults, live]));
  if (list.dataset.looks === looks) return;
  list.dataset.looks = looks;
  const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  list.replaceChildren(...carriers.map((carrier) => line(carrier, complain, look)));
  if (focused) [...list.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === focused)?.focus();
}

function line(carrier, complain, look) {
  const ill = carrier.faults.length > 0;
  const item = element("li", ill ? "ill" : "well");
  const names = carrier.faults.map((fault) => WORDS[fault.kind] ?? fault.kind.replaceAll("_", " ")).join(", ");
  item.append(element("strong", "", carrier.name), element("span", "how", ill ? `✕ ${names}` : "✓ well"), element("span", "soft", `${carrier.live_calls} live`));
  const buttons = element("span", "row");
  const say = async (method, body) => {
    try {
      await ask(method, `/lab/carriers/${carrier.name}/faults`, body);
    } catch (error) {
      complain(error.message);
    }
    look();
  };
  if (ill) buttons.append(button(`Heal ${carrier.name}`, "Heal", "It works again", () => say("DELETE")));
  else for (const { word, faults, tells } of ILLS) buttons.append(button(`${word} ${carrier.name}`, word, tells, () => say("PUT", { faults })));
  item.append(buttons);
  return item;
}

function element(tag, name, text = "") {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.textContent = text;
  return made;
}

function button(label, text, tells, deed) {
  const made = element("button", "", text);
  made.type = "button";
  made.title = tells;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", deed);
  return made;
}

export async function ask(method, path, body) {
  const answer = await fetch(path, { method, body: body === undefined ? undefined : JSON.stringify(body), headers: body === undefined ? {} : { "Content-Type": "application/json" } }).catch(() => {
    throw new Error("The lab does not answer: see that it runs.");
  });
  if (answer.ok) return answer.status === 204 ? null : answer.json().catch(() => null);
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.cure ?? problem.detail ?? `The lab answered ${answer.status}.`);
}
