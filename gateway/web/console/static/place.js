// Placing a call, and asking beforehand which carriers would try it, and why.

import { api, once } from "./api.js";
import { find, h } from "./dom.js";
import { put } from "./model.js";
import { tell } from "./telling.js";
import { local, utc } from "./time.js";
import { plain } from "./words.js";

export function openPlace(to = "") {
  const dialog = find("place");
  // One key for this form: a second press after a lost answer finds the same call.
  let key = once();
  const number = h("input", { id: "to", name: "to", type: "tel", required: true, placeholder: "+15550100001", value: to, autocomplete: "off", autofocus: true, "aria-describedby": "place-trouble", on: { input: () => { key = once(); } } });
  const agent = h("input", { id: "agent", name: "agent", type: "text", placeholder: "as the route says", autocomplete: "off", on: { input: () => { key = once(); } } });
  const trouble = h("p", { id: "place-trouble", class: "trouble", role: "alert", hidden: true });
  const order = h("div", { class: "order", role: "status" });
  const form = h("form", { on: { submit: (event) => { event.preventDefault(); guarded(call); } } },
    h("h2", { id: "place-title" }, "Place a call"),
    h("label", { for: "to" }, "Number, E.164"), number,
    h("label", { for: "agent" }, "Agent (may be left out)"), agent,
    trouble, order,
    h("div", { class: "row end" },
      h("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel"),
      h("button", { type: "button", on: { click: () => guarded(explain) } }, "Which carriers?"),
      h("button", { type: "submit", class: "main" }, "Call")));
  dialog.replaceChildren(h("div", { class: "inside" }, form));
  dialog.showModal();

  async function guarded(deed) {
    trouble.hidden = true;
    try {
      await deed();
    } catch (error) {
      if (!("words" in error)) throw error;
      trouble.textContent = error.words;
      trouble.hidden = false;
    }
  }

  async function call() {
    const body = { to: number.value.trim(), ...(agent.value.trim() ? { agent: agent.value.trim() } : {}) };
    const made = await api("POST", "/v1/calls", body, { "Idempotency-Key": key });
    put(made);
    tell(`Call to ${made.to} accepted`);
    dialog.close();
    location.hash = `#/calls/${made.id}`;
  }

  async function explain() {
    const found = await api("POST", "/v1/routes/explain", { to: number.value.trim() });
    order.replaceChildren(
      h("p", {}, `Route ${found.route}, agent ${found.agent}.${found.denied ? ` Not allowed now by the rule ${found.denied}.` : ""}`),
      h("ol", {}, found.carriers.map((one) => h("li", { class: one.place ? "" : "passed" },
        h("strong", {}, one.place ? `${one.place}. ${one.carrier}` : one.carrier), ` ${one.place ? `as ${one.from}; ` : "passed over: "}${plain(one.reason)}`,
        one.retry_at && h("span", { class: "soft", title: utc(one.retry_at) }, `, again at ${local(one.retry_at)}`)))));
  }
}
