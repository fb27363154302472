// One question before something is done. Escape, Cancel and the browser's back mean no; focus starts on Cancel and goes
// back to where it was. What goes wrong is said in the same place, and the question stays.

import { find, h } from "./dom.js";
import { tell } from "./telling.js";

export function ask({ title, text, yes, danger = false, act }) {
  const dialog = find("confirm");
  const trouble = h("p", { class: "trouble", role: "alert", hidden: true });
  const sure = h("button", { type: "submit", class: danger ? "danger" : "main" }, yes);
  const form = h("form", { method: "dialog", on: { submit: (event) => { event.preventDefault(); run(); } } },
    h("h2", { id: "confirm-title" }, title),
    h("div", { id: "confirm-text" }, text.map((line) => h("p", {}, line))),
    trouble,
    h("div", { class: "row end" }, h("button", { type: "button", autofocus: true, on: { click: () => dialog.close() } }, "Cancel"), sure));
  dialog.replaceChildren(form);
  dialog.showModal();

  async function run() {
    sure.disabled = true;
    try {
      tell(await act());
      dialog.close();
    } catch (error) {
      if (!("words" in error)) throw error;
      trouble.textContent = error.words;
      trouble.hidden = false;
      sure.disabled = false;
    }
  }
}
